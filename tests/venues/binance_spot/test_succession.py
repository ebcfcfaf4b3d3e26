"""A Replace that was executed while nobody listened: the total counts what its order had filled by then."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from msgspec import structs

from livestack.core.events import (
    DispatchFailed,
    OrderCancelled,
    OrderFill,
    OrderReplaced,
    OrderReport,
    VenueStatusChanged,
)
from livestack.core.obligations import CancelAllAtVenue, QueryOrder
from livestack.core.types import ConnectionStatus, OrderRequest, OrderStatus, RequestKind
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


@pytest.mark.parametrize(("before", "during"), [(0, 0), (0, 1), (1, 0), (1, 1), (1, 2)])
@pytest.mark.parametrize("since", [0, 2])
def test_found_open_by_a_resumed_session(before: int, during: int, since: int) -> None:
    """In the list of open orders, untouched or partly filled: its predecessor is asked about first."""
    scene = Scene(before, during)
    scene.desk.hit(scene.price, since * scene.lot)
    scene.start_again()
    scene.desk.connect()
    scene.check(since * scene.lot)
    assert ConnectionStatus.LIVE is scene.desk.adapter.status
    scene.ask()
    scene.check(since * scene.lot)


@pytest.mark.parametrize("during", [0, 1])
def test_found_filled_by_a_resumed_session(during: int) -> None:
    """Not open any more: found behind its fills."""
    scene = Scene(1, during)
    qty = scene.new.qty
    scene.desk.hit(scene.price, qty)
    scene.start_again()
    scene.desk.connect()
    scene.check(qty)
    assert OrderStatus.FILLED is scene.desk.of(OrderReport)[-1].status
    scene.ask()
    scene.check(qty)


@pytest.mark.parametrize("filled", [0, 1])
def test_found_ended_by_a_resumed_session(filled: int) -> None:
    """Expired, with fills or without: with none it is found by the Core's question."""
    scene = Scene()
    scene.desk.hit(scene.price, filled * scene.lot)
    exchange, new = scene.desk.venue.exchange, scene.new
    exchange.cancel(new, new.client_id)
    new.status = "EXPIRED"
    scene.start_again()
    scene.desk.connect()
    scene.ask()
    scene.check(filled * scene.lot)
    assert OrderStatus.CANCELLED is scene.desk.of(OrderReport)[-1].status


def test_found_by_the_same_process() -> None:
    """Only the connection broke: what it had counted by then is not the end of the old order either."""
    scene = Scene()
    scene.desk.cut()
    scene.desk.change = lambda frame: [frame]
    scene.desk.connect()
    scene.check(0)
    scene.ask()
    scene.check(0)


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


@pytest.mark.parametrize("answer", [failed(500, -1000), failed(400, -2013), still_open])
@pytest.mark.parametrize("is_open", [True, False])
def test_while_the_predecessor_is_not_known_nothing_is_told(
    answer: Callable[[dict[str, object]], dict[str, object]], is_open: bool
) -> None:
    """No guess and no LIVE; asked again until it is known, then everything."""
    scene = Scene()
    filled = scene.lot if is_open else scene.new.qty
    scene.desk.hit(scene.price, filled)
    scene.start_again()
    spoil(scene.desk, scene.old.order_id, answer, 2)
    scene.desk.connect()
    assert [] == scene.told
    assert ConnectionStatus.LIVE is not scene.desk.adapter.status
    scene.desk.wait(5)
    scene.check(filled)
    status = [event.status for event in scene.desk.of(VenueStatusChanged)]
    assert ConnectionStatus.LIVE is status[-1]


def test_the_core_s_question_is_asked_again_too() -> None:
    """A Replace that nothing but the question finds: it waits for the predecessor."""
    scene = Scene()
    exchange, new = scene.desk.venue.exchange, scene.new
    exchange.cancel(new, new.client_id)
    new.status = "EXPIRED"
    scene.start_again()
    scene.desk.connect()
    told = len(scene.told)
    spoil(scene.desk, scene.old.order_id, failed(500, -1000), 3)
    scene.ask()
    replaced, report = scene.told[told:]
    assert isinstance(replaced, OrderReplaced)
    assert isinstance(report, OrderReport)
    assert (scene.total, OrderStatus.CANCELLED) == (replaced.qty, report.status)


@pytest.mark.parametrize("fails", [0, 2])
def test_what_the_stream_says_of_it_is_held_back(fails: int) -> None:
    """The Replace's own frames are lost, the next fill is heard: told behind the replacement."""
    scene = Scene()
    spoil(scene.desk, scene.old.order_id, failed(500, -1000), fails)
    scene.desk.hit(scene.price, scene.lot)
    assert (0 if fails else 2) == len(scene.told)
    scene.desk.wait(5)
    replaced, fill = scene.told
    assert isinstance(replaced, OrderReplaced)
    assert isinstance(fill, OrderFill)
    assert (scene.total, scene.replace.client_id, str(scene.new.order_id)) == (
        replaced.qty,
        fill.client_id,
        fill.venue_order_id,
    )


