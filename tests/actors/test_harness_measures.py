"""What is measured at the harness: every step counted, none of the slow ones missed, the Core the same as without."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from livestack.actors.harness import HarnessActor
from livestack.actors.harness_measures import EVERY_NS, USUAL_NS
from livestack.actors.mailbox import HarnessMailbox, Mailbox
from livestack.actors.measures import ARRIVALS_MAX, SLOW_NS, Measures
from livestack.actors.progress import Progress
from livestack.core.events import (
    IncidentClosed,
    IncidentOpened,
    InputEvent,
    IntentDispatched,
    OrderAccepted,
    QuoteTick,
    VenueClock,
)
from livestack.core.intents import Cancel, Intent, New
from livestack.core.types import Side
from livestack.telemetry.catalogue import RUNTIME_STEP
from livestack.telemetry.instruments import Registry
from tests.actors.fakes import FakeTimers, messages
from tests.core import support

LOOK_NS = 100


class Ticking:
    """A clock on which every look takes ``LOOK_NS``."""

    def __init__(self, time_ns: int) -> None:
        self.time_ns = time_ns

    def now_ns(self) -> int:
        self.time_ns += LOOK_NS
        return self.time_ns

    def wall_ns(self) -> int:
        return self.time_ns


class Bench:
    """A harness with a real Core in a running session, and without a thread."""

    def __init__(self, is_measured: bool = True) -> None:
        self.core = support.Bench().start()
        assert isinstance(self.core.strategy, support.Scripted)
        self.strategy = self.core.strategy
        self.strategy.calls.clear()
        self.clock = Ticking(self.core.ts)
        self.lanes = HarnessMailbox()
        self.progress = Progress(self.core.seq)
        self.recorder = Mailbox()
        self.measures = Measures(Registry(), self.clock)
        self.actor = HarnessActor(
            mailbox=self.lanes,
            supervisor=Mailbox(),
            runtime=self.core.runtime,
            recorder=self.recorder,
            connectors={},
            clock=self.clock,
            timers=FakeTimers(),
            control=Mailbox(),
            progress=self.progress,
            measures=self.measures if is_measured else None,
        )

    def quotes(self, count: int) -> list[InputEvent]:
        return [self.quote() for _ in range(count)]

    def quote(self) -> QuoteTick:
        return support.quote(10_000, 10_010, support.INSTRUMENT, self.clock.time_ns)

    def then(self, act: Callable[[Any], Any]) -> None:
        """What the Strategy does next."""
        self.strategy.script.append(act)

    def slow(self, takes_ns: int, intents: list[Intent] | None = None) -> Callable[[Any], Any]:
        """To take so long, and to want this."""

        def act(_view: Any) -> Any:
            self.clock.time_ns += takes_ns
            return intents

        return act

    def read(self, name: str) -> dict[tuple[str, ...], Any]:
        """The series of a metric: a timing's distribution, anything else's value."""
        return {
            one.labels: one.value if one.distribution is None else one.distribution
            for one in self.measures.registry.read()
            if one.metric.name == name
        }

    def count(self, name: str) -> int:
        return sum(one.count for one in self.read(name).values())


def buy(order_id: int) -> New:
    return New(order_id=order_id, instrument=support.INSTRUMENT, side=Side.BUY, qty=10, price=9_990)


def test_what_is_timed_stands_for_everything_since_the_last() -> None:
    """One step of the batch at hand; the next after a while is noted for all that came meanwhile."""
    bench = Bench()
    bench.actor.on_batch(bench.quotes(10))
    assert (10, 10) == (bench.count("runtime.step"), bench.count("runtime.strategy"))
    for _ in range(3):
        bench.actor.on_batch(bench.quotes(5))
    assert 10 == bench.count("runtime.step")
    bench.clock.time_ns += EVERY_NS
    bench.actor.on_batch(bench.quotes(1))
    assert (26, 26) == (bench.count("runtime.step"), bench.count("runtime.strategy"))


def test_every_place_in_a_batch_has_its_turn() -> None:
    """In the middle, at the end, at the beginning: where a batch begins is not how it goes on."""
    bench = Bench()
    timed: list[int] = []
    for _ in range(3):
        bench.clock.time_ns += EVERY_NS
        own = bench.core.runtime.strategy
        seen: list[bool] = []
        for _ in range(5):
            bench.then(lambda view, seen=seen, own=own: seen.append(bench.core.runtime.strategy is not own))
        bench.actor.on_batch(bench.quotes(5))
        timed += [seen.index(True)]
        assert (1, own) == (seen.count(True), bench.core.runtime.strategy)
    assert [2, 4, 0] == timed


def test_a_slow_step_is_found_wherever_it_is() -> None:
    """It is noted as itself, once, though another one was timed."""
    bench = Bench()
    bench.actor.on_batch(bench.quotes(1))
    for slow_at in (0, 3, 6):
        for number in range(7):
            pause = 20 * SLOW_NS if number == slow_at else 0
            bench.then(lambda view, pause=pause: setattr(bench.clock, "time_ns", bench.clock.time_ns + pause))
        before = bench.count("runtime.step")
        bench.measures.registry.histogram(RUNTIME_STEP).take_most()
        bench.actor.on_batch(bench.quotes(7))
        (found,) = bench.read("runtime.step").values()
        assert 20 * SLOW_NS < found.most < 21 * SLOW_NS
        assert before < found.count
    assert 3 == _counts_above(bench, 10 * SLOW_NS)


def test_a_slow_step_that_orders_is_found() -> None:
    """What it decided is handed over before the batch ends."""
    bench = Bench()
    bench.actor.on_batch(bench.quotes(1))
    bench.then(lambda view: setattr(bench.clock, "time_ns", bench.clock.time_ns + 2 * SLOW_NS) or [buy(1)])
    bench.core.runtime._view.next_order_id()
    bench.actor.on_batch(bench.quotes(1))
    assert 1 == _counts_above(bench, SLOW_NS)


def test_a_slow_step_that_is_timed_and_orders_is_noted_once() -> None:
    """It is found when its decision is handed over, and is the timed one, too."""
    bench = Bench()
    bench.actor.on_batch(bench.quotes(1))
    bench.clock.time_ns += EVERY_NS
    bench.core.runtime._view.next_order_id()
    bench.then(bench.slow(2 * SLOW_NS, [buy(1)]))
    bench.actor.on_batch(bench.quotes(1))
    assert (2, 1) == (bench.count("runtime.step"), _counts_above(bench, SLOW_NS))


def test_a_slow_step_hides_no_slower_one() -> None:
    """The timed one was slow, and another one of its batch much slower."""
    bench = Bench()
    bench.actor.on_batch(bench.quotes(1))
    for most_at in (0, 1, 2):
        bench.clock.time_ns += EVERY_NS
        for number in range(3):
            bench.then(bench.slow((50 if number == most_at else 2) * SLOW_NS))
        bench.actor.on_batch(bench.quotes(3))
    assert 3 == _counts_above(bench, 40 * SLOW_NS)


def test_no_count_ever_falls() -> None:
    """A quick step stands for its whole batch, and each of the others was slow, and noted for itself."""
    bench = Bench()
    steps = 0
    counts = []
    for orders in ((), (), (0, 1, 2, 3, 4), *[()] * 10):
        batch = 1 + len(orders)
        bench.then(bench.slow(0))
        for order_id in orders:
            bench.core.runtime._view.next_order_id()
            bench.then(bench.slow(2 * SLOW_NS, [buy(order_id + 1)]))
        bench.actor.on_batch(bench.quotes(batch))
        bench.clock.time_ns += EVERY_NS
        steps += batch
        counts.append(bench.count("runtime.step"))
    assert sorted(counts) == counts
    assert steps == counts[-1]


def test_a_long_batch_of_quick_steps_is_not_slow() -> None:
    """Its time is the sum of many."""
    bench = Bench()
    many = SLOW_NS // LOOK_NS
    assert LOOK_NS < USUAL_NS
    bench.actor.on_batch(bench.quotes(many))
    assert (many, 0) == (bench.count("runtime.step"), _counts_above(bench, SLOW_NS))


def test_a_trail_leads_from_the_frame_to_the_decision() -> None:
    """With the times of the frame's arrival and of its Events in the inbox."""
    bench = Bench()
    quote, order_id = bench.quote(), bench.core.new_id()
    arrivals = bench.measures.arrivals(support.VENUE)
    arrivals.frames[1 % ARRIVALS_MAX], arrivals.count = (quote.recv_ns, quote.recv_ns + 30), 1
    bench.then(lambda view: [buy(order_id)])
    bench.actor.on_batch([quote])
    (seq, ts) = next(
        (record.seq, record.ts)
        for batch in messages(bench.recorder)
        for record in batch.records
        if isinstance(record.event, IntentDispatched)
    )
    trail = bench.measures.trails.take(seq)
    assert trail is not None
    assert (quote.recv_ns, quote.recv_ns + 30, ts) == (trail.recv_ns, trail.put_ns, trail.ts)
    assert trail.decided_ns > ts


