"""What all actors share: a mailbox that is given to them, a batch per call, and a loud death.

Pykka stops an actor whose handler raised and goes on as if nothing were; here ``on_failure`` tells the supervisor,
which starts another one in its place or ends the node (live-stack.md section 8). ``on_start`` failures reach it through
the missing answer to the first ping. A ``SystemExit`` would have Pykka stop all actors: here it is a failure of one.
"""

from __future__ import annotations

import itertools
import threading
import traceback
from types import TracebackType
from typing import Any

import pykka

from livestack.actors.mailbox import Mailbox
from livestack.actors.messages import ActorFailed
from livestack.core.events import Recorded

_NUMBERS = itertools.count(1)


class Ping:
    """Asked once after each start: an actor that answers it has a running loop."""


class NodeActor(pykka.ThreadingActor):
    """An actor of the node. ``name`` is its thread's name; ``supervisor`` hears of its death.

    Subclasses implement :meth:`on_batch`. A subclass can be built without being started, and its ``on_receive`` be
    called by a test or by the simulation, on whatever thread that is. Its thread is a daemon: an actor that cannot be
    stopped is reported, and must not keep the process from ending. ``turns`` counts the begins and the ends of batches:
    odd while it is at one, for the watchdog. ``number``: later actors have a higher one. ``death``: what it died of.
    """

    use_daemon_thread = True

    def __init__(self, name: str, mailbox: Mailbox, supervisor: Mailbox) -> None:
        self._mailbox = mailbox
        self._supervisor = supervisor
        self._death_told = False
        self._is_retired = False
        self._ended = threading.Event()
        self.name = name
        self.number = next(_NUMBERS)
        self.death = ""
        self.turns = 0
        super().__init__()

    def _create_actor_inbox(self) -> Any:  # type: ignore[override]
        return self._mailbox

    def on_receive(self, message: Any) -> Any:
        if isinstance(message, Ping):
            return self.name
        self.turns += 1
        try:
            return self.on_batch(message)
        except Exception:
            raise
        except BaseException as error:
            raise RuntimeError(f"{type(error).__name__} in {self.name}") from error
        finally:
            self.turns += 1

    def on_batch(self, batch: list[Any]) -> None:
        """Handle messages, oldest first. Actor's thread."""
        raise TypeError(f"{type(self).__name__} handles no messages")

    def poison(self) -> Recorded | None:
        """The Event that was being handled, where the actor knows it."""
        return None

    def on_failure(
        self,
        exception_type: type[BaseException] | None,
        exception_value: BaseException | None,
        traceback_: TracebackType | None,
    ) -> None:
        self._tell_of_death(_described(exception_type, exception_value, traceback_))

    def is_dead(self) -> bool:
        """Whether its thread ended and nobody was told; tells it then. Any thread, of an actor not asked to stop."""
        if self._death_told or not self._ended.is_set():
            return False
        self._tell_of_death("its thread ended")
        return True

    def retire(self) -> None:
        """Its start failed, and who wanted it knows that: its end is told to nobody. Any thread."""
        self._is_retired = self._death_told = True

    def has_ended(self, timeout_s: float = 0.0) -> bool:
        """Whether its thread does nothing any more, ``on_failure`` included; waits so long for it. Any thread."""
        return self._ended.wait(timeout_s)

    def _tell_of_death(self, error: str) -> None:
        if not self._death_told:
            self._death_told = True
            self._supervisor.tell(ActorFailed(self.name, error, self.poison(), self.number))

    def _handle_failure(
        self,
        exception_type: type[BaseException] | None,
        exception_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.death = self.death or _described(exception_type, exception_value, traceback)
        super()._handle_failure(exception_type, exception_value, traceback)

    def _actor_loop(self) -> None:
        threading.current_thread().name = self.name  # in stacks, and in the figures of threads
        try:
            super()._actor_loop()
        finally:
            self._ended.set()  # Pykka calls an actor dead before its on_failure has said of what

    def _actor_loop_teardown(self) -> None:
        """Answer whoever asked; messages stay for the actor that takes this one's place."""
        while (envelope := self._mailbox.take_asked()) is not None:
            if envelope.reply_to is not None:
                envelope.reply_to.set(None)


def _described(
    exception_type: type[BaseException] | None,
    exception_value: BaseException | None,
    traceback_: TracebackType | None,
) -> str:
    """One line: what it was, and where."""
    place = traceback.extract_tb(traceback_)[-1] if traceback_ else None
    where = f" at {place.filename.rpartition('/')[2]}:{place.lineno}" if place else ""
    name = exception_type.__name__ if exception_type else "error"
    return f"{name}: {exception_value}{where}"
