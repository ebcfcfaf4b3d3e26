"""The kill-switch: one code path for everybody who pulls it. It closes the gate itself and waits for nobody.

Theory of operation. :meth:`KillSwitch.engage` puts the hold ``kill`` (when that returns no New and no Replace is being
written, and none will be) and tells the Core; has every connector cancel everything at its venue, and whoever proves
that nothing is left begin; and writes the latch, on a thread of its own, for which it waits a bounded time. It counts
engagements, and Control Events are put into their lane under the same lock, so that the order of engagements and resets
is the same here, in the lane and in the Event Stream: a reset lifts the hold only if nobody has engaged it since the
reset was handed in. What is engaged already is told and recorded again, and not done again: somebody who pulls it a
hundred times does not use up the venue's patience. Runs on: any thread.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import msgspec
import structlog

from livestack.actors.gate import DispatchGate, Hold
from livestack.actors.mailbox import Mailbox
from livestack.actors.messages import AskVenue, Engagement
from livestack.control.disk import DISK_WAIT_S, Disk
from livestack.control.latch import Latch, LatchEntry
from livestack.core.events import InputEvent, KillSwitchEngaged, OperatorCommand
from livestack.core.obligations import CancelAllAtVenue
from livestack.core.validation import encodable
from livestack.failpoints import failpoint
from livestack.transports.clock import Clock

TEXT_MAX = 500
"""Characters kept of who pulled it and why."""

CLEAR_WAIT_S = 10.0
"""For the latch to go at a reset; nobody is in a hurry then."""


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
        self._disk: Disk | None = None
        self._lock = threading.Lock()
        self._number = 0
        self._engaged: dict[str, Engagement] = {}
        self._latched: set[str] = set()
        self._resets: dict[tuple[str, str], int] = {}
        self._tell: Callable[[Sequence[InputEvent]], None] = lambda events: None
        self._connectors: Mapping[str, Mailbox] = {}
        self._on_engaged: Callable[[], None] = lambda: None
        self._cancels: Callable[[], bool] = lambda: True
        self._log = structlog.get_logger("kill_switch")
        for entry in latch.entries():
            self._take_over(entry)

    def attach(
        self,
        tell: Callable[[Sequence[InputEvent]], None],
        connectors: Mapping[str, Mailbox],
        on_engaged: Callable[[], None],
        engaged: Iterable[str],
        cancels: Callable[[], bool] = lambda: True,
    ) -> None:
        """A session begins. Main thread, before the harness runs.

        ``tell`` puts Control Events into their lane; ``on_engaged`` has somebody look at :meth:`engagements`;
        ``engaged`` are the scopes under which the session's State is killed: what is engaged and State does not know is
        told, what State knows alone is engaged again. ``cancels``: whether open orders are to be cancelled
        (Configuration ``kill.cancel_open_orders``).
        """
        with self._lock:
            self._tell, self._connectors, self._on_engaged = tell, connectors, on_engaged
            self._cancels = cancels
            killed = set(engaged)
            tell([_event(one) for scope, one in self._engaged.items() if scope not in killed])
            found = []
            for scope in killed - self._engaged.keys():
                venue, instrument = (scope, "") if scope in self._venues else ("", scope)
                entry = LatchEntry(
                    trigger="session",
                    by="livestack",
                    reason="engaged before",
                    venue=venue,
                    instrument=instrument,
                )
                found.append(self._take_over(entry, latched=False))
        for one in found:
            self._write(one)
        if self._engaged:
            on_engaged()

    @property
    def is_engaged(self) -> bool:
        """For any scope."""
        return any(standing.hold is Hold.KILL for standing in self._gate.standing())

    @property
    def is_durable(self) -> bool:
        """Whether all that is engaged is latched on disk."""
        return self._engaged.keys() <= self._latched

    def engagements(self) -> tuple[Engagement, ...]:
        """What is engaged, one for each scope, oldest first."""
        with self._lock:
            return tuple(self._engaged.values())

    def engage(
        self,
        trigger: str,
        by: str,
        reason: str,
        venue: str = "",
        instrument: str = "",
        audit: OperatorCommand | None = None,
    ) -> Engagement:
        """Close the gate for the scope, tell everybody, latch it. When this returns nothing more leaves.

        A scope that nobody knows is everything, and is told and latched as that; one that is engaged already returns
        with the time since which it has been. ``audit``: the operator's command that
        it answers, which stands in the Event Stream right before it.
        """
        by, reason = encodable(by)[:TEXT_MAX], encodable(reason)[:TEXT_MAX]
        with self._lock:
            self._number += 1
            failpoint("kill.before_close")
            venue, instrument = self._place(venue, instrument)
            self._gate.close(Hold.KILL, venue, instrument)
            closed_ns, closed_at_ns = self._clock.now_ns(), self._clock.wall_ns()
            last_new_ns = self._gate.last_new_ns(venue, instrument)
            engagement = Engagement(
                self._number,
                trigger,
                by,
                reason,
                venue,
                instrument,
                closed_ns,
                closed_at_ns,
                last_new_ns,
                False,
            )
            standing = self._engaged.setdefault(engagement.scope, engagement)
            self._tell([_event(engagement)] if audit is None else [audit, _event(engagement)])
        if standing is engagement:
            self._cancel_at_venues(engagement)
        self._on_engaged()
        durable = self._write(engagement)
        self._log.error(
            "killed", trigger=trigger, by=by, scope=engagement.scope or "everything", durable=durable
        )
        return msgspec.structs.replace(standing, durable=durable)

    def obstacle(self) -> str:
        """Why it cannot be reset now, as a sentence; empty: it can."""
        if os.path.lexists(self._kill_file):
            return f"the file {self._kill_file.name} in the data directory engages it: remove that file first"
        return ""

    def ask_reset(self, command: OperatorCommand) -> None:
        """Hand a reset in to the Core. Asked again it is still the first one."""
        with self._lock:
            self._resets.setdefault((command.who, command.request_id), self._number)
            self._tell([command])

    def settle_reset(self, command: OperatorCommand, is_reset: bool) -> bool:
        """The Core has answered, durably. Where ``is_reset``, nothing is latched or held any more: unless it was pulled
        since, or the latch cannot be removed. Whether that is so."""
        with self._lock:
            number = self._resets.pop((command.who, command.request_id), None)
        if number is None or not is_reset:
            return False
        failure = self._do(lambda: self._unlatch(number), CLEAR_WAIT_S)
        failpoint("kill.before_open")
        with self._lock:
            if number != self._number:
                return False
            if failure is None:
                self._engaged.clear()
                for standing in self._gate.standing():
                    if standing.hold is Hold.KILL:
                        self._gate.open(Hold.KILL, standing.venue, standing.instrument)
                return True
        self._stay_engaged(failure)
        return False

    def _stay_engaged(self, failure: BaseException) -> None:
        """State is reset, and the gate is not: State follows it, so that it can be reset again; so does the latch."""
        self._log.error("latch_not_cleared", cause=str(failure))
        with self._lock:
            self._number += 1  # what the disk still has before it clears nothing any more
            engaged = list(self._engaged.values())
            self._tell([_event(one) for one in engaged])
        for one in engaged:
            self._write(one)

    def _do(self, job: Callable[[], object], wait_s: float = DISK_WAIT_S) -> BaseException | None:
        """On the disk's thread, in order; None: it is done."""
        with self._lock:
            disk = self._disk = self._disk or Disk()
        return disk.do(job, wait_s)

    def _unlatch(self, number: int) -> None:
        """Disk's thread, behind every latch written before and before every one written after."""
        if number == self._number:
            self._latch.clear()
            self._latched.clear()

    def _write(self, engagement: Engagement) -> bool:
        """Latch it; False where the disk refuses, or has not answered yet."""
        entry = LatchEntry(
            trigger=engagement.trigger,
            by=engagement.by,
            reason=engagement.reason,
            venue=engagement.venue,
            instrument=engagement.instrument,
            wall_ns=engagement.closed_at_ns,
        )

        def latch() -> None:
            failpoint("kill.before_latch")
            if entry.scope not in self._latched or not self._latch.path.exists():
                self._latch.engage(entry)
                self._latched.add(entry.scope)
            failpoint("kill.after_latch")

        failure = self._do(latch)
        if failure is not None:
            self._log.error("latch_not_written", cause=str(failure))
        return failure is None

    def _take_over(self, entry: LatchEntry, latched: bool = True) -> Engagement:
        """Engaged by an earlier run, or by somebody else: what is left of it is to be proven anew."""
        venue, instrument = self._place(entry.venue, entry.instrument)
        self._gate.close(Hold.KILL, venue, instrument)
        closed_ns, wall_ns = self._clock.now_ns(), entry.wall_ns or self._clock.wall_ns()
        self._number += 1
        engagement = Engagement(
            self._number,
            entry.trigger,
            entry.by,
            entry.reason,
            venue,
            instrument,
            closed_ns,
            wall_ns,
            0,
            True,
        )
        if latched:
            self._latched |= {entry.scope, engagement.scope}
        return self._engaged.setdefault(engagement.scope, engagement)

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


def _event(one: Engagement) -> KillSwitchEngaged:
    return KillSwitchEngaged(
        trigger=one.trigger, by=one.by, reason=one.reason, venue=one.venue, instrument=one.instrument
    )
