"""Every row of the outcome table of cancelReplace (venues.md 1.4), and of amending; with fills that race them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from livestack.core.events import (
    DispatchFailed,
    OrderCancelled,
    OrderFill,
    OrderReplaced,
    OrderReport,
    ReplaceRejected,
    VenueBackoff,
)
from livestack.core.obligations import QueryOrder
from livestack.core.types import OrderRequest, RequestKind
from tests.venues.binance_spot.desks import Change, incidents, methods, no_events
from tests.venues.binance_spot.venue import VENUE, Desk

LIMITED = {"code": -1015, "msg": "Too many new orders; current limit is 50 orders per TEN_SECONDS."}
UNKNOWN = {"code": -2011, "msg": "Unknown order sent."}
FUNDS = {"code": -2010, "msg": "Account has insufficient balance for requested action."}


@pytest.fixture(params=[False, True], ids=["response first", "report first"])
def desk(request: pytest.FixtureRequest) -> Desk:
    """LIVE, with the execution report before or behind the response."""
    return Desk(reports_first=request.param).connect()


def replacing(desk: Desk, edit: Any) -> Change:
    """A ``change``: the reply to a cancelReplace becomes ``edit(document)``."""

    def change(frame: str) -> list[str]:
        document = json.loads(frame)
        asked = {
            json.loads(text)["id"]
            for text in desk.sent
            if json.loads(text)["method"] == "order.cancelReplace"
        }
        return [json.dumps(edit(document))] if document.get("id") in asked else [frame]

    return change


def partly(status: int, cancel: str, new: str, cancelled: Any, placed: Any, code: int = -2021) -> Any:
    """The error that the venue gives for such an outcome."""

    def edit(document: dict[str, Any]) -> dict[str, Any]:
        response = document.get("result", {}).get("cancelResponse") if cancelled == "same" else cancelled
        data = {
            "cancelResult": cancel,
            "newOrderResult": new,
            "cancelResponse": response,
            "newOrderResponse": placed,
        }
        error = {"code": code, "msg": "Order cancel-replace partially failed.", "data": data}
        return {"id": document["id"], "status": status, "error": error}

    return edit


def outcome(desk: Desk, since: int) -> list[str]:
    kinds = (OrderReplaced, OrderCancelled, ReplaceRejected, OrderReport, DispatchFailed, OrderFill)
    return [type(event).__name__ for event in desk.events[since:] if isinstance(event, kinds)]


def test_success_success(desk: Desk) -> None:
    """200: replaced, once, under the request's id."""
    order = desk.send(desk.new(desk.far_bid, desk.lot))
    start = len(desk.events)
    changed = desk.replace(order, desk.far_bid, 2 * desk.lot)
    assert ["OrderReplaced"] == outcome(desk, start)
    assert changed.client_id == desk.of(OrderReplaced)[0].client_id


def test_failure_not_attempted(desk: Desk) -> None:
    """-2022 with the cancel's own error: refused, and the order looked up."""
    order = desk.send(desk.new(desk.through_ask, desk.lot))
    start = len(desk.events)
    desk.replace(order, desk.far_bid, 2 * desk.lot)
    assert "ReplaceRejected" in outcome(desk, start)
    assert [] == desk.of(OrderReplaced)


@pytest.mark.parametrize(
    ("status", "new", "placed", "why"),
    [
        (409, "FAILURE", FUNDS, FUNDS["msg"]),
        (429, "FAILURE", LIMITED, LIMITED["msg"]),  # CANCEL_ONLY, as the table of STOP_ON_FAILURE has it
        (409, "FAILURE", LIMITED, LIMITED["msg"]),  # CANCEL_ONLY, as the text of the WebSocket API has it
        (409, "NOT_ATTEMPTED", None, "not attempted"),
    ],
)
def test_success_failure(status: int, new: str, placed: Any, why: str) -> None:
    """The old order is gone and no new one there: cancelled, with what it had filled and why there is no new one."""
    desk = Desk().connect()
    order = desk.send(desk.new(desk.best, 2 * desk.lot))
    desk.hit(order.price, desk.lot)
    start = len(desk.events)

    def change(frame: str) -> list[str]:
        return replacing(desk, partly(status, "SUCCESS", new, "same", placed))(frame)

    desk.change = lambda frame: [] if '"event"' in frame else change(frame)
    desk.replace(order, desk.far_bid, 3 * desk.lot, filled=desk.lot)
    (cancelled,) = [event for event in desk.events[start:] if isinstance(event, OrderCancelled)]
    assert desk.lot == cancelled.filled_qty
    assert str(why) in cancelled.reason
    assert [] == desk.of(OrderReplaced)
    assert (1 if status == 429 else 0) == len(desk.of(VenueBackoff))


