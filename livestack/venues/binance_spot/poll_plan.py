"""What is polled when: a round robin that takes what the budget gives (venues.md 1.4).

Pure. Belongs to the market-data adapter's thread. Polls are spread evenly over the venue's window and leave some of the
market data's share to book snapshots: all of it at once would leave nothing for the rest of the minute.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import msgspec

from livestack.venues.adapter import Fetch
from livestack.venues.binance_spot.fetches import Asked, Fetches
from livestack.venues.binance_spot.market_events import MarketInstrument
from livestack.venues.binance_spot.numbers import percent_encoded
from livestack.venues.binance_spot.snapshots import depth_weight
from livestack.venues.budget import RequestBudget

POLL_DEPTH, POLL_QUOTES, POLL_TRADES, POLL_AGGREGATES = (
    "poll depth",
    "poll quotes",
    "poll trades",
    "poll aggTrades",
)
KINDS = {
    "depth": POLL_DEPTH,
    "bookTicker": POLL_QUOTES,
    "trade": POLL_TRADES,
    "aggTrade": POLL_AGGREGATES,
}
"""By the name of the stream that it stands for."""

LEVELS_MAX = 100
"""Levels a side of a polled book: the most that costs the least. A fresh book is worth more than a deep one."""

TRADES_MAX = 1_000

QUOTES_WEIGHT_ONE, QUOTES_WEIGHT_ALL = 2, 4
TRADES_WEIGHT, AGGREGATES_WEIGHT = 25, 4

NAMED_MAX = 100
"""Symbols that are named in one request for quotes; for more, everybody's are asked for."""

SHARE_PERCENT = 40
"""Of the venue's limit, for all polls together; market data may use 50."""

WINDOW_NS = 60_000_000_000
AT_ONCE = 4

RETRY_NS_MAX = 5_000_000_000
"""What fails is asked for again after twice as long each time, up to this."""

STALE_NS = 5_000_000_000
STALE_NS_MAX = 15_000_000_000
"""What was not polled for so long is not current: the first, unless a round of polls takes longer; never more than the
second."""


class _Job(msgspec.Struct):
    asked: Asked
    path: str
    query: str
    weight: int
    at_ns: int
    is_asked: bool = False
    failures: int = 0


class PollPlan:
    """``streams``: what is polled of each instrument; ``every_ns``: how often, at most."""

    def __init__(
        self,
        streams: Sequence[str],
        depth_levels: int,
        every_ns: int,
        fetches: Fetches,
        budget: RequestBudget,
    ) -> None:
        self._kinds = [KINDS[stream] for stream in streams]
        self._depth_levels = min(depth_levels, LEVELS_MAX)
        self._every_ns = every_ns
        self._fetches = fetches
        self._budget = budget
        self._jobs: deque[_Job] = deque()
        self._quotes: _Job | None = None
        self._next_ns = 0

    def change(self, instruments: Sequence[MarketInstrument], now_ns: int) -> None:
        """Those that are polled from now on; answers on their way are waited for."""
        symbols = tuple(one.symbol for one in instruments)
        known = {job.asked: job for job in self._jobs}
        self._jobs = deque()
        for kind in self._kinds:
            if kind != POLL_QUOTES:
                for symbol in symbols:
                    asked = Asked(kind, (symbol,))
                    self._jobs.append(known.get(asked) or self._job(asked, now_ns))
        self._quotes = None
        if POLL_QUOTES in self._kinds and symbols:
            self._quotes = self._job(Asked(POLL_QUOTES, symbols), now_ns)

    @property
    def stale_ns(self) -> int:
        """How long nothing may come of an instrument before what is known of it is not current any more."""
        weight = sum(job.weight for job in self._all())
        round_ns = min(self._pace_ns(weight) * 3 // 2, STALE_NS_MAX)
        return max(3 * self._every_ns, STALE_NS, round_ns)

    def answered(self, asked: Asked, now_ns: int, *, is_good: bool) -> None:
        """The answer is here, or none will come. ``is_good``: the venue serves what was asked for."""
        for job in self._all():
            if job.asked == asked:
                job.is_asked = False
                if is_good and job.failures:
                    self._mended(asked.kind, now_ns)
                elif not is_good:
                    job.failures += 1
                    wait_ns = min(self._every_ns << min(job.failures, 20), max(RETRY_NS_MAX, self._every_ns))
                    job.at_ns = now_ns + wait_ns

    def _mended(self, kind: str, now_ns: int) -> None:
        """Everybody who waits because the same thing failed need not any more."""
        for job in self._all():
            if job.asked.kind == kind and job.failures:
                job.failures = 0
                job.at_ns = min(job.at_ns, now_ns + self._every_ns)

    def _all(self) -> list[_Job]:
        return [*self._jobs] if self._quotes is None else [self._quotes, *self._jobs]

    def _pace_ns(self, weight: int) -> int:
        """How long so much weight has to last."""
        return WINDOW_NS * 100 * weight // (self._budget.weight_max * SHARE_PERCENT)

    def due(self, now_ns: int) -> list[Fetch]:
        """The requests to make now."""
        out: list[Fetch] = []
        under_way = sum(self._fetches.count(kind) for kind in self._kinds)
        while under_way < AT_ONCE and now_ns >= self._next_ns:
            job = self._choose(now_ns)
            if job is None:
                break
            fetch = self._fetches.ask(job.asked, job.path, job.query, job.weight, now_ns)
            if fetch is None:
                break
            job.at_ns = now_ns + self._every_ns
            job.is_asked = True
            self._next_ns = max(self._next_ns, now_ns - WINDOW_NS // 60) + self._pace_ns(job.weight)
            out.append(fetch)
            under_way += 1
        return out

    def _choose(self, now_ns: int) -> _Job | None:
        """Quotes first, because one request brings all; then whoever waits longest."""
        quotes, jobs = self._quotes, self._jobs
        if quotes is not None and quotes.at_ns <= now_ns and not quotes.is_asked:
            return quotes
        for index, job in enumerate(jobs):
            if job.at_ns <= now_ns and not job.is_asked:
                del jobs[index]
                jobs.append(job)
                return job
        return None

    def _job(self, asked: Asked, now_ns: int) -> _Job:
        symbols = asked.symbols
        symbol = f"symbol={percent_encoded(symbols[0])}"
        if asked.kind == POLL_DEPTH:
            query, weight = f"{symbol}&limit={self._depth_levels}", depth_weight(self._depth_levels)
            return _Job(asked, "/api/v3/depth", query, weight, now_ns)
        if asked.kind == POLL_TRADES:
            return _Job(asked, "/api/v3/trades", f"{symbol}&limit={TRADES_MAX}", TRADES_WEIGHT, now_ns)
        if asked.kind == POLL_AGGREGATES:
            return _Job(asked, "/api/v3/aggTrades", f"{symbol}&limit={TRADES_MAX}", AGGREGATES_WEIGHT, now_ns)
        query, weight = symbol, QUOTES_WEIGHT_ONE
        if len(symbols) > 1:
            names = "%2C".join(f"%22{percent_encoded(name)}%22" for name in symbols)
            query, weight = (f"symbols=%5B{names}%5D" if len(symbols) <= NAMED_MAX else ""), QUOTES_WEIGHT_ALL
        return _Job(asked, "/api/v3/ticker/bookTicker", query, weight, now_ns)
