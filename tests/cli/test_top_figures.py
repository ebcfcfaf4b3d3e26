"""The panels about the machinery: with metrics, and without."""

from __future__ import annotations

from livestack.cli.top_figures import balances, denials, latency, rates, risk, sinks, system
from livestack.cli.top_lines import width_of
from livestack.cli.top_picture import Picture
from tests.cli import top_support
from tests.cli.test_top_state import picture_of, styles_of, text_of
from tests.cli.top_support import status

PANELS = (rates, latency, denials, risk, system, sinks, balances)


def settled() -> Picture:
    picture = picture_of(status(), top_support.risk(), top_support.metrics())
    for second in range(5):
        picture.second(second / 10)
    return picture


def test_latency() -> None:
    """Percentiles with a unit that is read at a glance, and the last minute where there is room for it."""
    wide, narrow = text_of(latency(settled(), 0.0, 100)), text_of(latency(settled(), 0.0, 40))
    row = next(line for line in wide.splitlines() if line.startswith("tick-to-order"))
    assert ["1.55", "ms", "2.62", "ms", "3.70", "ms", "7.40", "ms", "█████"] == row.split()[1:]
    assert "p99" in narrow
    assert "█" not in narrow


def test_rates() -> None:
    """By category and venue, from metrics; the node's own counters are there without."""
    text = text_of(rates(settled(), 0.0, 80))
    for part in ("market", "900", "messages binance_spot", "880", "fills"):
        assert part in text
    assert "Events" in text_of(rates(picture_of(status()), 0.0, 80))


def test_without_telemetry() -> None:
    """It is said why there are no figures."""
    picture = picture_of(status())
    picture.metrics_trouble = "telemetry is off (telemetry.enabled)"
    for panel in (latency, system):
        assert "no figures: telemetry is off (telemetry.enabled)" in text_of(panel(picture, 0.0, 80))


def test_denials_by_rule() -> None:
    """The busiest first; a rule with several limits is one, and those that denied nothing are not there."""
    lines = text_of(denials(settled(), 0.0, 80)).splitlines()
    assert ["rate", "max_position"] == [line.split()[0] for line in lines[1:]]
    assert "1,200" in lines[1]
    assert 5 == len(text_of(risk(settled(), 0.0, 80)).splitlines())


def test_journal_and_process() -> None:
    """Sizes in units, what is lost only where something is."""
    text = text_of(system(settled(), 0.0, 80))
    for part in (
        "14 Events",
        "50.0 GiB",
        "12.5 a second",
        "302.7 KiB/s",
        "41 % of a core",
        "142.0 MiB",
        "3.80 ms",
    ):
        assert part in text
    assert "lost" not in text
    lost = settled()
    lost.metrics["log.lost"] = [top_support.counter("log.lost", 0.0, value=7)]
    assert "! 7" in text_of(system(lost, 0.0, 80))


def test_sinks() -> None:
    """State with a mark, lag, and what it said last."""
    found = sinks(settled(), 0.0, 80)
    assert "bad" == styles_of(found)["!! down"]
    assert "connection refused" in text_of(found)


def test_every_width() -> None:
    """Each line is exactly as wide as the panel."""
    for width in (10, 40, 66, 80, 200):
        for panel in PANELS:
            block = panel(settled(), 0.0, width)
            assert {width} >= {width_of(block.line(number)) for number in range(block.rows)}, panel.__name__
