"""Marks beside a journal: whole or not there, and the least of them counts."""

from __future__ import annotations

from pathlib import Path

import pytest

from livestack.storage.cursor import SHIPPED_NAME, Mark, read_marks, write_mark


@pytest.fixture(name="sessions")
def _sessions(tmp_path: Path) -> Path:
    (tmp_path / "s").mkdir()
    return tmp_path


def mark(name: str, through: int) -> Mark:
    return Mark(name=name, address="there", through=through)


def test_a_mark_is_replaced_as_a_whole(sessions: Path) -> None:
    """The newest one is read, and nothing unfinished stays."""
    write_mark(sessions, "s", mark("a", 1))
    write_mark(sessions, "s", mark("a", 2))
    assert {"a": mark("a", 2)} == read_marks(sessions, "s")
    assert ["a.json"] == [path.name for path in (sessions / "s" / SHIPPED_NAME).iterdir()]


def test_what_cannot_be_read_is_not_there(sessions: Path) -> None:
    """Torn, of another program, or nothing at all: the sink is asked."""
    assert {} == read_marks(sessions, "s")
    write_mark(sessions, "s", mark("a", 1))
    (sessions / "s" / SHIPPED_NAME / "b.json").write_bytes(b'{"name": "b", "addr')
    (sessions / "s" / SHIPPED_NAME / "c.unfinished").write_bytes(b"")
    (sessions / "s" / SHIPPED_NAME / "d.json").mkdir()
    assert ["a"] == list(read_marks(sessions, "s"))


def test_a_disk_that_refuses_leaves_the_old_one(sessions: Path) -> None:
    """The error goes up to whoever wrote."""
    write_mark(sessions, "s", mark("a", 1))
    unfinished = sessions / "s" / SHIPPED_NAME / "a.unfinished"
    unfinished.mkdir()
    with pytest.raises(OSError, match="directory"):
        write_mark(sessions, "s", mark("a", 2))
    assert {"a": mark("a", 1)} == read_marks(sessions, "s")
