"""The kill-switch on disk: there as a whole or not at all, and never forgotten by accident."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from livestack.control.latch import ENTRIES_MAX, LATCH_NAME, Latch, LatchEntry


def entry(venue: str = "", instrument: str = "", reason: str = "r") -> LatchEntry:
    return LatchEntry(trigger="operator", by="anna", reason=reason, venue=venue, instrument=instrument, wall_ns=7)


def test_what_is_engaged_is_there_for_the_next_process(tmp_path: Path) -> None:
    """In order, by scope; cleared it is gone, and clearing twice is nothing."""
    latch = Latch(tmp_path)
    assert () == latch.entries()
    latch.engage(entry())
    latch.engage(entry(venue="v"))
    assert (entry(), entry(venue="v")) == Latch(tmp_path).entries()
    assert "v" == entry(venue="v").scope
    latch.clear()
    latch.clear()
    assert () == Latch(tmp_path).entries()


def test_the_same_scope_is_kept_once(tmp_path: Path) -> None:
    """The newest reason is told."""
    latch = Latch(tmp_path)
    latch.engage(entry(reason="first"))
    latch.engage(entry(reason="second"))
    assert (entry(reason="second"),) == latch.entries()


def test_a_damaged_latch_covers_everything(tmp_path: Path) -> None:
    """Deny when in doubt: whatever is in the file, the node is killed, and told why."""
    for content in (b"", b"{", b'[{"trigger": 1}]', b"\xff\x00"):
        (tmp_path / LATCH_NAME).write_bytes(content)
        (one,) = Latch(tmp_path).entries()
        assert "" == one.scope
        assert LATCH_NAME in one.reason


def test_too_many_scopes_become_everything(tmp_path: Path) -> None:
    """No scope is ever forgotten for another one."""
    latch = Latch(tmp_path)
    for number in range(ENTRIES_MAX + 1):
        latch.engage(entry(venue=f"v{number}"))
    assert ENTRIES_MAX == len(latch.entries())
    assert "" == latch.entries()[-1].scope


def test_a_disk_that_refuses_is_told(tmp_path: Path) -> None:
    """``OSError``, and what was engaged before stays."""
    latch = Latch(tmp_path / "missing")
    with pytest.raises(OSError, match="No such file"):
        latch.engage(entry())


def test_nobody_else_reads_it_and_no_draft_stays(tmp_path: Path) -> None:
    """Mode 0600, one file."""
    Latch(tmp_path).engage(entry())
    assert [LATCH_NAME] == os.listdir(tmp_path)
    assert 0o600 == (tmp_path / LATCH_NAME).stat().st_mode & 0o777
