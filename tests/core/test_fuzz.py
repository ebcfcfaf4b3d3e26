"""Arbitrary INPUT Events on a Core in full swing: none raises, none is half applied, no refused one leaves a mark.

The Events are drawn by reflection over their structs, so a field that is added later is fuzzed without a change here.
"""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from livestack.core import events
from livestack.core.derivation import Derivation
from livestack.core.events import InputEvent
from livestack.core.intents import Cancel, New, Replace
from livestack.core.runtime import CoreRuntime, Step
from livestack.core.state import State
from livestack.core.strategy import Strategy
from livestack.core.types import (
    Amount,
    ClientId,
    ConnectionStatus,
    OrderStatus,
    PositionBaseline,
    RequestKind,
    SessionPhase,
    Side,
    TradingState,
    parse_client_id,
)
from tests.core import support
from tests.core.consistency import NEXT_PHASES, Fold, check
from tests.core.support import EPOCH, INSTRUMENT, SECOND, Bench, configuration, definition

OTHER = "sim:ETHUSDT"
INT64_MAX = 2**63 - 1
KNOWN_ORDERS = 12


class Memory(msgspec.Struct):
    asked: int = 0


class Busy(Strategy):
    """Wants something at every market Event, in turn; all that it goes by is in its memory."""

    memory_type = Memory

    def on_event(self, view: Any, event: InputEvent) -> Any:
        self.memory.asked += 1
        turn = self.memory.asked
        named = 1 + turn % KNOWN_ORDERS
        side = Side.BUY if turn % 2 else Side.SELL
        price = 9_990 if side is Side.BUY else 10_020
        if turn % 5 == 0:
            instrument = INSTRUMENT if turn % 3 else OTHER
            return [New(order_id=view.next_order_id(), instrument=instrument, side=side, qty=5, price=price)]
        if turn % 5 == 1:
            return [Replace(order_id=named, qty=7, price=price)]
        return [Cancel(order_id=named)] if turn % 5 == 2 else None


class Running:
    """A session, what its stream adds up to, and where it is."""

    def __init__(self, runtime: CoreRuntime, fold: Fold, seq: int, ts: int) -> None:
        self.runtime, self.fold, self.seq, self.ts = runtime, fold, seq, ts

    def feed(self, event: InputEvent, wait_ns: int) -> Step:
        """One step, and everything that must hold after it."""
        runtime, state = self.runtime, self.runtime.state
        phase = state.control.phase
        self.fold.take(event, state)
        self.ts += wait_ns
        step = runtime.step(self.seq + 1, self.ts, event)
        assert (self.seq + 1, self.ts) == (state.control.seq, state.control.ts)
        self.seq += 1 + len(step.derived)
        assert state.control.phase in NEXT_PHASES[phase]
        check(state, runtime.obligations(), self.fold)
        if isinstance(event, events.BookSnapshot) and event.instrument in state.market.instruments:
            market = state.market.instruments[event.instrument]
            assert (market.book.best_bid, market.book.best_ask) == (market.bid, market.ask)
        for one in step.derived:
            assert one == msgspec.msgpack.decode(msgspec.msgpack.encode(one), type=type(one))
        return step


def restored(snapshot: bytes) -> CoreRuntime:
    state = State.restore(snapshot, Memory)
    return CoreRuntime(state.configuration, Busy(None), state)


