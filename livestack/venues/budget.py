"""What one address may still ask of a venue: request weight and connections, shared by every connection of a node.

Pure; the lock is given, because feeds and connectors ask on their own threads. The venue counts weight by address in
windows of its own clock and says what it counted; what was taken here and not yet counted there comes on top, so that
the sum is never too low. Order requests are counted by the Core, which keeps ``host_reserve`` of the limit free for all
this (core-runtime.md section 7); here they are seen in what the venue counted. A venue that wants silence gets it.
"""

from __future__ import annotations

from collections import deque
from contextlib import AbstractContextManager, nullcontext
from enum import IntEnum
from typing import Final

WEIGHT_MAX: Final = 6_000
"""REQUEST_WEIGHT a minute, until the venue's own list of limits was read (venues.md 1.4)."""

WINDOW_NS: Final = 60_000_000_000

CONNECTS_MAX: Final = 240
"""Attempts in :data:`CONNECTS_WINDOW_NS`: the venue allows 300, the guard and a second node have addresses to share."""

CONNECTS_WINDOW_NS: Final = 300_000_000_000

GUARD_BAND_NS: Final = 1_000_000_000
"""A request near the end of a window may be counted in the next one."""


class Purpose(IntEnum):
    """Why something is asked. The more it protects, the more of the limit it may use."""

    MARKET = 1
    """Book snapshots, polled market data, instruments."""
    UPKEEP = 2
    """The periodic reconciliation and whatever else can wait."""
    DOUBT = 3
    """Log-on, reconciliation after an interruption, an order whose fate is unknown."""
    REDUCE = 4
    """Cancelling at the venue. It alone is not stopped by a 429; a ban stops everything."""


SHARES: Final = {Purpose.MARKET: 50, Purpose.UPKEEP: 60, Purpose.DOUBT: 85, Purpose.REDUCE: 100}
"""Percent of the limit up to which each may use it."""


class RequestBudget:
    """One venue's limits as one address sees them. Any thread; ``now_ns`` is session time.

    ``take`` and ``connect`` return 0 where it may be done now (and count it), otherwise when to ask again at the
    earliest. What was taken is given back by ``answered``, with the venue's own count where the answer has it.
    ``lock``: held around every look at it, where more than one thread has it.
    """

    def __init__(
        self,
        weight_max: int = WEIGHT_MAX,
        window_ns: int = WINDOW_NS,
        lock: AbstractContextManager[object] | None = None,
    ) -> None:
        self._lock = lock if lock is not None else nullcontext()
        self._weight_max = weight_max
        self._window_ns = window_ns
        self._offset_ns = 0
        self._window = -1
        self._counted = 0
        self._under_way = 0
        self._silent_until_ns = 0
        self._banned_until_ns = 0
        self._connects: deque[int] = deque()
        self.denied = 0
        """How often something had to wait."""

    @property
    def weight_max(self) -> int:
        """The venue's limit in one window."""
        return self._weight_max

    def used(self, now_ns: int) -> int:
        """Weight used in the present window, as far as is known."""
        with self._lock:
            self._roll(now_ns)
            return self._counted + self._under_way

    def limit(self, weight_max: int, window_ns: int) -> None:
        """The venue's own limit, as its list or an answer gives it."""
        if weight_max <= 0 or window_ns <= 0:
            return
        with self._lock:
            if window_ns != self._window_ns:
                self._window = -1
            self._weight_max, self._window_ns = weight_max, window_ns

    def set_clock(self, offset_ns: int) -> None:
        """The venue's clock minus ours: its windows begin by its clock."""
        with self._lock:
            self._offset_ns = offset_ns

    def take(self, weight: int, purpose: Purpose, now_ns: int) -> int:
        """Whether a request of ``weight`` may go now."""
        with self._lock:
            self._roll(now_ns)
            wait_until_ns = self._silence(purpose)
            if now_ns < wait_until_ns:
                self.denied += 1
                return wait_until_ns
            if self._counted + self._under_way + weight > self._weight_max * SHARES[purpose] // 100:
                self.denied += 1
                return self._next_window_ns(now_ns)
            self._under_way += weight
            return 0

    def answered(self, weight: int, counted: int, now_ns: int) -> None:
        """A request of ``weight`` is over. ``counted``: what the venue says is used of the window; -1: it does not.

        Right after a window began its count may still be that of the one before, and is not believed.
        """
        with self._lock:
            self._roll(now_ns)
            if (now_ns + self._offset_ns) % self._window_ns < GUARD_BAND_NS:
                counted = -1
            taken = min(weight, self._under_way)
            self._under_way -= taken
            self._counted = max(self._counted + taken, counted)

    def counted(self, used: int, now_ns: int) -> None:
        """The venue says how much is used, on an answer to something that was not taken here."""
        self.answered(0, used, now_ns)

    def silence(self, until_ns: int, *, is_ban: bool) -> None:
        """The venue wants to hear nothing before ``until_ns``: 429, or 418 where ``is_ban``."""
        with self._lock:
            self._silent_until_ns = max(self._silent_until_ns, until_ns)
            if is_ban:
                self._banned_until_ns = max(self._banned_until_ns, until_ns)

    def silent_until_ns(self, purpose: Purpose) -> int:
        """Until when the venue wants to hear nothing of ``purpose``; 0 or a time that has passed: it may be asked."""
        with self._lock:
            return self._silence(purpose)

    def connect(self, now_ns: int, weight: int = 0) -> int:
        """Whether another connection may be tried now; opening one costs ``weight``. Any silence is one for this."""
        with self._lock:
            self._roll(now_ns)
            if now_ns < self._silent_until_ns:
                return self._silent_until_ns
            while self._connects and now_ns - self._connects[0] >= CONNECTS_WINDOW_NS:
                self._connects.popleft()
            if len(self._connects) >= CONNECTS_MAX:
                self.denied += 1
                return self._connects[0] + CONNECTS_WINDOW_NS
            if self._counted + self._under_way + weight > self._weight_max:
                self.denied += 1
                return self._next_window_ns(now_ns)
            self._connects.append(now_ns)
            self._counted += weight
            return 0

    def _silence(self, purpose: Purpose) -> int:
        return self._banned_until_ns if purpose is Purpose.REDUCE else self._silent_until_ns

    def _roll(self, now_ns: int) -> None:
        """Another window begins empty; what is under way then may be counted in it."""
        window = (now_ns + self._offset_ns) // self._window_ns
        if window > self._window or window < self._window - 1:
            self._window, self._counted = window, 0

    def _next_window_ns(self, now_ns: int) -> int:
        begins_ns = ((now_ns + self._offset_ns) // self._window_ns + 1) * self._window_ns
        return begins_ns - self._offset_ns + GUARD_BAND_NS
