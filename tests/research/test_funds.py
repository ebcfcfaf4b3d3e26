"""The account's money: exact units, what an order needs, nothing below zero."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from livestack.backtest_settings import BacktestSettings
from livestack.core.types import Amount
from livestack.exceptions import UsageError
from livestack.research.funds import FeeSchedule, Funds, Units, told_fee
from livestack.simulator.orders import BUY, Order, OrderType
from tests.research.sessions import BTCUSDT
from tests.research.venue import UNIT


def test_units_of_an_instrument() -> None:
    """2 + 5 decimals: a unit of quantity is 10**13 of the account's, one of price times quantity 10**11."""
    assert Units("BTC", "USDT", 10**13, 10**11) == Units.of(BTCUSDT)


def test_scales_that_are_too_fine_are_refused() -> None:
    """More than eighteen decimals together cannot be exact."""
    fine = msgspec.structs.replace(BTCUSDT, price_decimals=10, qty_decimals=9)
    with pytest.raises(UsageError, match="at most 18"):
        Units.of(fine)


@pytest.mark.parametrize(
    ("fee", "told"), [(10**10, (Amount.of(1), 8)), (10**10 + 1, (Amount.of(10**10 + 1), 18))]
)
def test_a_fee_is_told_in_as_few_decimals_as_are_exact(fee: int, told: tuple[Amount, int]) -> None:
    """Eight where that is exact, as venues print it; else all eighteen."""
    assert told == told_fee(fee)


@given(
    price=st.integers(1, 10**7),
    parts=st.lists(st.integers(1, 10**6), min_size=1, max_size=20),
    rate=st.integers(0, 10**9).map(lambda units: f"{units // 10**6}.{units % 10**6:06d}"),
)
def test_what_is_locked_covers_every_way_of_filling(price: int, parts: list[int], rate: str) -> None:
    """An account with exactly what a buy order needs can pay for all parts and fees; hardly anything is left."""
    units = Units.of(BTCUSDT)
    fees = FeeSchedule.of(BacktestSettings(maker_fee_bps=rate, taker_fee_bps="0", fee_asset="quote"))
    order = Order(
        order_id=1,
        account="",
        symbol="",
        client_id="",
        side=BUY,
        type=OrderType.LIMIT,
        price=price,
        qty=sum(parts),
    )
    needed = Funds("probe", {"USDT": 10**60}, fees)
    needed.lock(order, units)
    funds = Funds("exact", {"USDT": order.locked}, fees)
    funds.lock(order, units)
    for part in parts:
        order.executed += part
        order.status = "PARTIALLY_FILLED" if order.remaining else "FILLED"
        funds.trade(order, units, price, part, maker=True)
    assert sum(parts) * 10**13 == funds.held("BTC")
    assert 0 <= funds.held("USDT") <= len(parts)


def test_balances_are_told_in_decimals() -> None:
    """Free and locked together, by asset."""
    funds = Funds("a", {"USDT": 3 * UNIT // 2}, FeeSchedule.of(BacktestSettings()))
    assert {"USDT": "1.500000000000000000"} == funds.told()
