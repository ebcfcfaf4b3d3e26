"""Somebody else on the account: whatever they do is told like everything else, and their orders can be told apart."""

from __future__ import annotations

from decimal import Decimal

import pytest

from livestack.simulator.binance_spot import VenueSettings
from tests.simulator.client import SECOND_NS, Client


def made(kind: str, **keys: str) -> Client:
    client = Client(VenueSettings(symbols=1, rate=1))
    client.subscribe()
    client.inject(kind, **keys)
    return client


@pytest.mark.parametrize(
    ("kind", "reports"),
    [
        ("external_order", [("NEW", "NEW")]),
        ("external_trade", [("NEW", "NEW"), ("TRADE", "FILLED")]),
    ],
)
def test_an_order_of_somebody_else(kind: str, reports: list[tuple[str, str]]) -> None:
    """A client id that is not ours, an order id that the venue can name."""
    client = made(kind)
    client.wait(1)
    assert reports == client.reports()
    [order] = client.venue.orders
    assert {order.order_id} == client.venue.external_orders
    assert order.client_id.startswith("web_")
    assert {kind: 1} == client.venue.fault_counts


def test_a_cancel_of_somebody_else() -> None:
    """Our order is gone under another client id; with none open nothing is counted."""
    client = made("external_cancel", every="10s")
    client.wait(1)
    assert {} == client.venue.fault_counts
    client.limit("BUY", "50000", "0.01", newClientOrderId="mine")
    client.wait(16 * SECOND_NS)
    report = next(event for event in client.events if event.get("x") == "CANCELED")
    assert "mine" == report["C"]
    assert report["c"].startswith("web_")


def test_money_comes_in() -> None:
    """balanceUpdate with the amount, then the position; no order is about it."""
    client = made("deposit", asset="USDT", amount="12.5")
    before = Decimal(client.venue.account.free("USDT"))
    client.wait(1)
    assert ["balanceUpdate", "outboundAccountPosition"] == [event["e"] for event in client.events]
    assert ("USDT", "12.50000000") == (client.events[0]["a"], client.events[0]["d"])
    assert before + 12_5000_0000 == client.venue.account.free("USDT")


def test_a_deposit_of_nonsense_is_none() -> None:
    """An amount that is no number, or nothing: nobody is told."""
    for amount in ("much", "0"):
        client = made("deposit", amount=amount)
        client.wait(1)
        assert ([], {}) == (client.events, client.venue.fault_counts)
