"""Execution Control: when. Admission of allowed Intents and Queue Processing, inside every step.

Pure. Theory of operation. An :class:`Allowed` enters the Queue under dominance (:mod:`livestack.core.pending`). Then:
*validity* (does the command still make sense? else withdrawn), *inflight gate* (one request per Order ID; with an
unresolved one only a Cancel may pass), *rate* (every limit of the venue at once), *order* (Cancel, Replace, New, then
admission), *selection*: per venue the longest prefix that fits, where commands held by the inflight gate stand aside
and Cancels wait for nobody but Cancels. There is no tick and no thread: what is held waits for the Event, or the
``ControlTime``, that frees it. Harness thread.
"""

from __future__ import annotations

from bisect import bisect_right

from livestack.core.derivation import Derivation
from livestack.core.events import IntentDispatched
from livestack.core.orders import Order
from livestack.core.pending import Dominance, Pending
from livestack.core.proposal import worst_quantity
from livestack.core.rates import NEVER, VenueRates
from livestack.core.risk import Allowed
from livestack.core.state import State
from livestack.core.types import (
    NANOS_PER_SECOND,
    REVISION_MAX,
    ClientId,
    ConnectionStatus,
    OrderRequest,
    RequestKind,
    SessionPhase,
    TradingState,
    WithdrawReason,
)

RECENT_MAX = 1_000
"""Last orders remembered for the duplicate rule; beyond it the oldest are forgotten."""

_NO_RATES = VenueRates()


def admit(allowed: Allowed, state: State) -> Dominance:
    """Put an allowed Intent into the Queue, under dominance."""
    execution, ts = state.execution, state.control.ts
    intent, proposal = allowed.intent, allowed.proposal
    worst_qty = bid = ask = 0
    if proposal is not None:
        terms, market = proposal.terms, proposal.market
        bid, ask = market.bid, market.ask
        worst_qty = worst_quantity(terms, market)
        times = execution.intent_times
        times.append(ts)
        del times[: bisect_right(times, ts - NANOS_PER_SECOND)]
        key = (terms.instrument, int(terms.side), terms.price, terms.qty or terms.quote_qty)
        execution.recent.pop(key, None)
        execution.recent[key] = ts
        if len(execution.recent) > RECENT_MAX:
            del execution.recent[next(iter(execution.recent))]
    execution.drawn.pop(intent.order_id, None)
    venue, instrument, source = allowed.venue, allowed.instrument, allowed.source
    return execution.queue.admit(intent, venue, instrument, source, ts, worst_qty, bid, ask)


def process(out: Derivation) -> None:
    """Withdraw what no longer makes sense and dispatch what may go now."""
    state = out.state
    queue = state.execution.queue
    if not queue.pending or state.control.phase is SessionPhase.STOPPED:
        return
    for pending in list(queue.pending.values()):
        reason = withdraw_reason(pending, state)
        if reason is not None:
            out.withdraw_one(pending, reason)
    blocked: dict[tuple[str, bool], None] = {}
    for pending in _in_order(state):
        lane = (pending.venue, pending.kind is RequestKind.CANCEL)
        if lane in blocked or held(pending, state):
            continue
        if _wait_until(pending, state) > state.control.ts:
            blocked[lane] = None
        else:
            out.emit(_dispatched(pending, state))


def _dispatched(pending: Pending, state: State) -> IntentDispatched:
    return IntentDispatched(
        request=_request(pending, state),
        admitted_ts=pending.admitted_ts,
        bid=pending.bid,
        ask=pending.ask,
        worst_qty=pending.worst_qty,
    )


def retry_at(state: State) -> int:
    """When rate capacity returns for the first in line, or the first command is too old; ``NEVER``: time alone
    changes nothing. A pure function of State."""
    earliest = NEVER
    if not state.execution.queue.pending or state.control.phase is SessionPhase.STOPPED:
        return earliest
    lanes: dict[tuple[str, bool], None] = {}
    for pending in _in_order(state):
        is_cancel = pending.kind is RequestKind.CANCEL
        if not is_cancel:
            earliest = min(earliest, pending.admitted_ts + state.configuration.execution.max_queue_age)
        if (pending.venue, is_cancel) not in lanes and not held(pending, state):
            lanes[(pending.venue, is_cancel)] = None
            earliest = min(earliest, _wait_until(pending, state))
    return earliest


