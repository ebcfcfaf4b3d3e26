"""A strategy that places an order and then never returns: an endless loop in pure Python."""

from __future__ import annotations

from collections.abc import Iterator

from livestack.core.events import InputEvent, QuoteTick
from livestack.core.intents import Intent, New
from livestack.core.strategy import Strategy, View
from livestack.core.types import Side, TimeInForce


class Stuck(Strategy):
    """One order at the first quote; the fiftieth never ends."""

    seen = 0

    def on_event(self, view: View, event: InputEvent) -> Iterator[Intent] | None:
        if not isinstance(event, QuoteTick) or event.instrument not in view.instruments:
            return None
        self.seen += 1
        if self.seen == 1:
            return self._order(view, event)
        while self.seen >= 50:
            pass
        return None

    def _order(self, view: View, quote: QuoteTick) -> Iterator[Intent]:
        rules = view.instrument(quote.instrument)
        price = (quote.bid - quote.bid // 200) // rules.price_tick * rules.price_tick
        yield New(
            order_id=view.next_order_id(),
            instrument=quote.instrument,
            side=Side.BUY,
            tif=TimeInForce.GTC,
            qty=rules.qty_step * 1_000,
            price=price,
        )
