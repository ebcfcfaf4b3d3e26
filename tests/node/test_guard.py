"""When the guard acts and when it does not; with real processes in tests/live/test_guard.py."""

from __future__ import annotations

from livestack.node.guard import Watch

LIMIT_NS = 5_000_000_000
EVERY_NS = 250_000_000


def looks_until_stuck(watch: Watch, now_ns: int, every_ns: int, beats: int = 1) -> int:
    """How many looks at a node that does not beat it takes."""
    count = 0
    while True:
        count += 1
        now_ns += every_ns
        if watch.is_stuck(beats, LIMIT_NS, now_ns):
            return count


def test_silence_for_the_limit_is_enough() -> None:
    """The first look sees a beat; from then on the limit counts, to the look."""
    watch = Watch(EVERY_NS)
    assert not watch.is_stuck(1, LIMIT_NS, 10**18)
    assert LIMIT_NS // EVERY_NS == looks_until_stuck(watch, 10**18, EVERY_NS)


def test_every_beat_begins_anew() -> None:
    """A node that beats once in a while is no dead node."""
    watch = Watch(EVERY_NS)
    now_ns = 10**18
    for beats in range(10):
        for _ in range(LIMIT_NS // EVERY_NS):
            assert not watch.is_stuck(beats, LIMIT_NS, now_ns)
            now_ns += EVERY_NS


def test_a_guard_that_slept_blames_nobody() -> None:
    """Stopped for an hour, its first look counts like any other: the node may have been stopped as well."""
    watch = Watch(EVERY_NS)
    assert not watch.is_stuck(1, LIMIT_NS, 10**18)
    assert not watch.is_stuck(1, LIMIT_NS, 10**18 + 3_600 * 10**9)
    assert EVERY_NS == watch.silent_ns
    assert not watch.is_stuck(2, LIMIT_NS, 10**18 + 7_200 * 10**9)
    assert 0 == watch.silent_ns


def test_a_starved_guard_needs_as_many_looks() -> None:
    """With one look in ten seconds a single one without a beat says nothing; a limit's worth of looks does."""
    watch = Watch(EVERY_NS)
    watch.is_stuck(1, LIMIT_NS, 10**18)
    assert LIMIT_NS // EVERY_NS == looks_until_stuck(watch, 10**18, 10 * 10**9)


def test_a_node_that_is_only_starting_need_not_beat() -> None:
    """It recovers for as long as that takes; the time counts from when it runs."""
    watch = Watch(EVERY_NS)
    for look in range(1_000):
        assert not watch.is_stuck(1, None, 10**18 + look * EVERY_NS)
    assert LIMIT_NS // EVERY_NS == looks_until_stuck(watch, 10**18 + 1_000 * EVERY_NS, EVERY_NS)
