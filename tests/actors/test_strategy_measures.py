"""A timed Strategy decides what its own one decides, and is asked as that is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from livestack.actors.measures import SLOW_NS
from livestack.actors.strategy_measures import TimedStrategy
from livestack.core.events import ControlTime, SessionStopping
from livestack.core.intents import Cancel, Intent
from livestack.core.strategy import Strategy, View
from livestack.telemetry.instruments import Histogram
from tests.core import support


class Ticking:
    """A clock on which every look takes ``step_ns``."""

    def __init__(self, step_ns: int = 100) -> None:
        self.time_ns = 0
        self.step_ns = step_ns

    def now_ns(self) -> int:
        self.time_ns += self.step_ns
        return self.time_ns


def generator(view: View) -> Iterator[Intent]:
    """Works while it is run through."""
    yield Cancel(order_id=99)


def raising(view: View) -> None:
    raise KeyError("nothing there")


def raising_later(view: View) -> Iterator[Intent]:
    yield Cancel(order_id=99)
    raise KeyError("nothing there")


def endless(view: View) -> Iterator[Intent]:
    while True:
        yield Cancel(order_id=99)


SCRIPT: list[Any] = [
    lambda view: None,
    lambda view: [Cancel(order_id=99)],
    generator,
    raising,
    raising_later,
    endless,
    lambda view: 5,
    lambda view: ["no intent"],
    lambda view: view.wake_at("again", view.ts + 1),
]


def session(is_timed: bool) -> tuple[support.Bench, Histogram]:
    """A running session that was asked everything of ``SCRIPT``; its Strategy is timed or not."""
    bench, histogram = support.Bench(), Histogram()
    if is_timed:
        bench.runtime.strategy = TimedStrategy(bench.strategy, histogram, Ticking().now_ns)
    bench.start()
    assert isinstance(bench.strategy, support.Scripted)
    for entry in SCRIPT:
        bench.strategy.script.append(entry)
        bench.quote(wait_ns=1)
    bench.feed(ControlTime(scope="strategy again", deadline_ns=bench.ts + 1), wait_ns=1)
    bench.feed(SessionStopping(by="test", reason=""), wait_ns=1)
    return bench, histogram


def test_everything_comes_out_the_same() -> None:
    """Intents, failures of every kind, deadlines and the end: the same Events, State and calls."""
    (plain, _), (timed, _) = session(False), session(True)
    assert plain.derived == timed.derived
    assert plain.state.digest() == timed.state.digest()
    assert isinstance(plain.strategy, support.Scripted)
    assert isinstance(timed.strategy, support.Scripted)
    assert plain.strategy.calls == timed.strategy.calls


def test_every_call_is_timed_failures_too() -> None:
    """As often as the Strategy was asked; a look at the clock before and one after."""
    bench, histogram = session(True)
    assert isinstance(bench.strategy, support.Scripted)
    asked = len(bench.strategy.calls)
    assert (asked, asked * 100) == (sum(histogram.counts), histogram.total)


def test_a_generators_time_is_that_of_its_work() -> None:
    """It works when it is run through, which is before the clock is read again."""
    clock, histogram = Ticking(), Histogram()

    class Slow(Strategy):
        def on_event(self, view: View, event: object) -> Iterable[Intent]:
            clock.time_ns += 5_000
            yield Cancel(order_id=1)

    timed = TimedStrategy(Slow(None), histogram, clock.now_ns)
    assert (Cancel(order_id=1),) == timed.on_event(None, None)  # type: ignore[arg-type]
    assert 5_100 == histogram.total


@pytest.mark.parametrize(("step_ns", "noted"), [(100, 20), (SLOW_NS, 1)])
def test_a_sample_stands_for_others_unless_it_is_slow(step_ns: int, noted: int) -> None:
    """A slow one among twenty is not twenty slow ones."""
    histogram = Histogram()
    timed = TimedStrategy(support.Scripted(), histogram, Ticking(step_ns).now_ns)
    timed.times = 20
    timed.on_start(None)  # type: ignore[arg-type]
    assert noted == sum(histogram.counts)


def test_memory_is_the_own_ones() -> None:
    """Read, and set anew where the Core has to."""
    own = support.Scripted()
    timed = TimedStrategy(own, Histogram(), Ticking().now_ns)
    assert own.memory is timed.memory
    timed.memory = timed.memory_type()
    assert own.memory is timed.memory
