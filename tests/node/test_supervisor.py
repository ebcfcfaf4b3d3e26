"""The supervisor as a table: every message in every phase."""

from __future__ import annotations

from pathlib import Path
from typing import Any

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

    def __init__(self, directory: Path, resumed: bool = False, inherits: bool = False) -> None:
        self.harness = HarnessMailbox()
        self.connector = Mailbox()
        self.gate = DispatchGate(["v"])
        self.timers = FakeTimers()
        self.clock = FakeClock()
        self.aside: list[tuple[Recorded, str]] = []
        self.restarted: list[str] = []
        self.asked: list[tuple[str, int]] = []
        self.connectors: list[ConnectorWanted] = []
        self.failing: list[Phase] = []
        self.number = 10
        switch = kill_switch(self.gate, directory)
        self.supervisor = Supervisor(
            mailbox=Mailbox(),
            harness=self.harness,
            connectors={"v": self.connector},
            gate=self.gate,
            kill_switch=switch,
            restart=lambda actor: self.start(self.restarted, actor),
            ask_for_connector=lambda venue, failure: self.asked.append((venue, failure)),
            start_connector=lambda wanted: self.start(self.connectors, wanted),
            on_failing=lambda: self.failing.append(self.supervisor.phase),
            clock=self.clock,
            timers=self.timers,
            timeout_ns=1,
            set_aside=lambda record, error: self.aside.append((record, error)),
            resumed=resumed,
            inherits=inherits,
        )
        self.told: list[InputEvent] = []
        switch.attach(self.told.extend, {"v": self.connector}, lambda: None, ())
        self.supervisor.started()

    def start(self, started: list[Any], one: object) -> int:
        """The number of the actor that is in its place now."""
        started.append(one)
        self.number += 1
        return self.number

    def fails(self, actor: str) -> ActorFailed:
        """The one that lives now fails."""
        return ActorFailed(actor, "ValueError: bug", None, self.number)

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
LATER = 1_000_000
"""A number that no actor has yet: it is the last one that started."""

FEED = ActorFailed("feed v", "ValueError: bug", None, LATER)
CONTROL = ActorFailed("control", "ValueError: bug", None, LATER)


