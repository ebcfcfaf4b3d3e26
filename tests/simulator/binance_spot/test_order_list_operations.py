"""Order lists and routing: what a venue says whose symbols allow neither."""

from __future__ import annotations

from typing import Any

import pytest

from tests.simulator.client import Client


@pytest.mark.parametrize(
    ("method", "kind"),
    [
        ("orderList.place.oco", "OCO"),
        ("orderList.place.oto", "OTO"),
        ("orderList.place.otoco", "OTO"),
        ("orderList.place.opo", "OPO"),
        ("orderList.place.opoco", "OPO"),
        ("sor.order.place", "SOR"),
    ],
)
def test_placing_is_refused(method: str, kind: str) -> None:
    """By its kind, whatever its parameters; nothing is placed, and ``exchangeInfo`` says the same."""
    client = Client()
    answer = client.ask(method, symbol="BTCUSDT", side="SELL", aboveType="LIMIT_MAKER", quantity="1")
    assert (400, -1013) == (answer["status"], answer["error"]["code"])
    assert f"{kind} orders are not supported for this symbol." == answer["error"]["msg"]
    assert [] == client.venue.orders
    _, _, info = client.rest("GET", "exchangeInfo", symbol="BTCUSDT")
    flags = {"ocoAllowed", "otoAllowed", "opoAllowed"}
    assert {False} == {info["symbols"][0][flag] for flag in flags}
    assert "sors" not in info


@pytest.mark.parametrize(
    ("method", "arguments", "code"),
    [
        ("orderList.cancel", {"symbol": "BTCUSDT", "orderListId": 1}, -2011),
        ("orderList.cancel", {"symbol": "BTCUSDT", "listClientOrderId": "mine"}, -2011),
        ("orderList.cancel", {"symbol": "BTCUSDT"}, -1102),
        ("orderList.status", {"orderListId": 1}, -2018),
        ("orderList.status", {}, -1102),
    ],
)
def test_there_is_none_to_ask_about(method: str, arguments: dict[str, Any], code: int) -> None:
    """Unknown lists, and requests that name none."""
    assert code == Client().ask(method, **arguments)["error"]["code"]


@pytest.mark.parametrize("method", ["allOrderLists", "openOrderLists.status"])
def test_there_are_none(method: str) -> None:
    """Empty arrays."""
    assert [] == Client().ask(method)["result"]
