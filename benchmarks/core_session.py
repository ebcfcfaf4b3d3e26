"""A Core in the middle of its session, two small strategies, and a venue that fills whatever it is sent.

Imports only ``livestack.core``; one thread, no I/O once the Configuration is read. The venue is the loop itself: an
order is accepted and then wholly filled by two INPUT Events before the next market Event.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.market_data import (
    INTERVAL_NS,
    MIDDLE,
    ORDER_QTY,
    PRICE_DECIMALS,
    QTY_DECIMALS,
    REACH,
    START_NS,
    quotes,
)
from livestack.core import events
from livestack.core.configuration import Configuration
from livestack.core.intents import New
from livestack.core.obligations import QueryFills
from livestack.core.runtime import SEMANTICS_VERSION, CoreRuntime, Step
from livestack.core.strategy import Decision, Strategy, View
from livestack.core.types import (
    Amount,
    AssetBalance,
    ConnectionStatus,
    InstrumentStatus,
    Liquidity,
    OrderRequest,
    Side,
    TimeInForce,
)

VENUE = "bench"
INSTRUMENT = "bench:BTCUSDT"
CONFIGURATION = Path(__file__).with_name("core_throughput.toml")


class Idle(Strategy):
    """Is asked about everything and wants nothing."""

    def on_event(self, view: View, event: events.InputEvent) -> Decision:
        return None


class TakerMemory(msgspec.Struct):
    """``resting`` orders are placed first, one at each quote."""

    quotes: int = 0
    orders: int = 0
    resting: int = 0


class Taker(Strategy):
    """One IOC order at the opposite best every ``every`` quotes, buying and selling in turn.

    Flat after every second order, or, with ``hold``, never again after the first: the second one buys as well.
    Before that it places ``resting`` orders of the same quantity out of the market's reach, half of them on each side.
    """

    memory_type = TakerMemory

    def __init__(self, every: int, resting: int = 0, hold: bool = False) -> None:
        super().__init__(None)
        self._every = every
        self._hold = hold
        self.memory.resting = resting

    def on_event(self, view: View, event: events.InputEvent) -> Decision:
        if type(event) is not events.QuoteTick:
            return None
        memory = self.memory
        if memory.resting:
            memory.resting -= 1
            side = Side.BUY if memory.resting % 2 else Side.SELL
            away = REACH + 5_000 + memory.resting
            return (
                self._new(view, side, MIDDLE - away if side is Side.BUY else MIDDLE + away, TimeInForce.GTC),
            )
        memory.quotes += 1
        if memory.quotes % self._every:
            return None
        memory.orders += 1
        if memory.orders % 2 or (self._hold and memory.orders == 2):
            return (self._new(view, Side.BUY, event.ask, TimeInForce.IOC),)
        return (self._new(view, Side.SELL, event.bid, TimeInForce.IOC),)

    @staticmethod
    def _new(view: View, side: Side, price: int, tif: TimeInForce) -> New:
        return New(
            order_id=view.next_order_id(),
            instrument=INSTRUMENT,
            side=side,
            tif=tif,
            qty=ORDER_QTY,
            price=price,
        )


class Session:
    """A running session and the position in its Event Stream; ``feed`` and ``drive`` take it on."""

    def __init__(self, strategy: Strategy, configuration: Configuration | None = None) -> None:
        if configuration is None:
            configuration = Configuration.from_plain(tomllib.loads(CONFIGURATION.read_text(encoding="utf-8")))
        self.runtime = CoreRuntime(configuration, strategy)
        self.seq = 1
        self.ts = START_NS
        self.fill_id = 0
        for event in _beginning(configuration):
            self.feed(event)

    def feed(self, event: events.InputEvent) -> Step:
        """One Event at the present time."""
        step = self.runtime.step(self.seq, self.ts, event)
        self.seq += 1 + len(step.derived)
        return step

    def drive(self, market: Iterable[Any]) -> None:
        """Every market Event at its own time, and the venue's answers to what comes of it."""
        step_of, seq = self.runtime.step, self.seq
        for event in market:
            ts = event.recv_ns
            step = step_of(seq, ts, event)
            seq += 1
            if step.derived:
                self.seq, self.ts = seq + len(step.derived), ts
                self._answer(step)
                seq = self.seq
        self.seq, self.ts = seq, self.runtime.state.control.ts

    def _answer(self, step: Step) -> None:
        for request in step.dispatches:
            self.feed(self.accepted(request))
            if request.tif is TimeInForce.IOC and self.feed(self.fill(request)).obligations_changed:
                self._reconcile()

    def _reconcile(self) -> None:
        """Say that no fill is missing, where the Core asks for it."""
        for owed in self.runtime.obligations():
            if type(owed) is QueryFills:
                through = events.FillsReconciled(
                    recv_ns=self.ts, venue=VENUE, instrument=owed.instrument, through=self.fill_id
                )
                self.feed(through)

    def accepted(self, request: OrderRequest) -> events.OrderAccepted:
        return events.OrderAccepted(
            recv_ns=self.ts,
            venue=VENUE,
            instrument=request.instrument,
            client_id=request.client_id,
            order_id=request.order_id,
            venue_order_id=str(request.order_id),
            event_ns=self.ts,
        )

    def fill(self, request: OrderRequest) -> events.OrderFill:
        self.fill_id += 1
        return events.OrderFill(
            recv_ns=self.ts,
            venue=VENUE,
            instrument=request.instrument,
            client_id=request.client_id,
            order_id=request.order_id,
            venue_order_id=str(request.order_id),
            event_ns=self.ts,
            fill_id=self.fill_id,
            side=request.side,
            price=request.price,
            qty=request.qty,
            fee=Amount.of(0),
            fee_asset="BNB",
            fee_decimals=8,
            liquidity=Liquidity.TAKER,
        )

    def check(self, filled: int, resting: int = 0) -> None:
        """Stop the benchmark if an order was denied, lost or left: then it would not have measured what it says."""
        execution = self.runtime.state.execution
        seen = (execution.counts.denied, self.fill_id, len(execution.orders), execution.session_orders)
        wanted = (0, filled, resting, filled + resting)
        if seen != wanted:
            raise SystemExit(
                f"denied, filled, resting and dispatched orders should be {wanted}, and are {seen}"
            )


