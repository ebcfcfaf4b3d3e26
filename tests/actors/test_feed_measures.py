"""What is measured at a feed, by the actor and its reader as they are."""

from __future__ import annotations

from typing import Any

from livestack.actors.feed_measures import EVERY, FeedMeasures
from livestack.actors.measures import SLOW_NS, Measures
from livestack.core.events import FeedStatusChanged, TradeTick
from livestack.core.types import ConnectionStatus, Side
from livestack.telemetry.instruments import Registry
from livestack.venues.adapter import Complaint
from tests.actors.fakes import FakeClock, FakeMarketData, messages
from tests.actors.test_feed import Bench as FeedBench
from tests.actors.test_mailbox import quote

LIVE, SYNCHRONISING = ConnectionStatus.LIVE, ConnectionStatus.SYNCHRONISING


class Bench(FeedBench):
    """A feed that is measured."""

    def measured(self) -> Measures:
        self.registry = Registry()
        return Measures(self.registry, self.clock)

    def read(self, name: str) -> dict[tuple[str, ...], Any]:
        return values(self.registry, name)

    def statuses(self, *told: tuple[str, ConnectionStatus]) -> None:
        """The adapter tells these with the next frame."""
        self.adapter.pending_events = [
            FeedStatusChanged(recv_ns=1, venue="v", instrument=instrument, status=status, reason="")
            for instrument, status in told
        ]
        self.receiver.on_frame(b"x", 1)


def values(registry: Registry, name: str) -> dict[tuple[str, ...], Any]:
    """The series of a metric: a timing's distribution, anything else's value."""
    return {
        one.labels: one.value if one.distribution is None else one.distribution
        for one in registry.read()
        if one.metric.name == name
    }


def trade(event_ns: int, recv_ns: int) -> TradeTick:
    return TradeTick(
        recv_ns=recv_ns,
        instrument="v:S",
        event_ns=event_ns,
        trade_id=1,
        price=1,
        qty=1,
        aggressor=Side.BUY,
    )


def test_every_frame_is_counted_with_its_size() -> None:
    """Whatever comes of it; an actor that takes a failed one's place goes on."""
    bench = Bench()
    bench.receiver.on_open(1)
    bench.receiver.on_frame(b"12345", 1)
    bench.receiver.on_frame(b"123", 1)
    bench.adapter = FakeMarketData()
    bench.actor = bench.started()
    bench.receiver.on_open(1)
    bench.receiver.on_frame(b"12", 1)
    assert ({("v",): 3}, {("v",): 10}) == (bench.read("feed.messages"), bench.read("feed.bytes"))


def test_a_sample_of_frames_stands_for_all() -> None:
    """From the arrival to the inbox; and when what arrived then was there is known to the harness."""
    bench = Bench()
    bench.receiver.on_open(1)
    recv_ns = bench.clock.time_ns - 50
    for number in range(2 * EVERY):
        bench.adapter.pending_events = [quote(number)]
        bench.receiver.on_frame(b"x", recv_ns)
    (decode,) = bench.read("feed.decode").values()
    assert (2 * EVERY, 2 * EVERY * 50) == (decode.count, decode.total)
    assert bench.measures is not None
    assert bench.clock.time_ns == bench.measures.arrivals("v").put_ns(recv_ns)


def test_a_slow_frame_is_noted_as_itself() -> None:
    """Whether it is its turn or not."""
    bench = Bench()
    bench.receiver.on_open(1)
    bench.adapter.pending_events = [quote(1)]
    bench.receiver.on_frame(b"x", bench.clock.time_ns - SLOW_NS)
    (decode,) = bench.read("feed.decode").values()
    assert (1, SLOW_NS) == (decode.count, decode.most)


def test_lag_is_by_the_venues_clock() -> None:
    """As far as that is known; what has no time of the venue's has no lag."""
    measures = Measures(Registry(), FakeClock())
    feed = FeedMeasures(measures, "v")
    recv_ns = measures.clock.now_ns()
    measures.clock_offsets["v"] = 300
    for event in (*[trade(recv_ns - 1_000, recv_ns)] * EVERY, *[quote(1)] * EVERY):
        feed.delivering([event], recv_ns)
    (lag,) = values(measures.registry, "feed.lag").values()
    assert (EVERY, EVERY * 1_300) == (lag.count, lag.total)


def test_a_gap_is_a_book_that_was_valid() -> None:
    """Each that is lost, by itself or with all; each that comes (again) is a resync."""
    bench = Bench()
    bench.receiver.on_open(1)
    bench.statuses(("", SYNCHRONISING), ("v:A", SYNCHRONISING), ("v:A", LIVE), ("v:B", LIVE))
    assert ({("v",): 0}, {("v",): 2}) == (bench.read("feed.gaps"), bench.read("feed.resyncs"))
    bench.statuses(("v:A", SYNCHRONISING), ("v:A", LIVE), ("", ConnectionStatus.DISCONNECTED))
    assert ({("v",): 3}, {("v",): 3}) == (bench.read("feed.gaps"), bench.read("feed.resyncs"))


def test_a_full_inbox_is_counted() -> None:
    """By the Events that it did not take, and every book is one gap."""
    bench = Bench(market_lane_max=1)
    bench.receiver.on_open(1)
    bench.statuses(("v:A", LIVE))
    messages(bench.harness)
    bench.frame(1, 2, 3)
    assert ({("v",): 3}, {("v",): 1}) == (bench.read("feed.refused"), bench.read("feed.gaps"))


def test_a_connection_that_closes_is_counted_once_it_was_open() -> None:
    """What never opened was no connection, and what we close ourselves is no trouble."""
    bench = Bench()
    bench.receiver.on_close("refused", 1)
    bench.actor.on_receive(messages(bench.mailbox))
    assert {("v",): 0} == bench.read("feed.reconnects")
    bench.timers.fire()
    bench.actor.on_receive(messages(bench.mailbox))
    bench.receiver.on_open(1)
    bench.actor.on_receive(messages(bench.mailbox))
    bench.receiver.on_close("cut", 1)
    bench.actor.on_receive(messages(bench.mailbox))
    assert {("v",): 1} == bench.read("feed.reconnects")


def test_faults_go_on_with_the_next_adapter() -> None:
    """By kind; more of them than complaints are kept."""
    bench = Bench()
    bench.receiver.on_open(1)
    for times in (1, 100):
        bench.adapter.faults["bad_frame"] = times
        bench.adapter.pending_complaints = [Complaint("bad_frame", "S: no", b"")]
        bench.receiver.on_frame(b"x", 1)
    bench.adapter = FakeMarketData()
    bench.actor = bench.started()
    bench.receiver.on_open(1)
    bench.adapter.faults["bad_frame"] = 2
    bench.adapter.pending_complaints = [Complaint("bad_frame", "S: no", b"")]
    bench.receiver.on_frame(b"x", 1)
    assert {("v", "bad_frame"): 102} == bench.read("feed.faults")