def full_swing() -> Running:
    """RUNNING, two instruments with books, orders of every status and at every stage of a request."""
    rates = [
        {"kind": "ORDERS", "interval": "10s", "limit": 40, "cancel_reserve": 5, "cancel": 1},
        {"kind": "ORDERS", "interval": "1m", "limit": 60, "aligned": False},
    ]
    execution = {"external_orders": "adopt", "orphan_orders": "cancel", "terminal_orders_max": 3}
    rules = configuration(
        rate_limits=rates,
        execution=execution,
        strategy={"path": "x:Y", "on_failure": "continue"},
        decisions={"events": ["quote", "trade", "book"]},
        risk={"max_session_loss": {"USDT": "1000000000"}, "max_resting_data_age": "30s"},
    )
    bench = Bench(rules)
    fold = Fold()
    feed = bench.feed

    def folded(event: InputEvent, wait_ns: int = 0) -> Step:
        fold.take(event, bench.state)
        return feed(event, wait_ns)

    bench.feed = folded  # type: ignore[method-assign]
    bench.start(definition(), definition(OTHER, base="ETH"))
    for name in (INSTRUMENT, OTHER):
        bench.feed(book(name))
    ids = [bench.buy(qty=10, price=9_980 + number) for number in range(KNOWN_ORDERS)]
    for order_id in ids[1:9]:
        bench.feed(support.accepted(order_id))
    bench.feed(support.fill(ids[2], 4, 1))
    bench.feed(support.fill(ids[3], 10, 2))
    bench.feed(support.cancelled(ids[4]))
    bench.feed(support.rejected(ids[9]))
    bench.want(Cancel(order_id=ids[5]), Replace(order_id=ids[6], qty=12, price=9_985), wait_ns=11 * SECOND)
    bench.quote(wait_ns=1)
    bench.want(Replace(order_id=ids[7], qty=12, price=9_986), Cancel(order_id=ids[2]))
    bench.feed(support.venue_status(ConnectionStatus.DEGRADED))
    bench.want(Cancel(order_id=ids[8]), Replace(order_id=ids[1], qty=12, price=9_987))
    bench.feed(support.report(0, OrderStatus.ACCEPTED, client_id="somebody-else"))
    bench.feed(support.venue_status(ConnectionStatus.LIVE))
    bench.want(Cancel(order_id=ids[5]), Replace(order_id=ids[0], qty=12, price=9_988))
    bench.state.control.memory = Memory()
    return Running(restored(bench.state.snapshot()), fold, bench.seq, bench.ts)


def book(instrument: str) -> events.BookSnapshot:
    levels = ((9_990, 50), (9_980, 20)), ((10_010, 50), (10_020, 20))
    return events.BookSnapshot(
        recv_ns=0, instrument=instrument, event_ns=0, last_update_id=100, bids=levels[0], asks=levels[1]
    )


START = full_swing()


def running_again() -> Running:
    """A copy of ``START``, faster than by its snapshot."""
    state = START.runtime.state
    state = State(
        configuration=state.configuration,
        market=copied(state.market),
        execution=copied(state.execution),
        control=copied(state.control),
    )
    runtime = CoreRuntime(state.configuration, Busy(None), state)
    check(state, runtime.obligations(), START.fold)  # and whatever is derived once and kept is derived by now
    return Running(runtime, START.fold.copy(), START.seq, START.ts)


def copied(value: Any) -> Any:
    """Everything that can be written to, once more; what is frozen is shared."""
    if isinstance(value, msgspec.Struct) and not value.__struct_config__.frozen:
        return type(value)(**{name: copied(getattr(value, name)) for name in value.__struct_fields__})
    if isinstance(value, dict):
        made = type(value)()
        for key, item in value.items():
            made[key] = copied(item)
        return made
    return [copied(item) for item in value] if isinstance(value, list) else value


# -- Events by reflection --------------------------------------------------------------------------------------------

