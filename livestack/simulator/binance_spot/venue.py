"""The simulated Binance Spot venue as one object: requests, frames and the passing of time in; answers and frames out.

Pure: it has no socket, no thread, no clock and no chance but the generator that it is given. A server hosts it for real
clients, a simulation drives it on virtual time. Every ``now_ns`` is nanoseconds since 1970 and is the venue's own time;
it never goes back. One thread at a time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from livestack.simulator.accounts import Account
from livestack.simulator.binance_spot.exchange import Exchange
from livestack.simulator.binance_spot.faults import SWITCHING, TOO_MANY, FaultLayer, RestAnswer
from livestack.simulator.binance_spot.front import ACCOUNT, FrontDesk, SeenRequest
from livestack.simulator.binance_spot.gatekeeper import Gatekeeper
from livestack.simulator.binance_spot.instruments import synthetic_symbols
from livestack.simulator.binance_spot.limits import Limits
from livestack.simulator.binance_spot.making import (
    BALANCE,
    Capture,
    VenueSettings,
    captured_market,
    captured_symbols,
    rich_account,
    synthetic_market,
)
from livestack.simulator.binance_spot.periodic import PeriodicStreams
from livestack.simulator.binance_spot.rest import RestFrontEnd
from livestack.simulator.binance_spot.shapes import Fill
from livestack.simulator.binance_spot.signing import ApiKey
from livestack.simulator.binance_spot.sim_pages import sim_page
from livestack.simulator.binance_spot.streams import Closing, Outbox, StreamHub
from livestack.simulator.binance_spot.websocket_api import WebSocketApi
from livestack.simulator.fault_kinds import Rule
from livestack.simulator.market import MarketSource, Random
from livestack.simulator.orders import Order

FLUSH_NS = 100_000_000  # depth@100ms
SLOW_FLUSHES = 10  # depth: every second
GOING_AWAY = 1001
ConnectionKind = Literal["stream", "ws_api"]

__all__ = ["BALANCE", "BinanceSpotVenue", "Capture", "ConnectionKind", "RestAnswer", "VenueSettings"]


class BinanceSpotVenue:
    """One venue, one account, the keys given. See the module's head for times and threads."""

    def __init__(
        self,
        keys: Sequence[ApiKey],
        random: Random,
        now_ns: int,
        settings: VenueSettings | None = None,
        capture: Capture | None = None,
        faults: Sequence[Rule] = (),
    ) -> None:
        self._settings = settings or VenueSettings()
        self.keys = tuple(keys)
        symbols = (
            captured_symbols(capture)
            if capture
            else synthetic_symbols(self._settings.symbols, test_symbol=self._settings.test_symbol)
        )
        self._outbox: Outbox = []
        self._closing: Closing = []
        self._opened: dict[int, int] = {}
        self._limits = Limits(self._settings.limits)
        self._hub = StreamHub(self._outbox, self._closing, self._limits.violations)
        self.exchange = Exchange(symbols, [rich_account(symbols)], self._limits)
        self._now_ns = now_ns
        self._skew_ns = self._settings.clock_skew_ns
        self.exchange.now_ns = now_ns + self._skew_ns
        self._periodic = PeriodicStreams(self.exchange.listings, self._hub)
        self._desk = FrontDesk(self.exchange, Gatekeeper(self.keys, self._limits))
        self._desk.gatekeeper.skew_ns = self._settings.clock_skew_ns
        self._rest = RestFrontEnd(self._desk, sapi=self._settings.sapi)
        self._api = WebSocketApi(self._desk, self._outbox)
        self._flush = now_ns // FLUSH_NS
        self._flushes = capture is None
        self._source: MarketSource
        if capture is None:
            self._source = synthetic_market(
                self, self.exchange, self._hub, random, self._settings.rate, now_ns
            )
        else:
            self._source = captured_market(self, self.exchange, self._hub, capture, self._settings.speed)
        self._faults: FaultLayer | None = None
        if faults:
            self.inject(faults)

    # -- requests and connections ----------------------------------------------------------------------------------

    def rest(
        self, method: str, path: str, query: str, headers: Mapping[str, str], body: bytes, now_ns: int
    ) -> RestAnswer:
        """One HTTP request: ``query`` as sent, without the question mark. Answers status, headers, body."""
        self.advance(now_ns)
        text = body.decode("utf-8", "replace")
        if path.startswith("/sim/"):
            return RestAnswer(*(sim_page(self, method, path, text) or self._rest.inspect(path)))
        faults = self._acting()
        if faults is not None:
            return faults.rest(method, path, query, headers, text, self._now_ns)
        answer = self._rest.request(method, path, query, headers, text)
        self.deliver()
        return RestAnswer(*answer)

    def rest_hold_ns(self, method: str, path: str, query: str, now_ns: int) -> int:
        """How long an HTTP request that sets out now is on its way: ``rest`` is to be called so much later."""
        faults = self._acting()
        return (
            0 if faults is None or path.startswith("/sim/") else faults.hold_ns(method, path, query, now_ns)
        )

    def admit(self, side: ConnectionKind, now_ns: int) -> int:
        """Before ``open``: 101 to go on, an HTTP status to refuse with, or 0 to abort. Counts the attempt."""
        self.advance(now_ns)
        if not self._limits.attempts.add(now_ns):
            self._limits.violations["connections"] += 1
            return TOO_MANY
        faults = self._acting()
        return SWITCHING if faults is None else faults.admits(side)

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
        faults = self._acting()
        if faults is not None and (
            not faults.hears(connection_id) or faults.delays(connection_id, text, self._now_ns)
        ):
            return
        self.hear(connection_id, text, self._now_ns)

    def hear(self, connection_id: int, text: str, now_ns: int) -> None:
        """``Inside``: the frame has arrived."""
        if self._hub.knows(connection_id):
            self._hub.message(connection_id, text, now_ns)
            self._tell_source(now_ns)
        elif self._api.knows(connection_id) and (faults := self._acting()) is not None:
            faults.request(connection_id, text, self._outbox, now_ns)
        elif self._api.knows(connection_id):
            start = len(self._outbox)
            self._api.message(connection_id, text)
            answers = self._outbox[start:]
            if self._settings.reports_first:
                del self._outbox[start:]
                self.deliver()
                self._outbox.extend(answers)
            else:
                self.deliver()

    def pong(self, connection_id: int, now_ns: int) -> None:
        """A pong came in: market streams count it as a message."""
        if self._hub.knows(connection_id) and self.pings(connection_id):
            self._hub.count(connection_id, now_ns)

    def pings(self, connection_id: int) -> bool:
        """Whether pings go out on a connection, and their answers count: not where it is half-open."""
        return self._faults is None or connection_id not in self._faults.frames.deaf

    def close(self, connection_id: int) -> None:
        """The connection is gone, whoever closed it."""
        self._opened.pop(connection_id, None)
        self._hub.close(connection_id)
        self._api.close(connection_id)
        if self._faults is not None:
            self._faults.forget(connection_id)

    def shutdown(self, now_ns: int) -> None:
        """Tell every connection that the server is going away."""
        self.at(now_ns)
        self._hub.shutdown(self.exchange.now_ns)
        self._api.shutdown(self.exchange.now_ns)

    # -- time ------------------------------------------------------------------------------------------------------

    def advance(self, now_ns: int) -> None:
        """Let everything happen that is due up to ``now_ns``."""
        faults = self._acting()
        if faults is None:
            self._go_on(now_ns)
            return
        while (due_ns := faults.next_due_ns()) is not None and due_ns <= now_ns:
            self._go_on(due_ns)
            faults.act(due_ns)
            self.deliver()
            faults.frames.take(self._outbox, self._now_ns)
        self._go_on(now_ns)
        faults.frames.take(self._outbox, self._now_ns)

    def _go_on(self, now_ns: int) -> None:
        while self._flushes and (self._flush + 1) * FLUSH_NS <= now_ns:
            boundary_ns = max((self._flush + 1) * FLUSH_NS, now_ns // FLUSH_NS * FLUSH_NS - FLUSH_NS)
            self._source.advance(boundary_ns)
            self.at(boundary_ns)
            self._flush = boundary_ns // FLUSH_NS
            slow = self._flush % SLOW_FLUSHES == 0
            for listing in self.exchange.listings.values():
                listing.feed.flush(self.exchange.now_ns, slow=slow)
            if slow:
                self._periodic.publish(self.exchange.now_ns)
                if self._faults is not None:
                    self._faults.requests.remember(boundary_ns)
        self._source.advance(now_ns)
        self.at(now_ns)
        self._end_old_connections(self._now_ns)
        self.deliver()

    def next_due_ns(self) -> int | None:
        """When ``advance`` will next have something to do; None: nothing until somebody asks for something."""
        due = [self._source.next_due_ns(), (self._flush + 1) * FLUSH_NS if self._flushes else None]
        faults = self._acting()
        if faults is not None:
            due += [faults.next_due_ns(), faults.next_frame_ns()]
        if self._opened:
            due.append(min(self._opened.values()) + self._settings.connection_life_ns)
        return min((moment for moment in due if moment is not None), default=None)

    def drain(self) -> list[tuple[int, str]]:
        """Frames to send, in order: (connection, text). The list is the caller's."""
        faults = self._acting()
        if faults is not None:
            faults.frames.take(self._outbox, self._now_ns)
            return faults.frames.release(self._now_ns)
        frames = [(connection_id, text) for connection_id, text, _ in self._outbox]
        self._outbox.clear()
        return frames

    def hang_ups(self) -> list[tuple[int, int, str]]:
        """Connections that the venue ends: (connection, close code, reason), after their frames."""
        closing = self._closing[:]
        self._closing.clear()
        return closing

    def cuts(self) -> list[tuple[int, bytes]]:
        """Connections to abort, after their frames: (connection, bytes of a last frame to write before)."""
        return [] if self._faults is None else self._faults.frames.cuts()

    # -- faults ----------------------------------------------------------------------------------------------------

    def inject(self, rules: Sequence[Rule], now_ns: int | None = None) -> None:
        """Have these rules hold from now on, beside those that do already."""
        if self._faults is None:
            parts = (self._desk, self._rest, self._hub, self._api)
            self._faults = FaultLayer(self, self._settings.fault_seed, *parts, self._settings.reports_first)
        self._faults.book.put(rules, self._now_ns if now_ns is None else now_ns)

    def clear_faults(self) -> None:
        """No rule holds any more, nor what one began; what is on its way late still comes."""
        if self._faults is not None:
            self._faults.clear()
            self.at(self._now_ns)

    @property
    def active_faults(self) -> list[Rule]:
        return [] if self._faults is None else self._faults.book.active

    @property
    def fault_counts(self) -> dict[str, int]:
        """How often each kind came true."""
        return {} if self._faults is None else dict(self._faults.book.counts)

    @property
    def external_orders(self) -> set[int]:
        """Ids of the orders that somebody else placed on the account."""
        return set() if self._faults is None else set(self._faults.moments.somebody.order_ids)

    @property
    def violations(self) -> dict[str, int]:
        """Limits that clients broke by themselves: how often each; nothing that a fault decreed."""
        return dict(self._limits.violations)

    @property
    def busiest(self) -> dict[str, int]:
        """The most that was used of each limit in one window."""
        return self._limits.busiest()

    def wipe(self) -> None:
        """Every order and fill is gone and balances are as at first: the test network does that about monthly."""
        self.exchange.wipe(BALANCE)

    def set_status(self, symbol: str, status: str) -> None:
        """A symbol's status; anything but TRADING takes no new orders and stands still."""
        self.exchange.listing(symbol).symbol.info["status"] = status

    def best_ask(self, symbol: str) -> tuple[int, int]:
        """``Inside``: best ask and tick."""
        listing = self.exchange.listings[symbol]
        return listing.feed.best()[2], listing.symbol.tick

    def _acting(self) -> FaultLayer | None:
        faults = self._faults
        return None if faults is None or faults.idle else faults

    @property
    def now_ns(self) -> int:
        """True time, as last told; the venue's own clock may differ."""
        return self._now_ns

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
        """``MarketHost``: time goes on (and never back, but by a clock that a fault has set)."""
        if now_ns > self._now_ns:
            self._now_ns = now_ns
        if self._faults is not None:
            skew_ns = self._faults.moments.skew_ns(self._now_ns)
            self._skew_ns = self._desk.gatekeeper.skew_ns = self._settings.clock_skew_ns + skew_ns
        self.exchange.now_ns = self._now_ns + self._skew_ns

    def settle(self, symbol: str) -> None:
        """``MarketHost``: something happened to this symbol."""
        self.exchange.settle(self.exchange.listings[symbol])

    def deliver(self) -> None:
        """``Inside``: accounts hear what they have to."""
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
