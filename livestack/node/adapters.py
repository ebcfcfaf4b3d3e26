"""Which venue package speaks the protocol that a venue's settings name. Pure; any thread."""

from __future__ import annotations

from collections.abc import Callable

from livestack.venue_settings import VenueSettings
from livestack.venues.adapter import VenueModule
from livestack.venues.binance_spot import BinanceSpot
from livestack.venues.options import VenueOptions

ADAPTERS: dict[str, Callable[[VenueSettings], VenueModule]] = {
    "binance_spot": lambda settings: BinanceSpot(options_of(settings)),
}


def options_of(settings: VenueSettings) -> VenueOptions:
    """What of a venue's settings its adapters need."""
    return VenueOptions(
        streams=settings.streams,
        depth_levels=settings.depth_levels,
        is_polled=settings.market_data == "poll",
        poll_every_ns=settings.poll_every_ns,
        poll_after_ns=settings.poll_after_ns,
        renew_after_ns=settings.renew_after_ns,
        rest_orders=settings.rest_orders,
        rest_after_ns=settings.rest_after_ns,
        reconcile_every_ns=settings.reconcile_every_ns,
        instruments_every_ns=settings.instruments_every_ns,
        clock_skew_max_ns=settings.clock_skew_max_ns,
    )
