"""The Core Runtime: one Event in, one transition, and what is derived from it out.

Pure. Theory of operation. ``step`` runs its stages always in this order: *apply* the Event and what time alone brings
(time-outs), *monitors*, *strategy* (if the Event is decision-relevant), *intents* one after another through Risk into
the Queue, *queue processing*, *obligations*. Each DERIVED Event is applied the moment it is emitted and never makes the
Strategy run again in that step. A market Event that nobody decides on touches nothing but its instrument: it takes the
short way through ``step`` and gets the one empty Step there is. Harness thread; reads no clock, does no I/O.
"""

from __future__ import annotations

from typing import Final

import msgspec

from livestack.core import events
from livestack.core.apply_control import CONTROL
from livestack.core.apply_execution import EXECUTION
from livestack.core.apply_market import MARKET
from livestack.core.canonical import pack
from livestack.core.configuration import Configuration
from livestack.core.derivation import Derivation
from livestack.core.events import DerivedEvent, InputEvent
from livestack.core.execution_control import admit, process
from livestack.core.intents import Cancel, Intent, New, Replace
from livestack.core.monitors import watch
from livestack.core.obligations import Obligation
from livestack.core.owed import next_timer, obligations
from livestack.core.pending import kind_of
from livestack.core.rates import NEVER
from livestack.core.risk import Risk
from livestack.core.risk_rules import Denial
from livestack.core.state import InstrumentMarket, State
from livestack.core.strategy import Decision, Strategy, View
from livestack.core.types import OrderRequest, RequestKind, RequestSource, SessionPhase
from livestack.exceptions import InvariantViolation

SEMANTICS_VERSION: Final = 1
"""Raised whenever the same Events could mean another State: journals of another version are not comparable."""

INTENTS_MAX: Final = 1_000
"""Intents of one decision; a hook that yields more has a loop without an end."""

_DECISION_NAMES: Final[dict[type, str]] = {
    events.QuoteTick: "quote",
    events.TradeTick: "trade",
    events.BookDelta: "book",
    events.BookSnapshot: "book",
    events.OrderAccepted: "execution",
    events.OrderRejected: "execution",
    events.OrderFill: "execution",
    events.OrderCancelled: "execution",
    events.OrderExpired: "execution",
    events.OrderReplaced: "execution",
    events.CancelRejected: "execution",
    events.ReplaceRejected: "execution",
    events.OrderReport: "execution",
    events.DispatchFailed: "execution",
    events.FeedStatusChanged: "status",
    events.VenueStatusChanged: "status",
    events.BalanceReport: "status",
    events.InstrumentDefined: "status",
}


class Step(msgspec.Struct, frozen=True):
    """What came of one Event. ``dispatches`` are the very objects inside the ``IntentDispatched`` Events."""

    derived: tuple[DerivedEvent, ...] = ()
    dispatches: tuple[OrderRequest, ...] = ()
    obligations_changed: bool = False


_EMPTY: Final = Step()


class CoreRuntime:
    """The deterministic kernel of one session.

    ``configuration`` and ``strategy`` are its whole start; everything after comes in through :meth:`step`.
    """

    def __init__(self, configuration: Configuration, strategy: Strategy, state: State | None = None) -> None:
        pack(strategy.memory)  # a memory without a canonical form is refused now and not at the first checkpoint
        if state is None:
            state = State.initial(configuration, strategy.memory)
        else:
            strategy.memory = state.control.memory
        self.state: Final = state
        self._strategy = strategy
        self._risk = Risk()
        self._view = View(state)
        self._out = Derivation(state)
        self._owed: tuple[Obligation, ...] = obligations(state)
        self._next_timer = next_timer(state)
        self._next_seq = 0
        self._read_configuration()

    def obligations(self) -> tuple[Obligation, ...]:
        """The full set owed now: a pure function of State."""
        return self._owed

    def step(self, seq: int, ts: int, event: InputEvent) -> Step:
        """Apply one INPUT at position ``seq`` with the sequencer's stamp ``ts`` (nanoseconds).

        The DERIVED Events take the positions behind it. ``InvariantViolation``, before anything changed, where the
        caller broke the order of positions or time, or where this is no INPUT Event.
        """
        control = self.state.control
        if ts < control.ts or seq <= control.seq or (self._next_seq and seq != self._next_seq):
            raise InvariantViolation(
                f"seq {seq} at ts {ts}: expected seq {self._next_seq or control.seq + 1}, ts at or after {control.ts}"
            )
        kind = type(event)
        apply_market = MARKET.get(kind)
        if apply_market is None:
            return self._step(seq, ts, event, None)
        control.ts = ts
        control.seq = seq
        out = self._out
        market = apply_market(self.state, event, out)
        if market is None or ts >= self._next_timer:
            return self._step(seq, ts, event, market)
        if market.definition.instrument in self._muted or kind not in self._asks:
            self._next_seq = seq + 1
            return _EMPTY
        if self._every_nth > 1:
            market.events += 1
            if market.events % self._every_nth:
                self._next_seq = seq + 1
                return _EMPTY
        if not self._running:
            self._next_seq = seq + 1
            return _EMPTY
        return self._decide_on_market(seq, event)

    def _decide_on_market(self, seq: int, event: InputEvent) -> Step:
        """The short way when the Strategy is asked: over again if it wants nothing."""
        deadlines = len(self.state.control.strategy_deadlines)
        try:
            decision = self._strategy.on_event(self._view, event)
            intents = () if decision is None else tuple(decision)
        except Exception as error:  # noqa: BLE001 - a Strategy's failure is an Event
            self._strategy_failed("on_event", error)
            return self._finish(seq, self.state.control.ts)
        return self._after(seq, intents, deadlines)
