"""What is said in large where the node does not answer."""

from __future__ import annotations

import pytest

from livestack.cli.top_banner import LARGEST_S, banner, clock
from livestack.cli.top_lines import width_of
from livestack.cli.top_picture import Staleness


@pytest.mark.parametrize(
    ("age_s", "text"), [(0.4, "0:00"), (83, "1:23"), (3_723, "1:02:03"), (10**12, clock(LARGEST_S))]
)
def test_the_age_as_a_clock(age_s: float, text: str) -> None:
    """Of minutes and seconds, with hours where there are some."""
    assert text == clock(age_s)


@pytest.mark.parametrize("width", [20, 80, 200])
def test_it_fits(width: int) -> None:
    """Whatever the reason is."""
    for stale in (Staleness("WHAT", 12.0, "why " * 100), Staleness("WHAT", None, "币\n" * 50)):
        block = banner(stale, width)
        assert [width] * 4 == [width_of(block.line(number)) for number in range(block.rows)]


def test_it_is_said_in_words_too() -> None:
    """How old, and that a kill is tried all the same."""
    block = banner(Staleness("THE NODE DOES NOT ANSWER", 83.0, "stopped"), 80)
    text = "\n".join("".join(part for part, _ in block.line(number)) for number in range(4))
    for part in ("THE NODE DOES NOT ANSWER: WHAT IS SHOWN IS 83 SECONDS OLD", "stopped", "K kills"):
        assert part in text
