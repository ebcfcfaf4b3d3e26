"""The slow model's rate limits: for each limit a count by window, or a list of stamps; nothing is ever forgotten.

The earliest time at which a request fits is found by trying: every boundary that could matter, one after another.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from livestack.core.types import RateUsage, RequestKind

NEVER = 2**62
GUARD_BAND = 250_000_000
WIDEST = 16  # intervals


@dataclass(frozen=True)
class Rule:
    """One limit of a venue; ``weights`` of Cancel, Replace and New."""

    interval: int
    limit: int
    aligned: bool = True
    cancel_reserve: int = 0
    weights: tuple[int, int, int] = (0, 1, 1)

    def weight(self, kind: RequestKind) -> int:
        return self.weights[kind - 1]


@dataclass
class Counter:
    """What one limit has counted: windows in the venue's time, stamps in ours."""

    windows: dict[int, int] = field(default_factory=dict)
    stamps: list[tuple[int, int]] = field(default_factory=list)
    limit: int = 0


@dataclass
class Rates:
    """One venue's limits. ``sent`` are all requests in order, with what each was."""

    rules: tuple[Rule, ...]
    sent: list[tuple[tuple[int, int], RequestKind]] = field(default_factory=list)
    counters: list[Counter] = field(default_factory=list)
    backoff_until: int = 0
    orders_backoff_until: int = 0
    offset_ns: int = 0
    error_ns: int = 0

    def __post_init__(self) -> None:
        self.counters = [Counter() for _ in self.rules]

    def fits(self, kind: RequestKind, now: int) -> bool:
        """Whether one request of ``kind`` may go at ``now``, by every limit."""
        silent_until = max(
            self.backoff_until, self.orders_backoff_until if kind is not RequestKind.CANCEL else 0
        )
        return now >= silent_until and all(
            self._used(index, now) + rule.weight(kind) <= self._room(index, kind)
            and (kind is RequestKind.CANCEL or not rule.aligned or self.error_ns <= WIDEST * rule.interval)
            for index, rule in enumerate(self.rules)
            if rule.weight(kind)
        )

    def earliest(self, kind: RequestKind, now: int) -> int:
        """First ``ts`` from ``now`` on at which ``kind`` fits."""
        tries = {now, self.backoff_until, self.orders_backoff_until}
        for rule, counter in zip(self.rules, self.counters, strict=True):
            guard = GUARD_BAND + min(self.error_ns, WIDEST * rule.interval)
            tries |= {(window + 1) * rule.interval + guard - self.offset_ns for window in counter.windows}
            tries |= {stamp + rule.interval + 2 * GUARD_BAND for stamp, _ in counter.stamps}
        return next((one for one in sorted(tries) if one >= now and self.fits(kind, one)), NEVER)

    def dispatched(self, key: tuple[int, int], kind: RequestKind, now: int) -> None:
        self.sent.append((key, kind))
        for index, rule in enumerate(self.rules):
            if not rule.aligned:
                self.counters[index].stamps.append((now, rule.weight(kind)))
                continue
            for window in self._windows(rule, now):
                counted = self.counters[index].windows
                counted[window] = counted.get(window, 0) + rule.weight(kind)

    def reported(self, key: tuple[int, int], usage: tuple[RateUsage, ...], now: int) -> None:
        """Used = reported + dispatched since the request that the report came with; without one it only raises."""
        place = next((place for place, one in enumerate(self.sent) if one[0] == key), None)
        since = [] if place is None else [kind for _, kind in self.sent[place + 1 :]]
        for theirs in usage:
            for index, rule in enumerate(self.rules):
                if (theirs.kind, theirs.interval_ns) == ("ORDERS", rule.interval):
                    self.counters[index].limit = max(theirs.limit, 0)
                    used = max(theirs.used, 0) + sum(rule.weight(kind) for kind in since)
                    self._correct(index, used, now, exact=place is not None)

    def fill_up(self, now: int) -> None:
        """After a crash all that New and Replace may use counts as used, until its window has passed."""
        for index in range(len(self.rules)):
            self._correct(index, self._room(index, RequestKind.NEW), now, exact=False)

    def _correct(self, index: int, used: int, now: int, exact: bool) -> None:
        rule, counter = self.rules[index], self.counters[index]
        if rule.aligned:
            for window in self._windows(rule, now):
                counter.windows[window] = used if exact else max(used, counter.windows.get(window, 0))
        elif used > self._used(index, now):
            counter.stamps.append((now, used - self._used(index, now)))

    def _used(self, index: int, now: int) -> int:
        rule, counter = self.rules[index], self.counters[index]
        if rule.aligned:
            return max(counter.windows.get(window, 0) for window in self._windows(rule, now))
        horizon = now - rule.interval - 2 * GUARD_BAND
        return sum(weight for stamp, weight in counter.stamps if stamp > horizon)

    def _room(self, index: int, kind: RequestKind) -> int:
        rule = self.rules[index]
        limit = min(rule.limit, self.counters[index].limit or rule.limit)
        return limit if kind is RequestKind.CANCEL else limit - rule.cancel_reserve

    def _windows(self, rule: Rule, now: int) -> list[int]:
        """Every window in which the venue may count a request that is sent now."""
        venue_ns = now + self.offset_ns
        guard = GUARD_BAND + min(self.error_ns, WIDEST * rule.interval)
        return list(range((venue_ns - guard) // rule.interval, (venue_ns + guard) // rule.interval + 1))