def due(bench: Bench) -> list[tuple[int, str]]:
    """Milliseconds until each restart that is planned, and of whom."""
    found, pending = [], list(bench.timers.pending)
    for deadline_ns, callback in pending:
        callback()
        (message,) = messages(bench.supervisor.mailbox)
        if message.name.startswith("restart "):
            found.append(((deadline_ns - bench.clock.now_ns()) // 1_000_000, message.name[8:]))
    return found


def fails(bench: Bench, actor: str, times: int = 1) -> None:
    """It fails, and is started again, so often in a moment."""
    for _ in range(times):
        bench.handle(ActorFailed(actor, "ValueError: bug", None, LATER), DeadlinePassed(f"restart {actor}"))
        if bench.asked:
            bench.handle(wanted(bench))


def wanted(bench: Bench) -> ConnectorWanted:
    """The answer to the last question."""
    venue, failure = bench.asked.pop()
    return ConnectorWanted(venue, Inherited({}, ()), True, failure)


@pytest.mark.parametrize("actor", ["feed v", "connector v", "control", "telemetry"])
def test_an_actor_that_fails_gets_a_successor_a_moment_later(tmp_path: Path, actor: str) -> None:
    """Twice as late at each failure in a minute; the session runs on, and nothing is told to the Core."""
    bench = Bench(tmp_path)
    for wait_ms in (100, 200, 400):
        bench.timers.pending.clear()
        assert Phase.RUNNING is bench.handle(bench.fails(actor))
        assert [(wait_ms, actor)] == due(bench)
        bench.handle(DeadlinePassed(f"restart {actor}"))
        if bench.asked:
            bench.handle(wanted(bench))
    assert 3 == len(bench.restarted) + len(bench.connectors)
    assert [] == messages(bench.harness)
    assert () == bench.gate.standing()


@pytest.mark.parametrize("actor", ["feed v", "connector v"])
def test_one_that_fails_too_often_halts_trading_and_is_tried_on(tmp_path: Path, actor: str) -> None:
    """The fourth failure in a minute: an incident that halts, once, and an attempt each half minute."""
    bench = Bench(tmp_path)
    fails(bench, actor, 3)
    bench.timers.pending.clear()
    bench.handle(bench.fails(actor))
    assert [(30_000, actor)] == due(bench)
    (opened,) = messages(bench.harness)
    assert (IncidentOpened, "actor_failing", actor, HALTING) == (
        type(opened), opened.name, opened.scope, opened.grade,
    )  # fmt: skip
    bench.handle(DeadlinePassed(f"restart {actor}"))
    if bench.asked:
        bench.handle(wanted(bench))
    bench.handle(bench.fails(actor))
    assert [] == messages(bench.harness)
    assert Phase.RUNNING is bench.supervisor.phase


@pytest.mark.parametrize("actor", ["feed v", "connector v"])
def test_an_actor_that_lasts_a_minute_ends_its_incident(tmp_path: Path, actor: str) -> None:
    """A minute after its start, unless it failed meanwhile; once; and what was before is forgotten."""
    bench = Bench(tmp_path)
    fails(bench, actor, 4)
    started_ns = bench.clock.now_ns()
    messages(bench.harness)
    lasted = [(at, one) for at, one in deadlines(bench) if one.name == f"lasted {actor}"]
    assert 4 == len(lasted)  # one for each start
    assert started_ns + 60 * SECOND_NS == lasted[-1][0]
    bench.handle(*(one for _, one in lasted[:-1]))
    assert [] == messages(bench.harness)
    bench.handle(lasted[-1][1], lasted[-1][1])
    (closed,) = messages(bench.harness)
    assert (IncidentClosed, "actor_failing", actor) == (type(closed), closed.name, closed.scope)
    bench.timers.pending.clear()
    bench.handle(bench.fails(actor))
    assert [(100, actor)] == due(bench)


def test_an_actor_that_failed_again_has_not_lasted(tmp_path: Path) -> None:
    """The minute of the one before is over while its successor is not even started."""
    bench = Bench(tmp_path)
    fails(bench, "feed v", 4)
    lasted = deadlines(bench)[-1][1]
    bench.handle(bench.fails("feed v"))
    messages(bench.harness)
    bench.handle(lasted)
    assert [] == messages(bench.harness)


def deadlines(bench: Bench) -> list[tuple[int, DeadlinePassed]]:
    """What is planned, and when."""
    found = []
    for deadline_ns, callback in list(bench.timers.pending):
        callback()
        (message,) = messages(bench.supervisor.mailbox)
        found.append((deadline_ns, message))
    return found


def test_failures_of_one_are_not_those_of_another(tmp_path: Path) -> None:
    """Each has its own count."""
    bench = Bench(tmp_path)
    fails(bench, "feed v", 3)
    bench.timers.pending.clear()
    bench.handle(CONTROL)
    assert [(100, "control")] == due(bench)


def test_control_that_fails_too_often_is_the_fail_safe(tmp_path: Path) -> None:
    """Nobody could stop the node any more."""
    bench = Bench(tmp_path)
    fails(bench, "control", 3)
    assert Phase.RUNNING is bench.supervisor.phase
    assert Phase.FAILING is bench.handle(CONTROL)
    assert Hold.FAIL_SAFE in {one.hold for one in bench.gate.standing()}
    assert ["fail_safe"] == [one.trigger for one in bench.told]


def test_telemetry_that_fails_for_ever_is_started_for_ever_and_nothing_else_comes_of_it(
    tmp_path: Path,
) -> None:
    """Each half minute from the fourth failure in a minute on: no incident, no hold, nobody is told."""
    bench = Bench(tmp_path)
    fails(bench, "telemetry", 3)
    for _ in range(20):
        bench.timers.pending.clear()
        bench.handle(ActorFailed("telemetry", "ValueError: bug", None, LATER))
        assert [(30_000, "telemetry")] == due(bench)
        bench.handle(DeadlinePassed("restart telemetry"))
    assert ["telemetry"] * 23 == bench.restarted
    assert ([], (), [], Phase.RUNNING) == (
        messages(bench.harness), bench.gate.standing(), bench.told, bench.supervisor.phase,
    )  # fmt: skip


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
    late = ConnectorWanted("v", Inherited({}, ()), True)
    assert phase is bench.handle(FEED, DeadlinePassed("restart feed v"), late)
    assert ([], [], []) == (bench.restarted, bench.connectors, bench.timers.pending)


CONNECTOR = ActorFailed("connector v", "ValueError: bug", None, LATER)
RESTART = DeadlinePassed("restart connector v")


def test_a_connector_begins_when_the_core_has_said_with_what(tmp_path: Path) -> None:
    """``ConnectorWanted`` brings it; one that does not start has failed again."""
    bench = Bench(tmp_path)
    bench.handle(CONNECTOR, RESTART)
    assert ([("v", 1)], []) == (bench.asked, bench.connectors)
    answer = wanted(bench)
    bench.handle(answer)
    assert [answer] == bench.connectors
    bench.timers.pending.clear()

    def stillborn(one: ConnectorWanted) -> int:
        raise LivestackError("it did not start")

    bench.supervisor._start_connector = stillborn
    bench.handle(CONNECTOR, RESTART)
    bench.timers.pending.clear()
    bench.handle(wanted(bench))
    assert [(400, "connector v")] == due(bench)  # the third failure


def test_an_answer_starts_one_connector(tmp_path: Path) -> None:
    """Not one that was not asked for, the same one twice, or one to a question about an earlier failure."""
    bench = Bench(tmp_path)
    bench.handle(ConnectorWanted("v", Inherited({}, ()), True))
    assert [] == bench.connectors
    bench.handle(CONNECTOR, RESTART)
    answer = wanted(bench)
    bench.handle(answer, answer)
    assert [answer] == bench.connectors
    bench.handle(CONNECTOR, answer, RESTART, answer)
    assert [answer] == bench.connectors
    bench.handle(wanted(bench))
    assert 2 == len(bench.connectors)


def test_a_question_without_an_answer_is_asked_again(tmp_path: Path) -> None:
    """Every five seconds until it is answered, the first answer counts, and no deadline of it outlasts that."""
    bench = Bench(tmp_path)
    bench.handle(CONNECTOR)
    bench.timers.pending.clear()
    bench.handle(RESTART)
    ((deadline_ns, unanswered),) = deadlines(bench)
    assert bench.clock.now_ns() + 5 * SECOND_NS == deadline_ns
    bench.handle(unanswered)
    assert [("v", 1), ("v", 1)] == bench.asked
    bench.handle(wanted(bench), unanswered)
    assert 1 == len(bench.connectors)
    bench.asked.clear()
    bench.handle(CONNECTOR, RESTART, unanswered)
    assert [("v", 2)] == bench.asked


# -- One death, one successor


@pytest.mark.parametrize("actor", ["feed v", "control"])
def test_a_start_that_failed_and_was_told_by_the_actor_too_is_one_failure(tmp_path: Path, actor: str) -> None:
    """It died before its ping: its own message comes behind the launcher's error."""
    bench = Bench(tmp_path)

    def stillborn(name: str) -> int:
        bench.supervisor.mailbox.tell(ActorFailed(name, "bug", None, LATER))
        raise LivestackError("it did not start")

    bench.supervisor._restart = stillborn
    bench.handle(bench.fails(actor))
    bench.timers.pending.clear()
    bench.handle(DeadlinePassed(f"restart {actor}"))
    for message in messages(bench.supervisor.mailbox):
        bench.supervisor.handle(message)
    assert [(200, actor)] == due(bench)


def test_while_a_successor_is_due_nothing_else_is_planned(tmp_path: Path) -> None:
    """However often a failure is told; and a deadline that comes twice starts one actor."""
    bench = Bench(tmp_path)
    bench.handle(FEED, FEED, FEED)
    assert 1 == len(bench.timers.pending)
    restart = DeadlinePassed("restart feed v")
    bench.handle(restart, restart)
    assert ["feed v"] == bench.restarted


def test_a_death_that_is_told_late_is_not_the_successors(tmp_path: Path) -> None:
    """The number says whose it was."""
    bench = Bench(tmp_path)
    first = bench.fails("feed v")
    bench.handle(first, DeadlinePassed("restart feed v"))
    bench.timers.pending.clear()
    bench.handle(first)
    assert [] == bench.timers.pending
    bench.handle(bench.fails("feed v"))
    assert [(200, "feed v")] == due(bench)


def test_whatever_keeps_an_actor_from_starting_the_node_goes_on(tmp_path: Path) -> None:
    """An error that nobody foresaw is a failed start as well."""
    bench = Bench(tmp_path)

    def broken(actor: str) -> int:
        raise ValueError("no such thing")

    bench.supervisor._restart = broken
    bench.handle(FEED)
    bench.timers.pending.clear()
    assert Phase.RUNNING is bench.handle(DeadlinePassed("restart feed v"))
    assert [(200, "feed v")] == due(bench)


# -- What the guard and the operator are told


def test_an_untouched_session_leaves_nothing(tmp_path: Path) -> None:
    """Nothing was open before, nothing was sent: whichever way it ends."""
    bench = Bench(tmp_path)
    assert bench.supervisor.leaves_nothing
    bench.handle(Unreachable("a", "c"))
    assert bench.supervisor.leaves_nothing


@pytest.mark.parametrize("inherits", [False, True])
def test_what_may_be_open_is_left_unless_the_session_was_quiescent(tmp_path: Path, inherits: bool) -> None:
    """Something was sent, or was open before: only ``Quiescent`` says that it is settled."""
    bench = Bench(tmp_path, inherits=inherits)
    if not inherits:
        bench.gate.wrote("v", "v:A", 5)
    bench.handle(Unreachable("a", "c"), DeadlinePassed("outcomes"))
    assert (3, False) == (bench.supervisor.exit_code, bench.supervisor.leaves_nothing)
    bench.handle(Quiescent())
    assert bench.supervisor.leaves_nothing


def test_a_fail_safe_is_told_once(tmp_path: Path) -> None:
    """To whoever shows it."""
    bench = Bench(tmp_path)
    bench.handle(FAILED, ActorFailed("harness", "y"))
    assert [Phase.FAILING] == bench.failing


def test_one_that_does_not_start_is_tried_again(tmp_path: Path) -> None:
    """It counts as a failure like any other."""
    bench = Bench(tmp_path)

    def stillborn(actor: str) -> int:
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
