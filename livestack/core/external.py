"""Orders at the venue that this session did not make: shown, adopted or cancelled, as the Configuration says.

Pure. Two kinds: *external* (a foreign id) and *orphan* (our id pattern, another session's epoch). To adopt is to make
it an Order of this session with an Order ID of its own, so that risk counts it, the Strategy sees it, and it can be
replaced and cancelled like any other; policy ``cancel`` adopts it and closes it. Its fills from then on are ours; what
had filled before is not. Harness thread.
"""

from __future__ import annotations

from typing import Final, Protocol

from livestack.core import events
from livestack.core.derivation import Derivation
from livestack.core.orders import Order
from livestack.core.state import ExternalOrder, State
from livestack.core.types import ORDER_ID_MAX, OrderStatus

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
    if policy != "ignore" and _can_be_adopted(state, event):
        _adopt(state, event, out)
    else:
        _show(state, event, ours)


def take_back(state: State, order: Order, venue_order_id: str, out: Derivation) -> None:
    """An Order that was over because the venue did not have it is open there after all. What is final stays final: it
    goes on under an Order ID of its own, to be cancelled, and counts until then."""
    execution = state.execution
    if (order.venue, order.client_id) in execution.adopted or execution.order_counter >= ORDER_ID_MAX:
        return
    out.emit(
        events.OrderAdopted(
            order_id=execution.order_counter + 1,
            venue=order.venue,
            instrument=order.instrument,
            client_id=order.client_id,
            venue_order_id=venue_order_id,
            side=order.side,
            order_type=order.type,
            tif=order.tif,
            price=order.price,
            qty=order.qty,
            filled_qty=order.filled_qty,
            again=order.order_id,
        )
    )


def _can_be_adopted(state: State, event: events.OrderReport) -> bool:
    """Not of an instrument that is not defined, nor by a report that makes no sense."""
    execution = state.execution
    return bool(
        event.client_id
        and 0 <= event.filled_qty < event.qty
        and event.price >= 0
        and execution.epochs
        and event.instrument in state.market.instruments
        and execution.order_counter < ORDER_ID_MAX
    )


def _adopt(state: State, event: events.OrderReport, out: Derivation) -> None:
    out.emit(
        events.OrderAdopted(
            order_id=state.execution.order_counter + 1,
            venue=event.venue,
            instrument=event.instrument,
            client_id=event.client_id,
            venue_order_id=event.venue_order_id,
            side=event.side,
            order_type=event.order_type,
            tif=event.tif,
            price=event.price,
            qty=event.qty,
            filled_qty=event.filled_qty,
        )
    )


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
