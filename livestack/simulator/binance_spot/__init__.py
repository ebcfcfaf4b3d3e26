"""The simulated venue's Binance Spot front end: a pure state machine, requests and frames in, answers and frames out.

No time, socket or thread in here; ``livestack.simulator.server`` hosts it.
"""

from livestack.simulator.binance_spot.signing import ApiKey, make_keys
from livestack.simulator.binance_spot.venue import BinanceSpotVenue, Capture, VenueSettings

__all__ = ["ApiKey", "BinanceSpotVenue", "Capture", "VenueSettings", "make_keys"]
