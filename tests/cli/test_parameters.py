"""Durations as people write them."""

from __future__ import annotations

import click
import pytest

from livestack.cli.parameters import DURATION


@pytest.mark.parametrize(
    ("text", "value_ns"),
    [("250ms", 250_000_000), ("30s", 30_000_000_000), ("5m", 300_000_000_000), ("2h", 7_200_000_000_000)],
)
def test_durations(text: str, value_ns: int) -> None:
    """A number and one of four units."""
    assert value_ns == DURATION.convert(text, None, None)


@pytest.mark.parametrize("text", ["", "30", "s", "1.5s", "-1s", "30 s", "1d"])
def test_anything_else_is_refused_with_examples(text: str) -> None:
    """The sentence says what would be right."""
    with pytest.raises(click.BadParameter, match="250ms, 30s, 5m or 2h"):
        DURATION.convert(text, None, None)


def test_nothing_is_no_duration() -> None:
    """A session or history of no length is asked for by mistake."""
    with pytest.raises(click.BadParameter, match="longer than nothing"):
        DURATION.convert("0s", None, None)
