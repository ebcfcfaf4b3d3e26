"""Tickers: what happened to a symbol in a window of time, in REST's words and in the streams' letters (venues.md 1.2).

Pure. Runs on the venue's thread.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from livestack.simulator.binance_spot.feed import PublicFeed
from livestack.simulator.binance_spot.history import Candle, flat
from livestack.simulator.binance_spot.numbers import SCALE, text8
from livestack.simulator.binance_spot.periods import DAY_MS, HOUR_MS, closing_ms

WINDOWS: Final[dict[str, int]] = {"1h": HOUR_MS, "4h": 4 * HOUR_MS, "1d": DAY_MS}
"""Of the streams with a window's name in theirs, in milliseconds."""
PERCENT_DECIMALS: Final = 1000


@dataclass(slots=True, frozen=True)
class Statistics:
    """One symbol in one window: ``whole`` is everything in it, ``before`` the last price before it (0: none)."""

    symbol: str
    whole: Candle
    before: int
    open_ms: int
    close_ms: int

    @property
    def average(self) -> int:
        return self.whole.quote * SCALE // self.whole.qty if self.whole.qty else 0

    @property
    def change(self) -> int:
        return self.whole.close - self.whole.open

    @property
    def percent(self) -> str:
        """Of the change, with three decimals, rounded half away from zero."""
        if not self.whole.open:
            return "0.000"
        size = (abs(self.change) * 200 * PERCENT_DECIMALS // self.whole.open + 1) // 2
        sign = "-" if self.change < 0 and size else ""
        return f"{sign}{size // PERCENT_DECIMALS}.{size % PERCENT_DECIMALS:03d}"


def statistics(symbol: str, feed: PublicFeed, open_ms: int, now_ms: int, close_ms: int) -> Statistics:
    """What traded from ``open_ms`` (its whole minute) until now; zeros where nothing did."""
    whole, before = feed.history.total(open_ms, now_ms)
    return Statistics(symbol, whole or flat(open_ms, 0), before, open_ms, close_ms)


def mini(one: Statistics) -> dict[str, Any]:
    """REST, type MINI."""
    whole = one.whole
    return {
        "symbol": one.symbol,
        "openPrice": text8(whole.open),
        "highPrice": text8(whole.high),
        "lowPrice": text8(whole.low),
        "lastPrice": text8(whole.close),
        "volume": text8(whole.qty),
        "quoteVolume": text8(whole.quote),
        "openTime": one.open_ms,
        "closeTime": one.close_ms,
        "firstId": whole.first_id,
        "lastId": whole.last_id,
        "count": whole.count,
    }


def full(one: Statistics) -> dict[str, Any]:
    """REST, type FULL, as ``ticker`` and ``ticker/tradingDay`` have it."""
    return {
        "symbol": one.symbol,
        "priceChange": text8(one.change),
        "priceChangePercent": one.percent,
        "weightedAvgPrice": text8(one.average),
        **{name: value for name, value in mini(one).items() if name != "symbol"},
    }


def full_with_book(one: Statistics, feed: PublicFeed) -> dict[str, Any]:
    """REST, type FULL, as ``ticker/24hr`` has it."""
    bid, bid_qty, ask, ask_qty = feed.best()
    recent = feed.history.recent
    return {
        **full(one),
        "prevClosePrice": text8(one.before or one.whole.open),
        "lastQty": text8(recent[-1].qty if recent else 0),
        "bidPrice": text8(bid),
        "bidQty": text8(bid_qty),
        "askPrice": text8(ask),
        "askQty": text8(ask_qty),
    }


def mini_event(one: Statistics, now_ms: int) -> dict[str, Any]:
    """``24hrMiniTicker``."""
    whole = one.whole
    return {
        "e": "24hrMiniTicker",
        "E": now_ms,
        "s": one.symbol,
        "c": text8(whole.close),
        "o": text8(whole.open),
        "h": text8(whole.high),
        "l": text8(whole.low),
        "v": text8(whole.qty),
        "q": text8(whole.quote),
    }


def window_event(one: Statistics, window: str, now_ms: int) -> dict[str, Any]:
    """``1hTicker``, ``4hTicker``, ``1dTicker``."""
    whole = one.whole
    return {
        "e": f"{window}Ticker",
        "E": now_ms,
        "s": one.symbol,
        "p": text8(one.change),
        "P": one.percent,
        "o": text8(whole.open),
        "h": text8(whole.high),
        "l": text8(whole.low),
        "c": text8(whole.close),
        "w": text8(one.average),
        "v": text8(whole.qty),
        "q": text8(whole.quote),
        "O": one.open_ms,
        "C": one.close_ms,
        "F": whole.first_id,
        "L": whole.last_id,
        "n": whole.count,
    }


def day_event(one: Statistics, feed: PublicFeed, now_ms: int) -> dict[str, Any]:
    """``24hrTicker``."""
    bid, bid_qty, ask, ask_qty = feed.best()
    recent = feed.history.recent
    return {
        **window_event(one, "24hr", now_ms),
        "x": text8(one.before or one.whole.open),
        "Q": text8(recent[-1].qty if recent else 0),
        "b": text8(bid),
        "B": text8(bid_qty),
        "a": text8(ask),
        "A": text8(ask_qty),
    }


def kline_row(candle: Candle, interval: str, offset_ms: int) -> list[Any]:
    """REST: an array of twelve."""
    return [
        candle.open_ms,
        text8(candle.open),
        text8(candle.high),
        text8(candle.low),
        text8(candle.close),
        text8(candle.qty),
        closing_ms(interval, candle.open_ms, offset_ms),
        text8(candle.quote),
        candle.count,
        text8(candle.taker_qty),
        text8(candle.taker_quote),
        "0",
    ]


def kline_event(
    symbol: str, candle: Candle, interval: str, offset_ms: int, now_ms: int, *, closed: bool
) -> dict[str, Any]:
    """``kline``; ``closed``: its period is over."""
    return {
        "e": "kline",
        "E": now_ms,
        "s": symbol,
        "k": {
            "t": candle.open_ms,
            "T": closing_ms(interval, candle.open_ms, offset_ms),
            "s": symbol,
            "i": interval,
            "f": candle.first_id,
            "L": candle.last_id,
            "o": text8(candle.open),
            "c": text8(candle.close),
            "h": text8(candle.high),
            "l": text8(candle.low),
            "v": text8(candle.qty),
            "n": candle.count,
            "x": closed,
            "q": text8(candle.quote),
            "V": text8(candle.taker_qty),
            "Q": text8(candle.taker_quote),
            "B": "0",
        },
    }
