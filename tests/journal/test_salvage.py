"""What can be read of a journal, whatever is wrong with it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from livestack.core.events import Recorded
from livestack.exceptions import JournalDamagedError, JournalFormatError
from livestack.journal.reader import JournalReader
from livestack.journal.salvage import FAULTS_MAX, Gap, _resume_at, open_readable, salvage
from tests.journal.damage import garble, spoil
from tests.journal.test_reader import make_segments

Found = list[tuple[int, int | None] | int]


def read(sessions: Path, **bounds: int) -> Found:
    """Positions of records, first and last position of gaps."""
    reader, gaps = open_readable(sessions, "s")
    with reader:
        items = [*gaps, *salvage(reader, **bounds)]
    return [one.seq if isinstance(one, Recorded) else (one.first_seq, one.last_seq) for one in items]


def test_a_sound_journal_has_no_gap(tmp_path: Path) -> None:
    """Every record, or those asked for."""
    make_segments(tmp_path)
    assert list(range(1, 31)) == read(tmp_path)
    assert list(range(9, 23)) == read(tmp_path, from_seq=9, to_seq=22)


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (0, [*range(11, 31)]),
        (1, [*range(1, 11), (11, 20), *range(21, 31)]),
        (2, [*range(1, 21)]),
    ],
)
def test_a_missing_segment_is_a_gap(tmp_path: Path, number: int, expected: Found) -> None:
    """In the middle; the oldest ones may have been removed, and the newest is not known to have been."""
    shutil.rmtree(make_segments(tmp_path)[number])
    assert expected == read(tmp_path)


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (0, [(1, 10), *range(11, 31)]),
        (1, [*range(1, 11), (11, 20), *range(21, 31)]),
        (2, [*range(1, 21), (21, None)]),
    ],
)
def test_a_segment_that_cannot_be_opened_costs_its_part(tmp_path: Path, number: int, expected: Found) -> None:
    """The first, a middle one, the last, of which nobody knows how far it went."""
    segment = make_segments(tmp_path)[number]
    garble(segment)
    assert expected == read(tmp_path)


def test_a_bad_record_costs_itself(tmp_path: Path) -> None:
    """Two in a row are one gap, and what is behind them is read."""
    segments = make_segments(tmp_path)
    for seq in (23, 24):
        spoil(segments[2], seq)
    assert [*range(1, 23), (23, 24), *range(25, 31)] == read(tmp_path)


def test_a_gap_says_what_is_wrong(tmp_path: Path) -> None:
    """In the reader's words, with segment and position."""
    spoil(make_segments(tmp_path)[2], 23)
    reader, _ = open_readable(tmp_path, "s")
    with reader:
        (gap,) = [one for one in salvage(reader) if isinstance(one, Gap)]
    assert "at seq 23 is damaged: checksum does not match" in gap.damage


def test_too_many_bad_records_give_their_segment_up(tmp_path: Path) -> None:
    """Each would cost a new look at the segment."""
    segments = make_segments(tmp_path)
    with JournalReader(segments, live=False) as reader:
        error = JournalDamagedError(str(segments[0]), 2, "checksum does not match")
        assert (3, 11) == (_resume_at(reader, error, 2, 1), _resume_at(reader, error, 2, FAULTS_MAX))


def test_nothing_readable_is_an_error(tmp_path: Path) -> None:
    """Of the first segment, or that there is none."""
    with pytest.raises(JournalFormatError, match="holds no journal segment"):
        open_readable(tmp_path, "s")
    for segment in make_segments(tmp_path):
        garble(segment)
    with pytest.raises(JournalDamagedError, match=f"{1:020d}"):
        open_readable(tmp_path, "s")


def test_what_ends_before_is_not_looked_at(tmp_path: Path) -> None:
    """A segment before the position asked for may be anything."""
    segments = make_segments(tmp_path)
    garble(segments[0])
    reader, gaps = open_readable(tmp_path, "s", from_seq=15)
    with reader:
        assert ([], 11) == (gaps, reader.header.first_seq)
