"""The order-entry adapter against the simulated venue's pure facade: one thread, virtual time, no socket.

``Desk`` carries frames both ways and keeps everything that the adapter emitted. Faults are a function on what the venue
sends; time passes only where a test says so.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any, TypeVar

from livestack.core.events import Event, InstrumentDefined
from livestack.core.obligations import QueryOrder
from livestack.core.types import (
    OrderRequest,
    OrderType,
    RequestKind,
    RequestSource,
    Side,
    TimeInForce,
    parse_decimal,
)
from livestack.simulator.accounts import Account
from livestack.simulator.binance_spot.exchange import NewOrder
from livestack.simulator.binance_spot.signing import make_keys
from livestack.simulator.binance_spot.venue import BinanceSpotVenue, VenueSettings
from livestack.simulator.orders import SELL
from livestack.simulator.orders import OrderType as VenueOrderType
from livestack.venues.adapter import CloseLink, Credentials, Fetch, Fetched, HostRequest, Inherited, Renew
from livestack.venues.binance_spot import BinanceSpot
from livestack.venues.budget import RequestBudget
from livestack.venues.options import VenueOptions

VENUE = "venue"
EPOCH = "Abcde1234"
START_NS = 1_700_000_000_000_000_000
CONNECTION = 7

E = TypeVar("E")


class Desk:
    """``change`` may alter, double or drop (return nothing) each frame of the venue."""

    def __init__(
        self,
        kind: str = "hmac",
        *,
        reports_first: bool = False,
        options: VenueOptions | None = None,
        symbols: int = 1,
        budget: RequestBudget | None = None,
    ) -> None:
        settings = VenueSettings(symbols=symbols, rate=1, reports_first=reports_first)
        self.venue = BinanceSpotVenue(make_keys(1), random.Random(1), START_NS, settings)
        key = next(key for key in self.venue.keys if key.kind == kind and key.trade)
        self.now_ns = START_NS
        module = BinanceSpot(options or VenueOptions())
        names = tuple(self.venue.symbols)
        fetch = module.instruments_fetch(names)
        status, _, body = self.venue.rest(fetch.method, fetch.path, fetch.query, {}, b"", self.now_ns)
        instruments = module.parse_instruments(
            VENUE, names, Fetched(0, status, (), body, "", self.now_ns, self.now_ns)
        )
        self.instrument: InstrumentDefined = instruments[0]
        self._credentials = Credentials(key.api_key, key.kind, key.secret)
        self.budget = budget or RequestBudget()
        self.adapter = module.order_entry(VENUE, tuple(instruments), self._credentials, budget=self.budget)
        self.events: list[Event] = []
        self.sent: list[str] = []
        self.heard: list[str] = []
        self.change: Callable[[str], list[str]] = lambda frame: [frame]
        self._counter = 0
        self._revisions: dict[int, int] = {}
        self._connection = CONNECTION
        self.links: dict[int, int] = {}
        """The venue's connection of each link that is open; link 0 is the only one where there is one."""
        self.fetches: list[Fetch] = []
        self.asked_for: list[Renew | CloseLink] = []
        self.answer: Callable[[Fetch, Fetched], Fetched | None] = lambda fetch, answer: answer
        self.reach: Callable[[Fetch], bool] = lambda fetch: True

    def connect(self) -> Desk:
        self._connection += 1
        link = 0 if 0 not in self.links else self._connection
        self.links[link] = self._connection
        self.venue.open(self._connection, "ws_api", "/ws-api/v3", self.now_ns)
        self.adapter.connected(self.now_ns, self.now_ns, link)
        self.settle()
        return self

    def cut(self, link: int = 0) -> None:
        """The connection is gone, and what was on its way with it."""
        connection = self.links.pop(link)
        self.venue.close(connection)
        self._receive([one for one in self.venue.drain() if one[0] != connection])
        self.adapter.disconnected("cut", self.now_ns, link)
        self.settle()

    def start_again(self, inherited: Inherited) -> None:
        """The process is gone, and another one takes over the session; it has to connect yet."""
        for connection in self.links.values():
            self.venue.close(connection)
        self.links.clear()
        self.venue.drain()
        self.change = lambda frame: [frame]
        self.adapter = BinanceSpot().order_entry(VENUE, (self.instrument,), self._credentials, inherited)

    def settle(self) -> None:
        """Carry frames until neither side has any."""
        while True:
            self.events += self.adapter.events()
            outgoing = self.adapter.outgoing()
            for item in outgoing:
                self._go(item)
            if not self._receive(self.venue.drain()) and not outgoing:
                return

    def _receive(self, frames: list[tuple[int, str]]) -> bool:
        links = {connection: link for link, connection in self.links.items()}
        heard = [(links[connection], text) for connection, text in frames if connection in links]
        for link, text in heard:
            self.heard.append(text)
            for changed in self.change(text):
                self.adapter.receive(changed.encode(), self.now_ns, link)
        return bool(heard)

    def _go(self, item: HostRequest | Fetch | Renew | CloseLink) -> None:
        if isinstance(item, HostRequest):
            self.carry(item.text, item.link)
        elif isinstance(item, Fetch):
            self.fetch(item)
        else:
            self.asked_for.append(item)
            if isinstance(item, CloseLink) and item.link in self.links:
                self.cut(item.link)

    def carry(self, payload: str | Fetch, link: int = 0) -> None:
        if isinstance(payload, Fetch):
            self.fetch(payload)
            return
        self.sent.append(payload)
        if link in self.links:
            self.venue.message(self.links[link], payload, self.now_ns)

    def fetch(self, fetch: Fetch) -> None:
        """Over REST; ``reach`` says whether it gets there, ``answer`` what comes back (None: nothing in time)."""
        self.fetches.append(fetch)
        nothing = Fetched(fetch.fetch_id, 0, (), b"", "timed out", self.now_ns, self.now_ns)
        if not self.reach(fetch):
            self.adapter.fetched(nothing)
            return
        status, headers, body = self.venue.rest(
            fetch.method, fetch.path, fetch.query, dict(fetch.headers), b"", self.now_ns
        )
        answer = Fetched(fetch.fetch_id, status, tuple(headers.items()), body, "", self.now_ns, self.now_ns)
        self.adapter.fetched(self.answer(fetch, answer) or nothing)

    def wait(self, seconds: float) -> None:
        """Time passes, with the ticks that the host gives."""
        end_ns = self.now_ns + int(seconds * 1e9)
        while self.now_ns < end_ns:
            self.now_ns = min(self.now_ns + 250_000_000, end_ns)
            self.adapter.tick(self.now_ns, self.now_ns)
            self.settle()

    # -- requests ------------------------------------------------------------------------------------------------

    def new(self, price: int, qty: int, side: Side = Side.BUY, **more: Any) -> OrderRequest:
        self._counter += 1
        return self.request(RequestKind.NEW, self._counter, price=price, qty=qty, side=side, **more)

    def request(self, kind: RequestKind, order_id: int, **more: Any) -> OrderRequest:
        revision = self._revisions[order_id] = self._revisions.get(order_id, 0) + 1
        return OrderRequest(
            kind=kind,
            venue=VENUE,
            instrument=self.instrument.instrument,
            order_id=order_id,
            revision=revision,
            client_id=f"{EPOCH}-{order_id}-{revision}",
            source=RequestSource.STRATEGY,
            **more,
        )

    def send(self, request: OrderRequest) -> OrderRequest:
        """As the connector does it: encode, write, say so."""
        outbound = self.adapter.encode(request, self.now_ns, self.now_ns)
        self.carry(outbound.payload, outbound.link)
        self.adapter.sent(request, self.now_ns)
        self.settle()
        return request

    def cancel(self, request: OrderRequest, target: str = "") -> OrderRequest:
        return self.send(
            self.request(RequestKind.CANCEL, request.order_id, target_client_id=target or request.client_id)
        )

    def replace(
        self, request: OrderRequest, price: int, qty: int, filled: int = 0, target: str = ""
    ) -> OrderRequest:
        return self.send(
            self.request(
                RequestKind.REPLACE,
                request.order_id,
                target_client_id=target or request.client_id,
                side=request.side,
                type=OrderType.LIMIT,
                tif=TimeInForce.GTC,
                price=price,
                qty=qty,
                filled_qty=filled,
            )
        )

    def hit(self, price: int, qty: int) -> None:
        """Somebody else sells ``qty`` at ``price`` or better: to this account if it bids most."""
        if not qty:
            return
        exchange, symbol = self.venue.exchange, self.instrument.symbol
        if "other" not in exchange.accounts:
            listed, other = exchange.listing(symbol).symbol, Account("other", 2)
            other.balance(listed.base).free = other.balance(listed.quote).free = 10**20
            exchange.accounts["other"] = other
        self.venue.advance(self.now_ns)
        name = f"other{len(exchange.orders)}"
        new = NewOrder(symbol, SELL, VenueOrderType.LIMIT, "IOC", price, qty, 0, 0, "NONE", name)
        exchange.place("other", new)
        self.venue.advance(self.now_ns)
        self.settle()

    # -- what came out -------------------------------------------------------------------------------------------

    def of(self, kind: type[E]) -> list[E]:
        """Every Event of one type so far."""
        return [event for event in self.events if isinstance(event, kind)]

    def names(self, since: int = 0) -> list[str]:
        return [type(event).__name__ for event in self.events[since:]]

    @property
    def far_bid(self) -> int:
        """A price that rests: a tick grid below the market."""
        return self._grid(self._best("bidPrice") * 95 // 100)

    @property
    def best(self) -> int:
        """A price that rests before everybody else's bid."""
        return self._best("bidPrice") + 100 * self.instrument.price_tick

    @property
    def through_ask(self) -> int:
        """A price that takes."""
        return self._grid(self._best("askPrice") * 102 // 100)

    @property
    def lot(self) -> int:
        """A quantity that every filter takes."""
        step = max(self.instrument.qty_step, 1)
        least = max(self.instrument.notional_min.value * 3 // self.far_bid, self.instrument.qty_min * 10)
        return (least // step + 1) * step

    def _grid(self, price: int) -> int:
        tick = self.instrument.price_tick
        return price // tick * tick

    def _best(self, field: str) -> int:
        query = f"symbol={self.instrument.symbol}"
        _, _, body = self.venue.rest("GET", "/api/v3/ticker/bookTicker", query, {}, b"", self.now_ns)
        return parse_decimal(json.loads(body)[field], self.instrument.price_decimals)


def query(desk: Desk, request: OrderRequest) -> None:
    desk.adapter.ask(
        QueryOrder(
            scope=request.client_id,
            venue=VENUE,
            instrument=request.instrument,
            order_id=request.order_id,
            client_id=request.client_id,
        ),
        desk.now_ns,
        desk.now_ns,
    )
    desk.settle()


def lose_replies(desk: Desk, to: str) -> None:
    """Replies to ``to`` and the private stream are lost from now on."""
    asked: set[int] = set()

    def change(frame: str) -> list[str]:
        asked.update(json.loads(text)["id"] for text in desk.sent if json.loads(text)["method"] == to)
        document = json.loads(frame)
        return [] if "event" in document or document.get("id") in asked else [frame]

    desk.change = change
