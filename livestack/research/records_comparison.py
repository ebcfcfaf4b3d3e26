"""Storage against the journal: every record that should be there, and every one that is, key by key, value by value.

Theory of operation. Records are derived again in the order of the stream and gathered until there are some thousand;
then each sink is asked for the same range of positions, table by table, and both are merged by (seq, ordinal): memory
depends on neither. Every position belongs to one range, and behind the journal's end the last one goes on for ever:
what is too much is found wherever it is.

While the session runs each table is only held to what the sink says that it has, or once confirmed to the shipper,
whichever is more; the rest is pending. So a sink that lost everything, its own position with it, is found as well. A
record in the dead-letter table is accounted for, if it is the one that the journal tells. Nothing is written anywhere.
Runs on the caller's thread.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Literal

import msgspec
from google.protobuf import json_format

from livestack.exceptions import SinkError
from livestack.research.records import Derivation
from livestack.storage.sink import Position, Sink, plain_decimal
from livestack.storage.tables import TABLE_OF, TABLES, Kind, Record, Table

RANGE_ROWS: Final = 20_000
"""Records that are compared at a time, but for those of one Event: some 20 MB."""

EXAMPLES_MAX: Final = 5
"""Of each table and kind; what is merely not shipped yet is no example."""

PROGRESS_EVERY: Final = 5_000

EXIT_DIFFERENT: Final = 6

SEQ_MAX: Final = 2**63 - 1

DEAD_LETTERS: Final = "dead_letters"

Row = tuple[Any, ...]
Key = tuple[int, int]


class Example(msgspec.Struct, frozen=True):
    """One record that is not as it should be. ``columns``: those that differ, as the journal and storage have them."""

    table: str
    fault: Literal["missing", "extra", "different"]
    seq: int
    ordinal: int
    columns: dict[str, tuple[Any, Any]] = {}


class TableCounts(msgspec.Struct):
    """Records of one table: ``journal`` should be there, ``storage`` are, ``dead_lettered`` were set aside."""

    journal: int = 0
    storage: int = 0
    missing: int = 0
    extra: int = 0
    different: int = 0
    dead_lettered: int = 0


class Compared(msgspec.Struct, kw_only=True):
    """What was found of one session at one sink.

    Compared are positions ``from_seq`` to ``to_seq``; what stood before the journal's oldest usable position is gone
    from it and not looked at. ``pending``: records behind what the sink says that it has, or once had; of a session
    that runs they are not missing. ``had_through``: up to here it had every record once, by its own word, and some of
    them are missing now; 0: there is no such. ``damage``: why the journal was not read to its end; ``error``: why the
    sink was not. ``exit``: what a command that found this ends with.
    """

    session: str
    sink: str
    address: str
    from_seq: int = 1
    to_seq: int = 0
    journal: int = 0
    storage: int = 0
    missing: int = 0
    extra: int = 0
    different: int = 0
    dead_lettered: int = 0
    pending: int = 0
    had_through: int = 0
    running: bool = False
    damage: str = ""
    error: str = ""
    tables: dict[str, TableCounts] = msgspec.field(default_factory=dict)
    examples: list[Example] = msgspec.field(default_factory=list)

    exit: int = 0

    @property
    def is_same(self) -> bool:
        """Everything could be compared to its end, and is as it should be."""
        return not (self.missing or self.extra or self.different or self.damage or self.error)


def compare(
    derivation: Derivation,
    session: str,
    sinks: Sequence[tuple[str, Sink]],
    running: bool,
    progress: Callable[[int], None] = lambda seq: None,
    range_rows: int = RANGE_ROWS,
    confirmed: Mapping[str, int] | None = None,
) -> list[Compared]:
    """``session`` as ``derivation`` tells it against each of ``sinks``, by name; they are connected and closed here.

    ``confirmed``: up to where each once said that it has everything, by address; read before this is called, so that
    it is never ahead of a sink that is well.
    """
    once = {} if confirmed is None else confirmed
    comparisons = [
        Comparison(name, sink, session, derivation.from_seq, running, once.get(sink.address, 0))
        for name, sink in sinks
    ]
    rows: dict[str, list[Record]] = {}
    count, start = 0, derivation.from_seq
    try:
        for seq, records in derivation:
            for record in records:
                rows.setdefault(TABLE_OF[type(record)], []).append(record)
            count += len(records)
            if seq % PROGRESS_EVERY == 0:
                progress(seq)
            if count >= range_rows:
                _compare_range(comparisons, rows, start, seq)
                if all(one.failed for one in comparisons):
                    break
                rows, count, start = {}, 0, seq + 1
        ends = not running and derivation.damage is None
        _compare_range(comparisons, rows, start, SEQ_MAX if ends else derivation.last_seq)
    finally:
        for comparison in comparisons:
            comparison.close()
    damage = "" if derivation.damage is None else str(derivation.damage)
    return [one.result(derivation.last_seq, damage) for one in comparisons]


def _compare_range(
    comparisons: Sequence[Comparison], rows: dict[str, list[Record]], start: int, end: int
) -> None:
    for comparison in comparisons:
        comparison.compare(rows, start, end)


class Comparison:
    """One sink's. ``failed``, an error of the sink, ends it and is in the result."""

    def __init__(
        self, name: str, sink: Sink, session: str, from_seq: int, running: bool, confirmed: int
    ) -> None:
        self._sink = sink
        self._found = Compared(
            session=session, sink=name, address=sink.address, from_seq=from_seq, running=running
        )
        self._running = running
        self._confirmed = confirmed
        self._position = Position()
        self.failed: SinkError | None = None
        self._dead: dict[tuple[str, int, int], str] = {}
        self._examples: dict[tuple[str, str], int] = {}
        try:
            sink.look()
            self._position = sink.position(session)
        except SinkError as error:
            self.failed = error

    def compare(self, rows: dict[str, list[Record]], start: int, end: int) -> None:
        """``rows`` are all records of positions ``start`` to ``end``."""
        if self.failed is not None:
            return
        try:
            self._compare_dead_letters(rows, start, end)
            for name, table in TABLES.items():
                if name == DEAD_LETTERS:
                    continue
                records, upto = rows.get(name, []), end
                if self._running and end > self._held(name):
                    upto = self._held(name)
                    self._found.pending += _behind(records, upto)
                    records = _upto(records, upto)
                if start <= upto:
                    self._compare_table(table, records, start, upto)
        except SinkError as error:
            self.failed = error

    def result(self, last_seq: int, damage: str) -> Compared:
        """Everything that was found; ``last_seq``: the last position derived."""
        found = self._found
        found.to_seq = last_seq
        if self._running:
            found.to_seq = min(last_seq, max(map(self._held, TABLES)))
        found.damage = damage
        found.error = "" if self.failed is None else str(self.failed)
        for field in TableCounts.__struct_fields__:
            setattr(found, field, sum(getattr(counts, field) for counts in found.tables.values()))
        if not found.is_same:
            found.exit = EXIT_DIFFERENT
            if self.failed is not None and not (found.missing or found.extra or found.different or damage):
                found.exit = self.failed.exit_code
        return found

    def close(self) -> None:
        self._sink.close()

    def _held(self, table: str) -> int:
        """Up to where ``table`` has to be complete, whether the session runs or not."""
        return max(self._position.of(table), self._confirmed)

    def _counts(self, table: str) -> TableCounts:
        return self._found.tables.setdefault(table, TableCounts())

    def _compare_table(self, table: Table, records: list[Record], start: int, end: int) -> None:
        """Merge what should be there with what is; both are in the order of (seq, ordinal)."""
        counts = self._counts(table.name)
        wanted, key_of = rows_of(table, records), _key_of(table)
        counts.journal += len(wanted)
        place = 0
        for part in self._sink.read(table.name, self._found.session, start, end):
            counts.storage += len(part)
            if wanted[place : place + len(part)] == part:
                place += len(part)
                continue
            for row in part:
                key = key_of(row)
                while place < len(wanted) and key_of(wanted[place]) < key:
                    self._missing(table.name, key_of(wanted[place]))
                    place += 1
                if place == len(wanted) or key_of(wanted[place]) != key:
                    self._tell(table.name, "extra", key)
                    continue
                if wanted[place] != row:
                    self._tell(table.name, "different", key, _differences(table, wanted[place], row))
                place += 1
        for row in wanted[place:]:
            self._missing(table.name, key_of(row))

    def _missing(self, table: str, key: Key) -> None:
        counts = self._counts(table)
        if (table, *key) in self._dead:
            counts.dead_lettered += 1
            return
        if key[0] > self._held(table):
            self._found.pending += 1
            counts.missing += 1
            return
        if key[0] <= self._confirmed:
            self._found.had_through = self._confirmed
        self._tell(table, "missing", key)

    def _tell(
        self,
        table: str,
        fault: Literal["missing", "extra", "different"],
        key: Key,
        columns: dict[str, tuple[Any, Any]] | None = None,
    ) -> None:
        counts = self._counts(table)
        setattr(counts, fault, getattr(counts, fault) + 1)
        told = self._examples[table, fault] = self._examples.get((table, fault), 0) + 1
        if told <= EXAMPLES_MAX:
            self._found.examples.append(Example(table, fault, *key, columns or {}))

    def _compare_dead_letters(self, rows: dict[str, list[Record]], start: int, end: int) -> None:
        """Note which records were set aside; a letter whose record the journal does not tell is one too many."""
        self._dead = {}
        letters, known = TABLES[DEAD_LETTERS], None
        names = [column.name for column in letters.columns]
        key_of, at = _key_of(letters), {name: names.index(name) for name in ("table", "record")}
        for part in self._sink.read(DEAD_LETTERS, self._found.session, start, end):
            if known is None:
                known = {
                    (name, *_record_key(record)): record
                    for name, records in rows.items()
                    for record in records
                }
            counts = self._counts(DEAD_LETTERS)
            counts.storage += len(part)
            for row in part:
                key, table = key_of(row), row[at["table"]]
                record = known.get((table, *key))
                if record is None or (table, *key) in self._dead:
                    self._tell(DEAD_LETTERS, "extra", key)
                    continue
                counts.journal += 1
                self._dead[table, *key] = row[at["record"]]
                if not _tells(row[at["record"]], record):
                    self._tell(DEAD_LETTERS, "different", key)


