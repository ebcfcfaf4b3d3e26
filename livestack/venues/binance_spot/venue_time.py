"""The venue's clock, as well as it can be known from here, and whether ours may be trusted.

Pure; belongs to the order-entry adapter's thread. Every reply that carries the venue's time bounds its offset: the time
was read between request and reply. What has the narrowest bounds by now decides; they widen with age, because no two
clocks run alike. A measurement that cannot be true together with the estimate means that one of the clocks was set:
what was known before is worth nothing then.
"""

from __future__ import annotations

from typing import Final

from livestack.core.events import Event, VenueClock
from livestack.core.incidents import CLOCK_SKEW

DRIFT_NS: Final = 1_000_000
"""What a measurement of the venue's clock is at least uncertain by: its times are whole milliseconds."""

DRIFT_PPM: Final = 100
"""How fast the bounds widen: two bad quartz clocks part by 6 ms a minute."""

ALLOWANCE_NS: Final = 10_000_000
"""What is told is told with bounds so much wider, so that it need not be told anew for every measurement."""

_MILLI = 1_000_000


class VenueTime:
    """The venue's clock as measured: ``offset_ns`` from session time, within ``error_ns`` when that was measured; -1:
    it never was. ``steps`` counts how often a clock was set."""

    def __init__(self) -> None:
        self.offset_ns = 0
        self.error_ns = -1
        self.steps = 0
        self._at_ns = 0

    def measured(self, begun_ns: int, recv_ns: int, server_ms: int) -> bool:
        """The venue said ``server_ms`` somewhere between the two. Whether that proves that a clock was set."""
        offset_ns = server_ms * _MILLI + _MILLI // 2 - (begun_ns + recv_ns) // 2
        error_ns = (recv_ns - begun_ns) // 2 + DRIFT_NS
        known_ns = self.error_at(recv_ns)
        is_step = known_ns >= 0 and abs(offset_ns - self.offset_ns) > error_ns + known_ns
        self.steps += is_step
        if is_step or known_ns < 0 or error_ns <= known_ns:
            self.offset_ns, self.error_ns, self._at_ns = offset_ns, error_ns, recv_ns
        return is_step

    def error_at(self, now_ns: int) -> int:
        """Within what the offset is known at ``now_ns``; -1: not at all."""
        if self.error_ns < 0:
            return -1
        return self.error_ns + max(now_ns - self._at_ns, 0) * DRIFT_PPM // 1_000_000

    def milliseconds(self, now_ns: int, wall_ns: int) -> int:
        """The time to sign with: never ahead of the venue's, and by the wall clock until it was measured."""
        if self.error_ns < 0:
            return wall_ns // _MILLI
        return (now_ns + self.offset_ns - self.error_at(now_ns)) // _MILLI


class ClockWatch:
    """Tells ``events`` of the venue's clock where that is news, and of a wall clock that is off by more than
    ``skew_max_ns``; ``is_good`` while it is not, and until it was looked at. ``is_open``: somebody before us
    told of one, so that the first good look is told too."""

    def __init__(
        self,
        venue: str,
        time: VenueTime,
        skew_max_ns: int,
        events: list[Event],
        *,
        is_open: bool = False,
    ) -> None:
        self._venue = venue
        self._time = time
        self._skew_max_ns = skew_max_ns
        self._events = events
        self._told_offset_ns = 0
        self._told_error_ns = -1
        self._is_told = is_open
        self.is_good = True

    def measured(self, begun_ns: int, recv_ns: int, server_ms: int) -> bool:
        """The venue said ``server_ms`` between the two. Whether a clock was set."""
        is_step = self._time.measured(begun_ns, recv_ns, server_ms)
        error_ns = self._time.error_at(recv_ns) + ALLOWANCE_NS
        moved_ns = abs(self._time.offset_ns - self._told_offset_ns)
        is_covered = moved_ns + error_ns - ALLOWANCE_NS <= self._told_error_ns
        if is_step or not is_covered or error_ns < self._told_error_ns // 2:
            self._told_offset_ns, self._told_error_ns = self._time.offset_ns, error_ns
            self._events.append(
                VenueClock(venue=self._venue, offset_ns=self._time.offset_ns, error_ns=error_ns)
            )
        return is_step

    def look(self, now_ns: int, wall_ns: int) -> None:
        """Compare our wall clock with the venue's. One that was bad is good again well within the limit."""
        error_ns = self._time.error_at(now_ns)
        if error_ns < 0:
            return
        skew_ns = now_ns + self._time.offset_ns - wall_ns
        worst_ns = max(abs(skew_ns), error_ns)
        detail = (
            f"the venue's clock is {skew_ns // _MILLI:+} ms from ours, known within {error_ns // _MILLI} ms"
        )
        if self.is_good and worst_ns > self._skew_max_ns:
            self.is_good = False
            self._is_told = True
            self._events.append(CLOCK_SKEW.opened(self._venue, detail))
        elif self._is_told and worst_ns <= self._skew_max_ns // 2:
            self.is_good = True
            self._is_told = False
            self._events.append(CLOCK_SKEW.closed(self._venue, detail))
