"""The slow model's Orders: what each execution Event makes of them (core-runtime.md section 8).

An Order's life is told as sets of statuses, case by case, in plain code; the Core tells it as tables.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import msgspec

from livestack.core import events
from livestack.core.types import (
    FailureReason,
    OrderRequest,
    OrderStatus,
    RequestKind,
    RequestSource,
    parse_client_id,
)
from tests.core.model_positions import holding_of

if TYPE_CHECKING:
    from tests.core.model import Model

SUBMITTED, ACCEPTED, PARTLY = OrderStatus.SUBMITTED, OrderStatus.ACCEPTED, OrderStatus.PARTIALLY_FILLED
FILLED, CANCELLED, REJECTED = OrderStatus.FILLED, OrderStatus.CANCELLED, OrderStatus.REJECTED
CLOSED = (FILLED, CANCELLED, REJECTED)


@dataclass
class Sent:
    """A request without an outcome."""

    request: OrderRequest
    deadline_ns: int
    since: int
    written: tuple[int, int] = (0, 0)


@dataclass
class ModelOrder:
    """One Order: the request that made it, what the venue made of it, and whether it is to be closed."""

    first: OrderRequest
    qty: int
    price: int
    client_id: str
    venue_order_id: str = ""
    revision: int = 1
    status: OrderStatus = SUBMITTED
    changed_ts: int = 0
    filled: int = 0
    reason: str = ""
    anomalous: bool = False
    claim: tuple[OrderStatus, int] | None = None
    claimed_ts: int = 0
    closing: RequestSource | None = None
    not_before: int = 0

    @property
    def leaves(self) -> int:
        return 0 if self.status in CLOSED else max(self.qty - self.filled, 0)


def owner(model: Model, event: Any) -> ModelOrder | None:
    """The Order that an Event names. A foreign id is shown where it is open; one that cannot be ours is told."""
    parsed = parse_client_id(event.client_id)
    if parsed is None or parsed.epoch not in model.epochs:
        _foreign(model, event, ours=parsed is not None)
        return None
    taken = model.taken_back.get((event.venue, event.client_id))
    order = model.order(parsed.order_id if taken is None else taken)
    elsewhere = order and (order.first.venue, order.first.instrument) != (event.venue, event.instrument)
    if order and elsewhere and not isinstance(event, events.OrderFill):
        illegal(model, order)
        return None
    if order is None and (parsed.order_id > model.drawn_last or isinstance(event, events.OrderFill)):
        model.anomaly("unknown_order", event.venue, event.instrument, parsed.order_id, halt=True)
    return order


def _foreign(model: Model, event: Any, ours: bool) -> None:
    key = (event.venue, event.client_id)
    if isinstance(event, events.OrderCancelled | events.OrderExpired):
        model.external.pop(key, None)
    elif isinstance(event, events.OrderReport):
        if event.status not in (ACCEPTED, PARTLY):
            model.external.pop(key, None)
            return
        if key not in model.external:
            kind = "orphan_order" if ours else "external_order"
            model.anomaly(kind, event.venue, event.instrument)
        model.external[key] = (event.instrument, event.price, max(event.qty - event.filled_qty, 0), ours)


def move(model: Model, order: ModelOrder, status: OrderStatus, reason: str = "") -> None:
    """A change of status; a terminal one ends everything that is about the Order."""
    order.status, order.changed_ts = status, model.ts
    if status in CLOSED:
        order.reason = reason
        end(model, order)


def end(model: Model, order: ModelOrder) -> None:
    order_id = order.first.order_id
    for about in (model.inflight, model.unresolved, model.closing, model.in_doubt):
        about.pop(order_id, None)
    order.claim = order.closing = None
    if model.open.pop(order_id, None) is None:
        return
    model.closed[order_id] = order
    rules = model.rules
    while next(iter(model.closed)) != order_id:
        oldest = next(iter(model.closed))
        too_many = len(model.closed) > rules.terminal_orders_max
        if not too_many and model.closed[oldest].changed_ts > model.ts - rules.terminal_order_age:
            break
        del model.closed[oldest]
        model.taken_back = {key: one for key, one in model.taken_back.items() if one != oldest}


def is_outdated(order: ModelOrder, client_id: str) -> bool:
    """Of an incarnation that a Replace has taken the place of."""
    theirs, mine = parse_client_id(client_id), parse_client_id(order.client_id)
    return bool(theirs and mine and theirs.revision < mine.revision)


def take_back(model: Model, order: ModelOrder, venue_order_id: str) -> None:
    """It ended because it was not there, and is there: it goes on under another id, to be cancelled."""
    key = (order.first.venue, order.client_id)
    if key in model.taken_back:
        return
    model.drawn_last += 1
    order_id = model.taken_back[key] = model.drawn_last
    first = order.first
    place, terms = (first.venue, first.instrument), (first.side, first.type, first.tif)
    known_as, amounts = (order.client_id, venue_order_id), (order.price, order.qty, order.filled)
    model.told.append(("OrderAdopted", order_id, *place, *known_as, *terms, *amounts, first.order_id))
    model.open[order_id] = replace(
        order,
        first=msgspec.structs.replace(order.first, order_id=order_id),
        status=ACCEPTED,
        venue_order_id=venue_order_id,
        changed_ts=model.ts,
        reason="",
    )
    model.close(order_id, RequestSource.CORE)


def close_by_report(model: Model, order: ModelOrder, status: OrderStatus, reason: str) -> None:
    """The venue says that it is over; but that may be what a Replace without an outcome has replaced."""
    order_id = order.first.order_id
    for sent in (model.inflight.get(order_id), model.unresolved.get(order_id)):
        if sent and sent.request.kind is RequestKind.REPLACE:
            model.in_doubt[order_id] = None
            return
    is_short = status is FILLED and not order.first.quote_qty and order.filled < order.qty
    move(model, order, CANCELLED if is_short else status, reason or f"reported {status.name}")


def outcome(model: Model, order: ModelOrder, kind: RequestKind, revision: int = 0) -> Sent | None:
    """The request of ``kind`` is over, whether it was inflight or unresolved."""
    found = None
    for waiting in (model.unresolved, model.inflight):
        sent = waiting.get(order.first.order_id)
        if sent and sent.request.kind is kind and revision in (0, sent.request.revision):
            found = waiting.pop(order.first.order_id)
    return found


def illegal(model: Model, order: ModelOrder) -> None:
    """The venue contradicts itself."""
    order.anomalous = True
    if order.status not in CLOSED:
        model.in_doubt[order.first.order_id] = None
    first = order.first
    model.anomaly("illegal_transition", first.venue, first.instrument, first.order_id, halt=True)


def claim(model: Model, order: ModelOrder, status: OrderStatus, filled: int) -> None:
    """More fills than are known: fetched, never invented."""
    if order.status in CLOSED:
        order.claim = None
    elif order.claim is None or (filled, status in CLOSED) >= (order.claim[1], order.claim[0] in CLOSED):
        order.claim, order.claimed_ts = (status, filled), model.ts
    model.wanted[order.first.instrument] = model.ts
    outcome(model, order, RequestKind.NEW)
    if status in CLOSED:
        outcome(model, order, RequestKind.CANCEL)


def claim_kept(model: Model, order: ModelOrder, force: bool = False) -> None:
    """The claimed fills are here, or never will be: then the venue's word on the Order's end counts."""
    if order.claim is None or (order.filled < order.claim[1] and not force):
        return
    status, order.claim = order.claim[0], None
    if status in CLOSED:
        close_by_report(model, order, status, "")


def proves_replace(model: Model, order: ModelOrder, client_id: str) -> None:
    """What comes under a Replace's own id proves it."""
    for waiting in (model.inflight, model.unresolved):
        sent = waiting.get(order.first.order_id)
        if sent and sent.request.kind is RequestKind.REPLACE and sent.request.client_id == client_id:
            if order.status in CLOSED:
                order.anomalous = True
            else:
                move(model, order, ACCEPTED if order.status is SUBMITTED else order.status)
                order.client_id, order.qty, order.price = client_id, sent.request.qty, sent.request.price
                waiting.pop(order.first.order_id)
            return


