"""What the simulated venue refuses by its instruments' own rules: status, price, lot, notional, number of orders.

Pure, integers only. The Core's Risk has looked at the same rules before, at the state of its own knowledge.
"""

from __future__ import annotations

import msgspec

from livestack.core.events import InstrumentDefined
from livestack.core.types import InstrumentStatus
from livestack.simulator.orders import MARKET_TYPES, Order


class Refusal(msgspec.Struct, frozen=True):
    """``code`` is a stable name, ``reason`` a sentence's worth of it."""

    code: str
    reason: str


def check(order: Order, rules: InstrumentDefined, open_orders: int) -> Refusal | None:
    """The first rule of the instrument that ``order`` breaks."""
    if rules.status is not InstrumentStatus.TRADING:
        return Refusal("not_trading", f"the instrument is {rules.status.name}")
    if rules.max_open_orders and open_orders >= rules.max_open_orders:
        return Refusal("max_open_orders", f"{open_orders} orders are open")
    market = order.type in MARKET_TYPES
    if market and not rules.market_allowed:
        return Refusal("order_type", "market orders are not allowed")
    prices = ([] if market else [order.price]) + ([order.stop_price] if order.is_stop else [])
    if not all(_price_fits(price, rules) for price in prices):
        return Refusal("price_filter", "the price is off tick or out of bounds")
    if not order.quote_qty and not _lot_fits(order.qty, rules, market=market):
        return Refusal("lot_size", "the quantity is off step or out of bounds")
    if order.quote_qty < 0 or (order.quote_qty and not market):
        return Refusal("order_type", "a quote budget is for market orders")
    notional = order.quote_qty or order.price * order.qty
    low, high = rules.notional_min.value, rules.notional_max.value
    if (market and not order.quote_qty) or (market and not rules.notional_min_applies_to_market):
        return None  # what it will cost nobody knows yet
    if notional < low or (high and notional > high and not market):
        return Refusal("notional", "price times quantity is out of bounds")
    return None


def _price_fits(price: int, rules: InstrumentDefined) -> bool:
    if price <= 0 or price < rules.price_min or (rules.price_max and price > rules.price_max):
        return False
    return not rules.price_tick or price % rules.price_tick == 0


def _lot_fits(qty: int, rules: InstrumentDefined, *, market: bool) -> bool:
    low, high, step = rules.qty_min, rules.qty_max, rules.qty_step
    if market:
        low, high = max(low, rules.market_qty_min), rules.market_qty_max or high
        step = rules.market_qty_step or step
    if qty <= 0 or qty < low or (high and qty > high):
        return False
    return not step or qty % step == 0
