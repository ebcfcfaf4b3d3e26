"""The imbalance taker takes when one side outweighs the other, and goes home."""

from __future__ import annotations

from livestack.core import events
from livestack.core.types import RequestKind, TimeInForce
from tests.strategies.market import Market

PATH = "livestack.strategies.imbalance_taker:ImbalanceTaker"
PARAMETERS: dict[str, object] = {
    "qty": "0.010",
    "window": 5,
    "threshold_percent": 50,
    "holding_time": "3s",
    "profit_bps": 5,
    "loss_bps": 5,
}


def test_it_really_trades() -> None:
    """It enters and leaves with immediate-or-cancel orders, never holds more than one, and ends near flat."""
    market = Market(PATH, PARAMETERS, 3)
    for _ in range(40):
        market.run(25)
        assert 10 >= abs(market.bench.execution.position("sim:BTCUSDT").qty)
    position = market.bench.execution.position("sim:BTCUSDT")
    assert market.fills > 20
    assert min(position.bought_qty, position.sold_qty) > 0
    assert {(RequestKind.NEW, TimeInForce.IOC)} == {(one.kind, one.tif) for one in market.dispatches}
    bad = (events.AnomalyDetected, events.StrategyFailed)
    assert [] == [one for one in market.bench.derived if isinstance(one, bad)]


def test_it_waits_for_a_full_window() -> None:
    """Before it has seen enough trades it does nothing."""
    market = Market(PATH, {**PARAMETERS, "window": 500}, 3)
    market.run(100)
    assert [] == market.dispatches
