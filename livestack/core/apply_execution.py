"""Execution Events into Execution State: one function per Event type, in a table.

Pure. Whose an Event is, its client id says: ours iff it parses and its epoch is one of this session's. What an Order
does is looked up in :mod:`livestack.core.orders`, how requests end is in :mod:`livestack.core.settlement`.
Nothing that comes from outside raises. Harness thread.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from livestack.core import events
from livestack.core.derivation import Derivation
from livestack.core.external import take_back
from livestack.core.limits import to_common
from livestack.core.orders import REPORTS, TERMINAL, Claim, Effect, Happening, Order, ReportEffect
from livestack.core.positions import Position
from livestack.core.rates import VenueRates
from livestack.core.settlement import (
    claim,
    close_by_report,
    finish,
    illegal,
    imply_replaced,
    is_outdated,
    owner,
    revision_of,
    settle,
    settle_claim,
)
from livestack.core.state import Balance, FillLedger, State
from livestack.core.types import (
    DECIMALS_MAX,
    FailureReason,
    OrderStatus,
    RequestKind,
    SessionPhase,
    parse_client_id,
)

ABSENT: Final = ("not_at_venue", "never_sent")
"""Reasons of Orders that ended because the venue does not have them."""

BACKOFF_MAX_NS = 7 * 86_400_000_000_000
"""A venue may silence us for days (an IP ban); more is a wrong number."""


def order_accepted(state: State, event: events.OrderAccepted, out: Derivation) -> None:
    order = owner(state, event, out)
    if order is None:
        return
    if order.happen(Happening.ACCEPTED, state.control.ts) is OrderStatus.ACCEPTED:
        order.client_id, order.venue_order_id = event.client_id, event.venue_order_id
        state.execution.consecutive_rejects = 0
    elif order.status is OrderStatus.REJECTED:
        illegal(order, "accepted after it was rejected", out)
        take_back(state, order, event.venue_order_id, out)
    settle(state, order, RequestKind.NEW)


def order_rejected(state: State, event: events.OrderRejected, out: Derivation) -> None:
    order = owner(state, event, out)
    if order is None:
        return
    outcome = order.happen(Happening.REJECTED, state.control.ts)
    if outcome is OrderStatus.REJECTED:
        order.reason = f"{event.code} {event.reason}".strip()
        state.execution.consecutive_rejects += 1
        finish(state, order)
    elif outcome is Effect.ILLEGAL:
        illegal(order, "rejected after it was accepted", out)


def order_fill(state: State, event: events.OrderFill, out: Derivation) -> None:
    """The fill is real whatever the Order's state: position and cash follow it, once."""
    market = state.market.instruments.get(event.instrument)
    ours = _is_session_id(state, event.client_id) or (event.venue, event.client_id) in state.execution.adopted
    if market is None and not ours:
        return  # somebody else's, where we do nothing
    if market is None or event.qty <= 0 or event.price <= 0 or not 0 <= event.fee_decimals <= DECIMALS_MAX:
        out.anomaly("bad_fill", f"{event.qty} at {event.price}", event.venue, event.instrument, halt=True)
        return
    ledger = state.execution.ledgers.setdefault(event.instrument, FillLedger())
    if ledger.is_known(event.fill_id, event.side):
        ledger.duplicates += 1
        return  # whatever became of its Order since
    order = owner(state, event, out)
    ledger.remember(event.fill_id, event.side)
    if not ours:
        return  # somebody else's; balances tell. Should we adopt its order, this was before
    state.execution.consecutive_rejects = 0
    state.execution.session_fills += 1
    position = state.execution.positions.setdefault(event.instrument, Position())
    position.trade(event.side, event.qty, event.price)
    rules = market.definition
    position.charge(event.fee_asset, event.fee_decimals, event.fee.value, rules.base, rules.qty_decimals)
    _mark_fee(state, event, position, rules, out)
    state.execution.unattended_fills += 1
    if order is None:
        return
    if (order.side, order.instrument) != (event.side, event.instrument):
        illegal(order, "a fill of another side or instrument", out)
        return
    imply_replaced(state, order, event.client_id)
    _name(order, event.client_id, event.venue_order_id)
    order.filled_qty += event.qty
    order.filled_notional += event.qty * event.price
    whole = order.is_whole(event.price, rules.qty_step)
    outcome = order.happen(Happening.FILLED_WHOLLY if whole else Happening.FILLED_PARTLY, state.control.ts)
    over = not order.quote_qty and order.filled_qty > order.qty
    if outcome is Effect.LATE or over:
        order.anomalous = True
        what = "over_fill" if over else "late_fill"
        detail = f"filled {order.filled_qty} of {order.qty} while {order.status.name}"
        out.anomaly(what, detail, order.venue, order.instrument, order.order_id)
    settle(state, order, RequestKind.NEW)
    if order.is_terminal:
        finish(state, order)
    else:
        settle_claim(state, order)


