"""What became of a request without an answer: evidence ends the doubt, and nothing else."""

from __future__ import annotations

import json

import pytest
from msgspec import structs

from livestack.core.events import (
    DispatchFailed,
    OrderAccepted,
    OrderCancelled,
    OrderReplaced,
    OrderReport,
)
from livestack.core.obligations import QueryOrder
from livestack.core.types import (
    FailureReason,
    OrderStatus,
    RequestKind,
)
from livestack.venues.adapter import Inherited, InheritedOrder
from tests.venues.binance_spot.venue import VENUE, Desk, lose_replies, query

ABOUT = (OrderAccepted, OrderReplaced, OrderCancelled, OrderReport, DispatchFailed)


def test_a_lost_reply_is_found_out_by_a_query() -> None:
    """The order is at the venue, nobody told us: the query's OrderReport does, and nothing is claimed absent."""
    desk = Desk().connect()
    lose_replies(desk, "order.place")
    order = desk.send(desk.new(desk.far_bid, desk.lot))
    assert desk.of(OrderAccepted) == []
    query(desk, order)
    (report,) = desk.of(OrderReport)
    assert (report.order_id, report.status, report.qty) == (1, OrderStatus.ACCEPTED, desk.lot)
    desk.wait(30)
    assert desk.of(DispatchFailed) == []


def test_an_order_that_never_arrived_is_absent_only_after_the_settling_time() -> None:
    """Not found at once proves nothing: asked again, and DispatchFailed(NOT_AT_VENUE) once it is settled."""
    desk = Desk().connect()
    order = desk.new(desk.far_bid, desk.lot)
    desk.adapter.encode(order, desk.now_ns, desk.now_ns)
    desk.adapter.sent(order, desk.now_ns)
    sent_ns = desk.now_ns
    query(desk, order)
    desk.wait(10)
    assert desk.of(DispatchFailed) == []
    desk.wait(10)
    (failed,) = desk.of(DispatchFailed)
    assert (failed.kind, failed.order_id, failed.revision, failed.reason) == (
        RequestKind.NEW, 1, 1, FailureReason.NOT_AT_VENUE,
    )  # fmt: skip
    asked = [text for text in desk.sent if json.loads(text)["method"] == "order.status"]
    assert len(asked) == 2
    assert json.loads(asked[-1])["params"]["timestamp"] * 10**6 >= sent_ns + desk.adapter.settling_ns - 10**9


def test_an_order_renamed_by_its_cancel_is_not_taken_for_absent() -> None:
    """New and Cancel both unanswered: under the first id the venue knows nothing, under the cancel's the order."""
    desk = Desk().connect()
    lose_replies(desk, "order.place")
    order = desk.send(desk.new(desk.far_bid, desk.lot))
    lose_replies(desk, "order.cancel")
    desk.cancel(order)
    query(desk, order)
    desk.wait(30)
    assert desk.of(DispatchFailed) == []
    assert desk.of(OrderReport)[-1].status is OrderStatus.CANCELLED


def test_a_cancel_that_never_arrived_is_proven_so_by_the_open_order() -> None:
    """A query after the settling time that finds the order open: the Cancel will not be executed any more."""
    desk = Desk().connect()
    order = desk.send(desk.new(desk.far_bid, desk.lot))
    cancel = desk.request(RequestKind.CANCEL, 1, target_client_id=order.client_id)
    desk.adapter.encode(cancel, desk.now_ns, desk.now_ns)
    desk.adapter.sent(cancel, desk.now_ns)
    query(desk, cancel)
    assert desk.of(OrderReport)[-1].status is OrderStatus.ACCEPTED
    assert desk.of(DispatchFailed) == []
    desk.wait(20)
    assert [(event.kind, event.revision) for event in desk.of(DispatchFailed)] == [(RequestKind.CANCEL, 2)]


@pytest.mark.parametrize("arrived", [True, False])
def test_a_replace_without_an_answer_is_found_out(arrived: bool) -> None:
    """Executed: OrderReplaced from the query. Not executed: DispatchFailed once settled, the order as it was."""
    desk = Desk().connect()
    order = desk.send(desk.new(desk.far_bid, desk.lot))
    price = desk.far_bid - desk.instrument.price_tick
    if arrived:
        lose_replies(desk, "order.cancelReplace")
        replace = desk.replace(order, price, 2 * desk.lot)
    else:
        replace = desk.request(
            RequestKind.REPLACE, 1, target_client_id=order.client_id, price=price, qty=2 * desk.lot
        )
        desk.adapter.encode(replace, desk.now_ns, desk.now_ns)
        desk.adapter.sent(replace, desk.now_ns)
    query(desk, replace)
    desk.wait(20)
    assert [event.qty for event in desk.of(OrderReplaced)] == ([2 * desk.lot] if arrived else [])
    assert [event.kind for event in desk.of(DispatchFailed)] == ([] if arrived else [RequestKind.REPLACE])


