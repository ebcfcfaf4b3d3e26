"""A quoting market maker with inventory skew. Pure; an example that really trades.

It rests one order on each side of the mid price, ``half_spread_bps`` away, and shifts both by inventory: long quotes
lower, short quotes higher, so that the next fill is likelier to bring it home. An order that stands further than
``tolerance_bps`` from where it should is replaced; one that no longer should be there is cancelled.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import msgspec

from livestack.core.events import InputEvent
from livestack.core.intents import Cancel, Intent, New, Replace
from livestack.core.strategy import Strategy, View
from livestack.core.types import OrderStatus, Side, parse_decimal
from livestack.core.validation import Decimal

BasisPoints = Annotated[int, msgspec.Meta(ge=0, le=1_000)]
_BPS = 10_000


class Parameters(msgspec.Struct, frozen=True, kw_only=True):
    """``qty`` per order and ``inventory_max`` in the base asset; no quote goes where a fill would pass the latter.

    ``skew_bps`` is the shift of both quotes at full inventory.
    """

    instruments: tuple[str, ...] = ()
    qty: Decimal
    inventory_max: Decimal
    half_spread_bps: BasisPoints = 5
    skew_bps: BasisPoints = 5
    tolerance_bps: BasisPoints = 2


class Memory(msgspec.Struct):
    """Order IDs of the standing quotes by instrument: ``[bid, ask]``, 0 for none."""

    quotes: dict[str, list[int]] = {}


class MarketMaker(Strategy):
    """Quotes every instrument of ``parameters.instruments`` (none named: every defined one)."""

    parameters_type = Parameters
    memory_type = Memory
    parameters: Parameters
    memory: Memory

    def on_event(self, view: View, event: InputEvent) -> Iterator[Intent] | None:
        """Look at the quotes of the instrument that the Event is about."""
        instrument: str = getattr(event, "instrument", "")
        chosen = self.parameters.instruments or view.instruments
        if instrument not in chosen or not view.book(instrument).live:
            return None
        bid, ask = view.book(instrument).bid, view.book(instrument).ask
        if bid <= 0 or ask <= bid:
            return None
        return self._requote(view, instrument, bid, ask)

    def _requote(self, view: View, instrument: str, bid: int, ask: int) -> Iterator[Intent]:
        rules, parameters = view.instrument(instrument), self.parameters
        qty = parse_decimal(parameters.qty, rules.qty_decimals)
        most = parse_decimal(parameters.inventory_max, rules.qty_decimals)
        held = view.position(instrument).qty
        middle = (bid + ask) // 2
        centre = middle - middle * parameters.skew_bps * held // (_BPS * max(most, 1))
        half = middle * parameters.half_spread_bps // _BPS
        tick = max(rules.price_tick, 1)
        bid_price = min(centre - half, ask - tick) // tick * tick
        ask_price = -(-max(centre + half, bid + tick) // tick) * tick
        quotes = self.memory.quotes.setdefault(instrument, [0, 0])
        slack = middle * parameters.tolerance_bps // _BPS
        for index, side in enumerate((Side.BUY, Side.SELL)):
            price = bid_price if side is Side.BUY else ask_price
            wanted = held + qty <= most if side is Side.BUY else held - qty >= -most
            if _meets_own(view, quotes[1 - index], side, price):
                continue  # the other quote has to move first; its acknowledgement asks again
            if wanted and price > 0:
                yield from self._stand(view, instrument, quotes, index, side, qty, price, slack)
            elif _is_settled(view, quotes[index]):
                yield Cancel(order_id=quotes[index])

    def _stand(
        self,
        view: View,
        instrument: str,
        quotes: list[int],
        index: int,
        side: Side,
        qty: int,
        price: int,
        slack: int,
    ) -> Iterator[Intent]:
        """One side: a new order where none stands, another price where it stands wrong."""
        order_id = quotes[index]
        if not order_id or not view.is_open(order_id):
            quotes[index] = order_id = view.next_order_id()
            yield New(
                order_id=order_id, instrument=instrument, side=side, qty=qty, price=price, post_only=True
            )
            return
        order = view.order(order_id)
        if order is None or not _is_settled(view, order_id):
            return
        if order.status is OrderStatus.PARTIALLY_FILLED:
            if abs(order.price - price) > slack:
                yield Cancel(order_id=order_id)
        elif abs(order.price - price) > slack:
            yield Replace(order_id=order_id, qty=order.qty, price=price)


def _meets_own(view: View, other_id: int, side: Side, price: int) -> bool:
    """Whether ``price`` would trade with our own quote on the other side, where that stands now."""
    other = view.order(other_id)
    if other is None or not view.is_open(other_id):
        return False
    return price >= other.price if side is Side.BUY else price <= other.price


def _is_settled(view: View, order_id: int) -> bool:
    """Open at the venue, and nothing about it is on its way."""
    moving = view.is_inflight(order_id) or view.is_pending(order_id)
    return view.is_open(order_id) and not moving