INTEGERS = st.sampled_from(
    [0, 0, 1, 1, 2, 3, 5, 10, 99, 100, 101, 9_990, 10_000, 10_010, -1, -10_000, 10**18, INT64_MAX, -INT64_MAX]
) | st.integers(-INT64_MAX, INT64_MAX)
ORDER_IDS = st.sampled_from([*range(KNOWN_ORDERS + 3), 62**5 - 1, -1])
CLIENT_IDS = st.builds(
    lambda epoch, order_id, revision: str(ClientId(epoch, order_id, revision)),
    st.sampled_from([EPOCH, EPOCH, EPOCH, EPOCH, "BBBBBBBBB"]),
    st.sampled_from([*range(1, KNOWN_ORDERS + 1), *range(KNOWN_ORDERS + 3), 62**5 - 1]),
    st.sampled_from([1, 1, 1, 2, 2, 3, 62**2 - 1]),
) | st.sampled_from(["somebody-else", "foreign", "", EPOCH])
PRICES = st.sampled_from([9_980, 9_990, 9_995, 10_005, 10_010, 10_020, 0, -1, INT64_MAX])
QUANTITIES = st.sampled_from([0, 0, 1, 5, 50, -1, INT64_MAX])
PATCHES = st.sampled_from(
    [
        (),
        (("risk.defaults.max_open_orders", "3"),),
        (("risk.defaults.max_session_loss", '{"USDT": "0"}'),),
        (('risk.instrument."sim:BTCUSDT".trade', "false"), ("execution.max_queue_age", '"1ms"')),
        (("execution.venue.sim.rate_limits", "[]"),),
        (("execution.terminal_orders_max", "1"), ("decisions.every_nth", "2")),
        (("strategy.path", '"a:B"'),),
        (("risk.defaults.trade", "1.5"),),
        (("x.y", "{"), ("", "")),
    ]
)
BY_NAME: dict[str, st.SearchStrategy[Any]] = {
    "venue": st.sampled_from(["sim", "sim", "sim", "sim", "other", ""]),
    "instrument": st.sampled_from([INSTRUMENT] * 4 + [OTHER, OTHER, "sim:NONE", "other:X", ""]),
    "client_id": CLIENT_IDS,
    "order_id": ORDER_IDS,
    "epoch": st.sampled_from([EPOCH, "BBBBBBBBB", "CCCCCCCCC", ""]),
    "price": PRICES | PRICES | INTEGERS,
    "bid": PRICES,
    "ask": PRICES,
    "qty": st.sampled_from([1, 3, 6, 10, 12]) | st.sampled_from([1, 2, 4]) | INTEGERS,
    "filled_qty": st.sampled_from([-1, 0, 4, 10]) | INTEGERS,
    "revision": st.sampled_from([0, 1, 2, 3]) | INTEGERS,
    "fill_id": st.sampled_from([1, 2, 3, 4, 5, -1]) | INTEGERS,
    "through": st.sampled_from([-1, 0, 1, 3]) | INTEGERS,
    "price_decimals": st.sampled_from([2, 2, 2, 3, -1, 19]),
    "qty_decimals": st.sampled_from([3, 3, 3, 0, 18, INT64_MAX]),
    "fee_decimals": st.sampled_from([8, 8, 8, 3, 0, 18, 19, -1]),
    "decimals": st.sampled_from([8, 0, 18, 19, -1, INT64_MAX]),
    "base_version": st.sampled_from([1, 1, 2, 0]),
    "patch": PATCHES,
    "interval_ns": st.sampled_from([10 * SECOND, 60 * SECOND, 0, -1]),
    "kind": st.sampled_from(["ORDERS", "ORDERS", "REQUEST_WEIGHT"]),
    "bids": st.lists(st.tuples(PRICES, QUANTITIES), max_size=3).map(tuple),
    "asks": st.lists(st.tuples(PRICES, QUANTITIES), max_size=3).map(tuple),
}
TEXTS = st.sampled_from(["", "USDT", "BTC", "ETH", "BNB", "sim", "\x00\U0001f6ab" * 20])


def values_of(name: str, type_: Any) -> st.SearchStrategy[Any]:
    """What a field of that name and type may hold."""
    if type_ is RequestKind:
        return st.sampled_from(RequestKind)
    if name in BY_NAME:
        return BY_NAME[name]
    if type_ is int:
        return INTEGERS
    if type_ is str:
        return TEXTS
    if type_ is bool:
        return st.booleans()
    if type_ is Amount:
        return st.one_of(INTEGERS, st.integers(-(2**125), 2**125)).map(Amount.of)
    if isinstance(type_, type) and issubclass(type_, msgspec.Struct):
        return structs(type_)
    if isinstance(type_, type):
        return st.sampled_from(list(type_))
    if hasattr(type_, "__args__") and type_.__args__[-1] is Ellipsis:
        return st.lists(values_of("", type_.__args__[0]), max_size=2).map(tuple)
    return st.one_of([structs(one) for one in type_.__args__])


def structs(type_: type[Any]) -> st.SearchStrategy[Any]:
    """Any ``type_``; one about an order is mostly about the one that its client id names."""
    drawn = {one.name: values_of(one.name, one.type) for one in msgspec.structs.fields(type_)}
    if "client_id" not in drawn:
        return st.builds(type_, **drawn)

    def made(odd: bool, **values: Any) -> Any:
        parsed = parse_client_id(values["client_id"])
        if parsed is not None and not odd:
            fitting = {
                "order_id": parsed.order_id,
                "venue": "sim",
                "instrument": INSTRUMENT,
                "side": Side.BUY,
            }
            values |= {name: value for name, value in fitting.items() if name in values}
        return type_(**values)

    return st.builds(made, odd=st.sampled_from([False, False, False, True]), **drawn)


RARE = (events.SessionStopping, events.SessionStopped)
INPUTS = (*events.MARKET_EVENTS, *events.EXECUTION_EVENTS, *events.CONTROL_EVENTS)
ANY_EVENT = st.one_of(
    [structs(one) for one in (*INPUTS, *events.EXECUTION_EVENTS) if one not in RARE]
) | st.one_of([structs(one) for one in INPUTS])
WAITS = st.sampled_from([0, 0, 0, 1, 1_000, SECOND, 15 * SECOND, 2**55])
SEQUENCES = st.lists(st.tuples(ANY_EVENT, WAITS), min_size=1, max_size=5)


