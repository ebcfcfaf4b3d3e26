"""An order whose placing got no answer and that somebody else renamed meanwhile: found, and not called absent."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from typing import Literal

import pytest
from msgspec import structs

from livestack.core.events import (
    AnomalyDetected,
    DispatchFailed,
    FillsReconciled,
    OrderAccepted,
    OrderFill,
    OrderReplaced,
    OrderReport,
)
from livestack.core.obligations import QueryFills, QueryOrder
from livestack.core.types import (
    FailureReason,
    OrderStatus,
    OrderType,
    RequestKind,
    Side,
    TimeInForce,
    TradingState,
    format_decimal,
)
from livestack.simulator.binance_spot.exchange import NewOrder
from livestack.simulator.binance_spot.front import ACCOUNT
from livestack.simulator.binance_spot.order_operations import amend
from livestack.simulator.binance_spot.params import Params
from livestack.simulator.orders import BUY, SELL, Order
from livestack.simulator.orders import OrderType as Kind
from livestack.venues.adapter import Fetch, Fetched, InheritedOrder
from livestack.venues.binance_spot import renamed
from tests.core.support import INSTRUMENT, SECOND, Bench, fill, reconciled, report
from tests.venues.binance_spot.desks import cancel_by_hand, place_by_hand
from tests.venues.binance_spot.test_inquiries import start_again
from tests.venues.binance_spot.venue import VENUE, Desk, query

Path = Literal["socket", "rest"]
PATHS = pytest.mark.parametrize("path", ["socket", "rest"])
SETTLED_S = 20


class Scene:
    """A bid of two lots was sent, executed unless it ``is_lost`` itself, and nothing of it was heard. The connection is
    gone: over ``rest`` for good, over a ``socket`` until :meth:`back`."""

    def __init__(self, path: Path = "socket", *, is_lost: bool = False) -> None:
        self.desk = desk = Desk().connect()
        self.path = path
        self.price, self.lot = desk.best, desk.lot
        desk.change = lambda frame: []
        self.request = desk.new(self.price, 2 * self.lot)
        if is_lost:
            desk.adapter.encode(self.request, desk.now_ns, desk.now_ns)
            desk.adapter.sent(self.request, desk.now_ns)
        else:
            desk.send(self.request)

    @property
    def order(self) -> Order:
        orders = self.desk.venue.exchange.orders.values()
        return next(
            one for one in orders if self.request.client_id in (one.client_id, one.original_client_id)
        )

    @property
    def same(self) -> NewOrder:
        """As somebody else places it."""
        symbol, qty = self.desk.instrument.symbol, 2 * self.lot
        return NewOrder(symbol, BUY, Kind.LIMIT, "GTC", self.price, qty, 0, 0, "NONE", "web-2")

    def place(self, new: NewOrder) -> Order:
        self.desk.venue.advance(self.desk.now_ns)
        return self.desk.venue.exchange.place(ACCOUNT, new)

    def twin(self) -> Order:
        return self.place(self.same)

    def back(self) -> Scene:
        """Somebody listens again."""
        self.desk.cut()
        self.desk.change = lambda frame: [frame]
        if self.path == "rest":
            self.desk.wait(6)
        else:
            self.desk.connect()
        return self

    def ask(self, seconds: float = SETTLED_S) -> None:
        """As the Core does it; and time passes."""
        self.desk.adapter.ask(
            QueryOrder(
                scope="q",
                venue=VENUE,
                instrument=self.request.instrument,
                order_id=1,
                client_id=self.request.client_id,
            ),
            self.desk.now_ns,
            self.desk.now_ns,
        )
        self.desk.wait(seconds)

    def fetch_fills(self) -> None:
        """As the Core does where the venue counts fills that it lacks."""
        after = max((one.through for one in self.desk.of(FillsReconciled)), default=0)
        self.desk.adapter.ask(
            QueryFills(scope="f", venue=VENUE, instrument=self.request.instrument, after=after),
            self.desk.now_ns,
            self.desk.now_ns,
        )
        self.desk.settle()

    @property
    def failures(self) -> list[FailureReason]:
        return [event.reason for event in self.desk.of(DispatchFailed)]

    @property
    def fills(self) -> list[OrderFill]:
        return self.desk.of(OrderFill)

    @property
    def faults(self) -> dict[str, int]:
        return dict(self.desk.adapter.faults)

    def asked(self, method: str, rest: str) -> int:
        """How often that was asked, over whichever path."""
        frames = [text for text in self.desk.sent if json.loads(text)["method"] == method]
        return len(frames) + len([fetch for fetch in self.desk.fetches if fetch.path.endswith(rest)])


STOPS: dict[str, object] = {"type": OrderType.STOP_LOSS_LIMIT, "side": Side.SELL}
SENT: dict[str, dict[str, object]] = {
    "limit": {},
    "post only": {"post_only": True},
    "stop": STOPS,
    "market": {"type": OrderType.MARKET},
    "worth": {"type": OrderType.MARKET},
    "ioc": {"tif": TimeInForce.IOC},
}


@pytest.mark.parametrize("kind", list(SENT))
def test_every_kind_of_order_is_found(kind: str) -> None:
    """Of each type, by what the venue says of it: prices where it has any, a quantity or a worth."""
    desk = Desk().connect()
    price, tick = desk.far_bid, desk.instrument.price_tick
    terms = {"price": price, "qty": 2 * desk.lot, **SENT[kind]}
    if kind == "stop":
        terms["stop_price"] = price + tick
    if kind in ("market", "worth"):
        terms["price"] = 0
    if kind == "worth":
        scale = 10 ** (desk.instrument.price_decimals + desk.instrument.qty_decimals)
        terms["qty"], terms["quote_qty"] = 0, 100 * scale
    if kind == "stop":
        desk.send(desk.new(desk.through_ask, 4 * desk.lot, tif=TimeInForce.IOC))  # something to sell
    desk.change = lambda frame: []
    request = desk.send(desk.new(**terms))  # type: ignore[arg-type]
    (order,) = [one for one in desk.venue.exchange.orders.values() if one.client_id == request.client_id]
    if order.open:
        cancel_by_hand(desk, order.order_id, "web-1")
    else:
        order.client_id = "web-1"
        del desk.venue.exchange._named[ACCOUNT, order.symbol, request.client_id]
    desk.cut()
    desk.change = lambda frame: [frame]
    desk.connect()
    query(desk, request)
    desk.wait(SETTLED_S)
    last = desk.of(OrderReport)[-1]
    assert (request.order_id, str(order.order_id)) == (last.order_id, last.venue_order_id)
    assert 1 == desk.adapter.faults["order_renamed"]


@PATHS
@pytest.mark.parametrize("filled", [0, 1])
def test_one_that_somebody_cancelled_is_found(path: Path, filled: int) -> None:
    """Cancelled by hand with a fill or without: it is not absent, its end and its fill are told as ours, never as
    somebody else's, and that this is a conclusion."""
    scene = Scene(path)
    scene.desk.hit(scene.price, filled * scene.lot)
    cancel_by_hand(scene.desk, scene.order.order_id, "web-1")
    scene.back().ask()
    report = scene.desk.of(OrderReport)[-1]
    assert (scene.request.client_id, 1) == (report.client_id, report.order_id)
    assert (OrderStatus.CANCELLED, filled * scene.lot) == (report.status, report.filled_qty)
    scene.fetch_fills()
    assert filled * [(1, scene.lot)] == [(fill.order_id, fill.qty) for fill in scene.fills]
    assert [] == scene.failures
    assert 1 == scene.faults["order_renamed"]
    assert 1 == scene.asked("allOrders", "allOrders")


