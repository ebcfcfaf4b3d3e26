"""What the package offers to the node: its adapters, its instruments, and the paths to connect to.

Pure; used by the composition at start.
"""

from __future__ import annotations

from typing import Final

from livestack.core.events import InstrumentDefined, RateLimitReport
from livestack.venues.adapter import Credentials, Fetch, Fetched, Inherited, Permissions, Setback
from livestack.venues.binance_spot.instruments import instruments_fetch, parse_instruments
from livestack.venues.binance_spot.last_resort import BinanceLastResort
from livestack.venues.binance_spot.limits import read_limits
from livestack.venues.binance_spot.market_data import BinanceMarketData
from livestack.venues.binance_spot.order_entry import BinanceOrderEntry
from livestack.venues.binance_spot.permissions import permissions_fetch, read_permissions
from livestack.venues.budget import RequestBudget
from livestack.venues.options import VenueOptions

NOTHING: Final = Inherited()
DEFAULTS: Final = VenueOptions()


class BinanceSpot:
    """Implements :class:`~livestack.venues.adapter.VenueModule`."""

    def __init__(self, options: VenueOptions = DEFAULTS) -> None:
        self._options = options

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

    def read_limits(self, venue: str, answer: Fetched, budget: RequestBudget) -> list[RateLimitReport]:
        return read_limits(venue, answer, budget)

    def market_data(
        self,
        venue: str,
        instruments: tuple[InstrumentDefined, ...],
        budget: RequestBudget | None = None,
    ) -> BinanceMarketData:
        return BinanceMarketData(venue, instruments, self._options, budget or RequestBudget())

    def order_entry(
        self,
        venue: str,
        instruments: tuple[InstrumentDefined, ...],
        credentials: Credentials,
        inherited: Inherited = NOTHING,
        budget: RequestBudget | None = None,
    ) -> BinanceOrderEntry:
        return BinanceOrderEntry(
            venue, instruments, credentials, inherited, self._options, budget or RequestBudget()
        )

    def permissions_fetch(self, credentials: Credentials, wall_ms: int) -> Fetch:
        return permissions_fetch(credentials, wall_ms)

    def read_permissions(self, answer: Fetched) -> Permissions | Setback | None:
        return read_permissions(answer)

    def last_resort(self, credentials: Credentials) -> BinanceLastResort:
        return BinanceLastResort(credentials)
