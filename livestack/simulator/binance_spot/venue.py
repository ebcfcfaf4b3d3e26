"""The simulated Binance Spot venue as one object: requests, frames and the passing of time in; answers and frames out.

Pure: it has no socket, no thread, no clock and no chance but the generator that it is given. A server hosts it for real
clients, a simulation drives it on virtual time. Every ``now_ns`` is nanoseconds since 1970 and is the venue's own time;
it never goes back. One thread at a time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from livestack.simulator.accounts import Account
from livestack.simulator.binance_spot.captured import CapturedFeed, CapturedMarket, CapturedSnapshot
from livestack.simulator.binance_spot.exchange import Exchange
from livestack.simulator.binance_spot.feed import EngineFeed
from livestack.simulator.binance_spot.front import ACCOUNT, FrontDesk, SeenRequest
from livestack.simulator.binance_spot.gatekeeper import Gatekeeper
from livestack.simulator.binance_spot.instruments import Symbol, modernise, read_symbol, synthetic_symbols
from livestack.simulator.binance_spot.limits import Limits, LimitSizes
from livestack.simulator.binance_spot.numbers import SCALE
from livestack.simulator.binance_spot.rest import Answer, RestFrontEnd
from livestack.simulator.binance_spot.shapes import Fill
from livestack.simulator.binance_spot.signing import ApiKey
from livestack.simulator.binance_spot.streams import Closing, Outbox, StreamHub
from livestack.simulator.binance_spot.websocket_api import WebSocketApi
from livestack.simulator.capture import CapturedAnswer, CapturedStream
from livestack.simulator.market import MarketSource, Random
from livestack.simulator.orders import Order
from livestack.simulator.synthetic import SyntheticMarket, SyntheticSymbol

FLUSH_NS = 100_000_000  # depth@100ms
SLOW_FLUSHES = 10  # depth: every second
BALANCE = 100_000_000 * SCALE  # of every asset: more than any test spends, less than 2**63
CONNECTION_LIFE_NS = 86_400_000_000_000  # the venue hangs up after a day
GOING_AWAY = 1001
# How many of bookTicker and trade messages one happening of the synthetic market makes, in hundredths; measured.
MESSAGES_PER_HUNDRED_EVENTS = 64
ConnectionKind = Literal["stream", "ws_api"]


@dataclass(slots=True, frozen=True)
class VenueSettings:
    """What a venue is made like.

    ``rate``: bookTicker and trade messages a second, all symbols together, about. ``speed``: of a capture, in
    thousandths, 0 for everything at once. ``reports_first``: an order's reports go out before its answer.
    """

    symbols: int = 4
    rate: int = 200
    speed: int = 1000
    reports_first: bool = False
    limits: LimitSizes = field(default_factory=LimitSizes)
    connection_life_ns: int = CONNECTION_LIFE_NS


@dataclass(slots=True, frozen=True)
class Capture:
    """A captured session: the ``exchangeInfo`` answer, the ``depth`` answers, the combined stream."""

    exchange_info: CapturedAnswer
    depths: Sequence[CapturedAnswer]
    stream: CapturedStream


class BinanceSpotVenue:
    """One venue, one account, the keys given. See the module's head for times and threads."""

    def __init__(
        self,
        keys: Sequence[ApiKey],
        random: Random,
        now_ns: int,
        settings: VenueSettings | None = None,
        capture: Capture | None = None,
    ) -> None:
        self._settings = settings or VenueSettings()
        self.keys = tuple(keys)
        symbols = _captured_symbols(capture) if capture else synthetic_symbols(self._settings.symbols)
        self._outbox: Outbox = []
        self._closing: Closing = []
        self._opened: dict[int, int] = {}
        self._hub = StreamHub(self._outbox, self._closing)
        self._limits = Limits(self._settings.limits)
        self.exchange = Exchange(symbols, [_rich_account(symbols)], self._limits)
        self.exchange.now_ns = now_ns
        self._desk = FrontDesk(self.exchange, Gatekeeper(self.keys, self._limits))
        self._rest = RestFrontEnd(self._desk)
        self._api = WebSocketApi(self._desk, self._outbox)
        self._flush = now_ns // FLUSH_NS
        self._flushes = capture is None
        self._source: MarketSource
        if capture is None:
            self._source = self._synthetic(symbols, random, now_ns)
        else:
            self._source = self._captured(capture)

    # -- requests and connections ----------------------------------------------------------------------------------

    def rest(
        self, method: str, path: str, query: str, headers: Mapping[str, str], body: bytes, now_ns: int
    ) -> Answer:
        """One HTTP request: ``query`` as sent, without the question mark. Returns status, headers and body."""
        self.advance(now_ns)
        if path.startswith("/sim/"):
            return self._rest.inspect(path)
        answer = self._rest.request(method, path, query, headers, body.decode("utf-8", "replace"))
        self._deliver()
        return answer

    def open(self, connection_id: int, kind: ConnectionKind, path_and_query: str, now_ns: int) -> None:
        """A WebSocket was opened; ids are the caller's and never used twice."""
        self.advance(now_ns)
        self._opened[connection_id] = now_ns
        if kind == "ws_api":
            self._api.open(connection_id, path_and_query)
            return
        self._hub.open(connection_id, path_and_query)
        self._tell_source(now_ns)

    def message(self, connection_id: int, text: str, now_ns: int) -> None:
        """A text frame came in; nothing it holds raises. One from an unknown connection is ignored."""
        self.advance(now_ns)
        if self._hub.knows(connection_id):
            self._hub.message(connection_id, text, now_ns)
            self._tell_source(now_ns)
        elif self._api.knows(connection_id):
            start = len(self._outbox)
            self._api.message(connection_id, text)
            answers = self._outbox[start:]
            if self._settings.reports_first:
                del self._outbox[start:]
                self._deliver()
                self._outbox.extend(answers)
            else:
                self._deliver()

    def pong(self, connection_id: int, now_ns: int) -> None:
        """A pong came in: market streams count it as a message."""
        if self._hub.knows(connection_id):
            self._hub.count(connection_id, now_ns)

    def close(self, connection_id: int) -> None:
        """The connection is gone, whoever closed it."""
        self._opened.pop(connection_id, None)
        self._hub.close(connection_id)
        self._api.close(connection_id)

    def shutdown(self, now_ns: int) -> None:
        """Tell every connection that the server is going away."""
        self._hub.shutdown(now_ns)
        self._api.shutdown(now_ns)

    # -- time ------------------------------------------------------------------------------------------------------

    def advance(self, now_ns: int) -> None:
        """Let everything happen that is due up to ``now_ns``."""
        while self._flushes and (self._flush + 1) * FLUSH_NS <= now_ns:
            boundary_ns = max((self._flush + 1) * FLUSH_NS, now_ns // FLUSH_NS * FLUSH_NS - FLUSH_NS)
            self._source.advance(boundary_ns)
            self.at(boundary_ns)
            self._flush = boundary_ns // FLUSH_NS
            slow = self._flush % SLOW_FLUSHES == 0
            for listing in self.exchange.listings.values():
                listing.feed.flush(boundary_ns, slow=slow)
        self._source.advance(now_ns)
        self.at(now_ns)
        self._end_old_connections(now_ns)
        self._deliver()

    def next_due_ns(self) -> int | None:
        """When ``advance`` will next have something to do; None: nothing until somebody asks for something."""
        due = [self._source.next_due_ns(), (self._flush + 1) * FLUSH_NS if self._flushes else None]
        if self._opened:
            due.append(min(self._opened.values()) + self._settings.connection_life_ns)
        return min((moment for moment in due if moment is not None), default=None)

    def drain(self) -> list[tuple[int, str]]:
        """Frames to send, in order: (connection, text). The list is the caller's."""
        frames = self._outbox[:]
        self._outbox.clear()
        return frames

    def hang_ups(self) -> list[tuple[int, int, str]]:
        """Connections that the venue ends: (connection, close code, reason), after their frames."""
        closing = self._closing[:]
        self._closing.clear()
        return closing

    # -- what the venue knows, for tests ---------------------------------------------------------------------------

    @property
    def symbols(self) -> list[str]:
        return list(self.exchange.listings)

    @property
    def log(self) -> list[SeenRequest]:
        """Every order request that came with a good signature, oldest first."""
        return list(self._desk.log)

    @property
    def orders(self) -> list[Order]:
        """Every order that was accepted, oldest first."""
        return list(self.exchange.orders.values())

    @property
    def open_orders(self) -> list[Order]:
        return self.exchange.open_orders(ACCOUNT)

    @property
    def fills(self) -> list[Fill]:
        """Every fill of the account, oldest first."""
        return list(self.exchange.fills)

    @property
    def account(self) -> Account:
        return self.exchange.accounts[ACCOUNT]

    # -- the market source's host ----------------------------------------------------------------------------------

    def at(self, now_ns: int) -> None:
        """``MarketHost``: time goes on (and never back)."""
        self.exchange.now_ns = max(self.exchange.now_ns, now_ns)

    def settle(self, symbol: str) -> None:
        """``MarketHost``: something happened to this symbol."""
        self.exchange.settle(self.exchange.listings[symbol])

    def _deliver(self) -> None:
        events = self.exchange.events
        if events:
            for account, event in events:
                self._api.deliver(account, event)
            events.clear()

    def _tell_source(self, now_ns: int) -> None:
        if self._hub.any_subscription():
            self._source.subscribed(now_ns)

    def _end_old_connections(self, now_ns: int) -> None:
        """The oldest connection is the first in the table: most calls look at one entry."""
        while self._opened:
            connection_id, opened_ns = next(iter(self._opened.items()))
            if now_ns - opened_ns < self._settings.connection_life_ns:
                return
            del self._opened[connection_id]
            self._closing.append((connection_id, GOING_AWAY, "connection lifetime reached"))

    def _synthetic(self, symbols: Sequence[Symbol], random: Random, now_ns: int) -> MarketSource:
        flows = []
        for symbol in symbols:
            listing = self.exchange.listings[symbol.name]
            feed = EngineFeed(symbol.name, listing.engine, self._hub, random.getrandbits(32))
            listing.feed = feed
            flow = SyntheticSymbol(
                listing.engine, symbol.tick, symbol.step, symbol.start_price, symbol.usual_qty, random
            )
            feed.settle(now_ns)
            feed.flush(now_ns, slow=True)
            flows.append((symbol.name, flow))
        shares = [max(8 - index, 1) for index in range(len(symbols))]
        events_per_second = max(self._settings.rate * 100 // MESSAGES_PER_HUNDRED_EVENTS, 1)
        pauses = [sum(shares) * 1_000_000_000 // (share * events_per_second) for share in shares]
        return SyntheticMarket(self, flows, pauses, random, now_ns)

    def _captured(self, capture: Capture) -> MarketSource:
        feeds = {}
        for answer in capture.depths:
            name = _symbol_of(answer.url)
            listing = self.exchange.listings[name]
            snapshot = msgspec.json.decode(answer.body, type=CapturedSnapshot)
            listing.feed = feeds[name] = CapturedFeed(listing.engine, snapshot)
        return CapturedMarket(self, self._hub, feeds, capture.stream, self._settings.speed)


def _symbol_of(url: str) -> str:
    """``symbol`` in a captured ``depth`` URL."""
    return url.partition("symbol=")[2].partition("&")[0]


def _captured_symbols(capture: Capture) -> list[Symbol]:
    """The capture's symbols that have a snapshot, with the fields that today's clients need."""
    wanted = [_symbol_of(answer.url) for answer in capture.depths]
    infos = {info["symbol"]: info for info in msgspec.json.decode(capture.exchange_info.body)["symbols"]}
    return [read_symbol(modernise(infos[name])) for name in wanted]


def _rich_account(symbols: Sequence[Symbol]) -> Account:
    account = Account(ACCOUNT, 354937868)
    for symbol in symbols:
        for asset in (symbol.base, symbol.quote):
            account.balance(asset).free = BALANCE
    return account