def amend_by_hand(scene: Scene) -> str:
    """Somebody halves it by the web page, which gives it another name; returns the venue's id."""
    desk, number = scene.desk, str(scene.order.order_id)
    decimals = desk.instrument.qty_decimals
    qty = format_decimal(scene.lot, decimals)
    desk.venue.advance(desk.now_ns)
    amend(
        desk.venue.exchange,
        ACCOUNT,
        Params({"symbol": desk.instrument.symbol, "orderId": number, "newQty": qty}),
    )
    return number


@PATHS
def test_one_that_somebody_amended_is_found(path: Path) -> None:
    """Smaller than it was sent, and open: its amendments have its name. Nobody else's till then; the Core hears that it
    was placed, and made smaller."""
    scene = Scene(path)
    number = amend_by_hand(scene)
    scene.back()
    assert [] == scene.desk.of(OrderReport)
    scene.ask()
    (accepted,), (replaced,) = scene.desk.of(OrderAccepted), scene.desk.of(OrderReplaced)
    assert (1, number) == (accepted.order_id, accepted.venue_order_id)
    assert (1, scene.request.client_id, scene.lot) == (replaced.order_id, replaced.client_id, replaced.qty)
    report = scene.desk.of(OrderReport)[-1]
    assert (1, OrderStatus.ACCEPTED, scene.lot) == (report.order_id, report.status, report.qty)
    assert [] == scene.failures


