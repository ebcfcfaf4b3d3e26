"""Pictures as SVG elements: scales, ticks, curves, marks, histograms and bars. No script, no colour of its own.

Every text goes in as text of an element tree, never as markup: what is in it cannot become part of the page. Colours
and dashes are classes that the page's style sheet defines. Pure; numbers become floats here, because they become
places on a picture. Any one thread.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Final
from xml.etree.ElementTree import Element

import msgspec

WIDTH: Final = 1_000.0
LEFT: Final = 92.0
RIGHT: Final = 838.0
"""Of the plotted part; the names of curves stand behind it."""

LABEL_GAP: Final = 17.0
STRIPS: Final = 120
SECOND_NS: Final = 1_000_000_000

_TIME_STEPS: Final = [
    *(step * 1_000_000 for step in (1, 2, 5, 10, 20, 50, 100, 200, 500)),
    *(step * SECOND_NS for step in (1, 2, 5, 10, 15, 30)),
    *(step * 60 * SECOND_NS for step in (1, 2, 5, 10, 15, 30)),
    *(step * 3_600 * SECOND_NS for step in (1, 2, 3, 6, 12, 24, 48, 96, 168, 336, 672, 1_344, 2_688)),
]

Child = Element | str | None


def element(tag: str, *children: Child, **attributes: str | float) -> Element:
    """``class_`` is the attribute ``class``; ``stroke_width`` is ``stroke-width``; numbers get one decimal."""
    made = Element(tag)
    for name, value in attributes.items():
        told = value if isinstance(value, str) else place(value)
        made.set(name.removesuffix("_").replace("_", "-"), told)
    last: Element | None = None
    for child in children:
        if isinstance(child, Element):
            made.append(child)
            last = child
        elif child and last is None:
            made.text = (made.text or "") + child
        elif child and last is not None:
            last.tail = (last.tail or "") + child
    return made


def place(value: float) -> str:
    """A coordinate: a tenth of a unit is less than anybody sees."""
    return f"{value:.1f}".removesuffix(".0")


def picture(height: float, described: str, *children: Child) -> Element:
    """The whole of one, with ``described`` for those who do not see it."""
    return element(
        "svg", *children, viewBox=f"0 0 {place(WIDTH)} {place(height)}", role="img", aria_label=described
    )


class Scale(msgspec.Struct, frozen=True):
    """Values from ``low`` to ``high`` to places from ``start`` to ``end``; ``logarithmic``: by their magnitude."""

    low: float
    high: float
    start: float
    end: float
    logarithmic: bool = False

    def __call__(self, value: float) -> float:
        low, high, value = self.low, self.high, min(max(value, self.low), self.high)
        if self.logarithmic:
            low, high, value = math.log10(low), math.log10(high), math.log10(value)
        if high == low:
            return (self.start + self.end) / 2
        return self.start + (value - low) / (high - low) * (self.end - self.start)


def round_step(span: float, count: int) -> float:
    """1, 2 or 5 times a power of ten, so that about ``count`` of it make ``span``."""
    if span <= 0:
        return 1.0
    raw = span / count
    power = 10.0 ** math.floor(math.log10(raw))
    return next((factor * power for factor in (1.0, 2.0, 5.0) if factor * power >= raw), 10.0 * power)


def ticks(low: float, high: float, count: int = 5) -> list[tuple[float, str]]:
    """Round values between ``low`` and ``high``, with as many decimals as tell them apart; two at the least where both
    are :func:`widened`."""
    step = round_step(high - low, count)
    if low < 0.0 < high and step > max(-low, high):
        step = round_step(high - low, 2 * count)  # only 0 would be there
    decimals = max(-math.floor(math.log10(step)), 0)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [(number * step, f"{number * step + 0.0:,.{decimals}f}") for number in range(first, last + 1)]


def widened(values: Iterable[float], count: int = 5) -> tuple[float, float]:
    """The range of ``values`` and 0, out to the next round ones."""
    found = [0.0, *values]
    low, high = min(found), max(found)
    if low == high:
        return -1.0, 1.0
    step = round_step(high - low, count)
    return math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step


def clock(ts: int, step_ns: int) -> str:
    """Time of day, as fine as ``step_ns`` needs it; the day, where that is what counts."""
    moment = datetime.fromtimestamp(ts // SECOND_NS, UTC)
    if step_ns >= 24 * 3_600 * SECOND_NS:
        return f"{moment:%d %b}"
    if step_ns >= 60 * SECOND_NS:
        return f"{moment:%H:%M}"
    if step_ns >= SECOND_NS:
        return f"{moment:%H:%M:%S}"
    return f"{moment:%H:%M:%S}.{ts // 1_000_000 % 1_000:03d}"


def time_ticks(low: int, high: int, count: int = 8) -> list[tuple[int, str]]:
    """Round moments between two, in nanoseconds since 1970."""
    span = max(high - low, 1)
    step = next((one for one in _TIME_STEPS if span // one <= count), _TIME_STEPS[-1])
    first = -(-low // step) * step
    return [(ts, clock(ts, step)) for ts in range(first, high + 1, step)]


def horizontal_grid(scale: Scale, count: int = 5) -> list[Element]:
    """Lines and numbers of the vertical axis; the line of 0 is stronger."""
    found = []
    for value, label in ticks(scale.low, scale.high, count):
        y = scale(value)
        found.append(
            element("path", class_="zero" if value == 0 else "grid", d=f"M{LEFT} {place(y)}H{RIGHT}")
        )
        found.append(element("text", label, x=LEFT - 9, y=y + 4, class_="tick end"))
    return found


def time_axis(scale: Scale, low: int, high: int, bottom: float) -> list[Element]:
    """Ticks and times of the horizontal axis; ``scale`` takes nanoseconds since ``low``."""
    found = [element("path", class_="axis", d=f"M{place(scale.start)} {place(bottom)}H{place(scale.end)}")]
    for ts, label in time_ticks(low, high):
        x = scale(ts - low)
        found.append(element("path", class_="axis", d=f"M{place(x)} {place(bottom)}v5"))
        found.append(element("text", label, x=x, y=bottom + 19, class_="tick middle"))
    return found


class Line(msgspec.Struct, frozen=True):
    """A curve of steps: ``points`` are nanoseconds and values, ``told`` their values for people."""

    name: str
    style: str
    points: Sequence[tuple[int, float]]
    told: Sequence[str]


def step_path(points: Sequence[tuple[int, float]], x: Scale, y: Scale, low: int, end: int) -> str:
    """Level until the next point, and from the last one to ``end``."""
    drawn: list[str] = []
    for ts, value in points:
        now_x, now_y = place(x(ts - low)), place(y(value))
        drawn.append(f"H{now_x}V{now_y}" if drawn else f"M{now_x} {now_y}")
    return "".join(drawn) + (f"H{place(x(end - low))}" if drawn else "")


def apart(wanted: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Places near the ``wanted`` ones that are ``gap`` from each other, in the same order of height."""
    order = sorted(range(len(wanted)), key=lambda number: wanted[number])
    found = list(wanted)
    previous = low - gap
    for number in order:
        found[number] = previous = max(found[number], previous + gap)
    following = high + gap
    for number in reversed(order):
        found[number] = following = min(found[number], following - gap)
    return found


