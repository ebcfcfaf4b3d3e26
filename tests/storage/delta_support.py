"""What tests of the Delta sink share: records, places on disk and in object storage, and what lies there."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote

import pyarrow as pa
from pyarrow import parquet

from livestack.storage.delta import DeltaSink
from livestack.storage.sink import Batch
from livestack.storage.tables import TABLES, Record
from livestack.wire import records_pb2 as wire
from tests.storage.s3_support import ObjectStore

SESSION = "20260101T000000-abc"
MIDDAY_NS = 1_767_268_800_000_000_000
"""2026-01-01 12:00 UTC."""

SECOND_NS = 1_000_000_000


class HandTime:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now_ns = 10**15

    def __call__(self) -> int:
        return self.now_ns

    def advance(self, seconds: float) -> None:
        self.now_ns += int(seconds * SECOND_NS)


class Place(NamedTuple):
    """A directory, or a place in object storage."""

    directory: Path | None
    store: ObjectStore | None

    @property
    def root(self) -> str:
        return str(self.directory) if self.store is None else self.store.root

    def options(self) -> dict[str, str]:
        return {} if self.store is None else self.store.options()

    def sink(self, clock: HandTime | None = None) -> DeltaSink:
        return DeltaSink("here", self.root, self.options, clock or HandTime())

    def opened(self, clock: HandTime | None = None) -> DeltaSink:
        sink = self.sink(clock)
        sink.open()
        return sink

    def names(self, table: str) -> list[str]:
        """All files of ``table``."""
        if self.store is not None:
            return sorted(key.removeprefix(f"{table}/") for key in self.store.keys(f"{table}/"))
        assert self.directory is not None
        below = self.directory / table
        return sorted(str(path.relative_to(below)) for path in below.rglob("*") if path.is_file())

    def content(self, table: str, name: str) -> bytes:
        if self.store is not None:
            return self.store.get(f"{table}/{name}")
        assert self.directory is not None
        return (self.directory / table / name).read_bytes()

    def live(self, table: str) -> list[str]:
        """Its live data files, by the plain words of its log."""
        live: dict[str, None] = {}
        for name in self.names(table):
            if name.startswith("_delta_log/") and name.endswith(".json"):
                for line in self.content(table, name).splitlines():
                    action = json.loads(line)
                    if "add" in action:
                        live[action["add"]["path"]] = None
                    elif "remove" in action:
                        live.pop(action["remove"]["path"], None)
        return [unquote(path) for path in live]

    def raw(self, table: str) -> pa.Table:
        """All live rows as the files have them, without columns that are only in their names."""
        parts = [parquet.read_table(io.BytesIO(self.content(table, name))) for name in self.live(table)]
        return pa.concat_tables(parts)

    def copy(self, table: str, target: Path) -> list[Path]:
        """Its live data files in a directory."""
        paths = []
        for name in self.live(table):
            path = target / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(self.content(table, name))
            paths.append(path)
        return paths


def trace(seq: int, ordinal: int = 0, session: str = SESSION, ts: int | None = None) -> wire.Trace:
    return wire.Trace(
        node="node-1",
        session=session,
        seq=seq,
        ordinal=ordinal,
        ts=MIDDAY_NS + seq * 1_000 if ts is None else ts,
        strategy="some.strategy:Class",
        strategy_digest="d1",
        configuration_version=1,
        configuration_digest="c1",
        venue="venue",
        account="main",
        instrument="venue:BTCUSDT",
        order_id=seq // 3,
    )


def fill(
    seq: int, ordinal: int = 0, session: str = SESSION, ts: int | None = None, price: str = "50000.1"
) -> Record:
    return wire.FillRecord(
        trace=trace(seq, ordinal, session, ts),
        fill_id=seq,
        side="buy",
        price=price,
        qty="0.001",
        notional="50.0001",
        fee="-0.00000001",
        fee_asset="USDT",
        liquidity="maker",
        recv_ns=MIDDAY_NS + seq,
    )


def order(seq: int, session: str = SESSION) -> Record:
    return wire.OrderRecord(
        trace=trace(seq, 1, session),
        event="OrderAccepted",
        status="accepted",
        source="strategy",
        side="buy",
        type="limit",
        tif="gtc",
        qty="0.001",
        filled_qty="0",
        filled_notional="0",
    )


def start(seq: int, session: str = SESSION) -> Record:
    return wire.SessionRecord(trace=trace(seq, 0, session), event="started", epoch="e")


def fills(first: int, last: int, session: str = SESSION) -> list[Record]:
    return [fill(seq, session=session) for seq in range(first, last + 1)]


def batch(upto: int, through: int = 0, session: str = SESSION, **rows: list[Record]) -> Batch:
    return Batch(session=session, rows=rows, upto=upto, through=through)


def rows_of(
    sink: DeltaSink, table: str, session: str = SESSION, first: int = 1, last: int = 2**62
) -> list[tuple[Any, ...]]:
    return [row for some in sink.read(table, session, first, last) for row in some]


def named(table: str, rows: list[tuple[Any, ...]]) -> list[dict[str, Any]]:
    names = [column.name for column in TABLES[table].columns]
    return [dict(zip(names, row, strict=True)) for row in rows]


def seqs(sink: DeltaSink, table: str, session: str = SESSION) -> list[int]:
    return [row["seq"] for row in named(table, rows_of(sink, table, session))]


def expected(table: str, records: list[Record]) -> list[tuple[Any, ...]]:
    return list(zip(*TABLES[table].values(records), strict=True))
