"""The journal as a shipper reads it: whole commits, each checked against the hash chain, none that could still be lost.

In ``relaxed`` durability a power loss may take the newest commit of a segment, and only that: writing the next one
flushes it. What has left for central storage must never be gone from the journal, so the newest commit is held back
until another one follows, or until its file was flushed from here, which happens once nothing follows for a moment.

Read transactions are the reader's: copied, closed, then handed out. Any one thread; it may wait for the disk.
"""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Callable, Iterator
from pathlib import Path

from livestack.core.events import Recorded
from livestack.exceptions import JournalDamagedError, JournalFormatError, RecoveryError
from livestack.journal.clean import DATA_NAME, is_stopped
from livestack.journal.format import SegmentHeader
from livestack.journal.quarantine import is_abandoned
from livestack.journal.reader import SEQ_MAX, JournalReader
from livestack.journal.segment import first_seq_of, segments_of

FLUSHED_ALWAYS = "full"
"""The durability under which what can be read is on the disk."""

FLUSH_AFTER_NS = 500_000_000
"""A commit that is the newest for so long is flushed from here: a quiet session's disk has time for that."""


class JournalSource:
    """One session's journal. ``live``: its writer may be running. Errors are those of :class:`JournalReader`, and
    ``OSError`` where the disk refuses to flush."""

    def __init__(self, sessions: Path, session: str, live: bool, now_ns: Callable[[], int]) -> None:
        segments = segments_of(sessions, session)
        if not segments:
            raise JournalFormatError(f"{sessions / session / 'journal'} holds no journal segment")
        self._sessions = sessions
        self._now_ns = now_ns
        self._live = live
        self._reader = JournalReader(segments, live, sparing=not live)
        self._oldest = self._within = self._reader.header
        self._newest = (segments[-1], _file_of(segments[-1]))
        self._flushed = 0
        self._held = (0, 0)
        self._part = (self._oldest.first_seq, self._following(0))
        self._reader.close()  # the oldest segment was opened for its header alone

    @property
    def header(self) -> SegmentHeader:
        """Of the oldest segment that is still there."""
        oldest = self._reader.segments[0]
        if first_seq_of(oldest) != self._oldest.first_seq:
            self._oldest = self._reader.header_of(oldest)
        return self._oldest

    def last_seq(self) -> int:
        """The journal's end, as far as it was ever committed; what is still held back too."""
        return self._reader.last_seq()

    def header_at(self, seq: int) -> SegmentHeader:
        """Of the segment that ``seq`` stands in: a session that was resumed may have it from another program."""
        first, following = self._part
        if not first <= seq < following:
            number = max(bisect_right(self._firsts(), seq) - 1, 0)
            segment = self._reader.segments[number]
            self._within = self._reader.header_of(segment)
            self._part = (self._within.first_seq, self._following(number))
        return self._within

    def link_at(self, seq: int) -> str:
        """The hash chain's link where the commit of ``seq`` ends, in hex; "" where it cannot be read."""
        try:
            return (self._reader.link_at(seq) or b"").hex()
        except JournalDamagedError:
            return ""

    def ts_of(self, seq: int) -> int:
        """When the Event at ``seq`` was sequenced, or the first one that is there; 0 where it cannot be read."""
        seq = max(seq, self.header.first_seq)
        try:
            return next((record.ts for record in self._reader.records(seq, seq)), 0)
        except JournalDamagedError:
            return 0

    def has(self, from_seq: int) -> bool:
        """Whether there may be something at or behind ``from_seq``; cheap. Looks for new segments."""
        self._refresh(from_seq)
        try:
            return self._reader.last_seq() >= from_seq
        except JournalDamagedError:
            return True  # reading tells where, behind everything that stands before it

    def commits(self, from_seq: int) -> Iterator[list[Recorded]]:
        """What was committed together, from ``from_seq`` to what is there now and stays there.

        ``RecoveryError`` where the journal begins later: what was between is gone, and must not be passed over.
        """
        held: list[Recorded] | None = None
        damage: JournalDamagedError | None = None
        try:
            for records in self._reader.commits(from_seq):
                if held is not None:
                    yield held
                elif records[0].seq != from_seq:
                    raise RecoveryError(self._oldest.session, records[0].seq, "begins later")
                held = records
        except JournalDamagedError as error:
            damage = error
        if held is not None and self._stays(held[-1].seq, at_once=damage is not None or not self._live):
            yield held
        if damage is not None:
            raise damage

    def has_ended(self) -> bool:
        """Whether nothing will ever follow what is there: it stopped in order, or was given up."""
        return is_stopped(self._reader.newest()) or is_abandoned(self._sessions, self._oldest.session)

    def finish(self) -> None:
        """Nobody waits for more: nothing is held back from here on for longer than a flush takes."""
        self._live = False

    def let_go(self) -> None:
        """Whoever reads commits begins anew: the pages that were read are this process's no more."""
        self._reader.let_go()

    def close(self) -> None:
        """Idempotent; it opens again where it is used again."""
        self._reader.close()

    def _stays(self, seq: int, at_once: bool) -> bool:
        """Whether the newest commit, which ends with ``seq``, survives a power loss; flushes it where that is due."""
        if self.header_at(seq).durability == FLUSHED_ALWAYS or self._flushed >= seq:
            return True
        now_ns = self._now_ns()
        if self._held[0] != seq:
            self._held = (seq, now_ns)
        if not at_once and now_ns - self._held[1] < FLUSH_AFTER_NS:
            return False
        _flush(self._reader.segments[-1] / DATA_NAME)
        self._flushed = seq
        return True

    def _refresh(self, from_seq: int) -> None:
        """New segments. One that was read to its end is let go, and so is one that was begun anew under its name."""
        self._reader.refresh()
        newest = self._reader.segments[-1]
        before, self._newest = self._newest, (newest, _file_of(newest))
        if self._newest != before:
            self._part = (0, 0)
            if from_seq >= first_seq_of(newest):
                self._reader.close()

    def _firsts(self) -> list[int]:
        return [first_seq_of(segment) for segment in self._reader.segments]

    def _following(self, number: int) -> int:
        """Where the segment behind the ``number``-th one begins."""
        return [*self._firsts(), SEQ_MAX][number + 1]


def _flush(path: Path) -> None:
    """Have everything that was written to ``path``, by whomever, on the disk."""
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fdatasync(file)
    finally:
        os.close(file)


def _file_of(segment: Path) -> int:
    """What tells its data file from another one under the same name; 0 while there is none."""
    try:
        return (segment / DATA_NAME).stat().st_ino
    except FileNotFoundError:
        return 0
