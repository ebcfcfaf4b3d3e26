"""What a venue is made with: settings that hold, symbols that stand still while they do not trade."""

from __future__ import annotations

import random

from livestack.simulator.binance_spot import BinanceSpotVenue, VenueSettings, make_keys
from tests.simulator.client import SECOND_NS, START_NS


def test_a_symbol_stands_still_while_it_does_not_trade() -> None:
    """Its book does not change; the other symbols' do."""
    venue = BinanceSpotVenue(make_keys(1), random.Random(1), START_NS, VenueSettings(symbols=2, rate=500))
    changes = {name: listing.engine.changes for name, listing in venue.exchange.listings.items()}
    venue.set_status("BTCUSDT", "HALT")
    venue.advance(START_NS + SECOND_NS)
    after = {name: listing.engine.changes for name, listing in venue.exchange.listings.items()}
    assert changes["BTCUSDT"] == after["BTCUSDT"]
    assert changes["ETHUSDT"] < after["ETHUSDT"]
