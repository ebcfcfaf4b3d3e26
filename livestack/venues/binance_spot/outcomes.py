"""What a reply to New, Cancel or Replace means: done, refused for certain, or unknown (venues.md 1.4 and 1.7).

Pure; belongs to the order-entry adapter's thread. A status of 5xx, the codes below, or no reply at all prove nothing:
no Event comes of them, the Core's time-out has the order looked up. Everything else that is not 200 was not executed.
"""

from __future__ import annotations

from enum import IntEnum

import msgspec

from livestack.core.types import Liquidity, OrderRequest, Side
from livestack.venues.binance_spot.fetches import SILENCE_NS, SILENCE_NS_MAX
from livestack.venues.binance_spot.messages import ApiError
from livestack.venues.binance_spot.order_events import EXPIRED, OrderEvents
from livestack.venues.binance_spot.orders import KnownOrder
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

BACKOFF_CODES = {-1003, -1008, -1015}
CLOCK_CODE = -1021
PARTLY_REPLACED, NOT_REPLACED = -2021, -2022
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
    if reply.status < 400 or reply.status >= 500 or reply.code in UNKNOWN_CODES or reply.text == DUPLICATE:
        return Verdict.UNKNOWN
    return Verdict.REFUSED


def backoff_ns(reply: Reply, venue_ms: int) -> int:
    """How long the venue wants silence after ``reply``; 0 not at all. ``venue_ms``: the venue's time now."""
    if reply.status not in (418, 429) and reply.code not in BACKOFF_CODES:
        return 0
    try:
        data = decode(reply.error, RetryAfter)
    except msgspec.MsgspecError:
        return SILENCE_NS
    wait_ms = data.retry_at_ms - (data.server_ms or venue_ms)
    return min(wait_ms * 1_000_000, SILENCE_NS_MAX) if wait_ms > 0 else SILENCE_NS


def placed(
    events: OrderEvents, order: KnownOrder, request: OrderRequest, result: OrderResult, recv_ns: int
) -> None:
    """A New is at the venue; its FULL response may bring fills and the end of it at once."""
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


def cancelled(events: OrderEvents, order: KnownOrder, result: OrderResult, recv_ns: int) -> None:
    """A Cancel took the order out of the market."""
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
    events.orders.touch(order)
    changed = result.order
    order.prevented = max(order.prevented, order.instrument.qty[changed.amended_prevented_qty])
    terms = order.instrument.price[changed.price], order.instrument.qty[changed.amended_qty]
    events.replaced(order, request.client_id, changed.venue_order_id, terms, result.transact_ms, recv_ns)


def replaced(
    events: OrderEvents, order: KnownOrder, request: OrderRequest, result: CancelReplaceResult, recv_ns: int
) -> None:
    """Both halves of a cancelReplace succeeded."""
    old = decode(result.cancel_response, OrderResult)
    new = decode(result.new_order_response, OrderResult)
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
