"""The invariants of docs/invariants.rst that no other test would notice the loss of, and the page itself."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from livestack.core import events, obligations
from livestack.core.events import Event, InputEvent, Recorded
from livestack.core.intents import Cancel, New, Replace
from livestack.core.risk import Risk
from livestack.core.runtime import CoreRuntime
from livestack.core.state import State
from livestack.core.types import (
    RequestSource,
    Side,
)
from livestack.exceptions import InvariantViolation
from tests.core import support
from tests.core.streams import FEW, RATES, any_intent, played, stream
from tests.core.support import INSTRUMENT, SECOND, Bench, Scripted, configuration

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "invariants.rst"
NAMES = (
    *(f"E{number}" for number in range(1, 6)),
    *(f"EC{number}" for number in range(1, 8)),
    *(f"L{number}" for number in range(1, 6)),
    *(f"R{number}" for number in range(1, 4)),
    *(f"D{number}" for number in range(1, 5)),
    *(f"S{number}" for number in range(1, 4)),
)

# -- E: Events


def looked_at(bench: Bench) -> None:
    """Everything that can be asked of a Core without an Event."""
    runtime, state = bench.runtime, bench.runtime.state
    for kind in (New, Replace, Cancel):
        Risk().judge(any_intent(kind), RequestSource.STRATEGY, state)
    runtime.obligations()
    state.digest()
    state.snapshot()
    view = runtime._view
    for order in view.open_orders():
        assert view.order(order.order_id) is not None
    assert view.position(INSTRUMENT).qty == state.execution.position(INSTRUMENT).qty
    list(view.book(INSTRUMENT).levels(Side.BUY))


def test_only_a_step_changes_state() -> None:
    """Judging, looking, asking what is owed, the digest and a snapshot leave State as it was."""
    bench = Bench().start()
    bench.feed(support.accepted(bench.buy()))
    bench.want(Replace(order_id=1, qty=7, price=9_980))
    digest = bench.state.digest()
    looked_at(bench)
    assert digest == bench.state.digest()


@pytest.mark.parametrize("kind", [*get_args(Event), Recorded], ids=lambda one: one.__name__)
def test_events_are_immutable(kind: type[Any]) -> None:
    """Every Event, and its envelope, is frozen, and holds nothing that can be changed."""
    assert kind.__struct_config__.frozen
    for field in msgspec.structs.fields(kind):
        assert "list" not in str(field.type)
        assert "dict" not in str(field.type)


def test_the_venue_s_time_reorders_nothing() -> None:
    """The same arrivals with the venue's stamps reversed: another stamp in the Events, the same State."""
    digests = []
    for stamps in ((1, 2, 3), (3, 2, 1), (10**18, 0, -1)):
        bench = Bench().start()
        order_id = bench.buy(qty=10)
        bench.feed(msgspec.structs.replace(support.accepted(order_id), event_ns=stamps[0]))
        bench.feed(support.fill(order_id, 4, 1, event_ns=stamps[1]))
        bench.feed(support.fill(order_id, 6, 2, event_ns=stamps[2]))
        bench.feed(msgspec.structs.replace(support.quote(9_999, 10_001), event_ns=stamps[0]))
        bench.feed(msgspec.structs.replace(support.quote(9_998, 10_002), event_ns=stamps[1]))
        assert bench.ts == bench.state.control.ts
        digests.append(bench.state.digest())
    assert 1 == len(set(digests))


def test_processing_order_does_matter() -> None:
    """Two quotes the other way round are another State: it is the position that counts."""
    one, two = Bench().start(), Bench().start()
    for bench, prices in ((one, (9_998, 9_999)), (two, (9_999, 9_998))):
        for price in prices:
            bench.quote(price, 10_001)
    assert one.state.digest() != two.state.digest()


@FEW
@given(st.integers(0, 2**32))
def test_equal_streams_give_equal_state(seed: int) -> None:
    """The same INPUTs and Configuration: the same DERIVED Events and the same digest."""
    fed = stream(seed)
    first, second = played(fed), played(fed)
    assert first[1] == second[1]
    assert first[0].state.digest() == second[0].state.digest()
    assert first[0].obligations() == second[0].obligations()


@pytest.mark.parametrize("kind", events.DERIVED_EVENTS, ids=lambda one: one.__name__)
def test_a_derived_event_cannot_be_fed(kind: type[Any]) -> None:
    """Origin is fixed by type: what the Core derives is refused as an INPUT, before anything changed."""
    assert kind not in get_args(InputEvent)
    bench = Bench().start()
    digest = bench.state.digest()
    values = {
        field.name: () if field.name in ("inputs", "patch") else 0 for field in msgspec.structs.fields(kind)
    }
    with pytest.raises(InvariantViolation, match="not an INPUT"):
        bench.runtime.step(bench.seq + 1, bench.ts, kind(**values))
    assert digest == bench.state.digest()


