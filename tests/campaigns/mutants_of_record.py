"""Mutants of what the record tells: found orders, prices and times of requests, and the State that is read off it."""

from __future__ import annotations

from livestack.core import apply_execution, derivation, execution_control, external, projection
from tests.campaigns.mutants import Change, Mutant, edit

TESTS = ("tests/core/test_projection.py",)


def record() -> list[Mutant]:
    """What is recorded wrongly, and what is read wrongly."""
    take, other = projection.Projection.take, projection.Projection._take_other
    derived, adopt = projection.Projection._take_derived, derivation.adopt
    made: list[Change] = [
        ("a found order takes an id that was drawn", external._adopt, "order_counter + 1", "order_counter"),
        ("what is open again is a stranger's", external.take_back, "again=order.order_id", "again=0"),
        ("what is open again stays open", adopt, "if event.again or _is_to_go", "if _is_to_go"),
        (
            "a found order is found twice",
            adopt,
            "order.order_id\n    execution.external",
            "0\n    execution.external",
        ),
        ("an adopted order is still another's", adopt, "execution.external.pop(", "str("),
        (
            "requests are written for any revision",
            apply_execution.request_sent,
            "event.revision",
            "request.revision",
        ),
        ("the prices are those of the dispatch", execution_control._dispatched, "bid=pending.bid", "bid=1"),
        ("a projection never times out", take, "ts >= self._deadline_ns", "False"),
        ("a projection counts no relevant Events", take, "self._selects and", "False and"),
        ("a projection never runs", other, "begin_running(state)", "pass"),
        ("the record's answers are not heeded", derived, 'remember(self.state, asked, "")', "pass"),
        (
            "a projection keeps a snapshot's Queue",
            projection._forget,
            "Queue(), 0, 0",
            "execution.queue, 0, 0",
        ),
    ]
    return [edit(name, function, before, after, TESTS) for name, function, before, after in made]
