"""When candles begin and end, on the calendar."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from livestack.simulator.binance_spot.periods import INTERVALS, MINUTE_MS, closing_ms, opening_ms

MOMENTS = st.integers(0, 4_000_000_000_000)


def moment(milliseconds: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds)


@given(MOMENTS)
def test_months_and_weeks_are_those_of_the_calendar(time_ms: int) -> None:
    """A month begins on its first, a week on Monday, at midnight."""
    month, week = moment(opening_ms("1M", time_ms)), moment(opening_ms("1w", time_ms))
    asked = moment(time_ms)
    assert (asked.year, asked.month, 1, 0, 0) == (
        month.year,
        month.month,
        month.day,
        month.hour,
        month.minute,
    )
    assert 0 == week.weekday()
    assert timedelta(0) <= asked - week < timedelta(days=7)


@given(MOMENTS, st.sampled_from(sorted(INTERVALS)), st.sampled_from([0, 60, -720, 840, 345]))
def test_periods_follow_each_other(time_ms: int, interval: str, zone_minutes: int) -> None:
    """Every moment is in exactly one period of a length, in every time zone."""
    offset_ms = zone_minutes * MINUTE_MS
    open_ms = opening_ms(interval, time_ms, offset_ms)
    close_ms = closing_ms(interval, open_ms, offset_ms)
    assert open_ms <= time_ms <= close_ms
    assert open_ms == opening_ms(interval, close_ms, offset_ms)
    assert close_ms + 1 == opening_ms(interval, close_ms + 1, offset_ms)
