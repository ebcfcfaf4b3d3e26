"""The harness: one order of everything, whole records, and obligations turned into timers and questions."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from livestack.actors.harness import HarnessActor
from livestack.actors.mailbox import HarnessMailbox, Mailbox
from livestack.actors.messages import AskVenue, Quiescent, RecordBatch
from livestack.actors.progress import Progress
from livestack.core.events import (
    CommandApplied,
    ControlTime,
    Event,
    InputEvent,
    IntentDispatched,
    SessionStopped,
    SessionStopping,
)
from livestack.core.obligations import Obligation, QueryOpenOrders, WakeAt
from livestack.core.types import Origin, SessionPhase
from tests.actors.fakes import REQUEST, FakeClock, FakeTimers, messages
from tests.actors.test_mailbox import quote


class ScriptedStep:
    def __init__(self, derived: tuple[Event, ...] = (), obligations_changed: bool = False) -> None:
        self.derived = derived
        self.dispatches = tuple(e.request for e in derived if isinstance(e, IntentDispatched))
        self.obligations_changed = obligations_changed


class ScriptedRuntime:
    """A Core whose answers a test writes down."""

    def __init__(self) -> None:
        self.failure = ""
        self.steps: list[tuple[int, int, Event]] = []
        self.answers: dict[Event, ScriptedStep] = {}
        self.owed: tuple[Obligation, ...] = ()
        self.state = self
        self.control = self
        self.execution = self
        self.phase = SessionPhase.RUNNING
        self.quiescent = False
        self.before: Callable[[Event], None] = lambda event: None

    def step(self, seq: int, ts: int, event: InputEvent) -> ScriptedStep:
        self.before(event)
        self.steps.append((seq, ts, event))
        return self.answers.get(event, ScriptedStep())

    def obligations(self) -> tuple[Obligation, ...]:
        return self.owed

    def is_quiescent(self) -> bool:
        return self.quiescent


class Bench:
    """A harness without a thread."""

    def __init__(self, uncommitted_max: int = 100) -> None:
        self.runtime = ScriptedRuntime()
        self.lanes = HarnessMailbox()
        self.recorder = Mailbox()
        self.connector = Mailbox()
        self.supervisor = Mailbox()
        self.control = Mailbox()
        self.timers = FakeTimers()
        self.clock = FakeClock()
        self.progress = Progress()
        self.actor = HarnessActor(
            mailbox=self.lanes,
            supervisor=self.supervisor,
            runtime=self.runtime,
            recorder=self.recorder,
            connectors={"v": self.connector},
            clock=self.clock,
            timers=self.timers,
            control=self.control,
            progress=self.progress,
            uncommitted_max=uncommitted_max,
        )


DISPATCHED = IntentDispatched(request=REQUEST, admitted_ts=1)


def test_derived_events_take_the_positions_behind_their_input() -> None:
    """Positions have no gap, an INPUT and its DERIVED share ``ts`` and stay together."""
    bench = Bench()
    bench.runtime.answers[quote(1)] = ScriptedStep(
        (CommandApplied(request_id="a"), CommandApplied(request_id="b"))
    )
    bench.actor.on_receive([quote(1), quote(2)])
    (batch,) = messages(bench.recorder)
    assert [(1, Origin.INPUT), (2, Origin.DERIVED), (3, Origin.DERIVED), (4, Origin.INPUT)] == [
        (record.seq, record.origin) for record in batch.records
    ]
    assert [1, 4] == [seq for seq, _, _ in bench.runtime.steps]
    assert 4 == bench.progress.sequenced


def test_a_dispatch_is_handed_over_at_once() -> None:
    """An order does not wait for the rest of the batch behind it."""
    bench = Bench()
    bench.runtime.answers[quote(1)] = ScriptedStep((DISPATCHED,))
    handed_over: list[int] = []
    bench.runtime.before = lambda event: handed_over.append(bench.recorder.depth())
    bench.actor.on_receive([quote(1), quote(2)])
    assert [0, 1] == handed_over
    assert [2, 1] == [len(batch.records) for batch in messages(bench.recorder)]


def test_wakes_become_timers_and_come_back_as_control_time() -> None:
    """One timer for each scope; a changed deadline replaces it, one that is no longer owed is cancelled."""
    bench = Bench()
    bench.runtime.answers[quote(1)] = ScriptedStep(obligations_changed=True)
    bench.runtime.owed = (
        WakeAt(scope="a", deadline_ns=10, reason=""),
        WakeAt(scope="b", deadline_ns=20, reason=""),
    )
    bench.actor.on_receive([quote(1)])
    bench.runtime.owed = (WakeAt(scope="a", deadline_ns=15, reason=""),)
    bench.actor.on_receive([quote(1)])
    assert [15] == [deadline for deadline, _ in bench.timers.pending]
    bench.timers.fire()
    assert [ControlTime(scope="a", deadline_ns=15)] == messages(bench.lanes)


def test_questions_go_to_the_venues_connector_once() -> None:
    """An obligation is asked when it appears, not again while it stands."""
    bench = Bench()
    bench.runtime.answers[quote(1)] = ScriptedStep(obligations_changed=True)
    query = QueryOpenOrders(scope="q", venue="v")
    bench.runtime.owed = (query,)
    bench.actor.on_receive([quote(1)])
    bench.actor.on_receive([quote(1)])
    assert [AskVenue(query)] == messages(bench.connector)


def test_market_data_waits_while_too_much_is_not_durable() -> None:
    """Beyond the bound the market lane is paused until the recorder caught up."""
    bench = Bench(uncommitted_max=2)
    bench.actor.on_receive([quote(1), quote(2), quote(3)])
    assert bench.lanes.paused
    bench.progress.committed = 3
    bench.lanes.resume()
    bench.actor.on_receive([quote(4)])
    assert not bench.lanes.paused


def test_quiescence_is_told_once() -> None:
    """In a stopping session, when nothing is open any more."""
    bench = Bench()
    bench.runtime.phase = SessionPhase.STOPPING
    bench.actor.on_receive([SessionStopping(by="t", reason="")])
    assert [] == messages(bench.supervisor)
    bench.runtime.quiescent = True
    bench.actor.on_receive([quote(1)])
    bench.actor.on_receive([quote(2)])
    assert [Quiescent()] == messages(bench.supervisor)


def test_quiescence_of_a_resumed_stop_is_told_when_it_is_asked_for() -> None:
    """The session was stopping when it was interrupted: nobody waits for it before this run is told to stop."""
    bench = Bench()
    bench.runtime.phase, bench.runtime.quiescent = SessionPhase.STOPPING, True
    bench.actor.on_receive([quote(1)])
    assert [] == messages(bench.supervisor)
    bench.actor.on_receive([SessionStopping(by="t", reason="")])
    assert [Quiescent()] == messages(bench.supervisor)


def test_the_last_record_is_marked() -> None:
    """``SessionStopped`` ends the stream: the recorder is told that nothing follows, and nothing does."""
    bench = Bench()
    bench.actor.on_receive([quote(1), SessionStopped(reason=""), quote(2)])
    bench.actor.on_receive([quote(3)])
    assert [1, 2] == [seq for seq, _, _ in bench.runtime.steps]
    assert [True] == [batch.final for batch in messages(bench.recorder) if isinstance(batch, RecordBatch)]


def test_a_core_that_raises_leaves_its_input_to_the_supervisor() -> None:
    """The Event in hand is known when the actor dies."""
    bench = Bench()

    def fail(event: Event) -> None:
        raise RuntimeError("bug")

    bench.runtime.before = fail
    with pytest.raises(RuntimeError) as raised:
        bench.actor.on_receive([quote(1)])
    bench.actor.on_failure(raised.type, raised.value, raised.tb)
    (failed,) = messages(bench.supervisor)
    assert quote(1) == failed.poison.event
    assert "RuntimeError: bug" in failed.error


def test_counts_events_by_type() -> None:
    """INPUT and DERIVED alike, for the summary."""
    bench = Bench()
    bench.runtime.answers[quote(1)] = ScriptedStep((DISPATCHED,))
    bench.actor.on_receive([quote(1), quote(2)])
    assert {type(quote(1)): 2, IntentDispatched: 1} == bench.progress.counts
