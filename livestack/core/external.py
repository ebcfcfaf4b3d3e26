"""Orders at the venue that this session did not make: shown, adopted or cancelled, as the Configuration says.

Pure. Two kinds: *external* (a foreign id) and *orphan* (our id pattern, another session's epoch). To adopt is to make
it an Order of this session with an Order ID of its own, so that risk counts it, the Strategy sees it, and it can be
replaced and cancelled like any other; policy ``cancel`` adopts it and closes it. Its fills from then on are ours; what
had filled before is not. Harness thread.
"""

from __future__ import annotations

from typing import Final, Protocol

import msgspec

from livestack.core import events
from livestack.core.derivation import Derivation, cancel_increasing, close_order
from livestack.core.orders import Order, adopted_order
from livestack.core.state import ExternalOrder, State
from livestack.core.types import ORDER_ID_MAX, OrderStatus, RequestSource, SessionPhase, TradingState

EXTERNAL_ORDERS_MAX: Final = 1_000
"""Orders of others that are shown; beyond it the oldest leave."""


class OfAnOrder(Protocol):
    """An Event that names an order by a client id."""

    @property
    def venue(self) -> str: ...
    @property
    def instrument(self) -> str: ...
    @property
    def client_id(self) -> str: ...
    @property
    def order_id(self) -> int: ...


def see(state: State, event: OfAnOrder, ours: bool, out: Derivation) -> None:
    """Take in an Event about an order that is not of this session; ``ours`` by the pattern of its id."""
    execution, key = state.execution, (event.venue, event.client_id)
    if isinstance(event, events.OrderCancelled | events.OrderExpired):
        execution.external.pop(key, None)
    if not isinstance(event, events.OrderReport):
        return
    if event.status not in (OrderStatus.ACCEPTED, OrderStatus.PARTIALLY_FILLED):
        execution.external.pop(key, None)
        return
    rules = state.configuration.execution
    policy = rules.orphan_orders if ours else rules.external_orders
    if key not in execution.external:
        kind = "orphan_order" if ours else "external_order"
        out.anomaly(kind, f"{event.client_id} is open at the venue: {policy}", event.venue, event.instrument)
    order = _adopt(state, event) if policy != "ignore" else None
    if order is None:
        _show(state, event, ours)
    elif policy == "cancel" or _is_to_go(state, order):
        close_order(state, order, RequestSource.CORE)
    elif state.control.trading_state(order.venue, order.instrument) is TradingState.REDUCING:
        cancel_increasing(out, order.venue, order.instrument)


def _is_to_go(state: State, order: Order) -> bool:
    """Whether what is open is being cancelled at this time, so that an order found meanwhile is no exception."""
    control = state.control
    if control.killed(order.venue, order.instrument) and state.configuration.kill.cancel_open_orders:
        return True
    return control.phase is SessionPhase.STOPPING and not state.execution.leaves_open


def take_back(state: State, order: Order, venue_order_id: str) -> None:
    """An Order that was over because the venue did not have it is open there after all. What is final stays final: it
    goes on under an Order ID of its own, to be cancelled, and counts until then."""
    execution, key = state.execution, (order.venue, order.client_id)
    if key in execution.adopted or execution.order_counter >= ORDER_ID_MAX:
        return
    execution.order_counter += 1
    again = msgspec.structs.replace(
        order,
        order_id=execution.order_counter,
        status=OrderStatus.ACCEPTED,
        venue_order_id=venue_order_id,
        changed_ts=state.control.ts,
        foreign_id=order.client_id,
        reason="",
    )
    execution.orders[again.order_id] = again
    execution.adopted[key] = again.order_id
    close_order(state, again, RequestSource.CORE)


def _adopt(state: State, event: events.OrderReport) -> Order | None:
    """None where it cannot be: an instrument that is not defined, or a report that makes no sense."""
    execution = state.execution
    sane = event.client_id and 0 <= event.filled_qty < event.qty and event.price >= 0
    if (
        not sane
        or not execution.epochs
        or event.instrument not in state.market.instruments
        or execution.order_counter >= ORDER_ID_MAX
    ):
        return None
    execution.order_counter += 1
    order = adopted_order(event, execution.order_counter, state.control.ts)
    execution.orders[order.order_id] = order
    execution.adopted[(event.venue, event.client_id)] = order.order_id
    execution.external.pop((event.venue, event.client_id), None)
    state.control.stale_checks.setdefault(event.instrument, 0)
    return order


def _show(state: State, event: events.OrderReport, ours: bool) -> None:
    external, key = state.execution.external, (event.venue, event.client_id)
    if key not in external and len(external) >= EXTERNAL_ORDERS_MAX:
        del external[next(iter(external))]
    external[key] = ExternalOrder(
        venue=event.venue,
        instrument=event.instrument,
        client_id=event.client_id,
        venue_order_id=event.venue_order_id,
        side=event.side,
        price=event.price,
        leaves_qty=max(event.qty - event.filled_qty, 0),
        ours=ours,
    )