# -- one function per Event type


def accepted(model: Model, event: events.OrderAccepted) -> None:
    order = owner(model, event)
    if order is None:
        return
    if order.status is SUBMITTED:
        move(model, order, ACCEPTED)
        order.client_id, order.venue_order_id = event.client_id, event.venue_order_id
        model.rejects_in_a_row = 0
    elif order.status is REJECTED:
        illegal(model, order)
        take_back(model, order, event.venue_order_id)
    outcome(model, order, RequestKind.NEW)


def rejected(model: Model, event: events.OrderRejected) -> None:
    order = owner(model, event)
    if order is None or order.status is REJECTED:
        return
    if order.status is SUBMITTED:
        model.rejects_in_a_row += 1
        move(model, order, REJECTED, f"{event.code} {event.reason}".strip())
    else:
        illegal(model, order)


def filled(model: Model, event: events.OrderFill) -> None:
    rules = model.definitions.get(event.instrument)
    parsed = parse_client_id(event.client_id)
    ours = parsed is not None and parsed.epoch in model.epochs
    if rules is None and not ours:
        return
    if rules is None or event.qty <= 0 or event.price <= 0 or not 0 <= event.fee_decimals <= 18:
        model.anomaly("bad_fill", event.venue, event.instrument, halt=True)
        return
    known = (event.fill_id, event.side) in model.fill_ids.setdefault(event.instrument, set())
    known = known or event.fill_id <= model.floors.get(event.instrument, -1)
    if known:
        return  # the same fill again: dropped, whatever became of its Order since
    order = owner(model, event)
    model.fill_ids[event.instrument].add((event.fill_id, event.side))
    if not ours:
        return
    model.rejects_in_a_row = 0
    model.fills.setdefault(event.instrument, []).append(event)
    start = model.baselines.get(event.instrument, (0, 0))
    model.holdings[event.instrument] = holding_of(start, model.fills[event.instrument], rules)
    if order is None:
        return
    if (order.first.side, order.first.instrument) != (event.side, event.instrument):
        illegal(model, order)
        return
    proves_replace(model, order, event.client_id)
    named(order, event.client_id, event.venue_order_id)
    order.filled += event.qty
    late, over = order.status in CLOSED, order.filled > order.qty
    if late or over:
        order.anomalous = True
        first = order.first
        kind = "over_fill" if over else "late_fill"
        model.anomaly(kind, first.venue, first.instrument, first.order_id)
    outcome(model, order, RequestKind.NEW)
    if not late:
        move(model, order, FILLED if order.filled >= order.qty else PARTLY)
        claim_kept(model, order)


