"""Who may come in, at this moment."""

from __future__ import annotations

from pathlib import Path

import pytest

from livestack.control import allow_list as module
from livestack.control.allow_list import AllowList
from livestack.control.commands import Role
from livestack.control.keys import CLIENTS_NAME, new_client, revoke
from tests.control.support import SECOND_NS, HandClock


def test_changes_are_seen_without_a_restart(tmp_path: Path) -> None:
    """A new key at once, a revoked one no longer."""
    keys = AllowList(tmp_path, HandClock())
    first, _ = new_client(tmp_path, "a", Role.VIEWER)
    second, _ = new_client(tmp_path, "b", Role.ADMIN)
    assert first == keys.find(first.public_key)
    assert frozenset({first.public_key, second.public_key}) == keys.usable()
    revoke(tmp_path, "a")
    assert keys.find(first.public_key) is None
    assert "no longer" in keys.refusal(first.public_key)
    assert second == keys.find(second.public_key)


def test_nothing_is_read_while_nothing_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One look at the file's data is all."""
    client, _ = new_client(tmp_path, "a", Role.VIEWER)
    keys = AllowList(tmp_path, HandClock())
    assert client == keys.find(client.public_key)
    monkeypatch.setattr(module, "read_private", lambda _path: pytest.fail("it was read again"))
    assert client == keys.find(client.public_key)


def test_a_key_expires(tmp_path: Path) -> None:
    """At its time, to the nanosecond, and is then said to have expired."""
    clock = HandClock()
    client, _ = new_client(tmp_path, "a", Role.VIEWER, clock.wall_ns() + SECOND_NS)
    keys = AllowList(tmp_path, clock)
    clock.ns += SECOND_NS - 1
    assert "" == keys.expired(client.public_key)
    assert client == keys.find(client.public_key)
    clock.ns += 1
    assert keys.find(client.public_key) is None
    assert frozenset() == keys.usable()
    assert "expired" in keys.refusal(client.public_key)
    assert ("a", "") == (keys.expired(client.public_key), keys.expired("another"))


def test_a_damaged_list_lets_nobody_in(tmp_path: Path) -> None:
    """It says why, and is used again once it is mended."""
    client, _ = new_client(tmp_path, "a", Role.VIEWER)
    keys = AllowList(tmp_path, HandClock())
    path = tmp_path / CLIENTS_NAME
    whole = path.read_text()
    assert client == keys.find(client.public_key)
    path.write_text(whole + "[")
    assert keys.find(client.public_key) is None
    assert "TOML" in keys.trouble
    assert "cannot read" in keys.refusal(client.public_key)
    path.write_text(whole)
    assert client == keys.find(client.public_key)
    assert "" == keys.trouble


def test_a_loose_list_lets_nobody_in(tmp_path: Path) -> None:
    """Others could have written it."""
    client, _ = new_client(tmp_path, "a", Role.VIEWER)
    keys = AllowList(tmp_path, HandClock())
    (tmp_path / CLIENTS_NAME).chmod(0o666)
    assert keys.find(client.public_key) is None
    assert "chmod 600" in keys.trouble


def test_a_missing_list_lets_nobody_in(tmp_path: Path) -> None:
    """Never there, or gone."""
    keys = AllowList(tmp_path / "keys", HandClock())
    assert keys.find("a") is None
    client, _ = new_client(tmp_path / "keys", "a", Role.VIEWER)
    assert client == keys.find(client.public_key)
    (tmp_path / "keys" / CLIENTS_NAME).unlink()
    assert keys.find(client.public_key) is None
    assert CLIENTS_NAME in keys.trouble
