"""Where a report's records come from: a session's journal, or a sink that was given them. Any one thread.

From a sink, tables are read range by range, so that memory does not depend on the session's length, and put into the
order of the stream again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

import msgspec

from livestack.research.records import Derivation
from livestack.research.report import Findings
from livestack.storage.sink import Sink
from livestack.storage.tables import TABLES, Record, Table

READ: Final = ("orders", "fills", "positions", "dispatches", "denials", "controls", "sessions")
DEAD_LETTERS: Final = "dead_letters"

SPAN_FIRST: Final = 4_096
"""Positions that are asked for at a time, at first; most of them have no record."""

ROWS_WANTED: Final = 20_000
"""Of a range: twice as many halve the next one, fewer than half double it."""

PROGRESS_EVERY: Final = 5_000


class Account(msgspec.Struct, frozen=True):
    """What was found, where, and what the reader of it has to know."""

    findings: Findings
    source: str
    notes: tuple[str, ...] = ()


Progress = Callable[[int], None]


def from_journal(derivation: Derivation, progress: Progress) -> Account:
    """Every record that the journal still tells of."""
    findings = Findings()
    for seq, records in derivation:
        for record in records:
            findings.take(record)
        if seq % PROGRESS_EVERY == 0:
            progress(seq)
    notes = []
    if derivation.from_seq > 1:
        notes.append(
            f"The journal begins at seq {derivation.from_seq:,} by now; counts and curves are of what is left. "
            f"A sink has the whole session: --sink URL."
        )
    if derivation.damage:
        notes.append(
            f"It ends at seq {derivation.last_seq:,}, where the journal cannot be read: {derivation.damage}"
        )
    return Account(findings, "made from the journal", tuple(notes))


def from_sink(sink: Sink, session: str, progress: Progress) -> Account:
    """Every record that ``sink`` has of ``session``. ``SinkError`` as of the sink."""
    position = sink.position(session)
    end = max((position.through, *position.tables.values()))
    findings = Findings()
    for record in _records(sink, session, end, progress):
        findings.take(record)
    refused = sum(len(rows) for rows in sink.read(DEAD_LETTERS, session, 1, end)) if end else 0
    notes = []
    if refused:
        notes.append(
            f"{refused:,} records are missing: the sink refused them, they are in its table {DEAD_LETTERS}."
        )
    return Account(findings, f"read from {sink.address}", tuple(notes))


def _records(sink: Sink, session: str, end: int, progress: Progress) -> Iterator[Record]:
    first, span = 1, SPAN_FIRST
    while first <= end:
        last = min(first + span - 1, end)
        found: list[tuple[int, int, Record]] = []
        for name in READ:
            table = TABLES[name]
            for rows in sink.read(name, session, first, last):
                for row in rows:
                    record = record_of(table, row)
                    found.append((record.trace.seq, record.trace.ordinal, record))
        found.sort(key=lambda each: each[:2])
        for _, _, record in found:
            yield record
        progress(last)
        first = last + 1
        if len(found) > 2 * ROWS_WANTED:
            span = max(span // 2, 1)
        elif len(found) < ROWS_WANTED // 2:
            span *= 2


def record_of(table: Table, row: tuple[Any, ...]) -> Any:
    """The message whose values ``row`` has, a value per column of ``table``."""
    values: dict[str, Any] = {}
    trace: dict[str, Any] = {}
    for column, value in zip(table.columns, row, strict=True):
        if value is not None:
            (trace if column.of_trace else values)[column.name] = value
    return table.message(trace=trace, **values)
