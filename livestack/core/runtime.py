"""The Core Runtime: one Event in, one transition, and what is derived from it out.

Pure. Theory of operation. ``step`` runs its stages always in this order: *apply* the Event and what time alone brings
(time-outs), *monitors*, *strategy* (if the Event is decision-relevant), *intents* one after another through Risk into
the Queue, *queue processing*, *obligations*. Each DERIVED Event is applied the moment it is emitted and never makes the
Strategy run again in that step. A market Event that nobody decides on touches nothing but its instrument: it takes the
short way through ``step`` and gets the one empty Step there is. Harness thread; reads no clock, does no I/O.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Final

import msgspec

from livestack.core import events
from livestack.core.apply_control import CONTROL, begin_running
from livestack.core.apply_execution import EXECUTION
from livestack.core.apply_market import MARKET
from livestack.core.canonical import check_restorable, pack
from livestack.core.configuration import Configuration
from livestack.core.derivation import Derivation
from livestack.core.events import DerivedEvent, InputEvent
from livestack.core.execution_control import admit, process
from livestack.core.intents import Cancel, Intent, New, Replace
from livestack.core.monitors import Alarms, alarms, rings, watch
from livestack.core.obligations import Obligation
from livestack.core.owed import next_timer, obligations
from livestack.core.pending import kind_of
from livestack.core.rates import NEVER
from livestack.core.relevance import Relevance
from livestack.core.risk import Risk
from livestack.core.risk_rules import Denial
from livestack.core.settlement import time_out
from livestack.core.state import State
from livestack.core.strategy import Strategy, View
from livestack.core.types import OrderRequest, RequestSource, SessionPhase
from livestack.core.validation import encodable
from livestack.exceptions import InvariantViolation

SEMANTICS_VERSION: Final = 6
"""Raised whenever the same Events could mean another State: journals of another version are not comparable."""

INTENTS_MAX: Final = 1_000
"""Intents of one decision; a hook that yields more has a loop without an end."""


class Step(msgspec.Struct, frozen=True):
    """What came of one Event. ``dispatches`` are the very objects inside the ``IntentDispatched`` Events."""

    derived: tuple[DerivedEvent, ...] = ()
    dispatches: tuple[OrderRequest, ...] = ()
    obligations_changed: bool = False


_EMPTY: Final = Step()
_OBLIGATIONS_CHANGED: Final = Step(obligations_changed=True)
_INTENTS: Final = (New, Replace, Cancel)


class CoreRuntime:
    """The deterministic kernel of one session.

    ``configuration`` and ``strategy`` are its whole start (``state``: a restored one); everything after that comes in
    through :meth:`step`.
    """

    def __init__(self, configuration: Configuration, strategy: Strategy, state: State | None = None) -> None:
        check_restorable(strategy.memory_type)
        pack(strategy.memory)  # a memory without a canonical form is refused now, not at the first checkpoint
        if state is None:
            state = State.initial(configuration, strategy.memory)
        strategy.memory = state.control.memory
        self.state: Final = state
        self._control = state.control
        self.failure = ""
        """Where the Strategy failed last, as ``file:line``, for people; no part of State."""
        self.strategy = strategy
        """Who is asked. A host may have another one stand in between that asks it in turn: one with a clock."""
        self._risk = Risk()
        self._view = View(state)
        self._out = Derivation(state)
        self._relevance = Relevance(state)
        self._next_seq = 0
        self._refresh()

    def obligations(self) -> tuple[Obligation, ...]:
        """The full set owed now: a pure function of State."""
        return self._owed

    def step(self, seq: int, ts: int, event: InputEvent) -> Step:
        """Apply one INPUT at position ``seq`` with the sequencer's stamp ``ts`` (nanoseconds).

        The DERIVED Events take the positions behind it. ``InvariantViolation``, before anything changed, where the
        caller broke the order of positions or of time, or where this is no INPUT Event.
        """
        control = self._control
        if ts < control.ts or seq != self._next_seq:
            self._check_position(seq, ts)
        kind = type(event)
        apply_market = MARKET.get(kind)
        if apply_market is None:
            return self._full_step(seq, ts, event)
        control.ts = ts
        control.seq = seq
        watched = self._alarms
        if watched is None:
            watched = self._alarms = alarms(self.state, self._risk)
        market = apply_market(self.state, event, self._out)
        defines = kind is events.InstrumentDefined  # it may change what the monitors have to watch
        if market is None or defines or ts >= self._next_timer or (watched and rings(watched, market)):
            time_out(self.state)
            watch(self._out, self._risk, event)
            return self._complete(event, market is not None and self._relevance.of_market(kind, market))
        self._next_seq = seq + 1
        if kind not in self._asks or (self._selects and not self._relevance.of_market(kind, market)):
            return _EMPTY
        strategy = self.strategy
        try:
            decision = strategy.on_event(self._view, event)
        except Exception as error:  # noqa: BLE001 - a Strategy's failure is an Event
            control.memory = strategy.memory
            return self._complete_after((), error)
        if decision is None:
            control.memory = strategy.memory
            return self._complete_after((), None) if self._view.armed else _EMPTY
        intents, failure = _collect(decision)
        control.memory = strategy.memory
        if intents or failure is not None or self._view.armed:
            return self._complete_after(intents, failure)
        return _EMPTY

    def _check_position(self, seq: int, ts: int) -> None:
        """Positions and times never go back; after a restore the first position may be any later one."""
        control = self._control
        if ts < control.ts or seq <= control.seq or self._next_seq:
            raise InvariantViolation(f"seq {seq} at ts {ts} after seq {control.seq} at ts {control.ts}")

    def _full_step(self, seq: int, ts: int, event: InputEvent) -> Step:
        kind = type(event)
        apply = EXECUTION.get(kind) or CONTROL.get(kind)
        if apply is None:
            raise InvariantViolation(f"{kind.__name__} is not an INPUT Event")
        control = self.state.control
        control.ts = ts
        control.seq = seq
        before, epochs = control.phase, len(self.state.execution.epochs)
        apply(self.state, event, self._out)
        relevant = self._relevance.of_instrument(kind, getattr(event, "instrument", ""))
        time_out(self.state)
        if control.phase is SessionPhase.STARTING:
            begin_running(self.state)
        watch(self._out, self._risk, event)
        if before is SessionPhase.STARTING and control.phase is SessionPhase.RUNNING:
            self._ask("on_start")
        elif kind is events.SessionResumed and len(self.state.execution.epochs) > epochs:
            self._ask("on_resume")
        elif kind is events.SessionStopping and before is SessionPhase.RUNNING:
            self._ask("on_stop")
        return self._complete(event, relevant)

    def _complete(self, event: InputEvent, relevant: bool) -> Step:
        """Timers, then the Strategy if the Event is relevant, then everything that follows."""
        control = self.state.control
        if control.strategy_deadlines and control.phase is not SessionPhase.STOPPED:
            for name in [name for name, ts in control.strategy_deadlines.items() if ts <= control.ts]:
                del control.strategy_deadlines[name]
                self._ask("on_deadline", name)
        if relevant:
            self._ask("on_event", event)
        self._cancel_closing()
        process(self._out)
        if self._out.wants_checkpoint:
            self._out.wants_checkpoint = False
            self._out.emit(events.Checkpoint(digest=self._digest()))
        return self._finish()

    def _complete_after(self, intents: tuple[Intent, ...], failure: Exception | None) -> Step:
        """The rest of a step whose Strategy has been asked already."""
        self._take(intents, failure, "on_event")
        self._cancel_closing()
        process(self._out)
        return self._finish()

    def _ask(self, hook: str, *arguments: object) -> None:
        """Call one hook of the Strategy, if it may run, and judge what it wants."""
        control = self.state.control
        running = control.phase is SessionPhase.RUNNING or hook == "on_stop"
        if not running or not control.strategy_enabled:
            return
        intents: tuple[Intent, ...] = ()
        failure: Exception | None = None
        try:
            decision = getattr(self.strategy, hook)(self._view, *arguments)
        except Exception as error:  # noqa: BLE001 - a Strategy's failure is an Event
            failure = error
        else:
            if decision is not None:
                intents, failure = _collect(decision)
        control.memory = self.strategy.memory
        self._take(intents, failure, hook)

    def _take(self, intents: tuple[Intent, ...], failure: Exception | None, hook: str) -> None:
        """Judge a decision's Intents one after another."""
        if failure is not None:
            self._fail(hook, failure)
        for intent in intents:
            self._submit(intent, RequestSource.STRATEGY)

    def _fail(self, hook: str, error: Exception) -> None:
        self.failure = _place_of(error)
        self._out.emit(events.StrategyFailed(hook=hook, error=type(error).__name__))
        if self.state.configuration.strategy.on_failure == "disable":
            self._out.emit(events.StrategyDisabled(by="core", reason=f"{hook} failed"))

    def _submit(self, intent: Intent, source: RequestSource) -> None:
        """One Intent through Risk into the Queue."""
        state = self.state
        state.execution.counts.total += 1
        verdict = self._risk.judge(intent, source, state)
        if not isinstance(verdict, Denial):
            admit(verdict, state)
            return
        order_id = intent.order_id if type(intent.order_id) is int and abs(intent.order_id) < 2**63 else 0
        order, pending = state.execution.order(order_id), state.execution.queue.pending.get(order_id)
        named = (
            encodable(intent.instrument) if isinstance(intent, New) and type(intent.instrument) is str else ""
        )
        known = order or pending
        self._out.emit(
            events.IntentDenied(
                intent=kind_of(intent),
                venue=known.venue if known else named.partition(":")[0],
                instrument=known.instrument if known else named,
                order_id=order_id,
                source=source,
                rule=verdict.rule,
                inputs=verdict.inputs,
                detail=verdict.detail,
            )
        )

    def _cancel_closing(self) -> None:
        """Cancels on behalf of the Core or an operator, again after each one that failed."""
        execution, control = self.state.execution, self.state.control
        if not execution.closing or control.phase is SessionPhase.STOPPED:
            return
        for order_id in list(execution.closing):
            order = execution.orders[order_id]
            due = control.ts >= order.cancel_not_before
            if order.closing is not None and due and not execution.cancel_is_under_way(order_id):
                self._submit(Cancel(order_id=order_id), order.closing)

    def _digest(self) -> str:
        """The digest, whatever the Strategy has put into its memory."""
        try:
            return self.state.digest()
        except (TypeError, UnicodeEncodeError, RecursionError) as error:
            self.strategy.memory = self.state.control.memory = self.strategy.memory_type()
            self._fail("memory", error)
            return self.state.digest()

    def _finish(self) -> Step:
        """Wrap up what was derived, and look again at what is owed."""
        out, owed = self._out, self._owed
        self._refresh()
        changed = self._owed != owed
        self._next_seq = self.state.control.seq + 1 + len(out.derived)
        if not out.derived:
            return _OBLIGATIONS_CHANGED if changed else _EMPTY
        step = Step(tuple(out.derived), tuple(out.dispatches), changed)
        out.derived, out.dispatches = [], []
        return step

    def _refresh(self) -> None:
        """What the short way looks at: derived from State, never State itself."""
        state = self.state
        relevance = self._relevance
        relevance.refresh(state)
        self._asks, self._selects = relevance.asks, relevance.selects
        self._owed = obligations(state)
        self._next_timer = next_timer(self._owed)
        self._alarms = None
        self._view.disarm()

    _asks: frozenset[type] = frozenset()
    _selects: bool = False
    _owed: tuple[Obligation, ...] = ()
    _next_timer: int = NEVER
    _alarms: Alarms | None = None


def _place_of(error: Exception) -> str:
    """The innermost line of an exception; nothing decides on it."""
    traceback = error.__traceback__
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    if traceback is None:
        return ""
    return f"{traceback.tb_frame.f_code.co_filename.rpartition('/')[2]}:{traceback.tb_lineno}"


def _collect(decision: Iterable[Intent]) -> tuple[tuple[Intent, ...], Exception | None]:
    """A decision's Intents; an exception on the way discards them all."""
    try:
        intents = tuple(islice(decision, INTENTS_MAX + 1))
        if len(intents) > INTENTS_MAX or not all(type(one) in _INTENTS for one in intents):
            raise TypeError("a hook returns at most INTENTS_MAX New, Replace and Cancel")
    except Exception as failure:  # noqa: BLE001 - a Strategy's failure is an Event
        return (), failure
    return intents, None
