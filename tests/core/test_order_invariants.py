"""The invariants of docs/invariants.rst about lifecycles, Risk and determinism that no other test would notice."""

from __future__ import annotations

import ast
import inspect
import random
import time
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from livestack.core import events
from livestack.core.events import Event, Recorded
from livestack.core.execution_control import admit
from livestack.core.intents import Cancel, Intent, New, Replace
from livestack.core.orders import TERMINAL
from livestack.core.risk import Allowed, Risk
from livestack.core.risk_rules import Denial
from livestack.core.runtime import CoreRuntime
from livestack.core.state import State
from livestack.core.types import (
    ConnectionStatus,
    OrderStatus,
    Origin,
    RequestSource,
    TradingState,
)
from tests.core import support
from tests.core.streams import FEW, RATES, Counting, Memory, any_intent, continued, played, rules, stream
from tests.core.support import INSTRUMENT, SECOND, VENUE, Bench, Scripted, configuration

ROOT = Path(__file__).resolve().parents[2]


# -- L: lifecycles


def test_an_intent_is_no_event() -> None:
    """Intents are in no union of Events, and no Event holds one: only what became of it is recorded."""
    for intent in get_args(Intent):
        assert intent not in get_args(Event)
        for kind in get_args(Event):
            assert intent not in [field.type for field in msgspec.structs.fields(kind)]
    position = msgspec.msgpack.encode(Recorded(1, 1, Origin.INPUT, any_intent(Cancel)))  # type: ignore[arg-type]
    with pytest.raises(msgspec.ValidationError):
        msgspec.msgpack.decode(position, type=Recorded)


def test_an_intent_s_end_is_not_its_order_s() -> None:
    """Admitted and waiting: no Order. Dispatched: the Intent is over, and the Order has only begun."""
    bench = Bench().start()
    bench.feed(support.venue_status(ConnectionStatus.LIVE))
    bench.feed(events.VenueBackoff(recv_ns=0, venue=VENUE, retry_after_ns=SECOND, reason="429"))
    order_id = bench.buy()
    assert (1, 0) == (len(bench.execution.queue.pending), bench.execution.counts.dispatched)
    assert bench.execution.order(order_id) is None
    bench.feed(events.ControlTime(scope="queue", deadline_ns=0), wait_ns=SECOND)
    assert (0, 1) == (len(bench.execution.queue.pending), bench.execution.counts.dispatched)
    assert OrderStatus.SUBMITTED is bench.order(order_id).status


def test_what_is_denied_or_withdrawn_never_was_an_order() -> None:
    """Only a dispatch begins an Order: one that was denied, superseded or withdrawn leaves none behind."""
    bench = Bench(configuration({"max_order_qty": "0.010"}, rate_limits=RATES)).start()
    sent = [bench.buy(price=9_981), bench.buy(price=9_982)]
    bench.buy(qty=11)
    bench.buy(price=9_983)
    bench.feed(support.killed())
    assert sent == [*bench.execution.orders, *bench.execution.closed]
    dispatched = [one.request.order_id for one in bench.derived if isinstance(one, events.IntentDispatched)]
    assert sent == list(dict.fromkeys(dispatched))


def test_time_moves_no_order() -> None:
    """However long nothing is heard: the Order stays Submitted, and is asked about instead of guessed at."""
    bench = Bench().start()
    order_id = bench.buy()
    for _ in range(5):
        bench.feed(events.ControlTime(scope="timeout", deadline_ns=0), wait_ns=1_000 * SECOND)
        assert OrderStatus.SUBMITTED is bench.order(order_id).status
    assert [f"order {order_id}-1"] == [one.scope for one in bench.runtime.obligations()]


@FEW
@given(st.integers(0, 2**32))
def test_terminal_is_final_whatever_comes(seed: int) -> None:
    """An Order that has once been closed keeps its status for as long as State knows it."""
    runtime = CoreRuntime(rules(), Counting(None))
    ended: dict[int, OrderStatus] = {}
    seq = 0
    for ts, event in stream(seed):
        seq += 1 + len(runtime.step(seq + 1, ts, event).derived)
        execution = runtime.state.execution
        for order_id, status in ended.items():
            assert execution.closed[order_id].status is status
        ended |= {one: order.status for one, order in execution.closed.items()}
        assert all(order.status not in TERMINAL for order in execution.orders.values())


# -- R: Risk


