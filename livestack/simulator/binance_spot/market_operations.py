"""What anybody may ask: time, symbols, books, trades, tickers. One function per operation, for both front ends.

Pure. Runs on the venue's thread.
"""

from __future__ import annotations

from typing import Any

from livestack.simulator.binance_spot.errors import VenueError
from livestack.simulator.binance_spot.exchange import Exchange, Listing
from livestack.simulator.binance_spot.feed import trade_listed
from livestack.simulator.binance_spot.history import NANOS_PER_MS
from livestack.simulator.binance_spot.numbers import text8
from livestack.simulator.binance_spot.params import Params
from livestack.simulator.binance_spot.statistics_operations import check_status, per_symbol

DEPTH_MAX = 5000
STATUSES = ("TRADING", "END_OF_DAY", "HALT", "BREAK", "CANCEL_ONLY")
DEPTH_WEIGHTS = ((100, 5), (500, 25), (1000, 50), (DEPTH_MAX, 250))


def ping(exchange: Exchange, params: Params) -> dict[str, Any]:
    return {}


def time(exchange: Exchange, params: Params) -> dict[str, Any]:
    return {"serverTime": exchange.now_ns // NANOS_PER_MS}


def exchange_info(exchange: Exchange, params: Params) -> dict[str, Any]:
    listings = _wanted_listings(exchange, params)
    status = params.optional("symbolStatus")
    if status is not None and status not in STATUSES:
        raise VenueError(400, -1130, "Data sent for parameter 'symbolStatus' is not valid.")
    infos = [listing.symbol.info for listing in listings if status in (None, listing.symbol.status)]
    if not params.flag("showPermissionSets", True):
        infos = [{**info, "permissionSets": []} for info in infos]
    return {
        "timezone": "UTC",
        "serverTime": exchange.now_ns // NANOS_PER_MS,
        "rateLimits": exchange.limits.described(),
        "exchangeFilters": [],
        "symbols": infos,
    }


def _wanted_listings(exchange: Exchange, params: Params) -> list[Listing]:
    """Those that are named, or that one of ``permissions`` (by default SPOT) may trade."""
    names = params.symbols()
    permissions = params.names("permissions")
    if names is not None:
        if permissions is not None or params.has("symbolStatus"):
            raise VenueError(400, -1128, "Combination of optional parameters invalid.")
        return [exchange.listing(name) for name in names]
    allowed = {"SPOT"} if permissions is None else set(permissions)
    return [
        listing
        for listing in exchange.listings.values()
        if any(allowed.intersection(group) for group in listing.symbol.info["permissionSets"])
    ]


def depth(exchange: Exchange, params: Params) -> dict[str, Any]:
    listing = exchange.listing(params.text("symbol"))
    check_status(listing, params)
    update_id, bids, asks = listing.feed.snapshot(params.limit(100, DEPTH_MAX))
    return {
        "lastUpdateId": update_id,
        "bids": [[text8(price), text8(qty)] for price, qty in bids],
        "asks": [[text8(price), text8(qty)] for price, qty in asks],
    }


def depth_weight(params: Params) -> int:
    limit = params.limit(100, DEPTH_MAX)
    return next(weight for largest, weight in DEPTH_WEIGHTS if limit <= largest)


def trades(exchange: Exchange, params: Params) -> list[dict[str, Any]]:
    recent = list(exchange.listing(params.text("symbol")).feed.history.recent)
    return [trade_listed(trade) for trade in recent[-params.limit(500, 1000) :]]


def historical_trades(exchange: Exchange, params: Params) -> list[dict[str, Any]]:
    """Older ones, from ``fromId``: as far back as the simulated venue remembers."""
    recent = list(exchange.listing(params.text("symbol")).feed.history.recent)
    first, limit = params.integer("fromId"), params.limit(500, 1000)
    found = [trade for trade in recent if first is None or trade.trade_id >= first]
    return [trade_listed(trade) for trade in (found[-limit:] if first is None else found[:limit])]


def aggregate_trades(exchange: Exchange, params: Params) -> list[dict[str, Any]]:
    """The same as the ``aggTrade`` stream told, as far back as the simulated venue remembers."""
    history = exchange.listing(params.text("symbol")).feed.history
    first, start, end = params.integer("fromId"), params.time("startTime"), params.time("endTime")
    if first is not None and (start is not None or end is not None):
        raise VenueError(400, -1128, "Combination of optional parameters invalid.")
    limit = params.limit(500, 1000)
    found = [
        one
        for one in history.aggregates
        if (first is None or one.aggregate_id >= first)
        and (start is None or one.time_ns // NANOS_PER_MS >= start)
        and (end is None or one.time_ns // NANOS_PER_MS <= end)
    ]
    return [
        {
            "a": one.aggregate_id,
            "p": text8(one.price),
            "q": text8(one.qty),
            "f": one.first_id,
            "l": one.last_id,
            "T": one.time_ns // NANOS_PER_MS,
            "m": one.buyer_is_maker,
            "M": True,
        }
        for one in (found[-limit:] if first is None and start is None else found[:limit])
    ]


def block_trades(exchange: Exchange, params: Params) -> list[dict[str, Any]]:
    """None: nobody trades blocks in the simulated venue."""
    exchange.listing(params.text("symbol"))
    return []


def execution_rules(exchange: Exchange, params: Params) -> dict[str, Any]:
    """Symbols without a rule are not listed, and no symbol has one."""
    for name in params.symbols() or ():
        exchange.listing(name)
    return {"symbolRules": []}


def reference_price(exchange: Exchange, params: Params) -> dict[str, Any]:
    exchange.listing(params.text("symbol"))
    raise VenueError(400, -2043, "This symbol doesn't have a reference price.")


def _book_ticker(listing: Listing) -> dict[str, str]:
    bid, bid_qty, ask, ask_qty = listing.feed.best()
    return {
        "symbol": listing.symbol.name,
        "bidPrice": text8(bid),
        "bidQty": text8(bid_qty),
        "askPrice": text8(ask),
        "askQty": text8(ask_qty),
    }


def book_ticker(exchange: Exchange, params: Params) -> Any:
    return per_symbol(exchange, params, _book_ticker)


def book_ticker_weight(params: Params) -> int:
    return 2 if params.has("symbol") else 4


def price_ticker(exchange: Exchange, params: Params) -> Any:
    return per_symbol(
        exchange,
        params,
        lambda listing: {"symbol": listing.symbol.name, "price": text8(listing.engine.last_price)},
    )