def test_failure_failure(desk: Desk) -> None:
    """ALLOW_FAILURE, which we do not ask for: refused, the order is as it was."""
    order = desk.send(desk.new(desk.far_bid, desk.lot))
    desk.change = lambda frame: (
        []
        if '"event"' in frame
        else replacing(desk, partly(400, "FAILURE", "FAILURE", UNKNOWN, FUNDS, -2022))(frame)
    )
    start = len(desk.events)
    desk.replace(order, desk.far_bid, 2 * desk.lot)
    (refused,) = [event for event in desk.events[start:] if isinstance(event, ReplaceRejected)]
    assert ("-2011", "Unknown order sent.") == (refused.code, refused.reason)


def test_failure_success(desk: Desk) -> None:
    """ALLOW_FAILURE, which we do not ask for: two orders of one. Nothing is said before it is looked up, and then what
    is there."""
    order = desk.send(desk.new(desk.far_bid, desk.lot))
    result: dict[str, Any] = {}

    def edit(document: dict[str, Any]) -> dict[str, Any]:
        result.update(document["result"]["newOrderResponse"])
        edited: dict[str, Any] = partly(409, "FAILURE", "SUCCESS", UNKNOWN, dict(result))(document)
        return edited

    desk.change = lambda frame: [] if '"event"' in frame else replacing(desk, edit)(frame)
    start = len(desk.events)
    changed = desk.replace(order, desk.far_bid, 2 * desk.lot)
    assert [] == [name for name in outcome(desk, start) if name != "OrderReport"]
    desk.change = lambda frame: [frame]
    ask(desk, changed)
    assert changed.client_id == desk.of(OrderReplaced)[-1].client_id


def ask(desk: Desk, request: OrderRequest) -> None:
    """The Core asks about a request of unknown outcome."""
    question = QueryOrder(
        scope=request.client_id,
        venue=VENUE,
        instrument=request.instrument,
        order_id=request.order_id,
        client_id=request.client_id,
        kind=request.kind,
    )
    desk.adapter.ask(question, desk.now_ns, desk.now_ns)
    desk.wait(25)


def test_too_many_orders_and_nothing_done(desk: Desk) -> None:
    """DO_NOTHING, the default: a plain 429 -1015; refused, the venue is left in peace, the order is as it was."""
    order = desk.send(desk.new(desk.far_bid, desk.lot))
    error = {**LIMITED, "data": {"serverTime": 1_000, "retryAfter": 6_000}}
    desk.change = lambda frame: (
        []
        if '"event"' in frame
        else replacing(desk, lambda document: {"id": document["id"], "status": 429, "error": error})(frame)
    )
    start = len(desk.events)
    desk.replace(order, desk.far_bid, 2 * desk.lot)
    (refused,) = [event for event in desk.events[start:] if isinstance(event, ReplaceRejected)]
    assert "-1015" == refused.code
    assert [5_000_000_000] == [event.retry_after_ns for event in desk.of(VenueBackoff)]


@pytest.mark.parametrize("executed", [True, False])
@pytest.mark.parametrize("code", [-1006, -1007, -1000])
def test_an_unknown_outcome_is_found_out(executed: bool, code: int) -> None:
    """Executed or not, the answer says that it is not known: nothing is told until it is, and then the truth."""
    desk = Desk().connect()
    order = desk.send(desk.new(desk.far_bid, desk.lot))
    request = desk.request(
        RequestKind.REPLACE,
        1,
        target_client_id=order.client_id,
        side=order.side,
        type=order.type,
        tif=order.tif,
        price=desk.far_bid,
        qty=2 * desk.lot,
    )
    text = desk.adapter.encode(request, desk.now_ns, desk.now_ns).payload
    desk.adapter.sent(request, desk.now_ns)
    number = json.loads(text)["id"]
    start = len(desk.events)
    desk.change = lambda frame: [] if '"event"' in frame or json.loads(frame).get("id") == number else [frame]
    if executed:
        desk.carry(text)
    failure = {"id": number, "status": 500, "error": {"code": code, "msg": "?"}}
    desk.settle()
    desk.adapter.receive(json.dumps(failure).encode(), desk.now_ns)
    desk.settle()
    assert [] == outcome(desk, start)
    desk.change = no_events
    ask(desk, request)
    ended = outcome(desk, start)
    assert ("OrderReplaced" if executed else "DispatchFailed") in ended
    assert ("DispatchFailed" if executed else "OrderReplaced") not in ended


