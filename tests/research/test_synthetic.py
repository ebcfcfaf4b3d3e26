"""A synthetic history: seeded, with instruments of the simulated venue, as long as one asks for, in bounded memory."""

from __future__ import annotations

import pytest

from livestack.core.events import BookSnapshot, FeedStatusChanged, InputEvent
from livestack.exceptions import UsageError
from livestack.research.synthetic import SyntheticHistory, find_symbols
from livestack.simulator.matching import MatchingEngine
from tests.research.test_capture import settings
from tests.research.test_market import Deaf

SECOND_NS = 1_000_000_000


def play(seed: int, seconds: int, *symbols: str) -> tuple[list[tuple[int, InputEvent]], list[MatchingEngine]]:
    """All that is published, with its time, and the engines at the end."""
    history = SyntheticHistory("venue", settings(*symbols), seed, seconds * SECOND_NS)
    heard = {one.instrument: Deaf() for one in history.instruments}
    engines = {name: MatchingEngine(deaf, 1, 1) for name, deaf in heard.items()}
    markets = history.open(engines, 0)
    for name, deaf in heard.items():
        deaf.traded = lambda trade, name=name: markets.traded(name, trade)  # type: ignore[method-assign,misc]
    published = [(ts, event) for ts, item in history.items() for event in markets.take(ts, item)]
    return published, list(engines.values())


def test_the_same_seed_gives_the_same_market() -> None:
    """And another seed another one."""
    first, _ = play(7, 10, "BTCUSDT", "ETHUSDT")
    assert first == play(7, 10, "BTCUSDT", "ETHUSDT")[0]
    assert first != play(8, 10, "BTCUSDT", "ETHUSDT")[0]


def test_it_begins_as_a_feed_does_and_lasts_as_long_as_asked() -> None:
    """Snapshots, the feed LIVE, each book LIVE; the last Event is within the last second."""
    published, _ = play(7, 10, "BTCUSDT", "ETHUSDT")
    kinds = [type(event) for _, event in published[:5]]
    assert [BookSnapshot, BookSnapshot, FeedStatusChanged, FeedStatusChanged, FeedStatusChanged] == kinds
    times = [ts for ts, _ in published]
    assert times == sorted(times)
    assert 9 <= (times[-1] - times[0]) / SECOND_NS <= 10


def test_its_memory_does_not_grow_with_time() -> None:
    """After ten minutes a book is no larger than the flow lets it become, and no change waits for its publication."""
    _, (engine,) = play(3, 600, "BTCUSDT")
    assert max(len(side.keys) for side in engine.sides) <= 161
    assert [0, 0] == [len(side) for side in engine.touched]


def test_symbols_far_down_the_list_are_found() -> None:
    """The simulated venue invents them by number; one that it does not have is named."""
    assert ["SIM200USDT", "BTCUSDT"] == [one.name for one in find_symbols(("SIM200USDT", "BTCUSDT"))]
    with pytest.raises(UsageError, match=r"does not have NOSUCH, .*it has BTCUSDT"):
        find_symbols(("BTCUSDT", "NOSUCH"))
