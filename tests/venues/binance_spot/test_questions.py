"""The questions of the Core: asked, answered, repeated."""

from __future__ import annotations

import json

from livestack.core.events import FillsReconciled, OrderCancelled, OrderFill, OrderReport
from livestack.core.obligations import CancelAllAtVenue, QueryFills, QueryOpenOrders
from livestack.core.types import OrderStatus
from livestack.venues.options import VenueOptions
from tests.venues.binance_spot.desks import Change, methods, replies_to
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


def asked(desk: Desk, method: str) -> int:
    return methods(desk).count(method)


def failing(desk: Desk, method: str, times: int) -> None:
    error = {"code": -1000, "msg": "?"}
    desk.change = replies_to(
        desk, method, times, lambda number: {"id": number, "status": 500, "error": error}
    )


def test_a_question_about_fills_never_gives_up() -> None:
    """An hour of failures: asked later each time, at least twice a minute; answered in the end, from when it was asked
    last on, so that no newer claim is closed by an older answer."""
    desk = Desk(options=VenueOptions(reconcile_every_ns=10**15, instruments_every_ns=10**15)).connect()
    taken = desk.send(desk.new(desk.through_ask, desk.lot))
    failing(desk, "myTrades", 10**9)
    desk.sent.clear()
    ask_fills(desk, 0)
    times = []
    for _ in range(3_600 // 10):
        before = asked(desk, "myTrades")
        desk.wait(10)
        times.append(asked(desk, "myTrades") - before)
    assert 3 <= times[0]
    assert 110 <= sum(times) <= 140
    failing(desk, "myTrades", 0)
    start = len(desk.events)
    desk.wait(31)
    fills = [event for event in desk.events[start:] if isinstance(event, OrderFill)]
    assert {taken.client_id} == {fill.client_id for fill in fills}
    done = desk.of(FillsReconciled)[-1]
    assert desk.now_ns - 31 * 10**9 <= done.begun_ns


def ask_fills(desk: Desk, after: int) -> None:
    query = QueryFills(scope="f", venue=VENUE, instrument=desk.instrument.instrument, after=after)
    desk.adapter.ask(query, desk.now_ns, desk.now_ns)
    desk.settle()


def test_a_newer_question_takes_the_place_of_one_that_waits() -> None:
    """Asked from another fill on: only that one is repeated."""
    desk = Desk().connect()
    failing(desk, "myTrades", 2)
    desk.sent.clear()
    ask_fills(desk, 3)
    ask_fills(desk, 7)
    desk.wait(5)
    questions = [json.loads(text)["params"]["fromId"] for text in desk.sent if "myTrades" in text]
    assert [4, 8, 8] == questions


def test_a_cancel_all_is_not_repeated_for_ever() -> None:
    """Whoever wanted it asks anew; by then there may be orders that are wanted."""
    desk = Desk().connect()
    desk.send(desk.new(desk.far_bid, desk.lot))
    failing(desk, "openOrders.cancelAll", 10**9)
    desk.adapter.ask(CancelAllAtVenue(scope="k", venue=VENUE, instrument=""), desk.now_ns, desk.now_ns)
    desk.wait(300)
    count = asked(desk, "openOrders.cancelAll")
    assert 9 == count
    desk.wait(300)
    assert count == asked(desk, "openOrders.cancelAll")


def test_a_look_up_that_fails_is_repeated() -> None:
    """A refused cancel has the order looked up; a 500 about it is not the end of that."""
    desk = Desk().connect()
    order = desk.send(desk.new(desk.through_ask, desk.lot))
    failing(desk, "order.status", 2)
    desk.change = quiet(desk.change)
    desk.adapter.receive(b"{", desk.now_ns)  # whatever was lost
    lost = desk.send(desk.new(desk.best, desk.lot))
    desk.hit(lost.price, 10_000 * desk.lot)
    start = len(desk.events)
    desk.cancel(lost)
    assert [] == [event for event in desk.events[start:] if isinstance(event, OrderReport)]
    desk.wait(4)
    report = desk.of(OrderReport)[-1]
    assert (lost.client_id, OrderStatus.FILLED) == (report.client_id, report.status)
    assert order.client_id != lost.client_id


def quiet(change: Change) -> Change:
    """``change``, and no events."""
    return lambda frame: [] if '"event"' in frame else change(frame)


def test_open_orders_of_many_symbols_are_one_question_about_the_account() -> None:
    """Weight 80 instead of 6 a symbol, where that is less; what is not of this session is left out."""
    desk = Desk(symbols=20).connect()
    desk.send(desk.new(desk.far_bid, desk.lot))
    desk.sent.clear()
    desk.adapter.ask(QueryOpenOrders(scope="q", venue=VENUE), desk.now_ns, desk.now_ns)
    desk.settle()
    (question,) = [json.loads(text) for text in desk.sent]
    assert ("openOrders.status", False) == (question["method"], "symbol" in question["params"])
    few = Desk(symbols=13).connect()
    few.sent.clear()
    few.adapter.ask(QueryOpenOrders(scope="q", venue=VENUE), few.now_ns, few.now_ns)
    few.settle()
    assert 13 == asked(few, "openOrders.status")


def test_orders_that_vanished_are_over() -> None:
    """The test network is wiped: after reconnecting, or at the next check, nothing of them stays open."""
    for is_cut in (False, True):
        desk = Desk().connect()
        orders = [desk.send(desk.new(desk.far_bid, desk.lot)) for _ in range(2)]
        desk.venue.wipe()
        if is_cut:
            desk.cut()
            desk.connect()
        desk.wait(80)
        ended = [(one.order_id, one.filled_qty) for one in desk.of(OrderCancelled)]
        assert sorted((one.order_id, -1) for one in orders) == sorted(ended)
        assert 2 == desk.adapter.faults["order_lost"]
        before = asked(desk, "order.status")
        desk.wait(120)
        assert before == asked(desk, "order.status")


def test_one_answer_that_an_order_is_not_there_ends_nothing() -> None:
    """It is asked about again; found, it stays open."""
    desk = Desk().connect()
    order = desk.send(desk.new(desk.far_bid, desk.lot))
    desk.cut()
    desk.connect()
    not_found = {"code": -2013, "msg": "Order does not exist."}
    empty = replies_to(
        desk, "openOrders.status", 1, lambda number: {"id": number, "status": 200, "result": []}
    )
    lost = replies_to(
        desk, "order.status", 1, lambda number: {"id": number, "status": 400, "error": not_found}
    )
    desk.change = lambda frame: [last for first in empty(frame) for last in lost(first)]
    desk.adapter.ask(QueryOpenOrders(scope="q", venue=VENUE), desk.now_ns, desk.now_ns)
    desk.settle()
    desk.wait(10)
    assert [] == desk.of(OrderCancelled)
    assert OrderStatus.ACCEPTED is desk.of(OrderReport)[-1].status
    assert order.order_id == desk.of(OrderReport)[-1].order_id


def test_cancel_all_outlives_its_connection() -> None:
    """A kill's: the connection breaks before it is answered, and it is asked again over the next one."""
    desk = Desk().connect()
    desk.send(desk.new(desk.far_bid, desk.lot))
    carry = desk.carry
    desk.carry = lambda payload, link=0: None  # type: ignore[method-assign]
    desk.adapter.ask(CancelAllAtVenue(scope="k", venue=VENUE, instrument=""), desk.now_ns, desk.now_ns)
    desk.settle()
    desk.carry = carry  # type: ignore[method-assign]
    desk.cut()
    desk.connect()
    desk.wait(2)
    assert [] == desk.venue.open_orders
    again = asked(desk, "openOrders.cancelAll")
    desk.wait(60)
    assert again == asked(desk, "openOrders.cancelAll")
