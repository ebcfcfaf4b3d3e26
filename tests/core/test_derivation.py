"""Derivation: DERIVED Events are applied the moment they are emitted."""

from __future__ import annotations

from livestack.core import events
from livestack.core.derivation import APPLY, Derivation, covers
from livestack.core.types import TradingState
from tests.core.support import INSTRUMENT, VENUE, Bench


def test_every_derived_event_has_its_effect() -> None:
    """The table knows each DERIVED type and no other."""
    assert set(events.DERIVED_EVENTS) == set(APPLY)


def test_emission_applies_at_once() -> None:
    """The next line sees what the Event did."""
    bench = Bench().start()
    out = Derivation(bench.runtime.state)
    out.emit(events.StrategyDisabled(by="x", reason="y"))
    assert not bench.state.control.strategy_enabled
    out.emit(events.StrategyEnabled(by="x", reason="y"))
    assert bench.state.control.strategy_enabled


def test_an_anomaly_halts_once() -> None:
    """The second one finds the instrument halted already."""
    bench = Bench().start()
    out = Derivation(bench.runtime.state)
    for _ in range(2):
        out.anomaly("k", "d", VENUE, INSTRUMENT, halt=True)
    assert ["AnomalyDetected", "TradingStateChanged", "AnomalyDetected"] == [
        type(one).__name__ for one in out.derived
    ]
    assert {INSTRUMENT: TradingState.HALTED} == bench.state.control.trading


def test_scopes() -> None:
    """'' covers everything, a venue its instruments, an instrument itself."""
    assert covers("", "", "v", "v:S")
    assert covers("v", "", "v", "v:S")
    assert not covers("w", "", "v", "v:S")
    assert not covers("v", "v:T", "v", "v:S")
