"""Small sessions made by hand: Events through a real Core into a real journal."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

from livestack.core.configuration import Configuration
from livestack.core.events import (
    AccountBaseline,
    CheckpointRequested,
    FeedStatusChanged,
    InputEvent,
    InstrumentDefined,
    QuoteTick,
    Recorded,
    SessionStarted,
    SessionStopped,
    SessionStopping,
    VenueStatusChanged,
)
from livestack.core.refold import Refold
from livestack.core.runtime import SEMANTICS_VERSION, CoreRuntime
from livestack.core.types import Amount, AssetBalance, ConnectionStatus, InstrumentStatus, Origin
from livestack.journal.format import SegmentHeader
from livestack.journal.segment import segments_of
from livestack.journal.snapshots import SNAPSHOT_VERSION, Snapshot, write_snapshot
from livestack.journal.writer import JournalWriter
from livestack.settings import load
from livestack.strategies.loading import load_strategy, strategy_source
from tests.live import configuration
from tests.live.strategies import market_maker

INSTRUMENT = "binance_spot:BTCUSDT"
ENVIRONMENT = {
    "VENUE_REST": "http://127.0.0.1:1",
    "VENUE_STREAM": "ws://127.0.0.1:1",
    "VENUE_WS_API": "ws://127.0.0.1:1",
    "VENUE_KEY": "k",
    "VENUE_SECRET": "s",
}
WALL_NS = 1_800_000_000_000_000_000
PLENTY = Amount.of(10**16)

BTCUSDT = InstrumentDefined(
    recv_ns=0,
    venue="binance_spot",
    instrument=INSTRUMENT,
    symbol="BTCUSDT",
    base="BTC",
    quote="USDT",
    price_decimals=2,
    qty_decimals=5,
    status=InstrumentStatus.TRADING,
    price_tick=1,
    price_min=1,
    price_max=100_000_000,
    qty_step=1,
    qty_min=1,
    qty_max=900_000_000,
    market_qty_step=0,
    market_qty_min=0,
    market_qty_max=0,
    notional_min=Amount.of(0),
    notional_max=Amount.of(0),
    notional_min_applies_to_market=False,
    max_open_orders=200,
    amend_allowed=True,
    market_allowed=True,
)


def rules(directory: Path) -> Configuration:
    """The market maker on one symbol, nothing limited."""
    path = configuration.write(directory, ["BTCUSDT"], market_maker("BTCUSDT"))
    return load(path, ENVIRONMENT)[1]


def opening(session: str) -> list[InputEvent]:
    """What stands at the head of every session that may trade."""
    return [
        SessionStarted(
            session=session,
            node="test",
            epoch="AAAAAAAAA",
            strategy="",
            strategy_digest="",
            configuration_version=1,
            configuration_digest="",
            semantics_version=SEMANTICS_VERSION,
            wall_ns=WALL_NS,
        ),
        BTCUSDT,
        AccountBaseline(
            recv_ns=0,
            venue="binance_spot",
            account="test",
            balances=(
                AssetBalance("BTC", 8, PLENTY, Amount.of(0)),
                AssetBalance("USDT", 8, PLENTY, Amount.of(0)),
            ),
            positions=(),
            previous_session="",
        ),
        VenueStatusChanged(recv_ns=0, venue="binance_spot", status=ConnectionStatus.LIVE, reason=""),
        FeedStatusChanged(
            recv_ns=0, venue="binance_spot", instrument=INSTRUMENT, status=ConnectionStatus.LIVE, reason=""
        ),
    ]


def quotes(count: int) -> list[InputEvent]:
    """A market that moves, so that quotes are made and replaced."""
    return [
        QuoteTick(
            recv_ns=WALL_NS + number,
            instrument=INSTRUMENT,
            event_ns=0,
            update_id=number + 1,
            bid=5_000_000 + 5_000 * (number % 7),
            bid_qty=100,
            ask=5_000_100 + 5_000 * (number % 7),
            ask_qty=100,
        )
        for number in range(count)
    ]


CLOSING: list[InputEvent] = [
    CheckpointRequested(by="test"),
    SessionStopping(by="test", reason=""),
    SessionStopped(reason=""),
]


def record(configuration: Configuration, events: Iterable[InputEvent]) -> list[Recorded]:
    """The Event Stream that the Core makes of ``events``, a millisecond apart."""
    runtime = CoreRuntime(
        configuration, load_strategy(configuration.strategy.path, configuration.strategy.parameters)
    )
    records: list[Recorded] = []
    for number, event in enumerate(events):
        ts = WALL_NS + number * 1_000_000
        step = runtime.step(len(records) + 1, ts, event)
        records.append(Recorded(len(records) + 1, ts, Origin.INPUT, event))
        for derived in step.derived:
            records.append(Recorded(len(records) + 1, ts, Origin.DERIVED, derived))
    return records


def header(session: str, configuration: Configuration, **changes: object) -> SegmentHeader:
    values: dict[str, object] = {
        "session": session,
        "node": "test",
        "strategy_path": configuration.strategy.path,
        "strategy_source": strategy_source(configuration.strategy.path),
        "configuration": configuration,
        "semantics_version": SEMANTICS_VERSION,
        "package_version": "0",
        **changes,
    }
    return SegmentHeader.of_session(**values)  # type: ignore[arg-type]


def store(directory: Path, head: SegmentHeader, records: list[Recorded]) -> None:
    """Write a session's journal in commits of ten."""
    writer = JournalWriter.create(directory / "sessions", head, "relaxed")
    for first in range(0, len(records), 10):
        writer.commit(records[first : first + 10])
    writer.close()


def store_segments(directory: Path, head: SegmentHeader, records: list[Recorded], every: int) -> list[Path]:
    """The same in commits of ten and segments of ``every`` records; the segments."""
    writer = JournalWriter.create(directory / "sessions", head, "relaxed")
    for first in range(0, len(records), every):
        if first:
            writer.rotate()
        for start in range(first, min(first + every, len(records)), 10):
            writer.commit(records[start : min(start + 10, first + every)])
    writer.close()
    return segments_of(directory / "sessions", head.session)


def keep_snapshots(
    directory: Path,
    head: SegmentHeader,
    configuration: Configuration,
    records: list[Recorded],
    around: list[int],
) -> list[int]:
    """Snapshots at the first positions from ``around`` on behind which an INPUT Event follows; where they are."""
    strategy = load_strategy(configuration.strategy.path, configuration.strategy.parameters)
    fold = Refold(CoreRuntime(configuration, strategy))
    waiting, kept = sorted(around), []
    for record, following in pairwise(records):
        assert fold.take(record)
        if waiting and record.seq >= waiting[0] and following.origin is Origin.INPUT:
            state = fold.runtime.state
            write_snapshot(
                directory / "sessions",
                Snapshot(
                    version=SNAPSHOT_VERSION,
                    session=head.session,
                    seq=record.seq,
                    ts=record.ts,
                    semantics_version=SEMANTICS_VERSION,
                    strategy_digest=head.strategy_digest,
                    digest=state.digest(),
                    state=state.snapshot(),
                ),
            )
            kept.append(record.seq)
            waiting = [one for one in waiting if one > record.seq]
    return kept
