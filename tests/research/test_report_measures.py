"""Curves, distributions and samples of bounded size."""

from __future__ import annotations

from decimal import Decimal, Inexact

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from livestack.research.report_measures import (
    BUCKETS_MAX,
    SAMPLE_MAX,
    Curve,
    Distribution,
    Sample,
    narrow,
    plain,
    plus,
    rounded,
    times,
)


def test_sums_and_products_are_exact() -> None:
    """Of amounts far beyond what a float or a usual decimal context holds; what cannot be exact is an error."""
    assert Decimal("100000000000000000000000000000.000000000000000000000001") == plus(
        Decimal(10**29), Decimal("1e-24")
    )
    assert Decimal("1e-60") == times(Decimal("1e-30"), Decimal("1e-30"))
    with pytest.raises(Inexact):
        plus(Decimal("1e400"), Decimal("1e-400"))


@pytest.mark.parametrize(
    ("value", "exact", "short"),
    [
        ("0", "0", "0"),
        ("-0.000", "0", "0"),
        ("1234567.500", "1,234,567.5", "1,234,567.5"),
        ("0.00012345678", "0.00012345678", "0.0001235"),
        ("-5.129", "-5.129", "-5.13"),
        ("1e3", "1,000", "1,000"),
    ],
)
def test_amounts_for_people(value: str, exact: str, short: str) -> None:
    """Without an exponent and without zeros at the end; at a glance with four digits that mean something."""
    assert exact == plain(Decimal(value))
    assert short == rounded(Decimal(value))


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("0.000", "0"),
        ("12.50", "12.5"),
        ("0.123456789", "0.12345679"),
        ("59994.123456789", "59,994.12346"),
        ("1234567890123.456", "1,234,567,890,123.46"),
        ("-0.00000000012345", "-0.0000000001234"),
    ],
)
def test_amounts_in_a_narrow_column(value: str, shown: str) -> None:
    """Ten digits, and no more than eight decimals but of tiny ones; no zeros at the end."""
    assert shown == narrow(Decimal(value))


@example(steps=[(0, 0), (0, 1), (0, 0)])
@given(st.lists(st.tuples(st.integers(0, 10**9), st.integers(-100, 100)), min_size=1, max_size=3_000))
def test_a_curve_keeps_its_ends_and_its_extremes(steps: list[tuple[int, int]]) -> None:
    """However long it is: points are real ones, in order, and no more than there is room for."""
    curve, ts, given_points = Curve(), 0, []
    for ahead, value in steps:
        ts += ahead
        given_points.append((ts, Decimal(value)))
        curve.add(ts, Decimal(value))
    points = curve.points()
    assert set() == set(points) - set(given_points)
    assert [one[0] for one in points] == sorted(one[0] for one in points)
    assert (given_points[0], given_points[-1]) == (points[0], points[-1])
    values = [value for _, value in given_points]
    assert (min(values), max(values)) == (min(one for _, one in points), max(one for _, one in points))
    assert 4 * BUCKETS_MAX >= len(points)


@given(st.lists(st.integers(-(10**15), 10**15), min_size=1), st.integers(1, 100))
def test_a_percentile_is_right_to_one_part_in_1024(values: list[int], percent: int) -> None:
    """Against all values in order; extremes and the sum are exact."""
    found = Distribution()
    for value in values:
        found.add(value)
    exact = sorted(values)[max(-(-len(values) * percent // 100), 1) - 1]
    assert abs(exact) / 1024 >= abs(exact - found.percentile(percent))
    assert (min(values), max(values), sum(values)) == (found.low, found.high, found.total)


@given(st.lists(st.integers(-1000, 1000)), st.lists(st.integers(-1000, 1000)))
def test_two_distributions_together(one: list[int], other: list[int]) -> None:
    """Are the distribution of all their values."""
    both, left, right = Distribution(), Distribution(), Distribution()
    for value in one:
        left.add(value)
        both.add(value)
    for value in other:
        right.add(value)
        both.add(value)
    left.take(right)
    assert list(both) == list(left)
    assert (both.count, both.low, both.high, both.total) == (left.count, left.low, left.high, left.total)


def test_nothing_has_no_percentile() -> None:
    """It is 0, and nobody shows it."""
    assert 0 == Distribution().percentile(50)


def test_a_sample_thins_out() -> None:
    """All at first; later some, from the whole length, and the count of all."""
    sample: Sample[int] = Sample()
    for number in range(SAMPLE_MAX - 1):
        sample.add(number)
    assert list(range(SAMPLE_MAX - 1)) == sample.kept
    for number in range(SAMPLE_MAX - 1, 100_000):
        sample.add(number)
    assert 100_000 == sample.count
    assert SAMPLE_MAX > len(sample.kept) >= SAMPLE_MAX // 2
    gaps = {after - before for before, after in zip(sample.kept, sample.kept[1:], strict=False)}
    assert 1 == len(gaps)
