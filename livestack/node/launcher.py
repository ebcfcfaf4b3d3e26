"""Brings actors to life and ends them: one living actor for each mailbox, whatever became of the one before.

Imports actors and exceptions. The main thread starts and stops actors; the watchdog's looks after them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import pykka

from livestack.actors.base import NodeActor, Ping
from livestack.actors.mailbox import Mailbox
from livestack.exceptions import LivestackError

PING_TIMEOUT_S = 10.0
"""An actor that does not answer its first ping by then did not start; generous, machines are shared."""

STOP_TIMEOUT_S = 15.0
"""An actor that does not stop by then is reported as leaked: longer than the slowest bounded write and commit."""

END_TIMEOUT_S = 2.0
"""How long one whose start failed may take to end before it is given up for now: the supervisor waits meanwhile."""


class Launcher(Protocol):
    """Brings actors to life. Threads in a node, the scheduler in the simulation."""

    def start(self, actor_class: type[NodeActor], **arguments: Any) -> int:
        """Start one actor and return its number once it answered a ping; ``LivestackError`` if it does not.

        One whose start failed is stopped, and tells nobody of its end. No actor is started on a mailbox whose former
        one has not ended.
        """

    def stop_all(self) -> list[str]:
        """Stop every actor in reverse order of start; returns the names of those that did not stop."""

    @property
    def actors(self) -> Sequence[NodeActor]:
        """Those that were started and not replaced yet, dead ones among them. Any thread."""

    def look_after(self) -> None:
        """Have every actor whose thread has ended by itself tell of it."""


class _Started(NamedTuple):
    reference: Any
    actor: NodeActor  # Pykka's references are weak, and a dead actor has to be asked


class ThreadLauncher:
    """Pykka threads."""

    def __init__(self) -> None:
        self._started: dict[Mailbox, _Started] = {}

    def start(self, actor_class: type[NodeActor], **arguments: Any) -> int:
        mailbox: Mailbox = arguments["mailbox"]
        self._let_go(mailbox)
        reference: Any = actor_class.start(**arguments)
        actor: NodeActor | None = reference._actor_weakref()
        cause = _ping(reference)
        if cause is None and actor is not None:
            self._started[mailbox] = _Started(reference, actor)
            return actor.number
        name = actor_class.__name__
        if actor is None:
            raise LivestackError(f"{name} did not start: it ended at once")
        actor.retire()
        reference.stop(block=False)
        if not actor.has_ended(END_TIMEOUT_S):
            self._started[mailbox] = _Started(reference, actor)
        raise LivestackError(f"{name} did not start: {actor.death or cause}")

    def stop_all(self) -> list[str]:
        leaked = []
        for reference, actor in reversed(self._started.values()):
            if actor.has_ended():
                continue
            try:
                reference.stop(block=True, timeout=STOP_TIMEOUT_S)
            except pykka.Timeout:
                leaked.append(reference.actor_class.__name__)
        self._started = {}
        return leaked

    @property
    def actors(self) -> Sequence[NodeActor]:
        return [started.actor for started in tuple(self._started.values())]

    def look_after(self) -> None:
        for actor in self.actors:
            actor.is_dead()

    def _let_go(self, mailbox: Mailbox) -> None:
        """Forget the actor that had ``mailbox`` before: it has ended, and somebody was told of that."""
        before = self._started.get(mailbox)
        if before is None:
            return
        if not before.actor.has_ended(END_TIMEOUT_S):
            raise LivestackError(f"{before.actor.name}: the one before has not ended")
        before.actor.is_dead()
        del self._started[mailbox]


def _ping(reference: Any) -> str | None:
    """Why it did not answer; None: it did."""
    try:
        answer = reference.ask(Ping(), timeout=PING_TIMEOUT_S)
    except (pykka.ActorDeadError, pykka.Timeout) as error:
        return str(error)
    return "it ended at once" if answer is None else None  # its last act, see NodeActor
