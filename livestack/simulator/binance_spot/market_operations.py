"""What anybody may ask: time, symbols, books, trades, tickers. One function per operation, for both front ends.

Pure. Runs on the venue's thread.
"""

from __future__ import annotations

from typing import Any

from livestack.simulator.binance_spot import errors
from livestack.simulator.binance_spot.exchange import Exchange, Listing
from livestack.simulator.binance_spot.feed import NANOS_PER_MS, trade_listed
from livestack.simulator.binance_spot.numbers import text8
from livestack.simulator.binance_spot.params import Params

DEPTH_MAX = 5000
DEPTH_WEIGHTS = ((100, 5), (500, 25), (1000, 50), (DEPTH_MAX, 250))


def ping(exchange: Exchange, params: Params) -> dict[str, Any]:
    return {}


def time(exchange: Exchange, params: Params) -> dict[str, Any]:
    return {"serverTime": exchange.now_ns // NANOS_PER_MS}


def exchange_info(exchange: Exchange, params: Params) -> dict[str, Any]:
    names = params.symbols()
    listings = exchange.listings.values() if names is None else [exchange.listing(name) for name in names]
    return {
        "timezone": "UTC",
        "serverTime": exchange.now_ns // NANOS_PER_MS,
        "rateLimits": exchange.limits.described(),
        "exchangeFilters": [],
        "symbols": [listing.symbol.info for listing in listings],
    }


def depth(exchange: Exchange, params: Params) -> dict[str, Any]:
    listing = exchange.listing(params.text("symbol"))
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
    recent = exchange.listing(params.text("symbol")).feed.recent_trades()
    return [trade_listed(trade) for trade in recent[-params.limit(500, 1000) :]]


def aggregate_trades(exchange: Exchange, params: Params) -> list[dict[str, Any]]:
    """Every trade as an aggregate of its own: the venue's database is not simulated further back."""
    recent = exchange.listing(params.text("symbol")).feed.recent_trades()
    return [
        {
            "a": trade.trade_id,
            "p": text8(trade.price),
            "q": text8(trade.qty),
            "f": trade.trade_id,
            "l": trade.trade_id,
            "T": trade.time_ns // NANOS_PER_MS,
            "m": trade.buyer_is_maker,
            "M": True,
        }
        for trade in recent[-params.limit(500, 1000) :]
    ]


def _per_symbol(exchange: Exchange, params: Params, describe: Any) -> Any:
    """One object for ``symbol``, otherwise an array."""
    names = params.symbols()
    if params.has("symbol") and names:
        return describe(exchange.listing(names[0]))
    listings = exchange.listings.values() if names is None else [exchange.listing(name) for name in names]
    return [describe(listing) for listing in listings]


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
    return _per_symbol(exchange, params, _book_ticker)


def book_ticker_weight(params: Params) -> int:
    return 2 if params.has("symbol") else 4


def price_ticker(exchange: Exchange, params: Params) -> Any:
    return _per_symbol(
        exchange,
        params,
        lambda listing: {"symbol": listing.symbol.name, "price": text8(listing.engine.last_price)},
    )


def average_price(exchange: Exchange, params: Params) -> dict[str, Any]:
    """The average of the recent trades; of five minutes' only where those are all of them."""
    recent = exchange.listing(params.text("symbol")).feed.recent_trades()
    if not recent:
        raise errors.VenueError(400, -1112, "No orders on book for symbol.")
    quantity = sum(trade.qty for trade in recent)
    price = sum(trade.price * trade.qty for trade in recent) // quantity
    return {"mins": 5, "price": text8(price), "closeTime": recent[-1].time_ns // NANOS_PER_MS}
