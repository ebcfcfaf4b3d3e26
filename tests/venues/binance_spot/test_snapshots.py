"""Which snapshots are asked for, and how often."""

from __future__ import annotations

import pytest

from livestack.core.events import VenueBackoff
from livestack.venues.adapter import Fetched
from livestack.venues.binance_spot.snapshots import Snapshots, retry_after_ns
from tests.venues.binance_spot.capture import Bench, needs_capture
from tests.venues.binance_spot.test_market_data import LAST, diff, live

pytestmark = needs_capture


def test_a_book_that_is_lost_again_and_again_is_fetched_ever_more_slowly() -> None:
    """Ten losses in a row do not cost ten snapshots at once; after the back-off the book is asked for again."""
    bench = live()
    before = bench.fetched.count("NKNUSDT")
    for _ in range(10):
        bench.play(diff(LAST + 9, LAST + 3))
    assert bench.fetched.count("NKNUSDT") - before <= 3
    for _ in range(160):
        bench.tick()
    assert bench.is_live("NKNUSDT")


def test_429_silences_snapshots_for_as_long_as_the_venue_says() -> None:
    """``Retry-After`` is seconds over HTTP: VenueBackoff, and no request before it is over."""
    bench = Bench(lambda symbol: None).connect()
    fetch = bench.waiting.pop(0)
    bench.waiting.clear()
    bench.adapter.fetched(Fetched(fetch.fetch_id, 429, (("retry-after", "7"),), b"{}", "", 0, bench.now_ns))
    bench.settle()
    backoffs = [event for event in bench.events if isinstance(event, VenueBackoff)]
    assert [event.retry_after_ns for event in backoffs] == [7_000_000_000]
    for _ in range(27):
        bench.tick()
    assert bench.waiting == []
    bench.tick(0.5)
    assert bench.waiting


def test_an_answer_that_never_comes_is_not_waited_for() -> None:
    """After a minute another one is asked for."""
    snapshots_needed = Snapshots(100)
    snapshots_needed.want("A", 0)
    assert [fetch.query for fetch in snapshots_needed.due(0)] == ["symbol=A&limit=100"]
    assert snapshots_needed.due(30_000_000_000) == []
    assert len(snapshots_needed.due(61_000_000_000)) == 1


@pytest.mark.parametrize(("value", "expected_s"), [("7", 7), ("x", 60), ("", 60), ("9" * 9, 259_200)])
def test_retry_after_is_seconds_and_bounded(value: str, expected_s: int) -> None:
    """What cannot be read is a minute; no ban of the venue is longer than three days."""
    assert retry_after_ns((("Retry-After", value),)) == expected_s * 1_000_000_000
