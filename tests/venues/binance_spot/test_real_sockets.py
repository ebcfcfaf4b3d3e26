"""Both adapters over the real transports against the simulated venue as a process of its own, on loopback.

What the actors do around them is done here by hand, in the reader threads' own calls.
"""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from livestack.actors.fetching import as_fetched
from livestack.core.events import (
    BookSnapshot,
    Event,
    FeedStatusChanged,
    InstrumentDefined,
    OrderAccepted,
    OrderCancelled,
    OrderFill,
    OrderReplaced,
    QuoteTick,
    VenueStatusChanged,
)
from livestack.core.types import (
    ConnectionStatus,
    OrderRequest,
    OrderType,
    RequestKind,
    RequestSource,
    parse_decimal,
)
from livestack.transports.base import Connection, HttpRequest, HttpResponse, Refusal
from livestack.transports.clock import SystemClock
from livestack.transports.http import RequestsTransport
from livestack.transports.websocket import WebSocketClientTransport
from livestack.venues.adapter import Credentials, Fetch
from livestack.venues.binance_spot import BinanceSpot
from tests.support import Venue

WAIT_S = 60
NAME = "venue"
CLOCK = SystemClock()


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Venue]:
    """One synthetic venue for all tests here."""
    directory: Path = tmp_path_factory.mktemp("venue")
    with Venue(directory, "--symbols", "2", "--rate", "200") as found:
        yield found


@pytest.fixture(scope="module")
def instruments(venue: Venue) -> tuple[InstrumentDefined, ...]:
    """As the venue's REST defines them, over the HTTP transport."""
    fetch = BinanceSpot().instruments_fetch(tuple(venue.symbols))
    http = RequestsTransport(CLOCK)
    answers: queue.SimpleQueue[HttpResponse] = queue.SimpleQueue()
    http.submit(HttpRequest(fetch.method, f"{venue.urls['rest']}{fetch.path}?{fetch.query}", ()), answers.put)
    answer = as_fetched(0, answers.get(timeout=WAIT_S))
    http.close()
    return tuple(BinanceSpot().parse_instruments(NAME, tuple(venue.symbols), answer))


class Host:
    """Receiver that runs an adapter on its reader thread; what others want done waits in ``work``."""

    def __init__(self, adapter: Any, rest_url: str = "") -> None:
        self.adapter = adapter
        self.events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self.work: queue.SimpleQueue[Callable[[], object]] = queue.SimpleQueue()
        self.connection: Connection | None = None
        self.closed: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._rest_url = rest_url
        self._http = RequestsTransport(CLOCK)
        self._is_feed = bool(rest_url)

    def start(self, url: str) -> Host:
        self.connection = WebSocketClientTransport(CLOCK).connect(url, self)
        self.connection.wake()
        return self

    def stop(self) -> None:
        assert self.connection is not None
        self.connection.close()
        self.closed.get(timeout=WAIT_S)
        self._http.close()

    def on_open(self, now_ns: int) -> None:
        if self._is_feed:
            self.adapter.connected(now_ns)
        else:
            self.adapter.connected(now_ns, CLOCK.wall_ns())

    def on_frame(self, frame: bytes, recv_ns: int) -> None:
        self.adapter.receive(frame, recv_ns)
        self._pump()

    def on_wake(self, now_ns: int) -> None:
        while not self.work.empty():
            self.work.get()()
        if self._is_feed:
            self.adapter.tick(now_ns)
        else:
            self.adapter.tick(now_ns, CLOCK.wall_ns())
        self._pump()

    def on_close(self, reason: str, now_ns: int, refusal: Refusal | None = None) -> None:
        self.adapter.disconnected(reason, now_ns)
        self._pump()
        self.closed.put(reason)

    def _pump(self) -> None:
        for event in self.adapter.events():
            self.events.put(event)
        if self.connection is None:
            return
        for item in self.adapter.outgoing():
            if isinstance(item, Fetch):
                self._fetch(item)
            else:
                self.connection.send(item.text)

    def _fetch(self, fetch: Fetch) -> None:
        connection = self.connection
        assert connection is not None

        def reply(response: HttpResponse) -> None:
            self.work.put(lambda: self.adapter.fetched(as_fetched(fetch.fetch_id, response)))
            connection.wake()

        url = f"{self._rest_url}{fetch.path}?{fetch.query}"
        self._http.submit(HttpRequest(fetch.method, url, fetch.headers), reply)

    def send(self, request: OrderRequest) -> OrderRequest:
        """As the connector: encode and write, on the thread that owns the adapter."""
        connection = self.connection
        assert connection is not None

        def write() -> None:
            text = self.adapter.encode(request, CLOCK.now_ns(), CLOCK.wall_ns()).payload
            connection.send(text)
            self.adapter.sent(request, CLOCK.now_ns())

        self.work.put(write)
        connection.wake()
        return request

    def until(self, wanted: Callable[[Event], bool]) -> Event:
        while True:
            event = self.events.get(timeout=WAIT_S)
            if wanted(event):
                return event


