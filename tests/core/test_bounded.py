"""State does not grow: the same containers, and the same work per Event, after many Events as after few.

The stream is periodic, so that two windows of it ask for the same work. A million Events: pytest --long.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator
from itertools import pairwise
from types import FrameType
from typing import Any

import msgspec
import pytest

from livestack.core import events
from livestack.core.apply_commands import ANSWERS_MAX
from livestack.core.events import InputEvent
from livestack.core.execution_control import RECENT_MAX
from livestack.core.intents import Cancel, New, Replace
from livestack.core.obligations import QueryFills
from livestack.core.owed import FILLS_RECONCILE_AT
from livestack.core.rates import STAMPS_MAX
from livestack.core.runtime import CoreRuntime
from livestack.core.state import DRAWN_IDS_MAX, State
from livestack.core.strategy import Strategy
from livestack.core.types import (
    OrderRequest,
    OrderStatus,
    RateUsage,
    RequestKind,
    Side,
)
from livestack.core.versions import VERSIONS_MAX
from tests.core import support
from tests.core.consistency import sizes
from tests.core.support import INSTRUMENT, SECOND, VENUE, Bench, configuration, definition

OTHER = "sim:ETHUSDT"
EVENTS = 150_000
EVENTS_LONG = 1_000_000
PERIOD = 600  # Events after which the stream is the same again: every fate of an order has come up
WINDOW = 10 * PERIOD
WARM_UP = 70 * PERIOD  # every container with a bound in time or count is full
CLOSED_MAX = 200
SLIDING = 300
STEP_NS = 1_000_000

BOUNDS = {
    "state.execution.closed": CLOSED_MAX + 1,
    "state.control.answers": ANSWERS_MAX,
    "state.control.earlier": VERSIONS_MAX,
    "state.control.earlier[].undo": VERSIONS_MAX,
    "state.control.earlier[].undo[]": 2 * VERSIONS_MAX,
    "state.execution.drawn": DRAWN_IDS_MAX,
    "state.execution.recent": RECENT_MAX,
    "state.execution.intent_times": SECOND // STEP_NS,
    "state.execution.ledgers[].seen": FILLS_RECONCILE_AT + 1,
    "state.execution.rates[].stamps": STAMPS_MAX,
    "state.execution.rates[].limits[].sent": SLIDING,
    "state.execution.rates[].stamps[]": 3 * STAMPS_MAX,
    "state.execution.rates[].limits[].sent[]": 2 * SLIDING,
}
"""Documented bounds; every other container holds as many as there are instruments, venues, assets or open orders."""

FEW = 50

COMMANDS = 15
"""Of an operator, in each period."""


class Memory(msgspec.Struct):
    asked: int = 0


class Trader(Strategy):
    """Opens an order at every sixth quote, replaces and cancels what is open, and wastes an Order ID now and then."""

    memory_type = Memory

    def on_event(self, view: Any, event: InputEvent) -> Any:
        self.memory.asked += 1
        turn = self.memory.asked % 60
        if turn == 1:
            view.next_order_id()
        if turn % 6 == 0:
            side = Side.BUY if turn % 12 else Side.SELL
            price = (9_900 if side is Side.BUY else 10_100) + turn % 5
            return [New(order_id=view.next_order_id(), instrument=INSTRUMENT, side=side, qty=4, price=price)]
        if turn % 6 == 3:
            still = view.open_orders()
            if len(still) > 6:
                return [Cancel(order_id=still[0].order_id)]
            return [Replace(order_id=still[-1].order_id, qty=6, price=still[-1].price)] if still else None
        return None


class Venue:
    """Answers every request at once, each New with the fate that its Order ID says."""

    def __init__(self) -> None:
        self.fills = 0

    def answers(self, request: OrderRequest) -> list[InputEvent]:
        order_id, fate = request.order_id, request.order_id % 6
        if request.kind is RequestKind.CANCEL:
            return [support.cancelled(order_id, revision=request.revision)]
        if request.kind is RequestKind.REPLACE:
            return [support.replaced(order_id, request.revision, request.qty, request.price)]
        if fate == 2:
            return [support.rejected(order_id)]
        if fate == 5:
            return [support.dispatch_failed(order_id)]
        accepted = support.accepted(order_id)
        if fate == 3:
            return [accepted, support.expired(order_id)]
        return [accepted, self.fill(request, 4 if fate < 1 else 1)] if fate < 4 else [accepted]

    def fill(self, request: OrderRequest, qty: int) -> InputEvent:
        self.fills += 1
        return support.fill(request.order_id, qty, self.fills, request.price, side=request.side)


def market_event(number: int, ts: int) -> InputEvent:
    """Quotes, trades and book changes whose prices come back after every period."""
    turn = number % 10
    if turn == 8:
        return events.TradeTick(
            recv_ns=ts,
            instrument=INSTRUMENT,
            event_ns=0,
            trade_id=number,
            price=10_000,
            qty=1,
            aggressor=Side.BUY,
        )
    if turn in (6, 7):
        level = 9_800 + number % PERIOD % 90
        change = ((level, 5 if turn == 6 else 0),)
        return events.BookDelta(
            recv_ns=ts,
            instrument=INSTRUMENT,
            event_ns=0,
            first_update_id=0,
            last_update_id=0,
            bids=change,
            asks=(),
        )
    return support.quote(9_995 - number % PERIOD % 7, 10_005, OTHER if turn == 9 else INSTRUMENT, recv_ns=ts)


def housekeeping(number: int) -> Iterator[InputEvent]:
    """What a host sends besides: counters, clocks, balances, orders of others, incidents, an operator's changes."""
    name = f"somebody-{number}"
    usage = (RateUsage("ORDERS", 10 * SECOND, 1_000_000, 3),)
    yield events.RateLimitReport(recv_ns=0, venue=VENUE, order_id=0, revision=0, usage=usage)
    yield events.VenueClock(venue=VENUE, offset_ns=number % 7, error_ns=1)
    yield events.BalanceReport(
        recv_ns=0, venue=VENUE, event_ns=0, balances=(support.balance("USDT", 7),), complete=False
    )
    yield support.report(0, OrderStatus.ACCEPTED, client_id=name)
    yield support.report(0, OrderStatus.CANCELLED, client_id=name)
    yield events.IncidentOpened(name="slow", scope=name, grade="warning", detail="")
    yield events.IncidentClosed(name="slow", scope=name, detail="")
    limit = "50" if number % (2 * PERIOD) else "60"
    version = 1 + number // PERIOD
    patch = events.SetConfiguration((("risk.defaults.max_open_orders", limit),))
    yield support.command(patch, version, f"{number}")
    for one in range(COMMANDS):
        yield support.command(events.SetStrategyEnabled(True), request_id=f"{number}-{one}")