def rows_of(table: Table, records: list[Record]) -> list[Row]:
    """``records`` as a sink reads them back: decimals in their one form."""
    if not records:
        return []
    columns = table.values(records)
    for place, column in enumerate(table.columns):
        if column.kind is Kind.DECIMAL:
            columns[place] = [None if one is None else plain_decimal(one) for one in columns[place]]
    return list(zip(*columns, strict=True))


def _key_of(table: Table) -> Callable[[Row], Key]:
    names = [column.name for column in table.columns]
    seq, ordinal = names.index("seq"), names.index("ordinal")
    return lambda row: (row[seq], row[ordinal])


def _record_key(record: Any) -> Key:
    return record.trace.seq, record.trace.ordinal


def _behind(records: list[Record], through: int) -> int:
    return sum(1 for record in records if _record_key(record)[0] > through)


def _upto(records: list[Record], through: int) -> list[Record]:
    return [record for record in records if _record_key(record)[0] <= through]


def _differences(table: Table, wanted: Row, row: Row) -> dict[str, tuple[Any, Any]]:
    return {
        column.name: (one, other)
        for column, one, other in zip(table.columns, wanted, row, strict=True)
        if one != other
    }


def _tells(text: str, record: Record) -> bool:
    """Whether ``text`` is ``record`` as JSON."""
    try:
        told = json_format.Parse(text, type(record)())
    except json_format.ParseError:
        return False
    return bool(told == record)
