"""Every type of order, time in force and self-trade prevention, placed through the adapter and followed to its end.

What the adapter said is played to a Core-like account of each order and compared with what the venue knows.
"""

from __future__ import annotations

import pytest

from livestack.core.events import (
    OrderAccepted,
    OrderCancelled,
    OrderExpired,
    OrderFill,
    OrderRejected,
    OrderReplaced,
    OrderReport,
)
from livestack.core.types import (
    OrderRequest,
    OrderStatus,
    OrderType,
    SelfTradePrevention,
    Side,
    TimeInForce,
)
from livestack.simulator.binance_spot.exchange import NewOrder
from livestack.simulator.binance_spot.front import ACCOUNT
from livestack.simulator.orders import BUY, SELL, Order
from livestack.simulator.orders import OrderType as VenueOrderType
from tests.venues.binance_spot.desks import cancel_by_hand, incidents, place_by_hand
from tests.venues.binance_spot.venue import Desk

GTC, IOC, FOK = TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK
LIMIT, MARKET = OrderType.LIMIT, OrderType.MARKET
STOPS = (
    OrderType.STOP_LOSS,
    OrderType.STOP_LOSS_LIMIT,
    OrderType.TAKE_PROFIT,
    OrderType.TAKE_PROFIT_LIMIT,
)
ENDS = (OrderCancelled, OrderExpired, OrderRejected)


def at_venue(desk: Desk) -> Order:
    """Our newest order as the venue has it."""
    ours = [one for one in desk.venue.exchange.orders.values() if one.account == ACCOUNT]
    return max(ours, key=lambda one: one.order_id)


def agree(desk: Desk, request: OrderRequest, order: Order) -> None:
    """Accepted once, every fill told and once, the quantity what is left of it, ended once if it did."""
    (accepted,) = desk.of(OrderAccepted)
    assert (request.order_id, str(order.order_id)) == (accepted.order_id, accepted.venue_order_id)
    fills = {fill.fill_id: fill.qty for fill in desk.of(OrderFill)}
    assert order.executed == sum(fills.values())
    qty = ([request.qty] + [event.qty for event in desk.of(OrderReplaced)])[-1]
    ends = [event for event in desk.events if isinstance(event, ENDS)]
    if order.status == "FILLED":
        assert order.executed == qty or request.quote_qty
        assert [] == ends
    elif order.open:
        assert order.qty - order.prevented == qty
        assert [] == ends
    else:
        (end,) = ends
        assert isinstance(end, OrderExpired if order.status.startswith("EXPIRED") else OrderCancelled)
        assert order.executed == end.filled_qty
    assert {} == desk.adapter.faults
    desk.wait(70)
    assert [] == incidents(desk)


def price_of(desk: Desk, crosses: bool) -> int:
    return desk.through_ask if crosses else desk.far_bid


@pytest.mark.parametrize("reports_first", [True, False])
@pytest.mark.parametrize("crosses", [True, False])
@pytest.mark.parametrize("tif", [GTC, IOC, FOK])
def test_limit_orders(tif: TimeInForce, crosses: bool, reports_first: bool) -> None:
    """Filled where they cross; otherwise they rest, or expire at once."""
    desk = Desk(reports_first=reports_first).connect()
    request = desk.send(desk.new(price_of(desk, crosses), desk.lot, type=LIMIT, tif=tif))
    order = at_venue(desk)
    assert ("FILLED" if crosses else "NEW" if tif is GTC else "EXPIRED") == order.status
    agree(desk, request, order)


def test_a_post_only_order_rests_or_is_refused() -> None:
    """LIMIT_MAKER: refused where it would take."""
    desk = Desk().connect()
    request = desk.send(desk.new(desk.far_bid, desk.lot, post_only=True))
    assert VenueOrderType.LIMIT_MAKER is at_venue(desk).type
    agree(desk, request, at_venue(desk))
    desk.send(desk.new(desk.through_ask, desk.lot, post_only=True))
    (refused,) = desk.of(OrderRejected)
    assert ("-2010", "Order would immediately match and take.") == (refused.code, refused.reason)


@pytest.mark.parametrize("side", [Side.BUY, Side.SELL])
def test_market_orders(side: Side) -> None:
    """By quantity, on both sides."""
    desk = Desk().connect()
    request = desk.send(desk.new(0, desk.lot, side, type=MARKET))
    assert "FILLED" == at_venue(desk).status
    agree(desk, request, at_venue(desk))


