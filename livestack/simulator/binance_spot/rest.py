"""REST: paths, queries, bodies and headers into operations; ``/sim/...`` shows tests what the venue knows.

Pure. Runs on the venue's thread.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote_plus

import msgspec

from livestack.simulator.binance_spot import shapes
from livestack.simulator.binance_spot.call import Call
from livestack.simulator.binance_spot.errors import VenueError
from livestack.simulator.binance_spot.front import ACCOUNT, Admission, FrontDesk
from livestack.simulator.binance_spot.operations import BY_ROUTE, Operation
from livestack.simulator.binance_spot.params import PARAMETERS_MAX, Params
from livestack.simulator.binance_spot.signing import rest_payload
from livestack.simulator.binance_spot.time_unit import answer_in_microseconds, wants_microseconds

Answer = tuple[int, dict[str, str], bytes]
RESTRICTIONS = ("GET", "/sapi/v1/account/apiRestrictions")
KEYS_MADE_MS = 1_700_000_000_000
NEVER_ALLOWED = (
    "enableMargin",
    "enableFutures",
    "permitsUniversalTransfer",
    "enableVanillaOptions",
    "enableFixApiTrade",
    "enableFixReadOnly",
    "enablePortfolioMarginTrading",
)


class RestFrontEnd:
    """Stateless but for the desk behind it. ``sapi``: knows the wallet's addresses too, as only the live venue does."""

    def __init__(self, desk: FrontDesk, *, sapi: bool = True) -> None:
        self._desk = desk
        self._sapi = sapi

    def request(self, method: str, path: str, query: str, headers: Mapping[str, str], body: str) -> Answer:
        """``query`` and ``body`` exactly as sent: the signature is over their text."""
        operation = BY_ROUTE.get((method, path))
        answer_headers = {"Content-Type": "application/json;charset=UTF-8"}
        try:
            if operation is None and (method, path) == RESTRICTIONS and self._sapi:
                return 200, answer_headers, msgspec.json.encode(self._restrictions(query, headers, body))
            if operation is None:
                raise VenueError(404, -5000, f"Path {path}, Method {method} is invalid")
            microseconds = wants_microseconds(_header(headers, "x-mbx-time-unit"))
            result = self._perform(operation, query, headers, body)
            if microseconds:
                result = answer_in_microseconds(result)
            status, content = 200, msgspec.json.encode(result)
        except VenueError as error:
            status, content = error.status, msgspec.json.encode(error.body())
            self._say_when(error, answer_headers)
        self._count(operation, status, answer_headers)
        return status, answer_headers, content

    def refused(self, error: VenueError) -> Answer:
        """The answer to a request that got no further than the venue's edge."""
        headers = {"Content-Type": "application/json;charset=UTF-8"}
        self._say_when(error, headers)
        return error.status, headers, msgspec.json.encode(error.body())

    def call(self, method: str, path: str, query: str, body: str) -> Call:
        """What a request is about, for faults."""
        operation = BY_ROUTE.get((method, path))
        values = {**_parsed(body), **_parsed(query)}
        return Call("rest", operation.method if operation else path, values.get("symbol", ""), values)

    def _restrictions(self, query: str, headers: Mapping[str, str], body: str) -> dict[str, Any]:
        """What the key may do, as the wallet tells it. Weight 1."""
        desk, now_ns = self._desk, self._desk.exchange.now_ns
        desk.gatekeeper.charge(1, now_ns)
        key, values = desk.gatekeeper.key(_header(headers, "x-mbx-apikey")), _parsed(query)
        desk.gatekeeper.check_signature(key, rest_payload(query, body), values)
        desk.gatekeeper.check_time(values, now_ns)
        allowed = dict.fromkeys(NEVER_ALLOWED, False)
        return {
            "ipRestrict": not key.withdraw,
            "createTime": KEYS_MADE_MS,
            "enableReading": True,
            "enableWithdrawals": key.withdraw,
            "enableInternalTransfer": key.withdraw,
            "enableSpotAndMarginTrading": key.trade,
            **allowed,
        }

    def inspect(self, path: str) -> Answer:
        """For tests, nothing of the real venue's: ``/sim/orders`` (every order request that was seen), ``/sim/seen``
        (how many), ``/sim/open`` and ``/sim/history`` (orders as the venue holds them), ``/sim/fills``,
        ``/sim/account``."""
        exchange = self._desk.exchange
        content: Any
        if path == "/sim/orders":
            content = list(self._desk.log)
        elif path == "/sim/seen":
            content = len(self._desk.log)
        elif path == "/sim/open":
            content = [shapes.queried(order) for order in exchange.open_orders(ACCOUNT)]
        elif path == "/sim/history":
            content = [shapes.queried(order) for order in exchange.orders.values()]
        elif path == "/sim/fills":
            content = [{**fill.listed(), "clientOrderId": fill.client_id} for fill in exchange.fills]
        elif path == "/sim/account":
            content = shapes.account_status(
                exchange.accounts[ACCOUNT], exchange.maker_fee, exchange.taker_fee, omit_zero=False
            )
        else:
            return 404, {"Content-Type": "application/json"}, b'{"msg":"no such page of the simulator"}'
        return 200, {"Content-Type": "application/json"}, msgspec.json.encode(content)

    def _perform(self, operation: Operation, query: str, headers: Mapping[str, str], body: str) -> Any:
        values = {**_parsed(body), **_parsed(query)}
        if len(values) > PARAMETERS_MAX:
            raise VenueError(400, -1101, "Too many parameters sent for this endpoint.")
        if operation.signed is None:
            return self._desk.ask(operation, Params(values), Admission(None, ""))
        key = self._desk.gatekeeper.key(_header(headers, "x-mbx-apikey"))
        return self._desk.ask(operation, Params(values), Admission(key, rest_payload(query, body)))

    def _count(self, operation: Operation | None, status: int, headers: dict[str, str]) -> None:
        limits, now_ns = self._desk.exchange.limits, self._desk.exchange.now_ns
        used = str(limits.weight.at(now_ns))
        headers["X-MBX-USED-WEIGHT"] = used
        headers[f"X-MBX-USED-WEIGHT-{limits.weight.header}"] = used
        if operation is not None and operation.trades and status == 200:
            for window in limits.orders:
                headers[f"X-MBX-ORDER-COUNT-{window.header}"] = str(window.at(now_ns))

    def _say_when(self, error: VenueError, headers: dict[str, str]) -> None:
        """Seconds here; the WebSocket API tells the moment instead, so the body is without it."""
        if error.status not in (418, 429) or error.data is None or "retryAfter" not in error.data:
            return
        wait_ms = error.data["retryAfter"] - self._desk.exchange.now_ns // 1_000_000
        headers["Retry-After"] = str(max(-(-wait_ms // 1000), 1))


def _header(headers: Mapping[str, str], wanted: str) -> str | None:
    return next((value for name, value in headers.items() if name.lower() == wanted), None)


def _parsed(text: str) -> dict[str, str]:
    values: dict[str, str] = {}
    for part in text.split("&"):
        name, separator, value = part.partition("=")
        if separator:
            values[unquote_plus(name)] = unquote_plus(value)
    return values
