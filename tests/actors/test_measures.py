"""What actors tell each other about an order's way: in fixed room, and rather nothing than something wrong."""

from __future__ import annotations

from livestack.actors.measures import ARRIVALS_MAX, TRAILS_MAX, Arrivals, Measures, Trail, Trails
from livestack.telemetry.instruments import Registry
from tests.actors.fakes import FakeClock


def arrived(arrivals: Arrivals, recv_ns: int, put_ns: int) -> None:
    """As the feed's reader notes it."""
    arrivals.count += 1
    arrivals.frames[arrivals.count % ARRIVALS_MAX] = recv_ns, put_ns


def trail(seq: int) -> Trail:
    return Trail(seq, 1, 2, 3, 4)


def test_a_frame_is_found_by_its_arrival() -> None:
    """Whichever of the last ones it was."""
    arrivals = Arrivals()
    for recv_ns in range(100, 200, 10):
        arrived(arrivals, recv_ns, recv_ns + 3)
    assert [103, 153, 193] == [arrivals.put_ns(recv_ns) for recv_ns in (100, 150, 190)]


def test_a_frame_that_nobody_remembers_was_put_when_it_arrived() -> None:
    """One of so many before, and one that never was."""
    arrivals = Arrivals()
    for recv_ns in range(ARRIVALS_MAX + 1):
        arrived(arrivals, recv_ns, recv_ns + 3)
    assert [0, 1 + 3, 9_999] == [arrivals.put_ns(recv_ns) for recv_ns in (0, 1, 9_999)]


def test_a_trail_is_taken_once() -> None:
    """By its own ``seq`` and no other."""
    trails = Trails()
    trails.keep(trail(7))
    assert [None, trail(7), None] == [trails.take(7 + TRAILS_MAX), trails.take(7), trails.take(7)]


def test_an_old_trail_makes_room_for_a_new_one() -> None:
    """What was never taken is forgotten."""
    trails = Trails()
    trails.keep(trail(7))
    trails.keep(trail(7 + TRAILS_MAX))
    assert [None, trail(7 + TRAILS_MAX)] == [trails.take(7), trails.take(7 + TRAILS_MAX)]


def test_a_venue_has_one_table_whoever_asks() -> None:
    """Reader and harness ask in any order."""
    measures = Measures(Registry(), FakeClock())
    assert measures.arrivals("v") is measures.arrivals("v")
    assert measures.arrivals("v") is not measures.arrivals("w")
