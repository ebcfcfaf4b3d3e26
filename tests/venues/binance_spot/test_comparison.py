"""The comparison with the venue: what it finds, what it leaves alone, and when it says nothing."""

from __future__ import annotations

import json

import pytest

from livestack.core.events import (
    BalanceReport,
    FillsReconciled,
    OrderAccepted,
    OrderFill,
    OrderReport,
)
from livestack.core.types import OrderStatus, RequestKind
from livestack.simulator.binance_spot.front import ACCOUNT
from tests.venues.binance_spot.desks import (
    LOOKS,
    PERIOD,
    cancel_by_hand,
    incidents,
    looks,
    no_events,
    place_by_hand,
    quiet,
    told,
)
from tests.venues.binance_spot.venue import Desk


def test_where_nothing_differs_nothing_is_told() -> None:
    """Orders rest, one is filled in part: every period three questions, and no Event but the floor's, once it moved."""
    desk = Desk().connect()
    desk.send(desk.new(desk.far_bid, desk.lot))
    taken = desk.send(desk.new(desk.through_ask, desk.lot))
    start = quiet(desk)
    desk.wait(PERIOD + 1)
    assert list(LOOKS) == looks(desk)
    assert [] == told(desk, start)
    desk.wait(2 * PERIOD)
    assert ["FillsReconciled"] == told(desk, start)
    moved = desk.of(FillsReconciled)[-1]
    last = max(fill.fill_id for fill in desk.of(OrderFill) if fill.client_id == taken.client_id)
    assert last == moved.through
    assert {} == desk.adapter.faults


def test_a_lost_fill_is_found() -> None:
    """The stream brought neither the fill nor the balances: they are told, with an incident, closed a pass later."""
    desk = Desk().connect()
    order = desk.send(desk.new(desk.best, 2 * desk.lot))
    desk.change = no_events
    desk.hit(order.price, desk.lot)
    desk.change = lambda frame: [frame]
    start = quiet(desk)
    desk.wait(PERIOD + 5)
    (fill,) = [event for event in desk.events[start:] if isinstance(event, OrderFill)]
    assert (order.client_id, desk.lot) == (fill.client_id, fill.qty)
    report = desk.of(OrderReport)[-1]
    assert (OrderStatus.PARTIALLY_FILLED, desk.lot) == (report.status, report.filled_qty)
    ((kind, name, detail),) = incidents(desk)
    assert ("IncidentOpened", "reconciliation_difference") == (kind, name)
    for what in (order.client_id, f"were not told: {fill.fill_id}", "balances of "):
        assert what in detail
    start = len(desk.events)
    desk.wait(PERIOD)
    assert ["IncidentClosed"] == [name for name in told(desk, start) if name != "FillsReconciled"]


def test_an_order_that_ended_unheard_is_found() -> None:
    """Cancelled by somebody else, and the stream lost it: the look-up's answer is told."""
    desk = Desk().connect()
    order = desk.send(desk.new(desk.far_bid, desk.lot))
    desk.change = no_events
    cancel_by_hand(desk, int(desk.of(OrderAccepted)[0].venue_order_id), "web_1")
    desk.change = lambda frame: [frame]
    desk.wait(PERIOD + 5)
    (report,) = desk.of(OrderReport)
    assert (order.order_id, OrderStatus.CANCELLED) == (report.order_id, report.status)
    assert "was open here and is not there" in incidents(desk)[0][2]


def test_an_order_that_nobody_told_of_is_found() -> None:
    """Placed by hand, and the stream lost it: reported as somebody else's."""
    desk = Desk().connect()
    desk.change = no_events
    place_by_hand(desk, "web_77")
    desk.change = lambda frame: [frame]
    desk.wait(PERIOD + 5)
    (report,) = desk.of(OrderReport)
    assert (0, "web_77", OrderStatus.ACCEPTED) == (report.order_id, report.client_id, report.status)
    assert "(web_77) is open there and was not known here" in incidents(desk)[0][2]


def test_balances_that_moved_unheard_are_found() -> None:
    """A deposit whose event was lost: the whole balances are told, and which asset it was."""
    desk = Desk().connect()
    start = quiet(desk)
    account = desk.venue.exchange.accounts[ACCOUNT]
    account.add(desk.instrument.base, 5 * 10**8)
    account.updated_ns = desk.now_ns + 1_000_000
    desk.wait(PERIOD + 5)
    (report,) = [event for event in desk.events[start:] if isinstance(event, BalanceReport)]
    assert report.complete
    assert f"balances of {desk.instrument.base} that nothing told of" == incidents(desk)[0][2]


def test_balances_are_compared_whatever_their_stamps_say() -> None:
    """The venue's clock was set back: answers look older than what was told, and are not."""
    desk = Desk().connect()
    told = desk.adapter._questions.reconciliation.balances_told
    told.update_ms += 3_600_000
    account = desk.venue.exchange.accounts[ACCOUNT]
    account.add(desk.instrument.base, 5 * 10**8)
    desk.wait(PERIOD + 5)
    assert "balances of" in incidents(desk)[0][2]


@pytest.mark.parametrize("what", ["new", "fill", "cancel"])
def test_a_race_is_no_difference(what: str) -> None:
    """The stream is late by two seconds, the answers are not: nothing but what the stream tells in the end."""
    desk = Desk().connect()
    order = desk.send(desk.new(desk.best, 2 * desk.lot))
    kept: list[str] = []
    asked: list[int] = []

    def change(frame: str) -> list[str]:
        if '"event"' in frame or json.loads(frame).get("id") in asked:
            kept.append(frame)
            return []
        return [frame]

    desk.wait(PERIOD - 0.5)
    desk.change = change
    start = quiet(desk)
    if what == "fill":
        desk.hit(order.price, 10_000 * desk.lot)  # whatever bids more by now, and then ours
    else:
        request = (
            desk.new(desk.far_bid, desk.lot)
            if what == "new"
            else desk.request(RequestKind.CANCEL, order.order_id, target_client_id=order.client_id)
        )
        outbound = desk.adapter.encode(request, desk.now_ns, desk.now_ns)
        asked.append(json.loads(outbound.payload)["id"])
        desk.carry(outbound.payload)
        desk.adapter.sent(request, desk.now_ns)
        desk.settle()
    desk.wait(2)
    desk.change = lambda frame: [frame]
    for frame in kept:
        desk.adapter.receive(frame.encode(), desk.now_ns)
    desk.settle()
    desk.wait(PERIOD)
    assert [] == incidents(desk)
    assert [] == [event for event in desk.events[start:] if isinstance(event, OrderReport)]
    expected = {"new": "OrderAccepted", "fill": "OrderFill", "cancel": "OrderCancelled"}[what]
    assert 1 == desk.names(start).count(expected)
