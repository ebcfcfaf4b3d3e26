"""The kill-switch on disk: there as a whole or not at all, and never forgotten by accident."""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from livestack.control.latch import ENTRIES_MAX, EVERYTHING_SUFFIX, LATCH_NAME, Latch, LatchEntry


def entry(venue: str = "", instrument: str = "", reason: str = "r") -> LatchEntry:
    return LatchEntry(
        trigger="operator", by="anna", reason=reason, venue=venue, instrument=instrument, wall_ns=7
    )


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


@contextmanager
def somebody_writing(directory: Path) -> Iterator[None]:
    """Another process is about to engage, and is stopped there."""
    handle = os.open(directory, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    try:
        yield
    finally:
        os.close(handle)


def test_those_who_engage_at_once_lose_nothing(tmp_path: Path) -> None:
    """Each a latch of its own, as node and guard have: every scope is there, or is covered."""
    count = 8
    begin = threading.Barrier(count)

    def engage(number: int) -> None:
        latch = Latch(tmp_path)
        begin.wait()
        for turn in range(5):
            latch.engage(entry(venue=f"v{number}", instrument=f"{turn}"))

    threads = [threading.Thread(target=engage, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = {(one.venue, one.instrument) for one in Latch(tmp_path).entries()}
    assert ("", "") in found or {(f"v{n}", f"{turn}") for n in range(count) for turn in range(5)} == found


def test_behind_somebody_who_is_stopped_it_engages_everything(tmp_path: Path) -> None:
    """Whatever that one writes when it goes on; reading waits for nobody, and clearing removes both."""
    latch = Latch(tmp_path)
    latch.engage(entry(venue="v"))
    before = (tmp_path / LATCH_NAME).read_bytes()
    with somebody_writing(tmp_path):
        latch.engage(entry(venue="w"))
        assert (entry(venue="v"), entry()) == latch.entries()
        with pytest.raises(BlockingIOError, match="somebody else is writing"):
            latch.clear()
        (tmp_path / LATCH_NAME).write_bytes(before)
    assert (entry(venue="v"), entry()) == Latch(tmp_path).entries()
    latch.clear()
    assert ((), []) == (latch.entries(), os.listdir(tmp_path))


def test_damage_to_the_second_file_covers_everything_too(tmp_path: Path) -> None:
    """It is told which file it is."""
    latch = Latch(tmp_path)
    latch.engage(entry(venue="v"))
    (tmp_path / f"{LATCH_NAME}{EVERYTHING_SUFFIX}").write_bytes(b"[")
    venue, all_of_it = latch.entries()
    assert ("v", "") == (venue.scope, all_of_it.scope)
    assert EVERYTHING_SUFFIX in all_of_it.reason
