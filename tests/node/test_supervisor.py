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
from livestack.core.control_events import HALTING
from livestack.core.events import (
    IncidentClosed,
    IncidentOpened,
    InputEvent,
    Recorded,
    SessionStopped,
    SessionStopping,
)
from livestack.core.obligations import CancelAllAtVenue
from livestack.core.types import Origin
from livestack.exceptions import LivestackError
from livestack.node.supervisor import SAME_SIGNAL_NS, Phase, Supervisor
from livestack.venues.adapter import Inherited
from tests.actors.fakes import FakeClock, FakeTimers, kill_switch, messages

STOP = StopRequested("signal", "SIGTERM received", is_signal=True)
FAILED = ActorFailed("recorder", "JournalError: the disk refuses")

AFTERMATH = DeadlinePassed("aftermath")


class Bench:
    """A running supervisor; ``aside`` is what was set aside."""

    def __init__(self, directory: Path, resumed: bool = False) -> None:
        self.harness = HarnessMailbox()
        self.connector = Mailbox()
        self.gate = DispatchGate(["v"])
        self.timers = FakeTimers()
        self.clock = FakeClock()
        self.clock = FakeClock()
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
            clock=self.clock,
            timers=self.timers,
            timeout_ns=1,
            set_aside=lambda record, error: self.aside.append((record, error)),
            resumed=resumed,
        )
        self.told: list[InputEvent] = []
        switch.attach(self.told.extend, {"v": self.connector}, lambda: None, ())
        self.supervisor.started()

    def handle(self, *handled: object) -> Phase:
        for message in handled:
            self.clock.time_ns += SAME_SIGNAL_NS
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


def test_one_signal_that_comes_twice_is_one(tmp_path: Path) -> None:
    """A wrapper and the process group: both pass it on, and the stop stays an orderly one."""
    bench = Bench(tmp_path)
    bench.supervisor.handle(STOP)
    bench.supervisor.handle(STOP)
    assert Phase.STOPPING is bench.supervisor.phase
    assert Phase.DONE is bench.handle(STOP)


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


# -- Failures of single actors (live-stack.md section 8)

SECOND_NS = 1_000_000_000
FEED = ActorFailed("feed v", "ValueError: bug")
CONTROL = ActorFailed("control", "ValueError: bug")


