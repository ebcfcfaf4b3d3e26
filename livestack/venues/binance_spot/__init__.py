"""Binance Spot: market streams, order entry over the WebSocket API, signing, instruments. Pure, sans-IO.

``BinanceSpot`` is the package's :class:`~livestack.venues.adapter.VenueModule`; facts and rule numbers are those of the
venue's documentation as of 2026-07 (venues.md section 1).
"""

from livestack.venues.binance_spot.module import BinanceSpot

__all__ = ["BinanceSpot"]
