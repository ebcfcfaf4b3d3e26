"""Behind a dead node: who may start meanwhile, what a hanging disk delays, when the guard has no business any more."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from livestack.control.disk import Disk
from livestack.control.latch import Latch, LatchEntry
from livestack.exceptions import HeldError
from livestack.journal.directory import DataDirectory
from livestack.node.aftermath import HOLD_NS, Aftermath
from livestack.node.guard_report import GuardReport, VenueReport, read_report
from tests.actors.fakes import FakeClock

ENTRY = LatchEntry(trigger="guard", by="guard", reason="it hung")
WAIT_S = 60.0
FLAT = VenueReport(flat=True, proven=True)


class Sweeping:
    """A sweep that does what the test says; ``told`` is where its news go."""

    venue = "v"
    settling_ns = 5

    def __init__(self, act: Callable[[Sweeping], None]) -> None:
        self.news: queue.SimpleQueue[tuple[str, VenueReport]] = queue.SimpleQueue()
        self.asked: tuple[int, int] = (0, 0)
        self._act = act

    def run(self, settled_ns: int, deadline_ns: int) -> None:
        self.asked = settled_ns, deadline_ns
        self._act(self)
        self.news.put(("v", FLAT))


class Bench:
    def __init__(self, directory: Path, *, latched: bool = True) -> None:
        self.directory = directory
        self.clock = FakeClock()
        self.latch = Latch(directory)
        if latched:
            self.latch.engage(ENTRY)
        self.report = GuardReport(
            trigger="guard",
            by="guard",
            reason="it hung",
            began_ns=1,
            latched=latched,
            venues={"v": VenueReport()},
        )
        self.stopping = threading.Event()

    def run(self, act: Callable[[Sweeping], None]) -> GuardReport:
        self.sweep = Sweeping(act)
        aftermath = Aftermath(self.directory, self.report, Disk(), self.latch, self.clock)
        return aftermath.run([self.sweep], self.sweep.news, self.stopping)  # type: ignore[list-item]


def test_nobody_starts_meanwhile(tmp_path: Path) -> None:
    """The data directory is the guard's until it is done, and says so; then it is free."""
    refused: list[str] = []

    def try_to_start(_: Sweeping) -> None:
        while not DataDirectory(tmp_path).is_held():
            pass
        while not refused or "the guard" not in refused[-1]:
            with pytest.raises(HeldError) as caught:
                DataDirectory(tmp_path).acquire()
            refused.append(str(caught.value))

    bench = Bench(tmp_path)
    report = bench.run(try_to_start)
    assert "it is held by the guard, process" in refused[-1]
    assert (True, True) == (report.flat, report.ended_ns > 0)
    assert report == read_report(tmp_path)
    DataDirectory(tmp_path).acquire().release()


def test_the_directory_is_not_kept_for_ever(tmp_path: Path) -> None:
    """After a minute a node may start, and finds the latch."""
    bench = Bench(tmp_path)

    def go_on(_: Sweeping) -> None:
        while not DataDirectory(tmp_path).is_held():
            pass
        bench.clock.time_ns += HOLD_NS
        while DataDirectory(tmp_path).is_held():
            pass

    assert bench.run(go_on).flat
    assert (ENTRY,) == bench.latch.entries()


def test_without_a_latch_it_is_kept_to_the_end(tmp_path: Path) -> None:
    """A node that starts would trade into the sweep."""
    bench = Bench(tmp_path, latched=False)
    held: list[bool] = []

    def go_on(_: Sweeping) -> None:
        while not DataDirectory(tmp_path).is_held():
            pass
        bench.clock.time_ns += 2 * HOLD_NS
        held.append(not bench.stopping.wait(2.0) and DataDirectory(tmp_path).is_held())

    bench.run(go_on)
    assert [True] == held


def test_a_reset_ends_it(tmp_path: Path) -> None:
    """Somebody took over: what is open now is theirs. Only where a node could start at all."""
    bench = Bench(tmp_path)

    def reset(_: Sweeping) -> None:
        bench.clock.time_ns += 2 * HOLD_NS
        bench.latch.clear()
        assert bench.stopping.wait(WAIT_S)

    assert "was reset" in bench.run(reset).note


def test_a_node_that_was_faster_is_no_obstacle(tmp_path: Path) -> None:
    """It has the latch to obey; the sweep goes on."""
    other = DataDirectory(tmp_path).acquire()
    bench = Bench(tmp_path)
    report = bench.run(lambda _: None)
    assert report.flat
    assert "is held by process" in report.note
    other.release()


def test_it_asks_for_a_proof(tmp_path: Path) -> None:
    """At the venue's settling time after the death, and gives up much later."""
    bench = Bench(tmp_path)
    bench.run(lambda _: None)
    settled_ns, deadline_ns = bench.sweep.asked
    assert bench.clock.time_ns + 5 == settled_ns
    assert deadline_ns > settled_ns + HOLD_NS
