"""Which reply is whose, and by whose clock requests are stamped."""

from __future__ import annotations

import json
from urllib.parse import parse_qsl

from livestack.core.events import OrderAccepted, VenueClock, VenueStatusChanged
from livestack.core.types import ConnectionStatus
from livestack.venues.adapter import Fetch, Fetched
from livestack.venues.binance_spot.calls import REST_AT_ONCE
from livestack.venues.binance_spot.venue_time import VenueTime
from tests.venues.binance_spot.venue import Desk, query


def test_a_duplicate_reply_is_nobody_s() -> None:
    """The same response twice: the second one is counted and changes nothing."""
    desk = Desk().connect()
    desk.change = lambda frame: [frame, frame]
    desk.send(desk.new(desk.far_bid, desk.lot))
    assert len(desk.of(OrderAccepted)) == 1
    assert desk.adapter.faults == {"unexpected_reply": 1}


def test_requests_are_signed_in_the_venue_s_time() -> None:
    """A wall clock an hour off does no harm once the venue's was measured: orders are accepted."""
    desk = Desk()
    wrong_ns = desk.now_ns - 3_600_000_000_000
    desk.venue.open(99, "ws_api", "/ws-api/v3", desk.now_ns)
    desk.links[0] = 99
    desk.adapter.connected(desk.now_ns, wrong_ns)
    desk.settle()
    text = desk.adapter.encode(desk.new(desk.far_bid, desk.lot), desk.now_ns, wrong_ns).payload
    desk.carry(text)
    desk.settle()
    assert len(desk.of(OrderAccepted)) == 1


def test_what_was_not_sent_is_forgotten() -> None:
    """``unsent``: a late reply to its number is nobody's."""
    desk = Desk().connect()
    request = desk.new(desk.far_bid, desk.lot)
    text = desk.adapter.encode(request, desk.now_ns, desk.now_ns).payload
    desk.adapter.unsent(request)
    desk.carry(text)
    desk.change = lambda frame: [] if '"event"' in frame else [frame]
    desk.settle()
    assert desk.of(OrderAccepted) == []
    assert desk.adapter.faults == {"unexpected_reply": 1}


def test_the_time_to_sign_with_is_never_ahead_of_the_venue_s() -> None:
    """Wherever between question and answer the venue read its clock: a request stamped then is not from its future."""
    for server_at_ns in (0, 40_000_000, 100_000_000):
        time = VenueTime()
        assert time.milliseconds(5, 7_000_000) == 7
        venue_ahead_ns = 3_600_000_000_000
        time.measured(0, 100_000_000, (server_at_ns + venue_ahead_ns) // 1_000_000)
        now_ns = 10_000_000_000
        assert time.milliseconds(now_ns, 0) * 1_000_000 <= now_ns + venue_ahead_ns
        assert now_ns + venue_ahead_ns - time.milliseconds(now_ns, 0) * 1_000_000 <= 110_000_000


def test_few_questions_at_a_time_over_rest() -> None:
    """One thread asks them: what is not under way is stamped when it goes, and does not go once silence is wanted."""
    desk = Desk().connect()
    desk.cut()
    desk.wait(6)
    held: list[Fetch] = []
    desk.fetch = held.append  # type: ignore[method-assign]
    for _ in range(20):
        query(desk, desk.new(desk.far_bid, desk.lot))
    assert REST_AT_ONCE == len(held)
    desk.now_ns += 4_000_000_000
    first = held[0]
    desk.adapter.fetched(Fetched(first.fetch_id, 400, (), b'{"code":-2013,"msg":""}', "", 1, desk.now_ns))
    desk.settle()
    assert REST_AT_ONCE + 1 == len(held)
    stamps = [dict(parse_qsl(one.query))["timestamp"] for one in held]
    assert int(stamps[2]) - int(stamps[0]) >= 4_000


def test_a_connection_that_came_back_does_not_wait_behind_rest() -> None:
    """REST takes questions and answers none: the connection is greeted and reconciled at once all the same."""
    desk = Desk(symbols=3).connect()
    desk.cut()
    desk.wait(6)
    desk.fetch = desk.fetches.append  # type: ignore[method-assign]
    for _ in range(6):
        query(desk, desk.new(desk.far_bid, desk.lot))
    desk.wait(2)
    desk.sent.clear()
    desk.connect()
    methods = [json.loads(text)["method"] for text in desk.sent]
    assert ["time", "userDataStream.subscribe.signature", "openOrders.status"] == methods[:3]
    assert (ConnectionStatus.LIVE, "reconciled") == (
        desk.adapter.status,
        desk.of(VenueStatusChanged)[-1].reason,
    )
    desk.wait(1)
    assert 6 - REST_AT_ONCE == [json.loads(text)["method"] for text in desk.sent].count("order.status")


def test_an_answer_over_rest_is_as_old_as_its_request() -> None:
    """What waited for a thread of the transport's does not make the venue's clock uncertain."""
    desk = Desk().connect()
    desk.cut()
    desk.wait(6)
    held: list[Fetch] = []
    desk.fetch = held.append  # type: ignore[method-assign]
    while not any(one.path.endswith("time") for one in held):
        desk.wait(1)
        for one in [one for one in held if not one.path.endswith("time")]:
            held.remove(one)
            desk.adapter.fetched(Fetched(one.fetch_id, 500, (), b"", "", desk.now_ns, desk.now_ns))
    (time,) = held
    began_ns = desk.now_ns + 4_000_000_000
    desk.now_ns = began_ns + 20_000_000
    server_ms = desk.now_ns // 1_000_000 + 700
    body = json.dumps({"serverTime": server_ms}).encode()
    desk.adapter.fetched(Fetched(time.fetch_id, 200, (), body, "", began_ns, desk.now_ns))
    desk.settle()
    assert 30_000_000 >= desk.of(VenueClock)[-1].error_ns
