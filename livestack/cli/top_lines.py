"""Lines of text for ``livestack top``: spans with the name of a style, and tables that fit their width.

Pure; knows neither the terminal nor what is shown. Widths are cells of a terminal: some characters take two.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from rich.cells import cell_len, chop_cells, set_cell_size

Span = tuple[str, str]
"""Text and the name of its style: '', good, warn, bad, dim, bold, title, loud, key."""

Line = tuple[Span, ...]

Cell = str | Span

GAP = "  "
CUT = "…"
SHORTEST = 6
"""Cells that a column which may be cut keeps."""

BARS = "▁▂▃▄▅▆▇█"


class Column(NamedTuple):
    """``align``: '<', '>', or '.', which puts decimal points below each other. ``rank``: the highest goes first where
    there is no room; 0 stays. ``cut``: how readily its text is cut; 0 never, the highest first."""

    name: str
    align: str = "<"
    rank: int = 0
    cut: int = 0


class Block(NamedTuple):
    """What a panel shows: a title, at most one line of headings, and lines that are made when they are seen.

    ``note`` stands behind the title. ``title`` empty: there is none, nor a rule.
    """

    title: str
    note: str = ""
    head: Line | None = None
    rows: int = 0
    line: Callable[[int], Line] = lambda _number: ()

    def rows_wanted(self) -> int:
        return bool(self.title) + (self.head is not None) + self.rows


def block_of(title: str, lines: Sequence[Line], note: str = "") -> Block:
    """Without headings."""
    return Block(title, note, None, len(lines), lines.__getitem__)


def visible(text: str) -> str:
    """``text`` with a blank for each character that would move the cursor or cannot be seen."""
    return text if text.isprintable() else "".join(one if one.isprintable() else " " for one in text)


def clipped(text: str, width: int) -> str:
    """At most ``width`` cells; what was left out is marked."""
    if cell_len(text) <= width:
        return text
    return set_cell_size(text, width - 1).rstrip() + CUT if width > 0 else ""


def wrapped(text: str, width: int) -> list[str]:
    """Folded between words, and inside of those that are wider than ``width``."""
    lines: list[str] = []
    for word in visible(text).split():
        if lines and cell_len(lines[-1]) + 1 + cell_len(word) <= width:
            lines[-1] += f" {word}"
        else:
            lines += chop_cells(word, max(width, 2))
    return lines


def width_of(line: Line) -> int:
    return sum(cell_len(text) for text, _ in line)


def fitted(line: Line, width: int) -> Line:
    """``line`` in exactly ``width`` cells."""
    left, out = width, list[Span]()
    for number, (text, style) in enumerate(line):
        size = cell_len(text)
        if size > left or (size == left and any(rest for rest, _ in line[number + 1 :])):
            text = clipped(text + CUT, left)
            size = cell_len(text)
        if size:
            out.append((text, style))
        left -= size
        if left <= 0:
            break
    if left > 0:
        out.append((" " * left, ""))
    return tuple(out)


def rule(title: str, note: str, width: int, style: str) -> Line:
    """A title on a line that is drawn through."""
    title = clipped(title, max(width - 4, 1))
    left = width - cell_len(title) - 4
    note = clipped(note, left - 3) if left > 8 and note else ""
    after = f" {note} " if note else ""
    return (
        ("─ ", "dim"),
        (title, style),
        (f"{after or ' '}", "dim"),
        ("─" * max(left - cell_len(after) + (1 if not after else 2), 0), "dim"),
    )


def sides(left: Line, right: Line, width: int) -> Line:
    """``left`` and, at the other end where there is room, ``right``."""
    gap = width - width_of(left) - width_of(right)
    if gap < len(GAP):
        return fitted(left, width)
    return (*left, (" " * gap, ""), *right)


def spark(values: Sequence[float | None], width: int, least: float = 0.0) -> str:
    """The last ``width`` values as bars from 0 to the largest one, at least ``least``; a blank where there is none."""
    shown = list(values)[-width:]
    top = max([least, *(one for one in shown if one is not None)])
    text = "".join(" " if one is None else _bar(one, top) for one in shown)
    return text.rjust(width)


def _bar(value: float, top: float) -> str:
    if top <= 0 or value <= 0:
        return BARS[0]
    return BARS[min(int(value / top * len(BARS)), len(BARS) - 1)]


def table(
    title: str, columns: Sequence[Column], rows: Sequence[Sequence[Cell]], width: int, note: str = ""
) -> Block:
    """A table as wide as ``width`` allows; its lines are made when they are seen."""
    if not rows:
        return Block(title, note or "none")
    chosen, sizes, shapes = _measured(columns, rows, width)
    head = _joined([_cell(columns[one].name, "dim", columns[one], sizes[one]) for one in chosen], width)

    def line(number: int) -> Line:
        row = rows[number]
        spans = []
        for place in chosen:
            text, style = _parts(row[place])
            if columns[place].align == ".":
                text = _pointed(text, *shapes[place])
            spans.append(_cell(text, style, columns[place], sizes[place]))
        return _joined(spans, width)

    return Block(title, note, head, len(rows), line)


def _measured(
    columns: Sequence[Column], rows: Sequence[Sequence[Cell]], width: int
) -> tuple[list[int], dict[int, int], dict[int, tuple[int, int]]]:
    """Which columns are shown, how wide, and of those with decimals the digits before and behind the point."""
    sizes: dict[int, int] = {}
    shapes: dict[int, tuple[int, int]] = {}
    for place, column in enumerate(columns):
        texts = [visible(_parts(row[place])[0]) for row in rows]
        size = max(map(cell_len, texts))
        if column.align == ".":
            halves = [text.partition(".") for text in texts]
            shapes[place] = max(len(one[0]) for one in halves), max(len(one[1] + one[2]) for one in halves)
            size = sum(shapes[place])
        sizes[place] = max(size, cell_len(column.name))
    chosen = list(sizes)

    def excess() -> int:
        return sum(sizes[one] for one in chosen) + len(GAP) * (len(chosen) - 1) - width

    for place in sorted(chosen, key=lambda one: -columns[one].rank):
        if columns[place].rank and excess() > 0:
            chosen.remove(place)
    for place in sorted(chosen, key=lambda one: -columns[one].cut):
        if columns[place].cut and excess() > 0:
            sizes[place] = max(sizes[place] - excess(), min(SHORTEST, sizes[place]))
    return chosen, sizes, shapes


def _parts(cell: Cell) -> Span:
    return (cell, "") if isinstance(cell, str) else cell


def _pointed(text: str, before: int, behind: int) -> str:
    whole, point, fraction = text.partition(".")
    return f"{whole:>{before}}{point + fraction:<{behind}}"


def _cell(text: str, style: str, column: Column, size: int) -> Span:
    text = clipped(visible(text), size)
    pad = " " * (size - cell_len(text))
    return (text + pad if column.align == "<" else pad + text), style


def _joined(cells: Sequence[Span], width: int) -> Line:
    spans: list[Span] = []
    for cell in cells:
        spans += [(GAP, ""), cell] if spans else [cell]
    return fitted(tuple(spans), width)