def due(bench: Bench) -> list[tuple[int, str]]:
    """Milliseconds until each restart that is planned, and of whom."""
    found, pending = [], list(bench.timers.pending)
    for deadline_ns, callback in pending:
        callback()
        (message,) = messages(bench.supervisor.mailbox)
        if message.name.startswith("restart "):
            found.append(((deadline_ns - bench.clock.now_ns()) // 1_000_000, message.name[8:]))
    return found


def fails(bench: Bench, failed: ActorFailed, times: int = 1) -> None:
    """It fails, and is started again, so often in a moment."""
    for _ in range(times):
        bench.handle(failed, DeadlinePassed(f"restart {failed.actor}"))


@pytest.mark.parametrize("actor", ["feed v", "connector v", "control"])
def test_an_actor_that_fails_gets_a_successor_a_moment_later(tmp_path: Path, actor: str) -> None:
    """Twice as late at each failure in a minute; the session runs on, and nothing is told to the Core."""
    bench = Bench(tmp_path)
    for wait_ms in (100, 200, 400):
        bench.timers.pending.clear()
        assert Phase.RUNNING is bench.handle(ActorFailed(actor, "ValueError: bug"))
        assert [(wait_ms, actor)] == due(bench)
        bench.handle(DeadlinePassed(f"restart {actor}"))
    assert [actor] * 3 == bench.restarted
    assert [] == messages(bench.harness)
    assert () == bench.gate.standing()


@pytest.mark.parametrize("actor", ["feed v", "connector v"])
def test_one_that_fails_too_often_halts_trading_and_is_tried_on(tmp_path: Path, actor: str) -> None:
    """The fourth failure in a minute: an incident that halts, once, and an attempt each half minute."""
    bench = Bench(tmp_path)
    failed = ActorFailed(actor, "ValueError: bug")
    fails(bench, failed, 3)
    bench.timers.pending.clear()
    bench.handle(failed)
    assert [(30_000, actor)] == due(bench)
    (opened,) = messages(bench.harness)
    assert (IncidentOpened, "actor_failing", actor, HALTING) == (
        type(opened), opened.name, opened.scope, opened.grade,
    )  # fmt: skip
    bench.handle(DeadlinePassed(f"restart {actor}"), failed)
    assert [] == messages(bench.harness)
    assert Phase.RUNNING is bench.supervisor.phase


def test_an_actor_that_lasts_a_minute_ends_its_incident(tmp_path: Path) -> None:
    """Not before, and once."""
    bench = Bench(tmp_path)
    fails(bench, FEED, 4)
    messages(bench.harness)
    bench.clock.time_ns += 60 * SECOND_NS - 1
    bench.handle(DeadlinePassed("lasted feed v"))
    assert [] == messages(bench.harness)
    bench.clock.time_ns += 1
    bench.handle(DeadlinePassed("lasted feed v"), DeadlinePassed("lasted feed v"))
    (closed,) = messages(bench.harness)
    assert (IncidentClosed, "actor_failing", "feed v") == (type(closed), closed.name, closed.scope)
    bench.timers.pending.clear()
    bench.handle(FEED)
    assert [(100, "feed v")] == due(bench)  # what was before is forgotten


def test_failures_of_one_are_not_those_of_another(tmp_path: Path) -> None:
    """Each has its own count."""
    bench = Bench(tmp_path)
    fails(bench, FEED, 3)
    bench.timers.pending.clear()
    bench.handle(CONTROL)
    assert [(100, "control")] == due(bench)


def test_control_that_fails_too_often_is_the_fail_safe(tmp_path: Path) -> None:
    """Nobody could stop the node any more."""
    bench = Bench(tmp_path)
    fails(bench, CONTROL, 3)
    assert Phase.RUNNING is bench.supervisor.phase
    assert Phase.FAILING is bench.handle(CONTROL)
    assert Hold.FAIL_SAFE in {one.hold for one in bench.gate.standing()}
    assert ["fail_safe"] == [one.trigger for one in bench.told]


@pytest.mark.parametrize("actor", ["harness", "recorder", "node"])
def test_those_without_whom_nothing_may_be_sent_are_never_replaced(tmp_path: Path, actor: str) -> None:
    """The fail-safe at once."""
    bench = Bench(tmp_path)
    assert Phase.FAILING is bench.handle(ActorFailed(actor, "x"), DeadlinePassed(f"restart {actor}"))
    assert [] == bench.restarted


def test_while_the_session_stops_an_actor_is_still_replaced(tmp_path: Path) -> None:
    """Outcomes are waited for: without its connector they would never come."""
    bench = Bench(tmp_path)
    bench.handle(STOP)
    assert Phase.STOPPING is bench.handle(FEED, DeadlinePassed("restart feed v"))
    assert ["feed v"] == bench.restarted


@pytest.mark.parametrize("phase", [Phase.ENDING, Phase.FAILING, Phase.DONE])
def test_at_the_end_nobody_is_replaced(tmp_path: Path, phase: Phase) -> None:
    """Neither one that fails now nor one whose restart was planned before."""
    bench = Bench(tmp_path)
    bench.handle(*REACHED[phase])
    bench.timers.pending.clear()
    wanted = ConnectorWanted("v", Inherited({}, ()), True)
    assert phase is bench.handle(FEED, DeadlinePassed("restart feed v"), wanted)
    assert ([], [], []) == (bench.restarted, bench.connectors, bench.timers.pending)


def test_a_connector_begins_when_the_core_has_said_with_what(tmp_path: Path) -> None:
    """``ConnectorWanted`` brings it; one that does not start has failed again."""
    bench = Bench(tmp_path)
    wanted = ConnectorWanted("v", Inherited({}, ()), True)
    bench.handle(wanted)
    assert [wanted] == bench.connectors
    bench.timers.pending.clear()

    def stillborn(one: ConnectorWanted) -> None:
        raise LivestackError("it did not start")

    bench.supervisor._start_connector = stillborn
    bench.handle(wanted)
    assert [(100, "connector v")] == due(bench)


def test_one_that_does_not_start_is_tried_again(tmp_path: Path) -> None:
    """It counts as a failure like any other."""
    bench = Bench(tmp_path)

    def stillborn(actor: str) -> None:
        raise LivestackError("it did not start")

    bench.supervisor._restart = stillborn
    bench.handle(FEED)
    bench.timers.pending.clear()
    bench.handle(DeadlinePassed("restart feed v"))
    assert [(200, "feed v")] == due(bench)


def test_a_poison_that_cannot_be_kept_does_not_stop_the_fail_safe(tmp_path: Path) -> None:
    """A full disk, say."""
    bench = Bench(tmp_path)

    def full(record: Recorded, error: str) -> None:
        raise OSError("no space left")

    bench.supervisor._set_aside = full
    poison = Recorded(3, 3, Origin.INPUT, SessionStopping(by="x", reason=""))
    assert Phase.FAILING is bench.handle(ActorFailed("harness", "x", poison))
    assert Phase.DONE is bench.handle(DeadlinePassed("mass cancel"))


def test_the_second_failure_of_a_fail_safe_changes_nothing(tmp_path: Path) -> None:
    """One kill, one deadline; the first cause stays the reason."""
    bench = Bench(tmp_path)
    bench.handle(FAILED, ActorFailed("harness", "y"))
    assert (1, 1) == (len(bench.told), len(bench.timers.pending))
    assert bench.supervisor.reason.startswith("recorder failed")
