"""Which Events a Strategy is asked about: what the decision settings, the session's phase and its switch make of them.

Pure. Derived from State, never State itself; what it counts (every n-th Event of a market) is kept in the market.
Harness thread, or wherever a recorded stream is folded.
"""

from __future__ import annotations

from typing import Final

from livestack.core import events
from livestack.core.configuration import Decisions
from livestack.core.state import InstrumentMarket, State
from livestack.core.types import SessionPhase

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


class Relevance:
    """As of the last :meth:`refresh`.

    ``asks``: the types of Events that may be relevant; ``selects``: not each of them is, by instrument or by count.
    """

    __slots__ = ("_decisions", "_every_nth", "_only", "_wanted", "asks", "selects")

    def __init__(self, state: State) -> None:
        self._decisions: Decisions | None = None
        self.refresh(state)

    def refresh(self, state: State) -> None:
        """Look at State again; to be done after every step that may have changed more than a market."""
        decisions, control = state.configuration.decisions, state.control
        if self._decisions is not decisions:
            self._decisions = decisions
            self._wanted = frozenset(
                kind for kind, name in _DECISION_NAMES.items() if name in decisions.events
            )
            self._only = frozenset(decisions.instruments) if decisions.instruments else None
            self._every_nth = decisions.every_nth
            self.selects = self._only is not None or self._every_nth > 1
        running = control.phase is SessionPhase.RUNNING and control.strategy_enabled
        self.asks: frozenset[type] = self._wanted if running else frozenset()

    def of_market(self, kind: type, market: InstrumentMarket) -> bool:
        """Whether a market Event of ``kind`` is one to be asked about; counts towards every n-th."""
        if kind not in self.asks:
            return False
        if self._only is not None and market.definition.instrument not in self._only:
            return False
        if self._every_nth == 1:
            return True
        market.events = (market.events + 1) % self._every_nth
        return market.events == 0

    def of_instrument(self, kind: type, instrument: str) -> bool:
        """Whether any other Event of ``kind`` about ``instrument`` ('' none) is one to be asked about."""
        return kind in self.asks and (self._only is None or instrument in self._only)
