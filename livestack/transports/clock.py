"""Time as the host sees it. The only module that reads a clock; everything else is given a :class:`Clock`.

``now_ns`` is the session's time, one scale for ``ts``, ``recv_ns``, deadlines and every other stamp of a node: the wall
clock once at start, plus elapsed boot-time clock, so that it never goes back, never jumps and counts through suspend
(core-runtime.md 1.2). ``wall_ns`` may step; only request signing and people need it. Timers call back on their own
thread (:class:`TimerThread`) or from the simulation's scheduler: a callback must only put a message somewhere.
"""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections.abc import Callable
from typing import Protocol

import structlog

GIVE_WAY_S = 0.000_5

_BOOT_TIME = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class Clock(Protocol):
    def now_ns(self) -> int:
        """Session time in nanoseconds: never goes back, never jumps."""

    def wall_ns(self) -> int:
        """Nanoseconds since 1970 by the wall clock."""


class Timers(Protocol):
    def at(self, deadline_ns: int, callback: Callable[[], None]) -> Callable[[], None]:
        """Call ``callback`` once ``now_ns`` has reached ``deadline_ns``; returns a function that cancels."""


class SystemClock:
    """The machine's clocks. ``not_before``: the last ``ts`` of the session's journal, where it has one."""

    def __init__(self, not_before: int = 0) -> None:
        self._origin_ns = max(time.time_ns(), not_before) - time.clock_gettime_ns(_BOOT_TIME)

    def resume_behind(self, not_before: int) -> None:
        """The session that is taken up has ``not_before`` as its last ``ts``: go on behind that. Before it runs."""
        behind_ns = not_before - self.now_ns()
        self._origin_ns += max(behind_ns, 0)

    def now_ns(self) -> int:
        return self._origin_ns + time.clock_gettime_ns(_BOOT_TIME)

    def wall_ns(self) -> int:
        return time.time_ns()


class TimerThread:
    """One daemon thread and a heap. ``close`` ends the thread; pending callbacks are dropped.

    ``pace``: how many times faster than the machine's clocks ``clock`` goes; 1 but in rehearsals.
    """

    def __init__(self, clock: Clock, pace: int = 1) -> None:
        self._clock = clock
        self._pace = pace
        self._heap: list[tuple[int, int]] = []
        self._callbacks: dict[int, Callable[[], None]] = {}
        self._numbers = itertools.count(1)
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="timers", daemon=True)
        self._thread.start()

    def at(self, deadline_ns: int, callback: Callable[[], None]) -> Callable[[], None]:
        number = next(self._numbers)
        with self._changed:
            self._callbacks[number] = callback
            heapq.heappush(self._heap, (deadline_ns, number))
            if self._heap[0][1] == number:
                self._changed.notify()
        return lambda: self._cancel(number)

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _cancel(self, number: int) -> None:
        with self._changed:
            self._callbacks.pop(number, None)

    def _run(self) -> None:
        while True:
            with self._changed:
                if self._closed:
                    return
                callback = self._due()
            if callback is not None:
                self._call(callback)

    def _call(self, callback: Callable[[], None]) -> None:
        """One that fails must not end the timers of all others."""
        try:
            callback()
        except Exception as error:  # noqa: BLE001 - whatever it was; it is told
            structlog.get_logger("timers").error("timer_failed", error=f"{type(error).__name__}: {error}")

    def _due(self) -> Callable[[], None] | None:
        """The next callback whose time has come, or None after waiting for a change (lock held)."""
        if not self._heap:
            self._changed.wait()
            return None
        deadline_ns, number = self._heap[0]
        wait_ns = deadline_ns - self._clock.now_ns()
        if number in self._callbacks and wait_ns > 0:
            self._changed.wait(wait_ns / self._pace / 1e9)
            return None
        heapq.heappop(self._heap)
        return self._callbacks.pop(number, None)


def give_way() -> None:
    """Let whoever waits for the interpreter have it: for threads that are in no hurry. Any thread."""
    time.sleep(GIVE_WAY_S)
