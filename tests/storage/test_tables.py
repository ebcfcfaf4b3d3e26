"""The tables of every sink: made from the messages alone."""

from __future__ import annotations

from typing import Any

import pytest

from livestack.storage.tables import KEY, TABLE_OF, TABLES, Column, Kind, Table
from livestack.wire import records_pb2 as wire

TRACE = [
    ("node", Kind.TEXT, False),
    ("session", Kind.TEXT, False),
    ("seq", Kind.INT64, False),
    ("ordinal", Kind.INT32, False),
    ("ts", Kind.INT64, False),
    ("event_ns", Kind.INT64, True),
    ("strategy", Kind.TEXT, False),
    ("strategy_digest", Kind.TEXT, False),
    ("configuration_version", Kind.INT64, False),
    ("configuration_digest", Kind.TEXT, False),
    ("venue", Kind.TEXT, True),
    ("account", Kind.TEXT, True),
    ("instrument", Kind.TEXT, True),
    ("order_id", Kind.INT64, True),
    ("request_id", Kind.TEXT, True),
]

EACH = pytest.mark.parametrize("table", TABLES.values(), ids=lambda one: one.name)


def test_every_message_has_a_table() -> None:
    """All but the trace, which is part of each."""
    messages = {name for name in wire.DESCRIPTOR.message_types_by_name if name != "Trace"}
    assert messages == {table.message.DESCRIPTOR.name for table in TABLES.values()}
    assert TABLES == {TABLE_OF[table.message]: table for table in TABLES.values()}


@EACH
def test_the_trace_comes_first(table: Table) -> None:
    """Flattened, in its own order, in every table; no name twice."""
    columns = table.columns
    assert [Column(*one, of_trace=True) for one in TRACE] == list(columns[: len(TRACE)])
    assert not any(column.of_trace for column in columns[len(TRACE) :])
    names = [column.name for column in columns]
    assert len(names) == len(set(names))
    assert set(KEY) <= set(names)


@EACH
def test_every_field_is_a_column(table: Table) -> None:
    """In the order of the schema, with its kind, and null where the field is optional."""
    fields = [one for one in table.message.DESCRIPTOR.fields if one.name != "trace"]
    own = [column for column in table.columns if not column.of_trace]
    assert [one.name for one in fields] == [column.name for column in own]
    assert [one.has_presence for one in fields] == [column.optional for column in own]
    decimals = [one.GetOptions().Extensions[wire.decimal] for one in fields]
    assert decimals == [column.kind is Kind.DECIMAL for column in own]


def test_values_come_by_column() -> None:
    """One list per column; what a record does not have is None, what is empty or zero is there."""
    first = wire.FillRecord(
        trace=wire.Trace(session="s", seq=1, ordinal=0, venue="v"), fill_id=5, price="0.10", fee="0"
    )
    second = wire.FillRecord(trace=wire.Trace(session="s", seq=2, ordinal=3), venue_order_id="")
    table = TABLES["fills"]
    values = dict(zip((one.name for one in table.columns), table.values([first, second]), strict=True))
    expected: dict[str, list[Any]] = {
        "session": ["s", "s"],
        "seq": [1, 2],
        "ordinal": [0, 3],
        "venue": ["v", None],
        "instrument": [None, None],
        "fill_id": [5, 0],
        "venue_order_id": [None, ""],
        "price": ["0.10", ""],
        "fee": ["0", ""],
    }
    assert expected == {name: values[name] for name in expected}
    assert [[]] * len(table.columns) == table.values([])
