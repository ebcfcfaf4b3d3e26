"""Control Scheduling Obligations: the full set of what is owed now, a pure function of State.

Pure. Nothing is lost in a crash, because nothing is remembered here. The host waits, or jumps, to a ``WakeAt`` and
appends ``ControlTime``; it asks the venue for the rest. Harness thread.
"""

from __future__ import annotations

from typing import Final

from livestack.core.execution_control import retry_at
from livestack.core.obligations import Obligation, QueryFills, QueryOrder, WakeAt
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
    retry_ts = retry_at(state)
    if retry_ts < NEVER:
        owed.append(WakeAt(scope="queue", deadline_ns=retry_ts, reason="capacity returns or a command is too old"))
    if execution.requests:
        deadline_ns = min(request.deadline_ns for request in execution.requests.values())
        owed.append(WakeAt(scope="timeout", deadline_ns=deadline_ns, reason="a request times out"))
    cancel_ts = cancel_retry_at(state)
    if cancel_ts < NEVER:
        owed.append(WakeAt(scope="cancel", deadline_ns=cancel_ts, reason="an order is to be cancelled again"))
    for name, deadline_ns in control.strategy_deadlines.items():
        owed.append(WakeAt(scope=f"strategy {name}", deadline_ns=deadline_ns, reason="the strategy asked"))
    for order_id, request in execution.unresolved.items():
        order = execution.orders[order_id]
        if control.venue_status.get(order.venue) is ConnectionStatus.LIVE:
            target = order.client_id if request.kind is RequestKind.CANCEL else request.client_id
            scope = f"order {order_id}-{request.revision}"
            owed.append(
                QueryOrder(
                    scope=scope, venue=order.venue, instrument=order.instrument, order_id=order_id, client_id=target
                )
            )
    wanted = dict(execution.fetch_fills)
    for instrument, ledger in execution.ledgers.items():
        if len(ledger.seen) >= FILLS_RECONCILE_AT:
            wanted.setdefault(instrument, 0)
    for instrument in wanted:
        venue = state.market.instruments[instrument].definition.venue
        known = execution.ledgers.get(instrument)
        after = max(known.floor, 0) if known is not None else 0
        if control.venue_status.get(venue) is ConnectionStatus.LIVE:
            owed.append(QueryFills(scope=f"fills {instrument}", venue=venue, instrument=instrument, after=after))
    return tuple(owed)


def cancel_retry_at(state: State) -> int:
    """When the first Order that is to be closed wants its next Cancel."""
    execution = state.execution
    earliest = NEVER
    for order_id in execution.closing:
        if order_id not in execution.requests and order_id not in execution.queue.pending:
            earliest = min(earliest, execution.orders[order_id].cancel_not_before)
    return earliest


def next_timer(state: State) -> int:
    """Earliest ``ts`` at which a step has something to do because of time alone."""
    if state.control.phase is SessionPhase.STOPPED:
        return NEVER
    requests = state.execution.requests
    return min(
        retry_at(state),
        cancel_retry_at(state),
        min((request.deadline_ns for request in requests.values()), default=NEVER),
        min(state.control.strategy_deadlines.values(), default=NEVER),
    )
