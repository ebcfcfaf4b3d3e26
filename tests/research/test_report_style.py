"""The style sheet of a report."""

from __future__ import annotations

import re

from livestack.research.report_style import STYLE


def test_every_colour_is_defined_for_light_and_dark() -> None:
    """A name that is used has a value in both."""
    light, _, dark = STYLE.partition("prefers-color-scheme:dark")
    used = set(re.findall(r"var\((--[a-z]+)\)", STYLE))
    assert used
    for part in (light, dark):
        assert set() == used - set(re.findall(r"(--[a-z]+):", part))


def test_it_is_whole_and_loads_nothing() -> None:
    """Braces match; it ends no element, and names no address."""
    assert STYLE.count("{") == STYLE.count("}")
    assert not re.search(r"<|url\(|@import|https?:", STYLE)
