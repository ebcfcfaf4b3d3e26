"""The tables of a sink: one per record message of ``protos/livestack/wire/records.proto``, a column per field.

Pure. The schema of every sink is made from here, so that there is one: the message. ``Trace`` comes first, flattened.
Any thread.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from operator import attrgetter
from typing import Any, Final

import msgspec
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from livestack.wire import records_pb2 as wire

SCHEMA_VERSION: Final = 1
"""Raised whenever a message gets a field: a sink of an older one is extended, one of a newer one is refused."""

KEY: Final = ("session", "seq", "ordinal")
"""What tells a record from every other one, in every table."""

Record = Message
"""One message of ``records.proto``."""


class Kind(Enum):
    """What a column holds."""

    INT32 = 1
    INT64 = 2
    BOOL = 3
    TEXT = 4
    DECIMAL = 5


class Column(msgspec.Struct, frozen=True):
    """``optional``: null where the message does not have the field."""

    name: str
    kind: Kind
    optional: bool
    of_trace: bool


class Table(msgspec.Struct, frozen=True):
    """``name`` is the same in every sink."""

    name: str
    message: type[Any]
    columns: tuple[Column, ...]

    def values(self, records: Sequence[Record]) -> list[list[Any]]:
        """A list per column; decimals stay texts, None is null."""
        traces = [record.trace for record in records]  # type: ignore[attr-defined]
        return [_values(column, traces if column.of_trace else records) for column in self.columns]


def _values(column: Column, holders: Sequence[Any]) -> list[Any]:
    name = column.name
    found = map(attrgetter(name), holders)
    if column.optional:  # to ask whether a field is there costs more than to read it
        return [value if value or one.HasField(name) else None for value, one in zip(found, holders)]  # noqa: B905
    return list(found)


_KINDS: Final = {
    FieldDescriptor.TYPE_INT32: Kind.INT32,
    FieldDescriptor.TYPE_INT64: Kind.INT64,
    FieldDescriptor.TYPE_BOOL: Kind.BOOL,
    FieldDescriptor.TYPE_STRING: Kind.TEXT,
}


def _columns(message: type[Any], of_trace: bool = False) -> tuple[Column, ...]:
    columns: list[Column] = []
    for field in message.DESCRIPTOR.fields:
        if field.message_type is not None:
            columns += _columns(wire.Trace, of_trace=True)
            continue
        is_decimal = field.GetOptions().Extensions[wire.decimal]
        kind = Kind.DECIMAL if is_decimal else _KINDS[field.type]
        columns.append(Column(field.name, kind, field.has_presence, of_trace))
    return tuple(columns)


def _table(name: str, message: type[Any]) -> Table:
    return Table(name, message, _columns(message))


TABLES: Final[dict[str, Table]] = {
    table.name: table
    for table in (
        _table("orders", wire.OrderRecord),
        _table("fills", wire.FillRecord),
        _table("positions", wire.PositionRecord),
        _table("dispatches", wire.DispatchRecord),
        _table("denials", wire.DenialRecord),
        _table("controls", wire.ControlRecord),
        _table("balances", wire.BalanceRecord),
        _table("sessions", wire.SessionRecord),
        _table("dead_letters", wire.DeadLetterRecord),
    )
}

TABLE_OF: Final[dict[type[Any], str]] = {table.message: table.name for table in TABLES.values()}
"""Which table a record belongs to."""
