"""What may be wrong after something was lost: whose book, and where there are no books, whose quote.

Pure. Belongs to the market-data adapter's thread.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from livestack.core.types import ConnectionStatus
from livestack.venues.binance_spot.books import Books
from livestack.venues.binance_spot.market_events import MarketInstrument
from livestack.venues.binance_spot.polling import Poller
from livestack.venues.binance_spot.standing import Standing
from livestack.venues.binance_spot.streams import Route, stream_name
from livestack.venues.complaints import Complaints

_MISSING = "its stream is missing at the venue"


class Doubts:
    """``instruments`` by symbol; ``streams`` of each of them."""

    def __init__(
        self,
        instruments: Mapping[str, MarketInstrument],
        streams: Sequence[str],
        books: Books,
        poller: Poller,
        standing: Standing,
        complaints: Complaints,
    ) -> None:
        self._instruments = instruments
        self._streams = streams
        self._has_books = "depth" in streams
        self._books = books
        self._poller = poller
        self._standing = standing
        self._complaints = complaints

    def unread(self, route: Route, reason: str, now_ns: int) -> None:
        """A frame of ``route`` was of no use."""
        if route.is_book:
            self._books.doubt(route.instrument, reason, now_ns)
        elif route.is_quote:
            self._quote(route.instrument, reason, now_ns)

    def lost(
        self, route: Route | None, instruments: Iterable[MarketInstrument], reason: str, now_ns: int
    ) -> None:
        """A frame was: of ``route``, or nobody knows whose of ``instruments``."""
        if route is not None:
            self.unread(route, reason, now_ns)
        elif self._has_books:
            for one in instruments:
                self._books.doubt(one, reason, now_ns)

    def missing(self, one: MarketInstrument, lost: set[str], now_ns: int) -> None:
        """Streams that the venue's list lacks: without one's book, or without books any stream, it is not current."""
        if self._has_books:
            if stream_name(one.symbol, "depth") in lost:
                self._books.doubt(one, _MISSING, now_ns)
        elif not lost.isdisjoint(stream_name(one.symbol, stream) for stream in self._streams):
            self._not_current(one, _MISSING, now_ns)

    def mislabelled(
        self, instrument: MarketInstrument, symbol: str, now_ns: int, *, is_book: bool = True
    ) -> None:
        """The stream is one symbol's, the payload says another: both may be wrong."""
        self._complaints.add("unknown_symbol", f"payload is about {symbol[:32]!r}")
        for one in (instrument, self._instruments.get(symbol)):
            if one is not None and is_book:
                self._books.doubt(one, "unknown_symbol", now_ns)
            elif one is not None:
                self._quote(one, "unknown_symbol", now_ns)

    def _quote(self, one: MarketInstrument, reason: str, now_ns: int) -> None:
        """Where there is no book to go by, only the next quote can be believed."""
        if not self._has_books:
            one.is_quote_doubted = True
            self._not_current(one, reason, now_ns)

    def _not_current(self, one: MarketInstrument, reason: str, now_ns: int) -> None:
        if one.is_live and not self._poller.polls(one.symbol):
            self._standing.lost(one, ConnectionStatus.SYNCHRONISING, reason, now_ns)
