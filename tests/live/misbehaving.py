"""A strategy that trades without rest until it has seen so many Events; then it raises, waits, or never returns again.

For tests of what becomes of the node. ``wait`` looks at a named pipe, which no strategy of anybody's may: with the pipe
gone it goes on, and a replay decides the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from livestack.core.events import InputEvent
from livestack.core.intents import Intent
from livestack.core.strategy import View
from tests.campaigns import restless


class Parameters(restless.Parameters, frozen=True, kw_only=True):
    """``how`` it misbehaves at Event number ``after``; ``pipe``: where ``wait`` waits for a writer's end."""

    how: Literal["raise", "wait", "loop"]
    after: int
    pipe: str = ""


class Memory(restless.Memory):
    seen: int = 0


class Misbehaving(restless.Restless):
    """Restless, but once."""

    parameters_type = Parameters
    memory_type = Memory
    parameters: Parameters
    memory: Memory

    def on_event(self, view: View, event: InputEvent) -> Iterator[Intent] | None:
        self.memory.seen += 1
        if self.memory.seen == self.parameters.after:
            self._misbehave()
        return super().on_event(view, event)

    def _misbehave(self) -> None:
        if self.parameters.how == "raise":
            raise ValueError("as told")
        while self.parameters.how == "loop":
            pass
        if Path(self.parameters.pipe).exists():
            with open(self.parameters.pipe, "rb") as held:
                held.read()
