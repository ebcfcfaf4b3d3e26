"""Which venue package speaks the protocol that a venue's settings name. Pure; any thread."""

from __future__ import annotations

from collections.abc import Callable

from livestack.venue_settings import VenueSettings
from livestack.venues.adapter import VenueModule
from livestack.venues.binance_spot import BinanceSpot

ADAPTERS: dict[str, Callable[[VenueSettings], VenueModule]] = {
    "binance_spot": lambda settings: BinanceSpot(streams=settings.streams),
}
