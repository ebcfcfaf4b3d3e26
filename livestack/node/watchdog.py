"""The watchdog: sees that the harness gets on, that no thread has died unheard, and gives the guard its pulse.

One thread with a clock of its own, as whoever it watches may hold every other one up. A step that does not return
closes the gate and dumps every thread's stack; when it returns the gate opens again by itself. If the interpreter is
held, this thread does not run either: then the pulse stops, and the guard acts (live-stack.md sections 3 and 8).
"""

from __future__ import annotations

import faulthandler
import threading
from collections.abc import Callable
from pathlib import Path

import structlog

from livestack.actors.gate import DispatchGate, Hold
from livestack.actors.mailbox import HarnessMailbox
from livestack.actors.progress import Progress
from livestack.core.control_events import HALTING
from livestack.core.events import IncidentClosed, IncidentOpened
from livestack.transports.clock import Clock

LOOKS = 10
"""In the time of a stall: it is noticed a tenth of that late at the most."""

LOOK_NS_MAX = 100_000_000
"""Longest time between two looks, however long a step may take: the pulse for the guard, dead threads."""

STALL = "stall"
STACKS_NAME = "stacks.txt"


class Watchdog:
    """``stall_ns``: what a step may take. ``beat`` is called at every look at which the harness gets on; ``look_after``
    has dead threads tell of it. ``look_ns_max``: see ``LOOK_NS_MAX``."""

    def __init__(
        self,
        *,
        gate: DispatchGate,
        harness: HarnessMailbox,
        progress: Progress,
        clock: Clock,
        stall_ns: int,
        beat: Callable[[], None],
        look_after: Callable[[], None],
        stacks: Path,
        look_ns_max: int = LOOK_NS_MAX,
    ) -> None:
        self._gate = gate
        self._harness = harness
        self._progress = progress
        self._clock = clock
        self._stall_ns = stall_ns
        self._beat = beat
        self._look_after = look_after
        self._stacks = stacks
        self._look_ns_max = look_ns_max
        self._stalled = False
        self._sequenced = -1
        self._moved_ns = clock.now_ns()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)
        self._log = structlog.get_logger("watchdog")

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        wait_s = min(self._stall_ns // LOOKS, self._look_ns_max) / 1e9
        while not self._over.wait(wait_s):
            try:
                self.look()
                self._look_after()
            except Exception as error:  # noqa: BLE001 - nobody watches the watchdog: it goes on whatever it was
                self._log.error("watchdog_failed", error=f"{type(error).__name__}: {error}")

    def look(self) -> None:
        """See whether the harness gets on, and act on it."""
        now_ns = self._clock.now_ns()
        stuck_ns = self._stuck_ns(now_ns)
        if stuck_ns < self._stall_ns:
            if self._stalled:
                self._regained()
            self._beat()
        elif not self._stalled:
            self._stalled = True
            self._lost(stuck_ns)

    def _stuck_ns(self, now_ns: int) -> int:
        """How long nothing has come of what the harness has to do."""
        progress = self._progress
        busy_ns = progress.busy_ns
        idle = not busy_ns and not self._harness.is_waiting()
        if idle or progress.sequenced != self._sequenced:
            self._sequenced, self._moved_ns = progress.sequenced, now_ns
        return now_ns - max(self._moved_ns, busy_ns)

    def _lost(self, stuck_ns: int) -> None:
        self._gate.close(Hold.STALL)
        self._log.error("harness_stalled", for_ms=stuck_ns // 1_000_000, stacks=str(self._stacks))
        self._harness.tell_control(
            [
                IncidentOpened(
                    name=STALL,
                    scope="harness",
                    grade=HALTING,
                    detail=f"a step did not return in {self._stall_ns // 1_000_000} ms; stacks are in {STACKS_NAME}",
                )
            ]
        )
        try:
            with self._stacks.open("w", encoding="utf-8") as file:
                faulthandler.dump_traceback(file)
        except OSError as error:
            self._log.error("no_stacks", cause=str(error))

    def _regained(self) -> None:
        self._stalled = False
        self._gate.open(Hold.STALL)
        self._log.warning("harness_returned")
        self._harness.tell_control([IncidentClosed(name=STALL, scope="harness", detail="it returned")])
