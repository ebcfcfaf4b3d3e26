"""Tickers: the change and its percentage, averages, and a window in which nothing traded."""

from __future__ import annotations

import pytest

from livestack.simulator.binance_spot import tickers
from livestack.simulator.binance_spot.history import Candle, flat
from livestack.simulator.binance_spot.numbers import SCALE
from livestack.simulator.binance_spot.periods import DAY_MS


@pytest.mark.parametrize(
    ("opened", "closed", "percent"),
    [
        (100, 4, "-96.000"),
        (100, 100, "0.000"),
        (3, 4, "33.333"),
        (3, 5, "66.667"),
        (3, 2, "-33.333"),
        (200_000, 200_001, "0.001"),
        (1_000_000, 999_999, "0.000"),
        (0, 0, "0.000"),
    ],
)
def test_percentages(opened: int, closed: int, percent: str) -> None:
    """Three decimals, rounded, no minus before nothing."""
    whole = Candle(0, opened, max(opened, closed), min(opened, closed), closed)
    one = tickers.Statistics("BTCUSDT", whole, 0, 0, DAY_MS)
    assert (percent, closed - opened) == (one.percent, one.change)


def test_an_empty_window_is_zeros() -> None:
    """Prices and amounts 0, ids -1, count 0."""
    shown = tickers.full(tickers.Statistics("BTCUSDT", flat(0, 0), 0, 0, DAY_MS))
    assert ("0.00000000", "0.00000000", -1, -1, 0) == (
        shown["lastPrice"],
        shown["weightedAvgPrice"],
        shown["firstId"],
        shown["lastId"],
        shown["count"],
    )


def test_the_average_is_by_quantity() -> None:
    """The quote amount by the base amount."""
    whole = Candle(0, 5, 5, 5, 5, 4 * SCALE, 10 * SCALE, 2)
    assert 5 * SCALE // 2 == tickers.Statistics("BTCUSDT", whole, 0, 0, DAY_MS).average
