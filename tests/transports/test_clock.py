"""Session time and the timer thread."""

from __future__ import annotations

import queue
import threading
import time

from livestack.transports.clock import SystemClock, TimerThread

WAIT_S = 30


def test_session_time_goes_on_from_the_last_stamp() -> None:
    """It begins at the wall clock, or at the journal's last ``ts`` where that is later; and never goes back."""
    future_ns = time.time_ns() + 3_600_000_000_000
    clock = SystemClock(not_before=future_ns)
    stamps = [clock.now_ns() for _ in range(1_000)]
    assert stamps[0] >= future_ns
    assert stamps == sorted(stamps)
    assert clock.wall_ns() < future_ns


def test_timers_call_in_the_order_of_their_deadlines() -> None:
    """Whatever the order in which they were set; a cancelled one never calls; all on the timers' own thread."""
    clock = SystemClock()
    timers = TimerThread(clock)
    called: queue.SimpleQueue[tuple[str, str]] = queue.SimpleQueue()

    def note(name: str) -> None:
        called.put((name, threading.current_thread().name))

    now_ns = clock.now_ns()
    timers.at(now_ns + 30_000_000, lambda: note("last"))
    cancel = timers.at(now_ns + 20_000_000, lambda: note("cancelled"))
    timers.at(now_ns + 10_000_000, lambda: note("first"))
    timers.at(0, lambda: note("overdue"))
    cancel()
    got = [called.get(timeout=WAIT_S) for _ in range(3)]
    assert got == [("overdue", "timers"), ("first", "timers"), ("last", "timers")]
    timers.close()
    assert called.empty()


def test_timers_of_a_faster_clock_keep_its_pace() -> None:
    """On a clock that goes a thousand times faster, half an hour of session time passes in a wait of seconds."""
    pace = 1_000
    begun_ns = time.monotonic_ns()

    class FastClock:
        def now_ns(self) -> int:
            return (time.monotonic_ns() - begun_ns) * pace

        def wall_ns(self) -> int:
            return self.now_ns()

    clock = FastClock()
    timers = TimerThread(clock, pace)
    called: queue.SimpleQueue[int] = queue.SimpleQueue()
    deadline_ns = clock.now_ns() + 1_800_000_000_000
    timers.at(deadline_ns, lambda: called.put(clock.now_ns()))
    assert called.get(timeout=WAIT_S) >= deadline_ns
    timers.close()
