"""What becomes of an order whose answer says nothing: right in the end by every way, and never sent again."""

from __future__ import annotations

import json
from typing import Literal

import pytest
from msgspec import structs

from livestack.core.events import (
    DispatchFailed,
    Event,
    OrderAccepted,
    OrderCancelled,
    OrderRejected,
    OrderReplaced,
    OrderReport,
)
from livestack.core.obligations import QueryOrder
from livestack.core.types import FailureReason, OrderRequest, OrderStatus, OrderType, RequestKind, TimeInForce
from livestack.venues.adapter import Fetch, Fetched
from tests.venues.binance_spot.venue import VENUE, Desk

Path = Literal["socket", "rest"]
SETTLED_S = 18

ERRORS = {
    "500": (500, ""),
    "502 html": (502, "<html>bad gateway</html>"),
    "503": (503, '{"code":-1008,"msg":"Server is currently overloaded."}'),
    "-1006": (400, '{"code":-1006,"msg":"An unexpected response was received from the message bus."}'),
    "-1007": (400, '{"code":-1007,"msg":"Timeout waiting for response from backend server."}'),
    "nothing": (0, ""),
    "garbage": (200, "garbage"),
    "firewall": (403, "<html>blocked</html>"),
}
"""Answers that say nothing certain of a request."""

RESULTS = (
    OrderAccepted,
    OrderCancelled,
    OrderReplaced,
    OrderReport,
    OrderRejected,
    DispatchFailed,
)


class Scene:
    """One request of ``kind`` over ``path``, executed or not, answered with ``error``, and the question about it."""

    def __init__(self, kind: RequestKind, path: Path, error: str, executed: bool, lost: bool = False) -> None:
        self.desk = desk = Desk().connect()
        self.kind = kind
        if path == "rest":
            desk.cut()
            desk.wait(6)
        self.first = None
        if kind is not RequestKind.NEW:
            self.first = desk.send(desk.new(desk.far_bid, 4 * desk.lot))
        self.request = self._request()
        self.start = len(desk.events)
        outbound = desk.adapter.encode(self.request, desk.now_ns, desk.now_ns)
        if isinstance(outbound.payload, Fetch):
            self._over_rest(outbound.payload, error, executed)
        else:
            self._over_socket(outbound.payload, error, executed)
        desk.adapter.sent(self.request, desk.now_ns)
        desk.settle()
        if lost:
            desk.cut()

    def _request(self) -> OrderRequest:
        desk = self.desk
        if self.first is None:
            return desk.new(desk.far_bid, desk.lot)
        target = self.first.client_id
        if self.kind is RequestKind.CANCEL:
            return desk.request(RequestKind.CANCEL, 1, target_client_id=target)
        return desk.request(
            RequestKind.REPLACE,
            1,
            target_client_id=target,
            side=self.first.side,
            type=OrderType.LIMIT,
            tif=TimeInForce.GTC,
            price=desk.far_bid - desk.instrument.price_tick,
            qty=3 * desk.lot,
        )

    def _over_rest(self, fetch: Fetch, error: str, executed: bool) -> None:
        status, body = ERRORS[error]
        now_ns, self.number = self.desk.now_ns, fetch.fetch_id
        if executed:
            self.desk.venue.rest(fetch.method, fetch.path, fetch.query, dict(fetch.headers), b"", now_ns)
        cause = "timed out" if status == 0 else ""
        self.desk.adapter.fetched(Fetched(fetch.fetch_id, status, (), body.encode(), cause, now_ns, now_ns))

    def _over_socket(self, text: str, error: str, executed: bool) -> None:
        """The stream is as silent as the answer: whatever was lost took it along."""
        desk = self.desk
        status, body = ERRORS[error]
        number = json.loads(text)["id"]
        desk.change = lambda frame: (
            [] if "event" in frame or json.loads(frame).get("id") == number else [frame]
        )
        if executed:
            desk.carry(text)
            desk.settle()
        if error == "garbage":
            desk.adapter.receive(b'{"id":%d,"status":200,"result":"garbage"}' % number, desk.now_ns)
        elif status:
            told = body if body.startswith("{") else '{"code":-1000,"msg":"unknown"}'
            frame = f'{{"id":{number},"status":{status if status != 403 else 500},"error":{told}}}'
            desk.adapter.receive(frame.encode(), desk.now_ns)
        desk.settle()
        desk.change = lambda frame: [frame]

    def ask(self) -> None:
        """As the Core does it once it has waited long enough."""
        question = QueryOrder(
            scope="q",
            venue=VENUE,
            instrument=self.request.instrument,
            order_id=self.request.order_id,
            client_id=self.request.client_id,
            kind=self.kind,
        )
        self.desk.adapter.ask(question, self.desk.now_ns, self.desk.now_ns)
        self.desk.settle()

    @property
    def told(self) -> list[Event]:
        return [event for event in self.desk.events[self.start :] if isinstance(event, RESULTS)]

    def check(self, executed: bool) -> None:
        """The Core knows what the venue knows, by Events that mean just that; and it went out once."""
        desk = self.desk
        log = [one.client_id for one in desk.venue.log if one.client_id == self.request.client_id]
        assert int(executed) == len(log)
        failures = [event for event in self.told if isinstance(event, DispatchFailed)]
        if not executed:
            assert [FailureReason.NOT_AT_VENUE] == [event.reason for event in failures]
            assert not [event for event in self.told if isinstance(event, OrderAccepted | OrderReplaced)]
            return
        assert [] == failures
        reports = [event for event in self.told if isinstance(event, OrderReport)]
        if self.kind is RequestKind.NEW:
            assert {OrderStatus.ACCEPTED} == {event.status for event in reports}
        elif self.kind is RequestKind.CANCEL:
            assert OrderStatus.CANCELLED is reports[-1].status
        else:
            (replaced,) = [event for event in self.told if isinstance(event, OrderReplaced)]
            assert (self.request.client_id, 3 * desk.lot) == (replaced.client_id, replaced.qty)


