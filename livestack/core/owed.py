"""Control Scheduling Obligations: the full set of what is owed now, a pure function of State.

Pure. Nothing is lost in a crash, because nothing is remembered here. The host waits, or jumps, to a ``WakeAt`` and
appends ``ControlTime``; it asks the venue for the rest. Harness thread.
"""

from __future__ import annotations

from typing import Final

from livestack.core.execution_control import retry_at
from livestack.core.obligations import CancelAllAtVenue, Obligation, QueryFills, QueryOrder, WakeAt
from livestack.core.orders import Order
from livestack.core.rates import NEVER
from livestack.core.state import State
from livestack.core.types import ConnectionStatus, RequestKind, SessionPhase

FILLS_RECONCILE_AT: Final = 5_000
"""Fill ids remembered above the floor at which the venue is asked to let the floor move."""


def obligations(state: State) -> tuple[Obligation, ...]:
    """Everything owed, one per scope, in a stable order."""
    execution, control = state.execution, state.control
    if control.phase is SessionPhase.STOPPED:
        return ()
    owed: list[Obligation] = []
    if execution.queue.pending and (retry_ts := retry_at(state)) < NEVER:
        owed.append(
            WakeAt(scope="queue", deadline_ns=retry_ts, reason="capacity returns or a command is too old")
        )
    if execution.requests:
        deadline_ns = min([request.deadline_ns for request in execution.requests.values()])
        owed.append(WakeAt(scope="timeout", deadline_ns=deadline_ns, reason="a request times out"))
    if execution.closing and (cancel_ts := cancel_retry_at(state)) < NEVER:
        owed.append(WakeAt(scope="cancel", deadline_ns=cancel_ts, reason="an order is to be cancelled again"))
    for name, deadline_ns in control.strategy_deadlines.items():
        owed.append(WakeAt(scope=f"strategy {name}", deadline_ns=deadline_ns, reason="the strategy asked"))
    for name, deadline_ns in control.stale_checks.items():
        if deadline_ns:
            owed.append(
                WakeAt(
                    scope=f"data {name}", deadline_ns=deadline_ns, reason="its data may be too old by then"
                )
            )
    if execution.unresolved or execution.in_doubt:
        owed += _about_orders(state)
    owed += _fills_wanted(state)
    return tuple(owed)


def _fills_wanted(state: State) -> list[Obligation]:
    """Fills that a claim lacks, and a floor that has to move because too many fill ids are remembered above it."""
    execution = state.execution
    owed: list[Obligation] = []
    wanted = dict(execution.fetch_fills) if execution.fetch_fills else {}
    for instrument, ledger in execution.ledgers.items():
        if len(ledger.seen) >= FILLS_RECONCILE_AT:
            wanted.setdefault(instrument, 0)
    for instrument, asked_ts in wanted.items():
        venue = state.market.instruments[instrument].definition.venue
        known = execution.ledgers.get(instrument)
        after = max(known.floor, 0) if known is not None else 0
        if state.control.venue_status.get(venue) is ConnectionStatus.LIVE:
            # a later claim is another question: the answer that is on its way may have been made before it
            scope = f"fills {instrument} {asked_ts}"
            owed.append(QueryFills(scope=scope, venue=venue, instrument=instrument, after=after))
    return owed


def _about_orders(state: State) -> list[Obligation]:
    """Questions about orders of unknown fate, or in doubt; where a Cancel under the kill-switch got no answer, the
    venue is asked to cancel everything there."""
    execution, control = state.execution, state.control
    owed: list[Obligation] = []
    cancel_all: dict[tuple[str, str], None] = {}
    for order_id, request in execution.unresolved.items():
        order = execution.orders[order_id]
        if control.venue_status.get(order.venue) is not ConnectionStatus.LIVE:
            continue
        scope = f"{order_id}-{request.revision}"
        if request.kind is RequestKind.CANCEL:
            owed.append(_question(order, scope, order.client_id))
        else:
            owed.append(_question(order, scope, request.client_id, request.kind))
        if order.closing is not None and control.killed(order.venue, order.instrument):
            cancel_all[(order.venue, order.instrument)] = None
    for order_id in execution.in_doubt:
        order = execution.orders[order_id]
        if (
            order_id not in execution.unresolved
            and control.venue_status.get(order.venue) is ConnectionStatus.LIVE
        ):
            owed.append(_question(order, f"{order_id} in doubt", order.client_id))
    for venue, instrument in cancel_all:
        owed.append(CancelAllAtVenue(scope=f"cancel all {instrument}", venue=venue, instrument=instrument))
    return owed


def _question(order: Order, scope: str, client_id: str, kind: RequestKind = RequestKind.NEW) -> QueryOrder:
    return QueryOrder(
        scope=f"order {scope}",
        venue=order.venue,
        instrument=order.instrument,
        order_id=order.order_id,
        client_id=client_id,
        venue_order_id=order.venue_order_id,
        kind=kind,
    )


def cancel_retry_at(state: State) -> int:
    """When the first Order that is to be closed wants its next Cancel."""
    execution = state.execution
    earliest = NEVER
    for order_id in execution.closing:
        if not execution.cancel_is_under_way(order_id):
            earliest = min(earliest, execution.orders[order_id].cancel_not_before)
    return earliest


def next_timer(owed: tuple[Obligation, ...]) -> int:
    """Earliest ``ts`` at which a step has something to do because of time alone."""
    return min((one.deadline_ns for one in owed if type(one) is WakeAt), default=NEVER)
