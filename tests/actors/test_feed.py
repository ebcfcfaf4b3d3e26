"""The feed: Events straight into the market lane, never half-dropped, back after every loss."""

from __future__ import annotations

from typing import Any

from livestack.actors.base import Ping
from livestack.actors.feed import TICK_NS, FeedActor
from livestack.actors.mailbox import HarnessMailbox, Mailbox
from livestack.actors.measures import Measures
from livestack.actors.messages import Closed, Connect, Tick, Unreachable
from livestack.core.events import FeedStatusChanged
from livestack.core.types import ConnectionStatus
from livestack.transports.backoff import Backoff
from livestack.transports.base import HttpRequest, HttpResponse, Refusal
from livestack.venues.adapter import CloseLink, Fetch, HostRequest, Renew
from livestack.venues.budget import CONNECTS_MAX, CONNECTS_WINDOW_NS, Purpose, RequestBudget
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

    def __init__(self, market_lane_max: int = 100, slots: int = 1) -> None:
        self.adapter = FakeMarketData(slots)
        self.budget = RequestBudget()
        self.clock = FakeClock()
        self.harness = HarnessMailbox(market_lane_max=market_lane_max)
        self.supervisor = Mailbox()
        self.mailbox = Mailbox()
        self.websocket = FakeWebSocket()
        self.http = FakeHttp()
        self.timers = FakeTimers()
        self.starts = 0
        self.measures = self.measured()
        self.actor = self.started()

    def measured(self) -> Measures | None:
        """What it is measured with: nothing."""
        return None

    def built(self) -> FeedActor:
        """The first one, or the next with the same mailbox."""
        return FeedActor(
            venue="v",
            mailbox=self.mailbox,
            supervisor=self.supervisor,
            adapter=self.adapter,
            harness=self.harness,
            websocket=self.websocket,
            http=self.http,
            url="ws://venue/stream",
            rest_url="http://venue",
            budget=self.budget,
            clock=self.clock,
            timers=self.timers,
            backoff=FakeBackoff(),
            start=self.starts,
            measures=self.measures,
        )

    def started(self) -> FeedActor:
        actor = self.built()
        self.starts += 1
        actor.on_start()
        assert "feed v" == actor.on_receive(Ping())
        return actor

    @property
    def receiver(self):
        return self.websocket.receivers[-1]

    def frame(self, *update_ids: int) -> None:
        """A frame that decodes to quotes."""
        self.adapter.pending_events = [quote(number) for number in update_ids]
        self.receiver.on_frame(b"frame", 5)

    def called(self, name: str) -> list[Any]:
        """What the adapter was told in calls of ``name``."""
        return [value for called, value in self.adapter.calls if called == name]

    def open(self, number: int = -1) -> None:
        """The newest connection, or another one, opens, and the actor hears of it."""
        self.websocket.receivers[number].on_open(self.clock.time_ns)
        self.actor_turn()

    def due(self) -> list[float]:
        """Seconds until each timer that is pending fires."""
        return sorted((at_ns - self.clock.time_ns) / 1e9 for at_ns, _ in self.timers.pending)

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
    bench.adapter.pending_out = [HostRequest("subscribe", "subscribe", 1)]
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


def test_an_answer_reaches_the_adapter_whatever_became_of_the_connection() -> None:
    """It has its weight to count; which answers are of use is the adapter's to know. The actor takes it in between."""
    bench = Bench()
    bench.adapter.pending_out = [Fetch(7, "GET", "/depth", "", (), "snapshot")]
    bench.receiver.on_open(1)
    ((_, reply),) = bench.http.asked
    bench.receiver.on_close("cut", 2)
    reply(HttpResponse(200, (), b"{}", "", 1, 2))
    bench.actor_turn()
    assert [7] == [answer.fetch_id for answer in bench.called("fetched")]


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
    """The supervisor hears the address and the cause, once the adapter had time to do without: at the next look."""
    bench = Bench()
    bench.adapter.stands_in_ns, bench.starts = 10_000_000_000, 0
    bench.actor = bench.started()
    bench.receiver.on_close("refused", 1)
    bench.actor_turn()
    later(bench, 14)
    assert [] == messages(bench.supervisor)
    later(bench, 1)
    assert [Unreachable("ws://venue/stream", "refused")] == messages(bench.supervisor)


def later(bench: Bench, seconds: int) -> None:
    """The actor looks at the time so much later, with whatever is due."""
    bench.clock.time_ns += seconds * 1_000_000_000
    bench.timers.fire()
    bench.actor_turn()


