"""What a reply to New, Cancel or Replace means: done, refused for certain, or unknown (venues.md 1.4 and 1.7).

Pure; belongs to the order-entry adapter's thread. A status of 5xx, the codes below, or no reply at all prove nothing:
no Event comes of them, the Core's time-out has the order looked up. Nor does a page of whoever stands before the venue
prove anything: only a code of the venue's own says that a request was not executed. An answer that names another order
than the request is not its answer.
"""

from __future__ import annotations

from enum import IntEnum

import msgspec

from livestack.core.types import Liquidity, OrderRequest, Side
from livestack.venues.binance_spot.fetches import SILENCE_NS, SILENCE_NS_MAX
from livestack.venues.binance_spot.messages import ApiError
from livestack.venues.binance_spot.order_events import EXPIRED, OrderEvents
from livestack.venues.binance_spot.orders import CANCEL_HALF, KnownOrder
from livestack.venues.binance_spot.private_messages import (
    AmendResult,
    CancelReplaceResult,
    OrderResult,
    Reply,
    RetryAfter,
    decode,
)

UNKNOWN_CODES = {-1000, -1001, -1006, -1007, -1008, -1016}
"""Internal and bus errors, time-outs, overload, shutdown: execution status unknown."""

OVERLOAD_CODE = -1008
OVERLOAD_NS = 5_000_000_000
"""How long orders wait after an overload that tells no time. Those are the moments in which cancels matter."""

BACKOFF_CODES = {-1003, OVERLOAD_CODE, -1015}
CLOCK_CODE = -1021
HALVES = (-2021, -2022)
"""A cancelReplace of which one half failed, or both. Nothing else that is said with 409 is certain."""

CANCEL_REFUSED = -2011
NOT_FOUND_CODES = {-2013, -2026}
DUPLICATE = "Duplicate order sent."
"""Our ids are never used twice: the order that is there already is the one we sent."""


class Verdict(IntEnum):
    DONE = 1
    REFUSED = 2
    UNKNOWN = 3


def verdict(reply: Reply) -> Verdict:
    """What is certain after ``reply``."""
    if reply.is_ok:
        return Verdict.DONE
    is_timed_out = reply.status == 408 or (reply.status == 409 and reply.code not in HALVES)
    is_of_venue = reply.code < 0 and reply.code not in UNKNOWN_CODES and reply.text != DUPLICATE
    if 400 <= reply.status < 500 and is_of_venue and not is_timed_out:
        return Verdict.REFUSED
    return Verdict.UNKNOWN


def backoff_ns(reply: Reply, venue_ms: int) -> int:
    """How long the venue wants silence after ``reply``; 0 not at all. ``venue_ms``: the venue's time now."""
    if reply.status not in (418, 429) and reply.code not in BACKOFF_CODES:
        return 0
    untold_ns = OVERLOAD_NS if reply.code == OVERLOAD_CODE else SILENCE_NS
    try:
        data = decode(reply.error, RetryAfter)
    except (msgspec.MsgspecError, ValueError):
        return untold_ns
    wait_ms = data.retry_at_ms - (data.server_ms or venue_ms)
    return min(wait_ms * 1_000_000, SILENCE_NS_MAX) if wait_ms > 0 else untold_ns


def _check(order: KnownOrder, result: OrderResult, client_id: str) -> None:
    """``ValueError`` where ``result`` is not about ``order`` under ``client_id``."""
    if result.symbol != order.instrument.symbol or result.client_id not in ("", client_id):
        raise ValueError(f"an answer about {result.client_id[:36]!r} of {result.symbol[:32]!r}")


def placed(
    events: OrderEvents, order: KnownOrder, request: OrderRequest, result: OrderResult, recv_ns: int
) -> None:
    """A New is at the venue; its FULL response may bring fills and the end of it at once."""
    _check(order, result, request.client_id)
    order.price, order.qty = request.price, order.instrument.qty[result.qty] or request.qty
    if request.quote_qty:
        order.side = request.side
    events.accepted(order, request.client_id, result.venue_order_id, result.transact_ms, recv_ns)
    _progress(events, order, request.side, result, recv_ns)


