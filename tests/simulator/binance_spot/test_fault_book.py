"""Which rules an occasion meets: filters, the n-th occasion, windows, limits, moments, and chance by a seed."""

from __future__ import annotations

import itertools

from livestack.simulator.binance_spot.fault_book import FaultBook, Subject
from livestack.simulator.fault_kinds import SECOND
from livestack.simulator.faults import rule

PLACE = Subject("ws_api", method="order.place", symbol="BTCUSDT")
CANCEL = Subject("rest", method="order.cancel", symbol="ETHUSDT")
DIFF = Subject("stream", stream="btcusdt@depth@100ms", symbol="BTCUSDT")


def book(*rules: dict[str, object]) -> FaultBook:
    made = FaultBook(1)
    made.put([rule(str(keys.pop("kind")), **keys) for keys in rules], 0)
    return made


def test_filters_narrow_down() -> None:
    """Every filter that is given has to fit; none given fits all that the kind knows."""
    only = book(
        {"kind": "request_lost", "methods": ["order.place"], "sides": ["ws_api"], "symbols": ["BTCUSDT"]}
    )
    assert only.strikes("request_lost", PLACE, 0) is not None
    assert only.strikes("request_lost", CANCEL, 0) is None
    streams = book({"kind": "frame_dropped", "streams": ["btcusdt@depth*"]})
    assert streams.strikes("frame_dropped", DIFF, 0) is not None
    assert streams.strikes("frame_dropped", Subject("stream", stream="btcusdt@trade"), 0) is None
    assert book({"kind": "reports_first"}).strikes("reports_first", CANCEL, 0) is None


def test_only_the_nth_occasion() -> None:
    """Occasions that do not fit the filters are not counted."""
    third = book({"kind": "request_lost", "occasion": 3, "methods": ["order.place"]})
    struck = [
        third.strikes("request_lost", subject, 0) is not None
        for subject in (PLACE, CANCEL, PLACE, PLACE, PLACE)
    ]
    assert [False, False, False, True, False] == struck


def test_a_window_and_a_limit() -> None:
    """Not before ``after``, not at its end, not more than ``times``."""
    limited = book({"kind": "request_lost", "after": "2s", "for": "3s", "times": 2})
    struck = [now for now in range(8) if limited.strikes("request_lost", PLACE, now * SECOND)]
    assert [2, 3] == struck
    window = book({"kind": "request_lost", "after": "2s", "for": "3s"})
    assert [2, 3, 4] == [now for now in range(8) if window.strikes("request_lost", PLACE, now * SECOND)]


def test_chance_is_that_of_the_rule_and_of_the_seed() -> None:
    """One in ten is about one in ten, and the same ones each time."""

    def struck() -> list[int]:
        tenth = book({"kind": "request_lost", "chance": "0.1"})
        return [number for number in range(2000) if tenth.strikes("request_lost", PLACE, 0)]

    assert 150 < len(struck()) < 250
    assert struck() == struck()


def test_a_moment_comes_once_or_again_and_again() -> None:
    """Without ``every`` at ``after``; with it after pauses of half to one and a half of it."""
    once = book({"kind": "wipe", "after": "5s"})
    assert 5 * SECOND == once.next_moment_ns()
    assert [] == once.moments(4 * SECOND)
    assert ["wipe"] == [one.kind for one in once.moments(5 * SECOND)]
    assert once.next_moment_ns() is None
    often = book({"kind": "wipe", "every": "10s", "times": 5})
    times = []
    while (due_ns := often.next_moment_ns()) is not None:
        times.append(due_ns)
        assert 1 == len(often.moments(due_ns))
    assert 5 == len(times)
    assert all(5 * SECOND <= later - earlier <= 15 * SECOND for earlier, later in itertools.pairwise(times))


def test_latency_knows_its_way() -> None:
    """A rule about what comes in leaves alone what goes out."""
    inward = book({"kind": "latency", "way": "in"})
    assert inward.strikes("latency", PLACE, 0) is None
    assert inward.strikes("latency", Subject("ws_api", way="in"), 0) is not None
    both = book({"kind": "latency", "way": "both"})
    assert both.strikes("latency", PLACE, 0) is not None
