"""What the package offers to the node: its adapters, its instruments, and the paths to connect to.

Pure; used by the composition at start.
"""

from __future__ import annotations

from typing import Final

from livestack.core.events import InstrumentDefined
from livestack.venues.adapter import Credentials, Fetch, Fetched, Inherited
from livestack.venues.binance_spot.instruments import instruments_fetch, parse_instruments
from livestack.venues.binance_spot.last_resort import BinanceLastResort
from livestack.venues.binance_spot.market_data import DEPTH_LIMIT, BinanceMarketData
from livestack.venues.binance_spot.order_entry import BinanceOrderEntry

NOTHING: Final = Inherited()

DEFAULT_STREAMS = ("depth", "bookTicker", "aggTrade")


class BinanceSpot:
    """Implements :class:`~livestack.venues.adapter.VenueModule`.

    ``streams``: what to subscribe to for every instrument, of ``depth bookTicker trade aggTrade``; ``depth_limit``:
    levels a side of a book snapshot.
    """

    def __init__(self, streams: tuple[str, ...] = DEFAULT_STREAMS, depth_limit: int = DEPTH_LIMIT) -> None:
        self._streams = streams
        self._depth_limit = depth_limit

    def instruments_fetch(self, symbols: tuple[str, ...]) -> Fetch:
        return instruments_fetch(symbols)

    def parse_instruments(
        self, venue: str, symbols: tuple[str, ...], answer: Fetched
    ) -> list[InstrumentDefined]:
        return parse_instruments(venue, symbols, answer)

    def market_data_path(self) -> str:
        return "/stream"

    def order_entry_path(self) -> str:
        return ""  # the venue's own base URL ends in /ws-api/v3 already

    def market_data(self, venue: str, instruments: tuple[InstrumentDefined, ...]) -> BinanceMarketData:
        return BinanceMarketData(venue, instruments, self._streams, self._depth_limit)

    def order_entry(
        self,
        venue: str,
        instruments: tuple[InstrumentDefined, ...],
        credentials: Credentials,
        inherited: Inherited = NOTHING,
    ) -> BinanceOrderEntry:
        return BinanceOrderEntry(venue, instruments, credentials, inherited)

    def last_resort(self, credentials: Credentials) -> BinanceLastResort:
        return BinanceLastResort(credentials)