class Long:
    """A session with its stream, in which everything that comes in is remembered for replay."""

    def __init__(self) -> None:
        rates = [
            {"kind": "ORDERS", "interval": "10s", "limit": 1_000_000},
            {"kind": "ORDERS", "interval": "1s", "limit": SLIDING, "aligned": False},
        ]
        rules = configuration(
            rate_limits=rates,
            execution={"terminal_orders_max": CLOSED_MAX},
            risk={"max_open_orders": 50},
            decisions={"events": ["quote"], "instruments": [INSTRUMENT]},
        )
        self.bench = Bench(rules, Trader(None)).start(definition(), definition(OTHER, base="ETH"))
        self.bench.feed(
            events.BookSnapshot(
                recv_ns=0,
                instrument=INSTRUMENT,
                event_ns=0,
                last_update_id=0,
                bids=((9_800, 5),),
                asks=((10_200, 5),),
            )
        )
        self.venue = Venue()
        self.number = 0
        self.stream: list[tuple[int, int, InputEvent]] = []

    @property
    def state(self) -> State:
        state: State = self.bench.state
        return state

    def feed(self, event: InputEvent) -> None:
        """One Event, and the venue's answers to all that comes of it."""
        pending = [event]
        while pending:
            one = pending.pop(0)
            self.stream.append((self.bench.seq + 1, self.bench.ts, one))
            step = self.bench.feed(one)
            for request in step.dispatches:
                pending += self.venue.answers(request)
            self.bench.derived.clear()

    def run(self, count: int) -> None:
        """``count`` more Events of the market, a millisecond apart, with what comes of them."""
        for number in range(self.number, self.number + count):
            self.bench.ts += STEP_NS
            if number % PERIOD == 0:
                for one in housekeeping(number):
                    self.feed(one)
            self.feed(market_event(number, self.bench.ts))
            for owed in self.bench.runtime.obligations():
                if isinstance(owed, QueryFills):
                    self.feed(
                        events.FillsReconciled(
                            recv_ns=0,
                            venue=VENUE,
                            instrument=owed.instrument,
                            through=self.venue.fills,
                        )
                    )
        self.number += count