@pytest.mark.parametrize("reports_first", [True, False])
def test_a_market_order_by_its_quote(reports_first: bool) -> None:
    """``quoteOrderQty``: the venue says in the end how much that was."""
    desk = Desk(reports_first=reports_first).connect()
    worth = desk.through_ask * desk.lot
    decimals = desk.instrument.price_decimals + desk.instrument.qty_decimals
    worth -= worth % 10 ** (decimals - 8)
    request = desk.send(desk.new(0, 0, type=MARKET, quote_qty=worth))
    order = at_venue(desk)
    assert order.status in ("FILLED", "EXPIRED")
    assert 0 < order.executed
    assert request.quote_qty
    assert order.executed == sum({one.fill_id: one.qty for one in desk.of(OrderFill)}.values())
    if order.status == "FILLED":
        (report,) = desk.of(OrderReport)  # nothing else says to the Core that this is all
        assert (OrderStatus.FILLED, order.executed, request.order_id) == (
            report.status,
            report.filled_qty,
            report.order_id,
        )
    agree_on_end = [event for event in desk.events if isinstance(event, ENDS)]
    assert (order.status == "EXPIRED") is bool(agree_on_end)


def test_a_market_order_that_ends_expired_with_fills() -> None:
    """More than the book holds: the fills are there, and it ends as expired with them."""
    desk = Desk().connect()
    exchange = desk.venue.exchange
    exchange.accounts[ACCOUNT].balance(desk.instrument.quote).free = 10**30
    desk.venue.exchange.listing(desk.instrument.symbol).symbol.filters.pop("MARKET_LOT_SIZE", None)
    request = desk.send(desk.new(0, 10**6 * desk.lot, type=MARKET))
    order = at_venue(desk)
    if order.status == "NEW" or order.account != ACCOUNT:
        pytest.fail("the venue did not take it")
    assert ("EXPIRED", True) == (order.status, 0 < order.executed < request.qty)
    agree(desk, request, order)


