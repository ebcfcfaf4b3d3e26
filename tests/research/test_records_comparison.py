"""What is missing, too much or different in storage is found exactly, whatever was done to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from google.protobuf import json_format

from livestack.exceptions import SinkRefusedError, SinkUnavailableError
from livestack.research.records import Derivation, derived_records
from livestack.research.records_comparison import Compared, compare, rows_of
from livestack.storage.sink import Batch, Position, Refusal
from livestack.storage.tables import TABLE_OF, TABLES, Record
from livestack.wire import records_pb2 as wire
from tests.research.orders import filled

Row = tuple[Any, ...]


class StoredRows:
    """A sink that is nothing but its rows, of one session; ``part``: how many it hands out at a time."""

    address = "a list"
    delays_ns: Mapping[str, int] = MappingProxyType({})

    def __init__(self, part: int = 4_000) -> None:
        self.rows: dict[str, list[Row]] = {name: [] for name in TABLES}
        self.through = 0
        self.tables: dict[str, int] = {}
        self.failure: Exception | None = None
        self.closed = False
        self._part = part

    def open(self) -> None:
        raise AssertionError("whoever compares changes nothing")

    def check(self) -> None:
        raise AssertionError("whoever compares does not care for rights to write")

    def look(self) -> None:
        """Nothing is in the way of a list."""

    def position(self, session: str) -> Position:
        return Position(self.through, self.tables)

    def write(self, batch: Batch) -> list[Refusal]:
        raise AssertionError("whoever compares changes nothing")

    def read(self, table: str, session: str, from_seq: int, to_seq: int) -> Iterator[list[Row]]:
        if self.failure is not None:
            raise self.failure
        found = [row for row in self.rows[table] if from_seq <= row[SEQ] <= to_seq]
        found.sort(key=lambda row: (row[SEQ], row[ORDINAL]))
        for start in range(0, len(found), self._part):
            yield found[start : start + self._part]

    def close(self) -> None:
        self.closed = True


def place_of(table: str, column: str) -> int:
    return [one.name for one in TABLES[table].columns].index(column)


SEQ, ORDINAL = place_of("fills", "seq"), place_of("fills", "ordinal")


def records_of(directory: Path) -> list[Record]:
    return [one for _, records in derived_records(directory / "sessions", "s") for one in records]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    filled(tmp_path)
    return tmp_path


@pytest.fixture
def sink(directory: Path) -> StoredRows:
    """It has everything."""
    stored = StoredRows()
    for record in records_of(directory):
        table = TABLE_OF[type(record)]
        stored.rows[table] += rows_of(TABLES[table], [record])
        stored.through = record.trace.seq  # type: ignore[attr-defined]
    return stored


def found(
    directory: Path, sink: StoredRows, running: bool = False, range_rows: int = 20_000, confirmed: int = 0
) -> Compared:
    with Derivation(directory / "sessions", "s", running) as derivation:
        once = {sink.address: confirmed}
        (one,) = compare(derivation, "s", [("list", sink)], running, range_rows=range_rows, confirmed=once)
    assert sink.closed
    return one


def counts(one: Compared) -> tuple[int, int, int]:
    return one.missing, one.extra, one.different


@pytest.mark.parametrize("range_rows", [1, 7, 20_000])
@pytest.mark.parametrize("part", [1, 3, 4_000])
def test_the_same(directory: Path, sink: StoredRows, range_rows: int, part: int) -> None:
    """What was derived and kept is the same, in ranges and parts of any size."""
    sink._part = part
    one = found(directory, sink, range_rows=range_rows)
    total = len(records_of(directory))
    assert one.is_same
    assert (0, 0, 0) == counts(one)
    assert (total, total, 0, 0) == (one.journal, one.storage, one.pending, one.exit)


@pytest.mark.parametrize("range_rows", [1, 20_000])
def test_a_row_is_gone(directory: Path, sink: StoredRows, range_rows: int) -> None:
    """It is missing, and named by its key."""
    row = sink.rows["orders"].pop(1)
    one = found(directory, sink, range_rows=range_rows)
    assert (1, 0, 0) == counts(one)
    assert 6 == one.exit
    (example,) = one.examples
    assert ("orders", "missing", row[SEQ], row[ORDINAL]) == (
        example.table,
        example.fault,
        example.seq,
        example.ordinal,
    )


@pytest.mark.parametrize("range_rows", [1, 20_000])
def test_a_value_is_another(directory: Path, sink: StoredRows, range_rows: int) -> None:
    """The column is named, with what it should be and what it is."""
    price = place_of("fills", "price")
    row = list(sink.rows["fills"][0])
    row[price] = "49995.51"
    sink.rows["fills"][0] = tuple(row)
    one = found(directory, sink, range_rows=range_rows)
    assert (0, 0, 1) == counts(one)
    assert {"price": ("49995.5", "49995.51")} == one.examples[0].columns


@pytest.mark.parametrize("where", ["before", "between", "behind"])
@pytest.mark.parametrize("range_rows", [1, 20_000])
def test_a_row_too_many(directory: Path, sink: StoredRows, where: str, range_rows: int) -> None:
    """It is extra wherever it stands, behind the journal's end too."""
    row = list(sink.rows["fills"][0])
    row[SEQ] = {"before": 1, "between": row[SEQ] + 1, "behind": 10**12}[where]
    sink.rows["fills"].append(tuple(row))
    one = found(directory, sink, range_rows=range_rows)
    assert (0, 1, 0) == counts(one)
    assert (row[SEQ], "extra") == (one.examples[0].seq, one.examples[0].fault)


def test_a_row_twice(directory: Path, sink: StoredRows) -> None:
    """The second one of the same key is extra."""
    sink.rows["fills"].append(sink.rows["fills"][0])
    assert (0, 1, 0) == counts(found(directory, sink))


