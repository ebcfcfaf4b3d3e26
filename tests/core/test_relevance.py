"""Which Events a Strategy is asked about."""

from __future__ import annotations

import pytest

from livestack.core import events
from livestack.core.book import Book
from livestack.core.configuration import Configuration
from livestack.core.relevance import Relevance
from livestack.core.state import InstrumentMarket, State
from livestack.core.types import SessionPhase
from tests.core.support import configuration, definition


def running(**decisions: object) -> State:
    state = State.initial(configuration(decisions=decisions), None)
    state.control.phase = SessionPhase.RUNNING
    return state


def market(instrument: str = "v:A") -> InstrumentMarket:
    return InstrumentMarket(definition=definition(instrument), book=Book())


def test_only_chosen_kinds_and_instruments() -> None:
    """Of the market and of execution alike; what is about no instrument is not about a chosen one."""
    relevance = Relevance(running(events=["quote", "execution"], instruments=["v:A"]))
    assert [True, False, False] == [
        relevance.of_market(events.QuoteTick, market()),
        relevance.of_market(events.QuoteTick, market("v:B")),
        relevance.of_market(events.TradeTick, market()),
    ]
    assert [True, False, False] == [
        relevance.of_instrument(events.OrderFill, "v:A"),
        relevance.of_instrument(events.OrderFill, "v:B"),
        relevance.of_instrument(events.OrderFill, ""),
    ]


def test_every_nth_counts_in_the_market() -> None:
    """Each market by itself; what is not chosen does not count."""
    relevance, one, other = Relevance(running(every_nth=3)), market(), market("v:B")
    asked = [relevance.of_market(events.QuoteTick, one) for _ in range(7)]
    assert [False, False, True, False, False, True, False] == asked
    assert not relevance.of_market(events.QuoteTick, other)
    assert (1, 1) == (one.events, other.events)


@pytest.mark.parametrize("phase", [phase for phase in SessionPhase if phase is not SessionPhase.RUNNING])
def test_nobody_is_asked_unless_the_session_runs(phase: SessionPhase) -> None:
    """As of the last refresh; nor is a Strategy that is switched off."""
    state = running()
    relevance = Relevance(state)
    assert relevance.of_market(events.QuoteTick, market())
    state.control.phase = phase
    relevance.refresh(state)
    assert not relevance.of_market(events.QuoteTick, market())
    state.control.phase, state.control.strategy_enabled = SessionPhase.RUNNING, False
    relevance.refresh(state)
    assert not relevance.of_market(events.QuoteTick, market())
    state.control.strategy_enabled = True
    relevance.refresh(state)
    assert relevance.of_market(events.QuoteTick, market())


def test_a_changed_configuration_is_followed() -> None:
    """The settings of decisions are those of the State that was looked at last."""
    state = running(events=["quote"])
    relevance = Relevance(state)
    changed: Configuration = state.configuration.patched((("decisions.events", '["trade"]'),))
    state.configuration = changed
    relevance.refresh(state)
    assert [False, True] == [
        relevance.of_market(kind, market()) for kind in (events.QuoteTick, events.TradeTick)
    ]
