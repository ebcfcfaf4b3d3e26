"""Records of Orders, fills and requests, made from State as it was and as it is. Pure; any one thread."""

from __future__ import annotations

from enum import IntEnum
from typing import Final

import msgspec

from livestack.core.events import OrderFill
from livestack.core.orders import Claim, Order, Request
from livestack.core.state import ExecutionState
from livestack.core.types import (
    Liquidity,
    OrderStatus,
    OrderType,
    RequestKind,
    RequestSource,
    Side,
    TimeInForce,
    parse_client_id,
)
from livestack.storage.record_writer import (
    RecordWriter,
    decimal,
    decimal_or_none,
    int32,
    int64,
    safe,
    safe_or_none,
)
from livestack.wire import records_pb2 as wire


def _names(of: type[IntEnum]) -> tuple[str, ...]:
    """Names in lower case by value: a look-up in a tuple costs a tenth of one by the member."""
    known = {int(one): one.name.lower() for one in of}
    return tuple(known.get(value, "") for value in range(max(known) + 1))


SIDES: Final = _names(Side)
KINDS: Final = _names(RequestKind)
SOURCES: Final = _names(RequestSource)
_TYPES: Final = _names(OrderType)
_TIFS: Final = _names(TimeInForce)
_STATUSES: Final = _names(OrderStatus)
_LIQUIDITIES: Final = _names(Liquidity)


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What an Event says about the request that it ended."""

    event: str
    recv_ns: int
    code: str = ""
    reason: str = ""


class OrderBefore(msgspec.Struct, frozen=True):
    """One Order as it was before an Event. ``order`` itself is changed by it."""

    order: Order
    looks: tuple[object, ...]
    claim: Claim | None
    unresolved: Request | None
    inflight: Request | None

    def is_changed(self) -> bool:
        """Whether its OrderRecord would be another one now."""
        return looks(self.order) != self.looks


def looks(order: Order) -> tuple[object, ...]:
    """What of an Order an Event about it can change and an OrderRecord shows."""
    return (
        order.status,
        order.client_id,
        order.price,
        order.qty,
        order.filled_qty,
        order.filled_notional,
        order.venue_order_id,
        order.reason,
        order.anomalous,
    )


def before(execution: ExecutionState, order: Order) -> OrderBefore:
    """Look at ``order`` now."""
    order_id = order.order_id
    return OrderBefore(
        order,
        looks(order),
        order.claim,
        execution.unresolved.get(order_id),
        execution.requests.get(order_id),
    )


def find_order(
    execution: ExecutionState, venue: str, instrument: str, client_id: str, order_id: int
) -> Order | None:
    """The Order that an Event is about, found as the Core finds it: by its client id, or as an adopted one."""
    order = execution.orders.get(order_id)
    if order is not None and (order.client_id, order.venue, order.instrument) == (
        client_id,
        venue,
        instrument,
    ):
        return order
    adopted = execution.adopted.get((venue, client_id))
    if adopted is not None:
        return execution.order(adopted)
    parsed = parse_client_id(client_id)
    if parsed is None or parsed.epoch not in execution.epochs:
        return None
    return execution.order(parsed.order_id)


def ended(execution: ExecutionState, was: OrderBefore, ts: int, by_its_answer: bool) -> list[Request]:
    """Requests of the Order whose outcome has become known, in the order of their revisions.

    A Cancel that was refused has had its answer, though it counts as unresolved until the Order's fate is known. One
    that ran out of time behind another unresolved request is dropped without an answer, unless the Event was about
    that very request (``by_its_answer``).
    """
    order_id = was.order.order_id
    unresolved, inflight = execution.unresolved.get(order_id), execution.requests.get(order_id)
    found = []
    for request in (was.unresolved, was.inflight):
        if request is None or request.refused:
            continue
        there = request if _is_same(request, inflight) else None
        if _is_same(request, unresolved):
            there = unresolved
        if there is not None:
            if there.refused:
                found.append(there)
        elif not (
            request is was.inflight
            and _is_same(was.unresolved, unresolved)
            and request.deadline_ns <= ts
            and not by_its_answer
            and was.order.claim is was.claim
        ):
            found.append(request)
    return found


def _is_same(one: Request | None, other: Request | None) -> bool:
    return one is not None and other is not None and (one.kind, one.revision) == (other.kind, other.revision)


def find_request(
    execution: ExecutionState, order_id: int, kind: RequestKind, revision: int
) -> Request | None:
    """A request whose outcome is not known yet."""
    for requests in (execution.requests, execution.unresolved):
        request = requests.get(order_id)
        if request is not None and (request.kind, request.revision) == (kind, revision):
            return request
    return None


def add_order(writer: RecordWriter, order: Order, event: str, event_ns: int = 0) -> None:
    """The Order as it is now."""
    scales = writer.scales(order.instrument)
    quote_qty, qty = order.quote_qty, order.qty
    record = wire.OrderRecord(
        event=event,
        status=_STATUSES[order.status],
        source=SOURCES[order.source],
        side=SIDES[order.side],
        type=_TYPES[order.type],
        tif=_TIFS[order.tif],
        qty=decimal(qty, scales.qty) if qty or not quote_qty else None,
        quote_qty=decimal_or_none(quote_qty, scales.amount),
        price=decimal_or_none(order.price, scales.price),
        stop_price=decimal_or_none(order.stop_price, scales.price),
        filled_qty=decimal(order.filled_qty, scales.qty),
        filled_notional=decimal(order.filled_notional, scales.amount),
        post_only=order.post_only,
        reduce_only=order.reduce_only,
        revision=int32(order.revision),
        venue_order_id=safe_or_none(order.venue_order_id),
        reason=safe_or_none(order.reason),
        anomalous=order.anomalous,
        adopted=bool(order.foreign_id),
    )
    writer.add(record, order.venue, order.instrument, order.order_id, order.client_id, event_ns)


def add_fill(writer: RecordWriter, event: OrderFill, order_id: int) -> None:
    """A fill that moved our position, so that its instrument is defined and its numbers make sense."""
    scales = writer.scales(event.instrument)
    record = wire.FillRecord(
        fill_id=int64(event.fill_id),
        venue_order_id=safe_or_none(event.venue_order_id),
        side=SIDES[event.side],
        price=decimal(event.price, scales.price),
        qty=decimal(event.qty, scales.qty),
        notional=decimal(event.price * event.qty, scales.amount),
        fee=decimal(event.fee.value, event.fee_decimals),
        fee_asset=safe(event.fee_asset),
        liquidity=_LIQUIDITIES[event.liquidity],
        recv_ns=int64(event.recv_ns),
    )
    writer.add(record, event.venue, event.instrument, order_id, event.client_id, event.event_ns)


def add_dispatch(
    writer: RecordWriter,
    stage: str,
    order: Order,
    request: Request,
    told: Told | None = None,
    event_ns: int = 0,
) -> None:
    """One stage of ``request`` about ``order``; ``told`` with its end, whose arrival counts where it was answered."""
    scales = writer.scales(order.instrument)
    quote_qty, qty = order.quote_qty, request.qty
    record = wire.DispatchRecord(
        stage=stage,
        kind=KINDS[request.kind],
        revision=int32(request.revision),
        source=SOURCES[request.source],
        side=SIDES[order.side],
        type=_TYPES[order.type],
        tif=_TIFS[order.tif],
        qty=decimal(qty, scales.qty) if qty or not quote_qty else None,
        quote_qty=decimal_or_none(quote_qty, scales.amount),
        price=decimal_or_none(request.price, scales.price),
        stop_price=decimal_or_none(order.stop_price, scales.price),
        decision_bid=decimal_or_none(request.bid, scales.price),
        decision_ask=decimal_or_none(request.ask, scales.price),
        admitted_ns=int64(request.admitted_ts),
        dispatched_ns=int64(request.dispatched_ts),
        gate_ns=int64(request.gate_ns) or None,
        send_ns=int64(request.send_ns) or None,
    )
    if told is not None:
        record.outcome = told.event
        if stage == "answered":
            record.answered_ns = int64(told.recv_ns)
        if told.code:
            record.code = safe(told.code)
        if told.reason:
            record.reason = safe(told.reason)
    writer.add(record, order.venue, order.instrument, order.order_id, request.client_id, event_ns)
