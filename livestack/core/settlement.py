"""How requests and Orders come to an end, and whose an execution Event is. Shared by the execution Events' functions.

Pure. A request leaves inflight (or its unresolved state) by an outcome of its own kind or by the end of its Order; an
Order leaves ``orders`` for ``closed``, and that by a rule in count and age. Harness thread.
"""

from __future__ import annotations

from livestack.core import events, external
from livestack.core.derivation import Derivation
from livestack.core.external import OfAnOrder
from livestack.core.orders import TERMINAL, Claim, Happening, Order, Request
from livestack.core.state import State
from livestack.core.types import OrderStatus, RequestKind, SessionPhase, parse_client_id


def owner(state: State, event: OfAnOrder, out: Derivation) -> Order | None:
    """The Order that an Event is about; None for a foreign one, or one that is not known any more."""
    execution = state.execution
    order = execution.orders.get(event.order_id)
    usual = order is not None and (order.client_id, order.venue) == (event.client_id, event.venue)
    if order is not None and usual and order.instrument == event.instrument:
        execution.orders.changed(order.instrument)
        return order  # the usual case, without a look at the id's parts
    parsed = parse_client_id(event.client_id)
    adopted = execution.adopted.get((event.venue, event.client_id))
    if adopted is not None:
        return _changing(state, execution.order(adopted), event, out)
    if parsed is None or parsed.epoch not in execution.epochs:
        external.see(state, event, parsed is not None, out)
        return None
    order = execution.order(parsed.order_id)
    if order is not None:
        return _changing(state, order, event, out)
    if parsed.order_id > execution.order_counter or isinstance(event, events.OrderFill):
        known = parsed.order_id <= execution.order_counter
        detail = f"{type(event).__name__} for an order that we {'no longer know' if known else 'never made'}"
        out.anomaly("unknown_order", detail, event.venue, event.instrument, parsed.order_id, halt=True)
    return None


def _changing(state: State, order: Order | None, event: OfAnOrder, out: Derivation) -> Order | None:
    """Whoever asks for the owner of an Event is about to change it; an Event from elsewhere changes nothing."""
    if order is None:
        return None
    elsewhere = (order.venue, order.instrument) != (event.venue, event.instrument)
    if elsewhere and not isinstance(event, events.OrderFill):  # a fill is real wherever it is
        illegal(order, f"{type(event).__name__} from {event.venue} about {event.instrument}", out)
        return None
    state.execution.orders.changed(order.instrument)
    return order


def revision_of(client_id: str) -> int:
    """Which request of its Order an id was made for; 0 for a foreign id. They only go up, also across epochs."""
    parsed = parse_client_id(client_id)
    return 0 if parsed is None else parsed.revision


def is_outdated(order: Order, client_id: str) -> bool:
    """Whether an id is of an incarnation that a Replace has taken the place of already."""
    return order.client_id != client_id and 0 < revision_of(client_id) < revision_of(order.client_id)


def settle(state: State, order: Order, kind: RequestKind, revision: int = 0) -> Request | None:
    """Take a request of ``kind`` (and ``revision``, if not 0) out of inflight and unresolved; returns it."""
    found = None
    for requests in (state.execution.unresolved, state.execution.requests):
        request = requests.get(order.order_id)
        if request is not None and request.kind is kind and revision in (0, request.revision):
            found = requests.pop(order.order_id)
    return found


def time_out(state: State) -> None:
    """A request that ran out of time is of unknown outcome from now on."""
    execution, ts = state.execution, state.control.ts
    if state.control.phase is SessionPhase.STOPPED:
        return
    for order_id in [order_id for order_id, one in execution.requests.items() if one.deadline_ns <= ts]:
        execution.unresolved.setdefault(order_id, execution.requests.pop(order_id))


def finish(state: State, order: Order) -> None:
    """The Order is terminal: nothing of it is inflight any more; the oldest closed ones leave State."""
    execution, rules = state.execution, state.configuration.execution
    order_id = order.order_id
    execution.requests.pop(order_id, None)
    execution.unresolved.pop(order_id, None)
    execution.closing.pop(order_id, None)
    execution.in_doubt.pop(order_id, None)
    execution.unreported.pop(order_id, None)
    order.claim = order.closing = None
    if execution.orders.pop(order_id, None) is None:
        return
    execution.closed[order_id] = order
    horizon = state.control.ts - rules.terminal_order_age
    while execution.closed:
        oldest = next(iter(execution.closed.values()))
        if len(execution.closed) <= rules.terminal_orders_max and oldest.changed_ts > horizon:
            break
        if oldest is order:
            break
        del execution.closed[oldest.order_id]
        if oldest.foreign_id:
            del execution.adopted[(oldest.venue, oldest.foreign_id)]


def illegal(order: Order, detail: str, out: Derivation) -> None:
    """The venue contradicts itself: the Event is kept, the Order anomalous, the instrument halts."""
    order.anomalous = True
    if order.order_id in out.state.execution.orders:
        out.state.execution.in_doubt[order.order_id] = None
    out.anomaly("illegal_transition", detail, order.venue, order.instrument, order.order_id, halt=True)


def imply_replaced(state: State, order: Order, client_id: str) -> None:
    """A fill or report under a Replace's own id proves the Replace, even before its acknowledgement."""
    for requests in (state.execution.requests, state.execution.unresolved):
        request = requests.get(order.order_id)
        if request is None or request.kind is not RequestKind.REPLACE or request.client_id != client_id:
            continue
        if isinstance(order.happen(Happening.REPLACED, state.control.ts), OrderStatus):
            order.client_id, order.price, order.qty = client_id, request.price, request.qty
            del requests[order.order_id]
        return


def claim(state: State, order: Order, what: Claim) -> None:
    """The venue counts fills that we lack: ask for them; until they are here the worst case stands.

    An older claim does not take the place of one that knows more.
    """
    known = order.claim
    older = known is not None and (what.filled_qty, what.status in TERMINAL) < (
        known.filled_qty,
        known.status in TERMINAL,
    )
    if not older:
        order.claim = None if order.is_terminal else what
    state.execution.fetch_fills[order.instrument] = state.control.ts
    settle(state, order, RequestKind.NEW)
    if what.status in TERMINAL:
        settle(state, order, RequestKind.CANCEL)


def settle_claim(state: State, order: Order, force: bool = False) -> None:
    """Once the claimed fills are here (or will never be: ``force``) the venue's word on the Order's end counts."""
    what = order.claim
    if what is None or (order.filled_qty < what.filled_qty and not force):
        return
    order.claim = None
    if what.status in TERMINAL:
        close_by_report(state, order, what.status, what.reason)


def close_by_report(state: State, order: Order, status: OrderStatus, reason: str) -> None:
    """The venue says that it is over. Not while a Replace has no outcome: what is over may be what it replaced."""
    execution = state.execution
    for requests in (execution.requests, execution.unresolved):
        request = requests.get(order.order_id)
        if request is not None and request.kind is RequestKind.REPLACE:
            execution.in_doubt[order.order_id] = None
            return
    # Filled by quantity means what its fills say; by quote quantity the venue alone knows what is too little for more.
    is_short = status is OrderStatus.FILLED and not order.quote_qty and order.filled_qty < order.qty
    order.status = OrderStatus.CANCELLED if is_short else status
    order.changed_ts, order.reason = state.control.ts, reason or f"reported {status.name}"
    finish(state, order)