def test_what_was_withheld_answers_no_frame() -> None:
    """A Cancel of an order whose New is under way leaves with the venue's answer: no market data made it."""
    bench = Bench()
    order_id = bench.core.new_id()
    bench.then(lambda view: [buy(order_id)])
    bench.then(lambda view: [Cancel(order_id=order_id)])
    bench.actor.on_batch(bench.quotes(2))
    messages(bench.recorder)
    order = bench.core.order(order_id)
    accepted = OrderAccepted(
        recv_ns=bench.clock.time_ns,
        venue=support.VENUE,
        instrument=support.INSTRUMENT,
        client_id=order.client_id,
        order_id=order_id,
        venue_order_id="1",
        event_ns=0,
    )
    bench.actor.on_batch([accepted])
    dispatched = [
        record.seq
        for batch in messages(bench.recorder)
        for record in batch.records
        if isinstance(record.event, IntentDispatched)
    ]
    assert 1 == len(dispatched)
    assert None is bench.measures.trails.take(dispatched[0])


def test_the_core_is_the_same_measured_or_not() -> None:
    """The same Events at the same times: the same State, to the digest."""
    digests = []
    for is_measured in (False, True):
        bench = Bench(is_measured)
        for number in range(1, 5):
            bench.core.runtime._view.next_order_id()
            bench.then(lambda view, number=number: [buy(number)])
            bench.clock.time_ns = bench.core.ts + number * EVERY_NS
            bench.actor.on_batch(bench.quotes(1))
        assert 4 == bench.core.state.execution.session_orders
        digests.append(bench.core.state.digest())
    assert digests[0] == digests[1]


