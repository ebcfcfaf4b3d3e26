"""What the kernel says of each thread: how long it ran, and how long it could have run and had no processor.

Read on the telemetry actor's thread. Threads of one kind are one series, however many come and go: what a name ends in
by way of a number is left out, and threads that Python did not start are ``native``. Imports the catalogue and the
instruments.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from livestack.telemetry.catalogue import THREAD_CPU, THREAD_WAIT
from livestack.telemetry.instruments import Reading

LABELS_MAX: Final = 48
"""Kinds of threads that are told apart; later ones are ``other``."""

NATIVE, OTHER = "native", "other"

_NUMBER: Final = re.compile(r"([\s_-]*\d+)+$")
_TARGET: Final = re.compile(r"\s*\(.*\)$")
_HUMP: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")
_UNFIT: Final = re.compile(r"[^a-z0-9_-]+")


def thread_label(name: str) -> str:
    """The series of a thread called ``name``: ``feed sim http 3`` is ``feed_sim_http``, ``FeedActor-2`` feed_actor."""
    kind = _NUMBER.sub("", _TARGET.sub("", name))
    return _UNFIT.sub("_", _HUMP.sub("_", kind).lower()).strip("_") or OTHER


class ThreadTimes:
    """Times by kind of thread, of those too that have ended. ``directory``: ``/proc/self/task``.

    A kernel without ``schedstat`` tells neither.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = str(directory)
        self._known: dict[int, tuple[int, int]] = {}
        self._totals: dict[str, tuple[int, int]] = {}

    def read(self) -> Iterator[Reading]:
        names = {one.native_id: thread_label(one.name) for one in threading.enumerate()}
        self._known = dict(self._look(names))
        for label, (ran_ns, waited_ns) in self._totals.items():
            yield Reading(THREAD_CPU, (label,), ran_ns // 1_000_000)
            yield Reading(THREAD_WAIT, (label,), waited_ns // 1_000_000)

    def _look(self, names: Mapping[int | None, str]) -> Iterator[tuple[int, tuple[int, int]]]:
        """Those that live, each with its times; what is new of them is added to the totals."""
        for name in os.listdir(self._directory):
            try:
                ran_ns, waited_ns = _schedstat(f"{self._directory}/{name}/schedstat")
            except (OSError, ValueError):
                continue  # it has just ended, or this kernel does not count
            thread = int(name)
            ran_before, waited_before = self._known.get(thread, (0, 0))
            if ran_ns < ran_before or waited_ns < waited_before:
                ran_before = waited_before = 0  # another thread, of the same number
            label = self._kept(names.get(thread, NATIVE))
            ran, waited = self._totals.get(label, (0, 0))
            self._totals[label] = ran + ran_ns - ran_before, waited + waited_ns - waited_before
            yield thread, (ran_ns, waited_ns)

    def _kept(self, label: str) -> str:
        return label if label in self._totals or len(self._totals) < LABELS_MAX else OTHER


def _schedstat(path: str) -> tuple[int, int]:
    """Nanoseconds on a processor, and waiting for one."""
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        words = os.read(file, 100).split()
    finally:
        os.close(file)
    if len(words) < 2:
        raise ValueError("two times were expected")
    return int(words[0]), int(words[1])