def start_again(desk: Desk, *orders: InheritedOrder) -> None:
    """Another process with the same account."""
    desk.start_again(Inherited({}, orders))
    desk.connect()


def test_a_resumed_session_replaces_an_order_of_before() -> None:
    """Under its new epoch: one OrderReplaced with the whole quantity, what was filled before included, and no other
    order. The Cancel behind it is told once."""
    desk = Desk().connect()
    order = desk.send(desk.new(desk.far_bid, 2 * desk.lot))
    filled = desk.lot  # so much of it by an order that this one took the place of
    before = InheritedOrder(
        instrument=desk.instrument.instrument,
        order_id=1,
        client_id=order.client_id,
        venue_order_id=desk.of(OrderAccepted)[0].venue_order_id,
        qty=3 * desk.lot,
    )
    start_again(desk, before)
    start = len(desk.events)
    replace = structs.replace(
        desk.request(RequestKind.REPLACE, 1, target_client_id=order.client_id),
        client_id="Other1234-1-2",
        price=desk.far_bid - desk.instrument.price_tick,
        qty=3 * desk.lot,
        filled_qty=filled,
    )
    desk.send(replace)
    cancel = desk.request(RequestKind.CANCEL, 1, target_client_id=replace.client_id)
    desk.send(structs.replace(cancel, client_id="Other1234-1-3"))
    told = [event for event in desk.events[start:] if isinstance(event, ABOUT)]
    replaced, ended = told
    assert isinstance(replaced, OrderReplaced)
    assert isinstance(ended, OrderCancelled)
    assert (1, "Other1234-1-2", 3 * desk.lot) == (replaced.order_id, replaced.client_id, replaced.qty)
    assert (1, "Other1234-1-2") == (ended.order_id, ended.client_id)


@pytest.mark.parametrize("ended", [True, False])
def test_a_fresh_adapter_knows_that_it_asks_about_a_replace(ended: bool) -> None:
    """After a restart: the new order is nowhere, so the Replace failed, whatever became of the one before."""
    desk = Desk().connect()
    order = desk.send(desk.new(desk.far_bid, desk.lot))
    (accepted,) = desk.of(OrderAccepted)
    replace = desk.request(RequestKind.REPLACE, 1, target_client_id=order.client_id)
    if ended:
        desk.cancel(order)
    start_again(desk)
    start = len(desk.events)
    desk.adapter.ask(
        QueryOrder(
            scope="q",
            venue=VENUE,
            instrument=desk.instrument.instrument,
            order_id=1,
            client_id=replace.client_id,
            venue_order_id=accepted.venue_order_id,
            kind=RequestKind.REPLACE,
        ),
        desk.now_ns,
        desk.now_ns,
    )
    desk.wait(20)
    told = [event for event in desk.events[start:] if isinstance(event, DispatchFailed | OrderReport)]
    failed, report = told
    assert isinstance(failed, DispatchFailed)
    assert (RequestKind.REPLACE, 2) == (failed.kind, failed.revision)
    assert isinstance(report, OrderReport)
    assert (OrderStatus.CANCELLED if ended else OrderStatus.ACCEPTED) is report.status


def test_a_fresh_adapter_finds_a_replace_whose_order_is_over() -> None:
    """Executed and filled: that it was replaced is told before that it ended."""
    desk = Desk().connect()
    order = desk.send(desk.new(desk.far_bid, desk.lot))
    (accepted,) = desk.of(OrderAccepted)
    lose_replies(desk, "order.cancelReplace")
    replace = desk.replace(order, desk.through_ask, desk.lot)
    start_again(desk)
    start = len(desk.events)
    question = QueryOrder(
        scope="q",
        venue=VENUE,
        instrument=desk.instrument.instrument,
        order_id=1,
        client_id=replace.client_id,
        venue_order_id=accepted.venue_order_id,
        kind=RequestKind.REPLACE,
    )
    desk.adapter.ask(question, desk.now_ns, desk.now_ns)
    desk.wait(20)
    replaced, report = [
        event
        for event in desk.events[start:]
        if isinstance(event, OrderReplaced | OrderReport | DispatchFailed)
    ]
    assert isinstance(replaced, OrderReplaced)
    assert isinstance(report, OrderReport)
    assert (replace.client_id, OrderStatus.FILLED) == (replaced.client_id, report.status)


def test_a_disconnect_leaves_requests_unresolved_not_failed() -> None:
    """What had no answer when the connection broke is asked for under its id over the next one."""
    desk = Desk().connect()
    lose_replies(desk, "order.place")
    order = desk.send(desk.new(desk.far_bid, desk.lot))
    desk.cut()
    assert desk.of(DispatchFailed) == []
    desk.change = lambda frame: [frame]
    desk.connect()
    query(desk, order)
    assert desk.of(OrderReport)[-1].client_id == order.client_id
