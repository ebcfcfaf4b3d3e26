"""Which reply is whose, and by whose clock requests are stamped."""

from __future__ import annotations

from livestack.core.events import (
    OrderAccepted,
)
from livestack.venues.binance_spot.calls import VenueTime
from tests.venues.binance_spot.venue import Desk


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
    desk._connection = 99
    desk.adapter.connected(desk.now_ns, wrong_ns)
    desk.settle()
    text = desk.adapter.encode(desk.new(desk.far_bid, desk.lot), desk.now_ns, wrong_ns)
    desk.carry(text)
    desk.settle()
    assert len(desk.of(OrderAccepted)) == 1


def test_what_was_not_sent_is_forgotten() -> None:
    """``unsent``: a late reply to its number is nobody's."""
    desk = Desk().connect()
    request = desk.new(desk.far_bid, desk.lot)
    text = desk.adapter.encode(request, desk.now_ns, desk.now_ns)
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
