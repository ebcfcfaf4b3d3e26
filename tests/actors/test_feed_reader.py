"""What a feed's connections share: one adapter used by one thread at a time, lanes that lose nothing of weight."""

from __future__ import annotations

import threading

from structlog.testing import capture_logs

from livestack.core.events import IncidentClosed, IncidentOpened, VenueBackoff
from livestack.exceptions import NotSentError
from livestack.venues.adapter import Complaint, HostRequest
from tests.actors.fakes import messages
from tests.actors.test_feed import Bench, fail, gone
from tests.actors.test_mailbox import quote

OPENED = IncidentOpened(name="feed_polled", scope="v", grade="warning", detail="d")
BACKOFF = VenueBackoff(recv_ns=1, venue="v", retry_after_ns=1, reason="r")


def test_incidents_and_back_offs_overtake_market_data() -> None:
    """They go through the lane of execution, whether the market lane is full or not."""
    for room in (100, 1):
        bench = Bench(market_lane_max=room)
        bench.open()
        bench.adapter.pending_events = [quote(1), OPENED, quote(2), BACKOFF]
        bench.receiver.on_frame(b"", 3)
        taken = messages(bench.harness)
        assert [OPENED, BACKOFF] == taken[:2]
        assert (2 if room > 1 else 0) == taken.count(quote(1)) + taken.count(quote(2))


def test_an_incident_of_a_feed_that_is_gone_is_over() -> None:
    """The one that takes its place knows nothing of it."""
    bench = Bench()
    bench.open()
    bench.adapter.pending_events = [OPENED]
    bench.receiver.on_frame(b"", 3)
    messages(bench.harness)
    fail(bench)
    closed = IncidentClosed(name="feed_polled", scope="v", detail="the feed failed")
    assert [closed, gone("the feed failed")] == messages(bench.harness)


def test_a_status_is_told_while_the_lane_is_full() -> None:
    """That another connection is lost meanwhile is no market data."""
    bench = Bench(market_lane_max=1, slots=2)
    bench.open(0)
    bench.open(1)
    bench.frame(1, 2)
    messages(bench.harness)
    bench.harness.offer_market([quote(9)])
    lost = gone("cut")
    bench.adapter.pending_events = [lost, quote(8)]
    bench.websocket.receivers[0].on_close("cut", 4)
    assert [quote(9), lost] == messages(bench.harness)


def test_a_connection_that_takes_nothing_is_closed() -> None:
    """What could not be written is not repeated by the host: the adapter begins anew over another connection."""
    bench = Bench()
    bench.open()
    bench.websocket.connections[0].error = NotSentError("full")
    bench.adapter.pending_out = [HostRequest("x", "subscribe", 1)]
    bench.receiver.on_wake(3)
    assert bench.websocket.connections[0].closed


def test_connections_of_one_feed_deliver_one_after_the_other() -> None:
    """Reader threads at the same time: every Event once, each connection's in its order."""
    bench = Bench(market_lane_max=100_000, slots=4)
    seen: list[tuple[int, int]] = []
    adapter = bench.adapter
    is_in = threading.Lock()

    def receive(frame: bytes, recv_ns: int, link: int = 0) -> None:
        assert is_in.acquire(blocking=False)
        adapter.pending_events.append(quote(int(frame)))
        seen.append((link, int(frame)))
        is_in.release()

    adapter.receive = receive  # type: ignore[method-assign]

    def read(number: int) -> None:
        for at in range(500):
            bench.websocket.receivers[number].on_frame(b"%d" % (number * 1_000 + at + 1), at)

    threads = [threading.Thread(target=read, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    taken = [event.update_id for event in messages(bench.harness)]
    assert [number for _, number in seen] == taken
    assert sorted(number * 1_000 + at + 1 for number in range(4) for at in range(500)) == sorted(taken)


def test_a_feed_that_ends_gives_back_what_is_under_way() -> None:
    """Its adapter hears of it once, whether the feed fails, is given up, or is stopped."""
    for end in (fail, lambda bench: bench.actor.on_stop()):
        bench = Bench()
        bench.open()
        end(bench)
        bench.receiver.on_close("closed by us", 5)
        assert 1 == len(bench.called("retired"))


def test_a_flood_of_complaints_is_one_line_a_minute() -> None:
    """The first at once; the others as a count, at the feed's look at the time and at its end."""
    bench = Bench()
    bench.open()
    with capture_logs() as lines:
        for second in range(130):
            bench.adapter.pending_complaints = [Complaint("book_lost", "S: gap", b"")] * 2
            bench.receiver.on_frame(b"", second * 1_000_000_000)
            bench.receiver.on_wake(second * 1_000_000_000)
        fail(bench)
    assert [1, 121, 120, 18] == [line["count"] for line in lines if line["event"] == "book_lost"]
