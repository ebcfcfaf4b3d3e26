"""The watchdog by virtual time: what is a stall, what is none, and what is done about it."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from livestack.actors.gate import DispatchGate, Hold, Passage
from livestack.actors.mailbox import HarnessMailbox
from livestack.actors.progress import Progress
from livestack.core.control_events import HALTING
from livestack.core.events import ControlTime, IncidentClosed, IncidentOpened
from livestack.node.watchdog import STACKS_NAME, Watchdog
from tests.actors.fakes import FakeClock, messages
from tests.actors.test_mailbox import quote

STALL_NS = 1_000_000_000
LIMIT_S = 30


class Bench:
    """A watchdog that looks when it is told to."""

    def __init__(self, directory: Path) -> None:
        self.clock = FakeClock()
        self.gate = DispatchGate(["v"])
        self.harness = HarnessMailbox()
        self.progress = Progress()
        self.beats = 0
        self.looked_after = threading.Event()
        self.failure: Exception | None = None
        self.stacks = directory / STACKS_NAME
        self.watchdog = Watchdog(
            gate=self.gate,
            harness=self.harness,
            progress=self.progress,
            clock=self.clock,
            stall_ns=STALL_NS,
            beat=self.beat,
            look_after=self.look_after,
            stacks=self.stacks,
        )

    def beat(self) -> None:
        self.beats += 1
        if self.failure is not None:
            failure, self.failure = self.failure, None
            raise failure

    def look_after(self) -> None:
        self.looked_after.set()

    def look(self, later_ns: int = 0) -> bool:
        """Whether the gate is open for New after a look so much later."""
        self.clock.time_ns += later_ns
        self.watchdog.look()
        return self.gate.refusal("v", "", Passage.NEW) is None


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_a_step_that_does_not_return_closes_the_gate_until_it_does(bench: Bench) -> None:
    """Hold, halting incident, stacks, no beat; all but the file ends by itself."""
    assert bench.look()
    bench.progress.busy_ns = bench.clock.now_ns()
    assert bench.look(STALL_NS - 1)
    assert 2 == bench.beats
    assert not bench.look(1)
    assert 2 == bench.beats
    assert [Hold.STALL] == [one.hold for one in bench.gate.standing()]
    (opened,) = messages(bench.harness)
    assert isinstance(opened, IncidentOpened)
    assert ("stall", "harness", HALTING) == (opened.name, opened.scope, opened.grade)
    assert "test_watchdog.py" in bench.stacks.read_text()
    assert not bench.look(STALL_NS)
    assert [] == messages(bench.harness)  # once
    bench.progress.busy_ns, bench.progress.sequenced = 0, 1
    assert bench.look(1)
    (closed,) = messages(bench.harness)
    assert isinstance(closed, IncidentClosed)
    assert (3, "stall") == (bench.beats, closed.name)


def test_an_idle_harness_is_no_stall(bench: Bench) -> None:
    """However long nothing happens; and the first step after it has all its time."""
    assert bench.look(100 * STALL_NS)
    assert bench.look(100 * STALL_NS)
    bench.progress.busy_ns = bench.clock.now_ns()
    assert bench.look(STALL_NS - 1)
    assert not bench.look(1)


def test_a_long_batch_of_quick_steps_is_no_stall(bench: Bench) -> None:
    """Each step begins anew."""
    for step in range(1, 30):
        bench.progress.busy_ns = bench.clock.now_ns()
        bench.progress.sequenced = step
        assert bench.look(STALL_NS - 1)


def test_steps_that_never_let_go_of_one_event_are_a_stall(bench: Bench) -> None:
    """Busy, and no position further."""
    bench.look()
    bench.progress.busy_ns = bench.clock.now_ns()
    assert [True, True, False] == [bench.look(STALL_NS // 2 - 1), bench.look(1), bench.look(STALL_NS // 2)]


def test_events_that_nobody_takes_are_a_stall(bench: Bench) -> None:
    """A harness thread that hangs between two batches is busy with nothing, and yet does not get on."""
    bench.look()
    bench.harness.tell_time(ControlTime(scope="a", deadline_ns=1))
    assert bench.look(STALL_NS - 1)
    assert not bench.look(1)


@pytest.mark.parametrize("kept_back", ["paused", "held"])
def test_market_data_that_is_kept_back_is_no_stall(bench: Bench, kept_back: str) -> None:
    """It waits for the disk, not for the harness; let through and not taken it is one."""
    setattr(bench.harness, kept_back, True)
    bench.harness.offer_market([quote(1)])
    assert bench.look(10 * STALL_NS)
    setattr(bench.harness, kept_back, False)
    assert not bench.look(STALL_NS)


def test_a_disk_without_room_for_stacks_changes_nothing_else(tmp_path: Path) -> None:
    """The gate is closed and the Core is told."""
    bench = Bench(tmp_path / "gone")
    bench.look()
    bench.progress.busy_ns = bench.clock.now_ns()
    assert not bench.look(STALL_NS)
    assert 1 == len(messages(bench.harness))


def test_it_lifts_its_own_hold_alone(bench: Bench) -> None:
    """A kill in the meantime stays."""
    bench.progress.busy_ns = bench.clock.now_ns()
    bench.look(STALL_NS)
    bench.gate.close(Hold.KILL)
    bench.progress.busy_ns = 0
    bench.look()
    assert [Hold.KILL] == [one.hold for one in bench.gate.standing()]


def test_its_thread_looks_after_the_others_whatever_fails(tmp_path: Path) -> None:
    """A look that raises is logged, and the next one comes; it ends when it is told to."""
    bench = Bench(tmp_path)
    bench.failure = RuntimeError("the page is gone")
    bench.watchdog._stall_ns = 50_000_000
    bench.watchdog.start()
    assert bench.looked_after.wait(LIMIT_S)
    bench.watchdog.stop()
    assert "watchdog" not in [thread.name for thread in threading.enumerate()]
    assert bench.beats > 1


def test_one_that_was_never_started_can_be_stopped(bench: Bench) -> None:
    """A node that fails at its start ends like any other."""
    bench.watchdog.stop()
