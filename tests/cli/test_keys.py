"""``livestack keys``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from livestack.cli.main import cli
from livestack.control.keys import load_client_keys, read_clients
from livestack.exceptions import UsageError


def keys(tmp_path: Path, *arguments: str) -> Result:
    return CliRunner().invoke(cli, ["keys", *arguments, "--data-dir", str(tmp_path / "d")])


def test_a_key_is_made_and_said_where(tmp_path: Path) -> None:
    """As JSON, and for people; the secret is shown to nobody."""
    result = keys(tmp_path, "new", "anna", "--role", "operator", "--json")
    made = json.loads(result.stdout)
    public, secret, _ = load_client_keys(Path(made["path"]))
    assert {"public_key": public.decode(), "path": str(tmp_path / "d" / "keys" / "anna.key")} == made
    assert secret.decode() not in result.output
    result = keys(tmp_path, "new", "ben", "--role", "viewer")
    assert 0 == result.exit_code
    assert str(tmp_path / "d" / "keys" / "ben.key") in result.stdout


@pytest.mark.parametrize(
    ("expires_s", "text"),
    [
        (1_896_048_000, "2030-01-31"),
        (1_896_091_200, "2030-01-31T12:00:00Z"),
        (1_896_087_600, "2030-01-31T12:00:00+01:00"),
    ],
)
def test_a_key_may_end(tmp_path: Path, expires_s: int, text: str) -> None:
    """At a date or a moment, in UTC where no zone is said."""
    assert 0 == keys(tmp_path, "new", "anna", "--role", "viewer", "--expires", text).exit_code
    (client,) = read_clients(tmp_path / "d" / "keys")
    assert expires_s * 10**9 == client.expires_ns
    (listed,) = json.loads(keys(tmp_path, "list", "--json").stdout)
    assert listed["expires"].startswith("2030-01-31T")
    assert "until 2030-01-31" in keys(tmp_path, "list").stdout


@pytest.mark.parametrize("text", ["soon", "2020-01-01", "31.1.2030"])
def test_an_end_that_cannot_be_is_refused(tmp_path: Path, text: str) -> None:
    """The sentence shows one that can, or says that it has to be in the future; nothing is made."""
    result = keys(tmp_path, "new", "anna", "--role", "viewer", "--expires", text)
    assert 2 == result.exit_code
    assert "2030-01-31" in result.stderr or "future" in result.stderr
    assert not (tmp_path / "d").exists()


def test_keys_are_listed_and_revoked(tmp_path: Path) -> None:
    """What is revoked is gone from the list."""
    assert "livestack keys new" in keys(tmp_path, "list").stderr
    for name in ("anna", "ben"):
        keys(tmp_path, "new", name, "--role", "admin")
    assert ["anna", "ben"] == [one["name"] for one in json.loads(keys(tmp_path, "list", "--json").stdout)]
    assert {"name": "anna", "revoked": 1} == json.loads(keys(tmp_path, "revoke", "anna", "--json").stdout)
    assert "ben is revoked\n" == keys(tmp_path, "revoke", "ben").stdout
    assert [] == json.loads(keys(tmp_path, "list", "--json").stdout)
    with pytest.raises(UsageError, match="no key of anna"):
        raise keys(tmp_path, "revoke", "anna").exception or AssertionError


def test_an_expired_key_is_shown_as_such(tmp_path: Path) -> None:
    """It stays on the list until it is revoked."""
    keys(tmp_path, "new", "anna", "--role", "viewer", "--expires", "2030-01-31")
    path = tmp_path / "d" / "keys" / "clients.toml"
    path.write_text(path.read_text().replace("2030", "2020"))
    assert keys(tmp_path, "list").stdout.endswith("expired\n")


def test_a_role_is_required(tmp_path: Path) -> None:
    """There is no default that could be too much."""
    result = keys(tmp_path, "new", "anna")
    assert 2 == result.exit_code
    assert "viewer" in result.stderr
