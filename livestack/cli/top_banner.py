"""What ``livestack top`` says in large where what is shown cannot be relied on. Pure."""

from __future__ import annotations

from livestack.cli.top_lines import Block, Line, block_of, clipped, fitted, visible
from livestack.cli.top_picture import Staleness

DIGITS = {
    "0": ("╭─╮", "│ │", "╰─╯"),
    "1": ("╶╮ ", " │ ", "╶┴╴"),
    "2": ("╶─╮", "╭─╯", "╰─╴"),
    "3": ("╶─╮", " ─┤", "╶─╯"),
    "4": ("╷ ╷", "╰─┤", "  ╵"),
    "5": ("╭─╴", "╰─╮", "╶─╯"),
    "6": ("╭─╴", "├─╮", "╰─╯"),
    "7": ("╶─╮", "  │", "  ╵"),
    "8": ("╭─╮", "├─┤", "╰─╯"),
    "9": ("╭─╮", "╰─┤", "╶─╯"),
    ":": ("   ", " • ", " • "),
}
LARGEST_S = 100 * 3_600


def clock(age_s: float) -> str:
    """``0:12``, ``12:34``, ``1:02:03``."""
    whole = min(int(age_s), LARGEST_S)
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def banner(stale: Staleness, width: int) -> Block:
    """The age in large, what it is the age of, and why."""
    large = ["", "", ""]
    told = stale.what
    if stale.age_s is not None:
        text = clock(stale.age_s)
        large = [" ".join(DIGITS[one][row] for one in text) for row in range(3)]
        told = f"{stale.what}: WHAT IS SHOWN IS {int(stale.age_s):,} SECONDS OLD"
    words = (told, stale.why, "it is tried again all the time; K kills all the same")
    styles = ("loud", "bold", "")
    left = len(large[0])
    lines: list[Line] = [()]
    for row, (sentence, style) in enumerate(zip(words, styles, strict=True)):
        room = max(width - left - 5, 1)
        shown = clipped(visible(sentence), room - 2)
        lines.append(((f"  {large[row]}  ", "bad"), (f" {shown} " if not row else shown, style)))
    return block_of("", [fitted(line, width) for line in lines])