def test_a_feed_that_is_polled_instead_is_not_unreachable() -> None:
    """Data came without a connection: it is tried again and again, and the session goes on."""
    bench = Bench()
    bench.adapter.pending_events = [
        FeedStatusChanged(recv_ns=2, venue="v", instrument="", status=ConnectionStatus.LIVE, reason="polled")
    ]
    bench.actor.on_receive([Tick(0)])
    for _ in range(5):
        bench.receiver.on_close("refused", 1)
        bench.actor_turn()
        later(bench, 60)
    assert [] == messages(bench.supervisor)
    assert 6 == len(bench.websocket.connections)


def test_a_server_that_refuses_is_there() -> None:
    """It may have its reasons for a while: maintenance, a firewall, a ban."""
    bench = Bench()
    for _ in range(5):
        bench.receiver.on_close("HTTP status 503", 1, Refusal(503))
        bench.actor_turn()
        later(bench, 60)
    assert [] == messages(bench.supervisor)


def test_a_feed_that_is_refused_for_a_while_waits_for_so_long() -> None:
    """A ban at the upgrade is one for the whole node, and nobody connects in it."""
    bench = Bench()
    bench.receiver.on_close("this address is banned", 1, Refusal(418, 600))
    bench.actor_turn()
    bench.timers.fire()
    bench.actor_turn()
    assert 1 == len(bench.websocket.connections)
    assert 600.0 == max(bench.due())
    assert bench.clock.time_ns + 600_000_000_000 == bench.budget.silent_until_ns(Purpose.REDUCE)


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
    assert [Connect(0), Tick(0), Closed(1, "late", 3)] == left
    bench.actor.on_receive(left)
    assert (2, [TICK_NS / 1e9]) == (len(bench.websocket.connections), bench.due())
    bench.receiver.on_open(4)
    bench.frame(7)
    assert quote(7) in messages(bench.harness)


def test_a_planned_reconnect_ends_with_its_feed() -> None:
    """Whether it fails or is stopped."""
    for end in (fail, lambda bench: bench.actor.on_stop()):
        bench = Bench()
        bench.receiver.on_close("cut", 2)
        bench.actor_turn()
        assert 2 == len(bench.timers.pending)
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


# -- Several connections


def test_every_slot_has_a_connection_of_its_own() -> None:
    """Each says to the adapter which one it is; one that is lost is made again, the other one stays."""
    bench = Bench(slots=2)
    bench.open(0)
    bench.open(1)
    assert [(1, 0), (2, 1)] == bench.called("connected")
    bench.websocket.receivers[1].on_close("cut", 2)
    bench.actor_turn()
    assert [(2, "cut")] == bench.called("disconnected")
    bench.timers.fire()
    bench.actor_turn()
    bench.open()
    assert [(1, 0), (2, 1), (3, 1)] == bench.called("connected")
    assert not bench.websocket.connections[0].closed


def renewed() -> Bench:
    """Connection 1 is open, and 2 is its successor."""
    bench = Bench()
    bench.open()
    bench.adapter.pending_out = [Renew(1, "it is old")]
    bench.receiver.on_wake(2)
    bench.actor_turn()
    bench.open()
    return bench


def test_a_successor_is_made_beside_the_old_connection() -> None:
    """Both are open; what is for one of them goes over that one; the old one is closed when the adapter says so."""
    bench = renewed()
    assert [(1, 0), (2, 0)] == bench.called("connected")
    bench.adapter.pending_out = [HostRequest("to 2", "", 2), HostRequest("to 1", "", 1), CloseLink(1, "done")]
    bench.receiver.on_frame(b"", 3)
    old, new = bench.websocket.connections
    assert (["to 1"], ["to 2"]) == (old.sent, new.sent)
    assert (True, False) == (old.closed, new.closed)
    bench.websocket.receivers[0].on_close("closed by us", 4)
    bench.actor_turn()
    assert ([], 2) == (bench.due(), len(bench.websocket.connections))


def test_a_successor_is_asked_for_once_at_a_time() -> None:
    """While one is being opened another one is not, whoever asks; nor for a connection that is gone."""
    bench = Bench()
    bench.open()
    bench.actor.on_receive([Renew(1, "old"), Renew(1, "old"), Renew(9, "old"), Connect(0)])
    assert 2 == len(bench.websocket.connections)
    bench.receiver.on_close("refused", 2)
    bench.actor_turn()
    assert [] == bench.due()
    bench.actor.on_receive([Renew(1, "old")])
    assert 3 == len(bench.websocket.connections)


