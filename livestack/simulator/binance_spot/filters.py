"""The venue's filters, in the order in which it reports them, each with its own text (venues.md 1.5).

Pure. Runs on the venue's thread.
"""

from __future__ import annotations

from dataclasses import dataclass

from livestack.simulator.binance_spot.errors import VenueError, filter_failure
from livestack.simulator.binance_spot.instruments import Symbol
from livestack.simulator.binance_spot.numbers import SCALE
from livestack.simulator.orders import BUY, MARKET_TYPES, STOP_TYPES, OrderType

MULTIPLIER_SCALE = SCALE  # multipliers are decimals like everything else


@dataclass(slots=True, frozen=True)
class Proposal:
    """What a filter looks at. ``qty`` 0 with ``quote_qty`` is a market order over an amount."""

    side: int
    type: OrderType
    price: int
    qty: int
    quote_qty: int
    stop_price: int


@dataclass(slots=True, frozen=True)
class Standing:
    """The account and market behind it; ``position`` is the base asset held and being bought.

    ``reference_price`` 0: there is none.
    """

    open_orders: int
    open_stops: int
    position: int
    reference_price: int


def check(symbol: Symbol, proposal: Proposal, standing: Standing) -> VenueError | None:
    """The first filter that the proposal fails, as the venue says it; None where it passes all."""
    for name in symbol.filters:
        test = _TESTS.get(name)
        if test is not None and not test(symbol.filters[name], proposal, standing):
            return filter_failure(name)
    return None


def _price(rule: dict[str, int], proposal: Proposal, standing: Standing) -> bool:
    for price in (proposal.price, proposal.stop_price):
        if not price:
            continue
        if price < rule["minPrice"] or (rule["maxPrice"] and price > rule["maxPrice"]):
            return False
        if rule["tickSize"] and price % rule["tickSize"]:
            return False
    return True


def _lot(rule: dict[str, int], proposal: Proposal, standing: Standing) -> bool:
    if not proposal.qty:
        return True
    if not rule["minQty"] <= proposal.qty <= rule["maxQty"]:
        return False
    return not (rule["stepSize"] and (proposal.qty - rule["minQty"]) % rule["stepSize"])


def _market_lot(rule: dict[str, int], proposal: Proposal, standing: Standing) -> bool:
    return proposal.type not in MARKET_TYPES or _lot(rule, proposal, standing)


def _notional_of(proposal: Proposal, standing: Standing) -> int | None:
    """What the order is worth, in the quote asset; None where a market order has nothing to be valued with."""
    if proposal.quote_qty:
        return proposal.quote_qty
    price = proposal.price
    if proposal.type in MARKET_TYPES:
        price = proposal.stop_price or standing.reference_price
        if not price:
            return None
    return price * proposal.qty // SCALE


def _min_notional(rule: dict[str, int], proposal: Proposal, standing: Standing) -> bool:
    notional = _notional_of(proposal, standing)
    if notional is None or (proposal.type in MARKET_TYPES and not rule["applyToMarket"]):
        return True
    return notional >= rule["minNotional"]


def _notional(rule: dict[str, int], proposal: Proposal, standing: Standing) -> bool:
    notional = _notional_of(proposal, standing)
    if notional is None:
        return True
    market = proposal.type in MARKET_TYPES
    if (not market or rule["applyMinToMarket"]) and notional < rule["minNotional"]:
        return False
    return not ((not market or rule["applyMaxToMarket"]) and notional > rule["maxNotional"])


def _within(price: int, reference: int, down: int, up: int) -> bool:
    if not price or not reference:
        return True
    return reference * down <= price * MULTIPLIER_SCALE <= reference * up


def _percent(rule: dict[str, int], proposal: Proposal, standing: Standing) -> bool:
    return _within(proposal.price, standing.reference_price, rule["multiplierDown"], rule["multiplierUp"])


def _percent_by_side(rule: dict[str, int], proposal: Proposal, standing: Standing) -> bool:
    side = "bid" if proposal.side == BUY else "ask"
    down, up = rule[f"{side}MultiplierDown"], rule[f"{side}MultiplierUp"]
    return _within(proposal.price, standing.reference_price, down, up)


def _max_orders(rule: dict[str, int], proposal: Proposal, standing: Standing) -> bool:
    return standing.open_orders < rule["maxNumOrders"]


def _max_stops(rule: dict[str, int], proposal: Proposal, standing: Standing) -> bool:
    return proposal.type not in STOP_TYPES or standing.open_stops < rule["maxNumAlgoOrders"]


def _max_position(rule: dict[str, int], proposal: Proposal, standing: Standing) -> bool:
    return proposal.side != BUY or standing.position + proposal.qty <= rule["maxPosition"]


_TESTS = {
    "PRICE_FILTER": _price,
    "PERCENT_PRICE": _percent,
    "PERCENT_PRICE_BY_SIDE": _percent_by_side,
    "LOT_SIZE": _lot,
    "MIN_NOTIONAL": _min_notional,
    "NOTIONAL": _notional,
    "MARKET_LOT_SIZE": _market_lot,
    "MAX_POSITION": _max_position,
    "MAX_NUM_ORDERS": _max_orders,
    "MAX_NUM_ALGO_ORDERS": _max_stops,
}
