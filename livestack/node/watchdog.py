"""The watchdog: sees that the node's actors get on, that none has died unheard, and gives the guard its pulse.

One thread with a clock of its own, as whoever it watches may hold every other one up. An actor that does not get on is
an incident, and every thread's stack is dumped; all of it ends by itself when the actor returns:

    harness       the gate is closed, no pulse
    recorder      the same: what is decided reaches no disk, and nobody knows how long that lasts
    connector     the gate is closed for its venue; the kill-switch clears that venue without it
    feed, control an incident alone: market data that does not come is noticed where it is missed

So where the harness or the disk hangs the guard acts, its limit later. It acts too if the interpreter is held, as this
thread does not run then, and if an actor hangs in the middle of a write to a venue, where closing the gate cannot end
(live-stack.md sections 3 and 8).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple, Protocol

import structlog

from livestack.actors.gate import DispatchGate, Hold
from livestack.actors.mailbox import HarnessMailbox
from livestack.actors.progress import Progress
from livestack.core.incidents import (
    CONNECTOR_STUCK,
    CONTROL_STUCK,
    FEED_STUCK,
    JOURNAL_STUCK,
    STALL,
    Incident,
)
from livestack.node.crashes import stacks
from livestack.transports.clock import Clock

LOOKS = 10
"""In the time of a stall: it is noticed a tenth of that late at the most."""

LOOK_NS_MAX = 100_000_000
"""Longest time between two looks, however long a step may take: the pulse for the guard, dead threads."""

JOURNAL_STUCK_NS = 2_000_000_000
"""For one commit. A disk that works, and is only slow, has been seen to take a second and a half to flush."""

CONNECTOR_STUCK_NS = 5_000_000_000
"""For one batch. A write ends within four seconds: two for the one before it, two for itself."""

FEED_STUCK_NS = 5_000_000_000
"""For one batch. Nothing that a feed's actor does waits for anybody."""

CONTROL_STUCK_NS = 20_000_000_000
"""For one batch. A reset may wait ten seconds for the disk to let the latch go, a kill one to take it."""

STACKS_NAME = "stacks.txt"


class Watched(Protocol):
    """An actor: ``turns`` is odd while it is at a batch, see :class:`~livestack.actors.base.NodeActor`."""

    name: str
    turns: int


class Stuck(NamedTuple):
    """An actor that does not get on, as an incident. ``venue``: the hold's scope, empty is everything."""

    incident: Incident
    scope: str
    detail: str
    holds: bool = True
    venue: str = ""
    beats: bool = False


def _order(one: Stuck) -> tuple[str, str]:
    return one.incident.name, one.scope


def _no_return(what: str, limit_ns: int) -> str:
    return f"{what} did not return in {limit_ns // 1_000_000} ms; stacks are in {STACKS_NAME}"


def _stuck(actor: str) -> tuple[int, Stuck] | None:
    """What an actor of that name may take for one batch, and what it is if it takes longer; None: not judged by it."""
    kind, _, venue = actor.partition(" ")
    match kind:
        case "recorder":
            limit_ns = JOURNAL_STUCK_NS
            return limit_ns, Stuck(JOURNAL_STUCK, "journal", _no_return("a commit", limit_ns))
        case "connector":
            limit_ns = CONNECTOR_STUCK_NS
            detail = _no_return("the connector", limit_ns)
            return limit_ns, Stuck(CONNECTOR_STUCK, venue, detail, venue=venue, beats=True)
        case "feed":
            limit_ns, detail = FEED_STUCK_NS, _no_return("the feed", FEED_STUCK_NS)
            return limit_ns, Stuck(FEED_STUCK, venue, detail, holds=False, beats=True)
        case "control":
            limit_ns, detail = CONTROL_STUCK_NS, _no_return("the control actor", CONTROL_STUCK_NS)
            return limit_ns, Stuck(CONTROL_STUCK, "control", detail, holds=False, beats=True)
    return None


