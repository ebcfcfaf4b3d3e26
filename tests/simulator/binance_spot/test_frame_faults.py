"""What befalls answers, user events and stream frames on their way out of the venue."""

from __future__ import annotations

import itertools
import json
from typing import Any

from livestack.simulator.binance_spot import VenueSettings
from livestack.simulator.binance_spot.frame_faults import frame_bytes
from tests.simulator.client import SECOND_NS, Client

MS = 1_000_000
DIFFS = "/ws/btcusdt@depth@100ms"


def made(kind: str = "", **keys: Any) -> Client:
    """A client that hears of its account, and one fault."""
    client = Client(VenueSettings(symbols=1, rate=1))
    client.subscribe()
    if kind:
        client.inject(kind, **keys)
    return client


def streamed(kind: str, seconds: int = 5, **keys: Any) -> tuple[Client, list[dict[str, Any]]]:
    """The diffs of some seconds, under a fault."""
    client = Client(VenueSettings(symbols=1, rate=400))
    client.venue.open(2, "stream", DIFFS, client.now_ns)
    client.inject(kind, **keys)
    client.advance(seconds * SECOND_NS)
    return client, [frame for _, frame in client.frames]


def buy(client: Client) -> list[dict[str, Any]]:
    return client.tell(
        "order.place",
        symbol="BTCUSDT",
        side="BUY",
        type="LIMIT",
        timeInForce="GTC",
        price="50000",
        quantity="0.01",
    )


def kinds(client: Client) -> list[str]:
    return [event["e"] for event in client.events]


def test_events_are_lost_in_silence() -> None:
    """The order is there, the connection too, and nobody was told."""
    client = made("event_lost", events=["executionReport"])
    assert 200 == buy(client)[0]["status"]
    assert ["outboundAccountPosition"] == kinds(client)
    assert 1 == len(client.venue.open_orders)
    assert {"event_lost": 1} == client.venue.fault_counts


def test_events_come_twice() -> None:
    """The copy is the same message, later."""
    client = made("event_duplicated", events=["executionReport"], delay="300ms")
    buy(client)
    assert ["executionReport", "outboundAccountPosition"] == kinds(client)
    client.advance(SECOND_NS)
    assert 3 == len(client.events)
    assert client.events[0] == client.events[2]


def test_events_overtake_each_other() -> None:
    """One that is delayed lets the later ones pass."""
    client = made("event_delayed", events=["executionReport"], delay="100ms")
    buy(client)
    assert ["outboundAccountPosition"] == kinds(client)
    client.advance(99 * MS)
    assert 1 == len(client.events)
    client.advance(2 * MS)
    assert ["outboundAccountPosition", "executionReport"] == kinds(client)


def test_events_wait_in_order() -> None:
    """One that is held holds up what comes behind it on its connection."""
    client = made("event_held", events=["executionReport"], delay="100ms")
    buy(client)
    assert [] == kinds(client)
    client.advance(101 * MS)
    assert ["executionReport", "outboundAccountPosition"] == kinds(client)


def test_answers_come_twice_and_out_of_order() -> None:
    """A copy later; a delayed answer behind that of the next request."""
    client = made("answer_duplicated", delay="50ms")
    first = client.tell("time", signed=False)
    assert first == client.wait(60 * MS)
    client.venue.clear_faults()
    client.inject("answer_delayed", methods=["time"], delay="50ms")
    assert [] == client.tell("time", signed=False)
    assert [4] == [answer["id"] for answer in client.tell("ping", signed=False)]
    assert [3] == [answer["id"] for answer in client.wait(60 * MS)]


def test_latency_keeps_order_within_a_connection() -> None:
    """However the delays are drawn; and the venue says when it has something to send."""
    client = made("latency", way="out", delay=["1ms", "200ms"])
    ids = []
    for _ in range(20):
        ids += [answer["id"] for answer in client.tell("ping", signed=False)]
        ids += [answer["id"] for answer in client.wait(5 * MS)]
    assert client.venue.next_due_ns() is not None
    ids += [answer["id"] for answer in client.wait(SECOND_NS)]
    assert list(range(2, 22)) == ids


def test_frames_are_dropped() -> None:
    """A diff that does not come leaves a gap in the ids."""
    client, frames = streamed("frame_dropped", occasion=10)
    gaps = [b for a, b in itertools.pairwise(frames) if b["U"] != a["u"] + 1]
    assert 1 == len(gaps)
    assert {"frame_dropped": 1} == client.venue.fault_counts


def test_frames_come_twice() -> None:
    """The same ids again."""
    _, frames = streamed("frame_duplicated", occasion=10, streams=["btcusdt@depth*"])
    ids = [frame["U"] for frame in frames]
    assert 1 == len(ids) - len(set(ids))


def test_frames_overtake_each_other() -> None:
    """The ids go back once."""
    _, frames = streamed("frame_delayed", occasion=10, delay="250ms")
    ids = [frame["U"] for frame in frames]
    assert ids != sorted(ids)
    assert len(ids) == len(set(ids))


def test_a_book_crosses() -> None:
    """One diff has a bid above the best ask; with ``gap`` an id is missing before it."""
    client, frames = streamed("crossed_book", occasion=10, gap=True)
    ask = client.best()[1]
    assert frames[9]["U"] == frames[8]["u"] + 2
    assert float(frames[9]["b"][-1][0]) > float(ask) * 0.99


def test_a_frame_breaks_off_at_a_byte() -> None:
    """So many bytes of it, then the connection is to be aborted; nothing more comes on it."""
    client = made("disconnect", at_byte=9, methods=["time"])
    assert [] == client.tell("time", signed=False)
    [(connection, part)] = client.venue.cuts()
    assert (1, 9) == (connection, len(part))
    assert frame_bytes('{"id":2,"status":200}')[2:9] == part[4:11] or part.startswith(b"\x81")
    assert [] == client.tell("ping", signed=False)
    assert [] == client.venue.cuts()


def test_a_break_comes_at_any_byte() -> None:
    """Drawn over the whole frame, its head included."""
    lengths = set()
    for seed in range(60):
        client = Client(VenueSettings(symbols=1, rate=1, fault_seed=seed))
        client.inject("disconnect")
        client.tell("ping", signed=False)
        lengths.add(len(client.venue.cuts()[0][1]))
    assert min(lengths) < 20
    assert max(lengths) > 100
    assert len(lengths) > 30


def test_a_half_open_connection_says_nothing() -> None:
    """Deaf or not: with ``deaf`` a request is not even heard; a new connection is as it should be."""
    for deaf, orders in ((True, 1), (False, 2)):
        client = made("half_open", deaf=deaf, occasion=3)
        assert 1 == len(buy(client))
        assert [] == buy(client)
        assert orders == len(client.venue.open_orders)
        assert not client.venue.pings(1)
        client.venue.open(9, "ws_api", "/ws-api/v3", client.now_ns)
        assert client.venue.pings(9)
        client.venue.message(9, json.dumps({"id": 1, "method": "ping"}), client.now_ns)
        assert [9] == [connection for connection, _ in client.venue.drain()]


def test_messages_are_made_wrong() -> None:
    """In user events, answers and stream frames alike."""
    client = made("lost_field", events=["executionReport"], field="i")
    buy(client)
    assert "i" not in client.events[0]
    _, frames = streamed("wrong_type", field="u", occasion=3)
    assert [int, int, str, int] == [type(frame["u"]) for frame in frames[:4]]
    client = made("unknown_value", methods=["order.place"], field="status")
    assert "UNHEARD_OF" == buy(client)[0]["result"]["status"]
