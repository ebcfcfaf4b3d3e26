"""What the node tells the service manager that started it, by systemd's protocol: datagrams to ``$NOTIFY_SOCKET``.

That it is ready, what it does, that it stops, that something takes its time, and that it gets on: the last one is what
``WatchdogSec=`` waits for, so it is sent only by whoever has seen progress. Where nobody listens nothing happens. And
nothing blocks: what is not taken at once is said again at the next occasion.

Main thread, and the watchdog's while a session runs.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Mapping
from types import TracebackType
from typing import Final, Self

from livestack.actors.desk import Board
from livestack.exceptions import LivestackError
from livestack.transports.clock import Clock

STATUS_MAX: Final = 300
"""Characters of the line that ``systemctl status`` shows."""

VARIABLES: Final = frozenset({"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"})
"""What the service manager tells the node alone, and none of its children."""

START_NS: Final = 120_000_000_000
"""How long a step of the start may take from now on: the longest one without a sign is to verify a journal."""

GRANT_EVERY_NS: Final = 10_000_000_000

STOP_NS: Final = 60_000_000_000
"""How long a stop may take from the last sign of progress on."""


class ServiceManager:
    """``environment`` is the node's as it was started; ``pid`` its process. As a context: behind it the node has ended,
    and an error that it ends with is its last status."""

    def __init__(self, environment: Mapping[str, str], clock: Clock, pid: int | None = None) -> None:
        self._clock = clock
        self._pid = os.getpid() if pid is None else pid
        self._address = _address(environment.get("NOTIFY_SOCKET", ""))
        self._beat_every_ns = _watchdog_ns(environment, self._pid) // 2
        self._beat_ns = -self._beat_every_ns
        self._granted_ns = 0
        self._status = ""
        self._is_ready_due = False
        self._is_stopping = False
        self._lock = threading.RLock()  # two threads: what is said last is what holds, and READY is said once

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        value: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        if isinstance(value, LivestackError):
            self.status(str(value))
        self.stopping()

    @property
    def listens(self) -> bool:
        """Whether there is somebody to tell."""
        return bool(self._address)

    def ready(self, status: str) -> None:
        """The start is over: what depends on the node may begin. Said again until it was heard."""
        with self._lock:
            self._is_ready_due = True
            self.status(status)

    def status(self, text: str) -> None:
        """One line on what the node does; said where it has changed."""
        line = _line(text)
        with self._lock:
            if self._is_ready_due:
                self._status = line
                self._tell_ready()
            elif line != self._status and self._send(f"STATUS={line}"):
                self._status = line

    def beat(self) -> None:
        """The node gets on. Sent twice within the time that the service manager waits for it."""
        now_ns = self._clock.now_ns()
        with self._lock:
            if self._is_ready_due:
                self._tell_ready()
            is_due = self._beat_every_ns and now_ns - self._beat_ns >= self._beat_every_ns
            if is_due and self._send("WATCHDOG=1"):
                self._beat_ns = now_ns

    def takes(self, limit_ns: int) -> None:
        """Start, stop and the next beat may take ``limit_ns`` from now on. Said again where that is much later than
        what was said before."""
        now_ns = self._clock.now_ns()
        with self._lock:
            is_needed = now_ns + limit_ns - self._granted_ns > min(limit_ns // 2, GRANT_EVERY_NS)
            if is_needed and self._send(f"EXTEND_TIMEOUT_USEC={limit_ns // 1_000}"):
                self._granted_ns = now_ns + limit_ns

    def stopping(self) -> None:
        """The node ends; said once."""
        with self._lock:
            if not self._is_stopping:
                self._is_stopping = self._send("STOPPING=1")
                self._granted_ns = 0  # what the start was given is not the stop's

    def recovering(self, seq: int, last_seq: int) -> None:
        """A session is being replayed, and is at ``seq``."""
        self.takes(START_NS)
        self.status(f"recovering, {100 * seq // max(last_seq, 1)} %")

    def _tell_ready(self) -> None:
        self._is_ready_due = not self._send("READY=1", f"MAINPID={self._pid}", f"STATUS={self._status}")

    def _send(self, *lines: str) -> bool:
        """Whether it was taken. Where nobody is, or nobody reads, the node works as well without it."""
        if not self._address:
            return False
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
                end.sendto("\n".join(lines).encode(), socket.MSG_DONTWAIT, self._address)
        except OSError:
            return False
        return True


def status_line(board: Board) -> str:
    """Phase, trading state, and why nothing may leave."""
    view = board.view
    if view is None or board.phase == "failing":
        words = [board.phase]
    else:
        words = [view.phase, f"trading {view.trading_state.name.lower()}"]
    holds = {" ".join(filter(None, (one.hold.name.lower(), one.venue))) for one in board.gate.standing()}
    if holds:
        words.append(f"held by {', '.join(sorted(holds))}")
    return "; ".join(words)


def _address(text: str) -> str:
    """A path, or a name of the abstract namespace (``@``); empty for what is neither."""
    if text.startswith("@"):
        return "\0" + text[1:]
    return text if text.startswith("/") else ""


def _watchdog_ns(environment: Mapping[str, str], pid: int) -> int:
    """How long the service manager waits for a beat of process ``pid``; 0: it waits for none."""
    try:
        wait_us, whose = int(environment.get("WATCHDOG_USEC", "0")), environment.get("WATCHDOG_PID", "")
        return max(wait_us, 0) * 1_000 if whose in ("", str(pid)) else 0
    except ValueError:
        return 0


def _line(text: str) -> str:
    return " ".join(text.split())[:STATUS_MAX]
