"""The step: stages, arrivals in every order, determinism, fuzz. The whole Core from the outside."""

from __future__ import annotations

import itertools
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from livestack.core import events
from livestack.core.events import InputEvent
from livestack.core.intents import Cancel, New, Replace
from livestack.core.obligations import WakeAt
from livestack.core.orders import TERMINAL
from livestack.core.runtime import CoreRuntime
from livestack.core.state import State
from livestack.core.strategy import NoMemory, Strategy
from livestack.core.types import (
    ClientId,
    ConnectionStatus,
    OrderStatus,
    RequestKind,
    SessionPhase,
    Side,
    TradingState,
    WithdrawReason,
)
from livestack.exceptions import InvariantViolation
from tests.core import support
from tests.core.support import EPOCH, INSTRUMENT, SECOND, Bench, Scripted, configuration

ROOT = Path(__file__).resolve().parents[2]


def consistent(bench: Bench) -> None:
    """What is true of State at every position."""
    execution = bench.execution
    counts, queue = execution.counts, execution.queue
    closed = counts.denied + counts.withdrawn + counts.dispatched + queue.superseded
    assert counts.total == closed + len(queue.pending)
    assert all(order.status not in TERMINAL for order in execution.orders.values())
    assert all(order.status in TERMINAL for order in execution.closed.values())
    for known in (execution.requests, execution.unresolved, execution.closing):
        assert all(order_id in execution.orders for order_id in known)
    for name, position in execution.positions.items():
        assert name in bench.state.market.instruments
        assert position.cost >= 0
        assert position.cost == 0 or position.qty != 0
    scopes = [one.scope for one in bench.runtime.obligations()]
    assert len(scopes) == len(dict.fromkeys(scopes))


def test_an_order_from_intent_to_fill() -> None:
    """New -> IntentDispatched with Order SUBMITTED, accepted, partly filled, filled; position and cost follow."""
    bench = Bench().start()
    order_id = bench.buy(qty=10)
    assert OrderStatus.SUBMITTED is bench.order(order_id).status
    bench.feed(support.accepted(order_id))
    assert OrderStatus.ACCEPTED is bench.order(order_id).status
    bench.feed(support.fill(order_id, 4, 1))
    assert OrderStatus.PARTIALLY_FILLED is bench.order(order_id).status
    bench.feed(support.fill(order_id, 6, 2))
    assert OrderStatus.FILLED is bench.order(order_id).status
    position = bench.execution.positions[INSTRUMENT]
    assert (10, 99_900) == (position.qty, position.cost)
    assert bench.execution.is_quiescent()
    consistent(bench)


def test_the_dispatch_is_the_recorded_object() -> None:
    """``Step.dispatches`` holds the very request inside ``IntentDispatched``, with a client id of this epoch."""
    bench = Bench().start()
    bench.new_id()
    step = bench.want(New(order_id=1, instrument=INSTRUMENT, side=Side.BUY, qty=1, price=9_990))
    recorded = step.derived[0]
    assert isinstance(recorded, events.IntentDispatched)
    assert step.dispatches[0] is recorded.request
    assert str(ClientId(EPOCH, 1, 1)) == recorded.request.client_id
    assert step.obligations_changed


def test_an_idle_market_event_returns_the_one_empty_step() -> None:
    """What nobody decides on derives nothing, and allocates no Step."""
    bench = Bench(strategy=Strategy(None)).start()
    assert bench.quote() is bench.quote()


def test_order_of_positions_and_time_is_checked_before_anything_changes() -> None:
    """A repeated, skipped or backward position, an earlier ts and a DERIVED Event are our own bugs."""
    bench = Bench().start()
    digest = bench.state.digest()
    good = support.quote(10_001, 10_011)
    derived: Any = events.Checkpoint(digest="")
    for seq, ts, event in (
        (bench.seq, bench.ts, good),
        (bench.seq + 2, bench.ts, good),
        (bench.seq + 1, bench.ts - 1, good),
        (bench.seq + 1, bench.ts, derived),
    ):
        with pytest.raises(InvariantViolation):
            bench.runtime.step(seq, ts, event)
        assert digest == bench.state.digest()


