"""Disk work on a thread of its own, for whoever must not wait for a disk that may never answer."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

DISK_WAIT_S = 1.0
"""A flush on a healthy disk takes milliseconds; what takes longer is done all the same, and told to be under way."""


class Disk:
    """One thread for everything that a disk can delay for ever."""

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        threading.Thread(target=self._run, name="disk", daemon=True).start()

    def do(self, job: Callable[[], object], wait_s: float = DISK_WAIT_S) -> BaseException | None:
        """Do ``job`` after the ones before it; None: it is done. What it raised, or TimeoutError: not yet."""
        done: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()

        def perform() -> None:
            try:
                job()
            except Exception as error:  # noqa: BLE001 - it is handed over
                done.put(error)
            else:
                done.put(None)

        self._jobs.put(perform)
        try:
            return done.get(timeout=wait_s)
        except queue.Empty:
            return TimeoutError("the disk does not answer")

    def _run(self) -> None:
        while True:
            self._jobs.get()()
