"""The pictures of a report over time: profit and loss, positions, what happened when. Pure. Any one thread."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from xml.etree.ElementTree import Element

from livestack.research.report import Holding, Result
from livestack.research.report_drawing import (
    LEFT,
    RIGHT,
    Line,
    Scale,
    clock,
    element,
    horizontal_grid,
    line_names,
    picture,
    place,
    step_path,
    strips,
    time_axis,
    triangle,
    widened,
)
from livestack.research.report_measures import Point, plain
from livestack.research.report_timeline import LANE_ORDER, Moment, Timeline

LANES_LEFT: Final = 130.0

Ends = tuple[int, int]
"""The first and the last moment of the session, nanoseconds since 1970: all pictures over time have the same axis."""


def profit_plot(asset: str, result: Result, ends: Ends) -> Element:
    """Realised; after fees; with what is open at its marks."""
    lines = [
        _line("realised", "first", result.realised.points()),
        _line("after fees", "second", result.net.points()),
        _line("with unrealised", "third", result.total.points()),
    ]
    return _over_time(f"Profit and loss in {asset} over time", lines, ends, 300, [])


def position_plot(instrument: str, holding: Holding, ends: Ends) -> Element:
    """The quantity held, with a mark per fill; of very many fills some."""
    line = _line("position", "first", holding.curve.points())
    marks = [
        (ts, float(qty), bought, f"{clock(ts, 1)} {'bought' if bought else 'sold'}, then {plain(qty)}")
        for ts, qty, bought in holding.marks.kept
    ]
    return _over_time(f"Position in {instrument} over time", [line], ends, 210, marks)


def _line(name: str, style: str, points: Sequence[Point]) -> Line:
    return Line(
        name, style, [(ts, float(value)) for ts, value in points], [plain(value) for _, value in points]
    )


def _over_time(
    described: str,
    lines: list[Line],
    ends: Ends,
    height: float,
    marks: Sequence[tuple[int, float, bool, str]],
) -> Element:
    low, end = ends
    top, bottom = 12.0, height - 28
    bounds = widened(value for line in lines for _, value in line.points)
    x, y = Scale(0, max(end - low, 1), LEFT, RIGHT), Scale(*bounds, bottom, top)
    drawn = [
        element("path", class_=f"line {line.style}", d=step_path(line.points, x, y, low, end))
        for line in lines
    ]
    stripes = strips(lines, x, low, end, top, bottom)
    triangles = [
        triangle(x(ts - low), y(value), up, "buy" if up else "sell", told) for ts, value, up, told in marks
    ]
    axes = [*horizontal_grid(y), *time_axis(x, low, end, bottom)]
    return picture(height, described, *axes, *drawn, *stripes, *triangles, *line_names(lines, y))


def timeline_plot(timeline: Timeline, ends: Ends) -> Element:
    """A lane per kind of moment; incidents with how long they were open. Shapes tell grades."""
    low, end = ends
    lanes = [name for name in LANE_ORDER if timeline.counts.get(name)]
    row, top = 30.0, 4.0
    bottom = top + row * len(lanes) + 4
    x = Scale(0, max(end - low, 1), LANES_LEFT, RIGHT + 100)
    drawn = []
    for number, lane in enumerate(lanes):
        y = top + row * number + row / 2
        drawn.append(element("path", class_="grid", d=f"M{LANES_LEFT} {place(y)}H{place(x.end)}"))
        drawn.append(element("text", lane, x=LANES_LEFT - 12, y=y + 4, class_="name end"))
        drawn.append(element("text", f"{timeline.counts[lane]:,}", x=x.end + 12, y=y + 4, class_="tick"))
        if lane == "incidents":
            for span in timeline.spans.kept:
                left, right = x(span.start - low), x((span.end or end) - low)
                told = element("title", f"{span.name} {span.scope}".strip())
                width = max(right - left, 2)
                drawn.append(element("rect", told, class_="span", x=left, y=y - 4, width=width, height=8))
        drawn += [_moment(moment, x(moment.ts - low), y) for moment in timeline.marks(lane)]
    return picture(bottom + 28, "What happened when", *drawn, *time_axis(x, low, end, bottom))


def _moment(moment: Moment, x: float, y: float) -> Element:
    told = element("title", f"{clock(moment.ts, 1)} {moment.event} {moment.scope}\n{moment.text}")
    if moment.grade == "info":
        return element("circle", told, class_="info", cx=x, cy=y, r=4.5)
    if moment.grade == "warning":
        return element("path", told, class_="warning", d=f"M{place(x)} {place(y - 6)}l6 11h-12z")
    return element("rect", told, class_="bad", x=x - 5, y=y - 5, width=10, height=10)
