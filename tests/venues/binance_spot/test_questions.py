"""The questions of the Core: asked, answered, repeated."""

from __future__ import annotations

import json

from livestack.core.events import (
    OrderReport,
)
from livestack.core.obligations import CancelAllAtVenue, QueryOpenOrders
from livestack.core.types import (
    OrderStatus,
)
from tests.venues.binance_spot.venue import VENUE, Desk, lose_replies


def test_open_orders_are_reported_and_missing_ones_looked_up() -> None:
    """QueryOpenOrders: a report for what is open, and for what should be and is not."""
    desk = Desk().connect()
    first, second = desk.send(desk.new(desk.far_bid, desk.lot)), desk.send(desk.new(desk.far_bid, desk.lot))
    lose_replies(desk, "order.cancel")
    desk.cancel(first)
    desk.adapter.ask(QueryOpenOrders(scope="q", venue=VENUE), desk.now_ns, desk.now_ns)
    desk.change = lambda frame: [frame]
    desk.settle()
    assert {(report.order_id, report.status) for report in desk.of(OrderReport)} == {
        (first.order_id, OrderStatus.CANCELLED),
        (second.order_id, OrderStatus.ACCEPTED),
    }


def test_a_question_that_fails_is_repeated() -> None:
    """A 500 on cancel-all: asked again a second later."""
    desk = Desk().connect()
    desk.send(desk.new(desk.far_bid, desk.lot))
    numbers = iter(range(1))

    def fail_once(frame: str) -> list[str]:
        document = json.loads(frame)
        if "result" in document and next(numbers, None) is not None:
            return [json.dumps({"id": document["id"], "status": 500, "error": {"code": -1000, "msg": "?"}})]
        return [frame]

    desk.change = fail_once
    desk.adapter.ask(CancelAllAtVenue(scope="k", venue=VENUE, instrument=""), desk.now_ns, desk.now_ns)
    desk.settle()
    asked = sum("cancelAll" in text for text in desk.sent)
    desk.wait(2)
    assert sum("cancelAll" in text for text in desk.sent) == asked + 1