@PATHS
def test_what_it_fills_before_that_is_known_is_told_as_ours(path: Path) -> None:
    """A fill under another name, over the stream or by the list of fills: told once it is known whose it is."""
    scene = Scene(path)
    amend_by_hand(scene)
    scene.back()
    scene.desk.hit(scene.price, scene.lot)
    scene.desk.wait(4)
    assert [] == scene.fills
    scene.ask()
    report = scene.desk.of(OrderReport)[-1]
    assert (1, OrderStatus.FILLED, scene.lot) == (report.order_id, report.status, report.filled_qty)
    scene.fetch_fills()
    assert {(1, scene.lot)} == {(fill.order_id, fill.qty) for fill in scene.fills}


@PATHS
def test_of_two_that_may_be_it_none_is_taken(path: Path) -> None:
    """The same by somebody else at the same time: never absent, said once, and asked again less and less often."""
    scene = Scene(path)
    cancel_by_hand(scene.desk, scene.order.order_id, "web-1")
    twin = scene.twin()
    cancel_by_hand(scene.desk, twin.order_id, "web-3")
    scene.back().ask(300)
    assert [] == scene.failures
    assert [] == [event for event in scene.desk.of(OrderReport) if event.order_id]
    assert 1 == scene.faults["order_ambiguous"]
    assert "order_renamed" not in scene.faults
    assert 5 <= scene.asked("allOrders", "allOrders") <= 16


OTHERS: dict[str, Callable[[Scene], NewOrder]] = {
    "qty": lambda scene: dataclasses.replace(scene.same, qty=3 * scene.lot),
    "smaller": lambda scene: dataclasses.replace(scene.same, qty=scene.lot),
    "price": lambda scene: dataclasses.replace(scene.same, price=scene.desk.far_bid),
    "side": lambda scene: dataclasses.replace(scene.same, side=SELL, price=2 * scene.price),
    "tif": lambda scene: dataclasses.replace(scene.same, tif="IOC"),
    "post only": lambda scene: dataclasses.replace(scene.same, type=Kind.LIMIT_MAKER),
}


@PATHS
@pytest.mark.parametrize("what", list(OTHERS))
def test_an_order_of_other_terms_is_not_taken(path: Path, what: str) -> None:
    """Ours never arrived: absent, although somebody else placed one at that time; his is shown as his."""
    scene = Scene(path, is_lost=True)
    scene.place(OTHERS[what](scene))
    scene.back().ask()
    assert [FailureReason.NOT_AT_VENUE] == scene.failures
    assert {"order_renamed", "order_ambiguous"}.isdisjoint(scene.faults)
    assert {0} >= {event.order_id for event in scene.desk.of(OrderReport)}


@PATHS
@pytest.mark.parametrize("seconds", [-2, 18])
def test_an_order_of_another_time_is_not_taken(path: Path, seconds: int) -> None:
    """Placed before ours can have been executed, or after: the venue's clock says so."""
    scene = Scene(path, is_lost=True)
    if seconds > 0:
        scene.desk.wait(seconds)
    twin = scene.twin()
    if seconds < 0:
        twin.created_ns += seconds * 1_000_000_000
    scene.back().ask()
    assert [FailureReason.NOT_AT_VENUE] == scene.failures
    assert "order_renamed" not in scene.faults


