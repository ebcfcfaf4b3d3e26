"""Strategies that benchmarks run. Pure, like every strategy."""

from __future__ import annotations

from collections.abc import Iterator

from livestack.core.events import InputEvent, QuoteTick
from livestack.core.intents import Intent, New
from livestack.core.strategy import Strategy, View
from livestack.core.types import Side, TimeInForce


class EveryQuote(Strategy):
    """Answers every quote with one IOC order at its bid: tick-to-order with next to no strategy in it."""

    def on_event(self, view: View, event: InputEvent) -> Iterator[Intent]:
        if type(event) is QuoteTick:
            yield New(
                order_id=view.next_order_id(),
                instrument=event.instrument,
                side=Side.BUY,
                tif=TimeInForce.IOC,
                qty=event.bid_qty,
                price=event.bid,
            )