def quote_ticks(count: int, first: int = 1) -> list[events.QuoteTick]:
    """``count`` quotes, the first one ``first`` intervals after the session's start."""
    return [
        events.QuoteTick(
            recv_ns=START_NS + number * INTERVAL_NS,
            instrument=INSTRUMENT,
            event_ns=START_NS + number * INTERVAL_NS,
            update_id=number,
            bid=bid,
            bid_qty=bid_qty,
            ask=ask,
            ask_qty=ask_qty,
        )
        for number, (bid, bid_qty, ask, ask_qty) in enumerate(quotes(count), first)
    ]


def _beginning(configuration: Configuration) -> Iterator[events.InputEvent]:
    """What a session begins with, until it may trade."""
    yield events.SessionStarted(
        session="bench",
        node="bench",
        epoch="AAAAAAAAA",
        strategy="benchmarks",
        strategy_digest="",
        configuration_version=configuration.version,
        configuration_digest=configuration.digest(),
        semantics_version=SEMANTICS_VERSION,
        wall_ns=0,
    )
    yield _definition()
    balances = tuple(
        AssetBalance(asset, 8, Amount.of(10**9 * 10**8), Amount.of(0)) for asset in ("BTC", "USDT")
    )
    yield events.AccountBaseline(
        recv_ns=START_NS, venue=VENUE, account="bench", balances=balances, positions=(), previous_session=""
    )
    live = ConnectionStatus.LIVE
    yield events.FeedStatusChanged(recv_ns=START_NS, venue=VENUE, instrument="", status=live, reason="")
    yield events.VenueStatusChanged(recv_ns=START_NS, venue=VENUE, status=live, reason="")


def _definition() -> events.InstrumentDefined:
    return events.InstrumentDefined(
        recv_ns=START_NS,
        venue=VENUE,
        instrument=INSTRUMENT,
        symbol="BTCUSDT",
        base="BTC",
        quote="USDT",
        price_decimals=PRICE_DECIMALS,
        qty_decimals=QTY_DECIMALS,
        status=InstrumentStatus.TRADING,
        price_tick=1,
        price_min=1,
        price_max=100_000_000,
        qty_step=1,
        qty_min=1,
        qty_max=9_000_000_000,
        market_qty_step=0,
        market_qty_min=0,
        market_qty_max=0,
        notional_min=Amount.of(5 * 10 ** (PRICE_DECIMALS + QTY_DECIMALS)),
        notional_max=Amount.of(9_000_000 * 10 ** (PRICE_DECIMALS + QTY_DECIMALS)),
        notional_min_applies_to_market=True,
        max_open_orders=10_000,
        amend_allowed=True,
        market_allowed=True,
    )
