"""Virtual time, and everything that the node takes from the machine, made of it.

One heap of (time, order, callback). Delays are drawn from one seeded generator, so that a seed is a whole run: which
actor is served first, how long a frame travels, when a connection breaks.
"""

from __future__ import annotations

import heapq
import random
import sys
import traceback
from collections.abc import Callable
from typing import Any

from livestack.actors.base import NodeActor, Ping
from livestack.actors.mailbox import Mailbox

HOP_NS_MAX = 200_000
"""Longest delay between a message and its handling: a busy two-core machine."""

START_NS = 1_800_000_000_000_000_000


class Scheduler:
    """Clock, timers and the order of everything."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self._now_ns = START_NS
        self._order = 0
        self._heap: list[tuple[int, int, Callable[[], None]]] = []
        self._cancelled: set[int] = set()
        self.steps = 0

    def now_ns(self) -> int:
        return self._now_ns

    def wall_ns(self) -> int:
        return self._now_ns

    def at(self, deadline_ns: int, callback: Callable[[], None]) -> Callable[[], None]:
        self._order += 1
        number = self._order
        heapq.heappush(self._heap, (max(deadline_ns, self._now_ns), number, callback))
        return lambda: self._cancelled.add(number)

    def after(self, delay_ns: int, callback: Callable[[], None]) -> None:
        self.at(self._now_ns + delay_ns, callback)

    def hop(self) -> int:
        """How long until somebody gets round to it."""
        return self.random.randrange(HOP_NS_MAX)

    def run_until(self, done: Callable[[], bool], limit_ns: int) -> bool:
        """Go on until ``done`` or until ``limit_ns`` of virtual time have passed; returns whether it was ``done``."""
        end_ns = self._now_ns + limit_ns
        while not done():
            if not self._heap or self._heap[0][0] > end_ns:
                self._now_ns = end_ns
                return done()
            when_ns, number, callback = heapq.heappop(self._heap)
            if number in self._cancelled:
                self._cancelled.discard(number)
                continue
            self._now_ns = when_ns
            self.steps += 1
            callback()
        return True


class SimulatedSignal:
    """Instead of waking a thread: has the scheduler deliver to whoever owns the mailbox."""

    def __init__(self, scheduler: Scheduler, name: str) -> None:
        self._scheduler = scheduler
        self._pending = False
        self.name = name
        self.deliver: Callable[[], None] = lambda: None

    def set(self) -> None:
        if not self._pending:
            self._pending = True
            self._scheduler.after(self._scheduler.hop(), self._deliver)

    def wait(self) -> None:
        raise AssertionError(f"{self.name} would block: nothing waits in the simulation")

    def _deliver(self) -> None:
        self._pending = False
        self.deliver()


class SimulatedLauncher:
    """Actors without threads: built, started by hand, fed by their mailbox's signal, killed by an exception."""

    def __init__(self, signals: dict[str, SimulatedSignal]) -> None:
        self._signals = signals
        self.actors: list[NodeActor] = []
        self.dead: set[str] = set()
        self.failed: list[str] = []
        """Actors that an exception ended, with it: no run is good in which there was one."""

    def start(self, actor_class: type[NodeActor], **arguments: Any) -> int:
        actor = actor_class(**arguments)
        mailbox = arguments["mailbox"]
        self.actors = [one for one in self.actors if one.name != actor.name] + [actor]
        self.dead.discard(actor.name)
        self._signals[actor.name].deliver = lambda: self._serve(actor, mailbox)
        actor.on_start()
        actor.on_receive(Ping())
        self._signals[actor.name].set()
        return actor.number

    def stop_all(self) -> list[str]:
        for actor in reversed(self.actors):
            if actor.name not in self.dead:
                actor.on_stop()
                self.dead.add(actor.name)
        return []

    def look_after(self) -> None:
        """A thread that ends unheard does not exist here."""

    def actor(self, name: str) -> Any:
        return next(actor for actor in self.actors if actor.name == name)

    def _serve(self, actor: NodeActor, mailbox: Mailbox) -> None:
        """One batch, as a thread would take it; then look again if more is there."""
        if actor.name in self.dead:
            return
        envelope = mailbox.take()
        if envelope is None:
            return
        try:
            actor.on_receive(envelope.message)
        except Exception as error:  # noqa: BLE001 - as Pykka does
            traceback.print_exc()
            self.failed.append(f"{actor.name}: {type(error).__name__}: {error}")
            self.dead.add(actor.name)
            actor.on_failure(*sys.exc_info())
            return
        self._signals[actor.name].set()