def _in_order(state: State) -> list[Pending]:
    """Cancel, Replace, New as configured, then admission."""
    pending = state.execution.queue.pending.values()
    if len(pending) < 2:
        return list(pending)
    rank: dict[str, int] = {name: place for place, name in enumerate(state.configuration.execution.order)}
    return sorted(pending, key=lambda one: (rank[one.kind.name.lower()], one.number))


def withdraw_reason(pending: Pending, state: State) -> WithdrawReason | None:
    """Why a pending command no longer makes sense; None while it does."""
    execution, control = state.execution, state.control
    new = pending.kind is RequestKind.NEW
    if not new and pending.order_id not in execution.orders:
        closed = pending.order_id in execution.closed
        return WithdrawReason.ORDER_TERMINAL if closed else WithdrawReason.ORDER_UNKNOWN
    if pending.kind is RequestKind.CANCEL:
        return None
    if pending.order_id in execution.closing:
        return WithdrawReason.SUPERSEDED
    if control.killed(pending.venue, pending.instrument):
        return WithdrawReason.KILL_SWITCH
    if control.trading_state(pending.venue, pending.instrument) is TradingState.HALTED:
        return WithdrawReason.TRADING_STATE
    if control.phase in (SessionPhase.STOPPING, SessionPhase.STOPPED):
        return WithdrawReason.SESSION_STOPPING
    if control.ts - pending.admitted_ts >= state.configuration.execution.max_queue_age:
        return WithdrawReason.TOO_OLD
    return None


def held(pending: Pending, state: State) -> str:
    """The gate, other than rate, that holds a command: 'inflight', 'unresolved', 'venue', 'revision', or ''."""
    execution = state.execution
    if state.control.venue_status.get(pending.venue) is not ConnectionStatus.LIVE:
        return "venue"
    if pending.venue not in state.configuration.execution.venue:
        return "venue"
    if pending.order_id in execution.requests:
        return "inflight"
    if pending.kind is not RequestKind.CANCEL and (
        pending.order_id in execution.unresolved or pending.order_id in execution.in_doubt
    ):
        return "unresolved"
    order = execution.orders.get(pending.order_id)
    return "revision" if order is not None and order.revision >= REVISION_MAX else ""


def _wait_until(pending: Pending, state: State) -> int:
    rules = state.configuration.execution.venue[pending.venue].rate_limits
    rates = state.execution.rates.get(pending.venue, _NO_RATES)
    return rates.wait_until(rules, pending.kind, state.control.ts)


def _request(pending: Pending, state: State) -> OrderRequest:
    epoch = state.execution.epochs[-1]
    order = state.execution.orders.get(pending.order_id)
    revision = 1 if order is None else order.revision + 1
    client_id = str(ClientId(epoch, pending.order_id, revision))
    if order is not None:
        return _about(pending, order, revision, client_id)
    terms = pending.terms
    assert terms is not None
    return OrderRequest(
        kind=RequestKind.NEW,
        venue=pending.venue,
        instrument=pending.instrument,
        order_id=pending.order_id,
        revision=revision,
        client_id=client_id,
        source=pending.source,
        side=terms.side,
        type=terms.type,
        tif=terms.tif,
        qty=terms.qty,
        quote_qty=terms.quote_qty,
        price=terms.price,
        stop_price=terms.stop_price,
        post_only=terms.post_only,
        reduce_only=terms.reduce_only,
        stp=terms.stp,
    )


def _about(pending: Pending, order: Order, revision: int, client_id: str) -> OrderRequest:
    replace = pending.kind is RequestKind.REPLACE
    return OrderRequest(
        kind=pending.kind,
        venue=pending.venue,
        instrument=pending.instrument,
        order_id=pending.order_id,
        revision=revision,
        client_id=client_id,
        source=pending.source,
        target_client_id=order.client_id,
        venue_order_id=order.venue_order_id,
        side=order.side,
        type=order.type,
        tif=order.tif,
        qty=pending.qty if replace else order.qty,
        price=pending.price if replace else order.price,
        stop_price=order.stop_price,
        filled_qty=order.filled_qty,
        post_only=order.post_only,
        reduce_only=order.reduce_only,
        stp=order.stp,
    )
