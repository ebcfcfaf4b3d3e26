"""What every question weighs, and by which REST request it goes."""

from __future__ import annotations

import pytest

from livestack.venues.binance_spot.routes import ORDERS, QUESTIONS, WEIGHT_UNKNOWN, Value, weight_of


@pytest.mark.parametrize(
    ("method", "parameters", "weight"),
    [
        ("time", {}, 1),
        ("openOrders.status", {"symbol": "A"}, 6),
        ("openOrders.status", {}, 80),
        ("myTrades", {"symbol": "A"}, 20),
        ("myTrades", {"symbol": "A", "orderId": 1}, 5),
        ("order.status", {"symbol": "A", "orderId": 1}, 4),
        ("account.status", {}, 20),
        ("ticker.24hr", {"symbols": ["A"] * 20}, 2),
        ("ticker.24hr", {"symbols": ["A"] * 21}, 40),
        ("ticker.24hr", {}, 80),
        ("userDataStream.subscribe.signature", {}, 2),
        ("whatever", {}, WEIGHT_UNKNOWN),
    ],
)
def test_weights(method: str, parameters: dict[str, Value], weight: int) -> None:
    """As the venue's tables have them."""
    assert weight == weight_of(method, parameters)


def test_no_order_is_a_question() -> None:
    """The two tables have no method in common."""
    assert set() == set(ORDERS) & set(QUESTIONS)
