"""Rates."""

from __future__ import annotations

from livestack.control.limits import SOURCES_MAX, Bucket, Limits
from tests.control.support import SECOND_NS


def test_a_bucket_holds_a_second() -> None:
    """So many at once, then one whenever its time has come."""
    bucket = Bucket(10, 0)
    assert [True] * 10 + [False] == [bucket.take(0) for _ in range(11)]
    assert SECOND_NS // 10 == bucket.wait_ns(0)
    assert not bucket.take(SECOND_NS // 10 - 1)
    assert bucket.take(SECOND_NS // 10)
    assert [True] * 10 + [False] == [bucket.take(100 * SECOND_NS) for _ in range(11)]


def test_a_rate_is_kept_over_time() -> None:
    """Asked a thousand times a second, it gives its rate."""
    bucket = Bucket(7, 0)
    given = sum(bucket.take(number * SECOND_NS // 1_000) for number in range(10_000))
    assert given in (76, 77)


def test_a_clock_that_stands_still_gives_nothing() -> None:
    """Nor one that goes back."""
    bucket = Bucket(1, SECOND_NS)
    assert bucket.take(SECOND_NS)
    assert not bucket.take(0)
    assert SECOND_NS == bucket.wait_ns(0)


def test_sources_do_not_share() -> None:
    """One that is throttled does not hold up another; what is remembered is bounded."""
    limits = Limits(1)
    assert limits.take(b"a", 0)
    assert not limits.take(b"a", 0)
    assert limits.take(b"b", 0)
    for number in range(SOURCES_MAX):
        assert limits.take(str(number).encode(), 0)
        assert not limits.take(b"b", 0)  # whoever keeps asking is not forgotten
    assert limits.take(b"a", 0)
