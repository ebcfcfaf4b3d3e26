"""A Strategy that stands in for another one and measures how long that takes: the Core itself reads no clock.

Whoever hosts the Core puts it in the other one's place for the steps that are to be timed. It is asked what the other
one would be asked, in the same order, and answers what that answers: State, digests and replay know nothing of it.
Harness thread. Imports core and instruments.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import Any

from livestack.actors.measures import SLOW_NS
from livestack.core.events import InputEvent
from livestack.core.runtime import INTENTS_MAX
from livestack.core.strategy import Decision, Strategy, View
from livestack.telemetry.instruments import Histogram


class TimedStrategy(Strategy):
    """Asks ``own``, and notes each answer's time in ``histogram``: for so many ``times``, a slow one for itself."""

    def __init__(self, own: Strategy, histogram: Histogram, now_ns: Callable[[], int]) -> None:
        self.times = 1
        self._own = own
        self._histogram = histogram
        self._now_ns = now_ns

    @property
    def memory(self) -> Any:
        return self._own.memory

    @memory.setter
    def memory(self, memory: Any) -> None:
        self._own.memory = memory

    @property
    def memory_type(self) -> Any:  # type: ignore[override]
        return self._own.memory_type

    def on_start(self, view: View) -> Decision:
        return self._ask(self._own.on_start, view)

    def on_resume(self, view: View) -> Decision:
        return self._ask(self._own.on_resume, view)

    def on_event(self, view: View, event: InputEvent) -> Decision:
        return self._ask(self._own.on_event, view, event)

    def on_deadline(self, view: View, name: str) -> Decision:
        return self._ask(self._own.on_deadline, view, name)

    def on_stop(self, view: View) -> Decision:
        return self._ask(self._own.on_stop, view)

    def _ask(self, hook: Callable[..., Decision], *arguments: object) -> Decision:
        """A generator has done its work only once it was run through; what it raises then, a hook may raise too."""
        begun_ns = self._now_ns()
        try:
            decision = hook(*arguments)
            return None if decision is None else tuple(islice(decision, INTENTS_MAX + 1))
        finally:
            took_ns = self._now_ns() - begun_ns
            self._histogram.note(took_ns, self.times if took_ns < SLOW_NS else 1)
