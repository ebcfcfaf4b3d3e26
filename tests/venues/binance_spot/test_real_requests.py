"""Order entry over REST with the real transports, against the simulated venue as a process of its own."""

from __future__ import annotations

import queue
from collections.abc import Callable

import pytest
import requests

from livestack.actors.fetching import as_fetched
from livestack.core.events import Event, InstrumentDefined, OrderAccepted, OrderCancelled, OrderReplaced
from livestack.core.types import (
    ConnectionStatus,
    OrderRequest,
    RequestKind,
    RequestSource,
    parse_decimal,
)
from livestack.transports.base import HttpRequest, HttpResponse
from livestack.transports.http import RequestsTransport
from livestack.transports.request_sender import RequestSender
from livestack.venues.adapter import Credentials, Fetch
from livestack.venues.binance_spot import BinanceSpot
from tests.support import Venue
from tests.venues.binance_spot.test_real_sockets import CLOCK, NAME, WAIT_S, instruments, venue

__all__ = ["instruments", "venue"]


class Host:
    """An adapter whose connection is away, on the test's own thread."""

    def __init__(
        self, rest_url: str, all_of: tuple[InstrumentDefined, ...], credentials: Credentials
    ) -> None:
        self.adapter = BinanceSpot().order_entry(NAME, all_of, credentials)
        self.events: list[Event] = []
        self._rest_url = rest_url
        self._answers: queue.SimpleQueue[tuple[int, HttpResponse]] = queue.SimpleQueue()
        self._http = RequestsTransport(CLOCK)
        self._sender = RequestSender(CLOCK)
        self._sender.keep(rest_url)
        self.adapter.disconnected("refused", CLOCK.now_ns() - 6_000_000_000)
        self.adapter.tick(CLOCK.now_ns(), CLOCK.wall_ns())

    def until(self, done: Callable[[], bool]) -> None:
        while not done():
            for item in self.adapter.outgoing():
                assert isinstance(item, Fetch)
                self._http.submit(self._request(item), self._reply(item.fetch_id))
            number, response = self._answers.get(timeout=WAIT_S)
            self.adapter.fetched(as_fetched(number, response))
            self.events += self.adapter.events()

    def send(self, request: OrderRequest) -> OrderRequest:
        """As the connector: encode and write."""
        payload = self.adapter.encode(request, CLOCK.now_ns(), CLOCK.wall_ns()).payload
        assert isinstance(payload, Fetch)
        assert self._sender.wait_ready(1, WAIT_S)
        self._sender.send(self._request(payload), self._reply(payload.fetch_id))
        self.adapter.sent(request, CLOCK.now_ns())
        return request

    def stop(self) -> None:
        self._http.close()
        self._sender.close()

    def _request(self, fetch: Fetch) -> HttpRequest:
        query = f"?{fetch.query}" if fetch.query else ""
        return HttpRequest(fetch.method, f"{self._rest_url}{fetch.path}{query}", fetch.headers)

    def _reply(self, number: int) -> Callable[[HttpResponse], None]:
        return lambda response: self._answers.put((number, response))


@pytest.mark.parametrize("kind", ["hmac", "ed25519"])
def test_orders_over_real_requests(
    venue: Venue, instruments: tuple[InstrumentDefined, ...], kind: str
) -> None:
    """LIVE without any connection; an order placed, replaced, amended and cancelled; no fault in it."""
    key, instrument = venue.key(kind), instruments[0]
    host = Host(venue.urls["rest"], instruments, Credentials(key["api_key"], kind, key["secret"]))
    host.until(lambda: host.adapter.status is ConnectionStatus.LIVE)
    address = f"{venue.urls['rest']}/api/v3/ticker/bookTicker?symbol={instrument.symbol}"
    quote = requests.get(address, timeout=WAIT_S).json()
    price = parse_decimal(quote["bidPrice"], instrument.price_decimals) * 95 // 100
    price -= price % instrument.price_tick
    qty = (instrument.notional_min.value * 3 // (price * instrument.qty_step) + 10) * instrument.qty_step

    def request(of: RequestKind, revision: int, **terms: int | str) -> OrderRequest:
        return OrderRequest(
            kind=of, venue=NAME, instrument=instrument.instrument, order_id=1, revision=revision,
            client_id=f"Rest{kind[0]}0000-1-{revision}", source=RequestSource.STRATEGY, **terms,  # type: ignore[arg-type]
        )  # fmt: skip

    def told(event: type[Event]) -> int:
        return sum(isinstance(one, event) for one in host.events)

    target = host.send(request(RequestKind.NEW, 1, price=price, qty=qty)).client_id
    host.until(lambda: told(OrderAccepted) == 1)
    for number, total in ((2, 3 * qty), (3, 2 * qty)):
        terms = {"price": price - instrument.price_tick, "qty": total, "target_client_id": target}
        target = host.send(request(RequestKind.REPLACE, number, **terms)).client_id
        host.until(lambda wanted=number - 1: told(OrderReplaced) == wanted)  # type: ignore[misc]
    host.send(request(RequestKind.CANCEL, 4, target_client_id=target))
    host.until(lambda: told(OrderCancelled) == 1)
    host.stop()
    assert {} == host.adapter.faults
