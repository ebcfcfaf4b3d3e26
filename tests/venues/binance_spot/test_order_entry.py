"""The order-entry adapter against the simulated venue, in one thread: log-on, every request, every doubt."""

from __future__ import annotations

import json

import pytest
from msgspec import structs

from livestack.core.events import (
    OrderAccepted,
    OrderCancelled,
    OrderExpired,
    OrderFill,
    OrderRejected,
    OrderReplaced,
    RateLimitReport,
    VenueStatusChanged,
)
from livestack.core.types import ConnectionStatus, RequestKind, TimeInForce
from livestack.simulator.binance_spot.exchange import NewOrder
from livestack.simulator.orders import BUY, Order
from livestack.simulator.orders import OrderType as VenueOrderType
from livestack.venues.binance_spot.private_messages import Reply
from tests.venues.binance_spot.venue import Desk

BOTH_ORDERS = pytest.mark.parametrize("reports_first", [False, True], ids=["response first", "report first"])


@pytest.fixture(params=[False, True], ids=["response first", "report first"])
def desk(request: pytest.FixtureRequest) -> Desk:
    """LIVE, with the execution report before or behind the response."""
    return Desk(reports_first=request.param).connect()


@pytest.mark.parametrize("kind", ["hmac", "ed25519"])
def test_an_order_from_beginning_to_end(kind: str) -> None:
    """Accepted, replaced by another one, amended in place, cancelled: one Event each, under the right ids."""
    desk = Desk(kind).connect()
    start = len(desk.events)
    order = desk.send(desk.new(desk.far_bid, desk.lot))
    replace = desk.replace(order, desk.far_bid - desk.instrument.price_tick, 3 * desk.lot)
    amend = desk.replace(
        order, desk.far_bid - desk.instrument.price_tick, 2 * desk.lot, target=replace.client_id
    )
    desk.cancel(order, target=amend.client_id)
    accepted, cancelled = desk.of(OrderAccepted), desk.of(OrderCancelled)
    replaced = desk.of(OrderReplaced)
    assert [event.client_id for event in accepted] == [order.client_id]
    assert [event.client_id for event in replaced] == [replace.client_id, amend.client_id]
    assert [event.qty for event in replaced] == [3 * desk.lot, 2 * desk.lot]
    assert replaced[0].venue_order_id != accepted[0].venue_order_id
    assert replaced[0].venue_order_id == replaced[1].venue_order_id
    assert [(event.client_id, event.order_id, event.filled_qty) for event in cancelled] == [
        (amend.client_id, 1, 0)
    ]
    methods = [json.loads(text)["method"] for text in desk.sent[-4:]]
    assert methods == ["order.place", "order.cancelReplace", "order.amend.keepPriority", "order.cancel"]
    assert not [name for name in desk.names(start) if "Rejected" in name]
    assert desk.venue.open_orders == []
    assert desk.adapter.faults == {}


def test_a_taker_is_accepted_before_its_fills(desk: Desk) -> None:
    """OrderAccepted once, then the fills of response and reports; each fill id with one content of money."""
    order = desk.send(desk.new(desk.through_ask, desk.lot))
    names = [name for name in desk.names() if name in ("OrderAccepted", "OrderFill")]
    assert names[0] == "OrderAccepted"
    assert names.count("OrderAccepted") == 1
    fills = desk.of(OrderFill)
    assert {fill.client_id for fill in fills} == {order.client_id}
    distinct = {(fill.fill_id, fill.price, fill.qty, fill.fee, fill.fee_asset) for fill in fills}
    assert len(distinct) == len({fill.fill_id for fill in fills})
    assert sum(qty for _, _, qty, _, _ in distinct) == desk.lot


def test_an_ioc_that_meets_nothing_expires(desk: Desk) -> None:
    """LIMIT IOC away from the market: OrderExpired, once, with nothing filled."""
    desk.send(desk.new(desk.far_bid, desk.lot, tif=TimeInForce.IOC))
    (expired,) = desk.of(OrderExpired)
    assert expired.filled_qty == 0


def test_a_post_only_that_would_take_is_rejected(desk: Desk) -> None:
    """LIMIT_MAKER through the market: the venue's own code and text."""
    desk.send(desk.new(desk.through_ask, desk.lot, post_only=True))
    (rejected,) = desk.of(OrderRejected)
    assert (rejected.code, rejected.reason) == ("-2010", "Order would immediately match and take.")


def test_a_filter_failure_is_a_rejection(desk: Desk) -> None:
    """-1013: certain, so OrderRejected."""
    desk.send(desk.new(desk.far_bid, 1))
    (rejected,) = desk.of(OrderRejected)
    assert rejected.code == "-1013"
    assert rejected.reason.startswith("Filter failure")


