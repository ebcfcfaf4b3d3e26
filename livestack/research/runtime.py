"""The Core Runtime under historical time: gives positions and times, keeps what the Core asked to be woken for.

Imports core only; reads no clock: every time comes from its caller, and never goes back. Runs on the caller's thread.
"""

from __future__ import annotations

from livestack.core.events import ControlTime, InputEvent, IntentDenied
from livestack.core.obligations import CancelAllAtVenue, QueryFills, QueryOpenOrders, QueryOrder, WakeAt
from livestack.core.runtime import CoreRuntime, Step
from livestack.core.state import State
from livestack.summary import note

Question = QueryOrder | QueryOpenOrders | QueryFills | CancelAllAtVenue
"""What only the venue can answer."""


class ResearchRuntime:
    """Sequencer and host of one Core. ``counts``: Events by type; ``denials``: by rule how often, and the first one's
    sentence."""

    def __init__(self, runtime: CoreRuntime) -> None:
        self._runtime = runtime
        self.seq = 0
        """The last position of the Event Stream."""
        self.ts = 0
        """The last time that was given, in nanoseconds."""
        self.counts: dict[type, int] = {}
        self.denials: dict[str, tuple[int, str]] = {}
        self.notices: dict[str, int] = {}
        self._wakes: dict[str, WakeAt] = {}
        self._woken: dict[str, int] = {}
        self._asked: dict[str, Question] = {}

    @property
    def state(self) -> State:
        return self._runtime.state

    def feed(self, ts: int, event: InputEvent) -> Step:
        """One INPUT at the next position; its DERIVED Events take those behind it. A ``ts`` that lies back becomes the
        last one."""
        if ts < self.ts:
            ts = self.ts
        else:
            self.ts = ts
        seq = self.seq + 1
        step = self._runtime.step(seq, ts, event)
        counts = self.counts
        kind: type = type(event)
        counts[kind] = counts.get(kind, 0) + 1
        derived = step.derived
        self.seq = seq + len(derived)
        for one in derived:
            kind = type(one)
            counts[kind] = counts.get(kind, 0) + 1
            if type(one) is IntentDenied:
                times, first = self.denials.get(one.rule, (0, one.detail))
                self.denials[one.rule] = (times + 1, first)
            else:
                note(self.notices, one, self._runtime.failure)
        if step.obligations_changed:
            self._look_at_obligations()
        return step

    def next_wake(self) -> WakeAt | None:
        """The earliest deadline that has not been answered yet; of equal ones the Core's first."""
        return min(self._wakes.values(), key=lambda wake: wake.deadline_ns, default=None)

    def wake(self, wake: WakeAt) -> Step:
        """Jump to ``wake``'s deadline, or to now where that has passed, and answer it. It is answered once, also where
        the Core goes on to owe the same."""
        self._woken[wake.scope] = wake.deadline_ns
        self._wakes.pop(wake.scope, None)
        return self.feed(
            max(wake.deadline_ns, self.ts), ControlTime(scope=wake.scope, deadline_ns=wake.deadline_ns)
        )

    def questions(self) -> list[Question]:
        """What the Core wants to know from the venue and has not asked before."""
        owed = {one.scope: one for one in self._runtime.obligations() if not isinstance(one, WakeAt)}
        fresh = [one for scope, one in owed.items() if self._asked.get(scope) != one]
        self._asked = owed
        return fresh

    def _look_at_obligations(self) -> None:
        owed = {one.scope: one for one in self._runtime.obligations() if isinstance(one, WakeAt)}
        self._woken = {
            scope: deadline
            for scope, deadline in self._woken.items()
            if scope in owed and owed[scope].deadline_ns == deadline
        }
        self._wakes = {scope: wake for scope, wake in owed.items() if scope not in self._woken}