def _mark_fee(
    state: State,
    event: events.OrderFill,
    position: Position,
    rules: events.InstrumentDefined,
    out: Derivation,
) -> None:
    """A fee in a third asset enters P&L at the price of its conversion mark, where one is named and has a price."""
    mark = state.market.instruments.get(state.configuration.valuation.fee_marks.get(event.fee_asset, ""))
    if mark is None or event.fee_asset in (rules.base, rules.quote):
        return
    price = mark.ask or mark.last_price
    if (mark.definition.base, mark.definition.quote) != (event.fee_asset, rules.quote) or not price:
        out.anomaly(
            "fee_not_marked", f"no price of {event.fee_asset} in {rules.quote}", event.venue, event.instrument
        )
        return
    decimals = event.fee_decimals + mark.definition.price_decimals
    position.marked_fees += to_common(event.fee.value * price, decimals)


def order_closed(state: State, event: events.OrderCancelled | events.OrderExpired, out: Derivation) -> None:
    """Cancelled or expired, asked for or not. Where the venue counts fills that we lack, they are fetched first."""
    order = owner(state, event, out)
    if order is None:
        return
    if is_outdated(order, event.client_id):
        return  # the end of an incarnation that a Replace has already taken the place of
    _name(order, event.client_id, event.venue_order_id)
    expired = isinstance(event, events.OrderExpired)
    reason = f"expired: {event.reason}" if expired else event.reason
    if event.filled_qty > order.filled_qty and not order.is_terminal:
        claim(state, order, Claim(OrderStatus.CANCELLED, event.filled_qty, reason, state.control.ts))
        return
    outcome = order.happen(Happening.CANCELLED, state.control.ts)
    if outcome is OrderStatus.CANCELLED:
        order.reason = reason
        finish(state, order)
    elif outcome is Effect.ILLEGAL:
        illegal(order, f"cancelled after it was {order.status.name}", out)


def order_replaced(state: State, event: events.OrderReplaced, out: Derivation) -> None:
    order = owner(state, event, out)
    if order is None:
        return
    if event.qty <= 0 or event.price < 0:
        illegal(order, f"replaced by {event.qty} at {event.price}", out)
        return
    revision = revision_of(event.client_id)
    if is_outdated(order, event.client_id):
        settle(state, order, RequestKind.REPLACE, revision)
        return  # a repetition: another one has taken its place already
    if order.happen(Happening.REPLACED, state.control.ts) is Effect.ILLEGAL:
        illegal(order, f"replaced after it was {order.status.name}", out)
        return
    order.client_id, order.venue_order_id = event.client_id, event.venue_order_id
    order.price, order.qty = event.price, event.qty
    settle(state, order, RequestKind.NEW)
    settle(state, order, RequestKind.REPLACE, revision)


def cancel_rejected(state: State, event: events.CancelRejected, out: Derivation) -> None:
    """The request is over. If the Order seems open all the same, the venue is asked what became of it."""
    order = owner(state, event, out)
    if order is None:
        return
    order.happen(Happening.CANCEL_REJECTED, state.control.ts)
    request = settle(state, order, RequestKind.CANCEL, event.revision)
    if request is not None and not order.is_terminal:
        order.cancel_not_before = state.control.ts + state.configuration.execution.cancel_retry
        refused = msgspec.structs.replace(request, refused=True)
        state.execution.unresolved.setdefault(order.order_id, refused)


