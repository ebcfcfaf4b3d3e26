"""What can still be read of a journal, whatever is wrong with it: records, and the gaps between them. Never writes.

A record that is not what was written costs itself; a segment that cannot be opened, or has too much wrong with it,
costs its part. Everything else is read. Any one thread.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from livestack.core.events import Recorded
from livestack.exceptions import JournalDamagedError, JournalError, JournalFormatError
from livestack.journal.reader import SEQ_MAX, JournalReader
from livestack.journal.segment import first_seq_of, segments_of

FAULTS_MAX = 100
"""Bad records in a row before the rest of their segment is given up."""


class Gap(msgspec.Struct, frozen=True):
    """Positions ``first_seq`` to ``last_seq`` (None: nobody knows how far) cannot be read; ``damage`` says why."""

    first_seq: int
    last_seq: int | None
    damage: str


def open_readable(
    sessions: Path, session: str, live: bool = False, from_seq: int = 0
) -> tuple[JournalReader, list[Gap]]:
    """A reader from the first segment on whose header can be read, and what lies before it.

    Segments that end before ``from_seq`` are not looked at.
    ``JournalDamagedError`` or ``JournalFormatError`` of the first segment where there is none.
    """
    segments = segments_of(sessions, session)
    if not segments:
        return JournalReader.open(sessions, session, live), []
    ended = sum(1 for segment in segments[1:] if first_seq_of(segment) <= from_seq)
    segments = segments[ended:]
    gaps: list[Gap] = []
    first_error: JournalError | None = None
    for number, segment in enumerate(segments):
        try:
            return JournalReader(segments[number:], live), gaps
        except (JournalDamagedError, JournalFormatError) as error:
            first_error = first_error or error
            behind = first_seq_of(segments[number + 1]) - 1 if number + 1 < len(segments) else None
            gaps.append(Gap(first_seq_of(segment), behind, str(error)))
    assert first_error is not None
    raise first_error


def salvage(
    reader: JournalReader, from_seq: int | None = None, to_seq: int | None = None
) -> Iterator[Recorded | Gap]:
    """Records from ``from_seq`` (None: the oldest) to ``to_seq`` (None: what is there), in order, with every gap."""
    position = first = from_seq if from_seq is not None else reader.header.first_seq
    last = SEQ_MAX if to_seq is None else to_seq
    damage, faults = "", 0
    while position <= last:
        try:
            for record in reader.records(position, to_seq):
                if damage:
                    yield Gap(first, record.seq - 1, damage)
                    damage, faults = "", 0
                yield record
                position = record.seq + 1
            break
        except JournalError as error:
            if not damage:
                first, damage = position, str(error)
            faults += 1
            following = _resume_at(reader, error, position, faults)
            if following is None:
                break
            position = following
    if damage:
        yield Gap(first, to_seq, damage)


def _resume_at(reader: JournalReader, error: JournalError, position: int, faults: int) -> int | None:
    """Where to read on after ``error`` at ``position``; None where nothing comes any more."""
    if isinstance(error, JournalDamagedError) and error.seq and faults < FAULTS_MAX:
        found_in = int(Path(error.path).name)
        return found_in if found_in > position else error.seq + 1
    starts = [first_seq_of(segment) for segment in reader.segments]
    return next((start for start in starts if start > position), None)
