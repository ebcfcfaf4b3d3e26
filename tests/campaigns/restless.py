"""A strategy that never runs out of things to ask for: every kind of request, on every instrument, as often as it may.

Pure. Rests orders at the touch, moves and cancels them, and takes with immediate-or-cancel orders that bring inventory
home. It makes no money; the crash campaign needs orders in every state at every moment.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from livestack.core.events import InputEvent
from livestack.core.intents import Cancel, Intent, New, Replace
from livestack.core.strategy import Strategy, View
from livestack.core.types import OrderStatus, Side, TimeInForce, parse_decimal
from livestack.core.validation import Decimal, Duration

RESTING_MAX = 3
"""Orders remembered per instrument; what became of the older ones is the node's business."""


class Parameters(msgspec.Struct, frozen=True, kw_only=True):
    """``qty`` per order in the base asset, one decision per instrument and ``pause``."""

    qty: Decimal
    pause: Duration


class Watched(msgspec.Struct):
    """One instrument: how often it acted, when last, and the orders that it rests."""

    acted: int = 0
    acted_ts: int = 0
    resting: list[int] = []


class Memory(msgspec.Struct):
    instruments: dict[str, Watched] = {}


class Restless(Strategy):
    """Acts on every defined instrument."""

    parameters_type = Parameters
    memory_type = Memory
    parameters: Parameters
    memory: Memory

    def on_event(self, view: View, event: InputEvent) -> Iterator[Intent] | None:
        """Something else each time, in a fixed order."""
        instrument: str = getattr(event, "instrument", "")
        if instrument not in view.instruments or not view.book(instrument).live:
            return None
        watched = self.memory.instruments.setdefault(instrument, Watched())
        book = view.book(instrument)
        if book.bid <= 0 or book.ask <= book.bid or view.ts - watched.acted_ts < self.parameters.pause:
            return None
        watched.acted += 1
        watched.acted_ts = view.ts
        return self._act(view, instrument, watched)

    def _act(self, view: View, instrument: str, watched: Watched) -> Iterator[Intent]:
        rules, book = view.instrument(instrument), view.book(instrument)
        tick, turn = max(rules.price_tick, 1), watched.acted % 6
        watched.resting = [order_id for order_id in watched.resting if view.is_open(order_id)]
        side = Side.SELL if view.position(instrument).qty > 0 else Side.BUY
        if turn in (0, 3):
            price = book.bid if side is Side.BUY else book.ask
            yield self._new(view, instrument, watched, side, price, TimeInForce.GTC)
        elif turn == 1:
            price = book.ask + 10 * tick if side is Side.BUY else book.bid - 10 * tick
            yield self._new(view, instrument, watched, side, price, TimeInForce.IOC)
        for order_id in watched.resting[:-1]:
            order = view.order(order_id)
            if order is None or order.status is OrderStatus.SUBMITTED or view.is_inflight(order_id):
                continue
            if turn in (2, 4) and order.filled_qty == 0:
                away = -tick if order.side is Side.BUY else tick
                yield Replace(
                    order_id=order_id, qty=order.qty, price=order.price + away * (1 + watched.acted % 5)
                )
            elif turn == 5 and not view.is_pending(order_id):
                yield Cancel(order_id=order_id)
            return

    def _new(
        self, view: View, instrument: str, watched: Watched, side: Side, price: int, tif: TimeInForce
    ) -> Intent:
        order_id = view.next_order_id()
        watched.resting = [*watched.resting, order_id][-RESTING_MAX:]
        qty = parse_decimal(self.parameters.qty, view.instrument(instrument).qty_decimals)
        return New(order_id=order_id, instrument=instrument, side=side, tif=tif, qty=qty, price=price)
