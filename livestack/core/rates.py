"""The rate rule: a deterministic function of ``ts`` that never exceeds a venue's limits, and wastes nothing.

Pure. One :class:`LimitUsage` per configured limit. *Aligned* limits count in the venue's own windows (multiples of
the interval on the venue's clock); a request near a boundary is counted in both windows that it may fall into.
*Sliding* limits remember each dispatch until the interval has passed, with the guard band at both of its ends. Venue
counters correct both: used = reported + dispatched since that report's request. Cancels may use a share that New and
Replace may not. Harness thread.
"""

from __future__ import annotations

from typing import Final

import msgspec

from livestack.core.configuration import RateLimit
from livestack.core.types import RateUsage, RequestKind

STAMPS_MAX = 4_096
"""Requests whose venue counters may still come back: more than any venue lets us send in its reply time."""

RESUME_FULL_INTERVAL_MAX = 600_000_000_000
"""After a crash shorter windows count as full; longer ones are dominated by what the journal itself has counted."""

WINDOWS_MAX: Final = 16
"""Windows by which a clock may be wrong and still be reckoned with; beyond it nothing is sent by that clock."""

NEVER: Final = 2**62


class LimitUsage(msgspec.Struct, kw_only=True):
    """How much of one limit is used. ``total`` counts all weight ever dispatched, to date reports.

    ``now_ns`` is on the venue's clock for an aligned limit, and ``ts`` for a sliding one: what lies between two
    requests does not depend on what is thought of the venue's clock.
    """

    windows: dict[int, int] = {}
    sent: list[tuple[int, int]] = []
    total: int = 0
    reported_limit: int = 0

    def used(self, limit: RateLimit, guard_ns: int, now_ns: int) -> int:
        """The fullest of the windows that a request sent now may fall into."""
        if limit.aligned:
            first, last = _touched(limit, guard_ns, now_ns)
            used = self.windows.get(first, 0)
            for window in range(first + 1, last + 1):
                used = max(used, self.windows.get(window, 0))
            return used
        horizon = now_ns - limit.interval - 2 * limit.guard_band
        return sum(weight for sent_ns, weight in self.sent if sent_ns > horizon)

    def add(self, limit: RateLimit, guard_ns: int, now_ns: int, weight: int) -> None:
        self.total += weight
        if not limit.aligned:
            self._forget(limit, now_ns)
            self.sent.append((now_ns, weight))
            return
        first, last = _touched(limit, guard_ns, now_ns)
        windows = self.windows
        for window in [window for window in windows if window < first]:
            del windows[window]
        for window in range(first, last + 1):
            windows[window] = windows.get(window, 0) + weight

    def correct(self, limit: RateLimit, guard_ns: int, now_ns: int, used: int, exact: bool) -> None:
        """Take the venue's count; downwards only when it is ``exact`` and the limit counts in windows."""
        if limit.aligned:
            first, last = _touched(limit, guard_ns, now_ns)
            for window in range(first, last + 1):
                known = self.windows.get(window, 0)
                self.windows[window] = used if exact else max(known, used)
            return
        missing = used - self.used(limit, guard_ns, now_ns)
        if missing > 0:
            self.sent.append((now_ns, missing))

    def free_at(self, limit: RateLimit, guard_ns: int, now_ns: int, room: int) -> int:
        """Earliest time at which ``used`` can be at or below ``room``."""
        if limit.aligned:
            first, last = _touched(limit, guard_ns, now_ns)
            full = max(
                (window for window in range(first, last + 1) if self.windows.get(window, 0) > room),
                default=-1,
            )
            return (full + 1) * limit.interval + guard_ns if full >= 0 else now_ns
        used = self.used(limit, guard_ns, now_ns)
        horizon = now_ns - limit.interval - 2 * limit.guard_band
        for sent_ns, weight in self.sent:
            if used <= room:
                break
            if sent_ns > horizon:
                used -= weight
                now_ns = sent_ns + limit.interval + 2 * limit.guard_band
        return now_ns

    def _forget(self, limit: RateLimit, now_ns: int) -> None:
        horizon = now_ns - limit.interval - 2 * limit.guard_band
        gone = 0
        for sent_ns, _ in self.sent:
            if sent_ns > horizon:
                break
            gone += 1
        if gone:
            del self.sent[:gone]


_UNUSED = LimitUsage()


