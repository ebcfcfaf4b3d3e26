"""The harness: one order of everything, whole records, and obligations turned into timers and questions."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import pytest

from livestack.actors.harness import HarnessActor
from livestack.actors.mailbox import HarnessMailbox, Mailbox, Told
from livestack.actors.messages import Answered, AskVenue, Quiescent, RecordBatch
from livestack.actors.progress import Progress
from livestack.control.view import IncidentView
from livestack.core.events import (
    AnomalyDetected,
    CommandApplied,
    ControlTime,
    Event,
    IncidentClosed,
    IncidentOpened,
    InputEvent,
    IntentDispatched,
    OrderFill,
    SessionStopped,
    SessionStopping,
    TakeCheckpoint,
    TradingStateChanged,
)
from livestack.core.obligations import Obligation, QueryOpenOrders, WakeAt
from livestack.core.state import FillLedger
from livestack.core.types import Origin, SessionPhase, TradingState
from tests.actors.fakes import REQUEST, FakeClock, FakeTimers, messages
from tests.actors.test_mailbox import quote
from tests.core import support


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
        self.incidents: dict[str, str] = {}
        self.kill: dict[str, object] = {}
        self.trading: dict[str, TradingState] = {}
        self.ledgers: dict[str, FillLedger] = {}
        self.quiescent = False
        self.before: Callable[[Event], None] = lambda event: None

    def step(self, seq: int, ts: int, event: InputEvent) -> ScriptedStep:
        self.before(event)
        self.steps.append((seq, ts, event))
        return self.answers.get(event, ScriptedStep())

    def obligations(self) -> tuple[Obligation, ...]:
        return self.owed

    def trading_state(self) -> TradingState:
        return TradingState.ACTIVE

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


# -- Looks, and what is told once it is durable


def fill_of(fill_id: int) -> OrderFill:
    return support.fill(1, 4, fill_id)


def test_a_look_sees_state_between_two_steps_and_is_told_behind_them() -> None:
    """All of the batch before it is in State, and goes to the recorder with it; no look, nothing told."""
    bench, asker = Bench(), Mailbox()
    bench.lanes.tell_look(lambda runtime: Told(asker, len(bench.runtime.steps)))
    bench.lanes.tell_look(lambda runtime: None)
    bench.actor.on_receive([quote(1), quote(2)])
    (batch,) = messages(bench.recorder)
    assert (2, (Told(asker, 2),)) == (len(batch.records), batch.told)
    assert [] == messages(asker)  # the recorder's to tell
    bench.actor.on_receive([quote(3)])
    assert [()] == [batch.told for batch in messages(bench.recorder)]


def test_a_look_needs_no_events() -> None:
    """An idle session can be looked at, too: the mailbox wakes its owner for it."""
    bench, asker = Bench(), Mailbox()
    bench.lanes.tell_look(lambda runtime: Told(asker, "seen"))
    envelope = bench.lanes.take()
    assert envelope is not None
    bench.actor.on_receive(envelope.message)
    (batch,) = messages(bench.recorder)
    assert ([], (Told(asker, "seen"),)) == (batch.records, batch.told)
    assert bench.lanes.take() is None


def test_the_cores_answer_to_a_command_is_told_with_its_records() -> None:
    """Its position and all that was derived from it."""
    bench = Bench()
    command = support.command(TakeCheckpoint(), request_id="r")
    derived = (CommandApplied(request_id="r"),)
    bench.runtime.answers[command] = ScriptedStep(derived)
    bench.actor.on_receive([quote(1), command])
    (batch,) = messages(bench.recorder)
    assert (Told(bench.control, Answered(2, command, derived)),) == batch.told


def test_the_answer_to_a_command_says_what_is_halted() -> None:
    """Venues and instruments, and venues of which an incident holds trading; what covers everything is told beside."""
    bench = Bench()
    halted, reducing = TradingState.HALTED, TradingState.REDUCING
    bench.runtime.trading = {"": halted, "v:S": halted, "v:T": reducing}
    bench.runtime.incidents = {
        "clock_skew w": "venue-halting",
        "stall harness": "halting",
        "kill ": "critical",
    }
    bench.actor.on_receive([support.command(TakeCheckpoint(), request_id="r")])
    (batch,) = messages(bench.recorder)
    (answered,) = [one.message for one in batch.told]
    assert ("v:S", "w while clock_skew is open") == answered.halted


def test_why_trading_is_as_it_is_is_kept_for_whoever_looks() -> None:
    """The last one to set it by scope, with an anomaly's own sentence; and whether somebody asked for it."""
    bench = Bench()
    halts = AnomalyDetected(
        kind="bad_fill", venue="v", instrument="v:S", order_id=0, detail="0 at 1", halts="v:S"
    )
    other = AnomalyDetected(kind="odd", venue="v", instrument="v:S", order_id=0, detail="odd", halts="")
    at = {"venue": "v", "instrument": "v:S"}
    by_anomaly = TradingStateChanged(state=TradingState.HALTED, by="anomaly", reason="bad_fill", **at)
    by_limit = TradingStateChanged(state=TradingState.HALTED, by="max_session_loss", reason="lost 5")
    by_anna = TradingStateChanged(state=TradingState.HALTED, by="anna", reason="", **at)
    command = support.command(TakeCheckpoint(), request_id="r")
    bench.runtime.answers = {
        quote(1): ScriptedStep((halts, by_anomaly)),
        quote(2): ScriptedStep((other, by_limit)),
        command: ScriptedStep((CommandApplied(request_id="r"), by_anna)),
    }
    bench.actor.on_receive([quote(1), quote(2)])
    assert {
        "v:S": ("anomaly: bad_fill: 0 at 1", False),
        "": ("max_session_loss: lost 5", False),
    } == bench.progress.trading
    bench.actor.on_receive([command])
    assert ("anna", True) == bench.progress.trading["v:S"]


