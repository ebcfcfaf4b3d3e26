"""The rate rule: a deterministic function of ``ts`` that never exceeds a venue's limits, and wastes nothing.

Pure. One :class:`LimitUsage` for each way of counting, see :func:`counted_as`. *Aligned* limits count in the venue's
own windows (multiples of the interval on the venue's clock); a request near a boundary is counted in both windows that
it may fall into. *Sliding* limits remember each dispatch until the interval has passed, with the guard band at both of
its ends. Venue counters correct both: used = reported + dispatched since that report's request. Cancels may use a
share that New and Replace may not. Harness thread.
"""

from __future__ import annotations

from typing import Final

import msgspec

from livestack.core.configuration import SLIDING_LIMIT_MAX, RateLimit
from livestack.core.types import RateUsage, RequestKind

STAMPS_MAX = 4_096
"""Requests whose venue counters may still come back: more than any venue lets us send in its reply time."""

RESUME_FULL_INTERVAL_MAX = 600_000_000_000
"""After a crash shorter windows count as full; longer ones are dominated by what the journal itself has counted."""

WINDOWS_MAX: Final = 16
"""Windows by which a clock may be wrong and still be reckoned with; beyond it only Cancels are sent by that clock."""

OFFSET_MAX_NS: Final = 10 * 365 * 86_400_000_000_000
"""A venue's clock that differs from ours by more is taken for a mistake."""

NEVER: Final = 2**62

CountedAs = tuple[str, int, bool, int, int, int, int]


class LimitUsage(msgspec.Struct, kw_only=True):
    """How much of one limit is used.

    ``now_ns`` is on the venue's clock for an aligned limit, and ``ts`` for a sliding one: what lies between two
    requests does not depend on what is thought of the venue's clock.
    """

    windows: dict[int, int] = {}
    sent: list[tuple[int, int]] = []
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
        if not limit.aligned:
            self._forget(limit, now_ns)
            self.sent.append((now_ns, weight))
            return
        first, last = _touched(limit, guard_ns, now_ns)
        self._forget_windows(first)
        for window in range(first, last + 1):
            self.windows[window] = self.windows.get(window, 0) + weight

    def correct(self, limit: RateLimit, guard_ns: int, now_ns: int, used: int, exact: bool) -> None:
        """Take the venue's count; downwards only when it is ``exact`` and the limit counts in windows."""
        if limit.aligned:
            first, last = _touched(limit, guard_ns, now_ns)
            self._forget_windows(first)
            for window in range(first, last + 1):
                known = self.windows.get(window, 0)
                self.windows[window] = used if exact else max(known, used)
            return
        missing = used - self.used(limit, guard_ns, now_ns)
        if missing > 0:
            self._forget(limit, now_ns)
            if len(self.sent) >= SLIDING_LIMIT_MAX:
                missing += self.sent.pop()[1]
            self.sent.append((now_ns, missing))

    def draw_in(self, last: int) -> None:
        """``last`` is now the last window that anything can have been counted in: what is known of later ones counts
        there, or it would wait for windows that are far off by a clock that was set back."""
        later = [window for window in self.windows if window > last]
        if later:
            used = max(self.windows.pop(window) for window in later)
            self.windows[last] = max(self.windows.get(last, 0), used)

    def free_at(self, limit: RateLimit, guard_ns: int, now_ns: int, room: int) -> int:
        """Earliest time at which ``used`` can be at or below ``room``."""
        if limit.aligned:
            first, last = _touched(limit, guard_ns, now_ns)
            for window in range(last, first - 1, -1):
                if self.windows.get(window, 0) > room:
                    return (window + 1) * limit.interval + guard_ns
            return now_ns
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

    def _forget_windows(self, first: int) -> None:
        for window in [window for window in self.windows if window < first]:
            del self.windows[window]


