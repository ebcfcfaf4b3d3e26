"""Request weight per address and order count per account, in windows aligned to the clock (venues.md 1.4).

Pure. Runs on the venue's thread.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass
from typing import Any

SECOND_NS = 1_000_000_000
ATTEMPTS_NS = 300 * SECOND_NS
INTERVALS_NS = {"SECOND": SECOND_NS, "MINUTE": 60 * SECOND_NS, "DAY": 86_400 * SECOND_NS}


@dataclass(slots=True)
class Window:
    """One limit and what is used of it in the current window."""

    kind: str
    interval: str
    number: int
    limit: int
    started: int = 0
    count: int = 0
    peak: int = 0
    """The most that any one window has seen."""

    @property
    def length_ns(self) -> int:
        return INTERVALS_NS[self.interval] * self.number

    def at(self, now_ns: int) -> int:
        """What is used at ``now_ns``; a new window starts empty. A clock that goes back a little opens none again."""
        window = now_ns // self.length_ns
        if window != self.started and window != self.started - 1:
            self.started, self.count = window, 0
        return self.count

    def add(self, amount: int, now_ns: int) -> None:
        self.count = max(self.at(now_ns) + amount, 0)
        self.peak = max(self.peak, self.count)

    def ends_ns(self) -> int:
        return (self.started + 1) * self.length_ns

    def described(self) -> dict[str, Any]:
        return {
            "rateLimitType": self.kind,
            "interval": self.interval,
            "intervalNum": self.number,
            "limit": self.limit,
        }

    def counted(self, now_ns: int) -> dict[str, Any]:
        return {**self.described(), "count": self.at(now_ns)}

    @property
    def header(self) -> str:
        return f"{self.number}{self.interval[0]}"


@dataclass(slots=True, frozen=True)
class LimitSizes:
    """The venue's own numbers; a test makes them smaller."""

    weight_per_minute: int = 6000
    orders_per_10_seconds: int = 50
    orders_per_day: int = 160_000
    raw_requests_per_5_minutes: int = 300_000
    connections_per_5_minutes: int = 300

    def times(self, allowance: int) -> LimitSizes:
        """So many times as generous."""
        return LimitSizes(
            self.weight_per_minute * allowance,
            self.orders_per_10_seconds * allowance,
            self.orders_per_day * allowance,
            self.raw_requests_per_5_minutes * allowance,
            self.connections_per_5_minutes * allowance,
        )


class Attempts:
    """Connection attempts of one address in the last five minutes, refused ones included."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.peak = 0
        self._times: deque[int] = deque(maxlen=limit + 1)

    def add(self, now_ns: int) -> bool:
        """Count one; False where that was one too many."""
        times = self._times
        while times and now_ns - times[0] >= ATTEMPTS_NS:
            times.popleft()
        times.append(now_ns)
        self.peak = max(self.peak, len(times))
        return len(times) <= self.limit


class Limits:
    """Every window of one address and one account."""

    def __init__(self, sizes: LimitSizes) -> None:
        self.weight = Window("REQUEST_WEIGHT", "MINUTE", 1, sizes.weight_per_minute)
        self.orders = (
            Window("ORDERS", "SECOND", 10, sizes.orders_per_10_seconds),
            Window("ORDERS", "DAY", 1, sizes.orders_per_day),
        )
        self.raw = Window("RAW_REQUESTS", "MINUTE", 5, sizes.raw_requests_per_5_minutes)
        self.attempts = Attempts(sizes.connections_per_5_minutes)
        self.violations: Counter[str] = Counter()
        """What clients earned by themselves, never what a fault decreed."""

    def described(self) -> list[dict[str, Any]]:
        return [window.described() for window in (self.weight, *self.orders, self.raw)]

    def busiest(self) -> dict[str, int]:
        """The most that was used in any one window of each limit."""
        peaks = {f"{one.kind} {one.header}": one.peak for one in (self.weight, *self.orders, self.raw)}
        return {**peaks, "CONNECTIONS 5M": self.attempts.peak}

    def exceeded_orders(self, now_ns: int) -> Window | None:
        """The order window that is full, if one is."""
        return next((window for window in self.orders if window.at(now_ns) >= window.limit), None)

    def count_order(self, amount: int, now_ns: int) -> None:
        for window in self.orders:
            window.add(amount, now_ns)