def test_fills_and_incidents_are_kept_for_whoever_looks() -> None:
    """The last fills of known instruments; incidents until they are closed."""
    bench = Bench()
    bench.runtime.market = SimpleNamespace(
        instruments={support.INSTRUMENT: SimpleNamespace(definition=support.definition())}
    )
    bench.actor.on_receive([fill_of(1), support.fill(1, 4, 2, instrument="sim:NONE")])
    assert [(1, 1)] == [(one.seq, one.fill_id) for one in bench.progress.fills]
    opened = IncidentOpened(name="stall", scope="harness", grade="halting", detail="slow")
    bench.actor.on_receive([opened])
    assert {
        ("stall", "harness"): IncidentView("stall", "harness", "halting", "slow", bench.clock.time_ns)
    } == bench.progress.incidents
    bench.actor.on_receive([IncidentClosed(name="stall", scope="harness", detail="")] * 2)
    assert {} == bench.progress.incidents


def test_it_is_busy_while_it_steps_and_not_between() -> None:
    """Each step says since when; the watchdog reads it."""
    bench, busy = Bench(), []
    bench.runtime.before = lambda event: busy.append(bench.progress.busy_ns)
    bench.actor.on_receive([quote(1)])
    bench.clock.time_ns += 5
    bench.actor.on_receive([quote(2)])
    assert ([bench.clock.now_ns() - 5, bench.clock.now_ns()], 0) == (busy, bench.progress.busy_ns)


def test_a_core_that_raises_is_not_busy_any_more() -> None:
    """The supervisor has it; it is no stall beside."""
    bench = Bench()

    def fail(event: Event) -> None:
        raise RuntimeError("bug")

    bench.runtime.before = fail
    with pytest.raises(RuntimeError):
        bench.actor.on_receive([quote(1)])
    assert 0 == bench.progress.busy_ns


def test_what_was_whole_before_an_error_is_kept() -> None:
    """The steps before the one that failed go to the recorder."""
    bench = Bench()

    def fail(event: Event) -> None:
        if event == quote(2):
            raise RuntimeError("bug")

    bench.runtime.before = fail
    with pytest.raises(RuntimeError):
        bench.actor.on_receive([quote(1), quote(2), quote(3)])
    assert [[1]] == [[record.seq for record in batch.records] for batch in messages(bench.recorder)]
