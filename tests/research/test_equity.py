"""Equity: realised and unrealised less fees, and the largest fall from a peak."""

from __future__ import annotations

import pytest

from livestack.core.book import Book
from livestack.core.configuration import Configuration
from livestack.core.positions import FeeTotal, Position
from livestack.core.state import InstrumentMarket, State
from livestack.core.strategy import NoMemory
from livestack.research.equity import CURVE_MAX, Curve, Equity
from livestack.settings import inspect
from tests.research.sessions import BTCUSDT, INSTRUMENT
from tests.support import ROOT

UNIT = 10**18


@pytest.fixture
def state() -> State:
    """Long 0.00010 bought at 100.00, 0.05 realised, a fee of 0.02 paid; the bid is at 110.00."""
    configuration: Configuration = inspect(ROOT / "etc" / "demo.toml")[1]
    state = State.initial(configuration, NoMemory())
    state.market.instruments[INSTRUMENT] = InstrumentMarket(
        definition=BTCUSDT, book=Book(), bid=11_000, bid_qty=1, ask=11_100, ask_qty=1
    )
    state.execution.positions[INSTRUMENT] = Position(
        qty=10, cost=100_000, realised=500_000, fees={"USDT": FeeTotal(2, 2), "BTC": FeeTotal(8, 5)}
    )
    return state


def test_equity_is_realised_and_unrealised_less_fees_in_the_quote_asset(state: State) -> None:
    """0.05 + 0.0001 * (110 - 100) - 0.02 = 0.031; fees in the base asset are in the position already."""
    equity = Equity(state)
    equity.sample()
    assert [31 * UNIT // 1000] == equity.curves["USDT"].points
    assert {"USDT": "0.001000000000000000"} == equity.unrealised()


def test_a_feed_that_is_away_is_no_loss(state: State) -> None:
    """Without a price the last one counts."""
    equity = Equity(state)
    equity.sample()
    state.market.instruments[INSTRUMENT].invalidate()
    equity.sample()
    assert [31 * UNIT // 1000] * 2 == equity.curves["USDT"].points
    assert {"USDT": "0.000000000000000000"} == equity.drawdowns()


@pytest.mark.parametrize(
    ("values", "drawdown"),
    [([1, 5, 3, 9, 2, 8], 7), ([-3, -1, -9], 9), ([1, 2, 3], 0), ([], 0)],
)
def test_the_largest_fall_from_a_peak(values: list[int], drawdown: int) -> None:
    """From 9 to 2; the beginning is a peak of 0; a rise has none."""
    curve = Curve()
    for value in values:
        curve.add(value)
    assert drawdown == curve.drawdown


def test_a_curve_does_not_grow() -> None:
    """A million samples: at most CURVE_MAX points, in order, and the drawdown of all of them."""
    curve = Curve()
    for value in range(1_000_000):
        curve.add(-1 if value == 3 else value)
    assert len(curve.points) < CURVE_MAX
    assert curve.points == sorted(curve.points)
    assert 3 == curve.drawdown
