"""Records as binary COPY data: what the format says, read back field by field."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from livestack.storage import postgresql_copy
from livestack.storage.postgresql_copy import copy_data
from livestack.storage.tables import TABLES, Kind, Record
from tests.storage.postgresql_support import fill, filled


def parsed(table: str, data: bytes) -> list[tuple[Any, ...]]:
    """Rows of COPY data, by the format's description: a header, a count and fields with lengths, -1 at the end."""
    assert b"PGCOPY\n\xff\r\n\0" + bytes(8) == data[:19]
    place, rows = 19, []
    while (count := struct.unpack_from("!h", data, place)[0]) != -1:
        assert len(TABLES[table].columns) == count
        place += 2
        row: list[Any] = []
        for column in TABLES[table].columns:
            (length,) = struct.unpack_from("!i", data, place)
            place += 4
            field = None if length == -1 else data[place : place + length]
            place += max(length, 0)
            row.append(field if field is None else value_of(column.kind, field))
        rows.append(tuple(row))
    assert len(data) == place + 2
    return rows


def value_of(kind: Kind, field: bytes) -> Any:
    if kind in (Kind.INT32, Kind.INT64):
        assert (4 if kind is Kind.INT32 else 8) == len(field)
        return int.from_bytes(field, "big", signed=True)
    return {b"\0": False, b"\1": True}[field] if kind is Kind.BOOL else field.decode()


def rows_of(table: str, records: list[Record]) -> list[tuple[Any, ...]]:
    return list(zip(*TABLES[table].values(records), strict=True))


@pytest.mark.parametrize("count", [1, 2, 5])
@pytest.mark.parametrize("table", TABLES)
def test_every_field_is_as_it_was(table: str, count: int) -> None:
    """Columns with one value, with few and with many; null where there is nothing; decimals are their texts."""
    records = [filled(table, seq, with_optional=seq % 2 == 1) for seq in range(1, count + 1)]
    assert rows_of(table, records) == parsed(table, b"".join(copy_data(TABLES[table], records)))


def test_pieces_are_one_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many there are, header and end are there once and each record once, in order."""
    monkeypatch.setattr(postgresql_copy, "PIECE_ROWS", 3)
    records: list[Record] = [fill(seq) for seq in range(1, 12)]
    pieces = list(copy_data(TABLES["fills"], records))
    assert 1 + 4 + 1 == len(pieces)
    assert rows_of("fills", records) == parsed("fills", b"".join(pieces))
