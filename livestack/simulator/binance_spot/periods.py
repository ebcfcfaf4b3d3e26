"""When candles begin and end: the venue's intervals on the calendar, in whole milliseconds since 1970, UTC.

Pure; imports nothing. Any thread.
"""

from __future__ import annotations

from typing import Final

MINUTE_MS: Final = 60_000
HOUR_MS: Final = 60 * MINUTE_MS
DAY_MS: Final = 24 * HOUR_MS
WEEK: Final = "1w"
MONTH: Final = "1M"
FIRST_MONDAY_MS: Final = 4 * DAY_MS  # 1970 began on a Thursday

INTERVALS: Final[dict[str, int]] = {
    "1s": 1000,
    "1m": MINUTE_MS,
    "3m": 3 * MINUTE_MS,
    "5m": 5 * MINUTE_MS,
    "15m": 15 * MINUTE_MS,
    "30m": 30 * MINUTE_MS,
    "1h": HOUR_MS,
    "2h": 2 * HOUR_MS,
    "4h": 4 * HOUR_MS,
    "6h": 6 * HOUR_MS,
    "8h": 8 * HOUR_MS,
    "12h": 12 * HOUR_MS,
    "1d": DAY_MS,
    "3d": 3 * DAY_MS,
    WEEK: 7 * DAY_MS,
    MONTH: 31 * DAY_MS,
}
"""Names of the candles' lengths; a month's is its longest."""


def opening_ms(interval: str, time_ms: int, offset_ms: int = 0) -> int:
    """When the period that holds ``time_ms`` began. ``offset_ms``: the time zone whose midnight begins a day."""
    local_ms = time_ms + offset_ms
    if interval == MONTH:
        return _month_start_ms(local_ms) - offset_ms
    shift_ms = FIRST_MONDAY_MS if interval == WEEK else 0
    length_ms = INTERVALS[interval]
    return (local_ms - shift_ms) // length_ms * length_ms + shift_ms - offset_ms


def closing_ms(interval: str, open_ms: int, offset_ms: int = 0) -> int:
    """The last millisecond of the period that began at ``open_ms``."""
    if interval != MONTH:
        return open_ms + INTERVALS[interval] - 1
    return opening_ms(MONTH, open_ms + INTERVALS[MONTH] + DAY_MS, offset_ms) - 1


def _month_start_ms(local_ms: int) -> int:
    """Midnight of the first of the month (Gregorian calendar, years counted from March so that February is last)."""
    days = local_ms // DAY_MS + 719_468
    of_era = days % 146_097
    of_year_of_era = (of_era - of_era // 1460 + of_era // 36_524 - of_era // 146_096) // 365
    of_year = of_era - (365 * of_year_of_era + of_year_of_era // 4 - of_year_of_era // 100)
    month = (5 * of_year + 2) // 153
    return (days - of_year + (153 * month + 2) // 5 - 719_468) * DAY_MS
