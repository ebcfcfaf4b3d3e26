"""The node's side of the follower: starts the process, hears it, starts it again, ends it by its id.

One daemon thread per child waits for its lines and its end. The child is told what to do through its stdin; when the
node dies, however it dies, that closes and the child ends by itself. It is a fresh interpreter, never a fork: an LMDB
environment must not cross one. Callbacks run on the child's thread or the timers', and must only put a message
somewhere or close the gate.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import msgspec
import structlog

from livestack.follower_settings import FollowerSettings
from livestack.node.follower import DifferenceFound, PositionReached, Report, SnapshotWritten, Trouble
from livestack.settings import VenueSettings
from livestack.transports.backoff import Backoff
from livestack.transports.clock import Clock, Timers

STOP_TIMEOUT_S = 10.0
"""For the last snapshot: a deep book's takes a second, a slow disk some more."""

KILL_TIMEOUT_S = 5.0
"""After SIGKILL: only a disk that hangs keeps a process longer, and then nothing helps."""

LINE_MAX = 500
"""Characters kept of a line that is no report: the sentence of an error, or what an interpreter says when it dies."""

_report_decoder = msgspec.json.Decoder(Report)


class FollowerEvents(Protocol):
    """Whom a :class:`FollowerChild` tells. Nothing here may block."""

    def on_snapshot(self, seq: int) -> None:
        """State after ``seq`` is on disk, and proven to come back."""

    def on_difference(self, seq: int, text: str) -> None:
        """The Core decides otherwise at ``seq`` than it is recorded; the follower is not started again."""

    def on_away(self, reason: str) -> None:
        """Nothing was verified for ``away_after``; once until :meth:`on_back`."""

    def on_back(self) -> None:
        """It has caught up."""


def follower_command(data_dir: Path, session: str, settings: FollowerSettings) -> list[str]:
    """The command line of a session's follower."""
    return [
        sys.executable,
        *("-m", "livestack", "follower", session, "--child"),
        *("--data-dir", str(data_dir.absolute())),
        *("--snapshot-every", f"{settings.snapshot_every_ns // 1_000_000}ms"),
        *("--snapshot-every-events", str(settings.snapshot_every_events)),
        *("--keep", str(settings.keep)),
    ]