def cancelled(model: Model, event: events.OrderCancelled | events.OrderExpired) -> None:
    order = owner(model, event)
    if order is None:
        return
    if is_outdated(order, event.client_id):
        return
    named(order, event.client_id, event.venue_order_id)
    if order.status not in CLOSED:
        if event.filled_qty > order.filled:
            claim(model, order, CANCELLED, event.filled_qty)
        else:
            expired = isinstance(event, events.OrderExpired)
            move(model, order, CANCELLED, f"expired: {event.reason}" if expired else event.reason)
    elif order.status in (FILLED, REJECTED):
        illegal(model, order)


def replaced(model: Model, event: events.OrderReplaced) -> None:
    order = owner(model, event)
    if order is None:
        return
    parsed = parse_client_id(event.client_id)
    revision = parsed.revision if parsed else 0
    sensible = event.qty > 0 and event.price >= 0
    if sensible and is_outdated(order, event.client_id):
        outcome(model, order, RequestKind.REPLACE, revision)
        return
    if not sensible or order.status in CLOSED:
        illegal(model, order)
        return
    move(model, order, ACCEPTED if order.status is SUBMITTED else order.status)
    order.client_id, order.venue_order_id = event.client_id, event.venue_order_id
    order.qty, order.price = event.qty, event.price
    outcome(model, order, RequestKind.NEW)
    outcome(model, order, RequestKind.REPLACE, revision)


def cancel_rejected(model: Model, event: events.CancelRejected) -> None:
    order = owner(model, event)
    if order is None:
        return
    sent = outcome(model, order, RequestKind.CANCEL, event.revision)
    if sent is not None:
        order.not_before = model.ts + model.rules.cancel_retry
        model.unresolved.setdefault(order.first.order_id, sent)


