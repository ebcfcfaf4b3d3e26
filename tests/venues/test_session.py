"""The table of connection states: every pair of state and signal."""

from __future__ import annotations

import itertools

import pytest

from livestack.core.types import ConnectionStatus
from livestack.venues.session import TRANSITIONS, SessionState, Signal


@pytest.mark.parametrize(("status", "signal"), list(itertools.product(ConnectionStatus, Signal)))
def test_every_pair_of_state_and_signal(status: ConnectionStatus, signal: Signal) -> None:
    """A pair of the table leads where it says; any other changes nothing."""
    state = SessionState()
    state.status = status
    expected = TRANSITIONS.get((status, signal), status)
    assert state.take(signal) is (expected is not status)
    assert state.status is expected


def test_live_is_reached_through_synchronising_only() -> None:
    """Nothing but SYNCHRONISED in SYNCHRONISING makes a connection LIVE."""
    ways = [pair for pair, after in TRANSITIONS.items() if after is ConnectionStatus.LIVE]
    assert ways == [(ConnectionStatus.SYNCHRONISING, Signal.SYNCHRONISED)]


def test_a_closed_connection_is_disconnected_whatever_it_was() -> None:
    """CLOSED ends in DISCONNECTED from every state."""
    for status in ConnectionStatus:
        state = SessionState()
        state.status = status
        state.take(Signal.CLOSED)
        assert state.status is ConnectionStatus.DISCONNECTED
