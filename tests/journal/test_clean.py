"""The mark of an orderly end: it holds for the very file that was marked, and for nothing else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from livestack.core.events import CheckpointRequested, Recorded, SessionStopped
from livestack.core.types import Origin
from livestack.journal.clean import is_clean, is_stopped, mark_clean, marked_end
from tests.journal.test_writer import plain
from tests.journal_support import writer

STOPPED = Recorded(1, 1, Origin.INPUT, SessionStopped(reason=""))
OTHER = Recorded(2, 1, Origin.INPUT, CheckpointRequested(by="test"))
DERIVED = Recorded(2, 1, Origin.DERIVED, CheckpointRequested(by="test"))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("records", "stopped"),
    [
        ([], False),
        ([STOPPED], True),
        ([STOPPED, DERIVED], True),
        ([STOPPED, OTHER], False),
        ([DERIVED], False),
    ],
)
def test_a_stop_is_the_last_input(records: list[Recorded], stopped: bool) -> None:
    """What the Core derived from the stop may follow, and no other input."""
    assert stopped == is_stopped(records)


def test_the_mark_is_lost_with_any_change(tmp_path: Path) -> None:
    """Another size, another time of change, no mark or no file: not clean."""
    data = tmp_path / "data.mdb"
    assert not is_clean(tmp_path)
    mark_clean(tmp_path, 7, b"\x01")
    assert not is_clean(tmp_path)
    data.write_bytes(b"one")
    mark_clean(tmp_path, 7, b"\x01")
    assert is_clean(tmp_path)
    os.utime(data, ns=(1, 1))
    assert not is_clean(tmp_path)
    mark_clean(tmp_path, 7, b"\x01")
    data.write_bytes(b"longer")
    assert not is_clean(tmp_path)


def test_a_writer_marks_what_stopped_in_order_and_nothing_else(tmp_path: Path) -> None:
    """A session that ends in anything but a stop is checked before it is looked at."""
    for session, record, clean in (("stopped", plain(1), True), ("interrupted", OTHER, False)):
        journal = writer(tmp_path, session)
        journal.commit([Recorded(1, 1, record.origin, record.event)])
        journal.close()
        (segment,) = (tmp_path / "sessions" / session / "journal").iterdir()
        assert clean == is_clean(segment)


def test_the_mark_keeps_where_the_segment_ended(tmp_path: Path) -> None:
    """Also when the file has changed since; nothing where there is no mark, or one of before that was kept."""
    data = tmp_path / "data.mdb"
    data.write_bytes(b"x")
    assert marked_end(tmp_path) is None
    mark_clean(tmp_path, 7, b"\x01\x02")
    data.write_bytes(b"other")
    assert (False, (7, b"\x01\x02")) == (is_clean(tmp_path), marked_end(tmp_path))
    (tmp_path / "clean").write_text("1 2\n")
    assert marked_end(tmp_path) is None
