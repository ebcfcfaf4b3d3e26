"""The write side: one transaction per group of records, and the only maker of ``CommittedDispatch``.

Theory of operation. :meth:`JournalWriter.commit` encodes every record, appends them and the next link of the hash
chain in one LMDB transaction, and commits. Only when the commit has returned does it make a ``CommittedDispatch`` for
each ``IntentDispatched`` among them; nothing else can. Whatever goes wrong, the writer is ``failed`` from then on:
after a failed sync the page cache proves nothing (reliability.md section 2), so there is no second try here.

Durability: ``full`` flushes data and meta page (survives power loss); ``relaxed`` leaves the meta page to the system
(never corrupt, a power loss may take the last transaction). ``sync=False`` and ``writemap`` are not offered. One
thread.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Literal, Self, final

import lmdb

from livestack.core.events import IntentDispatched, Recorded
from livestack.core.types import OrderRequest
from livestack.exceptions import HeldError, JournalError, JournalOrderError
from livestack.journal.clean import is_stopped, mark_clean
from livestack.journal.directory import make_private
from livestack.journal.format import (
    CHAIN,
    EVENTS,
    HEADER_KEY,
    META,
    SegmentHeader,
    encode_header,
    encode_record,
    extend_chain,
    key_of,
)

Durability = Literal["full", "relaxed"]

MAP_SIZE = 64 << 30
"""Costs nothing without writemap; the real quota is free disk space."""

READERS_MAX = 32
"""Follower, shippers, replays and operators' looks, with room for slots that dead readers left."""

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


def segment_path(sessions: Path, session: str, first_seq: int) -> Path:
    """``<sessions>/<session>/journal/<first_seq>``, sortable as text."""
    return sessions / session / "journal" / f"{first_seq:020d}"


class JournalWriter:
    """Appends to one segment of one session. Not for two threads; not across a fork."""

    def __init__(self, path: Path, environment: lmdb.Environment, header: SegmentHeader) -> None:
        self._path = path
        self._environment = environment
        self._events = environment.open_db(EVENTS)
        self._chain_db = environment.open_db(CHAIN)
        self._open = True
        self._stopped = False
        self.chain = header.previous_chain
        self.last_seq = header.first_seq - 1
        self.bytes_written = 0
        self.failed = False

    @classmethod
    def create(cls, sessions: Path, header: SegmentHeader, durability: Durability) -> JournalWriter:
        """Begin a session's journal below ``sessions``. ``HeldError`` where the directory cannot be used."""
        path = segment_path(sessions, header.session, header.first_seq)
        try:
            make_private(path.parent)
            path.mkdir(mode=0o700)
            environment = lmdb.open(str(path), **_options(durability))
            with environment.begin(write=True) as transaction:
                meta = environment.open_db(META, txn=transaction)
                transaction.put(HEADER_KEY, encode_header(header), db=meta)
            return cls(path, environment, header)
        except (OSError, lmdb.Error) as error:
            raise HeldError(f"journal {path}", f"cannot be made: {error}") from error

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

    def close(self) -> None:
        """Idempotent; everything committed is already where it has to be. A session that stopped is marked clean."""
        if self._open:
            self._open = False
            self._environment.close()
            if self._stopped and not self.failed:
                mark_clean(self._path)

    def _commit(self, records: Sequence[Recorded]) -> tuple[CommittedDispatch, ...]:
        frames = [encode_record(record) for record in records]
        seq = self.last_seq
        with self._environment.begin(write=True) as transaction:
            put = transaction.cursor(self._events).put
            for record, frame in zip(records, frames, strict=True):
                seq += 1
                if record.seq != seq or not put(key_of(seq), frame, append=True):
                    raise JournalOrderError(seq, record.seq)
            chain = extend_chain(self.chain, frames)
            if not transaction.put(key_of(seq), chain, append=True, db=self._chain_db):
                raise JournalOrderError(seq, seq)
        self.chain = chain
        self.last_seq = seq
        self._stopped = is_stopped(records)
        self.bytes_written += sum(map(len, frames))
        return tuple(
            CommittedDispatch(_SEAL, record.seq, record.ts, record.event.request)
            for record in records
            if type(record.event) is IntentDispatched
        )


def _options(durability: Durability) -> dict[str, Any]:
    return {
        "map_size": MAP_SIZE,
        "max_dbs": 8,
        "sync": True,
        "metasync": durability == "full",
        "writemap": False,
        "map_async": False,
        "readahead": False,
        "lock": True,
        "max_readers": READERS_MAX,
        "max_spare_txns": 1,
        "mode": 0o700,
        "lib_version": 0,
    }