def arrivals() -> list[tuple[InputEvent, ...]]:
    """Every order of {ack, partial fill, fill, cancel ack, cancel reject}, and of each with one of them repeated."""
    base: list[InputEvent] = [
        support.accepted(1),
        support.fill(1, 4, 1),
        support.fill(1, 6, 2),
        support.cancelled(1),
        support.cancel_rejected(1),
    ]
    distinct = list(itertools.permutations(base))
    for repeated in base:
        distinct += itertools.permutations([*base, repeated])
    return distinct


def test_every_order_of_arrival_ends_legal() -> None:
    """Position and cash are those of the two fills whatever comes first or twice; the Order ends closed."""
    for sequence in arrivals():
        bench = Bench().start()
        order_id = bench.buy(qty=10)
        bench.feed(support.accepted(order_id))
        bench.want(Cancel(order_id=order_id))
        for event in sequence:
            bench.feed(event)
        order, position = bench.order(order_id), bench.execution.positions[INSTRUMENT]
        assert (10, 99_900, 0) == (position.qty, position.cost, position.realised)
        assert (10, 99_900) == (order.filled_qty, order.filled_notional)
        assert order.status in (OrderStatus.FILLED, OrderStatus.CANCELLED)
        assert not bench.execution.requests
        assert not bench.execution.unresolved
        assert (0, 0) == (len(bench.execution.orders), len(bench.execution.queue.pending))
        consistent(bench)


def test_an_inflight_replace_proven_by_its_fill() -> None:
    """A fill under the Replace's own id takes its terms over, before the acknowledgement."""
    bench = Bench().start()
    order_id = bench.buy(qty=10)
    bench.feed(support.accepted(order_id))
    bench.want(Replace(order_id=order_id, qty=20, price=9_980))
    new_name = str(ClientId(EPOCH, order_id, 2))
    bench.feed(support.fill(order_id, 10, 1, price=9_980, client_id=new_name))
    order = bench.order(order_id)
    assert (OrderStatus.PARTIALLY_FILLED, 20, 9_980) == (order.status, order.qty, order.price)
    bench.feed(support.replaced(order_id, 2, 20, 9_980))
    assert not bench.order(order_id).anomalous


def test_only_one_request_is_inflight_per_order() -> None:
    """A second command waits for the first one's outcome, and goes out with it."""
    bench = Bench().start()
    order_id = bench.buy()
    assert () == bench.want(Cancel(order_id=order_id)).dispatches
    step = bench.feed(support.accepted(order_id))
    assert [RequestKind.CANCEL] == [one.kind for one in step.dispatches]


def test_a_request_without_outcome_becomes_unresolved() -> None:
    """After its time-out the venue is asked, Replace is held, a Cancel passes, and only evidence ends it."""
    bench = Bench().start()
    order_id = bench.buy()
    deadline = bench.ts + bench.state.configuration.execution.request_timeout
    assert {"timeout": deadline} == {
        one.scope: one.deadline_ns for one in bench.runtime.obligations() if isinstance(one, WakeAt)
    }
    bench.feed(events.ControlTime(scope="timeout", deadline_ns=deadline), wait_ns=10 * SECOND)
    assert OrderStatus.SUBMITTED is bench.order(order_id).status
    assert [f"order {order_id}-1"] == [one.scope for one in bench.runtime.obligations()]
    assert () == bench.want(Replace(order_id=order_id, qty=5, price=9_980)).dispatches
    assert [RequestKind.CANCEL] == [one.kind for one in bench.want(Cancel(order_id=order_id)).dispatches]
    bench.feed(support.dispatch_failed(order_id, reason=support.FailureReason.NOT_AT_VENUE))
    assert (OrderStatus.REJECTED, "not_at_venue") == (
        bench.order(order_id).status,
        bench.order(order_id).reason,
    )
    assert bench.execution.is_quiescent()


