"""What a report tells of commands, states and incidents."""

from __future__ import annotations

import json

from livestack.research.report_measures import SAMPLE_MAX
from livestack.research.report_timeline import LANE_ORDER, LANES, MOMENTS_MAX, OPEN_MAX, OTHER, Timeline
from livestack.storage.record_controls import CONTROLS
from tests.research.report_records import INSTRUMENTS, SECOND, START_NS, Maker


def test_every_event_of_a_control_record_has_a_lane() -> None:
    """And every lane has its place; an Event that is new one day is told under the last one."""
    assert set() == {kind.__name__ for kind in CONTROLS} - set(LANES)
    assert set(LANE_ORDER) == {*LANES.values(), OTHER}
    timeline, maker = Timeline(), Maker()
    timeline.take_control(maker.control("SomethingNew"))
    assert {OTHER: 1} == timeline.counts


def test_grades() -> None:
    """A state that is well again is usual, one on the way a warning, a halt is bad; so is an incident."""
    timeline, maker = Timeline(), Maker()
    for state in ("live", "synchronising", "halted", "active"):
        timeline.take_control(maker.control("TradingStateChanged", state=state))
    timeline.take_control(maker.control("IncidentOpened", state="ship_lag"))
    timeline.take_control(maker.control("CommandRefused"))
    timeline.take_session(maker.session_record("resumed"))
    told = [one.grade for one in timeline.moments()]
    assert ["info", "warning", "bad", "info", "bad", "warning", "warning"] == told
    assert "active" == timeline.trading


def test_checkpoints_are_not_told() -> None:
    """There is one every few seconds."""
    timeline, maker = Timeline(), Maker()
    timeline.take_session(maker.session_record("checkpoint", digest="d"))
    assert 0 == timeline.count


def test_incidents_last_from_their_opening_to_their_end() -> None:
    """Each for its own scope; one that is open at the end has none, and one that was open before has no span."""
    timeline, maker = Timeline(), Maker()
    for event, scope in (("Closed", "b"), ("Opened", "a"), ("Opened", "b"), ("Opened", "a"), ("Closed", "a")):
        maker.ts += SECOND
        detail = json.dumps({"scope": scope})
        timeline.take_control(maker.control(f"Incident{event}", detail=detail, state="ship_lag"))
    spans = [(one.scope, (one.start - START_NS) // SECOND, one.end) for one in timeline.spans.kept]
    assert [("a", 2, START_NS + 5 * SECOND), ("b", 3, 0)] == spans


def test_incidents_that_never_end_do_not_fill_the_memory() -> None:
    """Beyond what can be open at once they are told and counted, and have no span."""
    timeline, maker = Timeline(), Maker()
    for number in range(OPEN_MAX + 10):
        timeline.take_control(maker.control("IncidentOpened", state=f"incident {number}"))
    assert (OPEN_MAX + 10, OPEN_MAX) == (timeline.count, timeline.spans.count)


def test_of_very_many_moments_the_first_and_the_last_are_told() -> None:
    """All are counted, some are drawn; the rare bad one always is, and above the others."""
    timeline, maker = Timeline(), Maker()
    for number in range(5_000):
        state = "halted" if number == 2_500 else "active"
        timeline.take_control(maker.control("TradingStateChanged", INSTRUMENTS[0], state=state))
    moments = timeline.moments()
    assert 5_000 == timeline.count
    assert 2 * MOMENTS_MAX == len(moments)
    assert (1, 5_000) == (moments[0].seq, moments[-1].seq)
    drawn = timeline.marks("trading state")
    assert SAMPLE_MAX + 1 > len(drawn)
    assert "halted" == drawn[-1].state


def test_what_is_said_of_a_moment() -> None:
    """What it came to, who did it, and why; what is not known is left out."""
    timeline, maker = Timeline(), Maker()
    timeline.take_control(
        maker.control("TradingStateChanged", state="cancel_only", actor="alice", reason="news")
    )
    timeline.take_control(maker.control("FeedStatusChanged", INSTRUMENTS[0], state="live"))
    assert ["cancel only, by alice, news", "live"] == [one.text for one in timeline.moments()]
    assert ["", INSTRUMENTS[0]] == [one.scope for one in timeline.moments()]
