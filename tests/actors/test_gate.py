"""The dispatch gate: who passes under which hold, and that closing it is linearisable."""

from __future__ import annotations

import itertools
import threading

import pytest

from livestack.actors.gate import DispatchGate, Hold, Passage


@pytest.mark.parametrize(("hold", "kind"), list(itertools.product(Hold, Passage)))
def test_every_hold_against_every_kind(hold: Hold, kind: Passage) -> None:
    """New and Replace pass under no hold, Cancel under all but ``venue_down``, the host's own requests always."""
    gate = DispatchGate(["v"])
    gate.close(hold)
    passes = {
        Passage.NEW: False,
        Passage.REPLACE: False,
        Passage.CANCEL: hold is not Hold.VENUE_DOWN,
        Passage.HOST: True,
    }
    with gate.passage("v", "v:S", kind) as admitted:
        assert passes[kind] is admitted


@pytest.mark.parametrize(
    ("venue", "instrument", "stopped"),
    [
        ("", "", {("a", "a:X"), ("a", "a:Y"), ("b", "b:X")}),
        ("a", "", {("a", "a:X"), ("a", "a:Y")}),
        ("a", "a:X", {("a", "a:X")}),
    ],
)
def test_a_hold_covers_its_scope_only(venue: str, instrument: str, stopped: set[tuple[str, str]]) -> None:
    """Everything, one venue, or one instrument."""
    gate = DispatchGate(["a", "b"])
    gate.close(Hold.KILL, venue, instrument)
    everything = {("a", "a:X"), ("a", "a:Y"), ("b", "b:X")}
    refused = {(v, i) for v, i in everything if gate.refusal(v, i, Passage.NEW) is not None}
    assert stopped == refused


def test_an_owner_lifts_its_own_hold_and_no_other() -> None:
    """Lifting ``kill`` leaves ``journal`` standing."""
    gate = DispatchGate(["v"])
    gate.close(Hold.JOURNAL)
    gate.close(Hold.KILL)
    gate.open(Hold.KILL)
    assert Hold.JOURNAL is gate.refusal("v", "v:S", Passage.NEW)
    gate.open(Hold.JOURNAL)
    assert gate.refusal("v", "v:S", Passage.NEW) is None


def test_closing_waits_for_whoever_is_inside() -> None:
    """A write that was admitted before the close has ended when the close returns."""
    gate = DispatchGate(["v"])
    inside, leave = threading.Event(), threading.Event()
    order: list[str] = []

    def write() -> None:
        with gate.passage("v", "v:S", Passage.NEW) as admitted:
            assert admitted
            inside.set()
            leave.wait()
            order.append("written")

    writer = threading.Thread(target=write)
    writer.start()
    inside.wait()
    closer = threading.Thread(target=lambda: (gate.close(Hold.KILL), order.append("closed")))
    closer.start()
    while not gate.standing():
        pass
    leave.set()
    writer.join()
    closer.join()
    assert ["written", "closed"] == order


def test_closing_breaks_a_write_that_does_not_end() -> None:
    """A peer that does not read has its connection shut, so that closing never waits for a venue."""
    gate = DispatchGate(["v"])
    inside, shut = threading.Event(), threading.Event()
    gate.on_impatience("v", shut.set)

    def write() -> None:
        with gate.passage("v", "v:S", Passage.NEW):
            inside.set()
            shut.wait()

    writer = threading.Thread(target=write)
    writer.start()
    inside.wait()
    gate.close(Hold.KILL)
    writer.join()
    assert shut.is_set()


def test_nothing_is_written_after_a_close_returned() -> None:
    """Races of two writers with a closer: no write begins after the close returned."""
    for _ in range(200):
        gate = DispatchGate(["v"])
        closed = threading.Event()
        late: list[bool] = []

        def write(
            gate: DispatchGate = gate, closed: threading.Event = closed, late: list[bool] = late
        ) -> None:
            while True:
                with gate.passage("v", "v:S", Passage.NEW) as admitted:
                    if not admitted:
                        return
                    late.append(closed.is_set())

        writers = [threading.Thread(target=write) for _ in range(2)]
        for writer in writers:
            writer.start()
        gate.close(Hold.KILL)
        closed.set()
        for writer in writers:
            writer.join()
        assert not any(late)
