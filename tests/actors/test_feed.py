"""The feed: Events straight into the market lane, never half-dropped, back after every loss."""

from __future__ import annotations

from livestack.actors.feed import FeedActor
from livestack.actors.mailbox import HarnessMailbox, Mailbox
from livestack.actors.messages import Closed, Connect, Unreachable
from livestack.core.events import FeedStatusChanged
from livestack.core.types import ConnectionStatus
from livestack.transports.base import HttpRequest, HttpResponse
from livestack.venues.adapter import Fetch, HostRequest
from tests.actors.fakes import FakeBackoff, FakeClock, FakeMarketData, FakeTimers, FakeWebSocket, messages
from tests.actors.test_mailbox import quote


class FakeHttp:
    def __init__(self) -> None:
        self.asked: list[tuple[HttpRequest, object]] = []

    def submit(self, request: HttpRequest, reply) -> None:
        self.asked.append((request, reply))

    def close(self) -> None:
        """Nothing to close."""


class Bench:
    """A feed without threads, its first connection open."""

    def __init__(self, market_lane_max: int = 100) -> None:
        self.adapter = FakeMarketData()
        self.harness = HarnessMailbox(market_lane_max=market_lane_max)
        self.supervisor = Mailbox()
        self.mailbox = Mailbox()
        self.websocket = FakeWebSocket()
        self.http = FakeHttp()
        self.timers = FakeTimers()
        self.starts = 0
        self.actor = self.started()

    def started(self) -> FeedActor:
        """The first one, or the next with the same mailbox."""
        actor = FeedActor(
            venue="v",
            mailbox=self.mailbox,
            supervisor=self.supervisor,
            adapter=self.adapter,
            harness=self.harness,
            websocket=self.websocket,
            http=self.http,
            url="ws://venue/stream",
            rest_url="http://venue",
            clock=FakeClock(),
            timers=self.timers,
            backoff=FakeBackoff(),
            start=self.starts,
        )
        self.starts += 1
        actor.on_start()
        return actor

    @property
    def receiver(self):
        return self.websocket.receivers[-1]

    def frame(self, *update_ids: int) -> None:
        """A frame that decodes to quotes."""
        self.adapter.pending_events = [quote(number) for number in update_ids]
        self.receiver.on_frame(b"frame", 5)

    def actor_turn(self) -> None:
        self.actor.on_receive(messages(self.mailbox))


def test_events_reach_the_market_lane_in_order() -> None:
    """What the adapter decodes is in the lane before the next frame is read."""
    bench = Bench()
    bench.receiver.on_open(1)
    bench.frame(1, 2)
    bench.frame(3)
    assert [quote(1), quote(2), quote(3)] == messages(bench.harness)


def test_subscriptions_wait_for_the_connection() -> None:
    """What the adapter wants to say before the actor holds the connection is said as soon as it does."""
    bench = Bench()
    bench.adapter.pending_out = [HostRequest("subscribe", "subscribe")]
    bench.receiver.on_open(1)
    assert ["subscribe"] == bench.websocket.connections[-1].sent


def test_a_snapshot_is_fetched_and_comes_back_on_the_reader_thread() -> None:
    """The answer waits until the reader thread takes it; the actor wakes it."""
    bench = Bench()
    bench.adapter.pending_out = [Fetch(7, "GET", "/depth", "symbol=S", (), "snapshot")]
    bench.receiver.on_open(1)
    ((request, reply),) = bench.http.asked
    assert "http://venue/depth?symbol=S" == request.url
    wakes = bench.websocket.connections[-1].wakes
    reply(HttpResponse(200, (), b"{}", "", 1, 2))
    assert wakes + 1 == bench.websocket.connections[-1].wakes
    bench.receiver.on_wake(3)
    assert ["fetched"] == [name for name, _ in bench.adapter.calls if name == "fetched"]


def test_an_answer_of_an_earlier_connection_is_dropped() -> None:
    """A snapshot asked for before a reconnect must not seed the new book."""
    bench = Bench()
    bench.adapter.pending_out = [Fetch(7, "GET", "/depth", "", (), "snapshot")]
    bench.receiver.on_open(1)
    ((_, reply),) = bench.http.asked
    bench.receiver.on_close("cut", 2)
    bench.actor_turn()
    bench.timers.fire()
    bench.actor_turn()
    reply(HttpResponse(200, (), b"{}", "", 1, 2))
    bench.receiver.on_wake(3)
    assert "fetched" not in [name for name, _ in bench.adapter.calls]


