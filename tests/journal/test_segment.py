"""Segments: a journal goes on in the next one without a seam, and each knows where it belongs."""

from __future__ import annotations

from pathlib import Path

import pytest

from livestack.exceptions import HeldError, JournalDamagedError
from livestack.journal.clean import is_clean
from livestack.journal.reader import JournalReader
from livestack.journal.segment import Segment, segment_path
from livestack.journal.writer import JournalWriter
from tests.journal.test_format import HEADER
from tests.journal.test_writer import plain
from tests.journal_support import writer


def segments(directory: Path, session: str) -> list[Path]:
    return sorted((directory / "sessions" / session / "journal").iterdir())


def rotated(directory: Path, session: str = "s") -> JournalWriter:
    """Three segments: records 1 to 3, 4 to 5, and 6."""
    journal = writer(directory, session)
    journal.commit([plain(1), plain(2)])
    journal.commit([plain(3)])
    journal.rotate()
    journal.commit([plain(4), plain(5)])
    journal.rotate()
    journal.commit([plain(6)])
    return journal


def test_a_rotated_journal_reads_as_one(tmp_path: Path) -> None:
    """Every record in order, from anywhere, and one hash chain through all of it."""
    rotated(tmp_path).close()
    assert ["1", "4", "6"] == [path.name.lstrip("0") for path in segments(tmp_path, "s")]
    with JournalReader.open(tmp_path / "sessions", "s") as reader:
        assert [1, 2, 3, 4, 5, 6] == [record.seq for record in reader.records()]
        assert [3, 4] == [record.seq for record in reader.records(3, 4)]
        assert (6, 6) == (reader.last_seq(), reader.verify_chain())


def test_a_sealed_segment_is_marked_clean_at_once(tmp_path: Path) -> None:
    """Nobody writes to it any more; the present one is not clean while it is written."""
    journal = rotated(tmp_path)
    assert [True, True, False] == [is_clean(path) for path in segments(tmp_path, "s")]
    journal.close()
    assert [True, True, True] == [is_clean(path) for path in segments(tmp_path, "s")]


def test_an_empty_segment_is_not_rotated(tmp_path: Path) -> None:
    """There is nothing to seal, and the next one would have its name."""
    journal = writer(tmp_path, "s")
    journal.rotate()
    assert (1, 0, 0) == (len(segments(tmp_path, "s")), journal.segment_bytes, journal.segment_first_ts)
    journal.commit([plain(7 - 6)])
    assert journal.segment_bytes > 0
    journal.rotate()
    assert (2, 0) == (len(segments(tmp_path, "s")), journal.segment_bytes)
    journal.close()


def test_a_rotation_that_fails_changes_nothing(tmp_path: Path) -> None:
    """The present segment takes the next record as if nobody had asked."""
    journal = writer(tmp_path, "s")
    journal.commit([plain(1)])
    segment_path(tmp_path / "sessions", "s", 2).mkdir()
    with pytest.raises(HeldError, match="cannot be made"):
        journal.rotate()
    journal.commit([plain(2)])
    assert (2, False) == (journal.last_seq, journal.failed)
    journal.close()


def test_a_segment_in_the_wrong_place_is_found(tmp_path: Path) -> None:
    """Swapped, left out or of another chain: the check names the first position that does not follow."""
    rotated(tmp_path).close()
    first, second, third = segments(tmp_path, "s")
    second.rename(tmp_path / "kept")
    with JournalReader.open(tmp_path / "sessions", "s") as reader, pytest.raises(Exception, match="seq 4"):
        reader.verify_chain()
    (tmp_path / "kept").rename(third.with_name("00000000000000000005"))
    with (
        JournalReader.open(tmp_path / "sessions", "s") as reader,
        pytest.raises(JournalDamagedError, match="another segment's name"),
    ):
        reader.verify_chain()
    assert first.exists()


def test_what_exists_is_never_written_over(tmp_path: Path) -> None:
    """A second segment of the same first position is refused."""
    Segment.create(tmp_path, HEADER, "full").close()
    with pytest.raises(HeldError, match="cannot be made"):
        Segment.create(tmp_path, HEADER, "full")
