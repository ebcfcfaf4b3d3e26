"""A connector's own holds: there when it begins, and in line with what its adapter says."""

from __future__ import annotations

from livestack.actors.connector_holds import VenueHolds
from livestack.actors.gate import DispatchGate, Hold, Passage, Standing

DOWN = Standing(Hold.VENUE_DOWN, "v")
CLOCK = Standing(Hold.CLOCK, "v")


def test_it_begins_down_whatever_its_predecessor_left() -> None:
    """Nothing passes before LIVE; a clock that was off is measured anew; nobody else's hold is touched."""
    gate = DispatchGate(["v", "w"])
    gate.close(Hold.CLOCK, "v")
    gate.close(Hold.CLOCK, "w")
    VenueHolds(gate, "v", lambda: None)
    assert {DOWN, Standing(Hold.CLOCK, "w")} == set(gate.standing())


def test_holds_follow_the_adapter() -> None:
    """It says once that the venue has become LIVE, for each time."""
    gate = DispatchGate(["v"])
    holds = VenueHolds(gate, "v", lambda: None)
    steps = [
        (False, True, False, {DOWN}),
        (True, True, True, set()),
        (True, True, False, set()),
        (True, False, False, {CLOCK}),
        (False, False, False, {CLOCK, DOWN}),
        (True, True, True, set()),
    ]
    for is_live, is_clock_good, has_come, standing in steps:
        assert has_come is holds.follow(is_live, is_clock_good)
        assert standing == set(gate.standing())


def test_one_that_gives_up_is_down() -> None:
    """Whatever its adapter said last."""
    gate = DispatchGate(["v"])
    holds = VenueHolds(gate, "v", lambda: None)
    holds.follow(True, True)
    holds.down()
    assert Hold.VENUE_DOWN is gate.refusal("v", "", Passage.CANCEL)