def test_a_full_lane_means_a_gap_that_is_said_and_mended() -> None:
    """No Event of a refused frame gets in; DEGRADED is said at once; with room again the adapter synchronises."""
    bench = Bench(market_lane_max=3)
    bench.receiver.on_open(1)
    bench.frame(1, 2)
    bench.frame(3, 4)
    bench.frame(5)
    taken = messages(bench.harness)
    assert [quote(1), quote(2)] == taken[:2]
    assert isinstance(taken[2], FeedStatusChanged)
    assert (ConnectionStatus.DEGRADED, 3) == (taken[2].status, len(taken))
    bench.frame(6)
    assert "overflowed" in [name for name, _ in bench.adapter.calls]
    assert 2 == bench.actor.reader.refused


def test_a_lost_connection_is_made_again_after_a_while() -> None:
    """The adapter hears of the loss, the status goes through the lane, the actor plans the next attempt."""
    bench = Bench()
    bench.receiver.on_open(1)
    bench.adapter.pending_events = [
        FeedStatusChanged(
            recv_ns=2, venue="v", instrument="", status=ConnectionStatus.DISCONNECTED, reason="cut"
        ),
        quote(9),
    ]
    bench.receiver.on_close("cut", 2)
    assert [FeedStatusChanged] == [type(event) for event in messages(bench.harness)]
    bench.actor_turn()
    assert 1 == len(bench.websocket.connections)
    bench.timers.fire()
    bench.actor_turn()
    assert 2 == len(bench.websocket.connections)


def test_a_feed_that_never_opened_is_unreachable() -> None:
    """The supervisor hears the address and the cause."""
    bench = Bench()
    bench.receiver.on_close("refused", 1)
    bench.actor_turn()
    assert [Unreachable("ws://venue/stream", "refused")] == messages(bench.supervisor)


# -- One that fails, and the next


def gone(reason: str) -> FeedStatusChanged:
    return FeedStatusChanged(
        recv_ns=1_000_000_000, venue="v", instrument="", status=ConnectionStatus.DISCONNECTED, reason=reason
    )


def fail(bench: Bench) -> None:
    bench.actor.on_failure(RuntimeError, RuntimeError("bug"), None)


def test_a_failed_feed_says_that_it_is_gone_and_nothing_more() -> None:
    """At once, once; what its reader thread still brings reaches nobody, the loss of its connection included."""
    bench = Bench()
    bench.receiver.on_open(1)
    fail(bench)
    assert [gone("the feed failed")] == messages(bench.harness)
    assert bench.websocket.connections[-1].closed
    bench.frame(1)
    bench.receiver.on_wake(4)
    bench.adapter.pending_events = [gone("closed by us")]
    bench.receiver.on_close("closed by us", 5)
    assert [] == messages(bench.harness)


def test_a_feed_that_was_gone_already_is_not_gone_again() -> None:
    """Its reader thread has told; while no connection is up there is nothing to lose."""
    bench = Bench()
    bench.receiver.on_open(1)
    bench.adapter.pending_events = [gone("cut")]
    bench.receiver.on_close("cut", 2)
    fail(bench)
    assert [gone("cut")] == messages(bench.harness)


def test_a_successor_is_not_moved_by_what_was_meant_for_another() -> None:
    """Timers are cancelled; a Connect, or the end of an older connection, in the mailbox is nobody's."""
    bench = Bench()
    old = bench.receiver
    old.on_open(1)
    old.on_close("cut", 2)
    bench.actor_turn()
    bench.timers.fire()
    bench.actor.on_receive([])
    fail(bench)
    bench.actor = bench.started()
    old.on_close("late", 3)
    left = messages(bench.mailbox)
    assert [Connect(0), Closed(1, "late", 3)] == left
    bench.actor.on_receive(left)
    assert (2, []) == (len(bench.websocket.connections), bench.timers.pending)
    bench.receiver.on_open(4)
    bench.frame(7)
    assert quote(7) in messages(bench.harness)


def test_a_planned_reconnect_ends_with_its_feed() -> None:
    """Whether it fails or is stopped."""
    for end in (fail, lambda bench: bench.actor.on_stop()):
        bench = Bench()
        bench.receiver.on_close("cut", 2)
        bench.actor_turn()
        assert 1 == len(bench.timers.pending)
        end(bench)
        assert [] == bench.timers.pending


def test_a_feed_never_has_two_connections() -> None:
    """Whoever says that it is time to connect."""
    bench = Bench()
    bench.actor.on_receive([Connect(0)])
    assert 1 == len(bench.websocket.connections)


def test_a_feed_that_started_too_late_is_gone_when_it_stops() -> None:
    """It was given up: its reader thread speaks no more, and nobody hears that it failed."""
    bench = Bench()
    bench.receiver.on_open(1)
    messages(bench.mailbox)
    bench.actor.retire()
    bench.actor.on_stop()
    bench.frame(1)
    assert [gone("the feed did not start in time")] == messages(bench.harness)
    assert [] == messages(bench.supervisor)
