"""Files of keys."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import zmq

from livestack.control.commands import Role
from livestack.control.keys import (
    FILE_BYTES_MAX,
    PUBLISHED,
    Client,
    KeyPair,
    check_public,
    load_client_keys,
    load_server,
    new_client,
    parse_clients,
    read_clients,
    read_private,
    revoke,
)
from livestack.exceptions import HeldError, LivestackError, UsageError

EXPIRES_NS = 1_900_000_000 * 10**9


def test_a_first_key_makes_the_nodes_too(tmp_path: Path) -> None:
    """Every secret is its owner's alone, whatever the umask; the client has all it needs in one file."""
    before = os.umask(0)
    try:
        client, path = new_client(tmp_path / "keys", "anna", Role.OPERATOR, EXPIRES_NS)
    finally:
        os.umask(before)
    server = load_server(tmp_path / "keys")
    public, secret, server_public = load_client_keys(path)
    assert client.public_key.encode() == public == zmq.curve_public(secret)
    assert server.public.encode() == server_public
    assert f"{server.public}\n" == (tmp_path / "keys" / "server.pub").read_text()
    assert [Client("anna", Role.OPERATOR, client.public_key, EXPIRES_NS)] == read_clients(tmp_path / "keys")
    assert {0o600} == {one.stat().st_mode & 0o777 for one in (tmp_path / "keys").iterdir()}
    assert 0o700 == (tmp_path / "keys").stat().st_mode & 0o777


def test_the_nodes_key_stays(tmp_path: Path) -> None:
    """A second client knows the same node."""
    _, first = new_client(tmp_path, "a", Role.ADMIN)
    _, second = new_client(tmp_path, "b", Role.VIEWER)
    assert load_client_keys(first)[2] == load_client_keys(second)[2]
    assert ["a", "b"] == [one.name for one in read_clients(tmp_path)]


@pytest.mark.parametrize(
    "name", ["", "a b", "../a", "local", "server", "clients", "unlisted", "a" * 65, ".a", 'a"']
)
def test_a_name_that_cannot_be_is_refused(tmp_path: Path, name: str) -> None:
    """Names are file names, and stand in the audit."""
    with pytest.raises(UsageError, match="has a name"):
        new_client(tmp_path / "keys", name, Role.VIEWER)
    with pytest.raises(UsageError, match="has a name"):
        revoke(tmp_path / "keys", name)
    assert not (tmp_path / "keys").exists()


def test_a_file_that_is_on_no_list_can_be_taken_away(tmp_path: Path) -> None:
    """A crash may have left it: its name is free again; the node's own file is no client's."""
    _, path = new_client(tmp_path, "a", Role.VIEWER)
    new_client(tmp_path, "b", Role.VIEWER)
    (tmp_path / "clients.toml").unlink()
    assert 0 == revoke(tmp_path, "a")
    assert not path.exists()
    with pytest.raises(UsageError, match="has a name"):
        revoke(tmp_path, "server")
    load_server(tmp_path)


def test_a_name_is_given_once(tmp_path: Path) -> None:
    """A second key of the same name would pass for the first."""
    new_client(tmp_path, "a", Role.VIEWER)
    with pytest.raises(UsageError, match="revoke it first"):
        new_client(tmp_path, "a", Role.ADMIN)
    (tmp_path / "b.key").write_text("something")
    with pytest.raises(UsageError, match="revoke it first"):
        new_client(tmp_path, "b", Role.ADMIN)
    assert "something" == (tmp_path / "b.key").read_text()


def test_a_revoked_key_is_off_the_list(tmp_path: Path) -> None:
    """And its name is free again; one that is not there is named with those that are."""
    new_client(tmp_path, "a", Role.VIEWER)
    new_client(tmp_path, "b", Role.VIEWER)
    assert 1 == revoke(tmp_path, "a")
    assert ["b"] == [one.name for one in read_clients(tmp_path)]
    assert not (tmp_path / "a.key").exists()
    with pytest.raises(UsageError, match="there are: b"):
        revoke(tmp_path, "a")
    new_client(tmp_path, "a", Role.ADMIN)


def test_a_list_that_cannot_be_written_leaves_no_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The client's file goes again."""

    def fail(_path: Path, _target: Path) -> Path:
        raise OSError("disk full")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        new_client(tmp_path, "a", Role.VIEWER)
    assert not (tmp_path / "a.key").exists()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_a_secret_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    """The sentence says the right mode."""
    _, path = new_client(tmp_path, "a", Role.VIEWER)
    for one in (path, tmp_path / "server.key", tmp_path / "clients.toml"):
        one.chmod(mode)
    with pytest.raises(HeldError, match="chmod 600"):
        load_client_keys(path)
    with pytest.raises(HeldError, match="chmod 600"):
        load_server(tmp_path)
    with pytest.raises(HeldError, match="chmod 600"):
        read_clients(tmp_path)


def test_a_directory_that_others_may_open_is_refused(tmp_path: Path) -> None:
    """For making keys and for loading the node's."""
    new_client(tmp_path, "a", Role.VIEWER)
    tmp_path.chmod(0o755)
    with pytest.raises(HeldError, match="chmod 700"):
        load_server(tmp_path)
    with pytest.raises(HeldError, match="chmod 700"):
        new_client(tmp_path, "b", Role.VIEWER)


