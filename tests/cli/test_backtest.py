"""``livestack backtest``: the keys that stay fixed, what a person reads, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from livestack.cli.backtest import BARS, sparkline
from livestack.cli.main import cli
from livestack.exceptions import ConfigurationError, UsageError
from livestack.summary import SessionSummary
from tests.live import configuration
from tests.live.strategies import market_maker
from tests.research.sessions import CLOSING, header, opening, quotes, record, rules, store
from tests.support import BINANCE_CAPTURE, ROOT
from tests.venues.binance_spot.capture import needs_capture

DEMO = str(ROOT / "etc" / "demo.toml")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["backtest", *arguments], catch_exceptions=False)


def test_the_json_has_the_keys_of_start_and_its_own() -> None:
    """Without any of the variables that the file refers to; the demo trades."""
    result = run("-c", DEMO, "--events", "synthetic", "--for", "20s", "--seed", "7", "--json")
    assert 0 == result.exit_code
    summary = json.loads(result.stdout)
    more = {"unrealised_pnl", "max_drawdown", "balances", "events_per_s"}
    assert set(SessionSummary.__struct_fields__) | more == set(summary)
    assert summary["fills"] > 0
    assert summary["denials"] == {}
    assert ("2024-01-01T00:00:00.000Z", {"USDT"}) == (summary["started"], set(summary["max_drawdown"]))


def test_people_see_a_table_and_a_plot() -> None:
    """The same table as start's, the drawdown, and the equity as a row of bars; nothing wider than 80 columns."""
    result = run("-c", DEMO, "--events", "synthetic", "--for", "30s")
    assert "max drawdown USDT" in result.stdout
    assert "session time" in result.stdout
    assert set(result.stdout.splitlines()[-1]) <= set(BARS)
    assert max(len(line) for line in result.stdout.splitlines()) <= 80


def test_a_journal_of_the_data_directory(tmp_path: Path) -> None:
    """``latest``, with the strategy of the file."""
    configured = rules(tmp_path)
    store(tmp_path, header("s", configured), record(configured, [*opening("s"), *quotes(50), *CLOSING]))
    path = configuration.write(tmp_path, ["BTCUSDT"], market_maker("BTCUSDT"))
    result = run("-c", str(path), "--events", "latest", "--data-dir", str(tmp_path), "--json")
    summary = json.loads(result.stdout)
    assert (0, "the history is over") == (summary["exit"], summary["reason"])
    assert summary["dispatches"] > 0


@needs_capture
def test_captured_traffic(tmp_path: Path) -> None:
    """Through the venue's own adapter; the market maker trades on it."""
    path = configuration.write(tmp_path, ["NKNUSDT"], market_maker("NKNUSDT", "100", "500"))
    summary = json.loads(run("-c", str(path), "--events", str(BINANCE_CAPTURE), "--json").stdout)
    assert summary["market_events"] > 100
    assert summary["fills"] > 0
    assert summary["started"].startswith("2021-10-12T")


def test_faults_of_the_backtest_table_are_told(tmp_path: Path) -> None:
    """Unknown keys, wrong values: each with its key."""
    path = tmp_path / "bad.toml"
    text = Path(DEMO).read_text().partition("[backtest]")[0]
    path.write_text(text + '\n[backtest]\nqueue = "middle"\norder_latncy = "1ms"\nfee_asset = "BNB"\n')
    with pytest.raises(ConfigurationError) as refused:
        run("-c", str(path), "--events", "synthetic", "--for", "1s")
    assert {"backtest.queue", "backtest.order_latncy", "backtest.fee_asset"} <= {
        key for key, _ in refused.value.faults
    }


def test_what_cannot_be_played_is_refused(tmp_path: Path) -> None:
    """One sentence that says what would be right."""
    with pytest.raises(UsageError, match="no/such is no directory, and no session in"):
        run("-c", DEMO, "--events", "no/such", "--data-dir", str(tmp_path))
    with pytest.raises(UsageError, match="--for 2h"):
        run("-c", DEMO, "--events", "synthetic")
    assert 2 == run("-c", DEMO).exit_code


@pytest.mark.parametrize(
    ("values", "width", "text"),
    [([0, 7], 9, "▁█"), ([5, 5, 5], 9, "▁▁▁"), ([], 9, ""), (list(range(100)), 4, "▁▃▅█")],
)
def test_a_row_of_bars(values: list[int], width: int, text: str) -> None:
    """From the least to the greatest; never more than the width; the last value is the last bar."""
    assert text == sparkline(values, width)
