"""State from a recorded stream with nothing decided again: INPUT is applied, what was derived is taken as recorded.

Pure. Theory of operation. The Core's own functions apply INPUT; whatever they derive while they do is not emitted,
because it stands behind the INPUT in the record and is applied when it comes. So neither Strategy nor Risk is needed,
nor a monitor, and the Queue stays empty: of an Intent the record says no more than how it ended. What only deciding
needs is empty too, wherever the fold began: the Queue, ids drawn and the counter behind them, the duplicate rule's
memory, the strategy's memory and deadlines, the ages of data. All the rest of State is the Core's after each whole
position. Any one thread.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from livestack.core import events
from livestack.core.apply_commands import is_answered, remember
from livestack.core.apply_control import CONTROL, begin_running
from livestack.core.apply_execution import EXECUTION
from livestack.core.apply_market import MARKET
from livestack.core.derivation import APPLY, Derivation, adopt, dispatch
from livestack.core.events import DerivedEvent, Recorded
from livestack.core.pending import Queue
from livestack.core.rates import NEVER
from livestack.core.relevance import Relevance
from livestack.core.settlement import time_out
from livestack.core.state import State
from livestack.core.types import RequestKind, SessionPhase
from livestack.exceptions import ConfigurationError


class Projection:
    """Goes on from ``state``, which becomes its own. ``last_seq`` is the last record's."""

    __slots__ = ("_asked", "_control", "_deadline_ns", "_out", "_relevance", "_selects", "last_seq", "state")

    def __init__(self, state: State) -> None:
        _forget(state)
        self.state: Final = state
        self.last_seq = state.control.seq
        self._control: Final = state.control
        self._out: Final = _Silence(state)
        self._relevance: Final = Relevance(state)
        self._selects = self._relevance.selects
        self._deadline_ns = 0
        self._asked: events.OperatorCommand | None = None

    @property
    def last_ts(self) -> int:
        """The last record's; a derived one has its cause's."""
        return self._control.ts

    def take(self, record: Recorded) -> None:
        """One record, in order of the stream."""
        event = record.event
        apply_market = MARKET.get(type(event))
        if apply_market is None:
            self._take_other(record, type(event))
            return
        control = self._control
        self.last_seq = control.seq = record.seq
        control.ts = ts = record.ts
        market = apply_market(self.state, event, self._out)
        if ts >= self._deadline_ns:
            self._time_out()
        if self._selects and market is not None:
            self._relevance.of_market(type(event), market)

    def _take_other(self, record: Recorded, kind: type) -> None:
        state, control = self.state, self._control
        self.last_seq = record.seq
        apply_input = EXECUTION.get(kind) or CONTROL.get(kind)
        if apply_input is not None:
            control.ts, control.seq = record.ts, record.seq
            self._asked = None
            if kind is events.OperatorCommand and not is_answered(state, record.event):  # type: ignore[arg-type]
                self._asked = record.event  # type: ignore[assignment]
            apply_input(state, record.event, self._out)
            time_out(state)
            if control.phase is SessionPhase.STARTING:
                begin_running(state)
        else:
            self._take_derived(record.event, kind)  # type: ignore[arg-type]
        self._deadline_ns = 0
        self._relevance.refresh(state)
        self._selects = self._relevance.selects

    def _take_derived(self, event: DerivedEvent, kind: type) -> None:
        asked = self._asked
        if asked is not None and kind is events.CommandApplied:
            # what it was about may have been in the Queue, which only the Core knew
            remember(self.state, asked, "")
        elif asked is not None and isinstance(event, events.CommandRefused):
            remember(self.state, asked, event.reason)
        _DERIVED[kind](self._out, event)
        self._control.stale_checks = {}

    def _time_out(self) -> None:
        """The requests whose time is over, and when the next one's will be."""
        time_out(self.state)
        waiting = self.state.execution.requests.values()
        self._deadline_ns = min((request.deadline_ns for request in waiting), default=NEVER)


class _Silence(Derivation):
    """Derives nothing: it is in the record."""

    __slots__ = ()

    def emit(self, event: DerivedEvent) -> None:
        """It comes with the record."""

    def anomaly(
        self,
        kind: str,
        detail: str,
        venue: str = "",
        instrument: str = "",
        order_id: int = 0,
        halt: bool = False,
    ) -> None:
        """It comes with the record."""


def _forget(state: State) -> None:
    """What the record does not tell, so that State is the same wherever the fold began."""
    execution, control = state.execution, state.control
    execution.queue, execution.counts.total, execution.order_counter = Queue(), 0, 0
    execution.drawn, execution.recent, execution.intent_times = {}, {}, []
    control.memory = None
    control.strategy_deadlines, control.stale_checks, control.stale = {}, {}, {}


def _dispatched(out: Derivation, event: events.IntentDispatched) -> None:
    """A stream of older semantics does not say under which id an order was adopted: what is asked of it is unknown."""
    state, request = out.state, event.request
    is_known = request.kind is RequestKind.NEW or request.order_id in state.execution.orders
    if is_known and request.venue in state.configuration.execution.venue:
        dispatch(state, event)


def _withdrawn(out: Derivation, event: events.IntentWithdrawn) -> None:
    out.state.execution.counts.withdrawn += 1


def _configuration(out: Derivation, event: events.ConfigurationChanged) -> None:
    try:
        APPLY[events.ConfigurationChanged](out, event)
    except ConfigurationError:  # of an older program that knew other settings
        state = out.state
        state.configuration = msgspec.structs.replace(state.configuration, version=event.version)
        state.control.configuration_version = event.version
        state.control.configuration_digest = event.digest


_DERIVED: Final[dict[type, Callable[[Derivation, Any], None]]] = {
    **APPLY,
    events.IntentDispatched: _dispatched,
    events.IntentWithdrawn: _withdrawn,
    events.OrderAdopted: adopt,
    events.ConfigurationChanged: _configuration,
}
