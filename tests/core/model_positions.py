"""The slow model's positions: quantity, cost, realised result and fees, from the whole list of fills each time."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from math import floor

from livestack.core.events import InstrumentDefined, OrderFill
from livestack.core.types import Side


@dataclass
class Holding:
    """Inventory of one instrument; ``fees`` by asset, in whole units of that asset, exactly."""

    qty: int = 0
    cost: int = 0
    realised: int = 0
    fees: dict[str, Fraction] = field(default_factory=dict)


def holding_of(start: tuple[int, int], fills: list[OrderFill], rules: InstrumentDefined) -> Holding:
    """What is held after ``fills``, beginning with ``start = (quantity, cost)``."""
    held = Holding(*start)
    unit = 10**rules.qty_decimals
    for one in fills:
        _trade(held, one.qty if one.side is Side.BUY else -one.qty, one.price)
        before = held.fees.get(one.fee_asset, Fraction(0))
        after = held.fees[one.fee_asset] = before + Fraction(one.fee.value, 10**one.fee_decimals)
        if one.fee_asset == rules.base:
            _trade(held, floor(before * unit) - floor(after * unit), 0)
    return held


def _trade(held: Holding, signed: int, price: int) -> None:
    """One unit of quantity after another would be the definition; in two parts it is the same, and faster."""
    closes = min(abs(signed), abs(held.qty)) if signed * held.qty < 0 else 0
    if closes:
        released = held.cost * closes // abs(held.qty)
        long = held.qty > 0
        held.realised += closes * price - released if long else released - closes * price
        held.cost -= released
        held.qty += -closes if long else closes
    opens = abs(signed) - closes
    held.qty += opens if signed > 0 else -opens
    held.cost += opens * price
