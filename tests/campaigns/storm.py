"""A strategy that sends as fast as it is let: New, Replace and Cancel, many at each quote, on every instrument.

Pure. The kill race needs something on its way at every moment; it makes no money.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from livestack.core.events import InputEvent, QuoteTick
from livestack.core.intents import Cancel, Intent, New, Replace
from livestack.core.strategy import Strategy, View
from livestack.core.types import OrderStatus, Side, TimeInForce, parse_decimal
from livestack.core.validation import Decimal

OPEN_MAX = 6
"""Orders of one instrument."""


class Parameters(msgspec.Struct, frozen=True, kw_only=True):
    """``qty`` per order in the base asset; ``at_once``: intents of one decision."""

    qty: Decimal
    at_once: int = 3


class Memory(msgspec.Struct):
    turn: int = 0
    mine: dict[str, list[int]] = {}


class Storm(Strategy):
    """Far from the touch, so that orders rest."""

    parameters_type = Parameters
    memory_type = Memory
    parameters: Parameters
    memory: Memory

    def on_event(self, view: View, event: InputEvent) -> Iterator[Intent] | None:
        """Each quote of an instrument brings some intents for it."""
        if not isinstance(event, QuoteTick) or event.instrument not in view.instruments:
            return None
        return self._act(view, event)

    def _act(self, view: View, quote: QuoteTick) -> Iterator[Intent]:
        memory, instrument = self.memory, quote.instrument
        rules = view.instrument(instrument)
        mine = [one for one in memory.mine.get(instrument, []) if view.is_open(one) or view.is_pending(one)]
        tick = max(rules.price_tick, 1)
        for _ in range(self.parameters.at_once):
            memory.turn += 1
            if len(mine) < OPEN_MAX:
                order_id = view.next_order_id()
                mine.append(order_id)
                qty = parse_decimal(self.parameters.qty, rules.qty_decimals)
                price = (quote.bid - quote.bid // 200) // tick * tick
                yield New(
                    order_id=order_id,
                    instrument=instrument,
                    side=Side.BUY,
                    tif=TimeInForce.GTC,
                    qty=qty,
                    price=price,
                )
                continue
            order = view.order(mine[memory.turn % OPEN_MAX])
            if order is None or order.status is OrderStatus.SUBMITTED or view.is_inflight(order.order_id):
                continue
            if memory.turn % 5:
                yield Replace(order_id=order.order_id, qty=order.qty, price=order.price - tick)
            else:
                yield Cancel(order_id=order.order_id)
        memory.mine[instrument] = mine
