"""Order entry over REST while the WebSocket API is down, and the way back."""

from __future__ import annotations

import json

import pytest

from livestack.core.events import (
    OrderAccepted,
    OrderCancelled,
    OrderFill,
    OrderReplaced,
    VenueStatusChanged,
)
from livestack.core.types import ConnectionStatus
from livestack.venues.options import VenueOptions
from tests.venues.binance_spot.venue import Desk

LIVE, SYNCHRONISING = ConnectionStatus.LIVE, ConnectionStatus.SYNCHRONISING
DISCONNECTED = ConnectionStatus.DISCONNECTED


def over_rest(kind: str = "hmac", symbols: int = 1) -> Desk:
    """LIVE over REST: the connection is gone and does not come back."""
    desk = Desk(kind, symbols=symbols).connect()
    desk.cut()
    desk.wait(6)
    assert LIVE is desk.adapter.status
    return desk


def told(desk: Desk) -> list[tuple[ConnectionStatus, str]]:
    return [(event.status, event.reason) for event in desk.of(VenueStatusChanged)]


def paths(desk: Desk, since: int = 0) -> list[str]:
    return [f"{one.method} {one.path.removeprefix('/api/v3/')}" for one in desk.fetches[since:]]


def test_rest_takes_over_after_a_while() -> None:
    """Not at once; then the clock, orders, fills and balances are asked for, and it is LIVE with that reason."""
    desk = Desk().connect()
    desk.cut()
    desk.wait(4.5)
    assert [] == desk.fetches
    assert DISCONNECTED is desk.adapter.status
    desk.wait(1)
    assert ["GET time", "GET openOrders", "GET myTrades", "GET account"] == paths(desk)
    assert [(SYNCHRONISING, "over REST"), (LIVE, "over REST")] == told(desk)[-2:]


def test_it_stays_away_where_that_is_wished() -> None:
    """``rest_orders`` off: DISCONNECTED until there is a connection."""
    desk = Desk(options=VenueOptions(rest_orders=False)).connect()
    desk.cut()
    desk.wait(60)
    assert [] == desk.fetches
    assert DISCONNECTED is desk.adapter.status


@pytest.mark.parametrize("kind", ["hmac", "ed25519"])
def test_an_order_from_beginning_to_end(kind: str) -> None:
    """The same requests by other words: accepted, replaced, amended, cancelled, one Event each."""
    desk = over_rest(kind)
    before = len(desk.fetches)
    order = desk.send(desk.new(desk.far_bid, desk.lot))
    lower = desk.far_bid - desk.instrument.price_tick
    replace = desk.replace(order, lower, 3 * desk.lot)
    amend = desk.replace(order, lower, 2 * desk.lot, target=replace.client_id)
    desk.cancel(order, target=amend.client_id)
    assert [
        "POST order",
        "POST order/cancelReplace",
        "PUT order/amend/keepPriority",
        "DELETE order",
    ] == paths(desk, before)
    assert [order.client_id] == [event.client_id for event in desk.of(OrderAccepted)]
    assert [replace.client_id, amend.client_id] == [event.client_id for event in desk.of(OrderReplaced)]
    assert [amend.client_id] == [event.client_id for event in desk.of(OrderCancelled)]
    assert [] == desk.venue.open_orders
    assert {} == desk.adapter.faults


def test_the_way_back_goes_through_reconciliation() -> None:
    """A connection is greeted while REST is in use; then SYNCHRONISING and LIVE over it, and no request is lost."""
    desk = over_rest()
    order = desk.send(desk.new(desk.best, 2 * desk.lot))
    desk.hit(desk.best - 100 * desk.instrument.price_tick, desk.lot)
    before = len(desk.fetches)
    desk.connect()
    assert [(SYNCHRONISING, "the WebSocket API is back"), (LIVE, "reconciled")] == told(desk)[-2:]
    assert {order.client_id} == {fill.client_id for fill in desk.of(OrderFill)}
    desk.wait(10)
    assert before == len(desk.fetches)
    desk.cancel(order)
    assert ["order.cancel"] == [json.loads(desk.sent[-1])["method"]]
    assert 1 == len(desk.of(OrderCancelled))


def test_a_connection_that_never_gets_ready_does_not_disturb() -> None:
    """Open, and without an answer to anything: order entry goes on over REST."""
    desk = over_rest()
    desk.change = lambda frame: []
    desk.connect()
    desk.wait(15)
    assert LIVE is desk.adapter.status
    order = desk.send(desk.new(desk.far_bid, desk.lot))
    assert [order.client_id] == [event.client_id for event in desk.of(OrderAccepted)]
    desk.wait(10)
    assert {} == desk.links  # given up as half-open
    assert LIVE is desk.adapter.status


def test_a_connection_that_is_open_and_of_no_use_is_down_too() -> None:
    """Its handshake never ends: REST is used after a while, and the connection as soon as it answers."""
    desk = Desk()
    desk.change = lambda frame: []
    desk.connect()
    desk.wait(12)
    assert LIVE is desk.adapter.status
    assert desk.fetches
    desk.change = lambda frame: [frame]
    desk.wait(15)
    desk.connect() if not desk.links else None
    desk.wait(2)
    assert (LIVE, "reconciled") == told(desk)[-1]


def test_rest_that_is_down_as_well_is_tried_later_and_later() -> None:
    """Never LIVE, a few attempts a minute; LIVE as soon as it answers."""
    desk = Desk().connect()
    desk.reach = lambda fetch: False
    desk.cut()
    desk.wait(120)
    assert SYNCHRONISING is desk.adapter.status
    assert 3 <= len(desk.fetches) <= 12
    desk.reach = lambda fetch: True
    desk.wait(31)
    assert LIVE is desk.adapter.status


def test_a_way_back_that_fails_leads_back_to_rest_at_once() -> None:
    """The connection breaks during its reconciliation: it was down all the time, so nothing is waited for."""
    desk = over_rest()
    desk.change = lambda frame: [] if "subscriptionId" not in frame and "serverTime" not in frame else [frame]
    desk.connect()
    assert SYNCHRONISING is desk.adapter.status
    desk.change = lambda frame: [frame]
    desk.cut()
    desk.wait(0.5)
    assert LIVE is desk.adapter.status
