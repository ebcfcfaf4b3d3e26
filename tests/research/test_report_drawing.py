"""Scales, ticks and elements of a report's pictures."""

from __future__ import annotations

from xml.etree.ElementTree import tostring

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from livestack.research.report_drawing import (
    Line,
    Scale,
    apart,
    clock,
    element,
    picture,
    step_path,
    strips,
    ticks,
    time_ticks,
    widened,
)
from tests.research.report_records import SECOND, START_NS


def test_text_is_never_markup() -> None:
    """Neither between tags nor in an attribute, and text and elements keep their order."""
    made = element("p", "a <b> ", element("i", "&"), " c", class_='x" onload="y')
    assert '<p class="x&quot; onload=&quot;y">a &lt;b&gt; <i>&amp;</i> c</p>' == tostring(made, "unicode")


def test_a_picture_is_described() -> None:
    """For who does not see it."""
    assert 'role="img" aria-label="what it is"' in tostring(picture(10, "what it is"), "unicode")


@given(
    st.floats(-1e12, 1e12, allow_subnormal=False),
    st.floats(0, 1e12, allow_subnormal=False),
    st.integers(2, 9),
)
@example(-2.1, 4.2, 3)
@example(-21.0, 42.0, 2)
def test_ticks_are_few_and_inside(low: float, span: float, count: int) -> None:
    """Around what is shown, at round values that differ in their texts."""
    first, last = widened([low, low + span], count)
    hair = (abs(low) + span) * 1e-8
    assert first <= min(low, 0.0) + hair
    assert last >= max(low + span, 0.0) - hair
    found = ticks(first, last, count)
    assert 2 <= len(found) <= 2 * count + 3
    assert len(found) == len({label for _, label in found})


@pytest.mark.parametrize(
    ("low", "high", "labels"),
    [
        (0.0, 10.0, ["0", "2", "4", "6", "8", "10"]),
        (-0.001, 0.001, ["-0.0010", "-0.0005", "0.0000", "0.0005", "0.0010"]),
        (0.0, 40_000.0, ["0", "10,000", "20,000", "30,000", "40,000"]),
    ],
)
def test_ticks(low: float, high: float, labels: list[str]) -> None:
    """With as many decimals as tell them apart, and no minus before a zero."""
    assert labels == [label for _, label in ticks(low, high)]


@given(st.integers(0, 2**62), st.integers(0, 2 * 365 * 24 * 3_600 * SECOND))
def test_time_ticks_are_few_and_inside(low: int, span: int) -> None:
    """From a nanosecond to two years."""
    found = time_ticks(low, low + span)
    assert 11 > len(found)
    assert all(low <= ts <= low + span for ts, _ in found)


@pytest.mark.parametrize(
    ("step", "text"),
    [(1, "08:00:01.234"), (SECOND, "08:00:01"), (60 * SECOND, "08:00"), (86_400 * SECOND, "15 Jan")],
)
def test_times_are_as_fine_as_their_steps(step: int, text: str) -> None:
    """And days where days count."""
    assert text == clock(START_NS + SECOND + 234_000_000, step)


def test_scales() -> None:
    """Linear or by magnitude; what is beyond is at the end, and a scale of one value has it in the middle."""
    assert [0.0, 50.0, 100.0] == [Scale(0, 10, 0, 100)(value) for value in (-1, 5, 11)]
    assert [0.0, 50.0, 100.0] == [Scale(1, 100, 0, 100, logarithmic=True)(value) for value in (1, 10, 100)]
    assert 50.0 == Scale(3, 3, 0, 100)(3)


def test_names_do_not_cover_each_other() -> None:
    """They move as little as they must, and stay inside."""
    assert [10.0, 50.0] == apart([10.0, 50.0], 17, 0, 100)
    assert [66.0, 83.0, 100.0] == apart([99.0, 99.5, 100.0], 17, 0, 100)
    assert [17.0, 0.0] == apart([1.0, 0.0], 17, 0, 100)


def test_curves_are_steps() -> None:
    """Level until the next value, and from the last one to the end."""
    x, y = Scale(0, 10, 0, 100), Scale(0, 10, 100, 0)
    assert "M10 100H50V50H100" == step_path([(101, 0.0), (105, 5.0)], x, y, 100, 110)
    assert "" == step_path([], x, y, 100, 110)


def test_strips_tell_what_held_then() -> None:
    """Time and value of each curve, of one that had begun."""
    early = Line("early", "first", [(START_NS, 1.0)], ["one"])
    late = Line("late", "second", [(START_NS + n * SECOND, 2.0) for n in range(5, 9)], ["5", "6", "7", "8"])
    found = strips([early, late], Scale(0, 8 * SECOND, 0, 80), START_NS, START_NS + 8 * SECOND, 0, 10)
    told = ["".join(one.itertext()) for one in found]
    assert 4 == len(told)
    assert "08:00:02.000\nearly: one" == told[0]
    assert "08:00:08.000\nearly: one\nlate: 8" == told[-1]
