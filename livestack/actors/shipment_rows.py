"""Records that wait for company: by table, each with the moment when it is to be written, and what may be confirmed.

Pure; one thread. A table's first waiting record holds ``through`` back to the end of the commit before it: what is
confirmed of all tables always ends whole, never between an Event and what the Core derived from it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import msgspec

from livestack.storage.sink import Batch, Position
from livestack.storage.tables import TABLE_OF, Record

NEVER_NS = 2**63 - 1


class _Waiting(msgspec.Struct):
    """``before``: the end of the last commit without any of ``records``, ``before_ts`` when that was; ``due_ns``: when
    they are to be written."""

    records: list[Record]
    before: int
    before_ts: int
    due_ns: int


class WaitingRows:
    """``count`` records in all. ``delays_ns`` as of a Sink."""

    def __init__(self, delays_ns: Mapping[str, int]) -> None:
        self._delays_ns = delays_ns
        self._tables: dict[str, _Waiting] = {}
        self.count = 0

    def add(self, record: Record, before: int, before_ts: int, now_ns: int) -> None:
        """A record of the commit behind ``before``, at ``now_ns``."""
        table = TABLE_OF[type(record)]
        waiting = self._tables.get(table)
        if waiting is None:
            due_ns = now_ns + self._delays_ns.get(table, 0)
            waiting = self._tables[table] = _Waiting([], before, before_ts, due_ns)
        waiting.records.append(record)
        self.count += 1

    def due_ns(self) -> int:
        """When the first table is due; ``NEVER_NS`` where nothing waits."""
        return min((one.due_ns for one in self._tables.values()), default=NEVER_NS)

    def due(self, now_ns: int) -> set[str]:
        """Tables that are to be written."""
        return {name for name, one in self._tables.items() if one.due_ns <= now_ns}

    def tables(self) -> set[str]:
        return set(self._tables)

    def through(self, folded: int, without: Collection[str] = ()) -> int:
        """Up to where everything is out of here, if ``without`` were; ``folded``: the end of the last commit."""
        return min((one.before for name, one in self._tables.items() if name not in without), default=folded)

    def through_ts(self, folded_ts: int) -> int:
        """The time of :meth:`through`."""
        return min((one.before_ts for one in self._tables.values()), default=folded_ts)

    def batch(self, session: str, tables: Collection[str], folded: int) -> Batch:
        """What waits of ``tables``; it stays here until :meth:`confirm`."""
        rows = {name: one.records for name, one in self._tables.items() if name in tables}
        return Batch(session, rows, folded, self.through(folded, tables))

    def confirm(self, batch: Batch) -> None:
        """The sink has ``batch``."""
        for name in batch.rows:
            self.count -= len(self._tables.pop(name).records)

    def trim(self, position: Position) -> None:
        """Forget what the sink has already."""
        for name, one in list(self._tables.items()):
            upto = position.of(name)
            left = [record for record in one.records if record.trace.seq > upto]  # type: ignore[attr-defined]
            self.count -= len(one.records) - len(left)
            one.records = left
            if not left:
                del self._tables[name]

    def clear(self) -> None:
        self._tables.clear()
        self.count = 0
