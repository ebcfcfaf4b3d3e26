"""Whether a lease is still ours: looked at every second, told when it is lost and when it is back.

Theory of operation::

                 proof                      silence for a grace
    HELD -----------------------> HELD    ------------------------> LOST --- proof ---> HELD
      |                                                              |
      '------------- another node has it --------------> TAKEN <-----'

Every proof puts off one timer, which goes off a grace after the check that brought the last proof was *begun*. So a
loss is told in time also while a check hangs in a name server. Another node's hand on the lease is the end of it: that
node may have traded, so the session does not go on by itself when the other one leaves; a person starts it again.

The check runs on the thread ``lease``; the callbacks run there or on the timers' thread, never two at a time, and must
not wait for anything that is not bounded.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from enum import IntEnum
from typing import Protocol

import structlog

from livestack.exceptions import HeldError, UnreachableError
from livestack.transports.clock import Clock, Timers

CHECK_EVERY_NS = 1_000_000_000
"""From the end of one check to the begin of the next."""

STOP_TIMEOUT_S = 5.0
"""A check that is still waiting for a server then is left behind; the process ends soon."""


class Lock(Protocol):
    def hold(self) -> None:
        """Take it, or see that it is still ours; ``HeldError``, ``UnreachableError`` or ``OSError`` where it is not."""


class Holding(IntEnum):
    HELD = 1
    LOST = 2
    TAKEN = 3


class Keeper:
    """Keeps ``locks``. It begins with them held; ``grace_ns``: how long without proof until ``on_lost``."""

    def __init__(
        self,
        locks: Sequence[Lock],
        *,
        clock: Clock,
        timers: Timers,
        grace_ns: int,
        on_lost: Callable[[], None],
        on_regained: Callable[[], None],
    ) -> None:
        self.holding = Holding.HELD
        self._locks = locks
        self._clock = clock
        self._timers = timers
        self._grace_ns = grace_ns
        self._on_lost = on_lost
        self._on_regained = on_regained
        self._log = structlog.get_logger("lease")
        self._doubted = self._stopped = False
        self._proofs = 0
        self._state = threading.Lock()
        self._wake: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._cancel = self._expect_proof(clock.now_ns())

    def start(self) -> None:
        """Check every CHECK_EVERY_NS from now on, on a thread of its own."""
        self._thread = threading.Thread(target=self._run, name="lease", daemon=True)
        self._thread.start()

    def stop(self) -> bool:
        """No callback after this. False where a check still runs, with the locks in its hands."""
        with self._state:
            self._stopped = True
            self._cancel()
        self._wake.put(False)
        if self._thread is not None:
            self._thread.join(STOP_TIMEOUT_S)
            return not self._thread.is_alive()
        return True

    def check(self) -> None:
        """Look once at every lock, and take again what is free."""
        begun_ns = self._clock.now_ns()
        try:
            for lock in self._locks:
                lock.hold()
        except HeldError as error:
            self._taken(str(error))
        except (UnreachableError, OSError) as error:
            if not self._doubted:
                self._log.warning("lease_in_doubt", cause=str(error), grace_s=self._grace_ns / 1e9)
            self._doubted = True
        else:
            if self._doubted:
                self._log.info("lease_proven_again")
            self._doubted = False
            self._proven(begun_ns)

    def _run(self) -> None:
        while self.holding is not Holding.TAKEN and not self._stopped:
            self.check()
            cancel = self._timers.at(self._clock.now_ns() + CHECK_EVERY_NS, lambda: self._wake.put(True))
            if not self._wake.get():
                cancel()
                return

    def _expect_proof(self, since_ns: int) -> Callable[[], None]:
        proofs = self._proofs
        return self._timers.at(since_ns + self._grace_ns, lambda: self._overdue(proofs))

    def _proven(self, begun_ns: int) -> None:
        with self._state:
            if self._stopped or self._clock.now_ns() - begun_ns >= self._grace_ns:
                return  # what was so long ago proves nothing any more
            self._cancel()
            self._proofs += 1
            self._cancel = self._expect_proof(begun_ns)
            if self.holding is Holding.LOST:
                self.holding = Holding.HELD
                self._log.info("lease_regained")
                self._on_regained()

    def _overdue(self, proofs: int) -> None:
        """The timer of proof number ``proofs`` went off; a later proof may have been faster."""
        with self._state:
            if not self._stopped and proofs == self._proofs and self.holding is Holding.HELD:
                self.holding = Holding.LOST
                self._log.error("lease_lost", grace_s=self._grace_ns / 1e9)
                self._on_lost()

    def _taken(self, cause: str) -> None:
        with self._state:
            if self._stopped:
                return
            self._cancel()
            self._log.error("lease_taken", cause=cause)
            before, self.holding = self.holding, Holding.TAKEN
            if before is Holding.HELD:
                self._on_lost()
