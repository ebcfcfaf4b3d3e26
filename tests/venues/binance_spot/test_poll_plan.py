"""What is polled when: quotes first, then whoever waits longest, evenly and within the share."""

from __future__ import annotations

import pytest

from livestack.venues.adapter import Fetch, Fetched
from livestack.venues.binance_spot.fetches import Fetches
from livestack.venues.binance_spot.market_events import MarketInstrument, Readers
from livestack.venues.binance_spot.poll_plan import AT_ONCE, NAMED_MAX, PollPlan
from livestack.venues.budget import RequestBudget
from tests.venues.binance_spot.capture import instruments, needs_capture

pytestmark = needs_capture

SECOND = 1_000_000_000


def named(*symbols: str) -> list[MarketInstrument]:
    found = []
    for symbol in symbols:
        one = MarketInstrument(instruments()[0], Readers())
        one.symbol = symbol
        found.append(one)
    return found


class Bench:
    """A plan for ``symbols``, each poll answered at once."""

    def __init__(self, streams: tuple[str, ...], *symbols: str, levels: int = 5_000) -> None:
        self.budget = RequestBudget()
        self.fetches = Fetches(self.budget)
        self.plan = PollPlan(streams, levels, SECOND, self.fetches, self.budget)
        self.plan.change(named(*symbols), 0)

    def run(self, begin_ns: int, end_ns: int) -> list[Fetch]:
        found = []
        for now_ns in range(begin_ns, end_ns, SECOND // 4):
            for fetch in self.plan.due(now_ns):
                found.append(fetch)
                asked = self.fetches.answered(Fetched(fetch.fetch_id, 200, (), b"", "", now_ns, now_ns))
                assert asked is not None
                self.plan.answered(asked, now_ns, is_good=True)
        return found


@pytest.mark.parametrize(
    ("streams", "path", "query", "weight"),
    [
        (("depth",), "/api/v3/depth", "symbol=%C3%84&limit=100", 5),
        (("bookTicker",), "/api/v3/ticker/bookTicker", "symbol=%C3%84", 2),
        (("trade",), "/api/v3/trades", "symbol=%C3%84&limit=1000", 25),
        (("aggTrade",), "/api/v3/aggTrades", "symbol=%C3%84&limit=1000", 4),
    ],
)
def test_each_stream_has_its_request(streams: tuple[str, ...], path: str, query: str, weight: int) -> None:
    """With what it costs; symbols are not ASCII everywhere."""
    bench = Bench(streams, "Ä")
    (fetch,) = bench.plan.due(0)
    assert (fetch.path, fetch.query, bench.budget.used(0)) == (path, query, weight)


def test_quotes_of_many_symbols_cost_the_same() -> None:
    """By name while they fit into a URL; for more of them, everybody's."""
    few = Bench(("bookTicker",), "A", "B")
    assert [fetch.query for fetch in few.plan.due(0)] == ["symbols=%5B%22A%22%2C%22B%22%5D"]
    many = Bench(("bookTicker",), *[f"S{number}" for number in range(NAMED_MAX + 1)])
    assert [fetch.query for fetch in many.plan.due(0)] == [""]
    assert few.budget.used(0) == many.budget.used(0) == 4


def test_everybody_has_a_turn() -> None:
    """A hundred books: forty percent of the minute's weight is 480 polls, so that each has four or five; quotes come
    every second between them."""
    symbols = [f"S{number}" for number in range(100)]
    bench = Bench(("depth", "bookTicker"), *symbols)
    polls = bench.run(0, 60 * SECOND)
    assert bench.budget.used(59 * SECOND) <= 2_500
    depth = [fetch.query for fetch in polls if fetch.path == "/api/v3/depth"]
    counts = [sum(query.startswith(f"symbol={symbol}&") for query in depth) for symbol in symbols]
    assert max(counts) - min(counts) <= 1
    assert min(counts) >= 3
    assert len(polls) - len(depth) in range(50, 62)


def test_nobody_is_polled_more_often_than_wanted() -> None:
    """One symbol, once a second, whatever the budget would allow."""
    assert len(Bench(("depth",), "A").run(0, 10 * SECOND)) == 10


def test_few_are_under_way_at_once_and_each_once() -> None:
    """Answers that do not come hold the next ones back."""
    bench = Bench(("depth",), *"ABCDEFGH")
    asked = [fetch for now_ns in range(0, 5 * SECOND, SECOND // 4) for fetch in bench.plan.due(now_ns)]
    assert len(asked) == len({fetch.query for fetch in asked}) == AT_ONCE


def test_whoever_is_left_keeps_the_place() -> None:
    """A change of the list does not have anybody polled anew who was polled just now."""
    bench = Bench(("depth",), "A", "B")
    assert len(bench.run(0, SECOND)) == 2
    bench.plan.change(named("B", "C"), SECOND)
    assert [fetch.query[:8] for fetch in bench.plan.due(SECOND // 2)] == []
    assert sorted(fetch.query[:8] for fetch in bench.run(SECOND, 2 * SECOND)) == ["symbol=B", "symbol=C"]
    bench.plan.change([], 2 * SECOND)
    assert bench.run(3 * SECOND, 9 * SECOND) == []
