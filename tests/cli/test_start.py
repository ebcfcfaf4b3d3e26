"""``livestack start``: what it refuses before anything is started."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from livestack.cli.main import cli
from livestack.cli.start import short, show
from livestack.exceptions import ConfigurationError
from livestack.node.summary import DenialSummary, PositionSummary, SessionSummary


def test_every_fault_is_listed_and_nothing_is_started(tmp_path: Path) -> None:
    """Key and allowed values of each fault at once; no data directory is made."""
    path = tmp_path / "bad.toml"
    path.write_text('[journal]\ndurability = "sometimes"\n[nonsense]\nx = 1\n[strategy]\npath = 5\n')
    with pytest.raises(ConfigurationError) as refused:
        CliRunner().invoke(
            cli, ["start", "-c", str(path), "--data-dir", str(tmp_path / "data")], catch_exceptions=False
        )
    keys = {key for key, _ in refused.value.faults}
    assert {"journal.durability", "nonsense", "strategy.path", "venues"} <= keys
    assert '"full"' in str(refused.value)
    assert 2 == refused.value.exit_code
    assert not (tmp_path / "data").exists()


def test_the_summary_is_readable(capsys: pytest.CaptureFixture[str]) -> None:
    """Counts with thousands, positions as a table."""
    show(
        SessionSummary(
            session="s",
            exit=0,
            reason="over",
            events=1234,
            market_events=1000,
            execution_events=200,
            intents=10,
            denied=1,
            denials={"max_position": DenialSummary(1, "not configured")},
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
    )
    text = capsys.readouterr().out
    assert "1,234" in text
    assert "0.1 BTC" in text
    assert "max_position denied 1: not configured" in text


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
