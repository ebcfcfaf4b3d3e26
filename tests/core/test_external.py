"""Orders of others at the venue, under each policy of the Configuration."""

from __future__ import annotations

from typing import Any

import pytest

from livestack.core import events
from livestack.core.intents import Cancel, Replace
from livestack.core.state import State
from livestack.core.strategy import NoMemory
from livestack.core.types import ORDER_ID_MAX, OrderStatus, RequestKind, RequestSource
from tests.core import support
from tests.core.support import INSTRUMENT, VENUE, Bench, configuration

WEB: dict[str, Any] = {"client_id": "web_123", "venue_order_id": "v77"}
EARLIER: dict[str, Any] = {"client_id": "ZZZZZZZZZ-1-1", "venue_order_id": "v78"}


def bench(**policies: str) -> Bench:
    return Bench(configuration(execution=dict(policies))).start()


def adopted(which: dict[str, Any] = WEB, **policies: str) -> Bench:
    """A session that found one order: 10 at 99.90, 4 of them filled."""
    one = bench(**(policies or {"external_orders": "adopt"}))
    one.feed(support.report(0, OrderStatus.PARTIALLY_FILLED, filled_qty=4, **which))
    return one


@pytest.mark.parametrize(("which", "policy"), [(WEB, "external_orders"), (EARLIER, "orphan_orders")])
def test_ignored_orders_are_only_shown(which: dict[str, Any], policy: str) -> None:
    """No Order, no exposure, no request; one anomaly, however often it is reported."""
    one = adopted(which, **{policy: "ignore"})
    one.feed(support.report(0, OrderStatus.ACCEPTED, **which))
    assert ([(VENUE, which["client_id"])], {}) == (list(one.execution.external), one.execution.orders)
    assert ["AnomalyDetected"] == [type(event).__name__ for event in one.derived]


@pytest.mark.parametrize(("which", "policy"), [(WEB, "external_orders"), (EARLIER, "orphan_orders")])
def test_cancelled_orders_are_cancelled_until_they_are_gone(which: dict[str, Any], policy: str) -> None:
    """The Cancel is a request like any other, names the foreign order, and is repeated after a refusal."""
    one = adopted(which, **{policy: "cancel"})
    (request,) = [event.request for event in one.derived if isinstance(event, events.IntentDispatched)]
    assert (RequestKind.CANCEL, RequestSource.CORE) == (request.kind, request.source)
    assert (which["client_id"], which["venue_order_id"]) == (request.target_client_id, request.venue_order_id)
    assert f"{support.EPOCH}-1-1" == request.client_id
    one.feed(support.dispatch_failed(1, RequestKind.CANCEL))
    step = one.feed(events.ControlTime(scope="cancel", deadline_ns=0), wait_ns=support.SECOND)
    assert ["IntentDispatched"] == one.names(step)
    one.feed(events.OrderCancelled(**_named(which), event_ns=0, reason="", filled_qty=4))
    assert (OrderStatus.CANCELLED, {}, {}) == (
        one.order(1).status,
        one.execution.orders,
        one.execution.external,
    )
    assert () == one.runtime.obligations()


def _named(which: dict[str, Any]) -> dict[str, Any]:
    return {"recv_ns": 0, "venue": VENUE, "instrument": INSTRUMENT, "order_id": 0, **which}


def test_an_adopted_order_is_an_order() -> None:
    """It has an Order ID of its own, its fills are ours, and the Strategy can replace and cancel it."""
    one = adopted()
    order = one.order(1)
    assert (OrderStatus.PARTIALLY_FILLED, 10, 4) == (order.status, order.qty, order.filled_qty)
    assert ("web_123", RequestSource.OPERATOR) == (order.client_id, order.source)
    assert {} == one.execution.positions
    one.feed(support.fill(0, 1, 500, **WEB))
    assert (1, 5) == (one.execution.position(INSTRUMENT).qty, one.order(1).filled_qty)
    one.want(Replace(order_id=1, qty=12, price=9_980))
    one.feed(support.replaced(1, 1, 12, 9_980))
    assert (12, f"{support.EPOCH}-1-1") == (one.order(1).qty, one.order(1).client_id)
    (request,) = one.want(Cancel(order_id=1)).dispatches
    assert f"{support.EPOCH}-1-1" == request.target_client_id
    one.feed(support.cancelled(1, revision=1))
    assert OrderStatus.CANCELLED is one.order(1).status


def test_an_adopted_order_counts() -> None:
    """Risk counts it in the worst case: 6 may still fill, so 5 more is beyond a limit of 10."""
    one = Bench(configuration({"max_position": "0.010"}, execution={"external_orders": "adopt"})).start()
    one.feed(support.report(0, OrderStatus.PARTIALLY_FILLED, filled_qty=4, **WEB))
    one.buy(qty=5)
    assert ["max_position"] == [event.rule for event in one.derived if isinstance(event, events.IntentDenied)]
    one.buy(qty=4)
    assert 1 == one.execution.counts.dispatched


def test_a_late_fill_of_an_adopted_order_is_ours_while_it_is_remembered() -> None:
    """The foreign id is known as long as the closed Order is, and leaves State with it."""
    one = Bench(
        configuration(
            execution={"external_orders": "adopt", "terminal_orders_max": 1, "terminal_order_age": "1s"}
        )
    ).start()
    one.feed(support.report(0, OrderStatus.ACCEPTED, **WEB))
    one.feed(events.OrderCancelled(**_named(WEB), event_ns=0, reason=""))
    one.feed(support.fill(0, 1, 7, **WEB))
    assert (1, True) == (one.execution.position(INSTRUMENT).qty, one.order(1).anomalous)
    order_id = one.buy()
    one.feed(support.rejected(order_id), wait_ns=2 * support.SECOND)
    assert ({}, [order_id]) == (one.execution.adopted, list(one.execution.closed))


@pytest.mark.parametrize(
    "changes", [{"qty": 4}, {"price": -1}, {"instrument": "sim:NONE"}, {"filled_qty": -1}, {"client_id": ""}]
)
def test_what_makes_no_sense_is_not_adopted(changes: dict[str, Any]) -> None:
    """It is shown instead; no Order ID is used for it."""
    one = bench(external_orders="adopt")
    one.feed(support.report(0, OrderStatus.ACCEPTED, **{"filled_qty": 4, **WEB, **changes}))
    assert ({}, 0, 1) == (one.execution.orders, one.execution.order_counter, len(one.execution.external))


def test_without_an_order_id_left_it_is_shown() -> None:
    """The counter never goes beyond what a client id can carry."""
    one = bench(external_orders="adopt")
    one.execution.order_counter = ORDER_ID_MAX
    one.feed(support.report(0, OrderStatus.ACCEPTED, **WEB))
    assert ({}, ORDER_ID_MAX) == (one.execution.orders, one.execution.order_counter)


def test_it_survives_a_snapshot() -> None:
    """The foreign id still finds its Order."""
    one = adopted()
    restored = State.restore(one.state.snapshot(), NoMemory)
    assert one.state.digest() == restored.digest()
    assert {(VENUE, "web_123"): 1} == restored.execution.adopted
