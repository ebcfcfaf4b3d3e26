"""The table of everything that can be asked, shared by REST and the WebSocket API (venues.md 1.4, 1.7).

Pure. Runs on the venue's thread. The front desk asks for them once limits, signature and clock are settled.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from livestack.simulator.binance_spot import account_operations as accounts
from livestack.simulator.binance_spot import market_operations as market
from livestack.simulator.binance_spot import order_operations as orders
from livestack.simulator.binance_spot.errors import VenueError
from livestack.simulator.binance_spot.exchange import Exchange
from livestack.simulator.binance_spot.params import Params

PublicOperation = Callable[[Exchange, Params], Any]
SignedOperation = Callable[[Exchange, str, Params], Any]


@dataclass(slots=True, frozen=True)
class Operation:
    """One thing to ask. ``signed`` xor ``public`` does it; ``weight`` may depend on the parameters."""

    method: str
    """Its name in the WebSocket API."""
    verb: str
    path: str
    """Below ``/api/v3``."""
    weight: int | Callable[[Params], int]
    public: PublicOperation | None = None
    signed: SignedOperation | None = None
    parameters: frozenset[str] = frozenset()
    trades: bool = False
    """Needs a key that may trade, and costs no weight where it succeeds."""
    weight_always: bool = True

    def weight_of(self, params: Params) -> int:
        return self.weight if isinstance(self.weight, int) else self.weight(params)


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_ORDER = _names(
    "symbol side type timeInForce quantity quoteOrderQty price newClientOrderId strategyId strategyType stopPrice"
    " trailingDelta icebergQty newOrderRespType selfTradePreventionMode pegPriceType pegOffsetValue pegOffsetType"
)
_CANCEL = _names("symbol orderId origClientOrderId newClientOrderId cancelRestrictions")
_REPLACE = _ORDER | _names(
    "cancelReplaceMode cancelOrderId cancelOrigClientOrderId cancelNewClientOrderId cancelRestrictions"
    " orderRateLimitExceededMode"
)
_AMEND = _names("symbol orderId origClientOrderId newClientOrderId newQty")
_TRADES = _names("symbol orderId startTime endTime fromId limit")
_SYMBOLS = _names("symbol symbols symbolStatus permissions showPermissionSets")


def _public(
    method: str,
    path: str,
    weight: int | Callable[[Params], int],
    operation: PublicOperation,
    names: frozenset[str] = frozenset(),
) -> Operation:
    return Operation(method, "GET", path, weight, public=operation, parameters=names)


def _trading(
    method: str, verb: str, path: str, operation: SignedOperation, names: frozenset[str], weight: int = 1
) -> Operation:
    return Operation(
        method,
        verb,
        path,
        weight,
        signed=operation,
        parameters=names,
        trades=True,
        weight_always=weight != 1,
    )


def _account(
    method: str,
    path: str,
    weight: int | Callable[[Params], int],
    operation: SignedOperation,
    names: frozenset[str],
) -> Operation:
    return Operation(method, "GET", path, weight, signed=operation, parameters=names)


OPERATIONS: tuple[Operation, ...] = (
    _public("ping", "ping", 1, market.ping),
    _public("time", "time", 1, market.time),
    _public("exchangeInfo", "exchangeInfo", 20, market.exchange_info, _SYMBOLS),
    _public("depth", "depth", market.depth_weight, market.depth, _names("symbol limit symbolStatus")),
    _public("trades.recent", "trades", 25, market.trades, _names("symbol limit")),
    _public(
        "trades.aggregate",
        "aggTrades",
        4,
        market.aggregate_trades,
        _names("symbol fromId startTime endTime limit"),
    ),
    _public("avgPrice", "avgPrice", 2, market.average_price, _names("symbol")),
    _public("ticker.book", "ticker/bookTicker", market.book_ticker_weight, market.book_ticker, _SYMBOLS),
    _public("ticker.price", "ticker/price", market.book_ticker_weight, market.price_ticker, _SYMBOLS),
    _trading("order.place", "POST", "order", orders.place, _ORDER),
    _trading("order.test", "POST", "order/test", orders.test, _ORDER | _names("computeCommissionRates")),
    _trading("order.cancel", "DELETE", "order", orders.cancel, _CANCEL),
    _trading("order.cancelReplace", "POST", "order/cancelReplace", orders.cancel_replace, _REPLACE),
    _trading("order.amend.keepPriority", "PUT", "order/amend/keepPriority", orders.amend, _AMEND, weight=4),
    _trading("openOrders.cancelAll", "DELETE", "openOrders", orders.cancel_all, _names("symbol")),
    _account("order.status", "order", 4, accounts.order_status, _names("symbol orderId origClientOrderId")),
    _account(
        "openOrders.status", "openOrders", accounts.open_orders_weight, accounts.open_orders, _names("symbol")
    ),
    _account(
        "allOrders", "allOrders", 20, accounts.all_orders, _names("symbol orderId startTime endTime limit")
    ),
    _account("myTrades", "myTrades", accounts.my_trades_weight, accounts.my_trades, _TRADES),
    _account("account.status", "account", 20, accounts.account, _names("omitZeroBalances")),
    _account("account.rateLimits.orders", "rateLimit/order", 40, accounts.order_limits, frozenset()),
    _account("account.commission", "account/commission", 20, accounts.commission, _names("symbol")),
)
BY_METHOD: Mapping[str, Operation] = {operation.method: operation for operation in OPERATIONS}
BY_ROUTE: Mapping[tuple[str, str], Operation] = {
    (operation.verb, f"/api/v3/{operation.path}"): operation for operation in OPERATIONS
}


def perform(exchange: Exchange, operation: Operation, params: Params, account: str | None) -> Any:
    """Do it: parameters checked, then the operation itself. The caller has settled limits and signature."""
    params.check_known(operation.parameters)
    if operation.public is not None:
        return operation.public(exchange, params)
    if operation.signed is None or account is None:
        raise VenueError(400, -1000, "An unknown error occurred while processing the request.")
    return operation.signed(exchange, account, params)
