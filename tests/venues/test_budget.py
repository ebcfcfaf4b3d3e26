"""What one address may still ask of a venue."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livestack.venues.budget import (
    CONNECTS_MAX,
    CONNECTS_WINDOW_NS,
    GUARD_BAND_NS,
    SHARES,
    WINDOW_NS,
    Purpose,
    RequestBudget,
)

NOW_NS = 10 * WINDOW_NS + GUARD_BAND_NS
NEXT_NS = 11 * WINDOW_NS + GUARD_BAND_NS
WEIGHT = 1_000


def drain(budget: RequestBudget, purpose: Purpose, weight: int = 10, now_ns: int = NOW_NS) -> int:
    """Take as much as is given; how much that is."""
    taken = 0
    while budget.take(weight, purpose, now_ns) == 0:
        taken += weight
    return taken


@pytest.mark.parametrize("purpose", Purpose)
def test_each_purpose_has_its_share(purpose: Purpose) -> None:
    """Snapshots leave room for doubts, doubts for cancelling."""
    assert WEIGHT * SHARES[purpose] // 100 == drain(RequestBudget(WEIGHT), purpose)


def test_what_matters_more_goes_when_the_rest_is_used_up() -> None:
    """In this order: market data, upkeep, doubt, reduction."""
    budget = RequestBudget(WEIGHT)
    taken = [drain(budget, purpose) for purpose in sorted(Purpose)]
    assert WEIGHT == sum(taken)
    assert all(taken)


def test_whoever_waits_is_told_until_when() -> None:
    """Until the venue's next window has certainly begun; then it is given."""
    budget = RequestBudget(WEIGHT)
    drain(budget, Purpose.MARKET)
    again_ns = budget.take(10, Purpose.MARKET, NOW_NS)
    assert NEXT_NS == again_ns
    budget.answered(WEIGHT, -1, NOW_NS)
    assert 0 == budget.take(10, Purpose.MARKET, again_ns)


def test_what_is_under_way_counts_in_the_next_window_too() -> None:
    """A request without an answer may be counted when it arrives."""
    budget = RequestBudget(WEIGHT)
    assert 0 == budget.take(400, Purpose.MARKET, NOW_NS)
    assert 400 == budget.used(NOW_NS + WINDOW_NS)
    budget.answered(400, -1, NOW_NS + WINDOW_NS)
    assert 400 == budget.used(NOW_NS + WINDOW_NS)
    assert 0 == budget.used(NOW_NS + 2 * WINDOW_NS)


def test_the_venues_count_is_believed_where_it_is_more() -> None:
    """Others use the same address; a lower count may be of before what is under way."""
    budget = RequestBudget(WEIGHT)
    budget.counted(800, NOW_NS)
    assert 800 == budget.used(NOW_NS)
    budget.counted(10, NOW_NS)
    assert 800 == budget.used(NOW_NS)
    assert 0 < budget.take(100, Purpose.MARKET, NOW_NS)
    assert 0 == budget.take(100, Purpose.REDUCE, NOW_NS)


def test_an_answer_that_crosses_the_minute_does_not_fill_the_next_one() -> None:
    """Its count is that of the window before; a moment later the venue's counts are of the new one."""
    budget = RequestBudget(WEIGHT)
    assert 0 == budget.take(10, Purpose.DOUBT, NOW_NS)
    next_ns = 11 * WINDOW_NS
    budget.answered(10, WEIGHT, next_ns + 200_000_000)
    assert 10 == budget.used(next_ns + 200_000_000)
    budget.counted(700, next_ns + GUARD_BAND_NS)
    assert 700 == budget.used(next_ns + GUARD_BAND_NS)


def test_windows_are_those_of_the_venues_clock() -> None:
    """A venue that is ahead begins its minute earlier."""
    budget = RequestBudget(WEIGHT)
    budget.set_clock(20_000_000_000)
    budget.counted(WEIGHT, NOW_NS)
    assert NEXT_NS - 20_000_000_000 == budget.take(1, Purpose.DOUBT, NOW_NS)
    assert WEIGHT == budget.used(11 * WINDOW_NS - 21_000_000_000)
    assert 0 == budget.used(11 * WINDOW_NS - 20_000_000_000)


