"""Methods of the WebSocket API and their REST twins, and what each of our questions weighs (venues.md 1.4 and 1.7).

Pure; any thread. Two tables, because two kinds of requests leave by two ways: what places, changes or cancels an order
is a committed dispatch, everything else a question of the host's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

Value = str | int | Sequence[str]

ORDERS: Final = {
    "order.place": ("POST", "/api/v3/order"),
    "order.cancel": ("DELETE", "/api/v3/order"),
    "order.cancelReplace": ("POST", "/api/v3/order/cancelReplace"),
    "order.amend.keepPriority": ("PUT", "/api/v3/order/amend/keepPriority"),
}
"""For dispatches alone: read by ``Calls.dispatch``."""

QUESTIONS: Final = {
    "time": ("GET", "/api/v3/time"),
    "exchangeInfo": ("GET", "/api/v3/exchangeInfo"),
    "ticker.24hr": ("GET", "/api/v3/ticker/24hr"),
    "order.status": ("GET", "/api/v3/order"),
    "openOrders.status": ("GET", "/api/v3/openOrders"),
    "openOrders.cancelAll": ("DELETE", "/api/v3/openOrders"),
    "allOrders": ("GET", "/api/v3/allOrders"),
    "order.amendments": ("GET", "/api/v3/order/amendments"),
    "myTrades": ("GET", "/api/v3/myTrades"),
    "account.status": ("GET", "/api/v3/account"),
    "account.rateLimits.orders": ("GET", "/api/v3/rateLimit/order"),
}
"""What may be asked over REST; log-on and subscriptions exist over a socket alone."""

_WEIGHTS: Final = {
    "time": 1,
    "exchangeInfo": 20,
    "order.status": 4,
    "openOrders.cancelAll": 1,
    "allOrders": 20,
    "order.amendments": 4,
    "account.status": 20,
    "account.rateLimits.orders": 40,
    "session.logon": 2,
    "session.subscriptions": 2,
    "userDataStream.subscribe": 2,
    "userDataStream.subscribe.signature": 2,
}
WEIGHT_UNKNOWN: Final = 40
"""Of a method that is not listed: more than any of ours but those below."""

OPEN_ORDERS, OPEN_ORDERS_OF_ALL = 6, 80
TRADES, TRADES_OF_ONE_ORDER = 20, 5
TICKERS: Final = ((20, 2), (100, 40))
TICKERS_OF_ALL: Final = 80
"""``ticker.24hr``: up to so many symbols weigh so much; more, or all of them, the last."""

CONNECT: Final = 2
"""Opening a connection to the WebSocket API."""


def weight_of(method: str, parameters: Mapping[str, Value]) -> int:
    """What asking weighs. A dispatch weighs nothing where it succeeds, and is counted by the Core."""
    if method == "openOrders.status":
        return OPEN_ORDERS if "symbol" in parameters else OPEN_ORDERS_OF_ALL
    if method == "myTrades":
        return TRADES_OF_ONE_ORDER if "orderId" in parameters else TRADES
    if method == "ticker.24hr":
        return tickers_weight(len(parameters["symbols"]) if "symbols" in parameters else 0)  # type: ignore[arg-type]
    return _WEIGHTS.get(method, WEIGHT_UNKNOWN)


def tickers_weight(symbols: int) -> int:
    """Of ``ticker.24hr`` for so many symbols; 0: all of them."""
    if not symbols:
        return TICKERS_OF_ALL
    return next((weight for most, weight in TICKERS if symbols <= most), TICKERS_OF_ALL)
