"""A long session's Event Stream and its journal, made as a node makes them: a real Core and group commits.

What the benchmarks of journal and recovery run on. Of ten market Events six are quotes, two are trades and two are
diffs of ten levels on a book of 100 a side; every hundredth quote is answered by an order, which is accepted and
filled. It is a millisecond from one market Event to the next. One thread.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path

import msgspec

import livestack
from benchmarks.core_session import CONFIGURATION, INSTRUMENT, Session
from benchmarks.core_workloads import depth_diffs
from benchmarks.market_data import INTERVAL_NS, MIDDLE, ORDER_QTY, START_NS, quotes
from livestack.core import events
from livestack.core.configuration import Configuration
from livestack.core.runtime import SEMANTICS_VERSION, Step
from livestack.core.types import Origin, Side
from livestack.journal.format import SegmentHeader
from livestack.journal.segment import Durability
from livestack.journal.snapshots import write_snapshot
from livestack.journal.writer import JournalWriter
from livestack.node.snapshotting import snapshot_of
from livestack.strategies.loading import load_strategy, strategy_source

SESSION = "bench"
LEVELS = 100
CYCLE = "qqtqdqqtqd"
"""One letter a market Event: quote, trade, diff."""

BATCH = 100
"""Records in a commit."""


def configuration(every: int = 100) -> Configuration:
    """That of core_throughput.toml, with a strategy that a journal can name: an order every so many quotes."""
    plain = tomllib.loads(CONFIGURATION.read_text(encoding="utf-8"))
    plain["strategy"] = {
        "path": "benchmarks.strategies:Regular",
        "parameters": {"every": every, "qty": ORDER_QTY},
    }
    return Configuration.from_plain(plain)


def header(rules: Configuration) -> SegmentHeader:
    """Of the session's first segment."""
    return SegmentHeader.of_session(
        session=SESSION,
        node="bench",
        strategy_path=rules.strategy.path,
        strategy_source=strategy_source(rules.strategy.path),
        configuration=rules,
        semantics_version=SEMANTICS_VERSION,
        package_version=livestack.__version__,
    )


class JournalledSession(Session):
    """A session that keeps its Event Stream in :attr:`records` until somebody takes it."""

    def __init__(self, rules: Configuration) -> None:
        self.records: list[events.Recorded] = []
        super().__init__(load_strategy(rules.strategy.path, rules.strategy.parameters), rules)

    def feed(self, event: events.InputEvent) -> Step:
        seq = self.seq
        step = super().feed(event)
        self.records.append(events.Recorded(seq, self.ts, Origin.INPUT, event))
        for derived in step.derived:
            seq += 1
            self.records.append(events.Recorded(seq, self.ts, Origin.DERIVED, derived))
        return step

    def take(self) -> list[events.Recorded]:
        taken, self.records = self.records, []
        return taken

    def advance(self, event: events.InputEvent, ts: int) -> None:
        """One market Event at ``ts``, and the venue's answers to what comes of it."""
        self.ts = ts
        step = self.feed(event)
        if step.dispatches:
            self._answer(step)


def market() -> Iterator[tuple[events.InputEvent, int]]:
    """Market Events without an end, each with its time."""
    touches, diffs = quotes(1 << 62), depth_diffs(LEVELS, 1 << 62)
    yield next(diffs), START_NS
    for number, kind in enumerate(cycle(CYCLE), 1):
        ts = START_NS + number * INTERVAL_NS
        if kind == "q":
            yield _quote(ts, number, *next(touches)), ts
        elif kind == "t":
            yield _trade(ts, number), ts
        else:
            yield msgspec.structs.replace(next(diffs), recv_ns=ts, event_ns=ts), ts


def _quote(ts: int, number: int, bid: int, bid_qty: int, ask: int, ask_qty: int) -> events.QuoteTick:
    return events.QuoteTick(
        recv_ns=ts,
        instrument=INSTRUMENT,
        event_ns=ts,
        update_id=number,
        bid=bid,
        bid_qty=bid_qty,
        ask=ask,
        ask_qty=ask_qty,
    )


def _trade(ts: int, number: int) -> events.TradeTick:
    return events.TradeTick(
        recv_ns=ts,
        instrument=INSTRUMENT,
        event_ns=ts,
        trade_id=number,
        price=MIDDLE + number % 1_000,
        qty=ORDER_QTY + number % 1_000,
        aggressor=Side.BUY if number % 2 else Side.SELL,
    )


def stream(session: JournalledSession, count: int, batch: int) -> Iterator[list[events.Recorded]]:
    """At least ``count`` records in groups of at least ``batch``; a step is never parted."""
    made = 0
    source = market()
    while made < count:
        session.advance(*next(source))
        if len(session.records) >= batch or made + len(session.records) >= count:
            made += len(session.records)
            yield session.take()


def write_journal(
    data_dir: Path,
    count: int,
    behind: int,
    durability: Durability = "relaxed",
    segment_bytes: int = 1 << 30,
    every: int = 100,
) -> int:
    """A journal of ``count`` Events below ``data_dir`` whose writer did not stop in order; its last position.

    ``behind``: so many Events before its end stands a snapshot, 0 for none. ``every``: of :func:`configuration`.
    """
    rules = configuration(every)
    session, head = JournalledSession(rules), header(rules)
    sessions = data_dir / "sessions"
    writer = JournalWriter.create(sessions, head, durability)
    snapshot_due = bool(behind)
    for records in stream(session, count, BATCH):
        writer.commit(records)
        if writer.segment_bytes >= segment_bytes:
            writer.rotate()
        if snapshot_due and writer.last_seq >= count - behind:
            snapshot_due = False
            write_snapshot(sessions, snapshot_of(session.runtime.state, head, writer.last_seq))
    writer.close()
    return writer.last_seq