@pytest.mark.parametrize("kind", [New, Replace, Cancel])
def test_nothing_reaches_the_queue_but_through_risk(kind: type, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks: without Risk's consent nothing is admitted, and Execution Control takes nothing else."""
    bench = Bench().start()
    bench.feed(support.accepted(bench.buy()))
    key: Any = object()
    with pytest.raises(TypeError, match="only Risk"):
        Allowed(key, any_intent(kind), RequestSource.CORE, VENUE, INSTRUMENT, None)
    intent: Any = any_intent(kind)
    with pytest.raises(AttributeError):
        admit(intent, bench.runtime.state)
    admitted = bench.execution.queue.admitted
    monkeypatch.setattr(Risk, "judge", lambda *arguments: Denial((), "no", "never"))
    bench.want(any_intent(kind, 1 if kind is not New else bench.new_id()))
    bench.feed(support.command(events.CancelOrder(1)))
    bench.feed(support.killed())
    assert admitted == bench.execution.queue.admitted


@pytest.mark.parametrize("kind", [New, Replace, Cancel])
def test_risk_neither_changes_nor_paces(kind: type) -> None:
    """Its answer is the same with the venue silenced and every window full, and State is as before."""
    bench = Bench(configuration(rate_limits=RATES)).start()
    for price in (9_981, 9_982):
        bench.feed(support.accepted(bench.buy(price=price)))
    intent = any_intent(kind, bench.new_id() if kind is New else 1)
    for _ in range(2):
        digest = bench.state.digest()
        assert isinstance(Risk().judge(intent, RequestSource.STRATEGY, bench.runtime.state), Allowed)
        assert digest == bench.state.digest()
        bench.feed(events.VenueBackoff(recv_ns=0, venue=VENUE, retry_after_ns=SECOND, reason="429"))
        bench.quote(wait_ns=1)


def test_a_cancel_is_admissible_whatever_forbids_the_rest() -> None:
    """Killed, halted, stopping, disconnected, without a limit written and without data: the Cancel is admitted."""
    bench = Bench(configuration(kill={"cancel_open_orders": False}, execution={"on_stop": "leave"})).start()
    order_id = bench.buy()
    bench.feed(support.accepted(order_id))
    for event in (
        support.killed(),
        support.command(events.SetTradingState(TradingState.HALTED)),
        support.feed_status(ConnectionStatus.DISCONNECTED),
        support.venue_status(ConnectionStatus.DISCONNECTED),
        support.command(events.SetConfiguration((("risk.defaults", "{}"),)), 1),
        events.SessionStopping(by="b", reason="r"),
    ):
        bench.feed(event)
        verdict = Risk().judge(Cancel(order_id=order_id), RequestSource.STRATEGY, bench.runtime.state)
        assert isinstance(verdict, Allowed)


# -- D: determinism


@FEW
@given(st.integers(0, 2**32), st.integers(0, 60))
def test_a_restored_core_has_nothing_hidden(seed: int, at: int) -> None:
    """A snapshot anywhere and the INPUTs behind it give what going on would have given: all memory is in State."""
    fed = stream(seed)
    whole, _ = played(fed)
    head, derived = played(fed[:at])
    snapshot = State.restore(head.state.snapshot(), Memory)
    other = CoreRuntime(snapshot.configuration, Counting(None), snapshot)
    assert head.obligations() == other.obligations()
    continued(other, fed[at:], len(fed[:at]) + len(derived))
    assert whole.state.digest() == other.state.digest()
    assert whole.obligations() == other.obligations()


@pytest.mark.parametrize("hook", ["on_event", "on_deadline"])
def test_a_memory_that_is_exchanged_is_still_in_state(hook: str) -> None:
    """A Strategy may put another struct into ``self.memory``: State holds that one, whichever hook did it."""
    bench = Bench().start()
    memory: Any = Memory(asked=77)

    def exchange(view: Any) -> None:
        bench.strategy.memory = memory

    assert isinstance(bench.strategy, Scripted)
    bench.strategy.script.append(exchange)
    if hook == "on_event":
        bench.quote()
    else:
        bench.runtime._view.wake_at("now", bench.ts)
        bench.feed(events.ControlTime(scope="strategy now", deadline_ns=bench.ts))
    assert memory is bench.state.control.memory
    assert 77 == State.restore(bench.state.snapshot(), Memory).control.memory.asked


def test_no_clock_and_no_chance_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """With every clock and random source broken the Core goes on as if nothing were."""
    fed = stream(7)
    expected = played(fed)

    def broken(*arguments: object) -> Any:
        raise AssertionError("the Core asked for a clock or for chance")

    for name in ("time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns"):
        monkeypatch.setattr(time, name, broken)
    for name in ("random", "randrange", "getrandbits"):
        monkeypatch.setattr(random, name, broken)
    monkeypatch.setattr("os.urandom", broken)
    again = played(fed)
    monkeypatch.undo()
    assert expected[1] == again[1]
    assert expected[0].state.digest() == again[0].state.digest()


def test_live_and_research_run_the_same_core() -> None:
    """One class, without a variant and without a switch: nobody derives from it, and it is told no mode.

    ``livestack why`` alone looks over its shoulder: its Core notes what Risk is asked, and no node runs it.
    """
    assert ["self", "configuration", "strategy", "state"] == list(
        inspect.signature(CoreRuntime.__init__).parameters
    )
    users: set[str] = set()
    for path in (ROOT / "livestack").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef) and path.name != "story.py":
                assert "CoreRuntime" not in [
                    getattr(base, "id", getattr(base, "attr", "")) for base in node.bases
                ]
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "CoreRuntime":
                users.add(path.relative_to(ROOT / "livestack").parts[0])
    assert {"node", "research"} <= users
