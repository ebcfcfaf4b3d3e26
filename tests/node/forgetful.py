"""Strategies that remember where they must not, and one that does it right."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import msgspec

from livestack.core.events import InputEvent
from livestack.core.intents import Intent, New
from livestack.core.strategy import Strategy, View
from livestack.core.types import Side

EVERY = 100
INSTRUMENT = "binance_spot:BTCUSDT"

seen_by_module: list[int] = []


def order(view: View) -> New:
    """One that rests far away."""
    return New(order_id=view.next_order_id(), instrument=INSTRUMENT, side=Side.BUY, qty=100, price=1_000_000)


class Count(msgspec.Struct):
    """What the strategy may remember."""

    seen: int = 0


class Remembering(Strategy):
    """An order at every hundredth Event, counted in its memory."""

    memory_type = Count
    memory: Count

    def on_event(self, view: View, event: InputEvent) -> Iterator[Intent] | None:
        self.memory.seen += 1
        if self.memory.seen % EVERY == 0:
            yield order(view)


class InAttribute(Strategy):
    """The same, counted beside its memory."""

    def __init__(self, parameters: object) -> None:
        super().__init__(parameters)
        self.seen = 0

    def on_event(self, view: View, event: InputEvent) -> Iterator[Intent] | None:
        self.seen += 1
        if self.seen % EVERY == 0:
            yield order(view)


class InClass(Strategy):
    """The same, counted for all of its kind."""

    seen: ClassVar[int] = 0

    def on_event(self, view: View, event: InputEvent) -> Iterator[Intent] | None:
        type(self).seen += 1
        if type(self).seen % EVERY == 0:
            yield order(view)


class InModule(Strategy):
    """The same, counted by a global."""

    def on_event(self, view: View, event: InputEvent) -> Iterator[Intent] | None:
        seen_by_module.append(0)
        if len(seen_by_module) % EVERY == 0:
            yield order(view)


class Unwritable(Strategy):
    """Its memory holds a float from the tenth Event on, until the fiftieth."""

    memory_type = Count
    memory: Count

    def on_event(self, view: View, event: InputEvent) -> None:
        self.memory.seen += 1
        if self.memory.seen == 10:
            self.memory.seen = 10.0  # type: ignore[assignment]
        elif self.memory.seen == 50:
            self.memory.seen = 50
