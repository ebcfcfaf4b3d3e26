"""Replies: done, refused for certain, or unknown."""

from __future__ import annotations

import json

import pytest

from livestack.core.events import (
    CancelRejected,
    OrderCancelled,
    OrderRejected,
    OrderReplaced,
    ReplaceRejected,
    VenueBackoff,
)
from livestack.core.types import (
    RequestKind,
)
from livestack.venues.binance_spot.outcomes import DUPLICATE, Verdict, verdict
from livestack.venues.binance_spot.private_messages import Reply
from tests.venues.binance_spot.venue import Desk


def test_a_cancel_of_a_filled_order_is_refused_and_the_order_looked_up(desk: Desk) -> None:
    """-2011: CancelRejected with the request's revision."""
    order = desk.send(desk.new(desk.through_ask, desk.lot))
    desk.cancel(order)
    (refused,) = desk.of(CancelRejected)
    assert (refused.order_id, refused.revision, refused.code) == (1, 2, "-2011")


def test_a_replace_of_a_filled_order_is_refused(desk: Desk) -> None:
    """-2022: the cancel half failed, the new order was not attempted, nothing rests."""
    order = desk.send(desk.new(desk.through_ask, desk.lot))
    desk.replace(order, desk.far_bid, 2 * desk.lot)
    (refused,) = desk.of(ReplaceRejected)
    assert (refused.revision, refused.code, refused.reason) == (2, "-2011", "Unknown order sent.")
    assert desk.venue.open_orders == []


def test_a_replace_whose_new_half_fails_is_a_cancellation(desk: Desk) -> None:
    """-2021: cancelled, and the new order refused: the order is gone, and says why."""
    order = desk.send(desk.new(desk.far_bid, desk.lot, post_only=True))
    target = desk.request(
        RequestKind.REPLACE,
        order.order_id,
        target_client_id=order.client_id,
        price=desk.through_ask,
        qty=desk.lot,
        post_only=True,
    )
    desk.send(target)
    (cancelled,) = desk.of(OrderCancelled)
    assert "Order would immediately match and take." in cancelled.reason
    assert cancelled.filled_qty == 0
    assert desk.of(OrderReplaced) == []
    assert desk.venue.open_orders == []


@pytest.mark.parametrize("code", [-1000, -1006, -1007])
def test_an_unknown_outcome_produces_no_event(code: int) -> None:
    """5xx and the codes for "status unknown" prove nothing, whether the order is there or not."""
    desk = Desk().connect()
    start = len(desk.events)
    text = desk.adapter.encode(desk.new(desk.far_bid, desk.lot), desk.now_ns, desk.now_ns).payload
    number = json.loads(text)["id"]
    for status in (500, 400):
        error = {"id": number, "status": status, "error": {"code": code, "msg": "unknown"}}
        desk.adapter.receive(json.dumps(error).encode(), desk.now_ns)
    desk.settle()
    assert desk.names(start) == []


def test_429_is_a_back_off_and_a_certain_no() -> None:
    """``retryAfter`` is an epoch in ms over this API: VenueBackoff with the wait, OrderRejected with the code."""
    desk = Desk().connect()
    text = desk.adapter.encode(desk.new(desk.far_bid, desk.lot), desk.now_ns, desk.now_ns).payload
    data = {"serverTime": 1_000, "retryAfter": 8_000}
    error = {
        "code": -1015,
        "msg": "Too many new orders; current limit is 50 orders per TEN_SECONDS.",
        "data": data,
    }
    frame = {"id": json.loads(text)["id"], "status": 429, "error": error}
    desk.adapter.receive(json.dumps(frame).encode(), desk.now_ns)
    desk.settle()
    assert [event.retry_after_ns for event in desk.of(VenueBackoff)] == [7_000_000_000]
    assert [event.code for event in desk.of(OrderRejected)] == ["-1015"]


@pytest.mark.parametrize(
    ("status", "code", "text", "expected"),
    [
        (200, 0, "", Verdict.DONE),
        (0, 0, "", Verdict.UNKNOWN),
        (500, 0, "", Verdict.UNKNOWN),
        (503, -1008, "", Verdict.UNKNOWN),
        (400, -1006, "", Verdict.UNKNOWN),
        (400, -1007, "", Verdict.UNKNOWN),
        (400, -2010, DUPLICATE, Verdict.UNKNOWN),
        (400, -2010, "Account has insufficient balance for requested action.", Verdict.REFUSED),
        (400, -1013, "Filter failure: LOT_SIZE", Verdict.REFUSED),
        (400, -1021, "", Verdict.REFUSED),
        (401, -2015, "", Verdict.REFUSED),
        (403, 0, "", Verdict.UNKNOWN),
        (403, 403, "Forbidden", Verdict.UNKNOWN),
        (403, -2015, "", Verdict.REFUSED),
        (408, -1013, "", Verdict.UNKNOWN),
        (409, 0, "", Verdict.UNKNOWN),
        (409, -1013, "", Verdict.UNKNOWN),
        (409, -2021, "", Verdict.REFUSED),
        (409, -2022, "", Verdict.REFUSED),
        (418, -1003, "", Verdict.REFUSED),
        (429, -1015, "", Verdict.REFUSED),
    ],
)
def test_what_a_status_and_a_code_prove(status: int, code: int, text: str, expected: Verdict) -> None:
    """The table of venues.md 1.4: what is unknown there is unknown here."""
    reply = Reply(status, 0)
    reply.code, reply.text = code, text
    assert verdict(reply) is expected


@pytest.fixture(params=[False, True], ids=["response first", "report first"])
def desk(request: pytest.FixtureRequest) -> Desk:
    """LIVE, with the execution report before or behind the response."""
    return Desk(reports_first=request.param).connect()
