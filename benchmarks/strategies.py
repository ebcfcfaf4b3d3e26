"""Strategies that benchmarks run. Pure, like every strategy."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

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


class RegularParameters(msgspec.Struct, frozen=True):
    """One order of ``qty`` (scaled as the instrument's) at every ``every``-th quote."""

    every: int
    qty: int


class RegularMemory(msgspec.Struct):
    quotes: int = 0
    orders: int = 0


class Regular(Strategy):
    """One IOC order at the opposite best every so many quotes, buying and selling in turn."""

    parameters_type = RegularParameters
    memory_type = RegularMemory

    def on_event(self, view: View, event: InputEvent) -> Iterator[Intent]:
        if type(event) is not QuoteTick:
            return
        memory = self.memory
        memory.quotes += 1
        if memory.quotes % self.parameters.every:
            return
        memory.orders += 1
        side = Side.BUY if memory.orders % 2 else Side.SELL
        yield New(
            order_id=view.next_order_id(),
            instrument=event.instrument,
            side=side,
            tif=TimeInForce.IOC,
            qty=self.parameters.qty,
            price=event.ask if side is Side.BUY else event.bid,
        )
