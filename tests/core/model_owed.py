"""The slow model's obligations: everything that is owed now, read off the model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from livestack.core.types import ConnectionStatus, RequestKind, SessionPhase
from tests.core.model_queue import cancel_on_its_way, in_order, is_held, lane_of
from tests.core.model_rates import NEVER

if TYPE_CHECKING:
    from tests.core.model import Model


def owed(model: Model) -> set[tuple[Any, ...]]:
    """Every obligation as a tuple: kind, scope, and what it asks for."""
    if model.phase is SessionPhase.STOPPED:
        return set()
    found: set[tuple[Any, ...]] = {("WakeAt", f"strategy {one}", ts) for one, ts in model.deadlines.items()}
    wakes = {
        "queue": _queue_wakes(model),
        "timeout": [sent.deadline_ns for sent in model.inflight.values()],
        "cancel": [model.open[one].not_before for one in model.closing if not cancel_on_its_way(model, one)],
    }
    found |= {("WakeAt", scope, min(each)) for scope, each in wakes.items() if each and min(each) < NEVER}
    live = {venue for venue, one in model.venue_status.items() if one is ConnectionStatus.LIVE}
    for order_id in {**model.unresolved, **model.in_doubt}:
        found |= _questions(model, order_id, live)
    for name, asked in model.wanted.items():
        if model.venue_of(name) in live:
            found.add(("QueryFills", f"fills {name} {asked}", max(model.floors.get(name, 0), 0)))
    return found


def _queue_wakes(model: Model) -> list[int]:
    wakes = [
        one.since + model.rules.max_queue_age
        for one in model.pending.values()
        if one.kind is not RequestKind.CANCEL
    ]
    lanes: set[tuple[str, bool]] = set()
    for one in in_order(model):
        lane = lane_of(model, one)
        if lane not in lanes and not is_held(model, one):
            lanes.add(lane)
            wakes.append(model.rates[lane[0]].earliest(one.kind, model.ts))
    return wakes


def _questions(model: Model, order_id: int, live: set[str]) -> set[tuple[Any, ...]]:
    order, sent = model.open[order_id], model.unresolved.get(order_id)
    if order.first.venue not in live:
        return set()
    if sent is None:
        return {("QueryOrder", f"order {order_id} in doubt", order.client_id)}
    cancels = sent.request.kind is RequestKind.CANCEL
    client_id = order.client_id if cancels else sent.request.client_id
    found: set[tuple[Any, ...]] = {("QueryOrder", f"order {order_id}-{sent.request.revision}", client_id)}
    name = order.first.instrument
    if order.closing is not None and model.is_killed(name):
        found.add(("CancelAllAtVenue", f"cancel all {name}", name))
    return found
