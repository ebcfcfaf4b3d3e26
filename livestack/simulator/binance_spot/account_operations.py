"""What an account asks about itself: orders, trades, balances, limits. One function per operation, for both front ends.

Pure. Runs on the venue's thread.
"""

from __future__ import annotations

from typing import Any

from livestack.simulator.binance_spot import shapes
from livestack.simulator.binance_spot.errors import VenueError
from livestack.simulator.binance_spot.exchange import Exchange
from livestack.simulator.binance_spot.numbers import SCALE, text8
from livestack.simulator.binance_spot.order_operations import find_order
from livestack.simulator.binance_spot.params import Params
from livestack.simulator.binance_spot.shapes import FEE_SCALE, NANOS_PER_MS


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
    start, end = params.integer("startTime"), params.integer("endTime")
    if start is not None and end is not None and end - start > 86_400_000:
        raise VenueError(400, -1127, "More than 24 hours between startTime and endTime.")
    return (0 if start is None else start), (1 << 62 if end is None else end)


def order_limits(exchange: Exchange, name: str, params: Params) -> list[dict[str, Any]]:
    return [window.counted(exchange.now_ns) for window in exchange.limits.orders]


def commission(exchange: Exchange, name: str, params: Params) -> dict[str, Any]:
    symbol = exchange.listing(params.text("symbol")).symbol.name
    none = {"maker": text8(0), "taker": text8(0), "buyer": text8(0), "seller": text8(0)}
    standard = {
        **none,
        "maker": text8(exchange.maker_fee * SCALE // FEE_SCALE),
        "taker": text8(exchange.taker_fee * SCALE // FEE_SCALE),
    }
    return {
        "symbol": symbol,
        "standardCommission": standard,
        "specialCommission": none,
        "taxCommission": none,
        "discount": {
            "enabledForAccount": False,
            "enabledForSymbol": False,
            "discountAsset": "BNB",
            "discount": text8(0),
        },
    }
