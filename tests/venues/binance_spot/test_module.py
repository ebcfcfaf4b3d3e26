"""What the package offers to the node."""

from __future__ import annotations

from livestack.venues.binance_spot import BinanceSpot


def test_the_module_names_its_paths() -> None:
    """Below the venue's URLs; that of the WebSocket API is complete (venues.md 1.1)."""
    assert (BinanceSpot().market_data_path(), BinanceSpot().order_entry_path()) == ("/stream", "")