def replace_rejected(model: Model, event: events.ReplaceRejected) -> None:
    order = owner(model, event)
    if order is not None:
        outcome(model, order, RequestKind.REPLACE, event.revision)


def report(model: Model, event: events.OrderReport) -> None:
    order = owner(model, event)
    if order is None or is_outdated(order, event.client_id):
        return
    model.in_doubt.pop(order.first.order_id, None)
    named(order, event.client_id, event.venue_order_id)
    if event.filled_qty > order.filled:
        if order.status is SUBMITTED:
            move(model, order, ACCEPTED)
        claim(model, order, event.status, event.filled_qty)
        return
    is_open = order.status not in CLOSED
    if event.status not in CLOSED:
        if is_open and event.filled_qty == order.filled:
            _confirm(model, order, event)
        elif order.status is REJECTED and order.reason in ("not_at_venue", "never_sent"):
            illegal(model, order)
            take_back(model, order, event.venue_order_id)
        return
    never_lived = order.status in (SUBMITTED, REJECTED, CANCELLED)
    if (event.status is REJECTED and not never_lived) or (
        event.status is FILLED and order.status is REJECTED
    ):
        illegal(model, order)
    elif is_open:
        model.rejects_in_a_row += event.status is REJECTED
        close_by_report(model, order, event.status, event.reason)


def named(order: ModelOrder, client_id: str, venue_order_id: str) -> None:
    if client_id == order.client_id:
        order.venue_order_id = order.venue_order_id or venue_order_id


def _confirm(model: Model, order: ModelOrder, event: events.OrderReport) -> None:
    if order.status is SUBMITTED:
        move(model, order, ACCEPTED)
        order.client_id = event.client_id
    order.venue_order_id = event.venue_order_id or order.venue_order_id
    outcome(model, order, RequestKind.NEW)
    proves_replace(model, order, event.client_id)
    unresolved = model.unresolved.get(order.first.order_id)
    if unresolved is not None and unresolved.request.kind is not RequestKind.REPLACE:
        del model.unresolved[order.first.order_id]


def reconciled(model: Model, event: events.FillsReconciled) -> None:
    name = event.instrument
    if name not in model.definitions:
        model.anomaly("instrument_not_defined", event.venue, name)
        return
    model.floors[name] = max(model.floors.get(name, -1), event.through)
    if event.begun_ns >= model.wanted.get(name, 0):
        model.wanted.pop(name, None)
    for order in list(model.open.values()):
        if order.first.instrument == name and order.claim is not None and order.claimed_ts <= event.begun_ns:
            illegal(model, order)
            claim_kept(model, order, force=True)


def dispatch_failed(model: Model, event: events.DispatchFailed) -> None:
    order = model.order(event.order_id)
    if order is None:
        model.anomaly("unknown_dispatch", event.venue, event.instrument)
    elif event.kind is not RequestKind.NEW:
        if outcome(model, order, event.kind, event.revision) and event.kind is RequestKind.CANCEL:
            order.not_before = model.ts + model.rules.cancel_retry
    elif order.status is SUBMITTED:
        proven = event.reason is FailureReason.NOT_AT_VENUE
        move(model, order, REJECTED, "not_at_venue" if proven else "never_sent")
    elif order.status is not REJECTED:
        illegal(model, order)


def born(request: OrderRequest, ts: int) -> ModelOrder:
    """The Order of a dispatched New."""
    return replace(ModelOrder(request, request.qty, request.price, request.client_id), changed_ts=ts)


HANDLERS: dict[type, Any] = {
    events.OrderAccepted: accepted,
    events.OrderRejected: rejected,
    events.OrderFill: filled,
    events.OrderCancelled: cancelled,
    events.OrderExpired: cancelled,
    events.OrderReplaced: replaced,
    events.CancelRejected: cancel_rejected,
    events.ReplaceRejected: replace_rejected,
    events.OrderReport: report,
    events.FillsReconciled: reconciled,
    events.DispatchFailed: dispatch_failed,
}
