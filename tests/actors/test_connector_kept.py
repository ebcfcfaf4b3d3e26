"""What a connector keeps: in order, within bounds, and no longer than it is good for."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec import structs

from livestack.actors.connector_kept import HELD_NS, HeldReductions, KeptQuestions, WrittenDispatches
from livestack.core.obligations import CancelAllAtVenue, QueryFills, QueryOpenOrders
from livestack.core.types import ConnectionStatus
from livestack.exceptions import NotSentError, TransportError
from livestack.venues.adapter import Fetch
from tests.actors.fakes import REQUEST, dispatched
from tests.journal_support import committed

OPEN = QueryOpenOrders(scope="s", venue="v")
FILLS = QueryFills(scope="f", venue="v", instrument="v:S", after=0)
CANCEL = CancelAllAtVenue(scope="k", venue="v", instrument="")


@pytest.mark.parametrize(
    ("status", "taken", "left"),
    [
        (ConnectionStatus.DISCONNECTED, [], [OPEN, CANCEL, FILLS]),
        (ConnectionStatus.SYNCHRONISING, [CANCEL], [OPEN, FILLS]),
        (ConnectionStatus.DEGRADED, [CANCEL], [OPEN, FILLS]),
        (ConnectionStatus.LIVE, [OPEN, CANCEL, FILLS], []),
    ],
)
def test_what_may_be_asked_when(status: ConnectionStatus, taken: list[object], left: list[object]) -> None:
    """Cancelling over any path, questions of a venue that is LIVE; each once, in order."""
    questions = KeptQuestions()
    for query in (OPEN, CANCEL, FILLS, OPEN, CANCEL):
        questions.keep(query)
    assert taken == questions.take(status)
    assert left == list(questions)
    assert left == questions.take(ConnectionStatus.LIVE)


def fetch(number: int) -> Fetch:
    return Fetch(number, "DELETE", "/openOrders", "", (), "cancel all")


class Way:
    """Takes what is written, as often as ``failures`` has None, and fails as it says otherwise."""

    def __init__(self, *failures: TransportError | None) -> None:
        self.failures = list(failures)
        self.written: list[int] = []

    def __call__(self, one: Fetch) -> TransportError | None:
        failure = self.failures.pop(0) if self.failures else None
        if failure is None:
            self.written.append(one.fetch_id)
        return failure


def test_reductions_leave_in_order_as_far_as_there_is_a_way() -> None:
    """The first that finds none waits, and those behind it."""
    held = HeldReductions()
    for number in range(3):
        held.hold(fetch(number), 0)
    way = Way(None, NotSentError("none is ready"))
    assert [] == held.leave(1, way)
    assert [0] == way.written
    assert held
    assert [] == held.leave(2, way)
    assert [0, 1, 2] == way.written
    assert not held


def test_a_reduction_that_waited_too_long_is_told() -> None:
    """Each by its own time; one of unknown outcome at once."""
    held = HeldReductions()
    held.hold(fetch(1), 0)
    held.hold(fetch(2), 1)
    none = NotSentError("none is ready")
    assert [(fetch(1), "none is ready")] == held.leave(HELD_NS, Way(none, none))
    assert [(fetch(2), "cut")] == held.leave(HELD_NS, Way(TransportError("cut")))
    assert not held


def test_the_oldest_dispatch_is_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there are too many; each is found by its order and revision."""
    monkeypatch.setattr("livestack.actors.connector_kept.KEPT_MAX", 2)
    kept = WrittenDispatches()
    requests = [structs.replace(REQUEST, order_id=number) for number in (1, 2, 3)]
    for dispatch in committed(tmp_path, [dispatched(one.order_id, request=one) for one in requests]):
        kept.keep(dispatch)
    assert [None, 2, 3] == [found and found.seq for found in map(kept.find, requests)]
    assert kept.find(structs.replace(REQUEST, order_id=2, revision=2)) is None
