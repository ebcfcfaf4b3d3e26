"""The pictures of a report that count: slippage, latencies, denials. Pure. Any one thread."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Final
from xml.etree.ElementTree import Element

from livestack.research.report import Denials
from livestack.research.report_drawing import LEFT, RIGHT, Scale, element, picture, place, ticks, widened
from livestack.research.report_measures import Distribution
from livestack.research.wording import duration

MILLI: Final = 1_000.0
BINS: Final = 74
RULES_SHOWN: Final = 20
ROWS_MAX: Final = 16
"""Histograms of one picture; the tables have all."""

SHORTEST_NS: Final = 1_000
"""Of the axis of times; what is shorter is in its first bar."""

FINE_DECADES: Final = 3
"""An axis of more has no room for what is between them."""

NAMES_END: Final = 236.0
"""Where the names before bars end."""

PERCENTILES: Final = (50, 90, 99)


def slippage_plot(found: Mapping[str, Distribution]) -> Element:
    """A histogram per liquidity, one below the other, over the same axis in basis points; outliers at its ends."""
    known = {name: one for name, one in found.items() if one.count}
    low, high = widened(
        edge / MILLI for one in known.values() for edge in (one.percentile(1), one.percentile(99))
    )
    x = Scale(low, high, LEFT, RIGHT)
    row, top = 92.0, 8.0
    bottom = top + row * len(known)
    drawn: list[Element] = []
    for value, label in ticks(low, high, 9):
        drawn.append(
            element(
                "path", class_="zero" if value == 0 else "grid", d=f"M{place(x(value))} {top}V{place(bottom)}"
            )
        )
        drawn.append(element("text", label, x=x(value), y=bottom + 18, class_="tick middle"))
    for number, (name, one) in enumerate(known.items()):
        base = top + row * (number + 1)
        samples = ((value / MILLI, count) for value, count in one)
        drawn += _bars(samples, x, base, row - 18, "two" if name == "taker" else "one")
        drawn.append(element("text", name, x=LEFT - 9, y=base - 22, class_="name end"))
        drawn.append(element("text", f"{one.count:,} fills", x=LEFT - 9, y=base - 6, class_="tick end"))
        drawn += _percentiles(one, x, base, row, lambda value: f"{value / MILLI:.2f} bp", MILLI)
    drawn.append(element("text", "better than the quote", x=LEFT, y=bottom + 36, class_="tick"))
    drawn.append(element("text", "worse than the quote", x=RIGHT, y=bottom + 36, class_="tick end"))
    return picture(
        bottom + 44, "Slippage of fills against the quote at decision time, in basis points", *drawn
    )


def latency_plot(found: Mapping[tuple[str, str], Distribution]) -> Element:
    """A histogram per venue and kind of request over the same logarithmic axis."""
    known = {name: one for name, one in found.items() if one.count}
    low = _decade(max(min(one.percentile(1) for one in known.values()), SHORTEST_NS), math.floor)
    high = max(_decade(max(one.high for one in known.values()), math.ceil), low * 10)
    x = Scale(low, high, LEFT + 40, RIGHT, logarithmic=True)
    factors = (1, 2, 5) if high <= low * 10**FINE_DECADES else (1,)
    row, top = 70.0, 8.0
    bottom = top + row * len(known)
    drawn: list[Element] = []
    value = low
    while value <= high:
        for factor in factors:
            drawn += _latency_tick(value * factor, x, bottom, factor == 1)
        value *= 10
    for number, ((venue, kind), one) in enumerate(known.items()):
        base = top + row * (number + 1)
        drawn += _bars(((float(max(each, 1)), count) for each, count in one), x, base, row - 16, "one")
        drawn.append(element("text", venue, x=LEFT + 30, y=base - 36, class_="tick end"))
        drawn.append(element("text", kind, x=LEFT + 30, y=base - 21, class_="name end"))
        drawn.append(element("text", f"{one.count:,}", x=LEFT + 30, y=base - 6, class_="tick end"))
        drawn += _percentiles(one, x, base, row, duration, 1.0)
    return picture(bottom + 28, "Time to acknowledgement by venue and kind of request", *drawn)


def _decade(value: int, rounded: Callable[[float], int]) -> int:
    """A power of ten that is not above, or not below."""
    return int(10 ** rounded(math.log10(max(value, 1))))


def _latency_tick(value: int, x: Scale, bottom: float, is_decade: bool) -> list[Element]:
    if value > x.high:
        return []
    at = x(value)
    line = element("path", class_="axis" if is_decade else "grid", d=f"M{place(at)} 8V{place(bottom)}")
    return [line, element("text", _round_time(value), x=at, y=bottom + 18, class_="tick middle")]


def _round_time(value: int) -> str:
    """1, 2 or 5 times a power of ten nanoseconds."""
    for unit, size in (("s", 1_000_000_000), ("ms", 1_000_000), ("us", 1_000)):
        if value >= size:
            return f"{value // size:,} {unit}"
    return f"{value} ns"


def _bars(
    samples: Iterable[tuple[float, int]], x: Scale, base: float, height: float, style: str
) -> list[Element]:
    """A histogram that stands on ``base``; what is beyond the axis is in its first or last bar."""
    counts: dict[int, int] = {}
    width = (x.end - x.start) / BINS
    for value, count in samples:
        number = min(int((x(value) - x.start) / width), BINS - 1)
        counts[number] = counts.get(number, 0) + count
    highest = max(counts.values(), default=1)
    drawn = [element("path", class_="axis", d=f"M{place(x.start)} {place(base)}H{place(x.end)}")]
    for number, count in sorted(counts.items()):
        tall = max(count / highest * height, 1.5)
        drawn.append(
            element(
                "rect",
                element("title", f"{count:,}"),
                class_=f"bar {style}",
                x=x.start + number * width + 0.5,
                y=base - tall,
                width=width - 1,
                height=tall,
            )
        )
    return drawn


def _percentiles(
    one: Distribution, x: Scale, base: float, row: float, told: Callable[[int], str], unit: float
) -> list[Element]:
    """A line at each percentile, and behind the plot which it is, with its value."""
    drawn = []
    for number, percent in enumerate(PERCENTILES):
        value = one.percentile(percent)
        at, y = place(x(value / unit)), base - 7 - (len(PERCENTILES) - 1 - number) * 17
        drawn.append(
            element(
                "path", class_=f"percentile p{percent}", d=f"M{at} {place(base)}V{place(base - row + 10)}"
            )
        )
        drawn.append(element("path", class_=f"percentile p{percent}", d=f"M{RIGHT + 14} {place(y + 4)}v-13"))
        drawn.append(element("text", f"p{percent}  {told(value)}", x=RIGHT + 24, y=y, class_="name"))
    return drawn


def denial_plot(found: Mapping[str, Denials]) -> Element:
    """Rules by how often they denied, and how many Intents were withdrawn."""
    ordered = sorted(found.items(), key=lambda each: (-each[1].denied - each[1].withdrawn, each[0]))[
        :RULES_SHOWN
    ]
    most = max((one.denied + one.withdrawn for _, one in ordered), default=1)
    x = Scale(0, most, NAMES_END, RIGHT)
    drawn, row = [], 26.0
    for number, (rule, one) in enumerate(ordered):
        y = 4 + row * number
        middle = x(one.denied)
        drawn.append(element("text", rule, x=NAMES_END - 10, y=y + 16, class_="name end"))
        if one.denied:
            drawn.append(
                element(
                    "rect", class_="bar one", x=NAMES_END, y=y + 3, width=middle - NAMES_END, height=row - 7
                )
            )
        if one.withdrawn:
            wide = x(one.denied + one.withdrawn) - middle
            drawn.append(element("rect", class_="bar two", x=middle, y=y + 3, width=wide, height=row - 7))
        count = f"{one.denied:,} denied" if one.denied else ""
        count += ", " if one.denied and one.withdrawn else ""
        count += f"{one.withdrawn:,} withdrawn" if one.withdrawn else ""
        drawn.append(element("text", count, x=x(one.denied + one.withdrawn) + 9, y=y + 16, class_="tick"))
    return picture(8 + row * len(ordered), "Denials by rule", *drawn)
