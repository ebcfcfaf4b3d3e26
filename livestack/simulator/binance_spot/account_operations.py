"""What an account asks about itself: orders, trades, balances, limits. One function per operation, for both front ends.

Pure. Runs on the venue's thread.
"""

from __future__ import annotations

from typing import Any

from livestack.simulator.binance_spot import shapes
from livestack.simulator.binance_spot.errors import VenueError
from livestack.simulator.binance_spot.exchange import Exchange
from livestack.simulator.binance_spot.numbers import text8
from livestack.simulator.binance_spot.order_operations import find_order
from livestack.simulator.binance_spot.params import Params
from livestack.simulator.binance_spot.records import PreventedMatch
from livestack.simulator.binance_spot.shapes import NANOS_PER_MS


def account(exchange: Exchange, name: str, params: Params) -> dict[str, Any]:
    return shapes.account_status(
        exchange.accounts[name],
        exchange.maker_fee,
        exchange.taker_fee,
        omit_zero=params.flag("omitZeroBalances", False),
    )


def order_status(exchange: Exchange, name: str, params: Params) -> dict[str, Any]:
    order = find_order(exchange, name, params)
    if order is None:
        raise VenueError(400, -2013, "Order does not exist.")
    return shapes.queried(order)


def open_orders(exchange: Exchange, name: str, params: Params) -> list[dict[str, Any]]:
    symbol = params.optional("symbol")
    if symbol is not None:
        exchange.listing(symbol)
    return [shapes.queried(order) for order in exchange.open_orders(name, symbol)]


def open_orders_weight(params: Params) -> int:
    return 6 if params.has("symbol") else 80


def all_orders(exchange: Exchange, name: str, params: Params) -> list[dict[str, Any]]:
    symbol = exchange.listing(params.text("symbol")).symbol.name
    first, limit = params.integer("orderId"), params.limit(500, 1000)
    start, end = _period(params)
    found = [
        order
        for order in exchange.orders.values()
        if order.account == name
        and order.symbol == symbol
        and start <= order.created_ns // NANOS_PER_MS <= end
        and (first is None or order.order_id >= first)
    ]
    return [shapes.queried(order) for order in (found[:limit] if first is not None else found[-limit:])]


def my_trades(exchange: Exchange, name: str, params: Params) -> list[dict[str, Any]]:
    symbol = exchange.listing(params.text("symbol")).symbol.name
    first, order_id, limit = params.integer("fromId"), params.integer("orderId"), params.limit(500, 1000)
    start, end = _period(params)
    found = [
        fill
        for fill in exchange.fills
        if fill.account == name
        and fill.symbol == symbol
        and (first is None or fill.trade_id >= first)
        and (order_id is None or fill.order_id == order_id)
        and start <= fill.time_ns // NANOS_PER_MS <= end
    ]
    return [fill.listed() for fill in (found[:limit] if first is not None else found[-limit:])]


def my_trades_weight(params: Params) -> int:
    return 5 if params.has("orderId") else 20


def _period(params: Params) -> tuple[int, int]:
    start, end = params.time("startTime"), params.time("endTime")
    if start is not None and end is not None and end - start > 86_400_000:
        raise VenueError(400, -1127, "More than 24 hours between startTime and endTime.")
    return (0 if start is None else start), (1 << 62 if end is None else end)


def order_limits(exchange: Exchange, name: str, params: Params) -> list[dict[str, Any]]:
    return [window.counted(exchange.now_ns) for window in exchange.limits.orders]


def commission(exchange: Exchange, name: str, params: Params) -> dict[str, Any]:
    symbol = exchange.listing(params.text("symbol")).symbol.name
    return {
        "symbol": symbol,
        "standardCommission": shapes.commission_rates(exchange.maker_fee, exchange.taker_fee),
        "specialCommission": shapes.commission_rates(0, 0),
        "taxCommission": shapes.commission_rates(0, 0),
        "discount": shapes.commission_discount(),
    }


def my_filters(exchange: Exchange, name: str, params: Params) -> dict[str, Any]:
    """Everything that an order of this symbol has to pass; no asset is limited."""
    symbol = exchange.listing(params.text("symbol")).symbol
    return {"exchangeFilters": [], "symbolFilters": symbol.info["filters"], "assetFilters": []}


def amendments(exchange: Exchange, name: str, params: Params) -> list[dict[str, Any]]:
    symbol = exchange.listing(params.text("symbol")).symbol.name
    params.text("orderId")
    order_id, first, limit = (
        params.integer("orderId"),
        params.integer("fromExecutionId"),
        params.limit(500, 1000),
    )
    found = [
        one
        for one in exchange.records.amendments
        if (one.account, one.symbol, one.order_id) == (name, symbol, order_id)
        and (first is None or one.execution_id >= first)
    ]
    return [
        {
            "symbol": one.symbol,
            "orderId": one.order_id,
            "executionId": one.execution_id,
            "origClientOrderId": one.original_client_id,
            "newClientOrderId": one.client_id,
            "origQty": text8(one.original_qty),
            "newQty": text8(one.qty),
            "time": one.time_ns // NANOS_PER_MS,
        }
        for one in found[:limit]
    ]


def prevented_matches(exchange: Exchange, name: str, params: Params) -> list[dict[str, Any]]:
    symbol = exchange.listing(params.text("symbol")).symbol.name
    match_id, order_id = params.integer("preventedMatchId"), params.integer("orderId")
    if match_id is None and order_id is None:
        text = "Param 'preventedMatchId' or 'orderId' must be sent, but both were empty/null!"
        raise VenueError(400, -1102, text)
    first, limit = params.integer("fromPreventedMatchId"), params.limit(500, 1000)
    found = [
        one
        for one in exchange.records.prevented
        if (one.account, one.symbol) == (name, symbol)
        and (match_id is None or one.match_id == match_id)
        and (order_id is None or order_id in (one.taker_order_id, one.maker_order_id))
        and (first is None or one.match_id >= first)
    ]
    return [_prevented(one) for one in found[:limit]]


def prevented_matches_weight(params: Params) -> int:
    return 20 if params.has("orderId") else 2


def _prevented(one: PreventedMatch) -> dict[str, Any]:
    """Quantities only of the sides that something was taken off."""
    shown: dict[str, Any] = {
        "symbol": one.symbol,
        "preventedMatchId": one.match_id,
        "takerOrderId": one.taker_order_id,
        "makerSymbol": one.symbol,
        "makerOrderId": one.maker_order_id,
        "tradeGroupId": -1,
        "selfTradePreventionMode": one.stp,
        "price": text8(one.price),
    }
    if one.taker_qty:
        shown["takerPreventedQuantity"] = text8(one.taker_qty)
    if one.maker_qty:
        shown["makerPreventedQuantity"] = text8(one.maker_qty)
    return {**shown, "transactTime": one.time_ns // NANOS_PER_MS}


def allocations(exchange: Exchange, name: str, params: Params) -> list[dict[str, Any]]:
    """None: no order is routed by somebody else."""
    exchange.listing(params.text("symbol"))
    return []
