"""-1021: refused for our clock alone, certainly not executed, and written once more by the right time."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Literal

import pytest

from livestack.core.events import CancelRejected, OrderAccepted, OrderCancelled, OrderRejected, OrderReplaced
from livestack.core.types import OrderRequest, RequestKind
from livestack.venues.adapter import Fetched
from tests.venues.binance_spot.venue import Desk

Way = Literal["socket", "rest"]
HOUR_NS = 3_600_000_000_000
ERROR = {"code": -1021, "msg": "Timestamp for this request is outside of the recvWindow."}
WAYS = pytest.mark.parametrize("way", ["socket", "rest"])


def live(way: Way) -> Desk:
    desk = Desk().connect()
    if way == "rest":
        desk.cut()
        desk.wait(6)
    return desk


def refuse(desk: Desk, request: OrderRequest, way: Way) -> None:
    """``request`` goes out and is refused."""
    outbound = desk.adapter.encode(request, desk.now_ns, desk.now_ns)
    desk.adapter.sent(request, desk.now_ns)
    if isinstance(outbound.payload, str):
        frame = {"id": json.loads(outbound.payload)["id"], "status": 400, "error": ERROR}
        desk.adapter.receive(json.dumps(frame).encode(), desk.now_ns, outbound.link)
    else:
        number, body = outbound.payload.fetch_id, json.dumps(ERROR).encode()
        desk.adapter.fetched(Fetched(number, 400, (), body, "", desk.now_ns, desk.now_ns))
    desk.settle()


def questions(desk: Desk, way: Way) -> list[str]:
    if way == "rest":
        return [fetch.path.rpartition("/")[2] for fetch in desk.fetches]
    return [json.loads(text)["method"] for text in desk.sent]


@WAYS
def test_it_goes_again_by_the_right_time(way: Way) -> None:
    """The venue's time is asked for over the path in use, then the same request is given back, and accepted."""
    desk = live(way)
    request = desk.new(desk.far_bid, desk.lot)
    before = questions(desk, way).count("time")
    refuse(desk, request, way)
    assert before + 1 == questions(desk, way).count("time")
    assert [request] == desk.adapter.repeats()
    assert [] == desk.adapter.repeats()
    assert [] == desk.of(OrderRejected)
    desk.send(request)
    assert [request.client_id] == [event.client_id for event in desk.of(OrderAccepted)]
    assert 1 == len(desk.venue.open_orders)


@WAYS
@pytest.mark.parametrize("what", ["cancel", "replace"])
def test_what_concerns_an_order_goes_again_too(way: Way, what: str) -> None:
    """A Cancel and a Replace as well; the order is what it should be."""
    desk = live(way)
    order = desk.send(desk.new(desk.far_bid, 4 * desk.lot))
    make: Callable[[OrderRequest], OrderRequest] = desk.cancel
    if what == "replace":
        make = lambda first: desk.replace(first, desk.far_bid - desk.instrument.price_tick, 3 * desk.lot)  # noqa: E731
    kept, desk.adapter.encode = desk.adapter.encode, None  # type: ignore[method-assign,assignment]
    made: list[OrderRequest] = []
    desk.send = lambda request: made.append(request) or request  # type: ignore[method-assign,func-returns-value]
    make(order)
    del desk.send  # type: ignore[method-assign]
    desk.adapter.encode = kept  # type: ignore[method-assign]
    refuse(desk, made[0], way)
    (request,) = desk.adapter.repeats()
    desk.send(request)
    expected = OrderCancelled if what == "cancel" else OrderReplaced
    assert [expected] == [type(one) for one in desk.events if isinstance(one, OrderCancelled | OrderReplaced)]
    assert [] == desk.of(CancelRejected)


