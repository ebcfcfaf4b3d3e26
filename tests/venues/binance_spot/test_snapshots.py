"""Which snapshots are asked for, and how often."""

from __future__ import annotations

import pytest

from livestack.core.events import VenueBackoff
from livestack.venues.adapter import Fetch, Fetched
from livestack.venues.binance_spot.fetches import Fetches
from livestack.venues.binance_spot.snapshots import Snapshots, depth_weight
from livestack.venues.budget import RequestBudget
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


def fetched_of(snapshots_needed: Snapshots, now_ns: int) -> list[Fetch]:
    return [fetch for _, fetch in snapshots_needed.due(now_ns)]


@pytest.mark.parametrize(
    ("levels", "weight"), [(5, 5), (100, 5), (101, 25), (500, 25), (1_000, 50), (5_000, 250)]
)
def test_a_snapshot_costs_by_its_levels(levels: int, weight: int) -> None:
    """The venue's own steps, taken from the budget before anything is sent."""
    budget = RequestBudget()
    snapshots_needed = Snapshots(levels, Fetches(budget))
    snapshots_needed.want("A", 0)
    assert [f"symbol=A&limit={levels}"] == [fetch.query for fetch in fetched_of(snapshots_needed, 0)]
    assert (weight, weight) == (depth_weight(levels), budget.used(0))


def test_whoever_waits_longest_comes_first() -> None:
    """A book that is lost again and again does not stand in front of those that never had their turn."""
    fetches = Fetches(RequestBudget())
    snapshots_needed = Snapshots(100, fetches)
    for number, symbol in enumerate("ABCD"):
        snapshots_needed.want(symbol, number)
    first = snapshots_needed.due(10)
    assert ["A", "B"] == [symbol for symbol, _ in first]
    fetches.answered(Fetched(first[0][1].fetch_id, 200, (), b"", "", 10, 10))
    snapshots_needed.answered("A")
    snapshots_needed.failed("A", 10)
    assert ["C"] == [symbol for symbol, _ in snapshots_needed.due(10)]


def test_five_hundred_books_come_in_at_the_pace_of_the_budget() -> None:
    """125 000 of weight: half of each minute's 6 000, never more, so that the last one comes after 41 minutes."""
    budget = RequestBudget()
    fetches = Fetches(budget)
    snapshots_needed = Snapshots(5_000, fetches)
    for number in range(500):
        snapshots_needed.want(f"S{number}", 0)
    arrived, now_ns, most = set(), 0, 0
    while len(arrived) < 500:
        for symbol, fetch in snapshots_needed.due(now_ns):
            arrived.add(symbol)
            fetches.answered(Fetched(fetch.fetch_id, 200, (), b"", "", now_ns, now_ns))
            snapshots_needed.answered(symbol)
            snapshots_needed.arrived(symbol, now_ns)
        most = max(most, budget.used(now_ns))
        now_ns += 250_000_000
    assert (3_000, 41) == (most, now_ns // 60_000_000_000)
