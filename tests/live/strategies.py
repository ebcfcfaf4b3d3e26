"""Strategy tables for the configurations that tests write."""

from __future__ import annotations


def market_maker(symbol: str, qty: str = "0.01", inventory_max: str = "0.05") -> str:
    """The shipped market maker on one symbol, close to the middle so that it trades."""
    return f"""
[strategy]
path = "livestack.strategies.market_maker:MarketMaker"
[strategy.parameters]
instruments = ["binance_spot:{symbol}"]
qty = "{qty}"
inventory_max = "{inventory_max}"
half_spread_bps = 1
tolerance_bps = 0
"""
