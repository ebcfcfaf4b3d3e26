"""A sink in memory, with faults on request, which also asserts everything that a sink may expect of its shipper.

A :class:`Store` is what outlives processes; a :class:`FakeSink` is one process's way to it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from livestack.exceptions import SinkError, SinkRefusedError, SinkUnavailableError
from livestack.storage.sink import Batch, Position, Refusal
from livestack.storage.tables import TABLE_OF, TABLES, Record

ADDRESS = "fake://store"

UNAVAILABLE, REFUSED, LOST, TORN, SLOW = "unavailable", "refused", "lost", "torn", "slow"
"""What a call can do instead of working: fail and keep nothing; say no; keep all and lose the answer; keep some tables
and fail; work, but take ``slow_ns``."""

Key = tuple[int, int]


class Store:
    """What is kept: records by session, table and key, as bytes. ``refuses``: records that are never taken.

    ``forgets_through``: of batches with records only how far their tables are is remembered.
    """

    def __init__(self, refuses: Callable[[Record], bool] = lambda record: False) -> None:
        self.kept: dict[str, dict[str, dict[Key, bytes]]] = {}
        self.dead: dict[str, dict[Key, bytes]] = {}
        self.positions: dict[str, Position] = {}
        self.batches: list[Batch] = []
        self.refuses = refuses
        self.faults: deque[str] = deque()
        self.opened = 0
        self.forgets_through = False

    def position(self, session: str) -> Position:
        return self.positions.get(session, Position())

    def records(self, session: str) -> dict[str, dict[Key, bytes]]:
        """Records by table; tables without any are not there."""
        return {name: rows for name, rows in self.kept.get(session, {}).items() if rows}

    def keep(self, batch: Batch, tables: Mapping[str, list[Record]], through: int | None) -> list[Refusal]:
        """Keep part of ``batch`` after a look at whether it follows what is there."""
        position, kept = self.position(batch.session), self.kept.setdefault(batch.session, {})
        everything = {key for rows in kept.values() for key in rows} | set(self.dead.get(batch.session, {}))
        refusals = []
        for name, records in tables.items():
            rows, last = kept.setdefault(name, {}), (position.of(name), 1 << 31)
            for record in records:
                trace: Any = record.trace  # type: ignore[attr-defined]
                key = (trace.seq, trace.ordinal)
                assert TABLE_OF[type(record)] == name
                assert trace.session == batch.session
                assert last < key, f"{name}: {key} behind {last}"
                assert trace.seq <= batch.upto
                assert key not in everything
                last = key
                if self.refuses(record):
                    self.dead.setdefault(batch.session, {})[key] = record.SerializeToString()
                    refusals.append(Refusal(name, *key, "it is not liked"))
                else:
                    rows[key] = record.SerializeToString()
        upto = dict.fromkeys(tables, batch.upto)
        self.positions[batch.session] = Position(
            position.through if through is None else through, {**position.tables, **upto}
        )
        return refusals


class FakeSink:
    """``slow`` is called by a call that is to take long."""

    def __init__(
        self,
        store: Store,
        delays_ns: Mapping[str, int] | None = None,
        slow: Callable[[], None] = lambda: None,
        address: str = ADDRESS,
    ) -> None:
        self.address = address
        self.delays_ns: Mapping[str, int] = delays_ns or {}
        self.is_open = False
        self._store = store
        self._slow = slow

    def open(self) -> None:
        assert not self.is_open, "it is opened again without a failure"
        self._store.opened += 1
        self._fault()
        self.is_open = True

    def check(self) -> None:
        self._fault()

    def look(self) -> None:
        self._fault()

    def position(self, session: str) -> Position:
        assert self.is_open
        self._fault()
        return self._store.position(session)

    def write(self, batch: Batch) -> list[Refusal]:
        assert self.is_open
        store, position = self._store, self._store.position(batch.session)
        assert position.through <= batch.through <= batch.upto
        assert all(batch.rows.values()), "a table without records"
        fault = self._fault(LOST, TORN)
        if fault == TORN:
            half = dict(list(batch.rows.items())[: len(batch.rows) // 2])
            store.keep(batch, half, None)
            raise SinkUnavailableError(self.address, "the connection was lost half-way")
        forgetful = store.forgets_through and batch.rows
        refusals = store.keep(batch, batch.rows, None if forgetful else batch.through)
        store.batches.append(Batch(batch.session, dict(batch.rows), batch.upto, batch.through))
        if fault == LOST:
            raise SinkUnavailableError(self.address, "there was no answer")
        return refusals

    def read(self, table: str, session: str, from_seq: int, to_seq: int) -> Iterator[list[tuple[Any, ...]]]:
        message = TABLES[table].message
        rows = sorted(self._store.records(session).get(table, {}).items())
        records = [message.FromString(row) for (seq, _), row in rows if from_seq <= seq <= to_seq]
        if records:
            yield list(zip(*TABLES[table].values(records), strict=True))

    def close(self) -> None:
        self.is_open = False

    def _fault(self, *own: str) -> str:
        """The next fault of the script; raises those that every call can have."""
        fault = self._store.faults.popleft() if self._store.faults else ""
        error: SinkError | None = None
        if fault == UNAVAILABLE or (fault in (LOST, TORN) and fault not in own):
            error = SinkUnavailableError(self.address, "it does not answer")
        elif fault == REFUSED:
            error = SinkRefusedError(self.address, "it says no")
        elif fault == SLOW:
            self._slow()
        if error is not None:
            self.is_open = False
            raise error
        return fault
