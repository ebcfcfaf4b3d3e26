"""Events of one order, and its totals through replacements."""

from __future__ import annotations

import json
from typing import Any

from livestack.core.events import Event, OrderAccepted, OrderCancelled, OrderReplaced, OrderReport
from livestack.core.types import OrderStatus, RequestKind, format_decimal
from livestack.venues.adapter import InheritedOrder
from livestack.venues.binance_spot.order_events import OrderEvents
from livestack.venues.binance_spot.orders import KnownOrders, OrderInstrument
from livestack.venues.binance_spot.private_messages import OrderResult
from tests.venues.binance_spot.venue import EPOCH, Desk


def order_result(**terms: Any) -> OrderResult:
    """A resting limit order but for ``terms``."""
    usual = {"price": "0", "qty": "0", "filled_qty": "0", "side": "BUY", "type": "LIMIT", "tif": "GTC"}
    return OrderResult(**{**usual, **terms})


def test_totals_survive_a_replace_of_a_partly_filled_order() -> None:
    """New total = what was filled before + what is open after; later events count the carried part too."""
    desk = Desk().connect()
    order = desk.send(desk.new(desk.far_bid, 4 * desk.lot))
    venue_id = int(desk.of(OrderAccepted)[0].venue_order_id)
    report = _report(
        desk, order.client_id, venue_id, x="TRADE", X="PARTIALLY_FILLED", lot=desk.lot, z=desk.lot, t=900
    )
    desk.adapter.receive(report, desk.now_ns)
    lost = desk.lot
    text = desk.adapter.encode(
        desk.request(
            RequestKind.REPLACE,
            1,
            target_client_id=order.client_id,
            price=desk.far_bid - desk.instrument.price_tick,
            qty=6 * desk.lot,
            filled_qty=lost,
        ),
        desk.now_ns,
        desk.now_ns,
    ).payload
    parameters = json.loads(text)["params"]
    assert parameters["quantity"] == _text(5 * desk.lot)
    number = json.loads(text)["id"]
    new = {
        "symbol": desk.instrument.symbol,
        "orderId": venue_id + 1,
        "clientOrderId": f"{EPOCH}-1-2",
        "transactTime": 5,
        "price": parameters["price"],
        "origQty": _text(5 * desk.lot),
        "executedQty": "0.00000000",
        "status": "NEW",
    }
    old = {
        "symbol": desk.instrument.symbol,
        "orderId": venue_id,
        "executedQty": _text(2 * desk.lot),
        "status": "CANCELED",
    }
    result = {
        "cancelResult": "SUCCESS",
        "newOrderResult": "SUCCESS",
        "cancelResponse": old,
        "newOrderResponse": new,
    }
    desk.adapter.receive(json.dumps({"id": number, "status": 200, "result": result}).encode(), desk.now_ns)
    desk.settle()
    (replaced,) = desk.of(OrderReplaced)
    assert replaced.qty == 7 * desk.lot  # two were filled when it was replaced, one more than was known
    gone = _report(
        desk, f"{EPOCH}-1-3", venue_id + 1, x="CANCELED", X="CANCELED", C=f"{EPOCH}-1-2", z=desk.lot
    )
    desk.adapter.receive(gone, desk.now_ns)
    desk.settle()
    (cancelled,) = desk.of(OrderCancelled)
    assert cancelled.filled_qty == 3 * desk.lot


def _text(qty: int) -> str:
    return f"{qty // 10**8}.{qty % 10**8:08d}"


def _report(desk: Desk, client_id: str, venue_id: int, *, lot: int = 0, z: int = 0, **more: object) -> bytes:
    """An executionReport in the shape of the documentation's example."""
    report = {
        "e": "executionReport", "E": 1, "s": desk.instrument.symbol, "c": client_id, "S": "BUY", "o": "LIMIT",
        "f": "GTC", "q": _text(4 * desk.lot), "p": _text(desk.far_bid), "P": "0.0",
        "F": "0.0", "g": -1, "C": "",
        "x": "NEW", "X": "NEW", "r": "NONE", "i": venue_id, "l": _text(lot), "z": _text(z), "L": _text(desk.far_bid),
        "n": "0", "N": None, "T": 1, "t": -1, "I": 1, "w": True, "m": False, "M": False, "O": 1, "Z": "0.0", "Y": "0.0",
        "Q": "0.0", "V": "NONE", **more,
    }  # fmt: skip
    return json.dumps({"subscriptionId": 0, "event": report}).encode()