class Watchdog:
    """``stall_ns``: what a step may take. ``beat`` is called at every look at which the node gets on; ``look_after``
    has dead threads tell of it; ``actors``: who there is now, in any order. ``look_ns_max``: see ``LOOK_NS_MAX``.

    It may be started before the harness: until its first step nothing is expected of it.
    """

    def __init__(
        self,
        *,
        gate: DispatchGate,
        harness: HarnessMailbox,
        progress: Progress,
        actors: Callable[[], Iterable[Watched]],
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
        self._actors = actors
        self._clock = clock
        self._stall_ns = stall_ns
        self._beat = beat
        self._look_after = look_after
        self._stacks = stacks
        self._look_ns_max = look_ns_max
        self._stuck: dict[Stuck, int] = {}
        """Since when, as far as it was seen."""
        self._batches: dict[Watched, tuple[int, int]] = {}
        self._began = False
        self._sequenced = progress.sequenced
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
        """See whether everybody gets on, and act on it."""
        now_ns = self._clock.now_ns()
        stuck = self._stuck_actors(now_ns)
        stands_ns = self._harness_stuck_ns(now_ns)
        if stands_ns >= self._stall_ns:
            stuck[Stuck(STALL, "harness", _no_return("a step", self._stall_ns))] = now_ns - stands_ns
        before, self._stuck = self._stuck, stuck
        if returned := {one: now_ns - since_ns for one, since_ns in before.items() if one not in stuck}:
            self._regained(returned)
        if all(one.beats for one in stuck):
            self._beat()
        if stuck.keys() - before.keys():
            self._lost(stuck.keys() - before.keys())

    def _harness_stuck_ns(self, now_ns: int) -> int:
        """How long nothing has come of what the harness has to do."""
        progress = self._progress
        busy_ns, moved = progress.busy_ns, progress.sequenced != self._sequenced
        self._began |= moved or busy_ns > 0
        idle = not self._began or (not busy_ns and not self._harness.is_waiting())
        if idle or moved:
            self._sequenced, self._moved_ns = progress.sequenced, now_ns
        return now_ns - max(self._moved_ns, busy_ns)

    def _stuck_actors(self, now_ns: int) -> dict[Stuck, int]:
        """Those that have been at one batch for too long, and since when: the first look that found them at it."""
        batches: dict[Watched, tuple[int, int]] = {}
        stuck: dict[Stuck, int] = {}
        for actor in self._actors():
            judged, turns = _stuck(actor.name), actor.turns
            if judged is None or turns % 2 == 0:
                continue
            seen_turns, since_ns = self._batches.get(actor, (turns, now_ns))
            since_ns = since_ns if seen_turns == turns else now_ns
            batches[actor] = turns, since_ns
            limit_ns, incident = judged
            if now_ns - since_ns >= limit_ns:
                stuck[incident] = since_ns
        self._batches = batches
        return stuck

    def _lost(self, stuck: Iterable[Stuck]) -> None:
        for one in sorted(stuck, key=_order):
            self._harness.tell_control([one.incident.opened(one.scope, one.detail)])
            self._log.error(one.incident.name, scope=one.scope, stacks=str(self._stacks))
            if one.holds:
                self._gate.close(Hold.STALL, one.venue)
        try:
            self._stacks.write_bytes(stacks())  # from memory: a disk that hangs must not hold the interpreter
        except OSError as error:
            self._log.error("no_stacks", cause=str(error))

    def _regained(self, returned: dict[Stuck, int]) -> None:
        """``returned``: after how long each."""
        held = {one.venue for one in self._stuck if one.holds}
        for one in sorted(returned, key=_order):
            if one.holds and one.venue not in held:
                self._gate.open(Hold.STALL, one.venue)
            after = f"{returned[one] / 1_000_000_000:.1f} s"
            self._log.warning("returned", incident=one.incident.name, scope=one.scope, after=after)
            self._harness.tell_control([one.incident.closed(one.scope, f"it returned after {after}")])
