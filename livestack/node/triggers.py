"""The kill-switch's local triggers: SIGUSR1, a file named KILL in the data directory, and nobody who was heard of.

No key, no socket, no actor. One thread waits for the byte that the interpreter writes at the arrival of a signal,
whatever the main thread does at that moment, and looks for the rest ten times a second. The file stays: while it is
there the node is killed.
"""

from __future__ import annotations

import os
import select
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

import structlog

from livestack.actors.kill_switch import KillSwitch

KILL_NAME = "KILL"
LOOK_MS = 100
TEXT_MAX = 200
"""Characters of the file that are taken as the reason."""


FOR_THE_NODE = frozenset({signal.SIGUSR1, signal.SIGUSR2, signal.SIGABRT})
"""Signals that nobody means for the node's other processes, and that would end them. The last one is what systemd sends
to all of a service that makes no progress; ``abort()`` works all the same."""

_early: list[int] = []


def listen_early() -> None:
    """From now on a SIGUSR1 ends nothing: it is kept for the kill-switch that comes. First thing of a node."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGUSR1, lambda number, frame: _early.append(number))


def ignore() -> None:
    """For the node's other processes: a signal that was meant for the node must not end its guard."""
    if threading.current_thread() is threading.main_thread():
        for number in FOR_THE_NODE:
            signal.signal(number, signal.SIG_IGN)


class LocalTriggers:
    """As a context, entered and left on the main thread; elsewhere there are no signals, and only the rest counts.
    ``dead_man`` is looked at as often as the file."""

    def __init__(
        self, kill_switch: KillSwitch, data_dir: Path, dead_man: Callable[[], None] = lambda: None
    ) -> None:
        self._kill_switch = kill_switch
        self._file = data_dir / KILL_NAME
        self._dead_man = dead_man
        self._seen: tuple[int, int] | None = None
        self._read, self._write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._thread = threading.Thread(target=self._run, name="triggers", daemon=True)
        self._over = False
        self._before: Any = None
        self._wakeup_before = -1
        self._takes_signals = False
        self._log = structlog.get_logger("kill_switch")

    def __enter__(self) -> LocalTriggers:
        if threading.current_thread() is threading.main_thread():
            self._takes_signals = True
            self._before = signal.signal(signal.SIGUSR1, lambda number, frame: None)
            self._wakeup_before = signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        if _early:
            _early.clear()
            self._signalled()
        self._look()
        self._thread.start()
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _value: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        if self._takes_signals:
            signal.set_wakeup_fd(self._wakeup_before)
            # A late one must not end the process that a reset may have been prepared for.
            signal.signal(signal.SIGUSR1, self._before if callable(self._before) else signal.SIG_IGN)
        self._over = True
        os.write(self._write, b"\0")
        self._thread.join()
        os.close(self._read)
        os.close(self._write)

    def _run(self) -> None:
        poll = select.poll()
        poll.register(self._read, select.POLLIN)
        while not self._over:
            try:
                if poll.poll(LOOK_MS) and signal.SIGUSR1 in os.read(self._read, 512):
                    self._signalled()
                self._look()
                self._dead_man()
            except Exception as error:  # noqa: BLE001 - this thread is the last way to stop the node: it goes on
                self._log.error("trigger_failed", error=f"{type(error).__name__}: {error}")

    def _signalled(self) -> None:
        self._kill_switch.engage("signal", f"uid {os.getuid()}", "SIGUSR1 received")

    def _look(self) -> None:
        """Engage once for each file that appears. A link is one, wherever it leads; so is what cannot be looked at."""
        by = "livestack"
        try:
            found = self._file.lstat()
        except FileNotFoundError:
            self._seen = None
            return
        except OSError as error:
            stamp, reason = (-1, error.errno or 0), f"{KILL_NAME} cannot be looked at: {error.strerror}"
        else:
            stamp, by, reason = (found.st_ino, found.st_mtime_ns), f"uid {found.st_uid}", ""
        if stamp != self._seen:
            self._kill_switch.engage("file", by, reason or self._reason())
            self._seen = stamp

    def _reason(self) -> str:
        try:
            # Neither a pipe nor a file of any size keeps this thread from its work; what a link leads to is not told.
            file = os.open(self._file, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                text = os.read(file, 4 * TEXT_MAX).decode(errors="replace")
            finally:
                os.close(file)
        except OSError:
            text = ""
        line = "".join(one if one.isprintable() else " " for one in text).strip()[:TEXT_MAX]
        return line or f"a file named {KILL_NAME} is in the data directory"