def test_the_old_one_may_die_while_its_successor_is_being_opened() -> None:
    """That one is what is waited for; only if it fails as well is there a pause."""
    bench = Bench()
    bench.open()
    bench.actor.on_receive([Renew(1, "old")])
    bench.websocket.receivers[0].on_close("cut", 2)
    bench.actor_turn()
    assert 2 == len(bench.websocket.connections)
    assert [TICK_NS / 1e9] == bench.due()
    bench.timers.fire()
    bench.actor_turn()
    assert 1 == len(bench.called("tick"))
    bench.receiver.on_close("refused", 3)
    bench.actor_turn()
    assert 1 == len([at for at in bench.due() if at != TICK_NS / 1e9])


def test_a_feed_that_is_polled_has_no_connection_and_a_clock() -> None:
    """Ticks come from the actor's timer, one after the other; at its end the Core hears that it is gone."""
    bench = Bench(slots=0)
    assert ([], [TICK_NS / 1e9]) == (bench.websocket.connections, bench.due())
    for number in (1, 2):
        bench.timers.fire()
        bench.actor_turn()
        assert number == len(bench.called("tick"))
    bench.actor.on_stop()
    assert ([gone("closed by us")], []) == (messages(bench.harness), bench.due())


def test_time_goes_on_for_the_adapter_while_no_connection_is_open() -> None:
    """From the first attempt on, until one opens; again once the last one is lost."""
    bench = Bench()
    assert [TICK_NS / 1e9] == bench.due()
    bench.open()
    assert [] == bench.due()
    bench.receiver.on_close("cut", 2)
    bench.actor_turn()
    assert TICK_NS / 1e9 in bench.due()


def test_an_answer_without_a_connection_is_taken_by_the_actor() -> None:
    """The transport's thread only leaves it and says so."""
    bench = Bench(slots=0)
    bench.adapter.pending_out = [Fetch(3, "GET", "/ticker", "", (), "poll")]
    bench.actor.on_receive([Tick(0)])
    ((_, reply),) = bench.http.asked
    reply(HttpResponse(200, (), b"{}", "", 1, 2))
    assert [] == bench.called("fetched")
    bench.actor_turn()
    assert [3] == [answer.fetch_id for answer in bench.called("fetched")]


# -- How often it connects


class Steps:
    """No jitter: every wait is as long as it may be."""

    def randrange(self, start: int, stop: int, /) -> int:
        return stop - 1


def pause(bench: Bench) -> float:
    """The feed's connection is lost; seconds until the next attempt, which is made then."""
    bench.receiver.on_close("cut", 2)
    bench.actor_turn()
    (wait,) = [at for at in bench.due() if at != TICK_NS / 1e9]
    bench.timers.fire()
    bench.actor_turn()
    return wait


def test_only_data_ends_the_growth_of_the_pauses() -> None:
    """A connection that opens and is closed again and again is tried ever more slowly; after data it is not."""
    bench = Bench()
    bench.actor._slots[0].backoff = Backoff(Steps(), first_ns=300_000_000)
    waits = []
    for _ in range(4):
        bench.open()
        bench.adapter.pending_events = [gone("status only")]
        bench.receiver.on_frame(b"", 3)
        waits.append(pause(bench))
    assert [0.3, 0.6, 1.2, 2.4] == waits
    bench.open()
    bench.frame(1)
    bench.actor_turn()
    assert 0.3 == pause(bench)


def test_attempts_share_the_venues_budget() -> None:
    """Where there were too many of the address, the feed waits for as long as the budget says."""
    bench = Bench()
    for _ in range(CONNECTS_MAX - 1):
        assert 0 == bench.budget.connect(bench.clock.time_ns)
    bench.receiver.on_close("refused", 2)
    bench.actor_turn()
    bench.timers.fire()
    bench.actor_turn()
    assert 1 == len(bench.websocket.connections)
    assert CONNECTS_WINDOW_NS / 1e9 in bench.due()
    bench.clock.time_ns += CONNECTS_WINDOW_NS
    bench.timers.fire()
    bench.actor_turn()
    assert 2 == len(bench.websocket.connections)


def test_it_connects_behind_the_answer_that_it_lives() -> None:
    """What a venue sends first may be what the feed fails on: that is a failure of its, not of its start."""
    bench = Bench()
    before = len(bench.websocket.connections)
    actor = bench.built()
    actor.on_start()
    assert before == len(bench.websocket.connections)
    actor.on_receive(Ping())
    actor.on_receive(Ping())
    assert before + 1 == len(bench.websocket.connections)
