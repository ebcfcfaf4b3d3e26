"""Cancel, cancel-replace and amend: renames, the outcome table, restrictions."""

from __future__ import annotations

from typing import Any

import pytest

from tests.simulator.client import Client


def opened(client: Client, client_id: str = "first") -> dict[str, Any]:
    answer = client.limit("BUY", "50000.00", "0.002", newClientOrderId=client_id)
    assert 200 == answer["status"]
    return answer["result"]


def replace(client: Client, mode: str, target: str, price: str) -> dict[str, Any]:
    return client.ask(
        "order.cancelReplace",
        symbol="BTCUSDT",
        side="BUY",
        type="LIMIT",
        timeInForce="GTC",
        cancelReplaceMode=mode,
        cancelOrigClientOrderId=target,
        price=price,
        quantity="0.001",
        newClientOrderId="second",
    )


GOOD, BAD = "51000.00", "0.00000001"


@pytest.mark.parametrize(
    ("mode", "target", "price", "status", "code", "cancel", "new"),
    [
        ("STOP_ON_FAILURE", "first", GOOD, 200, 0, "SUCCESS", "SUCCESS"),
        ("STOP_ON_FAILURE", "nobody", GOOD, 400, -2022, "FAILURE", "NOT_ATTEMPTED"),
        ("ALLOW_FAILURE", "nobody", GOOD, 409, -2021, "FAILURE", "SUCCESS"),
    ],
)
def test_cancel_replace_outcomes(
    mode: str, target: str, price: str, status: int, code: int, cancel: str, new: str
) -> None:
    """Each half's outcome is told, and only what succeeded happened."""
    client = Client()
    opened(client)
    answer = replace(client, mode, target, price)
    content = answer["result"] if code == 0 else answer["error"]["data"]
    assert (status, cancel, new) == (answer["status"], content["cancelResult"], content["newOrderResult"])
    if code:
        assert code == answer["error"]["code"]
    open_ids = {order.client_id for order in client.venue.open_orders}
    assert ("second" in open_ids) is (new == "SUCCESS")
    assert ("first" in open_ids) is (cancel == "FAILURE")


def test_a_filter_stops_cancel_replace_before_both_halves() -> None:
    """Filters are looked at first: the old order stands."""
    client = Client()
    opened(client)
    answer = replace(client, "STOP_ON_FAILURE", "first", BAD)
    assert "error" in answer
    assert {"first"} == {order.client_id for order in client.venue.open_orders}


def test_a_cancel_renames_the_order() -> None:
    """The response and the report carry the cancel's id, and the old one as the original."""
    client = Client()
    client.subscribe()
    order = opened(client)
    result = client.ask(
        "order.cancel", symbol="BTCUSDT", orderId=order["orderId"], newClientOrderId="the-cancel"
    )["result"]
    assert ("the-cancel", "first", "CANCELED") == (
        result["clientOrderId"],
        result["origClientOrderId"],
        result["status"],
    )
    client.advance(1_000_000)
    report = [event for event in client.events if event["e"] == "executionReport"][-1]
    assert ("the-cancel", "first", "CANCELED") == (report["c"], report["C"], report["x"])


def test_a_cancel_of_nothing_is_refused() -> None:
    """-2011 "Unknown order sent."."""
    error = Client().ask("order.cancel", symbol="BTCUSDT", origClientOrderId="nobody")["error"]
    assert (-2011, "Unknown order sent.") == (error["code"], error["msg"])


@pytest.mark.parametrize(("new_qty", "status"), [("0.001", 200), ("0.002", 400), ("0.003", 400)])
def test_an_amend_only_reduces(new_qty: str, status: int) -> None:
    """Less is the same order in its place; the same or more is refused."""
    client = Client()
    order = opened(client)
    answer = client.ask(
        "order.amend.keepPriority", symbol="BTCUSDT", orderId=order["orderId"], newQty=new_qty
    )
    assert status == answer["status"]
    if status == 200:
        assert order["orderId"] == answer["result"]["amendedOrder"]["orderId"]
        assert "0.00100000" == answer["result"]["amendedOrder"]["qty"]
    else:
        assert -2038 == answer["error"]["code"]


def test_a_market_order_fills_or_expires() -> None:
    """What the book cannot give ends EXPIRED or FILLED, never open."""
    client = Client()
    answer = client.place(type="MARKET", quantity="0.01")
    assert answer["result"]["status"] in ("FILLED", "EXPIRED")
    assert [] == client.venue.open_orders


def test_post_only_never_takes() -> None:
    """LIMIT_MAKER at the opposite best: "Order would immediately match and take."."""
    client = Client()
    _, ask = client.best()
    error = client.place(type="LIMIT_MAKER", price=ask, quantity="0.001")["error"]
    assert (-2010, "Order would immediately match and take.") == (error["code"], error["msg"])


def test_cancel_all_takes_every_order_of_the_symbol() -> None:
    """And names each."""
    client = Client()
    for number in range(3):
        opened(client, f"order{number}")
    result = client.ask("openOrders.cancelAll", symbol="BTCUSDT")["result"]
    assert {"order0", "order1", "order2"} == {one["origClientOrderId"] for one in result}
    assert [] == client.venue.open_orders