def test_what_is_counted_anyway_is_read() -> None:
    """Events by category, positions, denials, anomalies, incidents open and opened, and what waits."""
    bench = Bench()
    begun = bench.progress.sequenced
    opened = IncidentOpened(name="stall", scope="a", grade="warning", detail="")
    closed = IncidentClosed(name="stall", scope="a", detail="")
    bench.then(lambda view: [Cancel(order_id=99)])
    bench.actor.on_batch([*bench.quotes(3), opened, opened, closed, opened, support.fill(99, 1, 1)])
    events = bench.read("runtime.events")
    assert (3, 4, 1, 0) == tuple(events[one,] for one in ("market", "control", "execution", "time"))
    assert {(): begun + 8 + events["derived",]} == bench.read("runtime.seq")
    assert {(): 8 + events["derived",]} == bench.read("runtime.uncommitted")
    assert [1] == list(bench.read("runtime.denials").values())
    assert [1] == list(bench.read("runtime.anomalies").values())
    assert {("stall",): 2} == bench.read("incident.opened")
    assert {("stall",): 1} == bench.read("incident.open")
    bench.actor.on_batch([closed])
    assert {("stall",): 0} == bench.read("incident.open")


def test_what_waits_is_read_by_lane() -> None:
    """How much, and how long the oldest does."""
    bench = Bench()
    bench.lanes.offer_market(bench.quotes(2))
    bench.clock.time_ns += 7_000_000
    assert {("control",): 0, ("execution",): 0, ("time",): 0, ("market",): 2} == bench.read("runtime.inbox")
    assert {("execution",): 0, ("market",): 7} == bench.read("runtime.inbox_age")


def test_a_venues_clock_is_told_on() -> None:
    """A feed corrects the lag of its data by it."""
    bench = Bench()
    bench.actor.on_batch([VenueClock(venue=support.VENUE, offset_ns=-5, error_ns=1)])
    assert {support.VENUE: -5} == bench.measures.clock_offsets


def _counts_above(bench: Bench, value_ns: int) -> int:
    (found,) = bench.read("runtime.step").values()
    octave = value_ns.bit_length() - 4
    return sum(found.counts[(octave << 3) + (value_ns >> octave) :])
