"""The imbalance taker takes when one side outweighs the other, and goes home."""

from __future__ import annotations

from livestack.core import events
from livestack.core.positions import Position
from livestack.core.strategy import View
from livestack.core.types import Amount, RequestKind, TimeInForce
from livestack.strategies.loading import load_strategy
from tests.core.support import INSTRUMENT, Bench, configuration, definition
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


def test_dust_that_no_venue_would_take_is_no_position() -> None:
    """A fee in the base asset leaves less than the smallest order: it goes on trading instead of trying to leave."""
    bench = Bench(configuration(), load_strategy(PATH, PARAMETERS))
    bench.start(definition(qty_min=5, qty_step=2, notional_min=Amount.of(60_000)))
    view = View(bench.state)
    found = []
    for qty in (0, 4, 5, 6, -6):  # the bid is 100.00: six are the least that is worth it
        bench.execution.positions[INSTRUMENT] = Position(qty=qty, cost=1)
        found.append(bench.strategy._can_be_closed(view, INSTRUMENT))
    assert [False, False, False, True, True] == found