def test_an_order_from_before_is_told_in_total() -> None:
    """A resumed session knows its total: what the venue's present incarnation lacks had been filled before."""
    orders, instrument = KnownOrders(), OrderInstrument(Desk().instrument)
    told: list[Event] = []
    made = OrderEvents("binance_spot", orders, told)
    before = InheritedOrder(
        instrument=instrument.name,
        order_id=1,
        client_id=f"{EPOCH}-1-2",
        venue_order_id="77",
        qty=1_000,
        replace_id=f"{EPOCH}-1-3",
        replace_qty=900,
    )
    orders.inherit(instrument, before)
    order = orders.of_client_id(instrument, f"{EPOCH}-1-2")
    qty = Desk().instrument.qty_decimals
    found = order_result(
        symbol="BTCUSDT",
        venue_order_id=77,
        client_id=f"{EPOCH}-1-2",
        qty=format_decimal(600, qty),
        filled_qty=format_decimal(100, qty),
        status="PARTIALLY_FILLED",
    )
    made.report(order, found, 0)
    made.report(order, found, 0)
    assert [(1_000, 500)] * 2 == [(one.qty, one.filled_qty) for one in told]
    made.replaced(order, f"{EPOCH}-1-3", 78, (1, 400), 0, 0)
    assert 900 == told[-1].qty  # 500 filled, so far as anybody knows


def test_an_order_that_self_trade_prevention_ended_is_not_told_to_have_shrunk() -> None:
    """Found ended with a part filled: a smaller total before that would make the part look like all of it."""
    orders, instrument = KnownOrders(), OrderInstrument(Desk().instrument)
    told: list[Event] = []
    made = OrderEvents("binance_spot", orders, told)
    client_id, decimals = f"{EPOCH}-1-1", Desk().instrument.qty_decimals
    orders.inherit(
        instrument,
        InheritedOrder(
            instrument=instrument.name, order_id=1, client_id=client_id, venue_order_id="77", qty=1_000
        ),
    )
    order = orders.of_client_id(instrument, client_id)
    terms = {
        "symbol": "BTCUSDT",
        "venue_order_id": 77,
        "client_id": client_id,
        "qty": format_decimal(1_000, decimals),
    }
    made.report(order, order_result(**terms, status="NEW"), 0)
    ended = order_result(
        **terms,
        filled_qty=format_decimal(390, decimals),
        prevented_qty=format_decimal(610, decimals),
        status="EXPIRED_IN_MATCH",
    )
    made.report(order, ended, 0)
    assert [OrderReport, OrderReport] == [type(one) for one in told]
    assert (OrderStatus.CANCELLED, 390) == (told[-1].status, told[-1].filled_qty)
    assert order.closed


def test_what_is_filled_cannot_have_been_replaced() -> None:
    """A Replace of unknown fate does not keep an order open for ever that is found filled."""
    orders, instrument = KnownOrders(), OrderInstrument(Desk().instrument)
    made = OrderEvents("binance_spot", orders, [])
    client_id, decimals = f"{EPOCH}-1-1", Desk().instrument.qty_decimals
    orders.inherit(
        instrument,
        InheritedOrder(
            instrument=instrument.name,
            order_id=1,
            client_id=client_id,
            venue_order_id="77",
            qty=1_000,
            replace_id=f"{EPOCH}-1-2",
            replace_qty=900,
        ),
    )
    order = orders.of_client_id(instrument, client_id)
    whole = format_decimal(1_000, decimals)
    found = order_result(
        symbol="BTCUSDT", venue_order_id=77, client_id=client_id, qty=whole, filled_qty=whole, status="FILLED"
    )
    made.report(order, found, 0)
    assert ("", True) == (order.replacing, order.closed)


def test_an_amendment_of_what_self_trade_prevention_ended_is_told_whole() -> None:
    """Made smaller by a Replace without an answer, then taken away by prevention: replaced by its quantity, not by
    nothing, and over."""
    orders, instrument = KnownOrders(), OrderInstrument(Desk().instrument)
    told: list[Event] = []
    made = OrderEvents("binance_spot", orders, told)
    client_id, replace_id, decimals = f"{EPOCH}-1-1", f"{EPOCH}-1-2", Desk().instrument.qty_decimals
    orders.inherit(
        instrument,
        InheritedOrder(
            instrument=instrument.name,
            order_id=1,
            client_id=client_id,
            venue_order_id="77",
            qty=1_000,
            replace_id=replace_id,
            replace_qty=400,
        ),
    )
    order = orders.of_client_id(instrument, client_id)
    smaller = format_decimal(400, decimals)
    found = order_result(
        symbol="BTCUSDT",
        venue_order_id=77,
        client_id=replace_id,
        qty=smaller,
        prevented_qty=smaller,
        status="EXPIRED_IN_MATCH",
    )
    made.report(order, found, 0)  # by whoever looks first
    made.found(order, found, 0)
    replaced, ended = told[1:]
    assert isinstance(replaced, OrderReplaced)
    assert isinstance(ended, OrderReport)
    assert (replace_id, 400) == (replaced.client_id, replaced.qty)
    assert (replace_id, OrderStatus.CANCELLED, 0) == (ended.client_id, ended.status, ended.filled_qty)
