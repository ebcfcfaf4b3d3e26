"""The account's money at the simulated venue: what orders lock, what trades move, what fees take.

Pure, integers only. Every amount of every asset is in 10**-18, which is exact for every price times quantity whose
scales sum to at most eighteen decimals; only a fee can be finer, and is rounded down to that unit. An order that the
account cannot cover is refused, so nothing ever goes below zero. Runs on the caller's thread.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

import msgspec

from livestack.backtest_settings import FEE_BPS_DECIMALS, BacktestSettings
from livestack.core.events import InstrumentDefined
from livestack.core.types import DECIMALS_MAX, Amount, AssetBalance, format_decimal, parse_decimal
from livestack.exceptions import UsageError
from livestack.simulator.accounts import Account
from livestack.simulator.matching import MatchingEngine
from livestack.simulator.orders import BUY, MARKET_TYPES, Order

RATE_SCALE: Final = 10_000 * 10**FEE_BPS_DECIMALS
USUAL_DECIMALS: Final = 8
"""Venues print amounts with so many decimals; one that fits is told in them."""
_TO_USUAL: Final = 10 ** (DECIMALS_MAX - USUAL_DECIMALS)


class Units(msgspec.Struct, frozen=True):
    """What one unit of quantity, and of price times quantity, of an instrument is in 10**-18."""

    base: str
    quote: str
    base_factor: int
    quote_factor: int

    @classmethod
    def of(cls, definition: InstrumentDefined) -> Units:
        """``UsageError`` where amounts would not be exact."""
        amount_decimals = definition.price_decimals + definition.qty_decimals
        if amount_decimals > DECIMALS_MAX:
            raise UsageError(
                f"{definition.instrument} has {amount_decimals} decimals of price and quantity together; "
                f"a backtest can be exact with at most {DECIMALS_MAX}"
            )
        return cls(
            definition.base,
            definition.quote,
            10 ** (DECIMALS_MAX - definition.qty_decimals),
            10 ** (DECIMALS_MAX - amount_decimals),
        )


class FeeSchedule(msgspec.Struct, frozen=True):
    """Rates in ``1 / RATE_SCALE``; ``source`` is the asset that a fee comes from."""

    maker: int
    taker: int
    source: Literal["received", "quote"]

    @classmethod
    def of(cls, settings: BacktestSettings) -> FeeSchedule:
        return cls(
            parse_decimal(settings.maker_fee_bps, FEE_BPS_DECIMALS),
            parse_decimal(settings.taker_fee_bps, FEE_BPS_DECIMALS),
            settings.fee_asset,
        )

    @property
    def extra(self) -> int:
        """What a buyer has to have on top of the price, at worst."""
        return max(self.maker, self.taker, 0) if self.source == "quote" else 0


class Funds:
    """One account with ``balances`` (decimal strings by asset) and its fees."""

    def __init__(self, name: str, balances: Mapping[str, int], fees: FeeSchedule) -> None:
        self._account = Account(name, 1)
        self._fees = fees
        self._changed: dict[str, None] = {}
        for asset, amount in balances.items():
            self._account.balance(asset).free = amount

    def covers(self, order: Order, units: Units, engine: MatchingEngine) -> bool:
        """Whether the account can pay for ``order``: at its limit, or at what the book holds now."""
        if order.type in MARKET_TYPES and not order.is_stop:
            asset, amount = self._cost_now(order, units, engine)
        else:
            asset, amount = self._need(order, units)
        return self._account.free(asset) >= amount

    def lock(self, order: Order, units: Units) -> None:
        """Set aside what a covered limit or stop order may need; nothing for a market order."""
        if order.type in MARKET_TYPES and not order.is_stop:
            return
        asset, amount = self._need(order, units)
        self._account.lock(asset, amount)
        order.locked = amount
        self._touch(units)

    def adjust(self, order: Order, units: Units) -> None:
        """``order`` shrank, closed or was triggered: free what it does not need any more."""
        if not order.locked:
            return
        keeps = order.open and not (order.type in MARKET_TYPES and order.triggered)
        needed = self._need(order, units)[1] if keeps else 0
        freed = order.locked - needed
        if freed > 0:
            self._account.unlock(units.quote if order.side == BUY else units.base, freed)
            order.locked = needed
            self._touch(units)

    def trade(self, order: Order, units: Units, price: int, qty: int, *, maker: bool) -> tuple[int, str]:
        """Pay and receive for one trade of ``order``; returns the fee and its asset."""
        self.adjust(order, units)
        cost, amount = price * qty * units.quote_factor, qty * units.base_factor
        buys = order.side == BUY
        gives, takes = (units.quote, units.base) if buys else (units.base, units.quote)
        paid, received = (cost, amount) if buys else (amount, cost)
        self._account.add(gives, -paid)
        self._account.add(takes, received)
        rate = self._fees.maker if maker else self._fees.taker
        asset, basis = (takes, received) if self._fees.source == "received" else (units.quote, cost)
        fee = basis * rate // RATE_SCALE
        self._account.charge(asset, fee)
        self._touch(units)
        return fee, asset

    def held(self, asset: str) -> int:
        """Free and locked together."""
        balance = self._account.balance(asset)
        return balance.free + balance.locked

    def told(self) -> dict[str, str]:
        """Free and locked together, by asset, as decimal strings."""
        return {asset: format_decimal(self.held(asset), DECIMALS_MAX) for asset in self._account.balances}

    def balances(self) -> tuple[AssetBalance, ...]:
        """Everything that the account holds, in the order in which it came."""
        return tuple(self._told(asset) for asset in self._account.balances)

    def changed(self) -> tuple[AssetBalance, ...]:
        """The balances that changed since the last call."""
        told = tuple(self._told(asset) for asset in self._changed)
        self._changed.clear()
        return told

    def _told(self, asset: str) -> AssetBalance:
        balance = self._account.balance(asset)
        if balance.free % _TO_USUAL or balance.locked % _TO_USUAL:
            return AssetBalance(asset, DECIMALS_MAX, Amount.of(balance.free), Amount.of(balance.locked))
        free, locked = balance.free // _TO_USUAL, balance.locked // _TO_USUAL
        return AssetBalance(asset, USUAL_DECIMALS, Amount.of(free), Amount.of(locked))

    def _touch(self, units: Units) -> None:
        self._changed[units.base] = None
        self._changed[units.quote] = None

    def _need(self, order: Order, units: Units) -> tuple[str, int]:
        if order.side != BUY:
            return units.base, order.remaining * units.base_factor
        unit = order.price or order.stop_price
        cost = order.quote_qty or unit * order.remaining
        return units.quote, self._with_fee(cost * units.quote_factor)

    def _cost_now(self, order: Order, units: Units, engine: MatchingEngine) -> tuple[str, int]:
        if order.side != BUY:
            return units.base, (order.remaining or engine.affordable(order)) * units.base_factor
        cost = order.quote_qty or engine.cost(BUY, order.remaining)
        return units.quote, self._with_fee(cost * units.quote_factor)

    def _with_fee(self, cost: int) -> int:
        """Rounded up, so that the sum of fees that are rounded down is always covered."""
        fee: int = -(-cost * self._fees.extra // RATE_SCALE)
        return cost + fee


def told_fee(fee: int) -> tuple[Amount, int]:
    """A fee with its decimals, as few as venues print where that is exact."""
    if fee % _TO_USUAL:
        return Amount.of(fee), DECIMALS_MAX
    return Amount.of(fee // _TO_USUAL), USUAL_DECIMALS