def test_early_and_repeated_control_time_changes_nothing() -> None:
    """A ControlTime is only an Event: before the deadline nothing times out."""
    bench = Bench().start()
    bench.buy()
    for _ in range(2):
        bench.feed(events.ControlTime(scope="timeout", deadline_ns=bench.ts + 1))
    assert 1 == len(bench.execution.requests)


def test_rate_holds_and_control_time_frees() -> None:
    """What does not fit waits, the obligation says until when, and then it goes out."""
    rates = [{"kind": "ORDERS", "interval": "10s", "limit": 1, "guard_band": "100ms"}]
    bench = Bench(configuration(rate_limits=rates, execution={"max_queue_age": "1m"})).start()
    bench.buy(price=9_980)
    second = bench.buy(price=9_981)
    assert second in bench.execution.queue.pending
    wake = next(one for one in bench.runtime.obligations() if one.scope == "queue")
    bench.ts = wake.deadline_ns - 1
    bench.quote()
    assert second in bench.execution.queue.pending
    step = bench.feed(events.ControlTime(scope="queue", deadline_ns=wake.deadline_ns), wait_ns=1)
    assert [second] == [one.order_id for one in step.dispatches]


def test_strategy_that_fails_is_disabled_and_its_intents_discarded() -> None:
    """An exception on the way discards what was yielded before it; nothing of its text is recorded."""

    def fails(view: Any) -> Any:
        yield New(order_id=view.next_order_id(), instrument=INSTRUMENT, side=Side.BUY, qty=1, price=9_990)
        raise RuntimeError("secret")

    bench = Bench().start()
    assert isinstance(bench.strategy, Scripted)
    bench.strategy.script.append(fails)
    step = bench.quote()
    assert ["StrategyFailed", "StrategyDisabled"] == bench.names(step)
    assert "secret" not in repr(step)
    asked = len(bench.strategy.calls)
    bench.quote()
    assert asked == len(bench.strategy.calls)
    bench.feed(support.command(events.SetStrategyEnabled(True)))
    bench.quote()
    assert asked + 1 == len(bench.strategy.calls)


@pytest.mark.parametrize("junk", [[object()], 5, ["x"], [None]])
def test_what_is_no_intent_fails_the_strategy(junk: Any) -> None:
    """A hook that returns something else has failed; the session goes on."""
    bench = Bench(configuration(strategy={"path": "x:Y", "on_failure": "continue"})).start()
    assert isinstance(bench.strategy, Scripted)
    bench.strategy.script.append(lambda view: junk)
    assert ["StrategyFailed"] == bench.names(bench.quote())


def test_badly_typed_intents_are_denied() -> None:
    """Structs do not check their fields: a float price or a text id is denied, not dispatched."""
    bench = Bench().start()
    price: Any = 99.5
    order_id: Any = "1"
    step = bench.want(
        New(order_id=bench.new_id(), instrument=INSTRUMENT, side=Side.BUY, qty=1, price=price),
        Cancel(order_id=order_id),
    )
    assert ["order_terms", "order_terms"] == [
        one.rule for one in step.derived if isinstance(one, events.IntentDenied)
    ]


def test_decision_cadence() -> None:
    """Only the configured Event types and instruments ask, and only every n-th of them."""
    other = support.definition("sim:ETHUSDT", base="ETH")
    decisions = {"events": ["quote"], "every_nth": 3, "instruments": [INSTRUMENT]}
    bench = Bench(configuration(decisions=decisions)).start(support.definition(), other)
    assert isinstance(bench.strategy, Scripted)
    for _ in range(6):
        bench.quote()
        bench.quote(instrument="sim:ETHUSDT")
    bench.feed(support.accepted(1))
    assert 2 == bench.strategy.calls.count("QuoteTick")
    assert 10_000 == bench.state.market.instruments["sim:ETHUSDT"].bid


