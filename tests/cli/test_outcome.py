"""What people are shown of a session, live or in research."""

from __future__ import annotations

import pytest

from livestack.cli.outcome import short, show
from livestack.summary import DenialSummary, PositionSummary, SessionSummary

SUMMARY = SessionSummary(
    session="s",
    exit=0,
    reason="over",
    events=1234,
    market_events=1000,
    execution_events=200,
    intents=10,
    denied=1,
    denials={"max_position": DenialSummary(1, "not configured")},
    notices={"the strategy failed: KeyError in on_event at mine.py:7": 2},
    dispatches=9,
    orders=5,
    fills=3,
    positions=[PositionSummary("v:S", "1.0", "2.00", "0.5", {"BTC": "0.1"})],
    realised_pnl={"USDT": "0.5"},
    fees={"BTC": "0.1"},
    digest="d" * 64,
    last_seq=1234,
    recovered=False,
    started="",
    stopped="",
)


def test_the_summary_is_readable(capsys: pytest.CaptureFixture[str]) -> None:
    """Counts with thousands, positions as a table, first denials as sentences."""
    show(SUMMARY)
    text = capsys.readouterr().out
    assert "1,234" in text
    assert "0.1 BTC" in text
    assert "max_position denied 1: not configured" in text


def test_there_can_be_more_rows(capsys: pytest.CaptureFixture[str]) -> None:
    """Before the digest, which stays the last one."""
    show(SUMMARY, {"max drawdown USDT": "7"})
    text = capsys.readouterr().out
    assert text.index("fees") < text.index("max drawdown USDT") < text.index("digest")


@pytest.mark.parametrize(
    ("decimal", "text"),
    [
        ("0.36339627179", "0.36339627"),
        ("2.50000000", "2.5"),
        ("-3.000", "-3"),
        ("100", "100"),
        ("0.000000001", "0"),
    ],
)
def test_numbers_are_short_for_people(decimal: str, text: str) -> None:
    """Cut, never rounded; no zeros at the end."""
    assert text == short(decimal)
