"""The harness: owns Processing Order and the Core Runtime. One thread, one per session; no I/O of any kind.

It takes Events from its lanes in batches, gives each the next ``seq`` and the clock's ``ts``, steps the Core and hands
the Events with all that was derived from them to the recorder, at once when something is to be dispatched. It does not
wait for the disk; only when too many Events are not yet durable does it leave market data in its lane.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import structlog

from livestack.actors.base import NodeActor
from livestack.actors.harness_measures import HarnessMeasures
from livestack.actors.mailbox import HarnessMailbox, Mailbox, Told
from livestack.actors.measures import Measures
from livestack.actors.messages import Answered, AskVenue, Quiescent, RecordBatch
from livestack.actors.progress import Progress
from livestack.control.view import IncidentView, fill_view
from livestack.core.control_events import HALTING, VENUE_HALTING
from livestack.core.events import (
    AnomalyDetected,
    ControlTime,
    DerivedEvent,
    IncidentClosed,
    IncidentOpened,
    InputEvent,
    IntentDenied,
    IntentDispatched,
    OperatorCommand,
    OrderFill,
    Recorded,
    SessionResumed,
    SessionStopped,
    SessionStopping,
    TradingStateChanged,
    VenueClock,
)
from livestack.core.obligations import Obligation, WakeAt
from livestack.core.runtime import CoreRuntime, Step
from livestack.core.types import Origin, TradingState
from livestack.failpoints import failpoint
from livestack.summary import note
from livestack.transports.clock import Clock, Timers

UNCOMMITTED_MAX = 50_000
"""Events sequenced but not durable, beyond which market data waits: about a second of a busy market."""


class HarnessActor(NodeActor):
    """Hosts ``runtime``. ``connectors`` by venue answer the obligations that only a venue can. Without ``measures``
    nothing is timed."""

    def __init__(
        self,
        *,
        mailbox: HarnessMailbox,
        supervisor: Mailbox,
        runtime: CoreRuntime,
        recorder: Mailbox,
        connectors: Mapping[str, Mailbox],
        clock: Clock,
        timers: Timers,
        control: Mailbox,
        progress: Progress,
        uncommitted_max: int = UNCOMMITTED_MAX,
        measures: Measures | None = None,
    ) -> None:
        super().__init__("harness", mailbox, supervisor)
        self._control = control
        self._lanes = mailbox
        self._runtime = runtime
        self._recorder = recorder
        self._connectors = connectors
        self._clock = clock
        self._timers = timers
        self._progress = progress
        self._uncommitted_max = uncommitted_max
        self._obligations: dict[str, Obligation] = {}
        self._cancel_timer: dict[str, Callable[[], None]] = {}
        self._current: Recorded | None = None
        self._records: list[Recorded] = []
        self._told: list[Told] = []
        self._duplicates: dict[str, int] = {}
        self._log = structlog.get_logger("harness")
        self._noted: dict[type, Callable[[Recorded, Step], None]] = {
            OperatorCommand: self._note_answer,
            OrderFill: self._note_fill,
            IncidentOpened: self._note_incident,
            IncidentClosed: self._note_incident,
        }
        self._measures: HarnessMeasures | None = None
        if measures is not None:
            self._measures = HarnessMeasures(measures, runtime, progress, mailbox)
            self._noted[VenueClock] = self._measures.clock_told
        self._stopping = (
            False  # in this run: a session that was stopping when it was interrupted is told so again
        )
        self._quiescent = False
        self._session_ended = False
        self._unscheduled = True  # what a resumed Core owes from before is owed still

    def poison(self) -> Recorded | None:
        return self._current

    def on_stop(self) -> None:
        self._lanes.drain()  # or Pykka would wait for market data that nobody lets through any more

    def on_failure(self, *error: Any) -> None:
        self._lanes.drain()
        super().on_failure(*error)

    def on_batch(self, batch: list[Any]) -> None:
        obligations_changed, self._unscheduled = self._unscheduled, False
        self._progress.busy_ns = begun_ns = self._clock.now_ns()
        measures = self._measures
        parts: Iterable[list[Any]] = (batch,)
        if measures is not None and begun_ns >= measures.due_ns and batch:
            parts = measures.parts(batch)
        try:
            for part in parts:
                for event in part:
                    if self._session_ended:
                        break  # whatever comes behind SessionStopped is the next session's to find out
                    obligations_changed |= self._sequence(event)
            if measures is not None:
                measures.ended(begun_ns, len(batch), self._records)
            self._look()
        finally:
            self._hand_over()  # whole steps are kept, whatever the one after them did
            self._progress.busy_ns = 0
            self._progress.phase = self._runtime.state.control.phase
        self._current = None
        if self._session_ended:
            return
        if obligations_changed:
            self._schedule()
        if self._progress.uncommitted() > self._uncommitted_max:
            self._pause()
        if self._stopping:
            self._look_for_quiescence()

    def _sequence(self, event: InputEvent) -> bool:
        """One step: INPUT at the next position, its DERIVED behind it. Returns whether obligations changed."""
        seq, ts = self._progress.sequenced + 1, self._clock.now_ns()
        self._progress.busy_ns = ts
        self._current = record = Recorded(seq, ts, Origin.INPUT, event)
        failpoint("harness.before_step")
        step = self._runtime.step(seq, ts, event)
        failpoint("harness.after_step")
        self._records.append(record)
        counts = self._progress.counts
        kind: type = type(event)
        counts[kind] = counts.get(kind, 0) + 1
        for derived in step.derived:
            seq += 1
            self._records.append(Recorded(seq, ts, Origin.DERIVED, derived))
            kind = type(derived)
            counts[kind] = counts.get(kind, 0) + 1
            if type(derived) is IntentDenied:
                self._count_denial(derived)
            elif type(derived) is not IntentDispatched:
                self._note_derived(derived)
        self._progress.sequenced = seq
        noted = self._noted.get(type(event))
        if noted is not None:
            noted(record, step)
        self._stopping |= type(event) is SessionStopping
        self._session_ended = type(event) is SessionStopped
        if step.dispatches and self._measures is not None:
            self._measures.decided(record, step, self._records)
        if step.dispatches or self._session_ended:
            self._hand_over(final=self._session_ended)
        return step.obligations_changed

    def _count_denial(self, denied: IntentDenied) -> None:
        times, first = self._progress.denials.get(denied.rule, (0, denied.detail))
        self._progress.denials[denied.rule] = (times + 1, first)

    def _note_derived(self, derived: DerivedEvent) -> None:
        note(self._progress.notices, derived, self._runtime.failure)
        if type(derived) is AnomalyDetected:
            anomalies = self._progress.anomalies
            anomalies[derived.kind] = anomalies.get(derived.kind, 0) + 1
        elif type(derived) is TradingStateChanged:
            self._note_trading(derived)

    def _note_trading(self, changed: TradingStateChanged) -> None:
        """Why it is as it is now; an anomaly that halts says more in the Event right before."""
        cause, before = self._current, self._records[-2].event
        is_asked = cause is not None and type(cause.event) in (OperatorCommand, SessionResumed)
        scope = changed.instrument or changed.venue
        told = [changed.by, changed.reason]
        if scope and type(before) is AnomalyDetected and before.halts == scope:
            told.append(before.detail)
        self._progress.trading[scope] = ": ".join(filter(None, told)), is_asked

    def _hand_over(self, final: bool = False) -> None:
        if self._records or self._told:
            self._recorder.tell(RecordBatch(self._records, final, tuple(self._told)))
            self._records, self._told = [], []

    def _look(self) -> None:
        """Answer questions about State; whoever asked hears it once everything before is durable."""
        looks = self._lanes.looks
        while looks:
            try:
                told = looks.popleft()(self._runtime)
            except Exception as error:  # noqa: BLE001 - who only looks must not end who decides
                self._log.error("look_failed", error=f"{type(error).__name__}: {error}")
                continue
            if told is not None:
                self._told.append(told)

    def _note_answer(self, record: Recorded, step: Step) -> None:
        command = record.event
        assert isinstance(command, OperatorCommand)
        control = self._runtime.state.control
        halting = tuple(name for name, grade in control.incidents.items() if grade == HALTING)
        halted = [
            scope for scope, trading in control.trading.items() if scope and trading is TradingState.HALTED
        ]
        for key, grade in control.incidents.items():
            if grade == VENUE_HALTING:
                name, _, scope = key.partition(" ")
                halted.append(f"{scope} while {name} is open")
        answered = Answered(
            record.seq,
            command,
            step.derived,
            control.trading_state(),
            halting,
            bool(control.kill),
            tuple(halted),
        )
        self._told.append(Told(self._control, answered))

    def _note_fill(self, record: Recorded, step: Step) -> None:
        fill = record.event
        assert isinstance(fill, OrderFill)
        ledger = self._runtime.state.execution.ledgers.get(fill.instrument)
        duplicates = ledger.duplicates if ledger is not None else 0
        if duplicates != self._duplicates.get(fill.instrument, 0):
            self._duplicates[fill.instrument] = duplicates
            return
        self._progress.fills_counted += 1
        market = self._runtime.state.market.instruments.get(fill.instrument)
        if market is not None:
            self._progress.fills.append(fill_view(record.seq, record.ts, fill, market.definition))

    def _note_incident(self, record: Recorded, step: Step) -> None:
        incident = record.event
        if isinstance(incident, IncidentOpened):
            key = incident.name, incident.scope
            before = self._progress.incidents.get(key)
            if before is None:
                self._progress.opened[incident.name] = self._progress.opened.get(incident.name, 0) + 1
            opened_ts = before.opened_ts if before is not None else record.ts
            view = IncidentView(*key, incident.grade, incident.detail, opened_ts)
            self._progress.incidents[key] = view
        elif isinstance(incident, IncidentClosed):
            self._progress.incidents.pop((incident.name, incident.scope), None)

    def _pause(self) -> None:
        """Leave market data waiting until the recorder has caught up; it may have done so this very moment."""
        self._lanes.paused = True
        if self._progress.uncommitted() <= self._uncommitted_max:
            self._lanes.resume()

    def _look_for_quiescence(self) -> None:
        if not self._quiescent and self._runtime.state.execution.is_quiescent():
            self._quiescent = True
            self._supervisor.tell(Quiescent())

    def _schedule(self) -> None:
        """Bring timers and questions in line with what the Core wants now."""
        wanted = {obligation.scope: obligation for obligation in self._runtime.obligations()}
        for scope in self._obligations.keys() - wanted.keys():
            self._forget(scope)
        for scope, obligation in wanted.items():
            if self._obligations.get(scope) != obligation:
                self._forget(scope)
                self._take_on(scope, obligation)
        self._obligations = wanted

    def _take_on(self, scope: str, obligation: Obligation) -> None:
        if isinstance(obligation, WakeAt):
            event = ControlTime(scope=scope, deadline_ns=obligation.deadline_ns)
            self._cancel_timer[scope] = self._timers.at(
                obligation.deadline_ns, lambda: self._lanes.tell_time(event)
            )
        elif obligation.venue in self._connectors:
            self._connectors[obligation.venue].tell(AskVenue(obligation))

    def _forget(self, scope: str) -> None:
        cancel = self._cancel_timer.pop(scope, None)
        if cancel is not None:
            cancel()