def test_the_venues_own_limit_replaces_the_assumed_one() -> None:
    """Also where its window is another one; nonsense changes nothing."""
    budget = RequestBudget(WEIGHT)
    budget.limit(200, 10_000_000_000)
    budget.limit(0, 10_000_000_000)
    budget.limit(5, -1)
    assert 200 == budget.weight_max
    assert 100 == drain(budget, Purpose.MARKET)
    assert 0 == budget.take(10, Purpose.DOUBT, NOW_NS + 10_000_000_000)


def test_silence_stops_everything_but_cancelling() -> None:
    """A 429 is for the weight; a kill still gets through."""
    budget = RequestBudget(WEIGHT)
    until_ns = NOW_NS + 7_000_000_000
    budget.silence(until_ns, is_ban=False)
    assert until_ns == budget.take(1, Purpose.DOUBT, NOW_NS)
    assert until_ns == budget.silent_until_ns(Purpose.MARKET)
    assert 0 == budget.take(1, Purpose.REDUCE, NOW_NS)
    assert 0 == budget.take(1, Purpose.DOUBT, until_ns)


def test_no_connection_is_tried_in_any_silence() -> None:
    """After a 429 as after a 418: attempts are what a limit becomes a ban by."""
    budget = RequestBudget(WEIGHT)
    until_ns = NOW_NS + 7_000_000_000
    budget.silence(until_ns, is_ban=False)
    assert until_ns == budget.connect(NOW_NS)
    assert 0 == budget.connect(until_ns)


def test_a_ban_stops_cancelling_and_connecting_too() -> None:
    """A 418 grows with every request that is made in it."""
    budget = RequestBudget(WEIGHT)
    until_ns = NOW_NS + 120_000_000_000
    budget.silence(until_ns, is_ban=True)
    assert until_ns == budget.take(1, Purpose.REDUCE, NOW_NS)
    assert until_ns == budget.connect(NOW_NS)
    assert 0 == budget.connect(until_ns)


def test_silence_never_gets_shorter() -> None:
    """The latest of what was said holds."""
    budget = RequestBudget(WEIGHT)
    budget.silence(NOW_NS + 100, is_ban=False)
    budget.silence(NOW_NS + 50, is_ban=False)
    assert NOW_NS + 100 == budget.take(1, Purpose.MARKET, NOW_NS)


def test_connections_are_counted_over_five_minutes() -> None:
    """The venue's 300 are for the whole address: some are left for others; a denied one is not counted."""
    budget = RequestBudget(WEIGHT)
    assert {0} == {budget.connect(NOW_NS + number) for number in range(CONNECTS_MAX)}
    again_ns = budget.connect(NOW_NS + CONNECTS_MAX)
    assert NOW_NS + CONNECTS_WINDOW_NS == again_ns
    assert 0 == budget.connect(again_ns)
    assert again_ns < budget.connect(again_ns)


def test_opening_a_connection_takes_weight() -> None:
    """Where the venue says that it does."""
    budget = RequestBudget(WEIGHT)
    budget.connect(NOW_NS, 2)
    assert 2 == budget.used(NOW_NS)
    budget.counted(WEIGHT, NOW_NS)
    assert NEXT_NS == budget.connect(NOW_NS, 2)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(sorted(Purpose)),
            st.integers(1, 400),
            st.integers(0, 20_000_000_000),
            st.booleans(),
        ),
        max_size=80,
    )
)
def test_never_more_than_the_limit_in_one_window(steps: list[tuple[Purpose, int, int, bool]]) -> None:
    """Whoever asks, whenever, with answers or without: the venue counts no more than its limit in any minute."""
    budget, now_ns = RequestBudget(WEIGHT), NOW_NS
    venue: dict[int, int] = {}
    for purpose, weight, pause_ns, is_answered in steps:
        now_ns += pause_ns
        if budget.take(weight, purpose, now_ns) == 0:
            window = now_ns // WINDOW_NS
            venue[window] = venue.get(window, 0) + weight
            if is_answered:
                budget.answered(weight, venue[window], now_ns)
    assert all(used <= WEIGHT for used in venue.values())


def test_two_threads_take_no_more_than_one() -> None:
    """With the lock that it was given."""
    budget = RequestBudget(100_000, lock=threading.Lock())
    taken = [0, 0]

    def run(index: int) -> None:
        taken[index] = drain(budget, Purpose.REDUCE, 1)

    threads = [threading.Thread(target=run, args=(index,)) for index in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 100_000 == sum(taken)