@pytest.mark.parametrize("when", ["before", "after"])
def test_an_order_whose_placing_was_heard_is_not_taken(when: str) -> None:
    """By somebody else, shortly before ours was sent or after it: the stream said whose it is."""
    desk = Desk().connect()
    request = desk.new(desk.best, 2 * desk.lot)
    new = NewOrder(
        desk.instrument.symbol, BUY, Kind.LIMIT, "GTC", request.price, request.qty, 0, 0, "NONE", "web-1"
    )
    if when == "after":
        desk.adapter.encode(request, desk.now_ns, desk.now_ns)
    desk.venue.advance(desk.now_ns)
    desk.venue.exchange.place(ACCOUNT, new)
    desk.venue.advance(desk.now_ns)
    desk.settle()
    if when == "before":
        desk.adapter.encode(request, desk.now_ns, desk.now_ns)
    desk.adapter.sent(request, desk.now_ns)
    query(desk, request)
    desk.wait(SETTLED_S)
    assert [FailureReason.NOT_AT_VENUE] == [event.reason for event in desk.of(DispatchFailed)]
    assert {"web-1"} == {event.client_id for event in desk.of(OrderReport)}


@PATHS
def test_somebody_else_s_is_told_once_nobody_doubts_it(path: Path) -> None:
    """A fill of an order that might have been ours, until ours was found: then it is told as his."""
    scene = Scene(path)
    twin = scene.twin()
    scene.desk.hit(scene.price, 4 * scene.lot)
    twin_id = str(twin.order_id)
    scene.back()
    assert [1] == [fill.order_id for fill in scene.fills]
    scene.ask()
    scene.fetch_fills()
    assert {(0, twin_id)} == {
        (fill.order_id, fill.venue_order_id) for fill in scene.fills if not fill.order_id
    }
    assert [] == scene.failures


@pytest.mark.parametrize("arrived", [True, False])
def test_a_search_that_fails_proves_nothing(arrived: bool) -> None:
    """An error, or an answer that cannot be read, to ``allOrders``: asked again until there is one."""
    scene = Scene("rest", is_lost=not arrived)
    if arrived:
        cancel_by_hand(scene.desk, scene.order.order_id, "web-1")
    bodies = [(500, b"{}"), (200, b"{}"), (400, b'{"code":-1000,"msg":"unknown"}')]

    def answer(fetch: Fetch, fetched: Fetched) -> Fetched:
        if fetch.path.endswith("allOrders") and bodies:
            status, body = bodies.pop(0)
            return structs.replace(fetched, status=status, body=body)
        return fetched

    scene.desk.answer = answer
    scene.back().ask(SETTLED_S - 7)
    while bodies:
        assert [] == scene.failures
        scene.desk.wait(1)
    scene.desk.wait(10)
    assert ([] if arrived else [FailureReason.NOT_AT_VENUE]) == scene.failures
    assert int(arrived) == scene.faults.get("order_renamed", 0)


@pytest.mark.parametrize("change", [{"timeInForce": "NEVER"}, {"origQty": "many"}, {"type": "ODD"}])
def test_what_cannot_be_read_proves_nothing(change: dict[str, str]) -> None:
    """A word that nobody knows, or no number: neither absent, nor told as somebody else's."""
    scene = Scene("rest")
    scene.desk.hit(scene.price, scene.lot)
    cancel_by_hand(scene.desk, scene.order.order_id, "web-1")
    odd = [True]

    def answer(fetch: Fetch, fetched: Fetched) -> Fetched:
        if odd and fetch.path.endswith(("/order", "/allOrders")) and fetched.status == 200:
            document = json.loads(fetched.body)
            for one in document if isinstance(document, list) else [document]:
                one.update(change)
            return structs.replace(fetched, body=json.dumps(document).encode())
        return fetched

    scene.desk.answer = answer
    scene.back().ask()
    assert [] == scene.failures
    assert {1} >= {fill.order_id for fill in scene.fills}
    odd.clear()
    scene.desk.wait(40)
    assert (1, scene.lot) == (
        scene.desk.of(OrderReport)[-1].order_id,
        scene.desk.of(OrderReport)[-1].filled_qty,
    )
    scene.fetch_fills()
    assert {1} == {fill.order_id for fill in scene.fills}


