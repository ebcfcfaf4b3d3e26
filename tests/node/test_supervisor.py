"""The supervisor as a table: every message in every phase."""

from __future__ import annotations

from pathlib import Path

import pytest

from livestack.actors.gate import DispatchGate, Hold, Passage
from livestack.actors.mailbox import HarnessMailbox, Mailbox
from livestack.actors.messages import (
    ActorFailed,
    AskVenue,
    ConnectorWanted,
    DeadlinePassed,
    Quiescent,
    SessionEnded,
    StopRequested,
    Unreachable,
)
from livestack.core.events import InputEvent, Recorded, SessionStopped, SessionStopping
from livestack.core.obligations import CancelAllAtVenue
from livestack.core.types import Origin
from livestack.node.supervisor import Phase, Supervisor
from tests.actors.fakes import FakeClock, FakeTimers, kill_switch, messages

STOP = StopRequested("signal", "SIGTERM received")
FAILED = ActorFailed("recorder", "JournalError: the disk refuses")

AFTERMATH = DeadlinePassed("aftermath")


class Bench:
    """A running supervisor; ``aside`` is what was set aside."""

    def __init__(self, directory: Path, resumed: bool = False) -> None:
        self.harness = HarnessMailbox()
        self.connector = Mailbox()
        self.gate = DispatchGate(["v"])
        self.timers = FakeTimers()
        self.aside: list[tuple[Recorded, str]] = []
        self.restarted: list[str] = []
        self.connectors: list[ConnectorWanted] = []
        switch = kill_switch(self.gate, directory)
        self.supervisor = Supervisor(
            mailbox=Mailbox(),
            harness=self.harness,
            connectors={"v": self.connector},
            gate=self.gate,
            kill_switch=switch,
            restart=self.restarted.append,
            start_connector=self.connectors.append,
            clock=FakeClock(),
            timers=self.timers,
            timeout_ns=1,
            set_aside=lambda record, error: self.aside.append((record, error)),
            resumed=resumed,
        )
        self.told: list[InputEvent] = []
        switch.attach(self.told.extend, {"v": self.connector}, lambda engagement: None, ())
        self.supervisor.started()

    def handle(self, *handled: object) -> Phase:
        for message in handled:
            self.supervisor.handle(message)
        return self.supervisor.phase


REACHED = {
    Phase.RUNNING: (),
    Phase.STOPPING: (STOP,),
    Phase.ENDING: (STOP, Quiescent(), AFTERMATH),
    Phase.FAILING: (FAILED,),
    Phase.DONE: (STOP, Quiescent(), AFTERMATH, SessionEnded(9)),
}

AFTER = {
    (Phase.RUNNING, StopRequested): Phase.STOPPING,
    (Phase.RUNNING, Unreachable): Phase.STOPPING,
    (Phase.STOPPING, StopRequested): Phase.DONE,
    (Phase.STOPPING, DeadlinePassed): Phase.ENDING,
    (Phase.ENDING, StopRequested): Phase.DONE,
    (Phase.ENDING, SessionEnded): Phase.DONE,
    (Phase.RUNNING, ActorFailed): Phase.FAILING,
    (Phase.STOPPING, ActorFailed): Phase.FAILING,
    (Phase.ENDING, ActorFailed): Phase.FAILING,
}


@pytest.mark.parametrize("phase", list(REACHED))
@pytest.mark.parametrize(
    "message",
    [STOP, FAILED, Quiescent(), AFTERMATH, SessionEnded(9), Unreachable("a", "c")],
    ids=lambda m: type(m).__name__,
)
def test_every_message_in_every_phase(phase: Phase, message: object, tmp_path: Path) -> None:
    """What the table does not name changes nothing."""
    bench = Bench(tmp_path)
    assert phase is bench.handle(*REACHED[phase])
    assert AFTER.get((phase, type(message)), phase) is bench.handle(message)


