"""A strategy that trades without rest; now and then it thinks for so long that its orders are too old to be sent."""

from __future__ import annotations

from collections.abc import Iterator

from livestack.core.events import InputEvent
from livestack.core.intents import Intent
from livestack.core.strategy import View
from tests.campaigns.restless import Restless

EVERY = 60
"""Decisions between two that take long."""

ROUNDS = 10
"""About a tenth of a second on machines of these years: twice what a request may wait."""

LISTS = 200_000
"""More than the garbage collector lets pass: each round makes it look."""


class SometimesSlow(Restless):
    def on_event(self, view: View, event: InputEvent) -> Iterator[Intent] | None:
        intents = super().on_event(view, event)
        watched = self.memory.instruments.get(getattr(event, "instrument", ""))
        if intents is not None and watched is not None and watched.acted % EVERY == 0:
            for _ in range(ROUNDS):
                [[] for _ in range(LISTS)]
        return intents