def _progress(events: OrderEvents, order: KnownOrder, side: Side, result: OrderResult, recv_ns: int) -> None:
    events.orders.touch(order)
    _prevention(events, order, result, recv_ns)
    for fill in result.fills:
        events.fill(
            order,
            venue_order_id=str(result.venue_order_id),
            fill_id=fill.trade_id,
            side=side,
            price=fill.price,
            qty=fill.qty,
            fee=fill.commission,
            fee_asset=fill.commission_asset,
            liquidity=Liquidity.TAKER,
            ms=result.transact_ms,
            recv_ns=recv_ns,
        )
    filled = order.instrument.qty[result.filled_qty]
    order.filled = max(order.filled, filled)
    if result.status == "FILLED":
        events.filled(order, result.transact_ms, recv_ns)
    elif result.status in EXPIRED:
        reason = result.expiry_reason or result.status
        events.expired(order, reason, filled, result.transact_ms, recv_ns)
    elif result.status == "CANCELED":
        events.cancelled(order, "cancelled", filled, result.transact_ms, recv_ns)
    elif result.status == "REJECTED":
        events.rejected(order, "REJECTED", result.expiry_reason or "REJECTED", result.transact_ms, recv_ns)


def _prevention(events: OrderEvents, order: KnownOrder, result: OrderResult, recv_ns: int) -> None:
    """What self-trade prevention took off at once: said, or what is missing to the quantity of one that is filled."""
    if order.venue_order_id != str(result.venue_order_id) or result.status in EXPIRED:
        return
    quantities = order.instrument.qty
    prevented = quantities[result.prevented_qty]
    if result.status == "FILLED" and result.type != "MARKET":
        prevented = max(prevented, quantities[result.qty] - quantities[result.filled_qty])
    events.prevented(order, prevented, result.transact_ms, recv_ns)


def cancelled(
    events: OrderEvents, order: KnownOrder, request: OrderRequest, result: OrderResult, recv_ns: int
) -> None:
    """A Cancel took the order out of the market."""
    _check(order, result, request.client_id)
    names = ("", request.target_client_id, *order.client_ids)
    venue_ids = (request.venue_order_id, *order.venue_order_ids)
    if result.original_client_id not in names and str(result.venue_order_id) not in venue_ids:
        raise ValueError(f"an answer about {result.original_client_id[:36]!r}")
    events.orders.touch(order)
    if not order.venue_order_id:
        events.orders.name(order, str(result.venue_order_id))
    filled = order.instrument.qty[result.filled_qty]
    if order.venue_order_id == str(result.venue_order_id):
        events.cancelled(order, "cancelled", filled, result.transact_ms, recv_ns)


def amended(
    events: OrderEvents, order: KnownOrder, request: OrderRequest, result: AmendResult, recv_ns: int
) -> None:
    """An amendment lowered the quantity; the order kept its venue id and its place."""
    changed = result.order
    _check(order, changed, request.client_id)
    events.orders.touch(order)
    order.prevented = max(order.prevented, order.instrument.qty[changed.amended_prevented_qty])
    terms = order.instrument.price[changed.price], order.instrument.qty[changed.amended_qty]
    events.replaced(order, request.client_id, changed.venue_order_id, terms, result.transact_ms, recv_ns)


def replaced(
    events: OrderEvents, order: KnownOrder, request: OrderRequest, result: CancelReplaceResult, recv_ns: int
) -> None:
    """Both halves of a cancelReplace succeeded."""
    old = decode(result.cancel_response, OrderResult)
    new = decode(result.new_order_response, OrderResult)
    _check(order, old, request.client_id + CANCEL_HALF)
    _check(order, new, request.client_id)
    if request.client_id not in order.replaced:
        order.cancel_half_filled = order.instrument.qty[old.filled_qty]
        terms = order.instrument.price[new.price], order.instrument.qty[new.qty]
        events.replaced(order, request.client_id, new.venue_order_id, terms, new.transact_ms, recv_ns)
    _progress(events, order, request.side, new, recv_ns)


def partly_replaced(events: OrderEvents, order: KnownOrder, request: OrderRequest, reply: Reply) -> bool:
    """-2021 or -2022: what became of the two halves. False where that cannot be said."""
    events.orders.touch(order)
    data = decode(reply.error, CancelReplaceResult)
    if data.cancel_result == "FAILURE" and data.new_order_result != "SUCCESS":
        why = decode(data.cancel_response, ApiError)
        events.refused(request, order, why.code, why.msg, reply.recv_ns)
        return True
    if data.cancel_result == "SUCCESS" and data.new_order_result != "SUCCESS":
        old = decode(data.cancel_response, OrderResult)
        _check(order, old, request.client_id + CANCEL_HALF)
        why_not = "not attempted"
        if data.new_order_result == "FAILURE":
            error = decode(data.new_order_response, ApiError)
            why_not = f"{error.msg} ({error.code})"
        if not order.venue_order_id:
            events.orders.name(order, str(old.venue_order_id))
        filled = order.instrument.qty[old.filled_qty]
        reason = f"cancelled to be replaced, but the new order was refused: {why_not}"
        events.cancelled(order, reason, filled, old.transact_ms, reply.recv_ns)
        return True
    return False