def test_what_is_no_file_of_ours_is_refused(tmp_path: Path) -> None:
    """A link, a pipe, a directory, one too long, one that is no text."""
    private = tmp_path / "a"
    private.write_text("")
    private.chmod(0o600)
    (tmp_path / "link").symlink_to(private)
    os.mkfifo(tmp_path / "pipe", 0o600)
    (tmp_path / "directory").mkdir()
    for name in ("link", "pipe", "directory", "none"):
        with pytest.raises(HeldError):
            read_private(tmp_path / name)
    private.write_bytes(b"a" * (FILE_BYTES_MAX + 1))
    with pytest.raises(HeldError, match="smaller"):
        read_private(private)
    private.write_bytes(b"\xff")
    with pytest.raises(UsageError, match="UTF-8"):
        read_private(private)


def test_a_file_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever its mode."""
    path = tmp_path / "a"
    path.write_text("")
    path.chmod(0o600)
    monkeypatch.setattr(os, "geteuid", lambda: path.stat().st_uid + 1)
    with pytest.raises(HeldError, match="owner"):
        read_private(path)


def test_missing_files_say_how_to_make_them(tmp_path: Path) -> None:
    """The command is named."""
    with pytest.raises(UsageError, match="livestack keys new"):
        load_server(tmp_path)
    with pytest.raises(UsageError, match="livestack keys new"):
        load_client_keys(tmp_path / "a.key")
    assert [] == read_clients(tmp_path)


PUBLIC, SECRET = "ZFcv3XcYK<gc&<7AephzV5ph60$oSn(t$Kt1YH%r", "Uu]X2GM!8xt5QE0hH=Z5x+9*T>SPCNpP2EHJpp&r"
"""The same in every process that collects these tests."""


@pytest.mark.parametrize(
    "text",
    [
        "not toml",
        "",
        f'public_key = "{PUBLIC}"',
        f'public_key = 7\nsecret_key = "{SECRET}"\nserver_key = "{PUBLIC}"',
        f'public_key = "{PUBLIC}"\nsecret_key = "{PUBLIC}"\nserver_key = "{PUBLIC}"',
        f'public_key = "{PUBLIC}"\nsecret_key = "short"\nserver_key = "{PUBLIC}"',
        f'public_key = "{PUBLIC}"\nsecret_key = "ä"\nserver_key = "{PUBLIC}"',
        f'public_key = "{PUBLIC}"\nsecret_key = "{SECRET}"',
        f'public_key = "{PUBLIC}"\nsecret_key = "{SECRET}"\nserver_key = "short"',
    ],
)
def test_a_damaged_key_file_is_a_sentence(tmp_path: Path, text: str) -> None:
    """Nothing else is raised, and the sentence holds no secret."""
    path = tmp_path / "a.key"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(LivestackError) as raised:
        load_client_keys(path)
    assert SECRET not in str(raised.value)


@pytest.mark.parametrize(
    "key", ["", "a" * 39, "a" * 41, "0" * 40, "~" * 40, "ä" * 40, "#" * 40, *sorted(PUBLISHED)]
)
def test_what_is_no_key_of_ours_is_refused(key: str) -> None:
    """Wrong lengths and characters, nothing but zeros, and the pairs of the manual."""
    with pytest.raises(UsageError):
        check_public(key, "here")


def test_the_published_keys_are_those_of_the_manual() -> None:
    """Their secrets are known to everybody, this test too."""
    secrets = (b"D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs", b"JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6")
    assert {zmq.curve_public(one).decode() for one in secrets} == PUBLISHED


GOOD = f'["{PUBLIC}"]\nname = "a"\nrole = "viewer"\n'


@pytest.mark.parametrize(
    "text",
    [
        "[",
        "a = 1",
        GOOD + GOOD,
        GOOD + "more = 1",
        GOOD.replace('"viewer"', '"root"'),
        GOOD.replace('"viewer"', "3"),
        GOOD.replace('"viewer"', "[]"),
        GOOD.replace('"a"', '"local"'),
        GOOD.replace('"a"', '"a, confirmed by b"'),
        GOOD.replace('"a"', "1"),
        GOOD.replace('name = "a"', ""),
        GOOD + 'expires = "2030-01-01"',
        GOOD + "expires = 2030-01-01",
        GOOD + "expires = 2030-01-01T00:00:00",
        GOOD.replace(PUBLIC, "abc"),
        GOOD.replace(PUBLIC, min(PUBLISHED)),
    ],
)
def test_a_list_is_used_whole_or_not_at_all(text: str) -> None:
    """One line that makes no sense refuses all of it."""
    with pytest.raises(UsageError, match="here"):
        parse_clients(text, "here")


def test_a_list_made_by_hand_is_read() -> None:
    """With a zone of its own."""
    assert [Client("a", Role.VIEWER, PUBLIC, 1_893_452_400 * 10**9)] == parse_clients(
        GOOD + "expires = 2030-01-01T00:00:00+01:00", "here"
    )


def test_a_pair_does_not_show_its_secret() -> None:
    """Not in a log, not in a traceback."""
    assert SECRET not in repr(KeyPair(PUBLIC, SECRET))
