"""Records as the bytes of PostgreSQL's binary COPY, made column by column.

Pure. Decimals go as texts, which the server turns into its own exact numbers. Any thread.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, repeat
from typing import Any, Final

from livestack.storage.tables import Kind, Record, Table

PIECE_ROWS: Final = 2_000
"""Less than a megabyte."""

_HEADER: Final = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
_TRAILER: Final = b"\xff\xff"
_NULL: Final = b"\xff\xff\xff\xff"
_YES: Final = b"\x00\x00\x00\x01\x01"
_NO: Final = b"\x00\x00\x00\x01\x00"

_length = struct.Struct("!i").pack
_int32 = struct.Struct("!ii").pack
_int64 = struct.Struct("!iq").pack
_count = struct.Struct("!h").pack


def copy_data(table: Table, records: Sequence[Record]) -> Iterator[bytes]:
    """All of ``records``, for a COPY into columns in the order of ``table``'s: decimals into columns of text.

    Piece by piece: the server works on one while the next is made.
    """
    yield _HEADER
    for start in range(0, len(records), PIECE_ROWS):
        yield _rows(table, records[start : start + PIECE_ROWS])
    yield _TRAILER


def _rows(table: Table, records: Sequence[Record]) -> bytes:
    columns = [
        _fields_of(column.kind, values)
        for column, values in zip(table.columns, table.values(records), strict=True)
    ]
    rows = zip(repeat(_count(len(columns)), len(records)), *columns, strict=False)
    return b"".join(chain.from_iterable(rows))


def _fields_of(kind: Kind, values: list[Any]) -> Iterable[bytes]:
    """A field per value, or one for ever. Most columns of a batch hold few different values, or one."""
    different = set(values)
    if len(different) == 1:
        return repeat(_field(kind, different.pop()))
    if kind is Kind.INT64 and 2 * len(different) > len(values) and None not in different:
        pack = _int64
        return [pack(8, value) for value in values]
    fields = {value: _field(kind, value) for value in different}
    return map(fields.__getitem__, values)


def _field(kind: Kind, value: Any) -> bytes:
    if value is None:
        return _NULL
    if kind is Kind.INT64:
        return _int64(8, value)
    if kind is Kind.INT32:
        return _int32(4, value)
    if kind is Kind.BOOL:
        return _YES if value else _NO
    # What is not Unicode is for the server to refuse, with its words.
    data: bytes = value.encode("utf-8", "surrogatepass")
    return _length(len(data)) + data
