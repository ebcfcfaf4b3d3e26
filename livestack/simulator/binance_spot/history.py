"""What traded in one symbol: recent trades, aggregates, candles of every interval, and statistics of any window.

Pure, integers only. Runs on the venue's thread. Memory is bounded: so many of each kind, then the oldest is forgotten;
"all" below means all that is remembered.

A trade is counted at once into the candle of its second only. That candle is folded into the minute's when its second
is over, the minute's into those of the longer intervals when its minute is over, and both whenever somebody asks: a
venue with many symbols pays for sixteen intervals only where they are looked at.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple

from livestack.simulator.binance_spot.periods import DAY_MS, INTERVALS, MINUTE_MS, MONTH, opening_ms

RECENT_TRADES_MAX = 1000  # the most that ``trades`` answers
CANDLES_MAX = 1000  # the most that ``klines`` answers
SERIES_MAX = 500  # of most intervals; with the two below a symbol costs some 2 MB after a week
SECONDS_MAX = 600
MINUTES_MAX = 1500  # a day and an hour: the longest window of the tickers
NANOS_PER_MS = 1_000_000
SCALE: Final = 10**8


class PublicTrade(NamedTuple):
    """One public trade. Integers of 10**-8."""

    trade_id: int
    price: int
    qty: int
    time_ns: int
    buyer_is_maker: bool


class Aggregate(NamedTuple):
    """Trades of one taker at one price, as one. Integers of 10**-8."""

    aggregate_id: int
    price: int
    qty: int
    first_id: int
    last_id: int
    time_ns: int
    buyer_is_maker: bool


@dataclass(slots=True)
class Candle:
    """What traded in one period. Prices and amounts are integers of 10**-8, amounts with ``quote`` in the quote asset.

    ``taker_qty`` and ``taker_quote``: of it, what buyers took.
    """

    open_ms: int
    open: int
    high: int
    low: int
    close: int
    qty: int = 0
    quote: int = 0
    count: int = 0
    taker_qty: int = 0
    taker_quote: int = 0
    first_id: int = -1
    last_id: int = -1

    def fold(self, later: Candle) -> None:
        """Take over a later candle of the same period."""
        if not later.count:
            return
        if not self.count:
            self.open, self.high, self.low, self.first_id = later.open, later.high, later.low, later.first_id
        self.high, self.low = max(self.high, later.high), min(self.low, later.low)
        self.close, self.last_id = later.close, later.last_id
        self.qty += later.qty
        self.quote += later.quote
        self.count += later.count
        self.taker_qty += later.taker_qty
        self.taker_quote += later.taker_quote

    def copy(self, open_ms: int) -> Candle:
        """The same as a candle that begins at ``open_ms``."""
        candle = flat(open_ms, self.open)
        candle.fold(self)
        return candle


def flat(open_ms: int, price: int) -> Candle:
    """A period in which nothing traded."""
    return Candle(open_ms, price, price, price, price)


class TradeHistory:
    """One symbol's. Times of trades never go back."""

    def __init__(self) -> None:
        self.recent: deque[PublicTrade] = deque(maxlen=RECENT_TRADES_MAX)
        self.aggregates: deque[Aggregate] = deque(maxlen=CANDLES_MAX)
        self.trades = 0
        """How many there were, ever."""
        sizes = {"1s": SECONDS_MAX, "1m": MINUTES_MAX}
        self._series = {name: deque[Candle](maxlen=sizes.get(name, SERIES_MAX)) for name in INTERVALS}
        self._second: Candle | None = None
        self._minute: Candle | None = None
        self._sums: dict[int, tuple[Candle | None, int]] = {}
        """By start: everything up to the newest minute. A day has 1440, asked for once a second by every ticker."""
        self._sums_until_ms = 0

    def add(self, trade: PublicTrade, first_id: int | None = None) -> None:
        """A trade happened; with ``first_id`` it stands for all from that id on."""
        self.recent.append(trade)
        first = trade.trade_id if first_id is None else first_id
        count = trade.trade_id - first + 1
        self.trades += count
        open_ms = trade.time_ns // 1_000_000_000 * 1000
        candle = self._second
        if candle is None or candle.open_ms != open_ms:
            self._close_second()
            self._second = candle = flat(open_ms, trade.price)
            candle.first_id = first
        price, quote = trade.price, trade.price * trade.qty // SCALE
        if price > candle.high:
            candle.high = price
        elif price < candle.low:
            candle.low = price
        candle.close, candle.last_id = price, trade.trade_id
        candle.qty += trade.qty
        candle.quote += quote
        candle.count += count
        if not trade.buyer_is_maker:
            candle.taker_qty += trade.qty
            candle.taker_quote += quote

    def candles(self, interval: str, now_ms: int, limit: int, offset_ms: int = 0) -> list[Candle]:
        """The last ``limit`` up to ``now_ms``, oldest first, periods without trades too, none before the first trade.

        ``offset_ms``: the time zone whose midnight begins a day.
        """
        self._settle()
        known = {candle.open_ms: candle for candle in self._in_zone(interval, offset_ms)}
        if not known:
            return []
        first_ms = min(known)
        wanted: list[int] = []
        open_ms = opening_ms(interval, now_ms, offset_ms)
        while open_ms >= first_ms and len(wanted) < limit:
            wanted.append(open_ms)
            open_ms = opening_ms(interval, open_ms - 1, offset_ms)
        if not wanted:
            return []
        found: list[Candle] = []
        close = known[max(open_ms for open_ms in known if open_ms <= wanted[-1])].close
        for open_ms in reversed(wanted):
            candle = known.get(open_ms) or flat(open_ms, close)
            close = candle.close
            found.append(candle)
        return found

    def total(self, start_ms: int, end_ms: int) -> tuple[Candle | None, int]:
        """Everything in the minutes from ``start_ms`` up to ``end_ms`` as one candle, and the price before (0: none).

        None where nothing was.
        """
        self._settle()
        series = self._series["1m"]
        if not series or end_ms < series[-1].open_ms:
            return self._sum(start_ms, end_ms)
        last = series[-1]
        if self._sums_until_ms != last.open_ms:
            self._sums_until_ms = last.open_ms
            self._sums.clear()
        start_ms = start_ms // MINUTE_MS * MINUTE_MS
        if start_ms not in self._sums:
            self._sums[start_ms] = self._sum(start_ms, last.open_ms - 1)
        whole, before = self._sums[start_ms]
        if last.open_ms < start_ms:
            return None, last.close
        if whole is None:
            return last.copy(start_ms), before
        whole = whole.copy(start_ms)
        whole.fold(last)
        return whole, before

    def _sum(self, start_ms: int, end_ms: int) -> tuple[Candle | None, int]:
        whole, before = None, 0
        for candle in self._series["1m"]:
            if candle.open_ms < start_ms:
                before = candle.close
            elif candle.open_ms <= end_ms:
                if whole is None:
                    whole = flat(start_ms, candle.open)
                whole.fold(candle)
        return whole, before

    def average(self, now_ms: int, minutes: int) -> int:
        """The volume-weighted price of so many minutes; where nothing traded in them, the last price (0: none)."""
        whole, _ = self.total(now_ms - minutes * MINUTE_MS, now_ms)
        if whole is not None and whole.qty:
            return whole.quote * SCALE // whole.qty
        return self.recent[-1].price if self.recent else 0

    # -- folding ---------------------------------------------------------------------------------------------------

    def _settle(self) -> None:
        """Have every series say everything."""
        self._close_second()
        self._close_minute()

    def _close_second(self) -> None:
        candle, self._second = self._second, None
        if candle is None:
            return
        _fold_into(self._series["1s"], candle, candle.open_ms)
        open_ms = candle.open_ms // MINUTE_MS * MINUTE_MS
        if self._minute is not None and self._minute.open_ms != open_ms:
            self._close_minute()
        if self._minute is None:
            self._minute = flat(open_ms, candle.open)
        self._minute.fold(candle)

    def _close_minute(self) -> None:
        candle, self._minute = self._minute, None
        if candle is None:
            return
        for interval, series in self._series.items():
            if interval != "1s":
                _fold_into(series, candle, opening_ms(interval, candle.open_ms))

    def _in_zone(self, interval: str, offset_ms: int) -> Iterable[Candle]:
        """The interval's candles; where the time zone moves their borders, made of the minutes."""
        length_ms = INTERVALS[interval]
        if not offset_ms or (length_ms < DAY_MS and interval != MONTH and not offset_ms % length_ms):
            return self._series[interval]
        series: deque[Candle] = deque()
        for candle in self._series["1m"]:
            _fold_into(series, candle, opening_ms(interval, candle.open_ms, offset_ms))
        return series


def _fold_into(series: deque[Candle], candle: Candle, open_ms: int) -> None:
    if series and series[-1].open_ms == open_ms:
        series[-1].fold(candle)
    else:
        series.append(candle.copy(open_ms))