def test_strategy_deadline_is_one_shot() -> None:
    """``wake_at`` owes one WakeAt, and on_deadline runs once when its time has come."""
    bench = Bench().start()
    assert isinstance(bench.strategy, Scripted)
    at = bench.ts + 5

    def arm(view: Any) -> None:
        view.wake_at("x", at)

    bench.strategy.script.append(arm)
    assert bench.quote().obligations_changed
    assert ["strategy x"] == [one.scope for one in bench.runtime.obligations()]
    bench.feed(events.ControlTime(scope="strategy x", deadline_ns=at), wait_ns=4)
    bench.feed(events.ControlTime(scope="strategy x", deadline_ns=at), wait_ns=1)
    bench.feed(events.ControlTime(scope="strategy x", deadline_ns=at), wait_ns=1)
    assert 1 == bench.strategy.calls.count("on_deadline x")
    assert () == bench.runtime.obligations()


def test_checkpoint_says_the_digest_of_this_position() -> None:
    """The digest in the Checkpoint is State's afterwards too; the last one comes with SessionStopped."""
    bench = Bench().start()
    bench.buy()
    for event in (events.CheckpointRequested(by="x"), events.SessionStopped(reason="x")):
        step = bench.feed(event)
        assert events.Checkpoint(digest=bench.state.digest()) == step.derived[-1]
    assert (SessionPhase.STOPPED, ()) == (bench.state.control.phase, bench.runtime.obligations())


def test_memory_without_canonical_form_fails_the_strategy() -> None:
    """A set in the memory is found at the checkpoint, which then still has a digest."""
    bench = Bench().start()
    memory: Any = {1, 2}

    def spoil(view: Any) -> None:
        bench.strategy.memory = memory

    assert isinstance(bench.strategy, Scripted)
    bench.strategy.script.append(spoil)
    bench.quote()
    bench.runtime.state.control.memory = memory
    step = bench.feed(events.CheckpointRequested(by="x"))
    assert ["StrategyFailed", "StrategyDisabled", "Checkpoint"] == bench.names(step)


def test_stopping_cancels_what_is_open_and_withdraws_what_is_pending() -> None:
    """SessionStopping: on_stop, withdrawn New, Cancels for open Orders, and quiescent once they are gone."""
    rates = [{"kind": "ORDERS", "interval": "10s", "limit": 1}]
    bench = Bench(configuration(rate_limits=rates)).start()
    first, second = bench.buy(price=9_980), bench.buy(price=9_981)
    bench.feed(support.accepted(first))
    step = bench.feed(events.SessionStopping(by="op", reason="x"))
    withdrawn = [one for one in step.derived if isinstance(one, events.IntentWithdrawn)]
    assert [(second, WithdrawReason.SESSION_STOPPING)] == [(one.order_id, one.reason) for one in withdrawn]
    assert [(RequestKind.CANCEL, first)] == [(one.kind, one.order_id) for one in step.dispatches]
    assert not bench.execution.is_quiescent()
    bench.feed(support.cancelled(first))
    assert bench.execution.is_quiescent()
    assert isinstance(bench.strategy, Scripted)
    assert "on_stop" == bench.strategy.calls[-1]


def test_open_orders_are_left_where_configured() -> None:
    """``on_stop = "leave"``: no Cancel, and the session may end."""
    bench = Bench(configuration(execution={"on_stop": "leave"})).start()
    bench.feed(support.accepted(bench.buy()))
    assert () == bench.feed(events.SessionStopping(by="op", reason="x")).dispatches
    assert bench.execution.is_quiescent()


def random_event(source: random.Random) -> InputEvent:
    """Any INPUT Event with fields that are plausible, wrong, or impossible, about few orders and instruments."""
    kind = source.choice(INPUTS)
    values: dict[str, Any] = {}
    for field in msgspec.structs.fields(kind):
        values[field.name] = random_value(source, field.name, field.type)
    return kind(**values)  # type: ignore[no-any-return]


