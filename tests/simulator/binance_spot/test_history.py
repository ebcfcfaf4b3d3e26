"""Candles and windows of the tape: folding, gaps, time zones."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livestack.simulator.binance_spot.history import Candle, PublicTrade, TradeHistory
from livestack.simulator.binance_spot.numbers import SCALE
from livestack.simulator.binance_spot.periods import DAY_MS, MINUTE_MS, closing_ms

START_MS = 1_760_000_000_000


TRADES = st.lists(
    st.tuples(st.integers(0, 7_200_000), st.integers(1, 1000), st.integers(1, 50), st.booleans()), max_size=60
)


def tape(trades: list[tuple[int, int, int, bool]]) -> tuple[TradeHistory, list[PublicTrade]]:
    """A history of trades (milliseconds, price, quantity, buyer is maker), asked about in the middle as well."""
    history, made = TradeHistory(), []
    for number, (at_ms, price, qty, maker) in enumerate(sorted(trades, key=lambda trade: trade[0]), 1):
        trade = PublicTrade(number, price * SCALE, qty * SCALE, (START_MS + at_ms) * 1_000_000, maker)
        history.add(trade)
        made.append(trade)
        if number % 7 == 0:
            history.candles("1m", START_MS + at_ms, 5)
    return history, made


@given(TRADES, st.sampled_from(["1s", "1m", "3m", "1h", "1d", "1w", "1M"]), st.sampled_from([0, 345]))
def test_candles_are_what_the_trades_make(
    trades: list[tuple[int, int, int, bool]], interval: str, zone_minutes: int
) -> None:
    """Each candle that has trades is the plain sum of those in its period; the others stand still."""
    history, made = tape(trades)
    offset_ms = zone_minutes * MINUTE_MS
    if interval == "1s" and zone_minutes:
        offset_ms = 0  # made of minutes otherwise, which cannot say it
    candles = history.candles(interval, START_MS + 7_200_000, 1000, offset_ms)
    assert bool(made) is bool(candles)
    last = None
    for candle in candles:
        end_ms = closing_ms(interval, candle.open_ms, offset_ms)
        inside = [trade for trade in made if candle.open_ms <= trade.time_ns // 1_000_000 <= end_ms]
        assert len(inside) == candle.count
        assert (last or candle.open) == (candle.open if not inside else last or candle.open)
        if inside:
            _assert_sum(candle, inside)
        last = candle.close


def _assert_sum(candle: Candle, inside: list[PublicTrade]) -> None:
    prices = [trade.price for trade in inside]
    assert (prices[0], max(prices), min(prices), prices[-1]) == (
        candle.open,
        candle.high,
        candle.low,
        candle.close,
    )
    assert (inside[0].trade_id, inside[-1].trade_id) == (candle.first_id, candle.last_id)
    assert sum(trade.qty for trade in inside) == candle.qty
    assert sum(trade.price * trade.qty // SCALE for trade in inside) == candle.quote
    assert sum(trade.qty for trade in inside if not trade.buyer_is_maker) == candle.taker_qty


@given(TRADES, st.integers(0, 7_200_000), st.integers(1, 120))
def test_windows_are_what_the_trades_make(
    trades: list[tuple[int, int, int, bool]], end: int, minutes: int
) -> None:
    """Asked twice, asked after more happened: the sum of the whole minutes from the start on, and the price before."""
    history, made = tape(trades)
    now_ms = START_MS + 7_200_000 + end
    start_ms = (now_ms - minutes * MINUTE_MS) // MINUTE_MS * MINUTE_MS
    inside = [trade for trade in made if trade.time_ns // 1_000_000 >= start_ms]
    before = [trade for trade in made if trade.time_ns // 1_000_000 < start_ms]
    for _ in range(2):
        whole, price_before = history.total(now_ms - minutes * MINUTE_MS, now_ms)
        assert (before[-1].price if before else 0) == price_before
        assert bool(inside) is (whole is not None)
        if whole is not None:
            assert len(inside) == whole.count
            _assert_sum(whole, inside)


def test_windows_move_on() -> None:
    """A day later nothing is left of a trade but the price before."""
    history, made = tape([(0, 5, 1, True)])
    whole, _ = history.total(START_MS - DAY_MS, START_MS)
    assert whole is not None
    assert 1 == whole.count
    assert (None, made[0].price) == history.total(START_MS + MINUTE_MS, START_MS + DAY_MS + MINUTE_MS)


@pytest.mark.parametrize(("minutes", "expected"), [(5, 3), (60, 4)])
def test_average_price(minutes: int, expected: int) -> None:
    """By quantity, over so many minutes; the last price where nothing traded in them."""
    history, _ = tape([(0, 5, 3, True), (30 * MINUTE_MS, 3, 3, False)])
    assert expected * SCALE == history.average(START_MS + 31 * MINUTE_MS, minutes)
    assert 3 * SCALE == history.average(START_MS + DAY_MS, minutes)
