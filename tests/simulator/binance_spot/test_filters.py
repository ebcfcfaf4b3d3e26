"""Filters and parameter rules: the venue's own codes and texts."""

from __future__ import annotations

from typing import Any

import pytest

from tests.simulator.client import Client

FAILURES: list[tuple[dict[str, Any], int, str]] = [
    ({"price": "60000.001"}, -1013, "PRICE_FILTER"),
    ({"price": "99999999.00"}, -1013, "PRICE_FILTER"),
    ({"quantity": "0.000001"}, -1013, "LOT_SIZE"),
    ({"quantity": "0.000015"}, -1013, "LOT_SIZE"),
    ({"quantity": "99999999"}, -1013, "LOT_SIZE"),
    ({"quantity": "0.00001"}, -1013, "NOTIONAL"),
    ({"price": "1.123456789"}, -1111, ""),
    ({"quantity": "abc"}, -1100, ""),
    ({"side": "HOLD"}, -1117, ""),
    ({"type": "MAGIC"}, -1116, ""),
    ({"timeInForce": "DAY"}, -1115, ""),
    ({"symbol": "NOSUCH"}, -1121, ""),
    ({"newClientOrderId": "not allowed!"}, -1100, ""),
]


@pytest.mark.parametrize(("change", "code", "text"), FAILURES)
def test_each_violation_has_its_code(change: dict[str, Any], code: int, text: str) -> None:
    """Nothing is accepted, the code is the documented one, a filter is named."""
    client = Client()
    order = {"timeInForce": "GTC", "price": "50000.00", "quantity": "0.001", **change}
    answer = client.place(**order)
    assert code == answer["error"]["code"], answer["error"]
    assert text in answer["error"]["msg"]
    assert [] == client.venue.orders


def test_the_same_order_within_the_rules_is_accepted() -> None:
    """What the table changes one thing of."""
    client = Client()
    assert 200 == client.limit("BUY", "50000.00", "0.001")["status"]


@pytest.mark.parametrize("missing", ["price", "quantity", "timeInForce"])
def test_a_missing_parameter_is_named(missing: str) -> None:
    """-1102 with the parameter's name."""
    order = {"timeInForce": "GTC", "price": "50000.00", "quantity": "0.001"}
    del order[missing]
    error = Client().place(**order)["error"]
    assert -1102 == error["code"]
    assert missing in error["msg"]


def test_a_client_id_is_unique_among_open_orders_only() -> None:
    """ "Duplicate order sent." while the first is open; free again after its cancel."""
    client = Client()
    assert 200 == client.limit("BUY", "50000.00", "0.001", newClientOrderId="mine")["status"]
    duplicate = client.limit("BUY", "50000.00", "0.001", newClientOrderId="mine")["error"]
    assert (-2010, "Duplicate order sent.") == (duplicate["code"], duplicate["msg"])
    assert 200 == client.ask("order.cancel", symbol="BTCUSDT", origClientOrderId="mine")["status"]
    assert 200 == client.limit("BUY", "50000.00", "0.001", newClientOrderId="mine")["status"]


def test_funds_are_checked() -> None:
    """Twenty orders of six million against a hundred million: the engine's own sentence for those too many."""
    client = Client()
    answers = [client.limit("BUY", "60000.00", "100") for _ in range(20)]
    refused = [answer["error"] for answer in answers if "error" in answer]
    assert {(-2010, "Account has insufficient balance for requested action.")} == {
        (error["code"], error["msg"]) for error in refused
    }