INPUTS = (*events.MARKET_EVENTS, *events.EXECUTION_EVENTS * 2, *events.CONTROL_EVENTS)
TEXTS = {
    "venue": ["sim", "sim", "other", ""],
    "instrument": [INSTRUMENT, INSTRUMENT, "sim:ETHUSDT", "x:Y", ""],
    "client_id": [*(str(ClientId(EPOCH, one, two)) for one in range(1, 9) for two in (1, 2)), "foreign", ""],
    "epoch": [EPOCH, "BBBBBBBBB", ""],
}


def random_value(source: random.Random, name: str, type_: Any) -> Any:
    if name in TEXTS:
        return source.choice(TEXTS[name])
    if type_ is int:
        return source.choice([0, 1, 2, 3, 5, 10, 9_990, 10_000, 10_010, -1, 2**62, source.randrange(20)])
    if type_ is str:
        return source.choice(["", "a", "USDT", "BTC"])
    if type_ is bool:
        return source.random() < 0.5
    if isinstance(type_, type) and issubclass(type_, msgspec.Struct):
        return type_(
            **{one.name: random_value(source, one.name, one.type) for one in msgspec.structs.fields(type_)}
        )
    if isinstance(type_, type):
        return source.choice(list(type_))
    if name == "command":
        return random_value(source, "", source.choice(type_.__args__))
    if name == "patch":
        return source.choice([(), (("risk.defaults.max_open_orders", "3"),), (("x.y", "1"),), (("", ""),)])
    if name in ("bids", "asks"):
        low = 9_990 if name == "bids" else 10_005
        return tuple(
            (low + source.randrange(16), source.randrange(-1, 5)) for _ in range(source.randrange(5))
        )
    return tuple(random_value(source, "", type_.__args__[0]) for _ in range(source.randrange(3)))


class Restless(Strategy):
    """Wants something at random, from a generator that is part of its memory."""

    def __init__(self, seed: int) -> None:
        super().__init__(None)
        self.source = random.Random(seed)

    def on_event(self, view: Any, event: InputEvent) -> Any:
        source = self.source
        choice = source.randrange(6)
        order_id = source.randrange(1, 9)
        if choice == 0 and order_id >= 1:
            instrument = source.choice(view.instruments or ("x:Y",))
            side, price = source.choice(list(Side)), source.choice([9_990, 10_000, 10_020, -5])
            fresh = view.next_order_id()
            yield New(order_id=fresh, instrument=instrument, side=side, qty=source.randrange(12), price=price)
        elif choice == 1:
            yield Replace(order_id=order_id, qty=source.randrange(12), price=source.choice([9_991, 10_001]))
        elif choice == 2:
            yield Cancel(order_id=order_id)
        elif choice == 3:
            view.wake_at("w", view.ts + source.randrange(1_000))


ENDS = (events.SessionStopping, events.SessionStopped, events.KillSwitchEngaged)


def storm(seed: int, length: int = 150) -> Bench:
    """A session in a storm of random Events, healed now and then so that orders go on; at last its end may come."""
    source = random.Random(seed)
    rates = [{"kind": "ORDERS", "interval": "1s", "limit": 20, "cancel_reserve": 5, "cancel": 1}]
    tolerant = {"path": "x:Y", "on_failure": "continue"}
    bench = Bench(configuration(rate_limits=rates, strategy=tolerant), Restless(seed)).start()
    for number in range(length):
        event = random_event(source)
        if not isinstance(event, ENDS) or number > length * 3 // 4:
            bench.feed(event, wait_ns=source.choice([0, 1, 1_000, SECOND]))
        if number % 5 == 0:
            heal(bench)
            for order in [one for one in bench.execution.orders.values() if one.instrument == INSTRUMENT][:1]:
                bench.feed(
                    support.fill(
                        order.order_id, source.randint(1, order.qty), 1_000 + number, side=order.side
                    )
                )
        if number % 50 == 10:
            patch = events.SetConfiguration(
                (("risk.defaults.max_open_orders", str(source.randrange(5, 50))),)
            )
            bench.feed(support.command(patch, base_version=bench.state.configuration.version))
        for _ in range(3):
            bench.quote(10_000 + source.randrange(5), 10_010)
    return bench


