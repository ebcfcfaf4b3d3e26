"""What anybody may ask about what traded: candles, tickers, average prices. One function per operation.

Pure. Runs on the venue's thread. Both front ends share them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from livestack.simulator.binance_spot import tickers
from livestack.simulator.binance_spot.errors import VenueError
from livestack.simulator.binance_spot.exchange import Exchange, Listing
from livestack.simulator.binance_spot.history import CANDLES_MAX, NANOS_PER_MS
from livestack.simulator.binance_spot.numbers import text8
from livestack.simulator.binance_spot.params import Params
from livestack.simulator.binance_spot.periods import DAY_MS, HOUR_MS, INTERVALS, MINUTE_MS, opening_ms

AVERAGE_MINUTES = 5
ZONE = re.compile(r"([+-]?)(\d{1,2})(?::(\d{2}))?")
ZONE_MIN_MS, ZONE_MAX_MS = -12 * HOUR_MS, 14 * HOUR_MS
WINDOW = re.compile(r"([1-9]\d?)([mhd])")
WINDOW_UNITS = {"m": (MINUTE_MS, 59), "h": (HOUR_MS, 23), "d": (DAY_MS, 7)}
SYMBOLS_WITH_WINDOW_MAX = 100
DAY_WEIGHTS = ((20, 2), (100, 40))
ALL_WEIGHT = 80
WEIGHT_PER_SYMBOL, WEIGHT_OF_WINDOWS_MAX = 4, 200


def check_status(listing: Listing, params: Params) -> None:
    """-1220 where ``symbolStatus`` names another status than the symbol has."""
    wanted = params.optional("symbolStatus")
    if wanted is not None and wanted != listing.symbol.status:
        raise VenueError(400, -1220, "Symbol does not match the status filter.")


def per_symbol(exchange: Exchange, params: Params, describe: Callable[[Listing], Any]) -> Any:
    """One object for ``symbol``, otherwise an array; ``symbolStatus`` leaves out all in another status."""
    names = params.symbols()
    if params.has("symbol") and names:
        listing = exchange.listing(names[0])
        check_status(listing, params)
        return describe(listing)
    listings = exchange.listings.values() if names is None else [exchange.listing(name) for name in names]
    status = params.optional("symbolStatus")
    return [describe(listing) for listing in listings if status in (None, listing.symbol.status)]


def average_price(exchange: Exchange, params: Params) -> dict[str, Any]:
    """Volume-weighted, of five minutes; the last price where nothing traded in them."""
    history = exchange.listing(params.text("symbol")).feed.history
    if not history.recent:
        raise VenueError(400, -1112, "No orders on book for symbol.")
    return {
        "mins": AVERAGE_MINUTES,
        "price": text8(history.average(exchange.now_ns // NANOS_PER_MS, AVERAGE_MINUTES)),
        "closeTime": history.recent[-1].time_ns // NANOS_PER_MS,
    }


# -- candles -------------------------------------------------------------------------------------------------------


def klines(exchange: Exchange, params: Params) -> list[list[Any]]:
    """Arrays of twelve; with ``startTime`` the first ones from there, otherwise the last ones."""
    history = exchange.listing(params.text("symbol")).feed.history
    interval = params.text("interval")
    if interval not in INTERVALS:
        raise VenueError(400, -1120, "Invalid interval.")
    start, end, limit = params.time("startTime"), params.time("endTime"), params.limit(500, CANDLES_MAX)
    if start is not None and end is not None and end < start:
        raise VenueError(400, -1023, "Start time is greater than end time.")
    offset_ms = _zone_ms(params)
    candles = history.candles(interval, exchange.now_ns // NANOS_PER_MS, CANDLES_MAX, offset_ms)
    found = [
        candle
        for candle in candles
        if (start is None or candle.open_ms >= start) and (end is None or candle.open_ms <= end)
    ]
    found = found[-limit:] if start is None else found[:limit]
    return [tickers.kline_row(candle, interval, offset_ms) for candle in found]


def _zone_ms(params: Params) -> int:
    """``timeZone``: hours, or hours and minutes, from -12:00 to +14:00."""
    text = params.optional("timeZone")
    match = ZONE.fullmatch(text or "0")
    if match is not None:
        size = int(match[2]) * HOUR_MS + int(match[3] or 0) * MINUTE_MS
        offset_ms = -size if match[1] == "-" else size
        if ZONE_MIN_MS <= offset_ms <= ZONE_MAX_MS:
            return offset_ms
    raise VenueError(400, -1130, "Data sent for parameter 'timeZone' is not valid.")


# -- tickers -------------------------------------------------------------------------------------------------------


def ticker_24hr(exchange: Exchange, params: Params) -> Any:
    now_ms = exchange.now_ns // NANOS_PER_MS
    mini = _is_mini(params)

    def describe(listing: Listing) -> dict[str, Any]:
        one = _statistics(listing, now_ms - DAY_MS, now_ms, now_ms)
        return tickers.mini(one) if mini else tickers.full_with_book(one, listing.feed)

    return per_symbol(exchange, params, describe)


def ticker_24hr_weight(params: Params) -> int:
    count = _count(params)
    if count is None:
        return ALL_WEIGHT
    return next((weight for most, weight in DAY_WEIGHTS if count <= most), ALL_WEIGHT)


def ticker_window(exchange: Exchange, params: Params) -> Any:
    """``ticker``: a window that ends now and begins with a whole minute."""
    length_ms = _window_ms(params.optional("windowSize") or "1d")
    now_ms = exchange.now_ns // NANOS_PER_MS
    open_ms = (now_ms - length_ms) // MINUTE_MS * MINUTE_MS + MINUTE_MS
    return _named_symbols(exchange, params, open_ms, now_ms, now_ms)


def ticker_trading_day(exchange: Exchange, params: Params) -> Any:
    now_ms = exchange.now_ns // NANOS_PER_MS
    open_ms = opening_ms("1d", now_ms, _zone_ms(params))
    return _named_symbols(exchange, params, open_ms, now_ms, open_ms + DAY_MS - 1)


def window_weight(params: Params) -> int:
    return min(WEIGHT_PER_SYMBOL * (_count(params) or 1), WEIGHT_OF_WINDOWS_MAX)


def _named_symbols(exchange: Exchange, params: Params, open_ms: int, now_ms: int, close_ms: int) -> Any:
    """Windows are told for named symbols only."""
    names = params.symbols()
    if names is None:
        text = "Mandatory parameter 'symbol' or 'symbols' was not sent, was empty/null, or malformed."
        raise VenueError(400, -1102, text)
    if len(names) > SYMBOLS_WITH_WINDOW_MAX:
        raise VenueError(
            400, -1101, "Too many values sent for parameter 'symbols', maximum allowed up to 100."
        )
    describe = tickers.mini if _is_mini(params) else tickers.full
    return per_symbol(
        exchange, params, lambda listing: describe(_statistics(listing, open_ms, now_ms, close_ms))
    )


def _statistics(listing: Listing, open_ms: int, now_ms: int, close_ms: int) -> tickers.Statistics:
    return tickers.statistics(listing.symbol.name, listing.feed, open_ms, now_ms, close_ms)


def _is_mini(params: Params) -> bool:
    kind = params.optional("type") or "FULL"
    if kind not in ("FULL", "MINI"):
        raise VenueError(400, -1130, "Data sent for parameter 'type' is not valid.")
    return kind == "MINI"


def _window_ms(text: str) -> int:
    match = WINDOW.fullmatch(text)
    if match is not None:
        unit_ms, most = WINDOW_UNITS[match[2]]
        if int(match[1]) <= most:
            return int(match[1]) * unit_ms
    raise VenueError(400, -1130, "Data sent for parameter 'windowSize' is not valid.")


def _count(params: Params) -> int | None:
    """How many symbols are asked for; None: all."""
    names = params.symbols()
    return None if names is None else len(names)
