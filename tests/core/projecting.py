"""A projection beside a Core: fed what the Core's record would hold, and compared with its State."""

from __future__ import annotations

from collections.abc import Sequence

from livestack.core.events import DerivedEvent, InputEvent, Recorded
from livestack.core.projection import Projection
from livestack.core.runtime import Step
from livestack.core.state import State
from livestack.core.types import Origin

OF_DECIDING = {
    "queue",
    "counts",
    "order_counter",
    "drawn",
    "recent",
    "intent_times",
    "strategy_deadlines",
    "stale_checks",
    "stale",
    "memory",
}
"""Fields of State that only deciding needs; a record does not tell them."""

COUNTED = ("denied", "withdrawn", "dispatched")
"""Of the counts those that a record tells."""


def different(mine: State, theirs: State) -> dict[str, tuple[object, object]]:
    """What the two States are not alike in, by field; the order of a dict is part of it."""
    counts = (mine.execution.counts, theirs.execution.counts)
    pairs: dict[str, tuple[object, object]] = {
        "configuration": (mine.configuration, theirs.configuration),
        "instruments": (mine.market.instruments, theirs.market.instruments),
        **{name: (getattr(counts[0], name), getattr(counts[1], name)) for name in COUNTED},
    }
    for one, other in ((mine.execution, theirs.execution), (mine.control, theirs.control)):
        for name in one.__struct_fields__:
            if name not in OF_DECIDING:
                pairs[name] = (getattr(one, name), getattr(other, name))
    return {name: pair for name, pair in pairs.items() if not _is_same(*pair)}


def _is_same(one: object, other: object) -> bool:
    if isinstance(one, dict) and isinstance(other, dict) and list(one) != list(other):
        return False
    return one == other


def records(seq: int, ts: int, event: InputEvent, derived: Sequence[DerivedEvent]) -> list[Recorded]:
    """One INPUT and what came of it, as they are recorded."""
    return [
        Recorded(seq, ts, Origin.INPUT, event),
        *(Recorded(seq + 1 + at, ts, Origin.DERIVED, one) for at, one in enumerate(derived)),
    ]


class Shadow:
    """Goes on from a copy of ``state``, or, of a Core that took nothing yet, from the start."""

    def __init__(self, state: State) -> None:
        if state.control.seq:
            self.projection = Projection(State.restore(state.snapshot(), None))
        else:
            self.projection = Projection(State.initial(state.configuration, None))

    def take(self, seq: int, ts: int, event: InputEvent, step: Step) -> None:
        """One step of the Core, at ``seq``."""
        for record in records(seq, ts, event, step.derived):
            self.projection.take(record)
        assert (seq + len(step.derived), ts) == (self.projection.last_seq, self.projection.last_ts)

    def check(self, state: State) -> None:
        """It must be as ``state``, the Core's behind the last step."""
        assert {} == different(state, self.projection.state)