# -- doubt -----------------------------------------------------------------------------------------------------------


# -- reconnect -------------------------------------------------------------------------------------------------------


# -- limits, clock, questions ----------------------------------------------------------------------------------------


def test_limits_are_reported_with_the_request_they_came_back_with(desk: Desk) -> None:
    """The counters of an order's response carry its order id and revision."""
    desk.send(desk.new(desk.far_bid, desk.lot))
    report = desk.of(RateLimitReport)[-1]
    assert (report.order_id, report.revision) == (1, 1)
    orders = [usage for usage in report.usage if usage.kind == "ORDERS"]
    assert [usage.interval_ns for usage in orders] == [10_000_000_000, 86_400_000_000_000]
    assert orders[0].used == 1


# -- what cannot be expressed, what was not sent ---------------------------------------------------------------------


def test_an_adopted_order_is_replaced_with_what_it_had_filled(desk: Desk) -> None:
    """Placed by hand, filled in part, adopted by the Core under an Order ID of its own: one OrderReplaced under that,
    with the whole quantity, and its end under the same."""
    order = place_by_hand(desk, 4)
    desk.hit(order.price, desk.lot)
    replace = structs.replace(
        desk.request(RequestKind.REPLACE, 5, target_client_id="web_1"),
        venue_order_id=str(order.order_id),
        price=order.price - desk.instrument.price_tick,
        qty=6 * desk.lot,
        filled_qty=desk.lot,
    )
    start = len(desk.events)
    desk.send(replace)
    desk.cancel(replace)
    told = [event for event in desk.events[start:] if hasattr(event, "venue_order_id")]
    replaced, cancelled = told
    assert isinstance(replaced, OrderReplaced)
    assert isinstance(cancelled, OrderCancelled)
    assert (5, 6 * desk.lot) == (replaced.order_id, replaced.qty)
    assert (5, desk.lot) == (cancelled.order_id, cancelled.filled_qty)
    assert {} == desk.adapter.faults


def place_by_hand(desk: Desk, lots: int) -> Order:
    """By somebody else with the same account."""
    account = next(iter(desk.venue.exchange.accounts))
    symbol, price = desk.instrument.symbol, desk.best
    new = NewOrder(symbol, BUY, VenueOrderType.LIMIT, "GTC", price, lots * desk.lot, 0, 0, "NONE", "web_1")
    order = desk.venue.exchange.place(account, new)
    desk.venue.advance(desk.now_ns)
    desk.settle()
    return order


@pytest.mark.parametrize("way", ["socket", "rest"])
def test_an_answer_that_cannot_be_read_is_none_for_whoever_asked(way: str) -> None:
    """Whatever is made of it: nothing is raised, a complaint, and the question counts as not answered."""
    desk = Desk().connect()
    if way == "rest":
        desk.cut()
        desk.wait(6)
    heard: list[int] = []

    def done(reply: Reply) -> None:
        heard.append(reply.status)
        if reply.is_ok:
            raise UnicodeDecodeError("utf-8", b"x", 0, 1, "invalid")

    desk.adapter._calls.ask("time", {}, done, "plain")
    desk.settle()
    assert [200, 0] == heard
    assert {"bad_reply": 1} == desk.adapter.faults
    assert ConnectionStatus.LIVE is desk.adapter.status


def test_limits_that_cannot_be_read_do_not_cost_the_answer() -> None:
    """Whatever goes wrong with them: the order is accepted."""
    desk = Desk().connect()

    def broken(*told: object) -> None:
        raise ValueError("no number")

    desk.adapter._rates.take = broken  # type: ignore[method-assign]
    desk.send(desk.new(desk.far_bid, desk.lot))
    assert 1 == len(desk.of(OrderAccepted))
    assert {"bad_reply"} == set(desk.adapter.faults)


@pytest.mark.parametrize("way", ["socket", "rest"])
def test_nothing_is_raised_out_of_an_answer(way: str) -> None:
    """Not even if whoever asked cannot bear that there is none: everything is reconciled anew."""
    desk = Desk().connect()
    if way == "rest":
        desk.cut()
        desk.wait(6)

    def done(reply: Reply) -> None:
        raise ValueError("no number")

    desk.adapter._calls.ask("time", {}, done, "plain")
    desk.settle()
    assert {"bad_reply": 1, "malformed_frame": 1} == desk.adapter.faults
    assert ConnectionStatus.LIVE is desk.adapter.status
    assert 2 <= [event.status for event in desk.of(VenueStatusChanged)].count(ConnectionStatus.SYNCHRONISING)