def test_an_ordered_stop_goes_through_the_stream(tmp_path: Path) -> None:
    """``SessionStopping``, then with nothing open any more ``SessionStopped``; exit 0 when that is durable."""
    bench = Bench(tmp_path)
    bench.handle(STOP)
    assert [SessionStopping(by="signal", reason="SIGTERM received")] == messages(bench.harness)
    bench.handle(Quiescent())
    assert [] == messages(bench.harness)  # the venue may have something to say about it
    bench.handle(AFTERMATH)
    assert [SessionStopped(reason="SIGTERM received")] == messages(bench.harness)
    assert Phase.DONE is bench.handle(SessionEnded(5))
    assert 0 == bench.supervisor.exit_code


def test_outcomes_are_awaited_for_a_limited_time(tmp_path: Path) -> None:
    """Past the limit the session ends all the same, and says that outcomes are open."""
    bench = Bench(tmp_path)
    bench.handle(STOP, DeadlinePassed("outcomes"))
    (_, stopped) = messages(bench.harness)
    assert stopped.reason.endswith("outcomes still open")


def test_a_resumed_session_without_outcomes_is_not_over(tmp_path: Path) -> None:
    """Nothing ends its stream: the next start takes it up and settles what is open."""
    bench = Bench(tmp_path, resumed=True)
    assert Phase.DONE is bench.handle(STOP, DeadlinePassed("outcomes"))
    (stopping,) = messages(bench.harness)
    assert isinstance(stopping, SessionStopping)
    assert (4, True) == (bench.supervisor.exit_code, "next start" in bench.supervisor.reason)


def test_the_second_signal_closes_the_gate_and_hurries(tmp_path: Path) -> None:
    """Exit 130, and nothing new leaves."""
    bench = Bench(tmp_path)
    bench.handle(STOP, STOP)
    assert 130 == bench.supervisor.exit_code
    assert Hold.SHUTDOWN is bench.gate.refusal("v", "", Passage.NEW)


def test_a_dead_actor_ends_the_node_safely(tmp_path: Path) -> None:
    """Gate closed, venues asked to cancel everything, exit 4 once they had time for it."""
    bench = Bench(tmp_path)
    bench.handle(FAILED)
    assert {Hold.FAIL_SAFE, Hold.KILL} == {standing.hold for standing in bench.gate.standing()}
    (engaged,) = bench.told
    assert "fail_safe" == engaged.trigger
    (asked,) = messages(bench.connector)
    assert isinstance(asked, AskVenue)
    assert isinstance(asked.query, CancelAllAtVenue)
    assert Phase.DONE is bench.handle(DeadlinePassed("mass cancel"))
    assert 4 == bench.supervisor.exit_code


def test_the_poisonous_input_is_set_aside(tmp_path: Path) -> None:
    """The Event that an actor died of is kept with the error."""
    bench = Bench(tmp_path)
    poison = Recorded(3, 3, Origin.INPUT, SessionStopping(by="x", reason=""))
    bench.handle(ActorFailed("harness", "InvariantViolation: x", poison))
    assert [(poison, "InvariantViolation: x")] == bench.aside


def test_an_unreachable_venue_ends_with_its_own_code(tmp_path: Path) -> None:
    """Exit 3 with address and cause as the reason."""
    bench = Bench(tmp_path)
    bench.handle(Unreachable("ws://x", "refused"), Quiescent(), AFTERMATH, SessionEnded(2))
    assert (3, "cannot reach ws://x: refused") == (bench.supervisor.exit_code, bench.supervisor.reason)


def test_an_unreachable_venue_leaves_a_resumed_session_as_it_is(tmp_path: Path) -> None:
    """Nothing is stopped in it: the next start takes it up again."""
    bench = Bench(tmp_path, resumed=True)
    assert Phase.DONE is bench.handle(Unreachable("ws://x", "refused"))
    assert (3, []) == (bench.supervisor.exit_code, messages(bench.harness))
    assert Hold.SHUTDOWN is bench.gate.refusal("v", "", Passage.NEW)


def test_a_commit_that_never_ends_does_not_hold_the_process(tmp_path: Path) -> None:
    """The last deadline ends it with the fail-safe's code."""
    bench = Bench(tmp_path)
    bench.handle(STOP, Quiescent(), AFTERMATH, DeadlinePassed("last commit"))
    assert 4 == bench.supervisor.exit_code