def replace_rejected(state: State, event: events.ReplaceRejected, out: Derivation) -> None:
    order = owner(state, event, out)
    if order is not None:
        order.happen(Happening.REPLACE_REJECTED, state.control.ts)
        settle(state, order, RequestKind.REPLACE, event.revision)


def order_report(state: State, event: events.OrderReport, out: Derivation) -> None:
    """``REPORTS``; more fills than we know are claimed and fetched, never invented."""
    order = owner(state, event, out)
    if order is None or is_outdated(order, event.client_id):
        return
    state.execution.in_doubt.pop(order.order_id, None)
    _name(order, event.client_id, event.venue_order_id)
    if event.filled_qty > order.filled_qty:
        if order.status is OrderStatus.SUBMITTED:
            order.happen(Happening.ACCEPTED, state.control.ts)
        claim(state, order, Claim(event.status, event.filled_qty, event.reason, state.control.ts))
        return
    effect = REPORTS[event.status][order.status]
    if effect is ReportEffect.CONTRADICTION:
        illegal(order, f"reported {event.status.name} while {order.status.name}", out)
    elif effect is ReportEffect.CLOSE:
        state.execution.consecutive_rejects += event.status is OrderStatus.REJECTED
        close_by_report(state, order, event.status, event.reason)
    elif effect is ReportEffect.STALE and order.reason in ABSENT and event.status not in TERMINAL:
        illegal(order, "open there after its absence was proven", out)
        take_back(state, order, event.venue_order_id, out)
    elif effect is ReportEffect.CONFIRM and event.filled_qty == order.filled_qty:
        _confirm(state, order, event)


def _name(order: Order, client_id: str, venue_order_id: str) -> None:
    """The venue's own name of the Order's present incarnation, by whatever is said of it first."""
    if client_id == order.client_id and not order.venue_order_id:
        order.venue_order_id = venue_order_id


def _confirm(state: State, order: Order, event: events.OrderReport) -> None:
    """It is open there: its New arrived, a refused Cancel left it so. A Replace may still execute: only its own outcome
    or proof of its absence ends that."""
    if order.status is OrderStatus.SUBMITTED:
        order.happen(Happening.ACCEPTED, state.control.ts)
        order.client_id = event.client_id
    order.venue_order_id = event.venue_order_id or order.venue_order_id
    settle(state, order, RequestKind.NEW)
    imply_replaced(state, order, event.client_id)
    unresolved = state.execution.unresolved.get(order.order_id)
    if unresolved is not None and unresolved.kind is not RequestKind.REPLACE:
        del state.execution.unresolved[order.order_id]


def fills_reconciled(state: State, event: events.FillsReconciled, out: Derivation) -> None:
    """The floor moves; a claim from before the question whose fills did not come is the venue's contradiction, and its
    word ends the Order."""
    execution = state.execution
    if event.instrument not in state.market.instruments:
        out.anomaly("instrument_not_defined", "fills of an unknown instrument", event.venue, event.instrument)
        return
    execution.ledgers.setdefault(event.instrument, FillLedger()).raise_floor(event.through)
    if event.begun_ns >= execution.fetch_fills.get(event.instrument, 0):
        execution.fetch_fills.pop(event.instrument, None)
    for order in list(execution.open_orders(event.instrument)):
        if order.claim is not None and order.claim.ts <= event.begun_ns:
            illegal(order, f"{order.claim.filled_qty} filled claimed, {order.filled_qty} found", out)
            settle_claim(state, order, force=True)


def account_baseline(state: State, event: events.AccountBaseline, out: Derivation) -> None:
    """What the session starts from; only the first one of a venue, and before trading."""
    execution = state.execution
    if event.venue in execution.baselines or state.control.phase is not SessionPhase.STARTING:
        out.anomaly("second_baseline", "a baseline is given once, before trading", event.venue)
        return
    execution.baselines[event.venue] = state.control.ts
    _balances(state, event, out)
    for one in event.positions:
        cost, market = one.cost.value, state.market.instruments.get(one.instrument)
        if market is None or market.definition.venue != event.venue or cost < 0:
            detail = f"inventory of {one.instrument}: not defined there, or a negative cost"
            out.anomaly("bad_baseline", detail, event.venue, one.instrument, halt=True)
            continue
        execution.positions[one.instrument] = Position(qty=one.qty, cost=cost if one.qty else 0)


