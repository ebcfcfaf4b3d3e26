"""The kill-switch: one code path for everybody who pulls it. It closes the gate itself and waits for no actor.

Theory of operation. :meth:`KillSwitch.engage` puts the hold ``kill`` (when that returns no New and no Replace is being
written, and none will be), tells the Core, writes the latch, has every connector cancel everything at its venue, and
tells whoever proves that nothing is left. It counts engagements, and Control Events are put into their lane under the
same lock, so that the order of engagements and resets is the same here, in the lane and in the Event Stream:
:meth:`release` lifts the hold only if nobody has engaged it since its reset was handed in. Runs on: any thread.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import structlog

from livestack.actors.gate import DispatchGate, Hold
from livestack.actors.mailbox import Mailbox
from livestack.actors.messages import AskVenue, Engagement
from livestack.control.latch import Latch, LatchEntry
from livestack.core.events import InputEvent, KillSwitchEngaged, OperatorCommand
from livestack.core.obligations import CancelAllAtVenue
from livestack.failpoints import failpoint
from livestack.transports.clock import Clock

GUARD_ACTED = "guard_acted"
"""The incident that tells what the guard did; it is over when the kill-switch is reset."""


class KillSwitch:
    """``venues``: by venue its instruments; a scope that is none of these covers everything: deny when in doubt.
    ``kill_file``: while it is there, there is no reset."""

    def __init__(
        self,
        *,
        gate: DispatchGate,
        latch: Latch,
        clock: Clock,
        venues: Mapping[str, Iterable[str]],
        kill_file: Path,
    ) -> None:
        self._gate = gate
        self._latch = latch
        self._clock = clock
        self._venues = {venue: frozenset(instruments) for venue, instruments in venues.items()}
        self._kill_file = kill_file
        self._lock = threading.Lock()
        self._latch_lock = threading.Lock()
        self._number = 0
        self._latched: set[str] = set()
        self._tell: Callable[[Sequence[InputEvent]], None] = lambda events: None
        self._connectors: Mapping[str, Mailbox] = {}
        self._on_engaged: Callable[[Engagement], None] = lambda engagement: None
        self._cancels: Callable[[], bool] = lambda: True
        self._log = structlog.get_logger("kill_switch")
        for entry in latch.entries():
            self._latched.add(entry.scope)
            gate.close(Hold.KILL, *self._place(entry.venue, entry.instrument))

    def attach(
        self,
        tell: Callable[[Sequence[InputEvent]], None],
        connectors: Mapping[str, Mailbox],
        on_engaged: Callable[[Engagement], None],
        engaged: Iterable[str],
        cancels: Callable[[], bool] = lambda: True,
    ) -> None:
        """A session begins. Main thread, before the harness runs.

        ``tell`` puts Control Events into their lane; ``engaged`` are the scopes under which the session's State is
        killed: what the latch has and State has not is told, what State has and the latch has not is latched again.
        ``cancels``: whether open orders are to be cancelled (Configuration ``kill.cancel_open_orders``).
        """
        with self._lock:
            entries = {entry.scope: entry for entry in self._latch.entries()}
            killed = set(engaged)
            self._tell, self._connectors, self._on_engaged = tell, connectors, on_engaged
            self._cancels = cancels
            missing = [entry for scope, entry in entries.items() if scope not in killed]
            if missing:
                tell(
                    [
                        _event(entry.trigger, entry.by, entry.reason, entry.venue, entry.instrument)
                        for entry in missing
                    ]
                )
        for scope in killed - entries.keys():
            venue, instrument = (scope, "") if scope in self._venues else ("", scope)
            self._gate.close(Hold.KILL, *self._place(venue, instrument))
            entries[scope] = LatchEntry(
                trigger="session", by="livestack", reason="engaged before", venue=venue, instrument=instrument
            )
            self._write(entries[scope])
        for entry in entries.values():
            on_engaged(self._engaged_before(entry))

    def _engaged_before(self, entry: LatchEntry) -> Engagement:
        """An engagement of an earlier run: what is left of it is to be proven anew."""
        closed_ns = self._clock.now_ns()
        return Engagement(
            self._number,
            entry.trigger,
            entry.by,
            entry.reason,
            entry.venue,
            entry.instrument,
            closed_ns,
            entry.wall_ns,
            0,
            durable=True,
        )

    @property
    def is_engaged(self) -> bool:
        """For any scope."""
        return any(standing.hold is Hold.KILL for standing in self._gate.standing())

    def engage(
        self,
        trigger: str,
        by: str,
        reason: str,
        venue: str = "",
        instrument: str = "",
        audit: OperatorCommand | None = None,
    ) -> Engagement:
        """Close the gate for the scope, latch it, tell everybody. When this returns nothing more leaves.

        A scope that nobody knows is everything, and is told and latched as that.

        ``audit``: the operator's command that it answers, which stands in the Event Stream right before it.
        """
        with self._lock:
            self._number += 1
            number = self._number
            failpoint("kill.before_close")
            venue, instrument = self._place(venue, instrument)
            self._gate.close(Hold.KILL, venue, instrument)
            closed_ns, closed_at_ns = self._clock.now_ns(), self._clock.wall_ns()
            last_new_ns = self._gate.last_new_ns(venue, instrument)
            event = _event(trigger, by, reason, venue, instrument)
            self._tell([event] if audit is None else [audit, event])
        failpoint("kill.before_latch")
        durable = self._write(
            LatchEntry(
                trigger=trigger,
                by=by,
                reason=reason,
                venue=venue,
                instrument=instrument,
                wall_ns=closed_at_ns,
            )
        )
        failpoint("kill.after_latch")
        engagement = Engagement(
            number,
            trigger,
            by,
            reason,
            venue,
            instrument,
            closed_ns,
            closed_at_ns,
            last_new_ns,
            durable,
        )
        self._cancel_at_venues(engagement)
        self._on_engaged(engagement)
        self._log.error(
            "killed", trigger=trigger, by=by, scope=engagement.scope or "everything", durable=durable
        )
        return engagement

    def obstacle(self) -> str:
        """Why it cannot be reset now, as a sentence; empty: it can."""
        if self._kill_file.exists():
            return f"the file {self._kill_file.name} in the data directory engages it: remove that file first"
        return ""

    def ask_reset(self, command: OperatorCommand) -> int:
        """Hand a reset in to the Core; what it returns is for :meth:`release`."""
        with self._lock:
            self._tell([command])
            return self._number

    def release(self, number: int) -> bool:
        """The Core has taken the reset, durably: nothing is latched or held any more, unless engaged again since."""
        with self._latch_lock:
            if number != self._number:
                return False
            try:
                self._latch.clear()
            except OSError as error:
                self._log.error("latch_not_cleared", cause=str(error))
                cleared = False
            else:
                self._latched.clear()
                cleared = True
        if not cleared:
            self._tell_again("its latch could not be removed")
            return False
        failpoint("kill.before_open")
        with self._lock:
            if number != self._number:
                return False
            for standing in self._gate.standing():
                if standing.hold is Hold.KILL:
                    self._gate.open(Hold.KILL, standing.venue, standing.instrument)
        return True

    def _tell_again(self, reason: str) -> None:
        """State is reset, and the gate is not: State follows it, so that it can be reset again."""
        with self._lock:
            holds = [one for one in self._gate.standing() if one.hold is Hold.KILL]
            self._tell([_event("latch", "livestack", reason, one.venue, one.instrument) for one in holds])

    def _write(self, entry: LatchEntry) -> bool:
        with self._latch_lock:
            if entry.scope in self._latched and self._latch.path.exists():
                return True
            try:
                self._latch.engage(entry)
            except OSError as error:
                self._log.error("latch_not_written", cause=str(error))
                return False
            self._latched.add(entry.scope)
            return True

    def _place(self, venue: str, instrument: str) -> tuple[str, str]:
        """The scope as the gate takes it; one that nobody knows is everything."""
        if instrument:
            owners = [name for name, instruments in self._venues.items() if instrument in instruments]
            return (owners[0], instrument) if owners else ("", "")
        return (venue, "") if venue in self._venues else ("", "")

    def _cancel_at_venues(self, engagement: Engagement) -> None:
        if not self._cancels():
            return
        for venue, connector in self._connectors.items():
            if engagement.venue in ("", venue):
                scope = f"kill {engagement.number} {venue}"
                query = CancelAllAtVenue(scope=scope, venue=venue, instrument=engagement.instrument)
                connector.tell(AskVenue(query))


def _event(trigger: str, by: str, reason: str, venue: str, instrument: str) -> KillSwitchEngaged:
    return KillSwitchEngaged(trigger=trigger, by=by, reason=reason, venue=venue, instrument=instrument)