def test_books_and_quotes_over_real_sockets(venue: Venue, instruments: tuple[InstrumentDefined, ...]) -> None:
    """Subscribed, snapshots fetched, every book LIVE, quotes come; no fault in it."""
    adapter = BinanceSpot().market_data(NAME, instruments)
    host = Host(adapter, venue.urls["rest"]).start(venue.urls["stream"] + BinanceSpot().market_data_path())
    live: set[str] = set()
    snapshots: set[str] = set()
    quotes = 0
    while len(live) < len(instruments) or not quotes:
        event = host.events.get(timeout=WAIT_S)
        if (
            isinstance(event, FeedStatusChanged)
            and event.instrument
            and event.status is ConnectionStatus.LIVE
        ):
            live.add(event.instrument)
        elif isinstance(event, BookSnapshot):
            snapshots.add(event.instrument)
        quotes += isinstance(event, QuoteTick)
    assert snapshots == live
    host.stop()
    assert adapter.faults == {}


@pytest.mark.parametrize("kind", ["hmac", "ed25519"])
def test_orders_over_real_sockets(
    venue: Venue, instruments: tuple[InstrumentDefined, ...], kind: str
) -> None:
    """Logged on, an order placed, replaced and cancelled, another one filled; the venue's books agree."""
    instrument = instruments[0]
    key = venue.key(kind)
    adapter = BinanceSpot().order_entry(NAME, instruments, Credentials(key["api_key"], kind, key["secret"]))
    host = Host(adapter).start(venue.urls["ws_api"] + BinanceSpot().order_entry_path())
    host.until(lambda event: isinstance(event, VenueStatusChanged) and event.status is ConnectionStatus.LIVE)
    quote = requests.get(
        f"{venue.urls['rest']}/api/v3/ticker/bookTicker?symbol={instrument.symbol}", timeout=WAIT_S
    ).json()
    price = parse_decimal(quote["bidPrice"], instrument.price_decimals) * 95 // 100
    price -= price % instrument.price_tick
    lots = instrument.notional_min.value * 3 // (price * instrument.qty_step) + 10
    epoch = f"Real{kind:_<5.5}".replace("_", "0")

    def request(of: RequestKind, order_id: int, revision: int, **terms: Any) -> OrderRequest:
        return OrderRequest(
            kind=of, venue=NAME, instrument=instrument.instrument, order_id=order_id, revision=revision,
            client_id=f"{epoch}-{order_id}-{revision}", source=RequestSource.STRATEGY, **terms,
        )  # fmt: skip

    qty = lots * instrument.qty_step
    first = host.send(request(RequestKind.NEW, 1, 1, price=price, qty=qty))
    host.until(lambda event: isinstance(event, OrderAccepted) and event.order_id == 1)
    terms = {"price": price - instrument.price_tick, "qty": 2 * qty, "target_client_id": first.client_id}
    second = host.send(request(RequestKind.REPLACE, 1, 2, **terms))
    replaced = host.until(lambda event: isinstance(event, OrderReplaced))
    assert isinstance(replaced, OrderReplaced)
    assert (replaced.client_id, replaced.qty) == (second.client_id, 2 * qty)
    host.send(request(RequestKind.CANCEL, 1, 3, target_client_id=second.client_id))
    host.until(lambda event: isinstance(event, OrderCancelled) and event.order_id == 1)
    taker = host.send(request(RequestKind.NEW, 2, 1, type=OrderType.MARKET, qty=qty))
    filled: dict[int, int] = {}
    while sum(filled.values()) < qty:
        fill = host.until(lambda event: isinstance(event, OrderFill) and event.client_id == taker.client_id)
        assert isinstance(fill, OrderFill)
        filled[fill.fill_id] = fill.qty
    assert sum(filled.values()) == qty
    host.stop()
    assert adapter.status is ConnectionStatus.DISCONNECTED
    assert adapter.faults == {}
