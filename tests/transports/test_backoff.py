"""Back-off: doubling bounds, full jitter, a cap, and never at once."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from livestack.transports.backoff import CAP_NS, FIRST_NS, LEAST_NS, Backoff


@given(seed=st.integers(0, 1 << 32), attempts=st.integers(1, 60))
def test_waits_stay_between_least_and_a_bound_that_doubles(seed: int, attempts: int) -> None:
    """The n-th wait is at most first * 2**n and the cap."""
    backoff = Backoff(random.Random(seed))
    for attempt in range(attempts):
        assert LEAST_NS <= backoff.next_ns() <= min(FIRST_NS * 2**attempt, CAP_NS)


def test_jitter_is_full() -> None:
    """Waits of one attempt cover the whole range: clients that fell together do not come back together."""
    waits = []
    for seed in range(200):
        backoff = Backoff(random.Random(seed))
        for _ in range(10):
            wait_ns = backoff.next_ns()
        waits.append(wait_ns)
    assert min(waits) < CAP_NS // 10
    assert max(waits) > CAP_NS * 9 // 10


def test_success_begins_anew() -> None:
    """After ``reset`` the first bound holds again."""
    backoff = Backoff(random.Random(1))
    for _ in range(20):
        backoff.next_ns()
    backoff.reset()
    assert backoff.next_ns() <= FIRST_NS