class VenueRates(msgspec.Struct, kw_only=True):
    """One venue's limits in use.

    ``dispatches``: requests ever sent, by kind, the latest of them at ``dispatched_ts``; ``stamps``: these numbers
    right after each recent request, as (Cancel, Replace, New), to date its report. Before ``backoff_until`` nothing may
    go, before ``orders_backoff_until`` only Cancels.
    """

    limits: dict[CountedAs, LimitUsage] = {}
    dispatches: dict[RequestKind, int] = {}
    dispatched_ts: int = 0
    stamps: dict[tuple[int, int], tuple[int, int, int]] = {}
    backoff_until: int = 0
    orders_backoff_until: int = 0
    offset_ns: int = 0
    error_ns: int = 0

    def shape(self, rules: tuple[RateLimit, ...]) -> None:
        """Have the usage that ``rules`` ask for, and no other. A reader must not: it writes nothing."""
        wanted = {counted_as(rule): rule for rule in rules}
        if list(self.limits) != list(wanted):
            self.limits = {key: self.usage(rule) for key, rule in wanted.items()}

    def usage(self, rule: RateLimit) -> LimitUsage:
        """What is used of ``rule``. One that has just come up counts all that was ever sent as sent at the latest
        dispatch, up to what New and Replace may use, as the times of the rest are not known; and no less than was
        known of the same kind and interval."""
        identity = counted_as(rule)
        known = self.limits.get(identity)
        if known is not None:
            return known
        usage = LimitUsage()
        for other, before in self.limits.items():
            if other[:3] == identity[:3]:
                usage = LimitUsage(
                    windows=dict(before.windows), sent=list(before.sent), reported_limit=before.reported_limit
                )
                break
        if self.dispatches:
            used = min(self._weight(rule, self._dispatched()), _share(rule, usage, RequestKind.NEW))
            ts = max(self.dispatched_ts, usage.sent[-1][0] if usage.sent else self.dispatched_ts)
            usage.correct(rule, *self._clock(rule, ts), used, exact=False)
        return usage

    def set_clock(self, offset_ns: int, error_ns: int, ts: int) -> None:
        """Another estimate of the venue's clock: what was counted in windows that it has not reached counts now."""
        self.offset_ns, self.error_ns = offset_ns, max(error_ns, 0)
        for (_, interval, _, guard_band, *_), usage in self.limits.items():
            guard_ns = guard_band + min(self.error_ns, WINDOWS_MAX * interval)
            usage.draw_in((ts + offset_ns + guard_ns) // interval)

    def left(self, rule: RateLimit, kind: RequestKind, ts: int) -> tuple[int, int]:
        """What ``kind`` may still use of ``rule`` at ``ts``, and of how much. For display: it writes nothing."""
        usage = self.usage(rule)
        share = max(_share(rule, usage, kind), 0)
        return max(share - usage.used(rule, *self._clock(rule, ts)), 0), share

    def fits(self, rules: tuple[RateLimit, ...], kind: RequestKind, ts: int) -> bool:
        """Whether one request of ``kind`` may go at ``ts``, by every limit at once."""
        return self.wait_until(rules, kind, ts) <= ts

    def wait_until(self, rules: tuple[RateLimit, ...], kind: RequestKind, ts: int) -> int:
        """Earliest ``ts`` at which ``kind`` may fit: now, or when a window rolls or the back-off ends."""
        earliest = max(ts, self.backoff_until)
        if kind is not RequestKind.CANCEL:
            earliest = max(earliest, self.orders_backoff_until)
        for rule in rules:
            weight = weight_of(rule, kind)
            if weight == 0:
                continue
            usage = self.usage(rule)
            room = _share(rule, usage, kind) - weight
            guard_ns, now_ns = self._clock(rule, ts)
            if room < 0 or (kind is not RequestKind.CANCEL and self._clock_is_useless(rule)):
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
        for identity, rule in {counted_as(rule): rule for rule in rules}.items():
            weight = weight_of(rule, kind)
            if weight:
                self.limits[identity].add(rule, *self._clock(rule, ts), weight)
        self.dispatches[kind] = self.dispatches.get(kind, 0) + 1
        self.dispatched_ts = ts
        self.stamps[key] = self._dispatched()
        if len(self.stamps) > STAMPS_MAX:
            del self.stamps[next(iter(self.stamps))]

    def reported(
        self, rules: tuple[RateLimit, ...], key: tuple[int, int], usage: tuple[RateUsage, ...], ts: int
    ) -> None:
        """The venue's own counters, as of request ``key``.

        Without a known request, as for a query, what was sent before and after it cannot be told apart: such a report
        never lowers what is used.
        """
        self.shape(rules)
        stamp = self.stamps.get(key)
        now = self._dispatched()
        since = (0, 0, 0) if stamp is None else (now[0] - stamp[0], now[1] - stamp[1], now[2] - stamp[2])
        for rule in rules:
            mine = self.limits[counted_as(rule)]
            for theirs in usage:
                if theirs.kind != rule.kind or theirs.interval_ns != rule.interval:
                    continue
                mine.reported_limit = max(theirs.limit, 0)
                used = max(theirs.used, 0) + self._weight(rule, since)
                mine.correct(rule, *self._clock(rule, ts), used, exact=stamp is not None)

    def take_as_full(self, rules: tuple[RateLimit, ...], ts: int) -> None:
        """After a crash: what others of this account did meanwhile is unknown. The reserve is left to Cancels."""
        self.shape(rules)
        for rule in rules:
            if rule.interval <= RESUME_FULL_INTERVAL_MAX:
                usage = self.limits[counted_as(rule)]
                full = _share(rule, usage, RequestKind.NEW)
                usage.correct(rule, *self._clock(rule, ts), full, exact=False)

    def _dispatched(self) -> tuple[int, int, int]:
        count = self.dispatches.get
        return count(RequestKind.CANCEL, 0), count(RequestKind.REPLACE, 0), count(RequestKind.NEW, 0)

    def _weight(self, rule: RateLimit, requests: tuple[int, int, int]) -> int:
        cancels, replaces, news = requests
        return cancels * rule.cancel + replaces * rule.replace + news * rule.new

    def _clock_is_useless(self, rule: RateLimit) -> bool:
        return rule.aligned and self.error_ns > WINDOWS_MAX * rule.interval

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


def counted_as(rule: RateLimit) -> CountedAs:
    """All that decides what ``rule`` counts and where: rules that are alike in it share one usage, whatever they
    allow, and keep it when others come and go."""
    return (rule.kind, rule.interval, rule.aligned, rule.guard_band, rule.new, rule.replace, rule.cancel)


def _share(rule: RateLimit, usage: LimitUsage, kind: RequestKind) -> int:
    """What ``kind`` may use of ``rule``, of the venue's own limit where that is lower."""
    limit = min(rule.limit, usage.reported_limit or rule.limit) - rule.host_reserve
    return limit if kind is RequestKind.CANCEL else limit - rule.cancel_reserve


def _touched(limit: RateLimit, guard_ns: int, now_ns: int) -> tuple[int, int]:
    """First and last window that a request sent at ``now_ns`` may be counted in."""
    return (now_ns - guard_ns) // limit.interval, (now_ns + guard_ns) // limit.interval