def follower_environment(
    environment: Mapping[str, str], venues: Mapping[str, VenueSettings]
) -> dict[str, str]:
    """``environment`` with this process's import path and without the venues' keys, which a follower has no use for."""
    secrets = {name for venue in venues.values() for name in (venue.api_key_env, venue.secret_env)}
    kept = {name: value for name, value in environment.items() if name not in secrets}
    return {**kept, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


class FollowerChild:
    """The follower of one session. :meth:`start` and :meth:`stop` on the node's main thread.

    It is *away* when what it verified last is older than ``away_after_ns``: dead, stuck, too slow, or failing again and
    again at one place. ``seq`` and ``behind`` are the last ones it told.
    """

    def __init__(
        self,
        command: Sequence[str],
        events: FollowerEvents,
        *,
        clock: Clock,
        timers: Timers,
        backoff: Backoff,
        away_after_ns: int,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.seq = 0
        self.behind = 0
        self.starts = 0
        self._command = list(command)
        self._events = events
        self._clock = clock
        self._timers = timers
        self._backoff = backoff
        self._away_after_ns = away_after_ns
        self._environment = environment
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._over = False
        self._away = False
        self._trouble = ""
        self._verified_ns = clock.now_ns()
        self._forget_look: Callable[[], None] = lambda: None
        self._thread = threading.Thread(target=self._run, name="follower", daemon=True)
        self._log = structlog.get_logger("follower")

    @property
    def pid(self) -> int | None:
        """Of the running process."""
        process = self._process
        return process.pid if process is not None and process.poll() is None else None

    def start(self) -> None:
        """Start the process and the look at its progress; returns at once."""
        self._verified_ns = self._clock.now_ns()
        self._look_again()
        self._thread.start()

    def stop(self, timeout_s: float = STOP_TIMEOUT_S) -> bool:
        """Have it write its last snapshot and end, or kill it after ``timeout_s``. Whether it ended by itself."""
        with self._lock:
            self._over = True
            process = self._process
        self._forget_look()
        self._wake.set()
        if process is not None:
            _tell(process, b"stop\n")
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        if not self._thread.is_alive():
            return True
        if process is not None:
            process.kill()
        self._thread.join(KILL_TIMEOUT_S)
        return False

    def _run(self) -> None:
        """The child's thread: one process after another until the session is over."""
        while (process := self._spawn()) is not None:
            assert process.stdout is not None
            for line in process.stdout:
                self._hear(line)
            code = process.wait()
            _close(process)
            if self._ends_with(code):
                return
            self._trouble = self._trouble or f"it ended with exit code {code}"
            self._log.warning("follower_ended", exit=code, cause=self._trouble)
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
                        stderr=subprocess.STDOUT,
                        env=self._environment,
                    )
                    return self._process
                except OSError as error:
                    self._trouble = f"it cannot be started: {error.strerror}"
            self._log.warning("follower_not_started", cause=self._trouble)
            self._wait_ns(self._backoff.next_ns())

    def _ends_with(self, code: int) -> bool:
        """Whether nobody is to come after a process that ended with ``code``: 0 is a session that is over."""
        with self._lock:
            self._over = self._over or code == 0
            over = self._over
        if over:
            self._forget_look()
        return over

    def _hear(self, line: bytes) -> None:
        try:
            report: Report = _report_decoder.decode(line)
        except msgspec.MsgspecError:
            self._log.warning("follower_said", text=line.decode(errors="replace").strip()[:LINE_MAX])
            return
        match report:
            case PositionReached():
                self._progressed(report)
            case SnapshotWritten(seq, _, size, ms):
                self._log.debug("snapshot_written", seq=seq, size=size, ms=ms)
                self._events.on_snapshot(seq)
            case DifferenceFound(seq):
                with self._lock:
                    self._over = True
                self._forget_look()
                self._log.error("follower_differs", seq=seq, difference=str(report))
                self._events.on_difference(seq, str(report))
            case Trouble(text):
                self._trouble = text
                self._log.warning("follower_trouble", cause=text)

    def _progressed(self, position: PositionReached) -> None:
        """``ts`` is in session time, as the clock's: at the end of the journal all of it is verified until now."""
        self.seq, self.behind = position.seq, position.behind
        now_ns = self._clock.now_ns()
        verified_ns = position.ts if position.behind else now_ns
        if not position.behind:
            self._backoff.reset()
            self._trouble = ""
        with self._lock:
            self._verified_ns = max(self._verified_ns, verified_ns)
            back = self._away and now_ns - self._verified_ns < self._away_after_ns
            if back:
                self._away = False
        if back:
            self._log.warning("follower_back", seq=self.seq)
            self._events.on_back()
            self._look_again()

    def _look_again(self) -> None:
        """Have somebody look when it would be away if nothing more were heard."""
        self._forget_look = self._timers.at(self._verified_ns + self._away_after_ns, self._look)

    def _look(self) -> None:
        with self._lock:
            if self._over:
                return
            self._away = self._clock.now_ns() - self._verified_ns >= self._away_after_ns
            away = self._away
        if not away:
            self._look_again()
            return
        cause = self._trouble or ("it is too slow" if self.behind else "it says nothing")
        reason = f"nothing behind seq {self.seq} was verified for {self._away_after_ns // 1_000_000_000} s: {cause}"
        self._log.warning("follower_away", cause=reason)
        self._events.on_away(reason)

    def _wait_ns(self, wait_ns: int) -> None:
        """Until so much time has passed or :meth:`stop` was called."""
        self._wake.clear()
        if self._over:
            return
        cancel = self._timers.at(self._clock.now_ns() + wait_ns, self._wake.set)
        self._wake.wait()
        cancel()


def _tell(process: subprocess.Popen[bytes], text: bytes) -> None:
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
