"""Fills, open orders and balances after an interruption; cancel-all."""

from __future__ import annotations

from livestack.core.events import (
    FillsReconciled,
    OrderCancelled,
    OrderFill,
    OrderReport,
)
from livestack.core.obligations import CancelAllAtVenue, QueryFills
from livestack.venues.adapter import Credentials
from livestack.venues.binance_spot import BinanceSpot
from livestack.venues.binance_spot.reconcile import ROTATE_NS, FillFloor
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


def test_fills_are_asked_for_from_an_id_on() -> None:
    """QueryFills: every fill after it, our client ids on them, then FillsReconciled through the last one."""
    desk = Desk().connect()
    taken = desk.send(desk.new(desk.through_ask, desk.lot))
    known = {fill.fill_id: fill for fill in desk.of(OrderFill)}
    start = len(desk.events)
    desk.adapter.ask(
        QueryFills(scope="f", venue=VENUE, instrument=desk.instrument.instrument, after=0),
        desk.now_ns,
        desk.now_ns,
    )
    desk.settle()
    again = [event for event in desk.events[start:] if isinstance(event, OrderFill)]
    assert {fill.fill_id for fill in again} == set(known)
    assert {fill.client_id for fill in again} == {taken.client_id}
    assert desk.of(FillsReconciled)[-1].through == max(known)


def test_a_fresh_adapter_learns_whose_fills_they_are() -> None:
    """After a restart the trades name venue ids only: the orders are looked up, and the fills carry our ids."""
    desk = Desk().connect()
    taken = desk.send(desk.new(desk.through_ask, desk.lot))
    key = desk.venue.keys[0]
    desk.adapter = BinanceSpot().order_entry(
        VENUE, (desk.instrument,), Credentials(key.api_key, key.kind, key.secret)
    )
    desk.connect()
    start = len(desk.events)
    desk.adapter.ask(
        QueryFills(scope="f", venue=VENUE, instrument=desk.instrument.instrument, after=0),
        desk.now_ns,
        desk.now_ns,
    )
    desk.settle()
    fills = [event for event in desk.events[start:] if isinstance(event, OrderFill)]
    assert fills
    assert {(fill.client_id, fill.order_id) for fill in fills} == {(taken.client_id, 1)}


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


def test_the_floor_of_fills_follows_with_a_distance() -> None:
    """A fill of an hour ago is behind us, one of just now may still have predecessors on their way."""
    floor = FillFloor()
    floor.seen(5, 0)
    assert floor.through == -1
    floor.reconciled(10)
    for minute, fill_id in enumerate([11, 13, 12, 20]):
        floor.seen(fill_id, minute * ROTATE_NS + 1)
    assert 11 <= floor.through <= 13
    floor.reconciled(7)
    assert floor.through >= 11
