"""Commands that go on until somebody has had enough of them: Ctrl-C and SIGTERM end them in order."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

TOGETHER_S = 1.0
"""Wrappers send SIGTERM to a process and then to its group: what comes so soon after the first one is the same wish."""


@contextmanager
def until_a_signal() -> Iterator[threading.Event]:
    """Set by the first Ctrl-C or SIGTERM; a later one ends the process as usual; behind the context
    another SIGTERM has nothing left to ask for."""
    stopped = threading.Event()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    told_s: list[float] = []

    def stop(number: int, _frame: FrameType | None) -> None:
        told_s.append(time.monotonic())
        stopped.set()
        if told_s[-1] - told_s[0] >= TOGETHER_S:
            signal.signal(number, before[signal.Signals(number)])
            os.kill(os.getpid(), number)

    for number in before:
        signal.signal(number, stop)
    try:
        yield stopped
    finally:
        if told_s:  # at its end the interpreter would let another one end the process
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        else:
            for number, handler in before.items():
                signal.signal(number, handler)
