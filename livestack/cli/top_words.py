"""Words and numbers as ``livestack top`` writes them. Pure.

A state is a word and a mark, not only a colour; an age is coarse, so that it stands still.
"""

from __future__ import annotations

from livestack.cli.showing import COLOURS
from livestack.cli.top_lines import Span
from livestack.cli.top_picture import LATE_S, Picture

_STYLES = {"green": "good", "yellow": "warn", "red": "bad"}
MARKS = {"warn": "! ", "bad": "!! "}


def state(word: str) -> Span:
    """A word of the node, marked by what it means."""
    style = _STYLES.get(COLOURS.get(word, ""), "")
    return MARKS.get(style, "") + (word or "-"), style


def seconds(milliseconds: int | None) -> str:
    """``0.1 s``, ``12.3 s``, ``5 min``, ``3 h``; ``-`` for what never was. Coarse, so that it stands still."""
    if milliseconds is None or milliseconds < 0:
        return "-"
    if milliseconds < 60_000:
        return f"{milliseconds // 1_000}.{milliseconds // 100 % 10} s"
    minutes = milliseconds // 60_000
    return f"{minutes} min" if minutes < 600 else f"{minutes // 60:,} h"


def instrument(picture: Picture, name: str) -> str:
    """Without its venue where there is only one."""
    venue, _, symbol = name.partition(":")
    return symbol if symbol and [one.venue for one in picture.status.venues] == [venue] else name


def old(picture: Picture, now_s: float, what: str) -> str:
    """What a title says of answers that are late."""
    age_ms = picture.age_ms(now_s, what)
    return f", {seconds(age_ms)} old" if age_ms is not None and age_ms > 2 * LATE_S * 1_000 else ""


def duration(nanoseconds: int) -> str:
    """``850 us``, ``1.25 ms``, ``2.50 s``."""
    if abs(nanoseconds) < 1_000_000:
        return f"{nanoseconds // 1_000} us"
    if abs(nanoseconds) < 1_000_000_000:
        return f"{nanoseconds / 1_000_000:,.2f} ms"
    return f"{nanoseconds / 1_000_000_000:,.2f} s"