@pytest.mark.parametrize("filled", [1, 2])
def test_fills_that_race_the_cancel_half(filled: int) -> None:
    """Filled in part: replaced with the true total; filled before it: refused, and it is filled."""
    desk = Desk().connect()
    order = desk.send(desk.new(desk.best, 2 * desk.lot))
    late: list[str] = []
    desk.change = lambda frame: late.append(frame) or [] if '"event"' in frame else [frame]
    desk.hit(order.price, filled * desk.lot)
    start = len(desk.events)
    desk.replace(order, desk.far_bid, 3 * desk.lot)
    desk.change = lambda frame: [frame]
    for frame in late:
        desk.adapter.receive(frame.encode(), desk.now_ns)
    desk.settle()
    told = outcome(desk, start)
    fills = {one.fill_id: one.qty for one in desk.of(OrderFill)}
    assert filled * desk.lot == sum(fills.values())
    if filled == 1:
        (replaced,) = desk.of(OrderReplaced)
        assert 4 * desk.lot == replaced.qty  # three were asked for, one more had been filled
    else:
        assert "ReplaceRejected" in told
        assert [] == desk.of(OrderReplaced)
    desk.wait(70)
    assert [] == incidents(desk)


# -- Amending --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("filled", [0, 1])
def test_an_amendment_keeps_place_and_venue_id(filled: int) -> None:
    """``qty`` and ``cumulativeQuoteQty`` are spelt so in this response alone: read, also of one partly filled."""
    desk = Desk().connect()
    order = desk.send(desk.new(desk.best, 4 * desk.lot))
    price = order.price
    desk.hit(price, filled * desk.lot)
    desk.heard.clear()
    desk.change = no_events
    desk.sent.clear()
    changed = desk.replace(order, price, 2 * desk.lot, filled=filled * desk.lot)
    assert ["order.amend.keepPriority"] == methods(desk)
    result = next(json.loads(text)["result"] for text in desk.heard if "amendedOrder" in text)["amendedOrder"]
    assert {"qty", "cumulativeQuoteQty"} <= result.keys()
    assert not {"origQty", "cummulativeQuoteQty"} & result.keys()
    (replaced,) = desk.of(OrderReplaced)
    assert (changed.client_id, 2 * desk.lot, str(result["orderId"])) == (
        replaced.client_id,
        replaced.qty,
        replaced.venue_order_id,
    )
    desk.change = lambda frame: [frame]
    desk.hit(price, (2 - filled) * desk.lot)
    assert {changed.client_id} == {one.client_id for one in desk.of(OrderFill)[filled:]}


def test_the_eleventh_amendment_is_a_replacement() -> None:
    """The venue takes ten."""
    desk = Desk().connect()
    order = desk.send(desk.new(desk.far_bid, 20 * desk.lot))
    target = order.client_id
    desk.sent.clear()
    for number in range(1, 12):
        target = desk.replace(order, desk.far_bid, (20 - number) * desk.lot, target=target).client_id
    assert ["order.amend.keepPriority"] * 10 + ["order.cancelReplace"] == methods(desk)
    assert 11 == len(desk.of(OrderReplaced))
    assert 9 * desk.lot == desk.venue.open_orders[0].qty


@pytest.mark.parametrize(
    "text",
    [
        "Order amend (quantity increase) is not supported.",
        "The requested action would change no state; rejecting",
        "Filter failure: MAX_NUM_ORDER_AMENDS",
        "Unknown order sent.",
    ],
)
def test_a_refused_amendment(text: str) -> None:
    """-2038, whatever its text: refused, and the order looked up."""
    desk = Desk().connect()
    order = desk.send(desk.new(desk.far_bid, 4 * desk.lot))
    request = desk.request(
        RequestKind.REPLACE,
        1,
        target_client_id=order.client_id,
        side=order.side,
        type=order.type,
        tif=order.tif,
        price=order.price,
        qty=2 * desk.lot,
    )
    number = json.loads(desk.adapter.encode(request, desk.now_ns, desk.now_ns).payload)["id"]
    desk.sent.clear()
    failure = {"id": number, "status": 400, "error": {"code": -2038, "msg": text}}
    desk.adapter.receive(json.dumps(failure).encode(), desk.now_ns)
    desk.settle()
    (refused,) = desk.of(ReplaceRejected)
    assert ("-2038", text) == (refused.code, refused.reason)
    assert "order.status" in methods(desk)


def test_an_amendment_that_a_fill_outran() -> None:
    """Filled beyond the new quantity by then: refused, nothing is lost of the fills."""
    desk = Desk().connect()
    order = desk.send(desk.new(desk.best, 4 * desk.lot))
    price = order.price
    late: list[str] = []
    desk.change = lambda frame: late.append(frame) or [] if '"event"' in frame else [frame]
    desk.hit(price, 3 * desk.lot)
    desk.replace(order, price, 2 * desk.lot)
    desk.change = lambda frame: [frame]
    for frame in late:
        desk.adapter.receive(frame.encode(), desk.now_ns)
    desk.settle()
    assert 1 == len(desk.of(ReplaceRejected))
    assert 3 * desk.lot == sum({one.fill_id: one.qty for one in desk.of(OrderFill)}.values())
    assert desk.lot == desk.venue.open_orders[0].remaining
