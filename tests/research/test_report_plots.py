"""A report's pictures over time."""

from __future__ import annotations

import re
from xml.etree.ElementTree import Element

from livestack.research.report import Findings
from livestack.research.report_plots import position_plot, profit_plot, timeline_plot
from tests.research.report_records import INSTRUMENTS, busy, head
from tests.research.report_records import Maker as MakerOfRecords

BTC = INSTRUMENTS[0]


def classes(drawn: Element, name: str) -> list[Element]:
    return [one for one in drawn.iter() if name in one.get("class", "").split()]


def inside(drawn: Element) -> bool:
    """Whether every place of every path lies in the picture."""
    height = float(drawn.get("viewBox", "").split()[-1])
    for one in drawn.iter("path"):
        for command, numbers in re.findall(r"([MHV])([-\d. ]+)", one.get("d", "")):
            values = [float(each) for each in numbers.split()]
            high = [1_000.0, height] if command == "M" else [1_000.0 if command == "H" else height]
            if not all(0 <= value <= limit for value, limit in zip(values, high, strict=True)):
                return False
    return True


def test_profit_and_loss() -> None:
    """Three curves with their names, which differ by their dashes too, and what holds where the pointer is."""
    found = Findings.of(busy(100))
    drawn = profit_plot("USDT", found.results["USDT"], (found.first[1], found.last[1]))
    names = [one.text for one in classes(drawn, "name")]
    assert ["realised", "after fees", "with unrealised"] == names
    assert [2, 2, 2] == [len(classes(drawn, style)) for style in ("first", "second", "third")]
    assert classes(drawn, "strip")
    assert inside(drawn)


def test_positions_have_a_mark_per_fill() -> None:
    """Of two shapes, each with its words."""
    found = Findings.of(busy(100))
    drawn = position_plot(BTC, found.holdings[BTC], (found.first[1], found.last[1]))
    bought, sold = classes(drawn, "buy"), classes(drawn, "sell")
    assert 50 == len(bought) + len(sold)
    assert {True} == {"bought, then" in "".join(one.itertext()) for one in bought}
    assert inside(drawn)


def test_a_single_fill() -> None:
    """A session of one moment can be drawn."""
    maker = MakerOfRecords()
    found = Findings.of([*head(maker), maker.position(BTC, qty="1", realised="5")])
    ends = (found.first[1], found.first[1] + 1)
    assert inside(profit_plot("USDT", found.results["USDT"], ends))
    assert inside(position_plot(BTC, found.holdings[BTC], ends))


def test_the_timeline_has_a_lane_per_kind() -> None:
    """In its order; grades differ by shape, incidents have a bar as long as they were open."""
    found = Findings.of(busy(300))
    drawn = timeline_plot(found.timeline, (found.first[1], found.last[1]))
    lanes = ["session", "trading state", "incidents", "connections", "commands"]
    assert lanes == [one.text for one in classes(drawn, "name")]
    assert 2 == len(classes(drawn, "span"))
    assert {"circle"} == {one.tag for one in classes(drawn, "info")}
    assert {"path"} == {one.tag for one in classes(drawn, "warning")}
    assert {"rect"} == {one.tag for one in classes(drawn, "bad")}
