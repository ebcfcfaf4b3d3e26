"""The watchdog by virtual time: what is a stall, what is none, and what is done about it."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from livestack.actors.base import NodeActor, Ping
from livestack.actors.gate import DispatchGate, Hold, Passage
from livestack.actors.mailbox import HarnessMailbox, Mailbox
from livestack.actors.progress import Progress
from livestack.core.control_events import HALTING
from livestack.core.events import ControlTime, IncidentClosed, IncidentOpened
from livestack.node.watchdog import (
    CONNECTOR_STUCK_NS,
    CONTROL_STUCK_NS,
    FEED_STUCK_NS,
    JOURNAL_STUCK_NS,
    STACKS_NAME,
    Watchdog,
)
from tests.actors.fakes import FakeClock, messages
from tests.actors.test_mailbox import quote

STALL_NS = 1_000_000_000
LIMIT_S = 30


class Worker:
    """An actor; ``turns`` is odd while it is at a batch."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.turns = 0


class Bench:
    """A watchdog that looks when it is told to, at a harness that has begun."""

    def __init__(self, directory: Path) -> None:
        self.clock = FakeClock()
        self.gate = DispatchGate(["v", "w"])
        self.workers: list[Worker] = []
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
            actors=lambda: self.workers,
            clock=self.clock,
            stall_ns=STALL_NS,
            beat=self.beat,
            look_after=self.look_after,
            stacks=self.stacks,
        )
        self.progress.sequenced = 1

    def worker(self, name: str) -> Worker:
        """One more actor, at its first batch, which the watchdog has seen."""
        worker = Worker(name)
        worker.turns = 1
        self.workers.append(worker)
        self.look()
        return worker

    def told(self) -> list[str]:
        """The incidents that the Core was told of since the last time."""
        return [
            f"{type(event).__name__} {event.name} {event.scope}"
            for event in messages(self.harness)
            if isinstance(event, IncidentOpened | IncidentClosed)
        ]

    def stands(self) -> list[str]:
        """The venues for which the gate is closed, empty is all of them."""
        assert {Hold.STALL} >= {one.hold for one in self.gate.standing()}
        return [one.venue for one in self.gate.standing()]

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
    bench.progress.busy_ns, bench.progress.sequenced = 0, 2
    assert bench.look(STALL_NS)
    (closed,) = messages(bench.harness)
    assert isinstance(closed, IncidentClosed)
    assert (3, "stall", "it returned after 3.0 s") == (bench.beats, closed.name, closed.detail)


def test_an_idle_harness_is_no_stall(bench: Bench) -> None:
    """However long nothing happens; and the first step after it has all its time."""
    assert bench.look(100 * STALL_NS)
    assert bench.look(100 * STALL_NS)
    bench.progress.busy_ns = bench.clock.now_ns()
    assert bench.look(STALL_NS - 1)
    assert not bench.look(1)


def test_a_long_batch_of_quick_steps_is_no_stall(bench: Bench) -> None:
    """Each step begins anew."""
    for step in range(2, 30):
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


def test_a_harness_that_has_not_begun_is_no_stall(bench: Bench) -> None:
    """The watchdog starts first, so that there is a pulse; Events may wait for the harness to start."""
    bench.progress.sequenced = 0
    bench.harness.tell_time(ControlTime(scope="a", deadline_ns=1))
    assert bench.look(10 * STALL_NS)
    assert 1 == bench.beats
    bench.progress.busy_ns = bench.clock.now_ns()
    assert [True, False] == [bench.look(STALL_NS - 1), bench.look(1)]


def test_a_recorder_that_hangs_stops_the_pulse(bench: Bench) -> None:
    """Even if the harness has paused, and waits for nothing else: gate closed, halted, until the commit returns."""
    bench.harness.paused = True
    recorder = bench.worker("recorder")
    assert bench.look(JOURNAL_STUCK_NS - 1)
    beats = bench.beats
    assert not bench.look(1)
    (opened,) = messages(bench.harness)
    assert not bench.look(10 * JOURNAL_STUCK_NS)
    assert beats == bench.beats
    assert ("journal_stuck", "journal", HALTING) == (opened.name, opened.scope, opened.grade)
    assert "a commit did not return in 2000 ms" in opened.detail
    assert "test_watchdog.py" in bench.stacks.read_text()
    recorder.turns += 1
    assert bench.look()
    assert (beats + 1, ["IncidentClosed journal_stuck journal"]) == (bench.beats, bench.told())


