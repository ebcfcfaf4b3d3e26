"""The table of everything that can be asked, shared by REST and the WebSocket API (venues.md 1.4, 1.7).

Pure. Runs on the venue's thread. The front desk asks for them once limits, signature and clock are settled.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from livestack.simulator.binance_spot import account_operations as accounts
from livestack.simulator.binance_spot import market_operations as market
from livestack.simulator.binance_spot import order_list_operations as lists
from livestack.simulator.binance_spot import order_operations as orders
from livestack.simulator.binance_spot import statistics_operations as statistics
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
    parameters: frozenset[str] | None = frozenset()
    """None: whatever is sent, it is refused anyway."""
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
_SYMBOLS = _names("symbol symbols symbolStatus")
_INFO = _SYMBOLS | _names("permissions showPermissionSets")
_KLINES = _names("symbol interval startTime endTime timeZone limit")


def _public(
    method: str,
    path: str,
    weight: int | Callable[[Params], int],
    operation: PublicOperation,
    names: frozenset[str] = frozenset(),
) -> Operation:
    return Operation(method, "GET", path, weight, public=operation, parameters=names)


def _trading(
    method: str,
    verb: str,
    path: str,
    operation: SignedOperation,
    names: frozenset[str] | None,
    weight: int | Callable[[Params], int] = 1,
) -> Operation:
    return Operation(
        method,
        verb,
        path,
        weight,
        signed=operation,
        parameters=names,
        trades=True,
        weight_always=method in ("order.amend.keepPriority", "order.test"),
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
    _public("exchangeInfo", "exchangeInfo", 20, market.exchange_info, _INFO),
    _public("depth", "depth", market.depth_weight, market.depth, _names("symbol limit symbolStatus")),
    _public("trades.recent", "trades", 25, market.trades, _names("symbol limit")),
    _public(
        "trades.aggregate",
        "aggTrades",
        4,
        market.aggregate_trades,
        _names("symbol fromId startTime endTime limit"),
    ),
    _public(
        "trades.historical", "historicalTrades", 25, market.historical_trades, _names("symbol limit fromId")
    ),
    _public(
        "blockTrades.historical",
        "historicalBlockTrades",
        25,
        market.block_trades,
        _names("symbol fromId startTime endTime limit"),
    ),
    _public("executionRules", "executionRules", 2, market.execution_rules, _SYMBOLS),
    _public("referencePrice", "referencePrice", 2, market.reference_price, _names("symbol")),
    _public(
        "referencePrice.calculation",
        "referencePrice/calculation",
        2,
        market.reference_price,
        _names("symbol symbolStatus"),
    ),
    _public("klines", "klines", 2, statistics.klines, _KLINES),
    _public("uiKlines", "uiKlines", 2, statistics.klines, _KLINES),
    _public("avgPrice", "avgPrice", 2, statistics.average_price, _names("symbol")),
    _public(
        "ticker.24hr",
        "ticker/24hr",
        statistics.ticker_24hr_weight,
        statistics.ticker_24hr,
        _SYMBOLS | _names("type"),
    ),
    _public(
        "ticker.tradingDay",
        "ticker/tradingDay",
        statistics.window_weight,
        statistics.ticker_trading_day,
        _SYMBOLS | _names("type timeZone"),
    ),
    _public(
        "ticker",
        "ticker",
        statistics.window_weight,
        statistics.ticker_window,
        _SYMBOLS | _names("type windowSize"),
    ),
    _public("ticker.book", "ticker/bookTicker", market.book_ticker_weight, market.book_ticker, _SYMBOLS),
    _public("ticker.price", "ticker/price", market.book_ticker_weight, market.price_ticker, _SYMBOLS),
    _trading("order.place", "POST", "order", orders.place, _ORDER),
    _trading(
        "order.test",
        "POST",
        "order/test",
        orders.test,
        _ORDER | _names("computeCommissionRates"),
        orders.test_weight,
    ),
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
    _account("myFilters", "myFilters", 40, accounts.my_filters, _names("symbol")),
    _account(
        "order.amendments",
        "order/amendments",
        4,
        accounts.amendments,
        _names("symbol orderId fromExecutionId limit"),
    ),
    _account(
        "myPreventedMatches",
        "myPreventedMatches",
        accounts.prevented_matches_weight,
        accounts.prevented_matches,
        _names("symbol preventedMatchId orderId fromPreventedMatchId limit"),
    ),
    _account(
        "myAllocations",
        "myAllocations",
        20,
        accounts.allocations,
        _names("symbol startTime endTime fromAllocationId limit orderId"),
    ),
    _account("orderList.status", "orderList", 4, lists.query, _names("orderListId origClientOrderId")),
    _account("allOrderLists", "allOrderList", 20, lists.listed, _names("fromId startTime endTime limit")),
    _account("openOrderLists.status", "openOrderList", 6, lists.listed, frozenset()),
    _trading(
        "orderList.cancel",
        "DELETE",
        "orderList",
        lists.cancel,
        _names("symbol orderListId listClientOrderId newClientOrderId"),
    ),
    _trading("orderList.place", "POST", "order/oco", lists.place_oco, None),
    _trading("orderList.place.oco", "POST", "orderList/oco", lists.place_oco, None),
    _trading("orderList.place.oto", "POST", "orderList/oto", lists.place_oto, None),
    _trading("orderList.place.otoco", "POST", "orderList/otoco", lists.place_oto, None),
    _trading("orderList.place.opo", "POST", "orderList/opo", lists.place_opo, None),
    _trading("orderList.place.opoco", "POST", "orderList/opoco", lists.place_opo, None),
    _trading("sor.order.place", "POST", "sor/order", lists.place_routed, None),
    _trading("sor.order.test", "POST", "sor/order/test", lists.place_routed, None),
)
BY_METHOD: Mapping[str, Operation] = {operation.method: operation for operation in OPERATIONS}
BY_ROUTE: Mapping[tuple[str, str], Operation] = {
    (operation.verb, f"/api/v3/{operation.path}"): operation for operation in OPERATIONS
}


def perform(exchange: Exchange, operation: Operation, params: Params, account: str | None) -> Any:
    """Do it: parameters checked, then the operation itself. The caller has settled limits and signature."""
    if operation.parameters is not None:
        params.check_known(operation.parameters)
    if operation.public is not None:
        return operation.public(exchange, params)
    if operation.signed is None or account is None:
        raise VenueError(400, -1000, "An unknown error occurred while processing the request.")
    return operation.signed(exchange, account, params)
