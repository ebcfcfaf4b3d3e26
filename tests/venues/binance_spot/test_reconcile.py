"""Fills, open orders and balances after an interruption; cancel-all."""

from __future__ import annotations

from livestack.core.events import (
    OrderCancelled,
    OrderFill,
    OrderReport,
)
from livestack.core.obligations import CancelAllAtVenue, QueryOpenOrders
from tests.venues.binance_spot.desks import cancel_by_hand, place_by_hand
from tests.venues.binance_spot.venue import VENUE, Desk, lose_replies


def test_after_an_interruption_missed_fills_come_before_live() -> None:
    """Orders placed, connection cut, one filled meanwhile: reports and fills of it, then FillsReconciled, then LIVE."""
    desk = Desk().connect()
    order = desk.send(desk.new(desk.far_bid, desk.lot))
    lose_replies(desk, "nothing")
    taken = desk.send(desk.new(desk.through_ask, desk.lot))
    desk.cut()
    desk.change = lambda frame: [frame]
    start = len(desk.events)
    desk.connect()
    names = desk.names(start)
    assert {fill.client_id for fill in desk.of(OrderFill)} == {taken.client_id}
    assert names[-1] == "VenueStatusChanged"
    assert names.index("OrderFill") < names.index("FillsReconciled") < len(names) - 1
    assert [report.client_id for report in desk.of(OrderReport)] == [order.client_id]


def test_cancel_all_takes_everything_out_of_the_market() -> None:
    """CancelAllAtVenue: every open order cancelled, told once each; nothing open is no fault."""
    desk = Desk().connect()
    for _ in range(3):
        desk.send(desk.new(desk.far_bid, desk.lot))
    for _ in range(2):
        desk.adapter.ask(CancelAllAtVenue(scope="k", venue=VENUE, instrument=""), desk.now_ns, desk.now_ns)
        desk.settle()
    assert desk.venue.open_orders == []
    assert sorted(event.order_id for event in desk.of(OrderCancelled)) == [1, 2, 3]
    assert desk.adapter.faults == {}


def test_an_answer_from_before_an_order_s_end_does_not_bring_it_back() -> None:
    """Somebody else's: listed as open, cancelled before the list arrives; it stays over."""
    desk = Desk().connect()
    number = place_by_hand(desk, "web_1")
    late: list[str] = []
    desk.change = lambda frame: [frame] if '"event"' in frame else late.append(frame) or []
    desk.adapter.ask(QueryOpenOrders(scope="q", venue=VENUE), desk.now_ns, desk.now_ns)
    desk.settle()
    cancel_by_hand(desk, number, "web_2")
    start = len(desk.events)
    for frame in late:
        desk.adapter.receive(frame.encode(), desk.now_ns)
    desk.settle()
    assert 1 == len(desk.of(OrderCancelled))
    assert [] == [event for event in desk.events[start:] if isinstance(event, OrderReport)]
