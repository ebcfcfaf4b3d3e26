"""How the process does: figures of the kernel, pauses of the collector, how late a thread gets the interpreter."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from livestack.telemetry.catalogue import (
    PROCESS_CPU,
    PROCESS_FILES,
    PROCESS_GC_PAUSE,
    PROCESS_RSS,
    PROCESS_SWITCH,
    PROCESS_THREADS,
    THREAD_CPU,
    THREAD_WAIT,
    Metric,
)
from livestack.telemetry.instruments import Distribution, Reading, Registry
from livestack.telemetry.process import PAUSE_S, GarbagePauses, ProcessFigures, ProcessProbes, SwitchProbe
from tests.support import ROOT

PAUSE_NS = int(PAUSE_S * 1e9)
HELD_BYTES = 32 << 20
OF_A_PROCESS = (PROCESS_CPU, PROCESS_RSS, PROCESS_THREADS, PROCESS_FILES)


class Ticking:
    """A clock that goes on by ``step_ns`` each time that somebody looks at it."""

    def __init__(self, step_ns: int) -> None:
        self.time_ns = 1
        self.step_ns = step_ns
        self.looks = 0
        self.looked = threading.Event()

    def __call__(self) -> int:
        self.time_ns += self.step_ns
        self.looks += 1
        if self.looks >= 4:
            self.looked.set()
        return self.time_ns


def by_metric(readings: Iterator[Reading]) -> dict[Metric, list[Reading]]:
    found: dict[Metric, list[Reading]] = {}
    for one in readings:
        found.setdefault(one.metric, []).append(one)
    return found


def distribution(registry: Registry, metric: Metric, *labels: str) -> Distribution:
    (found,) = [one.distribution for one in registry.read() if (one.metric, one.labels) == (metric, labels)]
    assert found is not None
    return found


def grow() -> None:
    """Print the figures of a process that does nothing else, before and after it took more of everything."""
    figures = ProcessFigures()
    before = {metric.name: one[0].value for metric, one in by_metric(figures.read()).items()}
    held = bytearray(os.urandom(1) * HELD_BYTES)
    over, opened = threading.Event(), [os.open(os.devnull, os.O_RDONLY) for _ in range(5)]
    thread = threading.Thread(target=over.wait)
    thread.start()
    after = {metric.name: one[0].value for metric, one in by_metric(figures.read()).items()}
    over.set()
    thread.join()
    print(json.dumps([before, after, len(held), len(opened)]))


def test_figures_of_a_process() -> None:
    """They are those of the kernel, and change as the process does."""
    command = [sys.executable, "-c", "from tests.telemetry import test_process; test_process.grow()"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    before, after, *_ = json.loads(done.stdout)
    more = {metric: after[metric.name] - before[metric.name] for metric in OF_A_PROCESS}
    assert HELD_BYTES // 2 < more[PROCESS_RSS]
    assert (5, 1) == (more[PROCESS_FILES], more[PROCESS_THREADS])
    assert 0 <= more[PROCESS_CPU]


def test_what_the_kernel_does_not_tell_is_left_out(tmp_path: Path) -> None:
    """Without ``/proc`` there is the processor's time, and nothing fails."""
    assert {PROCESS_CPU} == set(by_metric(ProcessFigures(tmp_path).read()))


def test_a_pause_is_as_long_as_its_collection() -> None:
    """By generation, from the collector's own word; what is removed hears nothing."""
    registry, clock = Registry(), Ticking(700)
    pauses = GarbagePauses(registry, clock)
    pauses.install()
    try:
        gc.collect(1)
    finally:
        pauses.remove()
    gc.collect(1)
    pause = distribution(registry, PROCESS_GC_PAUSE, "1")
    assert (1, 700) == (pause.count, pause.total)
    assert 0 == distribution(registry, PROCESS_GC_PAUSE, "2").count


def test_a_collection_that_began_before_is_not_counted() -> None:
    """Its end comes alone."""
    registry = Registry()
    pauses = GarbagePauses(registry, Ticking(700))
    pauses._on_collection("stop", {"generation": 0})
    assert 0 == distribution(registry, PROCESS_GC_PAUSE, "0").count
    pauses._on_collection("start", {"generation": 5})
    pauses._on_collection("stop", {"generation": 5})
    assert 1 == distribution(registry, PROCESS_GC_PAUSE, "2").count


def test_how_late_the_interpreter_was_given() -> None:
    """What is beyond the pause; the thread ends at once, long before the pause is over."""
    registry, clock = Registry(), Ticking(PAUSE_NS + 300)
    probe = SwitchProbe(registry.histogram(PROCESS_SWITCH), clock)
    probe.start()
    assert clock.looked.wait(60)
    probe.stop()
    late = distribution(registry, PROCESS_SWITCH)
    assert (300, 300 * late.count) == (late.most, late.total)
    assert 1 <= late.count


@pytest.mark.parametrize("times", [1, 2])
def test_nothing_is_left_behind(times: int) -> None:
    """Thread, callback and probe go with the session, and come again with the next."""
    registry, callbacks = Registry(), list(gc.callbacks)
    probes = ProcessProbes(registry)
    probes.stop()  # was not started: nothing to do
    for _ in range(times):
        probes.start()
        assert "switch probe" in [one.name for one in threading.enumerate()]
        assert len(callbacks) + 1 == len(gc.callbacks)
        read = {one.metric for one in registry.read()}
        assert {PROCESS_CPU, PROCESS_GC_PAUSE, PROCESS_SWITCH} <= read
        probes.stop()
        assert "switch probe" not in [one.name for one in threading.enumerate()]
        assert callbacks == gc.callbacks
        assert PROCESS_CPU not in {one.metric for one in registry.read()}


def test_threads_are_part_of_it() -> None:
    """Where this kernel counts them."""
    found = by_metric(ProcessFigures().read())
    has_schedstat = Path("/proc/self/schedstat").exists()
    assert has_schedstat == (THREAD_CPU in found) == (THREAD_WAIT in found)