@WAYS
def test_a_second_refusal_is_one(way: Way) -> None:
    """Once is all: then it is an OrderRejected."""
    desk = live(way)
    request = desk.new(desk.far_bid, desk.lot)
    refuse(desk, request, way)
    desk.adapter.repeats()
    refuse(desk, request, way)
    assert [] == desk.adapter.repeats()
    assert [("-1021", request.client_id)] == [(one.code, one.client_id) for one in desk.of(OrderRejected)]


def test_what_the_host_does_not_repeat_stays_refused() -> None:
    """Told once, when the host says so."""
    desk = live("socket")
    request = desk.new(desk.far_bid, desk.lot)
    refuse(desk, request, "socket")
    desk.adapter.repeats()
    assert [] == desk.of(OrderRejected)
    desk.adapter.unrepeated(request)
    desk.settle()
    assert ["-1021"] == [one.code for one in desk.of(OrderRejected)]


@pytest.mark.parametrize("what", ["no answer", "cut"])
def test_without_the_venue_s_time_nothing_is_repeated(what: str) -> None:
    """The question fails, or the connection breaks: the refusal is told."""
    desk = live("socket")
    desk.change = lambda frame: []
    refuse(desk, desk.new(desk.far_bid, desk.lot), "socket")
    if what == "cut":
        desk.cut()
    else:
        desk.wait(11)
    assert ["-1021"] == [one.code for one in desk.of(OrderRejected)]
    assert [] == desk.adapter.repeats()


def test_a_clock_that_was_set_is_believed_at_once() -> None:
    """The venue's clock jumps by an hour: the next request is refused, its repetition is accepted."""
    desk = Desk().connect()
    desk.now_ns += HOUR_NS  # the venue's; the adapter's own session time stands where it was
    request = desk.new(desk.far_bid, desk.lot)
    at_ns = desk.now_ns - HOUR_NS
    outbound = desk.adapter.encode(request, at_ns, at_ns)
    assert isinstance(outbound.payload, str)
    desk.venue.message(desk.links[0], outbound.payload, desk.now_ns)

    def carried() -> None:
        for _, text in desk.venue.drain():
            desk.adapter.receive(text.encode(), at_ns)

    carried()
    for item in desk.adapter.outgoing():
        desk.venue.message(desk.links[0], item.text, desk.now_ns)  # type: ignore[union-attr]
    carried()
    assert [request] == desk.adapter.repeats()
    outbound = desk.adapter.encode(request, at_ns, at_ns)
    desk.venue.message(desk.links[0], str(outbound.payload), desk.now_ns)
    carried()
    desk.events += desk.adapter.events()
    assert [request.client_id] == [event.client_id for event in desk.of(OrderAccepted)]


@WAYS
def test_without_room_for_the_question_the_refusal_is_told_at_once(way: Way) -> None:
    """The minute's weight is used up: an order that goes out a minute later is not the one that was wanted."""
    desk = live(way)
    desk.budget.counted(desk.budget.weight_max, desk.now_ns)
    before = questions(desk, way).count("time")
    for _ in range(20):
        refuse(desk, desk.new(desk.far_bid, desk.lot), way)
    assert 20 * ["-1021"] == [one.code for one in desk.of(OrderRejected)]
    desk.wait(70)
    assert [] == desk.adapter.repeats()
    assert 20 == len(desk.of(OrderRejected))
    assert (
        10 > questions(desk, way).count("time") - before
    )  # nor does every one of them leave a question behind


@WAYS
def test_a_cancel_is_repeated_whatever_is_left(way: Way) -> None:
    """The same, but with silence wanted and nothing more to be used for doubts: the time is asked for all the same."""
    desk = live(way)
    order = desk.send(desk.new(desk.far_bid, desk.lot))
    desk.budget.counted(desk.budget.weight_max * 90 // 100, desk.now_ns)
    desk.budget.silence(desk.now_ns + 30_000_000_000, is_ban=False)
    cancel = desk.request(RequestKind.CANCEL, order.order_id, target_client_id=order.client_id)
    refuse(desk, cancel, way)
    assert [cancel] == desk.adapter.repeats()