def test_derived_events_do_not_ask_the_strategy_again() -> None:
    """Denials, dispatches and withdrawals of a step are over before the Strategy is asked the next time."""
    bench = Bench(configuration({"max_order_qty": "0.005"})).start()
    assert isinstance(bench.strategy, Scripted)
    asked = len(bench.strategy.calls)
    step = bench.want(
        any_intent(New, bench.new_id()), msgspec.structs.replace(any_intent(New, bench.new_id()), qty=6)
    )
    assert ["IntentDenied", "IntentDispatched"] == bench.names(step)
    assert asked + 1 == len(bench.strategy.calls)


# -- EC: Execution Control


def test_the_queue_is_part_of_state() -> None:
    """What waits is in the digest and in the snapshot, and goes out of a restored Core as it would have."""
    bench = Bench(configuration(rate_limits=RATES)).start()
    for price in (9_981, 9_982):
        bench.feed(support.accepted(bench.buy(price=price)))
    digest = bench.state.digest()
    waits = bench.buy(price=9_983)
    assert waits in bench.execution.queue.pending
    assert digest != bench.state.digest()
    state = State.restore(bench.state.snapshot(), support.Scripted.memory_type)
    assert bench.execution.queue == state.execution.queue
    other = CoreRuntime(state.configuration, Scripted(), state)
    bench.ts = next(one.deadline_ns for one in other.obligations() if isinstance(one, obligations.WakeAt))
    wake = events.ControlTime(scope="queue", deadline_ns=bench.ts)
    mine = other.step(bench.seq + 1, bench.ts, wake)
    if not mine.dispatches:  # it grew too old first
        assert ["IntentWithdrawn"] == [type(one).__name__ for one in mine.derived]
    assert mine == bench.feed(wake)


def test_the_queue_is_processed_inside_the_step() -> None:
    """What may go goes in the step of its decision; with nothing else fed, nothing else ever goes."""
    bench = Bench().start()
    assert 1 == len(bench.want(any_intent(New, bench.new_id())).dispatches)
    assert {} == bench.execution.queue.pending


def test_bookkeeping_leaves_no_events() -> None:
    """Admission, dominance, waiting and rate counters are derivations: of ten commands one denial is told."""
    bench = Bench(configuration({"max_order_qty": "0.050"}, rate_limits=RATES)).start()
    for price in (9_981, 9_982):
        bench.feed(support.accepted(bench.buy(price=price)))
    order_id = bench.new_id()
    news = [
        New(order_id=order_id, instrument=INSTRUMENT, side=Side.BUY, qty=10, price=9_983 + n)
        for n in range(5)
    ]
    replaces = [Replace(order_id=order_id, qty=10 + n, price=9_970) for n in range(4)]
    too_much = Replace(order_id=order_id, qty=51, price=9_970)
    assert ["IntentDenied"] == bench.names(bench.want(*news, *replaces, too_much))
    assert () == bench.quote(wait_ns=SECOND).derived
    assert 13 == bench.execution.queue.pending[order_id].terms.qty


def test_obligations_are_no_events_and_leave_no_trace() -> None:
    """No obligation is an Event, and to look at what is owed changes neither State nor what is owed."""
    owed_types = {
        one for one in vars(obligations).values() if inspect.isclass(one) and issubclass(one, msgspec.Struct)
    }
    assert len(owed_types) >= 4
    assert set() == owed_types & set(get_args(Event))
    bench = Bench(configuration({"max_resting_data_age": "1s"})).start()
    bench.buy()
    bench.feed(events.ControlTime(scope="", deadline_ns=0))
    digest, owed = bench.state.digest(), bench.runtime.obligations()
    assert ["timeout", f"data {INSTRUMENT}"] == [one.scope for one in owed]
    assert owed == bench.runtime.obligations() == owed
    assert digest == bench.state.digest()


# -- The page


def named_tests(text: str) -> list[tuple[str, str]]:
    return re.findall(r"``(tests/[\w/]+\.py)::(test_\w+)``", text)


def test_the_page_names_every_invariant_and_tests_that_exist() -> None:
    """E1 to S3, each followed by at least one test, and every test that is named can be found."""
    text = PAGE.read_text(encoding="utf-8")
    parts = re.split(r"^\*\*(\w+)\*\* ", text, flags=re.MULTILINE)
    assert list(NAMES) == parts[1::2]
    for name, part in zip(parts[1::2], parts[2::2], strict=True):
        assert named_tests(part), f"{name} names no test"
    for path, test in named_tests(text):
        functions = [
            node.name
            for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8")))
            if isinstance(node, ast.FunctionDef)
        ]
        assert test in functions, f"{path}::{test}"
