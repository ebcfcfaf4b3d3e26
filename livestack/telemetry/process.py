"""How the node's own process does: processor, memory, threads, files, collections of garbage, and the interpreter.

:class:`ProcessProbes` lives as long as a session. What the kernel and the interpreter count anyway is read by a probe,
on the telemetry actor's thread. Pauses of the collector are noted on whatever thread collects: there is one collection
at a time, so each histogram has one writer at a time. How late a thread gets the interpreter is noted by a thread of
its own, the only one that is started here. Imports the catalogue and the instruments.
"""

from __future__ import annotations

import gc
import os
import resource
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from livestack.telemetry.catalogue import (
    PROCESS_CPU,
    PROCESS_FILES,
    PROCESS_GC_PAUSE,
    PROCESS_RSS,
    PROCESS_SWITCH,
    PROCESS_THREADS,
)
from livestack.telemetry.instruments import Histogram, Reading, Registry
from livestack.telemetry.process_threads import ThreadTimes

PROC: Final = Path("/proc/self")

PAUSE_S: Final = 0.05
"""Of the thread that wants the interpreter so often, and nothing else of it."""

GENERATIONS: Final = 3


class ProcessProbes:
    """:meth:`start` where a session runs, :meth:`stop` where it ends; both on one thread.

    ``proc`` is where the kernel tells of this process; what is not there (another kernel) is left out. ``now_ns``: a
    clock that stands still while the machine sleeps, as the waits that are measured do.
    """

    def __init__(
        self, registry: Registry, proc: Path = PROC, now_ns: Callable[[], int] = time.monotonic_ns
    ) -> None:
        self._registry = registry
        self._proc = proc
        self._now_ns = now_ns
        self._stops: list[Callable[[], None]] = []

    def start(self) -> None:
        pauses = GarbagePauses(self._registry, self._now_ns)
        switches = SwitchProbe(self._registry.histogram(PROCESS_SWITCH), self._now_ns)
        self._registry.probe("process", ProcessFigures(self._proc).read)
        pauses.install()
        switches.start()
        self._stops = [switches.stop, pauses.remove, lambda: self._registry.probe("process", tuple)]

    def stop(self) -> None:
        """Nothing of it is left behind. Does nothing where it was not started."""
        stops, self._stops = self._stops, []
        for stop in stops:
            stop()


class ProcessFigures:
    """What the kernel counts of this process and of its threads."""

    def __init__(self, proc: Path = PROC) -> None:
        self._proc = proc
        self._page = resource.getpagesize()
        self._threads = ThreadTimes(proc / "task")

    def read(self) -> Iterator[Reading]:
        yield Reading(PROCESS_CPU, value=time.process_time_ns() // 1_000_000)
        try:
            resident = int((self._proc / "statm").read_bytes().split()[1])
            yield Reading(PROCESS_RSS, value=resident * self._page)
            yield Reading(PROCESS_THREADS, value=len(os.listdir(self._proc / "task")))
            # One of them is open to look at them.
            yield Reading(PROCESS_FILES, value=max(len(os.listdir(self._proc / "fd")) - 1, 0))
        except OSError:
            return
        yield from self._threads.read()


class GarbagePauses:
    """How long each collection of garbage took, by generation. All Python threads stand still meanwhile."""

    def __init__(self, registry: Registry, now_ns: Callable[[], int]) -> None:
        self._histograms = [
            registry.histogram(PROCESS_GC_PAUSE, str(generation)) for generation in range(GENERATIONS)
        ]
        self._now_ns = now_ns
        self._began_ns = 0

    def install(self) -> None:
        gc.callbacks.append(self._on_collection)

    def remove(self) -> None:
        gc.callbacks.remove(self._on_collection)

    def _on_collection(self, phase: str, info: dict[str, Any]) -> None:
        if phase == "start":
            self._began_ns = self._now_ns()
        elif self._began_ns:
            generation = min(info["generation"], GENERATIONS - 1)
            self._histograms[generation].note(self._now_ns() - self._began_ns)
            self._began_ns = 0


class SwitchProbe:
    """A thread that asks for the interpreter every ``PAUSE_S``, and notes how late it got it."""

    def __init__(self, late: Histogram, now_ns: Callable[[], int]) -> None:
        self._late = late
        self._now_ns = now_ns
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="switch probe", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """At once, whatever it waits for."""
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        pause_ns = int(PAUSE_S * 1e9)
        while True:
            asked_ns = self._now_ns()
            if self._over.wait(PAUSE_S):
                return
            self._late.note(self._now_ns() - asked_ns - pause_ns)
