"""The write side: one transaction per group of records, and the only maker of ``CommittedDispatch``.

Theory of operation. :meth:`JournalWriter.commit` encodes every record, appends them and the next link of the hash
chain in one LMDB transaction, and commits. Only when the commit has returned does it make a ``CommittedDispatch`` for
each ``IntentDispatched`` among them; nothing else can. Whatever goes wrong, the writer is ``failed`` from then on:
after a failed sync the page cache proves nothing (reliability.md section 2), so there is no second try in that segment.
:meth:`JournalWriter.begin_afresh` leaves it behind and goes on in a new one.

A segment is sealed by :meth:`JournalWriter.rotate`; the next one's header carries the last link, so that the chain goes
through. One thread.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Self, final

import msgspec

from livestack.core.events import IntentDispatched, Recorded
from livestack.core.types import OrderRequest
from livestack.exceptions import HeldError, JournalError
from livestack.failpoints import failpoint
from livestack.journal.clean import is_stopped, mark_clean
from livestack.journal.format import SegmentHeader, encode_header, encode_record, extend_chain, start_chain
from livestack.journal.quarantine import set_aside
from livestack.journal.segment import Durability, Segment

_SEAL: Final = object()
_FORGED: Final = "only the journal's commit makes a CommittedDispatch"


@final
class CommittedDispatch:
    """A request whose record is durable: ``seq`` and ``ts`` are the record's. Made by a commit and by nothing else."""

    __slots__ = ("request", "seq", "ts")

    seq: int
    ts: int
    request: OrderRequest

    def __new__(
        cls, seal: object = None, seq: int = 0, ts: int = 0, request: OrderRequest | None = None
    ) -> Self:
        if seal is not _SEAL:
            raise TypeError(_FORGED)
        self = super().__new__(cls)
        for name, value in (("seq", seq), ("ts", ts), ("request", request)):
            object.__setattr__(self, name, value)
        return self

    def __init_subclass__(cls) -> None:
        raise TypeError(_FORGED)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{name} of a CommittedDispatch is what was committed")

    def __reduce__(self) -> str:
        raise TypeError(_FORGED)

    def __repr__(self) -> str:
        return f"CommittedDispatch(seq={self.seq}, {self.request.kind.name} {self.request.client_id})"


class JournalWriter:
    """Appends to one session's journal, segment after segment. Not for two threads; not across a fork."""

    def __init__(self, sessions: Path, segment: Segment, durability: Durability) -> None:
        self._sessions = sessions
        self._segment = segment
        self._durability: Durability = durability
        self._open = True
        self._stopped = False
        self.chain = _start(segment)
        self.last_seq = segment.header.first_seq - 1
        self.failed = False

    @classmethod
    def create(cls, sessions: Path, header: SegmentHeader, durability: Durability) -> JournalWriter:
        """Begin a session's journal below ``sessions``, or go on with one after ``header.previous_chain``.

        ``HeldError`` where the directory cannot be used.
        """
        return cls(sessions, Segment.create(sessions, header, durability), durability)

    @property
    def session(self) -> str:
        """Whose journal it is."""
        return self._segment.header.session

    @property
    def segment_bytes(self) -> int:
        """Bytes of the present segment's records, framing by LMDB not counted."""
        return self._segment.bytes_written

    @property
    def segment_first_ts(self) -> int:
        """``ts`` of the present segment's first record; 0 while it is empty."""
        return self._segment.first_ts

    def commit(self, records: Sequence[Recorded]) -> tuple[CommittedDispatch, ...]:
        """Make ``records`` durable, then release what they dispatch, in order.

        ``JournalOrderError`` for a gap, ``JournalError`` for a disk or map that refuses or a value that cannot be
        written: nothing of the group is released then, and the writer takes no more. No records: nothing happens.
        """
        if self.failed or not self._open:
            raise JournalError("the journal takes no more records: an earlier commit failed or it is closed")
        if not records:
            return ()
        try:
            return self._commit(records)
        except JournalError:
            self.failed = True
            raise
        except Exception as error:  # whatever it was: the group is not durable, nothing may leave
            self.failed = True
            raise JournalError(
                f"commit of seq {records[0].seq} to {records[-1].seq} failed: {error}"
            ) from error

    def rotate(self) -> None:
        """Seal the present segment and begin the next, which continues its chain; an empty one stays.

        ``HeldError`` where the next cannot be made: then the present one goes on. ``JournalError`` where the present
        one cannot be flushed: then it takes no more.
        """
        if self._segment.bytes_written == 0:
            return
        failpoint("journal.before_rotate")
        self._sync()  # the next segment must not be durable before the end of this one
        following = Segment.create(self._sessions, self._next_header(), self._durability)
        failpoint("journal.in_rotate")
        sealed, self._segment = self._segment, following
        sealed.close()
        mark_clean(sealed.path, self.last_seq, self.chain)
        self.chain = _start(following)

    def begin_afresh(self) -> None:
        """After a failed commit: leave the segment as it is and go on behind the last durable position in a new one.

        What the failed commit left in the old one, if anything, is behind the place where the new one begins: it is not
        read. ``HeldError`` where a new one cannot be made.
        """
        header, old = self._next_header(), self._segment
        with contextlib.suppress(JournalError):
            self._sync()  # what it could do before it failed
        old.close()
        try:
            if old.header.first_seq == header.first_seq:
                set_aside(old.path, "its first commit failed")
        except OSError as error:
            raise HeldError(f"journal {old.path}", f"cannot be set aside: {error}") from error
        self._segment = Segment.create(self._sessions, header, self._durability)
        self.chain = _start(self._segment)
        self.failed = False

    def _sync(self) -> None:
        try:
            failpoint("journal.before_sync")
            self._segment.sync()
        except Exception as error:
            self.failed = True
            raise JournalError(f"flushing {self._segment.path} failed: {error}") from error

    def _next_header(self) -> SegmentHeader:
        header, first_seq = self._segment.header, self.last_seq + 1
        chain = header.previous_chain if header.first_seq == first_seq else self.chain
        return msgspec.structs.replace(header, first_seq=first_seq, previous_chain=chain)

    def close(self) -> None:
        """Idempotent; everything committed is already where it has to be. A session that stopped is marked clean."""
        if self._open:
            self._open = False
            with contextlib.suppress(JournalError):
                self._sync()
            self._segment.close()
            if self._stopped and not self.failed:
                mark_clean(self._segment.path, self.last_seq, self.chain)

    def _commit(self, records: Sequence[Recorded]) -> tuple[CommittedDispatch, ...]:
        frames = [encode_record(record) for record in records]
        chain = extend_chain(self.chain, frames)
        self._segment.append(self.last_seq, records, frames, chain)
        self.chain = chain
        self.last_seq = records[-1].seq
        self._stopped = is_stopped(records)
        return tuple(
            CommittedDispatch(_SEAL, record.seq, record.ts, record.event.request)
            for record in records
            if type(record.event) is IntentDispatched
        )


def _start(segment: Segment) -> bytes:
    """What the segment's first commit extends."""
    return start_chain(segment.header, encode_header(segment.header))