def test_a_table_is_gone(directory: Path, sink: StoredRows) -> None:
    """All of its records are missing, and a few are named."""
    count = len(sink.rows["sessions"]) + len(sink.rows["orders"])
    sink.rows["sessions"], sink.rows["orders"] = [], []
    one = found(directory, sink)
    assert (count, 0, 0) == counts(one)
    assert count > len([example for example in one.examples if example.table == "orders"])


def test_what_is_not_shipped_yet(directory: Path, sink: StoredRows) -> None:
    """While the session runs it is pending; of one that has ended it is missing, and pending is told as well."""
    cut = sink.rows["fills"][0][SEQ]
    late = 0
    for name, rows in sink.rows.items():
        late += sum(row[SEQ] >= cut for row in rows)
        sink.rows[name] = [row for row in rows if row[SEQ] < cut]
    sink.through = cut - 1
    one = found(directory, sink, running=True)
    assert ((0, 0, 0), late, 0) == (counts(one), one.pending, one.exit)
    assert cut - 1 == one.to_seq
    one = found(directory, sink)
    assert ((late, 0, 0), late, 6) == (counts(one), one.pending, one.exit)


def test_what_a_running_session_has_beyond(directory: Path, sink: StoredRows) -> None:
    """A table may have rows behind what it says that it has: they are not judged."""
    sink.through = sink.rows["fills"][0][SEQ] - 1
    one = found(directory, sink, running=True, range_rows=3)
    assert (0, 0, 0) == counts(one)
    assert 0 < one.pending < len(records_of(directory))


@pytest.mark.parametrize("running", [True, False])
@pytest.mark.parametrize("range_rows", [1, 20_000])
def test_what_it_once_had(directory: Path, sink: StoredRows, running: bool, range_rows: int) -> None:
    """A sink that lost everything, its own position too, is held to what it once confirmed; the rest is pending."""
    cut = sink.rows["fills"][0][SEQ]
    total = len(records_of(directory))
    late = sum(row[SEQ] > cut for rows in sink.rows.values() for row in rows)
    sink.through = 0
    for rows in sink.rows.values():
        rows.clear()
    one = found(directory, sink, running, range_rows, confirmed=cut)
    assert (total - late if running else total, 0, 0) == counts(one)
    assert (late, cut, 6) == (one.pending, one.had_through, one.exit)
    assert all(example.seq <= cut for example in one.examples)


def test_position_that_is_lost_but_no_record(directory: Path, sink: StoredRows) -> None:
    """It is the same: what it once confirmed is there."""
    cut, sink.through = sink.through, 0
    one = found(directory, sink, running=True, confirmed=cut)
    assert ((0, 0, 0), 0, 0) == (counts(one), one.had_through, one.exit)
    assert len(records_of(directory)) == one.storage


def test_table_that_is_ahead(directory: Path, sink: StoredRows) -> None:
    """While the session runs each table is held to what the sink says of it, not only to what it says of all."""
    sink.through, sink.tables = 0, {"fills": 10**6}
    sink.rows["fills"] = []
    one = found(directory, sink, running=True)
    assert (1, 0, 0) == counts(one)
    assert len(records_of(directory)) - 1 == one.pending


def dead_letter(record: wire.FillRecord, text: str) -> Row:
    letter = wire.DeadLetterRecord(trace=record.trace, table="fills", error="no", record=text)
    return rows_of(TABLES["dead_letters"], [letter])[0]


def fill_of(directory: Path) -> wire.FillRecord:
    return next(one for one in records_of(directory) if isinstance(one, wire.FillRecord))


def test_dead_letters(directory: Path, sink: StoredRows) -> None:
    """A record that was set aside is accounted for, if it is told there as it is."""
    fill = fill_of(directory)
    sink.rows["fills"] = []
    sink.rows["dead_letters"] = [dead_letter(fill, json_format.MessageToJson(fill))]
    one = found(directory, sink)
    assert ((0, 0, 0), 1, 0) == (counts(one), one.dead_lettered, one.exit)
    fill.price = "1"
    sink.rows["dead_letters"] = [dead_letter(fill, json_format.MessageToJson(fill))]
    assert (0, 0, 1) == counts(found(directory, sink))
    sink.rows["dead_letters"] = [dead_letter(fill, "no JSON")]
    assert (0, 0, 1) == counts(found(directory, sink))


def test_dead_letter_of_nothing(directory: Path, sink: StoredRows) -> None:
    """One whose record the journal does not tell is extra, and so is a second one of the same."""
    fill = fill_of(directory)
    text = json_format.MessageToJson(fill)
    sink.rows["dead_letters"] = [dead_letter(fill, text)] * 2
    assert (0, 1, 0) == counts(found(directory, sink))
    fill.trace.seq += 1
    sink.rows["dead_letters"] = [dead_letter(fill, text)]
    assert (0, 1, 0) == counts(found(directory, sink))


@pytest.mark.parametrize(
    ("failure", "code"),
    [(SinkUnavailableError("a list", "gone"), 3), (SinkRefusedError("a list", "no", "ask"), 2)],
)
def test_sink_that_fails(directory: Path, sink: StoredRows, failure: Exception, code: int) -> None:
    """It is said, and another sink is compared all the same."""
    other = StoredRows()
    other.failure = failure
    with Derivation(directory / "sessions", "s") as derivation:
        failed, one = compare(derivation, "s", [("other", other), ("list", sink)], False, range_rows=2)
    assert (str(failure), code) == (failed.error, failed.exit)
    assert not failed.is_same
    assert one.is_same
    with Derivation(directory / "sessions", "s") as derivation:
        (failed,) = compare(derivation, "s", [("other", other)], False, range_rows=2)
    assert code == failed.exit
