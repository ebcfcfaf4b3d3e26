"""Records as rows of Delta tables: schemas, exact numbers, and which records can never be rows.

Imports pyarrow, so only a process that ships or reads loads it. No I/O. Any thread.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Final, NamedTuple

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]
from google.protobuf.json_format import MessageToJson

from livestack.storage.sink import Refusal, plain_decimal
from livestack.storage.tables import TABLES, Column, Kind, Record, Table
from livestack.wire import records_pb2 as wire

DECIMAL: Final = pa.decimal128(38, 18)
"""The widest exact number of Delta Lake: 20 digits before the point and 18 behind it."""

_TYPES: Final = {
    Kind.INT32: pa.int32(),
    Kind.INT64: pa.int64(),
    Kind.BOOL: pa.bool_(),
    Kind.TEXT: pa.string(),
    Kind.DECIMAL: DECIMAL,
}

DELTA_TYPES: Final = {
    Kind.INT32: "integer",
    Kind.INT64: "long",
    Kind.BOOL: "boolean",
    Kind.TEXT: "string",
    Kind.DECIMAL: "decimal(38,18)",
}
"""The same in the words of a Delta log."""

OWN_COLUMNS: Final = {"date": "date", "time": "timestamp"}
"""Columns that no message has, made from ``ts`` for people and for pruning: the day and the moment in UTC."""

PARTITION: Final = ["date", "session"]

_DAY_NS: Final = 86_400 * 1_000_000_000
_MICROSECOND_NS: Final = 1_000


class Encoded(NamedTuple):
    """``rows``: what can be kept. ``refusals`` and ``dead_letters``: what cannot, one of each a record."""

    rows: pa.Table
    refusals: list[Refusal]
    dead_letters: list[Record]


def arrow_schema(table: Table) -> pa.Schema:
    """Every column of ``table``, then the sink's own."""
    fields = [pa.field(one.name, _TYPES[one.kind], one.optional) for one in table.columns]
    fields.append(pa.field("date", pa.date32(), nullable=False))
    fields.append(pa.field("time", pa.timestamp("us", "UTC"), nullable=False))
    return pa.schema(fields)


SCHEMAS: Final = {name: arrow_schema(table) for name, table in TABLES.items()}


def encode(table: Table, records: Sequence[Record]) -> Encoded:
    """``records`` as rows. A number that does not fit is never rounded: its record is refused as a whole."""
    values = table.values(records)
    try:
        return Encoded(_rows(table, values), [], [])
    except pa.ArrowInvalid:
        pass  # Arrow does not say which: look at each number, which costs only those batches that have a bad one.
    errors: dict[int, str] = {}
    for column, texts in zip(table.columns, values, strict=True):
        if column.kind is Kind.DECIMAL:
            for index, text in enumerate(texts):
                if (error := _number_error(column, text)) is not None:
                    errors.setdefault(index, error)
    kept = [record for index, record in enumerate(records) if index not in errors]
    refusals = [_refusal(table, records[index], errors[index]) for index in sorted(errors)]
    letters = [_dead_letter(table, records[index], errors[index]) for index in sorted(errors)]
    return Encoded(_rows(table, table.values(kept)), refusals, letters)


def _rows(table: Table, values: list[list[Any]]) -> pa.Table:
    arrays = [_array(column, one) for column, one in zip(table.columns, values, strict=True)]
    ts = arrays[[column.name for column in table.columns].index("ts")]
    days = _floor_divide(ts, _DAY_NS)
    arrays.append(pc.cast(days, pa.int32()).cast(pa.date32()))
    arrays.append(_floor_divide(ts, _MICROSECOND_NS).cast(pa.timestamp("us", "UTC")))
    return pa.Table.from_arrays(arrays, schema=SCHEMAS[table.name])


def _floor_divide(numbers: pa.Array, divisor: int) -> pa.Array:
    """Towards the past for moments before 1970 too; Arrow's own division goes towards zero."""
    quotient = pc.divide(numbers, divisor)
    below = pc.less(numbers, pc.multiply(quotient, divisor))
    return pc.subtract(quotient, pc.cast(below, pa.int64()))


def _array(column: Column, values: list[Any]) -> pa.Array:
    if column.kind is Kind.DECIMAL:
        return pa.array(values, pa.string()).cast(DECIMAL)
    return pa.array(values, _TYPES[column.kind])


def _number_error(column: Column, text: str | None) -> str | None:
    try:
        pa.array([text], pa.string()).cast(DECIMAL)
    except pa.ArrowInvalid:
        return (
            f"{column.name} = {text!r} is not a number of at most 20 digits before the point and 18 behind it, "
            "the widest that Delta Lake keeps exactly"
        )
    return None


def _refusal(table: Table, record: Any, error: str) -> Refusal:
    return Refusal(table.name, record.trace.seq, record.trace.ordinal, error)


def _dead_letter(table: Table, record: Any, error: str) -> Record:
    text = MessageToJson(record, preserving_proto_field_name=True, indent=None)
    return wire.DeadLetterRecord(trace=record.trace, table=table.name, error=error, record=text)


def projection(table: Table, there: Collection[str]) -> str:
    """What to select so that :func:`decode` gets its columns; null for one that is not ``there`` yet.

    Numbers become texts in the query engine: Arrow would write small ones with an exponent.
    """
    return ", ".join(f'{_selected(one, there)} AS "{one.name}"' for one in table.columns)


def _selected(column: Column, there: Collection[str]) -> str:
    if column.name not in there:
        return "NULL"
    return f'CAST("{column.name}" AS VARCHAR)' if column.kind is Kind.DECIMAL else f'"{column.name}"'


def decode(table: Table, batch: pa.RecordBatch) -> list[tuple[Any, ...]]:
    """The rows of a selected batch, in its order, as :meth:`Sink.read` promises them."""
    columns = []
    for column, array in zip(table.columns, batch.columns, strict=True):
        values = array.to_pylist()
        if column.kind is Kind.DECIMAL:
            values = [None if text is None else plain_decimal(text) for text in values]
        columns.append(values)
    return list(zip(*columns, strict=True))
