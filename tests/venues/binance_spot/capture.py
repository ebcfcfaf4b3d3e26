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
from livestack.venues.adapter import CloseLink, Fetch, Fetched, HostRequest, Renew
from livestack.venues.binance_spot.instruments import parse_instruments
from livestack.venues.binance_spot.market_data import BinanceMarketData
from livestack.venues.budget import RequestBudget
from livestack.venues.options import VenueOptions
from tests.support import BINANCE_CAPTURE

VENUE = "venue"
SYMBOLS = ("NKNUSDT", "LRCBTC", "BLZETH", "RUNEEUR")
COMPARISONS = 159
STREAMS = ("depth", "bookTicker", "aggTrade")
MILLI = 1_000_000
OPTIONS = VenueOptions(streams=STREAMS, poll_after_ns=10_000_000_000)

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

    def __init__(
        self, serve: Callable[[str], bytes | None] | None = None, options: VenueOptions = OPTIONS
    ) -> None:
        self.budget = RequestBudget()
        self.adapter = BinanceMarketData(VENUE, instruments(), options, self.budget)
        self.serve = serve or (lambda symbol: snapshots()[symbol])
        self.now_ns = 0
        self.books = {one.instrument: Book() for one in instruments()}
        self.status = {one.instrument: ConnectionStatus.DISCONNECTED for one in instruments()}
        self.feed = ConnectionStatus.DISCONNECTED
        self.events: list[Event] = []
        self.sent: list[str] = []
        self.fetched: list[str] = []
        self.waiting: list[Fetch] = []
        self.polls: list[Fetch] = []
        self.asked: list[Renew | CloseLink] = []
        self.subscribed: dict[int, list[str]] = {}
        self.unknown: set[str] = set()
        self.is_mute = False

    def connect(self, link: int = 0, slot: int = 0) -> Bench:
        self.adapter.connected(self.now_ns, link, slot)
        self.settle()
        return self

    def play(self, frame: bytes, link: int = 0) -> None:
        self.now_ns += 10 * MILLI
        self.adapter.receive(frame, self.now_ns, link)
        self.settle()

    def disconnect(self, link: int = 0) -> None:
        """The connection is gone, with what it was subscribed to."""
        self.subscribed.pop(link, None)
        self.adapter.disconnected("cut", self.now_ns, link)
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
                    self._reply(item)
                elif isinstance(item, Fetch):
                    (self.polls if item.purpose.startswith("poll") else self.waiting).append(item)
                else:
                    self.asked.append(item)

    def _reply(self, item: HostRequest) -> None:
        """As the venue does: what it does not know it confirms, and never lists."""
        message = json.loads(item.text)
        listed = self.subscribed.setdefault(item.link, [])
        if message["method"] == "SUBSCRIBE":
            listed.extend(name for name in message["params"] if name not in self.unknown)
            reply = {"result": None, "id": message["id"]}
        else:
            reply = {"result": listed, "id": message["id"]}
        if not self.is_mute:
            self.adapter.receive(json.dumps(reply).encode(), self.now_ns, item.link)

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