def line_names(lines: Sequence[Line], y: Scale) -> list[Element]:
    """The names of curves behind their ends, each with a piece of its line."""
    drawn = [line for line in lines if line.points]
    ends = [y(line.points[-1][1]) for line in drawn]
    low, high = min(y.start, y.end), max(y.start, y.end)
    found = []
    for line, end, at in zip(drawn, ends, apart(ends, LABEL_GAP, low, high), strict=True):
        found.append(element("path", class_="lead", d=f"M{RIGHT + 3} {place(end)}L{RIGHT + 12} {place(at)}"))
        found.append(element("path", class_=f"line {line.style}", d=f"M{RIGHT + 12} {place(at)}h22"))
        found.append(element("text", line.name, x=RIGHT + 40, y=at + 4, class_="name"))
    return found


def strips(lines: Sequence[Line], x: Scale, low: int, end: int, top: float, bottom: float) -> list[Element]:
    """Invisible stripes over a plot that tell, where the pointer rests, the time and every curve's value."""
    span = max(end - low, 1)
    count = min(STRIPS, max((len(line.points) for line in lines), default=0))
    found = []
    positions = [0] * len(lines)
    for number in range(count):
        until = low + span * (number + 1) // count
        told = [clock(until, 1)]
        for index, line in enumerate(lines):
            while positions[index] + 1 < len(line.points) and line.points[positions[index] + 1][0] <= until:
                positions[index] += 1
            if line.points and line.points[positions[index]][0] <= until:
                told.append(f"{line.name}: {line.told[positions[index]]}")
        left, right = x(span * number // count), x(until - low)
        title = element("title", "\n".join(told))
        found.append(
            element("rect", title, class_="strip", x=left, y=top, width=right - left, height=bottom - top)
        )
    return found


def triangle(x: float, y: float, up: bool, style: str, told: str) -> Element:
    """A mark whose tip is at the place: up is a buy, down a sale."""
    d = f"M{place(x)} {place(y)}l5 9h-10z" if up else f"M{place(x)} {place(y)}l5 -9h-10z"
    return element("path", element("title", told), class_=style, d=d)