def test_a_connector_that_hangs_closes_its_venue(bench: Bench) -> None:
    """And no other; the node goes on, so its pulse does."""
    connector = bench.worker("connector v")
    assert bench.look(CONNECTOR_STUCK_NS - 1)
    assert not bench.look(1)
    assert ["v"] == bench.stands()
    assert bench.gate.refusal("v", "", Passage.CANCEL) is None
    assert ["IncidentOpened connector_stuck v"] == bench.told()
    assert 3 == bench.beats
    connector.turns += 1
    assert bench.look()
    assert ["IncidentClosed connector_stuck v"] == bench.told()


@pytest.mark.parametrize(
    ("name", "limit_ns", "incident"),
    [
        ("feed v", FEED_STUCK_NS, "feed_stuck v"),
        ("control", CONTROL_STUCK_NS, "control_stuck control"),
    ],
)
def test_a_feed_or_control_that_hangs_is_told(bench: Bench, name: str, limit_ns: int, incident: str) -> None:
    """Neither closes anything nor stops the pulse."""
    worker = bench.worker(name)
    assert bench.look(limit_ns - 1)
    assert [] == bench.told()
    assert bench.look(1)
    assert 3 == bench.beats
    assert [f"IncidentOpened {incident}"] == bench.told()
    worker.turns += 1
    assert bench.look()
    assert [f"IncidentClosed {incident}"] == bench.told()


@pytest.mark.parametrize("name", ["recorder", "connector v", "feed v", "control"])
def test_an_actor_that_gets_on_is_never_stuck(bench: Bench, name: str) -> None:
    """Each batch has all its time; one that waits for the next has as much as it likes."""
    worker = bench.worker(name)
    for _ in range(5):
        assert bench.look(JOURNAL_STUCK_NS - 1)
        worker.turns += 2
        assert bench.look(JOURNAL_STUCK_NS - 1)
    worker.turns += 1
    assert bench.look(100 * CONTROL_STUCK_NS)
    assert [] == bench.told()


def test_one_that_died_of_its_batch_is_at_it_no_more(bench: Bench) -> None:
    """The one that took its place under the same name is another one, with a time of its own."""
    connector = bench.worker("connector v")
    bench.look(CONNECTOR_STUCK_NS - 1)
    connector.turns += 1
    bench.worker("connector v")
    assert bench.look(CONNECTOR_STUCK_NS - 1)
    assert not bench.look(1)


def test_the_gate_opens_when_the_last_one_returns(bench: Bench) -> None:
    """Harness and recorder share the hold; a venue's own is another one."""
    recorder, connector = bench.worker("recorder"), bench.worker("connector w")
    bench.progress.busy_ns = bench.clock.now_ns()
    bench.look(CONNECTOR_STUCK_NS)
    assert ["", "w"] == sorted(bench.stands())
    recorder.turns += 1
    bench.look()
    assert ["", "w"] == sorted(bench.stands())
    bench.progress.busy_ns = 0
    messages(bench.harness)
    bench.look()
    assert ["w"] == bench.stands()
    connector.turns += 1
    bench.look()
    assert [] == bench.stands()


def test_an_actor_says_when_it_is_at_a_batch() -> None:
    """Odd within, even behind, whatever comes of it; a ping is none."""
    seen: list[int] = []

    class One(NodeActor):
        def on_batch(self, batch: list[object]) -> None:
            seen.append(self.turns)
            if batch:
                raise SystemExit("bad")

    actor = One("one", Mailbox(), Mailbox())
    actor.on_receive([])
    actor.on_receive(Ping())
    with pytest.raises(RuntimeError, match="SystemExit in one"):
        actor.on_receive([1])
    assert ([1, 3], 4) == (seen, actor.turns)


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