class VenueRates(msgspec.Struct, kw_only=True):
    """One venue's limits in use. ``stamps``: totals right after each recent request, to date its report."""

    limits: list[LimitUsage] = []
    stamps: dict[tuple[int, int], tuple[int, ...]] = {}
    backoff_until: int = 0
    offset_ns: int = 0
    error_ns: int = 0

    def shape(self, rules: tuple[RateLimit, ...]) -> None:
        """Have one usage per rule; a changed set keeps the leading ones. A reader must not: it writes nothing."""
        while len(self.limits) < len(rules):
            self.limits.append(LimitUsage())
        del self.limits[len(rules) :]

    def fits(self, rules: tuple[RateLimit, ...], kind: RequestKind, ts: int) -> bool:
        """Whether one request of ``kind`` may go at ``ts``, by every limit at once."""
        return self.wait_until(rules, kind, ts) <= ts

    def wait_until(self, rules: tuple[RateLimit, ...], kind: RequestKind, ts: int) -> int:
        """Earliest ``ts`` at which ``kind`` may fit: now, or when a window rolls or the back-off ends."""
        earliest = max(ts, self.backoff_until)
        for index, rule in enumerate(rules):
            usage = self.limits[index] if index < len(self.limits) else _UNUSED
            weight = weight_of(rule, kind)
            if weight == 0:
                continue
            limit = min(rule.limit, usage.reported_limit or rule.limit) - rule.host_reserve
            room = (limit if kind is RequestKind.CANCEL else limit - rule.cancel_reserve) - weight
            guard_ns, now_ns = self._clock(rule, ts)
            if room < 0 or (rule.aligned and self.error_ns > WINDOWS_MAX * rule.interval):
                return NEVER
            if usage.used(rule, guard_ns, now_ns) > room:
                free_ts = usage.free_at(rule, guard_ns, now_ns, room) + ts - now_ns
                earliest = max(earliest, free_ts, ts + 1)
        return earliest

    def dispatched(
        self, rules: tuple[RateLimit, ...], kind: RequestKind, key: tuple[int, int], ts: int
    ) -> None:
        """Count one request ``key = (order_id, revision)``."""
        self.shape(rules)
        for rule, usage in zip(rules, self.limits, strict=True):
            weight = weight_of(rule, kind)
            if weight:
                usage.add(rule, *self._clock(rule, ts), weight)
        self.stamps[key] = tuple(usage.total for usage in self.limits)
        if len(self.stamps) > STAMPS_MAX:
            del self.stamps[next(iter(self.stamps))]

    def reported(
        self,
        rules: tuple[RateLimit, ...],
        key: tuple[int, int],
        usage: tuple[RateUsage, ...],
        idle: bool,
        ts: int,
    ) -> None:
        """The venue's own counters, as of request ``key``; ``idle``: nothing of ours is inflight there."""
        self.shape(rules)
        stamp = self.stamps.get(key)
        for index, (rule, mine) in enumerate(zip(rules, self.limits, strict=True)):
            for theirs in usage:
                if theirs.kind != rule.kind or theirs.interval_ns != rule.interval:
                    continue
                known = stamp is not None and index < len(stamp)
                since = mine.total - stamp[index] if stamp is not None and known else 0
                mine.reported_limit = max(theirs.limit, 0)
                mine.correct(rule, *self._clock(rule, ts), max(theirs.used, 0) + since, known or idle)

    def take_as_full(self, rules: tuple[RateLimit, ...], ts: int) -> None:
        """After a crash: what others of this account did meanwhile is unknown."""
        self.shape(rules)
        for rule, usage in zip(rules, self.limits, strict=True):
            if rule.interval <= RESUME_FULL_INTERVAL_MAX:
                usage.correct(rule, *self._clock(rule, ts), rule.limit, exact=False)

    def _clock(self, rule: RateLimit, ts: int) -> tuple[int, int]:
        """Guard band and present time of ``rule``: on the venue's clock, with its error, where that is aligned."""
        if not rule.aligned:
            return rule.guard_band, ts
        return rule.guard_band + min(self.error_ns, WINDOWS_MAX * rule.interval), ts + self.offset_ns


def weight_of(rule: RateLimit, kind: RequestKind) -> int:
    """What one request of ``kind`` takes of ``rule``."""
    if kind is RequestKind.NEW:
        return rule.new
    return rule.replace if kind is RequestKind.REPLACE else rule.cancel


def _touched(limit: RateLimit, guard_ns: int, now_ns: int) -> tuple[int, int]:
    """First and last window that a request sent at ``now_ns`` may be counted in."""
    return (now_ns - guard_ns) // limit.interval, (now_ns + guard_ns) // limit.interval