def test_a_full_answer_is_asked_for_in_halves(monkeypatch: pytest.MonkeyPatch) -> None:
    """More orders than one answer holds: the time is halved until each part fits, and it is found."""
    monkeypatch.setattr(renamed, "ORDERS_PER_ANSWER", 3)
    scene = Scene()
    cancel_by_hand(scene.desk, scene.order.order_id, "web-1")
    for number in range(6):
        scene.desk.now_ns += 1_000_000_000
        cancel_by_hand(scene.desk, place_by_hand(scene.desk, f"web-{number}0"), f"web-{number}1")
    scene.back().ask()
    assert OrderStatus.CANCELLED is scene.desk.of(OrderReport)[-1].status
    assert 1 == scene.desk.of(OrderReport)[-1].order_id
    assert 3 <= scene.asked("allOrders", "allOrders")


def test_more_orders_in_a_millisecond_than_are_told_prove_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no smaller part to ask for: never absent."""
    monkeypatch.setattr(renamed, "ORDERS_PER_ANSWER", 2)
    scene = Scene(is_lost=True)
    for number in range(3):
        place_by_hand(scene.desk, f"web-{number}")
    scene.back().ask(60)
    assert [] == scene.failures


def test_a_cancel_of_ours_does_not_hide_it() -> None:
    """Placed, cancelled by us without effect, and renamed: the question about the Cancel finds the order too."""
    scene = Scene()
    cancel_by_hand(scene.desk, scene.order.order_id, "web-1")
    scene.desk.cancel(scene.request)
    scene.back()
    scene.desk.adapter.ask(
        QueryOrder(
            scope="c",
            venue=VENUE,
            instrument=scene.request.instrument,
            order_id=1,
            client_id=f"{scene.request.client_id[:-1]}2",
            kind=RequestKind.CANCEL,
        ),
        scene.desk.now_ns,
        scene.desk.now_ns,
    )
    scene.desk.wait(SETTLED_S)
    assert (1, OrderStatus.CANCELLED) == (
        scene.desk.of(OrderReport)[-1].order_id,
        scene.desk.of(OrderReport)[-1].status,
    )
    assert [] == scene.failures


def test_a_fresh_adapter_takes_nobody_s_order() -> None:
    """Sent by the process before this one: its price and time are not known, so nothing of somebody else's is it."""
    scene = Scene()
    cancel_by_hand(scene.desk, scene.order.order_id, "web-1")
    before = InheritedOrder(
        instrument=scene.request.instrument, order_id=1, client_id=scene.request.client_id, qty=2 * scene.lot
    )
    start_again(scene.desk, before)
    scene.ask()
    assert [FailureReason.NOT_AT_VENUE] == scene.failures
    assert 0 == scene.asked("allOrders", "allOrders")


def test_a_name_of_another_session_of_ours_is_one_of_somebody_else() -> None:
    """It cancels what it takes for an orphan: that request is not the first about its order, so it did not place it."""
    scene = Scene()
    cancel_by_hand(scene.desk, scene.order.order_id, "Other1234-7-2")
    scene.back().ask()
    assert (1, OrderStatus.CANCELLED) == (
        scene.desk.of(OrderReport)[-1].order_id,
        scene.desk.of(OrderReport)[-1].status,
    )
    assert [] == scene.failures


def test_a_fill_that_was_told_as_somebody_else_s_halts_the_instrument() -> None:
    """The Core counts a fill once; where the first telling was not ours, the venue's count of the order contradicts
    ours for good: the position is not known, so the instrument halts."""
    bench = Bench().start()
    order_id = bench.buy(qty=10)
    bench.feed(fill(0, qty=4, fill_id=5, client_id="web-1"))
    bench.feed(report(order_id, OrderStatus.CANCELLED, filled_qty=4))
    assert bench.execution.fetch_fills
    bench.feed(fill(order_id, qty=4, fill_id=5))
    step = bench.feed(reconciled(5, bench.state.control.ts), SECOND)
    assert ["illegal_transition"] == [one.kind for one in step.derived if isinstance(one, AnomalyDetected)]
    assert TradingState.HALTED is bench.state.control.trading_state("sim", INSTRUMENT)
