"""A strategy that trades without rest until it has seen so many Events; then it raises, waits, or never returns again.

For tests of what becomes of the node. ``wait`` looks at a named pipe, which no strategy of anybody's may: with the pipe
gone it goes on, and a replay decides the same. ``differ`` looks at a file: in the process whose id it holds nothing is
decided any more, and a follower decides otherwise.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from livestack.core.events import InputEvent
from livestack.core.intents import Intent
from livestack.core.strategy import View
from tests.campaigns import restless


class Parameters(restless.Parameters, frozen=True, kw_only=True):
    """``how`` it misbehaves at Event number ``after``; ``pipe``: where ``wait`` waits for a writer's end, or the file
    that ``differ`` looks at from the first Event on."""

    how: Literal["raise", "wait", "loop", "differ"]
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
        if self.parameters.how == "differ" and self._is_told():
            return None
        return super().on_event(view, event)

    def _is_told(self) -> bool:
        file = Path(self.parameters.pipe)
        return file.exists() and file.read_text() == str(os.getpid())

    def _misbehave(self) -> None:
        if self.parameters.how == "raise":
            raise ValueError("as told")
        while self.parameters.how == "loop":
            pass
        if Path(self.parameters.pipe).exists():
            with open(self.parameters.pipe, "rb") as held:
                held.read()
