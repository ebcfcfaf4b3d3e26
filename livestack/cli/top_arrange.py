"""Where the panels of ``livestack top`` stand, for any size of terminal. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

HEAD_ROWS = 3
BANNER_ROWS = 4
FOOT_ROWS = 1
WIDE = 120
"""Columns from which two panels stand beside each other; three from :data:`VERY_WIDE` on."""

VERY_WIDE = 190
GUTTER = 2


class Place(NamedTuple):
    """In cells, from the screen's left upper corner."""

    x: int
    y: int
    width: int
    height: int


class Need(NamedTuple):
    """``rank``: the lower, the sooner it gets room. ``least``: rows without which it is left out."""

    name: str
    rank: int
    least: int


VENUES, MARKET, ORDERS = Need("venues", 0, 3), Need("market", 4, 4), Need("orders", 1, 4)
POSITIONS, FILLS, EVENTS = Need("positions", 2, 4), Need("fills", 8, 5), Need("events", 3, 5)
RATES, LATENCY, DENIALS = Need("rates", 7, 6), Need("latency", 5, 5), Need("denials", 6, 3)
SYSTEM, SINKS, BALANCES = Need("system", 9, 4), Need("sinks", 10, 3), Need("balances", 11, 4)

OVERVIEWS: Mapping[int, tuple[tuple[Need, ...], ...]] = {
    1: ((VENUES, MARKET, ORDERS, POSITIONS, DENIALS, LATENCY, RATES, SYSTEM, SINKS, FILLS, EVENTS),),
    2: (
        (VENUES, MARKET, ORDERS, POSITIONS, FILLS, EVENTS),
        (LATENCY, RATES, DENIALS, SYSTEM, SINKS, BALANCES),
    ),
    3: (
        (VENUES, MARKET, ORDERS, POSITIONS, EVENTS),
        (LATENCY, RATES, DENIALS, SYSTEM),
        (SINKS, BALANCES, FILLS),
    ),
}
"""By number of columns; in each from top to bottom."""

VIEWS: Mapping[str, tuple[str, ...]] = {
    "overview": (),
    "incidents": ("all_incidents",),
    "market": ("venues", "market", "balances"),
    "orders": ("orders",),
    "positions": ("positions",),
    "fills": ("fills",),
    "events": ("events",),
    "risk": ("risk",),
    "speed": ("latency", "rates"),
    "system": ("system", "sinks"),
}
"""Pages, in the order of their keys 1 to 9 and 0."""


def columns_of(width: int) -> int:
    return 1 if width < WIDE else 2 if width < VERY_WIDE else 3


def column_widths(width: int) -> list[int]:
    """Of the overview; the first ones are the widest."""
    count = columns_of(width)
    shares = {1: (1.0,), 2: (0.58, 0.42), 3: (0.40, 0.30, 0.30)}[count]
    room = width - GUTTER * (count - 1)
    widths = [int(room * share) for share in shares]
    widths[0] += room - sum(widths)
    return widths


def incident_rows(height: int) -> int:
    """Lines that incidents may take."""
    return 3 if height < 30 else 6 if height < 45 else 8


def arrange(
    view: str, width: int, height: int, incidents: int, is_stale: bool, wanted: Mapping[str, int]
) -> dict[str, Place]:
    """Name -> place; what is not in it is not shown. ``wanted``: rows that each panel could fill."""
    places = {"head": Place(0, 0, width, min(HEAD_ROWS, height))}
    y = HEAD_ROWS
    if is_stale:
        places["banner"] = Place(0, y, width, BANNER_ROWS)
        y += BANNER_ROWS
    if view != "incidents":
        places["incidents"] = Place(0, y, width, incidents)
        y += incidents
    bottom = height - FOOT_ROWS
    places["foot"] = Place(0, bottom, width, FOOT_ROWS)
    if view != "overview":
        names = VIEWS.get(view) or (view,)
        needs = [Need(name, rank, 1) for rank, name in enumerate(names)]
        return places | _column(needs, 0, y, width, bottom - y, wanted, is_last_greedy=len(names) == 1)
    x = 0
    for needs_, wide in zip(OVERVIEWS[columns_of(width)], column_widths(width), strict=True):
        greedy = needs_[-1] in (EVENTS, FILLS)
        places |= _column(needs_, x, y, wide, bottom - y, wanted, is_last_greedy=greedy)
        x += wide + GUTTER
    return places


def _column(
    needs: Sequence[Need],
    x: int,
    y: int,
    width: int,
    height: int,
    wanted: Mapping[str, int],
    *,
    is_last_greedy: bool,
) -> dict[str, Place]:
    heights = shared(needs, height, wanted, is_last_greedy)
    places: dict[str, Place] = {}
    for need in needs:
        rows = heights.get(need.name, 0)
        if rows:
            places[need.name] = Place(x, y, width, rows)
            y += rows
    return places


def shared(
    needs: Sequence[Need], height: int, wanted: Mapping[str, int], is_last_greedy: bool = False
) -> dict[str, int]:
    """Rows for each: first the least of as many as have room, by rank; then what they want, one row each in turn."""
    heights: dict[str, int] = {}
    left = height
    for need in sorted(needs, key=lambda one: one.rank):
        if need.least <= left:
            heights[need.name] = max(min(need.least, wanted.get(need.name, need.least)), 1)
            left -= heights[need.name]
    ranked = [one.name for one in sorted(needs, key=lambda one: one.rank) if one.name in heights]
    while left > 0:
        hungry = [name for name in ranked if heights[name] < wanted.get(name, 0)]
        if not hungry:
            break
        for name in hungry[:left]:
            heights[name] += 1
        left -= len(hungry[:left])
    if left > 0 and is_last_greedy and needs[-1].name in heights:
        heights[needs[-1].name] += left
    return heights