def fuzz(examples: int) -> settings:
    """The same examples at every run; more of them with the profile ``long``."""
    return settings(
        max_examples=max(examples, settings().max_examples),
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.large_base_example],
    )


@fuzz(1_200)
@given(SEQUENCES)
def test_no_input_raises_or_leaves_state_half_applied(sequence: list[tuple[InputEvent, int]]) -> None:
    """Whatever comes: every invariant holds after each step, and State comes back from its snapshot as it was."""
    running = running_again()
    for event, wait_ns in sequence:
        running.feed(event, wait_ns)
    state = running.runtime.state
    again = restored(state.snapshot())
    assert state.digest() == again.state.digest()
    assert running.runtime.obligations() == again.obligations()


REFUSED = {
    "instrument_not_defined",
    "bad_trade",
    "bad_instrument",
    "unknown_dispatch",
    "second_baseline",
    "session_started_twice",
    "bad_resume",
    "bad_clock",
    "scale_changed",
    "identity_changed",
    "bad_fill",
    "unknown_order",
}
"""Anomalies that say: this Event is not applied. Where one halts, the halt is all that comes of it."""


@fuzz(2_000)
@given(ANY_EVENT)
def test_a_refused_event_changes_nothing_but_what_its_anomaly_says(event: InputEvent) -> None:
    """State is as after a ``ControlTime`` at the same position, and the named scope halts where the anomaly says so.

    The fill of an order that left State is the one that is told and yet real; a broken book concerns its instrument.
    """
    running, expected = running_again(), running_again()
    step = running.feed(event, 0)
    first = step.derived[0] if step.derived else None
    if not isinstance(first, events.AnomalyDetected):
        return
    if first.halts:
        halt = step.derived[1]
        assert isinstance(halt, events.TradingStateChanged)
        assert TradingState.HALTED is halt.state
        Derivation(expected.runtime.state).emit(halt)
    expected.runtime.step(running.runtime.state.control.seq, running.ts, NOTHING)
    mine, theirs = running.runtime.state, expected.runtime.state
    if first.kind == "book_fault":
        mine.market.instruments.pop(first.instrument)
        theirs.market.instruments.pop(first.instrument)
    elif first.kind not in REFUSED or (first.kind == "unknown_order" and isinstance(event, events.OrderFill)):
        return
    assert theirs.market == mine.market
    assert theirs.execution == mine.execution
    assert theirs.control == mine.control


NOTHING = events.ControlTime(scope="queue", deadline_ns=0)


def test_the_start_is_in_full_swing() -> None:
    """Books, a position, orders open and closed, in flight, unresolved, wanted closed, and a full queue."""
    state = START.runtime.state
    execution = state.execution
    assert SessionPhase.RUNNING is state.control.phase
    assert all(market.book.valid for market in state.market.instruments.values())
    assert execution.positions[INSTRUMENT].qty
    assert {OrderStatus.SUBMITTED, OrderStatus.ACCEPTED, OrderStatus.PARTIALLY_FILLED} == {
        order.status for order in execution.orders.values()
    }
    assert execution.closed
    assert execution.requests
    assert execution.unresolved
    assert execution.queue.pending
    assert execution.adopted
    check(state, START.runtime.obligations(), START.fold)


@pytest.mark.parametrize("kind", INPUTS, ids=lambda one: one.__name__)
def test_every_input_event_is_drawn(kind: type[Any]) -> None:
    """Every field of every struct gets a value of its type: what is drawn could have come out of a journal."""

    @settings(max_examples=5, derandomize=True, database=None, deadline=None)
    @given(structs(kind))
    def survives_the_journal(event: Any) -> None:
        assert event == msgspec.msgpack.decode(msgspec.msgpack.encode(event), type=kind)

    survives_the_journal()


def test_baseline_positions_are_not_needed_in_the_fold() -> None:
    """A running session refuses a baseline, so the fold starts from none."""
    running = running_again()
    positions = (PositionBaseline(INSTRUMENT, 5, Amount.of(1)),)
    step = running.feed(support.baseline(positions=positions), 0)
    assert ["AnomalyDetected"] == [type(one).__name__ for one in step.derived]