def balance_report(state: State, event: events.BalanceReport, out: Derivation) -> None:
    if event.complete:
        state.execution.balances[event.venue] = {}
    _balances(state, event, out)
    execution = state.execution
    for order_id in list(execution.unreported):
        order = execution.orders.get(order_id)
        if order is None or (order.venue == event.venue and order.status is not OrderStatus.SUBMITTED):
            del execution.unreported[order_id]


def _balances(state: State, event: events.AccountBaseline | events.BalanceReport, out: Derivation) -> None:
    balances = state.execution.balances.setdefault(event.venue, {})
    for one in event.balances:
        if 0 <= one.decimals <= DECIMALS_MAX:
            balances[one.asset] = Balance(one.decimals, one.free.value, one.locked.value)
        else:
            out.anomaly("bad_balance", f"{one.asset} with {one.decimals} decimals", event.venue, halt=True)


def rate_limit_report(state: State, event: events.RateLimitReport, out: Derivation) -> None:
    venue = state.configuration.execution.venue.get(event.venue)
    if venue is None:
        return
    rates = state.execution.rates.setdefault(event.venue, VenueRates())
    rates.reported(venue.rate_limits, (event.order_id, event.revision), event.usage, state.control.ts)


def venue_backoff(state: State, event: events.VenueBackoff, out: Derivation) -> None:
    rates = state.execution.rates.setdefault(event.venue, VenueRates())
    wait_ns = min(max(event.retry_after_ns, 0), BACKOFF_MAX_NS)
    until = state.control.ts + wait_ns
    if event.spares_cancels:
        rates.orders_backoff_until = max(rates.orders_backoff_until, until)
    else:
        rates.backoff_until = max(rates.backoff_until, until)


def request_sent(state: State, event: events.RequestSent, out: Derivation) -> None:
    """Wire times are kept for the record; the Core has assumed it sent since the dispatch."""
    for requests in (state.execution.requests, state.execution.unresolved):
        request = requests.get(event.order_id)
        if request is not None and (request.kind, request.revision) == (event.kind, event.revision):
            times = {"gate_ns": event.gate_ns, "send_ns": event.send_ns}
            requests[event.order_id] = msgspec.structs.replace(request, **times)
            return


def dispatch_failed(state: State, event: events.DispatchFailed, out: Derivation) -> None:
    """Certainly not at the venue: a New ends its Order, anything else only leaves inflight."""
    execution = state.execution
    order = execution.order(event.order_id)
    if order is None:
        out.anomaly(
            "unknown_dispatch", "a failed dispatch that we did not make", event.venue, event.instrument
        )
        return
    if event.kind is not RequestKind.NEW:
        if settle(state, order, event.kind, event.revision) is not None and event.kind is RequestKind.CANCEL:
            order.cancel_not_before = state.control.ts + state.configuration.execution.cancel_retry
        return
    outcome = order.happen(Happening.NOT_THERE, state.control.ts)
    if outcome is OrderStatus.REJECTED:
        order.reason = ABSENT[0] if event.reason is FailureReason.NOT_AT_VENUE else ABSENT[1]
        finish(state, order)
    elif outcome is Effect.ILLEGAL:
        illegal(order, f"its New failed while it is {order.status.name}", out)


def _is_session_id(state: State, client_id: str) -> bool:
    parsed = parse_client_id(client_id)
    return parsed is not None and parsed.epoch in state.execution.epochs


EXECUTION: Final[dict[type, Callable[[State, Any, Derivation], None]]] = {
    events.OrderAccepted: order_accepted,
    events.OrderRejected: order_rejected,
    events.OrderFill: order_fill,
    events.OrderCancelled: order_closed,
    events.OrderExpired: order_closed,
    events.OrderReplaced: order_replaced,
    events.CancelRejected: cancel_rejected,
    events.ReplaceRejected: replace_rejected,
    events.OrderReport: order_report,
    events.FillsReconciled: fills_reconciled,
    events.AccountBaseline: account_baseline,
    events.BalanceReport: balance_report,
    events.RateLimitReport: rate_limit_report,
    events.VenueBackoff: venue_backoff,
    events.RequestSent: request_sent,
    events.DispatchFailed: dispatch_failed,
}
