"""What tests of the PostgreSQL sink share: records of every table, batches of them, and what is in the database."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from livestack.storage.postgresql import PostgresqlSink
from livestack.storage.sink import Batch, plain_decimal
from livestack.storage.tables import TABLES, Kind, Record
from livestack.wire import records_pb2 as wire

SESSION = "20260102T030405-one"
ADDRESS = "PostgreSQL at 127.0.0.1, database test"


def trace(seq: int, ordinal: int = 0, session: str = SESSION, **fields: Any) -> wire.Trace:
    fixed: dict[str, Any] = {
        "node": "first",
        "strategy": "livestack.strategies.maker:Maker",
        "strategy_digest": "d" * 64,
        "configuration_version": 1,
        "configuration_digest": "c" * 64,
        "venue": "v",
        "instrument": "v:BTC-USDT",
    }
    where = {"session": session, "seq": seq, "ordinal": ordinal, "ts": 1_767_323_045_123_456_789 + seq}
    return wire.Trace(**{**fixed, **where, **fields})


def fill(seq: int, ordinal: int = 0, session: str = SESSION, **fields: Any) -> wire.FillRecord:
    usual: dict[str, Any] = {
        "fill_id": seq,
        "side": "buy",
        "price": f"{50_000 + seq}.10",
        "qty": "0.100",
        "notional": "5000.01",
        "fee": "-0.00000001",
        "fee_asset": "USDT",
        "liquidity": "maker",
        "recv_ns": 1_767_323_045_000_000_000,
    }
    return wire.FillRecord(trace=trace(seq, ordinal, session), **{**usual, **fields})


def denial(seq: int, ordinal: int = 0, session: str = SESSION, **fields: Any) -> wire.DenialRecord:
    usual: dict[str, Any] = {"kind": "new", "outcome": "denied", "rule": "order-size"}
    return wire.DenialRecord(trace=trace(seq, ordinal, session), **{**usual, **fields})


def filled(table: str, seq: int, with_optional: bool) -> Record:
    """A record of ``table`` with something in every field, or in those only that are always there."""
    message = TABLES[table].message()
    for column in TABLES[table].columns:
        holder = message.trace if column.of_trace else message
        if column.name in ("session", "seq", "ordinal", "ts"):
            continue
        if with_optional or not column.optional:
            setattr(holder, column.name, _something(column.kind, column.name))
    message.trace.MergeFrom(trace(seq, configuration_version=2**63 - 1))
    if not with_optional:
        message.trace.ClearField("venue")
        message.trace.ClearField("instrument")
    return message


def _something(kind: Kind, name: str) -> Any:
    match kind:
        case Kind.INT32:
            return -(2**31)
        case Kind.INT64:
            return -(2**63)
        case Kind.BOOL:
            return True
        case Kind.DECIMAL:
            return "-123456789012345678901234567890.10"
        case _:
            return f'{name} "\\, \t\n \u20ac \U0001f600 {{}} %s NULL \\N'


def batch(*records: Record, session: str = SESSION, through: int | None = None) -> Batch:
    """``records`` in their order; without ``through`` everything is complete up to the last of them."""
    rows: dict[str, list[Record]] = {}
    for record in records:
        name = next(table.name for table in TABLES.values() if isinstance(record, table.message))
        rows.setdefault(name, []).append(record)
    upto = max((record.trace.seq for record in records), default=0)  # type: ignore[attr-defined]
    return Batch(session, rows, upto, upto if through is None else through)


def expected_rows(table: str, records: Sequence[Record]) -> list[tuple[Any, ...]]:
    """What a sink's ``read`` gives of ``records``."""
    columns = []
    for column, values in zip(TABLES[table].columns, TABLES[table].values(records), strict=True):
        if column.kind is Kind.DECIMAL:
            values = [None if value is None else plain_decimal(value) for value in values]
        columns.append(values)
    return list(zip(*columns, strict=True))


def read_all(sink: PostgresqlSink, table: str, session: str = SESSION) -> list[tuple[Any, ...]]:
    return [row for rows in sink.read(table, session, 0, 2**62) for row in rows]


def seqs(sink: PostgresqlSink, table: str, session: str = SESSION) -> list[int]:
    place = [column.name for column in TABLES[table].columns].index("seq")
    return [row[place] for row in read_all(sink, table, session)]


def sink_at(url: str) -> PostgresqlSink:
    return PostgresqlSink(ADDRESS, lambda: url)