def domains(state: State) -> dict[str, int]:
    """Sizes without the Configuration, which is as large as it was written."""
    return {path: size for path, size in sizes(state).items() if not path.startswith("state.configuration")}


def lines_of(run: Callable[[], None]) -> int:
    """Lines of Python that ``run`` executes, loops and comprehensions included."""
    count = 0

    def trace(frame: FrameType, what: str, argument: object) -> Any:
        nonlocal count
        count += 1
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        run()
    finally:
        sys.settrace(before)
    return count


@pytest.fixture(scope="module")
def total(request: pytest.FixtureRequest) -> int:
    """Market Events to run, in whole periods."""
    wanted = EVENTS_LONG if request.config.getoption("--long", default=False) else EVENTS
    return wanted // PERIOD * PERIOD


def test_containers_and_work_stay_as_they_were(total: int) -> None:
    """At one third, two thirds and the end no container is above its bound; a window of Events takes as many lines."""
    long = Long()
    long.run(WARM_UP)
    work = [lines_of(lambda: long.run(WINDOW))]
    found = []
    for third in (total // 3, 2 * total // 3, total - WINDOW):
        long.run((third - long.number) // PERIOD * PERIOD)
        found.append(domains(long.state))
    work.append(lines_of(lambda: long.run(WINDOW)))
    assert long.state.execution.session_orders > total // 15
    for one in found:
        assert {} == {path: size for path, size in one.items() if size > BOUNDS.get(path, FEW)}
    assert abs(work[1] - work[0]) * 20 <= work[0], f"lines of {WINDOW} Events: {work}"


def test_a_snapshot_at_any_position_goes_on_the_same(total: int) -> None:
    """restore(snapshot at n) + replay(n+1..m) is the State at m, for random n and m that cover the stream."""
    source = random.Random(20)
    total = total // 3
    places = sorted({PERIOD, *(source.randrange(PERIOD, total) for _ in range(10)), total})
    long = Long()
    snapshots: list[tuple[int, bytes, str]] = []
    for place in places:
        long.run(place - long.number)
        snapshots.append((len(long.stream), long.state.snapshot(), long.state.digest()))
    for (start, snapshot, _), (end, _, digest) in pairwise(snapshots):
        state = State.restore(snapshot, Memory)
        runtime = CoreRuntime(state.configuration, Trader(None), state)
        for seq, ts, event in long.stream[start:end]:
            runtime.step(seq, ts, event)
        assert digest == runtime.state.digest()


def test_the_stream_is_one() -> None:
    """Every fate of an order is in it, and the session goes on: what stands still would be bounded too."""
    long = Long()
    long.run(20 * PERIOD)
    execution = long.state.execution
    assert {OrderStatus.FILLED, OrderStatus.CANCELLED, OrderStatus.REJECTED} == {
        order.status for order in execution.closed.values()
    }
    assert 3 <= len(execution.orders) <= FEW
    counts = execution.counts
    assert counts.dispatched > execution.session_orders > 20 * PERIOD // 15
    assert counts.denied * 20 < counts.total
