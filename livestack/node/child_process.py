"""A process that the node keeps: started, heard line by line, started again when it ends, ended by its id.

One daemon thread per child waits for its lines and its end. The child is told what to do through its stdin; when the
node dies, however it dies, that closes. It is a fresh interpreter, never a fork: an LMDB environment must not cross
one. What a subclass does with lines and ends runs on the child's thread, and must only put a message somewhere or close
the gate.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import IO

import structlog

from livestack.node.systemd import VARIABLES
from livestack.node.triggers import FOR_THE_NODE
from livestack.transports.backoff import Backoff
from livestack.transports.clock import Clock, Timers

KILL_TIMEOUT_S = 5.0
"""After SIGKILL: only a disk that hangs keeps a process longer, and then nothing helps."""

STOP_LINE = b"stop\n"
"""What a child is told to end in order."""

LINE_MAX = 500
"""Characters kept of a line that is no report: the sentence of an error, or what an interpreter says when it dies."""


def child_environment(environment: Mapping[str, str], without: Collection[str] = ()) -> dict[str, str]:
    """``environment`` with this process's import path, and without the variables in ``without``.

    What the service manager told the node is the node's own: no child may speak for it.
    """
    kept = {name: value for name, value in environment.items() if name not in {*without, *VARIABLES}}
    return {**kept, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


class ChildProcess:
    """One process after the other under ``name``. :meth:`start` and :meth:`stop` on the node's main thread.

    Subclasses say what a line means (:meth:`_hear`) and whether an exit code is the end of it (:meth:`_is_final`).
    """

    name = "child"
    stderr: int | IO[bytes] | None = subprocess.STDOUT
    new_session = False

    def __init__(
        self,
        command: Sequence[str],
        *,
        clock: Clock,
        timers: Timers,
        backoff: Backoff,
        environment: Mapping[str, str] | None = None,
        inherited: Sequence[int] = (),
        first_line: bytes = b"",
    ) -> None:
        self.starts = 0
        self._command = list(command)
        self._clock = clock
        self._timers = timers
        self._backoff = backoff
        self._environment = environment
        self._inherited = tuple(inherited)
        self._first_line = first_line
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._over = False
        self._trouble = ""
        self._forget_look: Callable[[], None] = lambda: None
        self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)
        self._log = structlog.get_logger(self.name)

    @property
    def pid(self) -> int | None:
        """Of the running process."""
        process = self._process
        return process.pid if process is not None and process.poll() is None else None

    def stop(self, timeout_s: float) -> bool:
        """Have it end, or kill it after ``timeout_s``. Whether it ended by itself."""
        self.tell_stop()
        return self.await_end(timeout_s)

    def tell_stop(self) -> None:
        """Have it end, and start no other one; returns at once."""
        with self._lock:
            self._over = True
            process = self._process
        self._forget_look()
        self._wake.set()
        if process is not None:
            tell(process, STOP_LINE)

    def has_ended(self, within_s: float = 0.0) -> bool:
        """Whether it has ended and no other one follows, or it comes to that within so long."""
        if self._thread.ident is not None:
            self._thread.join(within_s)
        return not self._thread.is_alive()

    def await_end(self, timeout_s: float) -> bool:
        """Wait for the end, or kill it after ``timeout_s``. Whether it ended by itself."""
        if self.has_ended(timeout_s):
            return True
        with self._lock:
            self._over = True
            process = self._process
        self._wake.set()
        if process is not None:
            process.kill()
        self._thread.join(KILL_TIMEOUT_S)
        return False

    def _greet(self, process: subprocess.Popen[bytes]) -> None:
        """What each process is told first."""
        if self._first_line:
            tell(process, self._first_line)

    def _is_hurried(self) -> bool:
        """Whether there is no time to wait before the next process."""
        return self._over

    def _hear(self, line: bytes) -> None:
        """One line of its stdout."""

    def _is_final(self, code: int) -> bool:
        """Whether nobody is to come after a process that ended with ``code``."""
        return code == 0

    def _ended(self, cause: str) -> None:
        """It ended and another one follows; or none could be started."""

    def _not_started(self, cause: str) -> None:
        """None could be started; it is tried again."""
        self._ended(cause)

    def _run(self) -> None:
        """The child's thread: one process after another until it is over.

        They inherit what is blocked here: a signal for the node ends none that has not come to ignore it yet.
        """
        signal.pthread_sigmask(signal.SIG_BLOCK, FOR_THE_NODE)
        while (process := self._spawn()) is not None:
            assert process.stdout is not None
            self._greet(process)
            for line in process.stdout:
                self._hear(line)
            code = process.wait()
            _close(process)
            if self._ends_with(code):
                return
            self._trouble = self._trouble or f"it ended with exit code {code}"
            self._log.warning(f"{self.name}_ended", exit=code, cause=self._trouble)
            self._ended(self._trouble)
            self._wait_ns(self._backoff.next_ns())

    def _spawn(self) -> subprocess.Popen[bytes] | None:
        """The next process; None where none is wanted any more. A machine that refuses is asked again."""
        while True:
            with self._lock:
                if self._over:
                    return None
                try:
                    self.starts += 1
                    self._process = subprocess.Popen(  # noqa: S603 - our own command line
                        self._command,
                        stdin=subprocess.PIPE,
                        stdout=subprocess.PIPE,
                        stderr=self.stderr,
                        env=self._environment,
                        pass_fds=self._inherited,
                        start_new_session=self.new_session,
                    )
                    return self._process
                except OSError as error:
                    self._trouble = f"it cannot be started: {error.strerror}"
            self._log.warning(f"{self.name}_not_started", cause=self._trouble)
            self._not_started(self._trouble)
            self._wait_ns(self._backoff.next_ns())

    def _ends_with(self, code: int) -> bool:
        with self._lock:
            self._over = self._over or self._is_final(code)
            over = self._over
        if over:
            self._forget_look()
        return over

    def _say(self, line: bytes) -> None:
        """A line that is no report, for the log."""
        self._log.warning(f"{self.name}_said", text=line.decode(errors="replace").strip()[:LINE_MAX])

    def _wait_ns(self, wait_ns: int) -> None:
        """Until so much time has passed or :meth:`stop` was called."""
        self._wake.clear()
        if self._is_hurried():
            return
        cancel = self._timers.at(self._clock.now_ns() + wait_ns, self._wake.set)
        self._wake.wait()
        cancel()


def tell(process: subprocess.Popen[bytes], text: bytes) -> None:
    """Write ``text`` to its stdin; one that has ended hears nothing."""
    assert process.stdin is not None
    try:
        process.stdin.write(text)
        process.stdin.flush()
    except (OSError, ValueError):
        pass  # it ended already


def _close(process: subprocess.Popen[bytes]) -> None:
    for pipe in (process.stdin, process.stdout):
        try:
            if pipe is not None:
                pipe.close()
        except OSError:
            pass  # what was written to it and never read
