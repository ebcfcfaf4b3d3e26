"""The Binance capture (venues.md section 3) as frames, snapshots and instruments, and a bench that plays frames.

The bench answers subscriptions, hands out snapshots, and keeps the books that the emitted Events make.
"""

from __future__ import annotations

import functools
import gzip
import json
from collections.abc import Callable
from typing import Any

import pytest

from livestack.core.book import Book
from livestack.core.events import (
    BookDelta,
    BookSnapshot,
    Event,
    FeedStatusChanged,
    InstrumentDefined,
    QuoteTick,
)
from livestack.core.types import ConnectionStatus
from livestack.venues.adapter import Fetch, Fetched, HostRequest
from livestack.venues.binance_spot.instruments import parse_instruments
from livestack.venues.binance_spot.market_data import BinanceMarketData
from tests.support import BINANCE_CAPTURE

VENUE = "venue"
SYMBOLS = ("NKNUSDT", "LRCBTC", "BLZETH", "RUNEEUR")
COMPARISONS = 159
STREAMS = ("depth", "bookTicker", "aggTrade")
MILLI = 1_000_000

needs_capture = pytest.mark.skipif(not BINANCE_CAPTURE.exists(), reason=f"no capture at {BINANCE_CAPTURE}")


@functools.cache
def instruments() -> tuple[InstrumentDefined, ...]:
    """The four symbols as the captured exchangeInfo defines them."""
    text = gzip.decompress((BINANCE_CAPTURE / "BINANCE.0.gz").read_bytes()).decode()
    body = text.split("\n")[0].partition(": ")[2]
    return tuple(parse_instruments(VENUE, SYMBOLS, answer(body.encode())))


@functools.cache
def frames() -> tuple[bytes, ...]:
    """Every frame that came, without the streams that nobody subscribes to (kline)."""
    lines = (BINANCE_CAPTURE / "BINANCE.ws.1.0").read_text().split("\n")[1:]
    bodies = [line.partition(": ")[2] for line in lines if line]
    return tuple(body.encode() for body in bodies if "@kline" not in body[:40])


@functools.cache
def snapshots() -> dict[str, bytes]:
    """The captured depth answer of each symbol."""
    found = {}
    for line in (BINANCE_CAPTURE / "BINANCE.http.0.0").read_text().split("\n"):
        if line:
            url, _, rest = line.partition(" -> ")
            found[url.partition("symbol=")[2].partition("&")[0]] = rest.partition(": ")[2].encode()
    return found


def answer(body: bytes, fetch_id: int = 0, now_ns: int = 0, status: int = 200) -> Fetched:
    return Fetched(fetch_id, status, (), body, "", now_ns, now_ns)


class Bench:
    """One adapter with the capture's instruments. ``serve(symbol)`` is the body of a depth answer; None: later."""

    def __init__(self, serve: Callable[[str], bytes | None] | None = None) -> None:
        self.adapter = BinanceMarketData(VENUE, instruments(), STREAMS)
        self.serve = serve or (lambda symbol: snapshots()[symbol])
        self.now_ns = 0
        self.books = {one.instrument: Book() for one in instruments()}
        self.status = {one.instrument: ConnectionStatus.DISCONNECTED for one in instruments()}
        self.feed = ConnectionStatus.DISCONNECTED
        self.events: list[Event] = []
        self.sent: list[str] = []
        self.fetched: list[str] = []
        self.waiting: list[Fetch] = []

    def connect(self) -> Bench:
        self.adapter.connected(self.now_ns)
        self.settle()
        return self

    def play(self, frame: bytes) -> None:
        self.now_ns += 10 * MILLI
        self.adapter.receive(frame, self.now_ns)
        self.settle()

    def tick(self, seconds: float = 0.25) -> None:
        self.now_ns += int(seconds * 1e9)
        self.adapter.tick(self.now_ns)
        self.settle()

    def settle(self) -> None:
        """Take events, answer whatever was asked, until nothing comes any more."""
        while True:
            self._take_events()
            outgoing = self.adapter.outgoing()
            if not outgoing and not self._serve_waiting():
                return
            for item in outgoing:
                if isinstance(item, HostRequest):
                    self.sent.append(item.text)
                    number = json.loads(item.text)["id"]
                    self.adapter.receive(b'{"result":null,"id":%d}' % number, self.now_ns)
                else:
                    self.waiting.append(item)

    def _serve_waiting(self) -> bool:
        for fetch in list(self.waiting):
            symbol = fetch.query.partition("symbol=")[2].partition("&")[0]
            body = self.serve(symbol)
            if body is not None:
                self.waiting.remove(fetch)
                self.fetched.append(symbol)
                self.adapter.fetched(answer(body, fetch.fetch_id, self.now_ns))
                return True
        return False

    def _take_events(self) -> None:
        for event in self.adapter.events():
            self.events.append(event)
            match event:
                case BookSnapshot():
                    why = self.books[event.instrument].replace(event.last_update_id, event.bids, event.asks)
                    assert why == ""
                case BookDelta():
                    why = self.books[event.instrument].change(
                        event.first_update_id, event.last_update_id, event.bids, event.asks
                    )
                    assert why == ""
                case FeedStatusChanged(instrument=""):
                    self.feed = event.status
                    if event.status is not ConnectionStatus.LIVE:
                        self._invalidate(list(self.books), event.status)
                case FeedStatusChanged():
                    self.status[event.instrument] = event.status
                    if event.status is not ConnectionStatus.LIVE:
                        self._invalidate([event.instrument], event.status)

    def _invalidate(self, names: list[str], status: ConnectionStatus) -> None:
        for name in names:
            self.books[name].invalidate()
            self.status[name] = status

    def book(self, symbol: str) -> Book:
        return self.books[f"{VENUE}:{symbol}"]

    def is_live(self, symbol: str) -> bool:
        return self.status[f"{VENUE}:{symbol}"] is ConnectionStatus.LIVE


class Oracle:
    """Compares a book's best with the newest bookTicker that is not newer than the book (venues.md section 3)."""

    def __init__(self) -> None:
        self.quotes: dict[str, list[QuoteTick]] = {}
        self.compared = 0
        self.equal = 0

    def note(self, events: list[Event], books: dict[str, Book]) -> None:
        for event in events:
            if isinstance(event, QuoteTick):
                self.quotes.setdefault(event.instrument, []).append(event)
        for event in events:
            if isinstance(event, BookDelta):
                self._compare(event, books[event.instrument])

    def _compare(self, delta: BookDelta, book: Book) -> None:
        known = [
            quote
            for quote in self.quotes.get(delta.instrument, [])
            if quote.update_id <= delta.last_update_id
        ]
        if not known:
            return
        quote = known[-1]
        self.compared += 1
        got = (book.best_bid, book.best_bid_qty, book.best_ask, book.best_ask_qty)
        self.equal += got == (quote.bid, quote.bid_qty, quote.ask, quote.ask_qty)


def parsed(frame: bytes) -> dict[str, Any]:
    """A frame by another JSON reader than the adapter's."""
    document: dict[str, Any] = json.loads(frame)
    return document
