"""The venue's clock: what a measurement proves, what its age costs, and when ours may not be trusted."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from livestack.core.events import Event, IncidentClosed, IncidentOpened, VenueClock
from livestack.venues.binance_spot.venue_time import ALLOWANCE_NS, DRIFT_NS, ClockWatch, VenueTime

SECOND = 1_000_000_000
MILLI = 1_000_000
START = 1_700_000_000 * SECOND


def test_until_it_was_measured_the_wall_clock_is_used() -> None:
    """Nothing better is known."""
    assert START // MILLI + 5 == VenueTime().milliseconds(START, START + 5 * MILLI)
    assert -1 == VenueTime().error_at(START)


def test_the_shortest_round_trip_decides() -> None:
    """A slow answer proves less than a fast one of just before: it changes nothing."""
    time = VenueTime()
    time.measured(START, START + 2 * MILLI, START // MILLI + 101)
    offset, error = time.offset_ns, time.error_ns
    time.measured(START + SECOND, START + SECOND + 80 * MILLI, START // MILLI + 1_101)
    assert (offset, error) == (time.offset_ns, time.error_ns)
    assert MILLI + DRIFT_NS == error


def test_what_is_known_gets_worse_with_age() -> None:
    """Six milliseconds a minute; then a measurement counts that was not good enough before."""
    time = VenueTime()
    time.measured(START, START, START // MILLI)
    assert DRIFT_NS + 6 * MILLI == time.error_at(START + 60 * SECOND)
    later = START + 60 * SECOND
    time.measured(later - 10 * MILLI, later, later // MILLI - 3)
    assert 5 * MILLI + DRIFT_NS == time.error_ns


def test_a_contradiction_is_a_clock_that_was_set() -> None:
    """Both cannot be true: the newer one is, however bad it is."""
    time = VenueTime()
    assert not time.measured(START, START + MILLI, START // MILLI)
    assert time.measured(START + SECOND, START + SECOND + 900 * MILLI, START // MILLI + 31_000)
    assert 1 == time.steps
    assert 29 * SECOND < time.offset_ns < 31 * SECOND
    assert 450 * MILLI + DRIFT_NS == time.error_ns


@given(
    st.lists(
        st.tuples(st.integers(1, 30 * SECOND), st.integers(0, 400 * MILLI), st.integers(0, 400 * MILLI)),
        min_size=1,
        max_size=30,
    ),
    st.integers(-40 * SECOND, 40 * SECOND),
    st.integers(-40, 40),
)
def test_a_request_is_never_stamped_ahead_of_the_venue(
    trips: list[tuple[int, int, int]], offset_ns: int, drift_ppm: int
) -> None:
    """Whatever the offset, the two ways and a drift within bounds: the truth lies within the error, no step is seen."""
    time, now = VenueTime(), START

    def venue_ns(at_ns: int) -> int:
        return at_ns + offset_ns + (at_ns - START) * drift_ppm // 1_000_000

    for pause, there, back in trips:
        now += pause
        begun, said = now, venue_ns(now + there) // MILLI
        now += there + back
        assert not time.measured(begun, now, said)
        later = now + 20 * SECOND
        assert abs(venue_ns(later) - later - time.offset_ns) <= time.error_at(later)
        assert time.milliseconds(later, 0) * MILLI <= venue_ns(later)


def watch(limit_ns: int = 2 * SECOND) -> tuple[ClockWatch, list[Event]]:
    events: list[Event] = []
    return ClockWatch("venue", VenueTime(), limit_ns, events), events


def test_only_news_is_told() -> None:
    """Measurements that what was told covers are none; one that nothing covers is, and a clock that was set."""
    clock, events = watch()
    for second in range(300):
        at = START + second * SECOND
        clock.measured(at, at + (5 + second % 7) * MILLI, at // MILLI + 3)
    (told,) = events
    assert isinstance(told, VenueClock)
    assert ("venue", 5 * MILLI // 2 + DRIFT_NS + ALLOWANCE_NS) == (told.venue, told.error_ns)
    at = START + 301 * SECOND
    assert clock.measured(at, at + 5 * MILLI, at // MILLI + 500)
    assert 2 == len(events)


def test_a_much_better_measurement_is_told() -> None:
    """The Core keeps a distance of the error to each window's edge: half of it is worth an Event."""
    clock, events = watch()
    clock.measured(START, START + SECOND, START // MILLI + 500)
    clock.measured(START + SECOND, START + SECOND + 2 * MILLI, START // MILLI + 1_001)
    first, second = events
    assert isinstance(first, VenueClock)
    assert isinstance(second, VenueClock)
    assert second.error_ns < first.error_ns // 2


def test_a_skew_beyond_the_limit_halts_until_it_is_well_within() -> None:
    """30 s off: an incident and no trust; back within the limit is not enough, within half of it is."""
    clock, events = watch()
    clock.measured(START, START + MILLI, START // MILLI)
    clock.look(START, START)
    assert clock.is_good
    clock.look(START + SECOND, START + SECOND - 30 * SECOND)
    assert not clock.is_good
    opened = events[-1]
    assert isinstance(opened, IncidentOpened)
    assert ("clock_skew", "venue", "venue-halting") == (opened.name, opened.scope, opened.grade)
    assert "+30000 ms" in opened.detail
    clock.look(START + 2 * SECOND, START + 2 * SECOND - 1_500 * MILLI)
    assert not clock.is_good
    clock.look(START + 3 * SECOND, START + 3 * SECOND - 900 * MILLI)
    assert clock.is_good
    assert isinstance(events[-1], IncidentClosed)
    assert 3 == len(events)


def test_an_error_beyond_the_limit_halts_too() -> None:
    """An answer that took five seconds proves nothing about two of them."""
    clock, events = watch()
    clock.measured(START, START + 5 * SECOND, START // MILLI + 2_500)
    clock.look(START + 5 * SECOND, START + 5 * SECOND)
    assert not clock.is_good
    clock.measured(START + 6 * SECOND, START + 6 * SECOND + 4 * MILLI, START // MILLI + 6_002)
    clock.look(START + 7 * SECOND, START + 7 * SECOND)
    assert clock.is_good
    assert ["VenueClock", "IncidentOpened", "VenueClock", "IncidentClosed"] == [
        type(event).__name__ for event in events
    ]


def test_before_the_first_measurement_nothing_is_said() -> None:
    """A clock that nobody looked at is not called bad."""
    clock, events = watch()
    clock.look(START, START + 3_600 * SECOND)
    assert clock.is_good
    assert [] == events