@pytest.mark.parametrize("fires", [True, False])
@pytest.mark.parametrize("tif", [GTC, IOC, FOK])
@pytest.mark.parametrize("kind", STOPS)
def test_stop_orders(kind: OrderType, tif: TimeInForce, fires: bool) -> None:
    """They wait, and then are filled, rest or expire; or are cancelled while they wait."""
    is_limit = kind in (OrderType.STOP_LOSS_LIMIT, OrderType.TAKE_PROFIT_LIMIT)
    if not is_limit and tif is not GTC:
        tif = GTC  # fires a market order, which has none
    desk = Desk().connect()
    is_loss = kind in (OrderType.STOP_LOSS, OrderType.STOP_LOSS_LIMIT)
    last = desk.venue.exchange.listing(desk.instrument.symbol).engine.last_price or desk.best
    stop = desk._grid(last * 102 // 100) if is_loss else desk._grid(last * 98 // 100)
    price = desk._grid(last * 104 // 100) if is_limit else 0
    request = desk.send(desk.new(price, desk.lot, type=kind, tif=tif, stop_price=stop))
    order = at_venue(desk)
    assert ("NEW", kind.name) == (order.status, order.type)
    if fires:
        engine = desk.venue.exchange.listing(desk.instrument.symbol).engine
        engine.last_price = stop
        engine._trigger_stops()
        desk.venue.advance(desk.now_ns)
        desk.settle()
        assert "FILLED" == order.status
    else:
        desk.cancel(request)
        assert "CANCELED" == order.status
    agree(desk, request, order)


@pytest.mark.parametrize("tif", [GTC, IOC, FOK])
@pytest.mark.parametrize("stp", SelfTradePrevention)
def test_self_trade_prevention_of_ours(stp: SelfTradePrevention, tif: TimeInForce) -> None:
    """We would meet our own order, and somebody else's behind it: each mode ends the one, the other, or both."""
    desk = Desk().connect()
    maker = desk.send(desk.new(desk.best, desk.lot))
    first = at_venue(desk)
    taker = desk.send(desk.new(maker.price, desk.lot, Side.SELL, tif=tif, stp=stp))
    second = at_venue(desk)
    assert first is not second
    told = {event.order_id for event in desk.events if isinstance(event, OrderExpired)}
    expected = {
        number
        for number, order in ((maker.order_id, first), (taker.order_id, second))
        if order.status.startswith("EXPIRED")
    }
    assert expected == told
    if tif is not FOK:
        assert {
            SelfTradePrevention.NONE: set(),
            SelfTradePrevention.EXPIRE_MAKER: {1},
            SelfTradePrevention.EXPIRE_TAKER: {2},
            SelfTradePrevention.EXPIRE_BOTH: {1, 2},
        }[stp] <= expected
    fills = {(one.order_id, one.fill_id): one.qty for one in desk.of(OrderFill)}
    for number, order in ((maker.order_id, first), (taker.order_id, second)):
        assert order.executed == sum(qty for (owner, _), qty in fills.items() if owner == number)
    assert {} == desk.adapter.faults
    desk.wait(70)
    assert [] == incidents(desk)


@pytest.mark.parametrize("then", ["filled", "cancelled", "replaced", "amended", "decremented"])
def test_an_order_that_shrinks_without_a_fill(then: str) -> None:
    """DECREMENT of another program on the account: our order is smaller, the Core is told, and it ends as such."""
    desk = Desk().connect()
    request = desk.send(desk.new(desk.best, 5 * desk.lot))
    order = at_venue(desk)
    shrink(desk, 2 * desk.lot)
    (shrunk,) = desk.of(OrderReplaced)
    assert (request.client_id, 1, 3 * desk.lot) == (shrunk.client_id, shrunk.order_id, shrunk.qty)
    if then == "filled":
        desk.hit(order.price, 3 * desk.lot)
        assert "FILLED" == order.status
        agree(desk, request, order)
    elif then == "cancelled":
        desk.cancel(request)
        agree(desk, request, order)
    elif then == "decremented":
        shrink(desk, 3 * desk.lot)
        assert "EXPIRED_IN_MATCH" == order.status
        agree(desk, request, order)
    elif then == "amended":
        desk.replace(request, desk.best - 100 * desk.instrument.price_tick, 2 * desk.lot)
        assert 2 * desk.lot == order.qty - order.prevented
        assert 2 * desk.lot == desk.of(OrderReplaced)[-1].qty
    else:
        changed = desk.replace(request, desk.far_bid, 4 * desk.lot)
        new = at_venue(desk)
        assert (4 * desk.lot, changed.client_id) == (new.qty, new.client_id)
        assert 4 * desk.lot == desk.of(OrderReplaced)[-1].qty
    assert {} == desk.adapter.faults


def shrink(desk: Desk, qty: int) -> None:
    """Another program of the account sells into our bid with DECREMENT."""
    desk.venue.advance(desk.now_ns)
    best = max(one.price for one in desk.venue.open_orders if one.side == BUY)
    name = f"other-program-{len(desk.venue.exchange.orders)}"
    new = NewOrder(
        desk.instrument.symbol, SELL, VenueOrderType.LIMIT, "IOC", best, qty, 0, 0, "DECREMENT", name
    )
    desk.change = lambda frame: [] if name in frame else [frame]
    desk.venue.exchange.place(ACCOUNT, new)
    desk.venue.advance(desk.now_ns)
    desk.settle()
    desk.change = lambda frame: [frame]


def test_a_shrunk_order_that_only_its_last_fill_tells_of() -> None:
    """The stream lost the prevention: FILLED with less than its quantity says how much that was."""
    desk = Desk().connect()
    request = desk.send(desk.new(desk.best, 5 * desk.lot))
    desk.change = lambda frame: []
    order = at_venue(desk)
    order.prevented = 0
    shrink_silently(desk, 2 * desk.lot)
    desk.change = lambda frame: [frame]
    desk.hit(order.price, 3 * desk.lot)
    assert "FILLED" == order.status
    fills = sum({one.fill_id: one.qty for one in desk.of(OrderFill)}.values())
    assert (3 * desk.lot, 3 * desk.lot) == (fills, desk.of(OrderReplaced)[-1].qty)
    assert request.client_id == desk.of(OrderReplaced)[-1].client_id


def shrink_silently(desk: Desk, qty: int) -> None:
    best = max(one.price for one in desk.venue.open_orders if one.side == BUY)
    new = NewOrder(
        desk.instrument.symbol, SELL, VenueOrderType.LIMIT, "IOC", best, qty, 0, 0, "DECREMENT", "other"
    )
    desk.venue.exchange.place(ACCOUNT, new)
    desk.venue.advance(desk.now_ns)
    desk.settle()


@pytest.mark.parametrize("end", ["cancelled", "filled"])
def test_somebody_else_s_order_is_followed_under_no_id_of_ours(end: str) -> None:
    """Placed by hand while we listen: reported with its terms, and where it stands, until it is over."""
    desk = Desk().connect()
    price = desk.best
    number = place_by_hand(desk, "web_1", price)
    (accepted,) = desk.of(OrderAccepted)
    assert (0, "web_1") == (accepted.order_id, accepted.client_id)
    (report,) = desk.of(OrderReport)
    expected = (0, "web_1", OrderStatus.ACCEPTED, price, desk.lot, 0)
    assert expected == (
        report.order_id,
        report.client_id,
        report.status,
        report.price,
        report.qty,
        report.filled_qty,
    )
    if end == "filled":
        desk.hit(price, desk.lot)
        assert OrderStatus.FILLED is desk.of(OrderReport)[-1].status
    else:
        exchange = desk.venue.exchange
        exchange.amend(exchange.orders[number], desk.instrument.qty_step * 100, "web_2")
        cancel_by_hand(desk, number, "web_3")
        assert {"web_1"} == {one.client_id for one in (*desk.of(OrderReport), *desk.of(OrderCancelled))}
    assert {} == desk.adapter.faults
