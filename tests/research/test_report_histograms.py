"""A report's pictures that count."""

from __future__ import annotations

from xml.etree.ElementTree import Element

import pytest

from livestack.research.report import Denials
from livestack.research.report_histograms import RULES_SHOWN, denial_plot, latency_plot, slippage_plot
from livestack.research.report_measures import Distribution
from tests.research.test_report_plots import classes


def of(*values: int) -> Distribution:
    found = Distribution()
    for value in values:
        found.add(value)
    return found


def counted(drawn: Element) -> int:
    """Over all bars."""
    return sum(int("".join(one.itertext()).replace(",", "")) for one in classes(drawn, "bar"))


def test_slippage_by_liquidity() -> None:
    """A histogram each, whose bars have all fills, the far ones too; maker and taker look different."""
    drawn = slippage_plot({"maker": of(*range(-900, -400)), "taker": of(0, 0, 5_000, 90_000_000)})
    assert 504 == counted(drawn)
    assert classes(drawn, "one")
    assert classes(drawn, "two")
    assert ["maker", "taker"] == [
        one.text for one in classes(drawn, "name") if one.text in ("maker", "taker")
    ]


def test_slippage_that_is_always_nothing() -> None:
    """A taker that always got what it saw."""
    assert 3 == counted(slippage_plot({"taker": of(0, 0, 0), "maker": Distribution()}))


@pytest.mark.parametrize("values", [(0,), (1, 2, 3), (700_000, 1_500_000), (5, 10**12), (10**9,)])
def test_latencies(values: tuple[int, ...]) -> None:
    """From nothing to minutes: all are in a bar, each percentile has its line, and few ticks have no numbers."""
    drawn = latency_plot({("venue", "new"): of(*values)})
    assert len(values) == counted(drawn)
    assert [2, 2, 2] == [len(classes(drawn, f"p{percent}")) for percent in (50, 90, 99)]
    assert 2 <= len(classes(drawn, "middle")) <= 14


def test_denials_by_how_often() -> None:
    """The most frequent first, with counts; what was withdrawn looks different; of very many rules some."""
    found = {f"rule {number}": Denials(denied=number) for number in range(30)}
    found["gone"] = Denials(denied=1, withdrawn=500)
    drawn = denial_plot(found)
    names = [one.text for one in classes(drawn, "name")]
    assert ["gone", "rule 29"] == names[:2]
    assert RULES_SHOWN == len(names)
    assert "1 denied, 500 withdrawn" == classes(drawn, "tick")[0].text
    assert 1 == len(classes(drawn, "two"))
