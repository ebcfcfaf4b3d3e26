"""The layer between venue and clients: answers that wait or break, requests that wait, nothing where nothing is set."""

from __future__ import annotations

import random

from livestack.simulator.binance_spot import BinanceSpotVenue, VenueSettings, make_keys
from livestack.simulator.binance_spot.faults import RestAnswer
from livestack.simulator.faults import random_mix, rule
from tests.simulator.client import SECOND_NS, START_NS, Client

MS = 1_000_000


def test_an_answer_is_a_tuple_of_three() -> None:
    """Status, headers and body for whoever wants no more; on the wire it is HTTP."""
    answer = RestAnswer(200, {"A": "b"}, b"{}", 5, 3)
    status, headers, body = answer
    assert (200, {"A": "b"}, b"{}", 5, 3) == (status, headers, body, answer.delay_ns, answer.cut_at)
    assert b"HTTP/1.1 200 OK\r\nA: b\r\nContent-Length: 2\r\n\r\n{}" == answer.wire()
    assert RestAnswer(599, {}, b"").wire().startswith(b"HTTP/1.1 599 Error\r\n")


def test_rest_waits_on_both_ways() -> None:
    """The host asks how long a request is on its way; the answer says how long it is on its own."""
    client = Client(VenueSettings(symbols=1, rate=1))
    client.inject("latency", way="both", sides="rest", delay="30ms")
    assert 30 * MS == client.venue.rest_hold_ns("GET", "/api/v3/time", "", client.now_ns)
    assert 30 * MS == client.rest_answer("GET", "time").delay_ns
    client.inject("answer_delayed", delay="500ms", methods="time")
    assert 530 * MS == client.rest_answer("GET", "time").delay_ns
    assert 30 * MS == client.rest_answer("GET", "ping").delay_ns
    assert 0 == client.venue.rest_hold_ns("GET", "/sim/orders", "", client.now_ns)


def test_a_rest_answer_breaks_off() -> None:
    """At the byte given, or at any."""
    client = Client(VenueSettings(symbols=1, rate=1))
    client.inject("disconnect", sides="rest", at_byte=20, times=1)
    assert 20 == client.rest_answer("GET", "time").cut_at
    client.inject("disconnect", sides="rest")
    answers = [client.rest_answer("GET", "time") for _ in range(50)]
    assert all(answer.cut_at is not None and 0 <= answer.cut_at < len(answer.wire()) for answer in answers)
    assert len({answer.cut_at for answer in answers}) > 25


def test_a_rest_answer_is_made_wrong() -> None:
    """Its body, as any other message."""
    client = Client(VenueSettings(symbols=1, rate=1))
    client.inject("lost_field", sides="rest", field="serverTime")
    assert {} == client.rest("GET", "time")[2]


def test_requests_wait_in_order() -> None:
    """On the way in they keep their order; the order is placed when it arrives, not when it was sent."""
    client = Client(VenueSettings(symbols=1, rate=1))
    client.inject("latency", way="in", delay=["10ms", "300ms"], sides="ws_api")
    answers = [client.tell("time", signed=False) for _ in range(10)]
    assert [[]] * 10 == answers
    arrived = client.wait(SECOND_NS)
    assert list(range(1, 11)) == [answer["id"] for answer in arrived]
    times = [answer["result"]["serverTime"] for answer in arrived]
    assert START_NS // MS + 10 <= times[0] <= times[-1] <= START_NS // MS + 300


def test_what_is_on_its_way_from_a_closed_connection_is_lost() -> None:
    """Both ways."""
    client = Client(VenueSettings(symbols=1, rate=1))
    client.inject("latency", way="both", delay="100ms", sides="ws_api")
    client.tell(
        "order.place",
        symbol="BTCUSDT",
        side="BUY",
        type="LIMIT",
        timeInForce="GTC",
        price="50000",
        quantity="1",
    )
    client.venue.close(1)
    client.wait(SECOND_NS)
    assert [] == client.venue.orders


def test_a_venue_without_faults_is_as_before() -> None:
    """Rules that never come true, and rules that were cleared, change no frame."""

    def frames(*kinds: str) -> list[object]:
        client = Client(VenueSettings(symbols=2, rate=500))
        client.venue.open(2, "stream", "/stream?streams=btcusdt@depth@100ms/ethusdt@trade", client.now_ns)
        client.subscribe()
        for kind in kinds:
            client.inject(kind, chance=0)
        if len(kinds) == 1:
            client.venue.clear_faults()
        client.limit("BUY", "59000", "0.01")
        client.advance(3 * SECOND_NS)
        return [client.frames, client.events]

    assert frames() == frames("cut")
    assert frames() == frames("frame_dropped", "event_lost", "disconnect")


def test_a_mix_of_everything_is_the_same_for_the_same_seed() -> None:
    """Whatever comes out in a minute of all faults at once: twice the same."""

    def run() -> list[object]:
        random_ = random.Random(5)
        keys = make_keys(5)
        settings = VenueSettings(symbols=2, rate=100, fault_seed=5)
        venue = BinanceSpotVenue(keys, random.Random(5), START_NS, settings, faults=random_mix(random_, 300))
        seen: list[object] = []
        now_ns = START_NS
        for number in range(2, 602):
            now_ns += 100 * MS
            venue.advance(now_ns)
            if venue.admit("stream", now_ns) == 101:
                venue.open(number, "stream", "/ws/btcusdt@depth@100ms", now_ns)
            answer = venue.rest("GET", "/api/v3/depth", "symbol=BTCUSDT", {}, b"", now_ns)
            seen += [tuple(answer), answer.delay_ns, answer.cut_at, venue.drain(), venue.hang_ups()]
            for connection, part in venue.cuts():
                seen.append(part)
                venue.close(connection)
        return [*seen, venue.fault_counts]

    first = run()
    assert first == run()
    assert len(dict(first[-1])) > 15  # type: ignore[call-overload]


def test_faults_can_come_with_the_venue() -> None:
    """Given when it is made, they hold from its first moment."""
    venue = BinanceSpotVenue(
        make_keys(1), random.Random(1), START_NS, VenueSettings(symbols=1), faults=[rule("firewall")]
    )
    assert 403 == venue.rest("GET", "/api/v3/time", "", {}, b"", START_NS).status