def heal(bench: Bench) -> None:
    bench.feed(support.feed_status(ConnectionStatus.LIVE))
    bench.feed(support.venue_status(ConnectionStatus.LIVE))
    bench.feed(support.command(events.SetTradingState(TradingState.ACTIVE)))
    bench.feed(support.command(events.SetStrategyEnabled(True)))
    bench.feed(support.reset(accept_unknown=True))


def test_the_storm_is_one() -> None:
    """Orders of every fate are among it, or the fuzz would prove nothing."""
    kinds: dict[str, int] = {}
    statuses: dict[OrderStatus, int] = {}
    for seed in range(40):
        bench = storm(seed)
        for one in bench.derived:
            kinds[type(one).__name__] = kinds.get(type(one).__name__, 0) + 1
        for order in (*bench.execution.orders.values(), *bench.execution.closed.values()):
            statuses[order.status] = statuses.get(order.status, 0) + 1
    assert {one.__name__ for one in events.DERIVED_EVENTS} - {"StrategyFailed"} <= set(kinds)
    assert set(OrderStatus) == set(statuses)
    assert kinds["IntentDispatched"] > 200


@given(st.integers(0, 2**32))
def test_no_event_raises_or_leaves_state_half_applied(seed: int) -> None:
    """Random Events, however wrong: State stays consistent, encodable, and equal to its own snapshot."""
    bench = storm(seed, 80)
    consistent(bench)
    state = bench.state
    assert state.digest() == State.restore(state.snapshot(), NoMemory).digest()
    for event in bench.derived:
        assert event == msgspec.msgpack.decode(msgspec.msgpack.encode(event), type=type(event))


@given(st.integers(0, 2**32))
def test_a_restored_runtime_goes_on_the_same(seed: int) -> None:
    """restore(snapshot at n) and the Events after it give the digest of going on without a stop."""
    bench = storm(seed, 40)
    assert isinstance(bench.strategy, Restless)
    strategy = Restless(seed)
    strategy.source.setstate(bench.strategy.source.getstate())
    snapshot = State.restore(bench.state.snapshot(), NoMemory)
    other = CoreRuntime(snapshot.configuration, strategy, snapshot)
    source = random.Random(seed + 1)
    assert bench.runtime.obligations() == other.obligations()
    for _ in range(40):
        event = random_event(source)
        seq, ts = bench.seq + 1, bench.ts
        assert bench.feed(event) == other.step(seq, ts, event)
    assert bench.state.digest() == other.state.digest()


def digest_of(seed: int) -> str:
    return str(storm(seed).state.digest())


def test_the_digest_is_the_same_in_another_process() -> None:
    """Two processes with different hash seeds give the same digests as this one."""
    code = "from tests.core.test_runtime import digest_of; print(*(digest_of(seed) for seed in range(5)))"
    expected = [digest_of(seed) for seed in range(5)]
    for hash_seed in ("1", "4242"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            env=environment,
            cwd=ROOT,
        )
        assert expected == done.stdout.split()


def test_venue_that_is_not_live_holds_the_queue() -> None:
    """Nothing is sent into a dead connection; a New grows too old, a Cancel waits."""
    bench = Bench().start()
    order_id = bench.buy()
    bench.feed(support.accepted(order_id))
    bench.feed(support.venue_status(ConnectionStatus.DISCONNECTED))
    assert () == bench.want(Cancel(order_id=order_id)).dispatches
    step = bench.feed(support.venue_status(ConnectionStatus.LIVE), wait_ns=100 * SECOND)
    assert [RequestKind.CANCEL] == [one.kind for one in step.dispatches]
