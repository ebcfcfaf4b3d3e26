"""What an order says of itself. How the engine changes it: ``test_matching``."""

from __future__ import annotations

import pytest

from livestack.simulator.orders import BUY, Order, OrderType


def make(order_type: OrderType) -> Order:
    return Order(
        order_id=1, account="a", symbol="X", client_id="", side=BUY, type=order_type, price=10, qty=9
    )


@pytest.mark.parametrize("order_type", OrderType)
def test_a_stop_waits_until_its_trigger(order_type: OrderType) -> None:
    """The four stop types wait, until they are triggered; no other type ever does."""
    order = make(order_type)
    assert order_type.value.startswith(("STOP_LOSS", "TAKE_PROFIT")) == order.is_stop
    order.triggered = True
    assert not order.is_stop


@pytest.mark.parametrize(
    ("status", "is_open"),
    [
        ("NEW", True),
        ("PARTIALLY_FILLED", True),
        ("FILLED", False),
        ("CANCELED", False),
        ("EXPIRED", False),
        ("EXPIRED_IN_MATCH", False),
    ],
)
def test_open(status: str, is_open: bool) -> None:
    """Only new and partially filled orders are open."""
    order = make(OrderType.LIMIT)
    order.status = status
    assert is_open == order.open


def test_remaining_and_identity() -> None:
    """What traded and what self-trade prevention took off no longer remains; two like orders are two orders."""
    order, twin = make(OrderType.LIMIT), make(OrderType.LIMIT)
    order.executed, order.prevented = 4, 3
    assert (2, 9) == (order.remaining, twin.remaining)
    assert [1] == [index for index, one in enumerate([order, twin]) if one == twin]