def test_what_was_held_back_is_found_anew_over_the_next_connection() -> None:
    """The connection breaks while the predecessor is asked about: nothing is lost."""
    scene = Scene()
    spoil(scene.desk, scene.old.order_id, failed(500, -1000), 1)
    scene.desk.hit(scene.price, scene.lot)
    scene.desk.cut()
    assert [] == scene.told
    scene.desk.connect()
    scene.check(scene.lot)


def test_cancelled_with_everything_else() -> None:
    """A cancel-all takes it before anything was told of it: replaced, then cancelled with all that was filled."""
    scene = Scene()
    scene.desk.change = lambda frame: [frame]
    whole = CancelAllAtVenue(scope="k", venue=VENUE, instrument="")
    scene.desk.adapter.ask(whole, scene.desk.now_ns, scene.desk.now_ns)
    scene.desk.settle()
    replaced, cancelled = scene.told
    assert isinstance(replaced, OrderReplaced)
    assert isinstance(cancelled, OrderCancelled)
    assert (scene.total, 2 * scene.lot) == (replaced.qty, cancelled.filled_qty)


def test_late_fills_of_an_older_incarnation_are_ours() -> None:
    """The resumed session knows the present one only; the venue has the older one under the id of its cancel half."""
    scene = Scene()
    after = InheritedOrder(
        instrument=scene.desk.instrument.instrument,
        order_id=1,
        client_id=scene.replace.client_id,
        venue_order_id=str(scene.new.order_id),
        qty=scene.total,
    )
    scene.desk.start_again(Inherited({after.instrument: scene.floor}, (after,)))
    scene.desk.connect()
    report, fill = scene.told
    assert isinstance(report, OrderReport)
    assert isinstance(fill, OrderFill)
    assert (str(scene.new.order_id), scene.total, 2 * scene.lot) == (
        report.venue_order_id,
        report.qty,
        report.filled_qty,
    )
    assert (1, scene.replace.client_id, str(scene.old.order_id)) == (
        fill.order_id,
        fill.client_id,
        fill.venue_order_id,
    )


def test_an_order_that_was_renamed_while_nobody_looked_keeps_its_fills() -> None:
    """Filled in part, then cancelled by somebody else: known by its number at the venue."""
    desk = Desk().connect()
    price, lot = desk.best, desk.lot
    first: OrderRequest = desk.send(desk.new(price, 4 * lot))
    (order,) = [one for one in desk.venue.exchange.orders.values() if one.client_id == first.client_id]
    before = InheritedOrder(
        instrument=desk.instrument.instrument,
        order_id=1,
        client_id=first.client_id,
        venue_order_id=str(order.order_id),
        qty=4 * lot,
    )
    desk.change = lambda frame: []
    desk.hit(price, lot)
    desk.venue.exchange.cancel(order, "web_1")
    desk.start_again(Inherited({before.instrument: 0}, (before,)))
    desk.connect()
    (fill,) = desk.of(OrderFill)
    assert (1, first.client_id, lot) == (fill.order_id, fill.client_id, fill.qty)


def test_a_replace_that_arrives_after_the_restart_is_heard() -> None:
    """Not executed yet when the open orders are asked for; the stream tells both halves."""
    desk = Desk().connect()
    price, lot = desk.best, desk.lot
    first = desk.send(desk.new(price, 4 * lot))
    (order,) = [one for one in desk.venue.exchange.orders.values() if one.client_id == first.client_id]
    replace = structs.replace(
        desk.request(RequestKind.REPLACE, 1, target_client_id=first.client_id),
        side=first.side,
        price=price,
        qty=6 * lot,
    )
    text = desk.adapter.encode(replace, desk.now_ns, desk.now_ns)
    before = InheritedOrder(
        instrument=desk.instrument.instrument,
        order_id=1,
        client_id=first.client_id,
        venue_order_id=str(order.order_id),
        qty=4 * lot,
        replace_id=replace.client_id,
        replace_qty=6 * lot,
    )
    desk.start_again(Inherited({before.instrument: 0}, (before,)))
    desk.connect()
    start = len(desk.events)
    desk.hit(price, lot)
    desk.carry(text)
    desk.settle()
    desk.hit(price, lot)
    told = [event for event in desk.events[start:] if isinstance(event, TOLD)]
    assert [OrderFill, OrderReplaced, OrderFill] == [type(event) for event in told]
    (replaced,) = desk.of(OrderReplaced)
    assert 7 * lot == replaced.qty


def test_a_replacement_that_was_renamed_is_told_to_people() -> None:
    """Executed, and cancelled by somebody else: the venue does not tell any more which order it was, only that the old
    one was cancelled to be replaced. The old one's end and fills are ours, the rest is complained of."""
    scene = Scene()
    scene.desk.venue.exchange.cancel(scene.new, "web_1")
    scene.start_again()
    scene.desk.connect()
    scene.ask()
    told = [event for event in scene.told if isinstance(event, DispatchFailed | OrderReport)]
    failure, report = told
    assert isinstance(failure, DispatchFailed)
    assert isinstance(report, OrderReport)
    assert (OrderStatus.CANCELLED, 4 * scene.lot, 2 * scene.lot) == (
        report.status,
        report.qty,
        report.filled_qty,
    )
    assert [1] == [event.order_id for event in scene.told if isinstance(event, OrderFill)]
    assert 1 == scene.desk.adapter.faults["replacement_not_found"]
