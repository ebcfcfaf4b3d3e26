"""The stage of the tests about a Replace that was executed while nobody listened."""

from __future__ import annotations

import json
from collections.abc import Callable

from livestack.core.events import (
    DispatchFailed,
    OrderCancelled,
    OrderFill,
    OrderReplaced,
    OrderReport,
)
from livestack.core.obligations import QueryOrder
from livestack.core.types import RequestKind
from livestack.simulator.orders import Order
from livestack.venues.adapter import Inherited, InheritedOrder
from tests.venues.binance_spot.venue import VENUE, Desk

TOLD = (OrderReplaced, OrderReport, OrderFill, OrderCancelled, DispatchFailed)


class Scene:
    """A bid of four lots, ``before`` of them filled and known; then nobody listens. ``during`` are filled, a Replace to
    a total of six is executed, and the process is gone."""

    def __init__(self, before: int = 1, during: int = 1) -> None:
        self.desk = desk = Desk().connect()
        self.lot, self.price = desk.lot, desk.best
        self.first = desk.send(desk.new(self.price, 4 * self.lot))
        desk.hit(self.price, before * self.lot)
        self.filled = before * self.lot
        self.floor = max((fill.fill_id for fill in desk.of(OrderFill)), default=0)
        desk.change = lambda frame: []
        desk.hit(self.price, during * self.lot)
        self.replace = desk.replace(self.first, self.price, 6 * self.lot, filled=before * self.lot)
        self.total = (6 + during) * self.lot
        self.start = len(desk.events)

    @property
    def old(self) -> Order:
        return self._of(self.replace.client_id + "_c")

    @property
    def new(self) -> Order:
        return self._of(self.replace.client_id)

    def _of(self, client_id: str) -> Order:
        return next(one for one in self.desk.venue.exchange.orders.values() if one.client_id == client_id)

    def start_again(self) -> None:
        before = InheritedOrder(
            instrument=self.desk.instrument.instrument,
            order_id=1,
            client_id=self.first.client_id,
            venue_order_id=str(self.old.order_id),
            qty=4 * self.lot,
            replace_id=self.replace.client_id,
            replace_qty=6 * self.lot,
        )
        self.desk.start_again(Inherited({before.instrument: self.floor}, (before,)))

    def ask(self) -> None:
        """As the Core does it about a Replace of unknown fate."""
        question = QueryOrder(
            scope="q",
            venue=VENUE,
            instrument=self.desk.instrument.instrument,
            order_id=1,
            client_id=self.replace.client_id,
            venue_order_id=str(self.old.order_id),
            kind=RequestKind.REPLACE,
        )
        self.desk.adapter.ask(question, self.desk.now_ns, self.desk.now_ns)
        self.desk.wait(20)

    @property
    def told(self) -> list[object]:
        return [event for event in self.desk.events[self.start :] if isinstance(event, TOLD)]

    def check(self, filled_by_new: int) -> None:
        """Replaced once, with the true total, before anything is told of the new order; every fill is this order's."""
        told = self.told
        (replaced,) = [event for event in told if isinstance(event, OrderReplaced)]
        assert (self.replace.client_id, 1, self.total) == (
            replaced.client_id,
            replaced.order_id,
            replaced.qty,
        )
        assert str(self.new.order_id) == replaced.venue_order_id
        reports = [event for event in told if isinstance(event, OrderReport)]
        assert {(1, self.total, replaced.client_id)} == {
            (one.order_id, one.qty, one.client_id) for one in reports
        }
        assert self.old.executed + filled_by_new == reports[-1].filled_qty
        fills = [event for event in told if isinstance(event, OrderFill) and event.fill_id > self.floor]
        assert self.old.executed - self.filled + filled_by_new == sum(one.qty for one in fills)
        assert {1} >= {one.order_id for one in fills}
        number = replaced.venue_order_id
        assert replaced == next(event for event in told if number == getattr(event, "venue_order_id", ""))
        assert [] == [event for event in told if isinstance(event, DispatchFailed)]


def spoil(
    desk: Desk, about: int, answer: Callable[[dict[str, object]], dict[str, object]], times: int
) -> None:
    """The first ``times`` replies about the order ``about`` are changed."""
    left = [times]

    def change(frame: str) -> list[str]:
        document = json.loads(frame)
        asked = {
            json.loads(text)["id"]: json.loads(text)
            for text in desk.sent
            if json.loads(text)["method"] == "order.status"
        }.get(document.get("id"))
        if asked is None or asked["params"].get("orderId") != about or not left[0]:
            return [frame]
        left[0] -= 1
        return [json.dumps(answer(document))]

    desk.sent.clear()
    desk.change = change


def failed(status: int, code: int) -> Callable[[dict[str, object]], dict[str, object]]:
    return lambda document: {"id": document["id"], "status": status, "error": {"code": code, "msg": "no"}}


def still_open(document: dict[str, object]) -> dict[str, object]:
    result = document["result"]
    assert isinstance(result, dict)
    return {**document, "result": {**result, "status": "PARTIALLY_FILLED"}}


def delay(desk: Desk, about: int) -> list[str]:
    """Answers about the order ``about`` come to the list that is returned, instead of to the adapter."""
    kept: list[str] = []

    def change(frame: str) -> list[str]:
        number = json.loads(frame).get("id")
        asked = [json.loads(text) for text in desk.sent]
        if any(one["id"] == number and one["params"].get("orderId") == about for one in asked[-4:]):
            kept.append(frame)
            return []
        return [frame]

    desk.change = change
    return kept