KINDS = (RequestKind.NEW, RequestKind.CANCEL, RequestKind.REPLACE)
EVERY = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
FATES = pytest.mark.parametrize("executed", [True, False], ids=["executed", "not executed"])


@EVERY
@FATES
@pytest.mark.parametrize("path", ["socket", "rest"])
@pytest.mark.parametrize("error", list(ERRORS))
def test_every_answer_that_says_nothing(kind: RequestKind, executed: bool, path: Path, error: str) -> None:
    """Asked about over the path that it took: found, or proven absent once it must have arrived."""
    scene = Scene(kind, path, error, executed)
    assert not [event for event in scene.told if isinstance(event, OrderRejected | DispatchFailed)]
    scene.ask()
    scene.desk.wait(SETTLED_S + 62 if error == "503" else SETTLED_S)
    scene.check(executed)


@EVERY
@FATES
def test_asked_about_over_rest_where_the_connection_is_lost(kind: RequestKind, executed: bool) -> None:
    """The connection went with the answer and does not come back: the question takes the other path."""
    scene = Scene(kind, "socket", "nothing", executed, lost=True)
    scene.desk.wait(6)
    scene.ask()
    scene.desk.wait(SETTLED_S)
    assert "GET" in {fetch.method for fetch in scene.desk.fetches}
    scene.check(executed)


@EVERY
@FATES
def test_asked_about_over_the_socket_where_rest_did_not_answer(kind: RequestKind, executed: bool) -> None:
    """And the other way round."""
    scene = Scene(kind, "rest", "nothing", executed)
    scene.desk.connect()
    scene.ask()
    before = len(scene.desk.fetches)
    scene.desk.wait(SETTLED_S)
    assert before == len(scene.desk.fetches)
    scene.check(executed)


@FATES
def test_a_question_goes_on_over_the_other_path(executed: bool) -> None:
    """Begun over a connection that breaks before the answer: it ends over REST, without being asked anew."""
    scene = Scene(RequestKind.NEW, "socket", "nothing", executed)
    scene.desk.change = lambda frame: []
    scene.ask()
    scene.desk.cut()
    scene.desk.wait(SETTLED_S + 6)
    scene.check(executed)


def test_a_late_answer_is_nobody_s() -> None:
    """After the question has settled it, an answer that comes at last changes nothing."""
    scene = Scene(RequestKind.NEW, "rest", "nothing", executed=True)
    scene.ask()
    before = len(scene.told)
    scene.desk.adapter.fetched(
        Fetched(scene.number, 200, (), b"{}", "", scene.desk.now_ns, scene.desk.now_ns)
    )
    assert before == len(scene.told)
    assert 1 == scene.desk.adapter.faults["unexpected_reply"]


def test_rest_answers_of_the_replace_table() -> None:
    """409 with half of it done: the old order is gone and the new one was refused, in one Event."""
    desk = Desk().connect()
    desk.cut()
    desk.wait(6)
    order = desk.send(desk.new(desk.far_bid, 2 * desk.lot))
    data = {
        "cancelResult": "SUCCESS",
        "newOrderResult": "FAILURE",
        "cancelResponse": {
            "symbol": desk.instrument.symbol,
            "origClientOrderId": order.client_id,
            "orderId": int(desk.of(OrderAccepted)[0].venue_order_id),
            "executedQty": "0",
            "origQty": "0",
            "status": "CANCELED",
        },
        "newOrderResponse": {"code": -2010, "msg": "Account has insufficient balance for requested action."},
    }
    body = json.dumps({"code": -2021, "msg": "Order cancel-replace partially failed.", "data": data}).encode()
    desk.answer = lambda fetch, answer: (
        structs.replace(answer, status=409, body=body) if "cancelReplace" in fetch.path else answer
    )
    desk.replace(order, desk.far_bid - desk.instrument.price_tick, 3 * desk.lot)
    (cancelled,) = desk.of(OrderCancelled)
    assert "insufficient balance" in cancelled.reason
