"""A session's clock that goes many times faster than the machine's, the same in every process that is given its origin.

An hour of session time passes in minutes: both sides of a campaign, the node and its venue, have this clock. Any
thread.
"""

from __future__ import annotations

import threading
import time

_NEVER = threading.Event()


class ScaledClock:
    """Session time was ``origin_ns`` when the machine's boot-time clock said ``begun_ns``, and goes ``pace`` times
    faster. ``not_before``: see ``SystemClock``."""

    def __init__(self, pace: int, origin_ns: int = 0, begun_ns: int = 0) -> None:
        self.pace = pace
        self.begun_ns = begun_ns or time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        self.origin_ns = origin_ns or time.time_ns()

    def now_ns(self) -> int:
        return self.origin_ns + (time.clock_gettime_ns(time.CLOCK_BOOTTIME) - self.begun_ns) * self.pace

    def wall_ns(self) -> int:
        return self.now_ns()

    def pass_ns(self, duration_ns: int, stop: threading.Event = _NEVER) -> bool:
        """Wait until so much session time has passed, or until ``stop`` is set: whether it is."""
        return stop.wait(max(duration_ns, 0) / self.pace / 1e9)
