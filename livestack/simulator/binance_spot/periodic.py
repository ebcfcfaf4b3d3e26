"""Streams that tell a state once a second or every other one: candles, tickers, average prices (venues.md 1.2).

Pure. Runs on the venue's thread. What nobody listens to is not worked out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

import msgspec

from livestack.simulator.binance_spot import tickers
from livestack.simulator.binance_spot.feed import PublicFeed
from livestack.simulator.binance_spot.history import NANOS_PER_MS
from livestack.simulator.binance_spot.numbers import text8
from livestack.simulator.binance_spot.periods import DAY_MS, HOUR_MS, INTERVALS
from livestack.simulator.binance_spot.tickers import WINDOWS, Statistics

AVERAGE_MINUTES = 5
OFFSET_MS = 8 * HOUR_MS  # the one time zone that the kline streams know beside UTC
OFFSET = "+08:00"
SECOND_MS = 1000
ARRAY_SECONDS = {"arr": 1, "arr@1000ms": 1, "arr@3000ms": 3}
"""How often all-market streams speak; the longer names are not documented, but clients use them."""


class Hub(Protocol):
    """Where stream messages go."""

    def listened(self) -> Iterable[str]:
        """Names of the streams that somebody listens to."""

    def publish(self, stream: str, data: str) -> None: ...


class Listed(Protocol):
    """A symbol: its public side."""

    feed: PublicFeed


class PeriodicStreams:
    """All symbols' of a venue; ``listings`` by name."""

    def __init__(self, listings: Mapping[str, Listed], hub: Hub) -> None:
        self._listings = listings
        self._hub = hub
        self._by_lower = {name.lower(): name for name in listings}
        self._told: dict[str, int] = {}
        """When the candle began that a kline stream told last."""
        self._counted: dict[str, dict[str, int]] = {}
        """How many trades a symbol had when an all-market stream last told it."""
        self._single: dict[str, Callable[[str, int], dict[str, Any] | None]] = {
            "miniTicker": self._mini,
            "ticker": self._day,
            "avgPrice": self._average,
            "referencePrice": self._reference,
        }

    def publish(self, now_ns: int) -> None:
        """A second ended."""
        now_ms = now_ns // NANOS_PER_MS
        listened = list(self._hub.listened())
        for stream in listened:
            name, _, kind = stream.partition("@")
            if name.startswith("!"):
                self._publish_all(stream, name[1:], kind, now_ms)
            elif name in self._by_lower:
                self._publish_one(stream, self._by_lower[name], kind, now_ms)
        for table in (self._told, self._counted):
            for gone in table.keys() - set(listened):
                del table[gone]

    def _publish_one(self, stream: str, symbol: str, kind: str, now_ms: int) -> None:
        event = None
        if kind.startswith("kline_"):
            self._publish_kline(stream, symbol, kind[len("kline_") :], now_ms)
        elif kind.startswith("ticker_"):
            event = self._window(symbol, kind[len("ticker_") :], now_ms)
        elif kind in self._single:
            event = self._single[kind](symbol, now_ms)
        if event is not None:
            self._hub.publish(stream, msgspec.json.encode(event).decode())

    def _publish_all(self, stream: str, name: str, kind: str, now_ms: int) -> None:
        """Only the symbols that traded since."""
        if kind not in ARRAY_SECONDS or now_ms // SECOND_MS % ARRAY_SECONDS[kind]:
            return
        tell: Callable[[str, int], dict[str, Any] | None]
        if name == "miniTicker":
            tell = self._mini
        elif name.startswith("ticker_") and name[len("ticker_") :] in WINDOWS:
            tell = self._windowed(name[len("ticker_") :])
        else:
            return
        counted = self._counted.setdefault(stream, {})
        events = []
        for symbol, listing in self._listings.items():
            trades = listing.feed.history.trades
            if counted.get(symbol, 0) != trades:
                counted[symbol] = trades
                events.append(tell(symbol, now_ms))
        if events:
            self._hub.publish(stream, msgspec.json.encode(events).decode())

    def _publish_kline(self, stream: str, symbol: str, name: str, now_ms: int) -> None:
        interval, _, offset = name.partition("@")
        if interval not in INTERVALS or offset not in ("", OFFSET):
            return
        if interval != "1s" and now_ms // SECOND_MS % 2:
            return
        offset_ms = OFFSET_MS if offset else 0
        candles = self._listings[symbol].feed.history.candles(interval, now_ms, 2, offset_ms)
        told = self._told.get(stream)
        for candle in candles:
            closed = candle is not candles[-1]
            if (candle.open_ms == told or interval == "1s") if closed else interval != "1s":
                event = tickers.kline_event(symbol, candle, interval, offset_ms, now_ms, closed=closed)
                self._hub.publish(stream, msgspec.json.encode(event).decode())
        if candles:
            self._told[stream] = candles[-1].open_ms

    # -- one symbol's events ---------------------------------------------------------------------------------------

    def _statistics(self, symbol: str, length_ms: int, now_ms: int) -> Statistics | None:
        """None where nothing ever traded."""
        feed = self._listings[symbol].feed
        if not feed.history.trades:
            return None
        return tickers.statistics(symbol, feed, now_ms - length_ms, now_ms, now_ms)

    def _mini(self, symbol: str, now_ms: int) -> dict[str, Any] | None:
        one = self._statistics(symbol, DAY_MS, now_ms)
        return None if one is None else tickers.mini_event(one, now_ms)

    def _day(self, symbol: str, now_ms: int) -> dict[str, Any] | None:
        one = self._statistics(symbol, DAY_MS, now_ms)
        return None if one is None else tickers.day_event(one, self._listings[symbol].feed, now_ms)

    def _window(self, symbol: str, window: str, now_ms: int) -> dict[str, Any] | None:
        if window not in WINDOWS:
            return None
        one = self._statistics(symbol, WINDOWS[window], now_ms)
        return None if one is None else tickers.window_event(one, window, now_ms)

    def _windowed(self, window: str) -> Callable[[str, int], dict[str, Any] | None]:
        return lambda symbol, now_ms: self._window(symbol, window, now_ms)

    def _average(self, symbol: str, now_ms: int) -> dict[str, Any] | None:
        history = self._listings[symbol].feed.history
        if not history.recent:
            return None
        return {
            "e": "avgPrice",
            "E": now_ms,
            "s": symbol,
            "i": f"{AVERAGE_MINUTES}m",
            "w": text8(history.average(now_ms, AVERAGE_MINUTES)),
            "T": history.recent[-1].time_ns // NANOS_PER_MS,
        }

    def _reference(self, symbol: str, now_ms: int) -> dict[str, Any]:
        """No symbol of the simulated venue has a reference price, which the stream says as well."""
        return {"e": "referencePrice", "s": symbol, "r": None, "t": now_ms}
