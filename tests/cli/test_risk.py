"""``livestack risk rules``: every rule, and what a file sets for each key, without the file's secrets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from livestack.cli.main import cli
from livestack.core.configuration import RiskLimits
from livestack.core.risk_rules import RULES
from livestack.exceptions import ConfigurationError
from tests.support import ROOT

COLUMNS = 80
DEMO = str(ROOT / "etc" / "demo.toml")
FILE = """
[venues.binance_spot]
adapter = "binance_spot"
rest_url = "${NOT_SET}"
stream_url = "${NOT_SET}"
ws_api_url = "${NOT_SET}"
symbols = ["BTCUSDT", "ETHUSDT"]
key_kind = "hmac"
api_key_env = "NOT_SET"
secret_env = "NOT_SET"
[strategy]
path = "no.such:Strategy"
[risk.defaults]
max_order_qty = "1"
max_order_notional = { USDT = "1000" }
[risk.venue.binance_spot]
max_open_orders = 5
[risk.instrument."binance_spot:BTCUSDT"]
max_order_qty = "0.01"
trade = true
"""


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["risk", "rules", *arguments], catch_exceptions=False)


def in_force(tmp_path: Path) -> dict[tuple[str, str], Any]:
    """By key and scope of ``FILE``: value and whether it is configured."""
    path = tmp_path / "node.toml"
    path.write_text(FILE)
    rules = json.loads(run("-c", str(path), "--json").stdout)["rules"]
    return {
        (one["key"], one["scope"]): (one["value"], one["configured"])
        for rule in rules
        for one in rule["in_force"]
    }


def test_rules_are_listed_in_the_order_in_which_they_are_asked() -> None:
    """For tools, with sentence and keys; a limit of a monitor is named there too."""
    content = json.loads(run("--json").stdout)
    assert list(RULES) == [one["name"] for one in content["rules"]]
    assert all(one["denies"] for one in content["rules"])
    assert set(RiskLimits.__struct_fields__) < {key for one in content["rules"] for key in one["keys"]}
    assert all(one["name"] in one["keys"] for one in content["monitors"])


def test_values_come_from_instrument_venue_and_defaults(tmp_path: Path) -> None:
    """Key by key the narrowest scope that says something; no variable of the file has to be set."""
    found = in_force(tmp_path)
    assert ("0.01", True) == found[("max_order_qty", "binance_spot:BTCUSDT")]
    assert ("1", True) == found[("max_order_qty", "binance_spot:ETHUSDT")]
    assert (5, True) == found[("max_open_orders", "binance_spot:ETHUSDT")]
    assert (None, False) == found[("max_open_orders", "default")]
    assert ({"USDT": "1000"}, True) == found[("max_order_notional", "default")]


def test_what_is_not_configured_is_marked(tmp_path: Path) -> None:
    """In every scope that it denies in, the venue's rate limits included."""
    found = in_force(tmp_path)
    assert (None, False) == found[("trade", "binance_spot:ETHUSDT")]
    assert (True, True) == found[("trade", "binance_spot:BTCUSDT")]
    assert (None, False) == found[("execution.venue.NAME.rate_limits", "binance_spot")]
    text = run("-c", str(tmp_path / "node.toml")).stdout
    assert "max_position denies: not configured" in text
    assert "max_order_qty = 1\n" in "\n".join(line.rstrip() for line in text.splitlines())
    assert "max_order_qty for binance_spot:BTCUSDT = 0.01" in text
    assert "max_order_qty for binance_spot:ETHUSDT" not in text


def test_a_key_that_every_instrument_has_is_not_missed(tmp_path: Path) -> None:
    """Nothing can fall back to a default that is not there."""
    path = tmp_path / "node.toml"
    path.write_text(FILE + '[risk.instrument."binance_spot:ETHUSDT"]\ntrade = false\n')
    text = run("-c", str(path)).stdout
    assert "  trade denies: not configured" not in text
    assert "trade for binance_spot:ETHUSDT = false" in text


@pytest.mark.parametrize("arguments", [[], ["-c", DEMO]])
def test_the_table_fits_a_terminal(arguments: list[str]) -> None:
    """Nothing is cut off and no line is longer than 80 columns."""
    text = run(*arguments).stdout
    assert COLUMNS >= max(map(len, text.splitlines()))
    assert "…" not in text
    assert all(name in text for name in RULES)


def test_a_fault_of_the_file_is_told(tmp_path: Path) -> None:
    """As ``start`` would tell it."""
    path = tmp_path / "node.toml"
    path.write_text(FILE.replace("max_order_qty", "max_order_quantity"))
    with pytest.raises(ConfigurationError, match="did you mean max_order_qty"):
        run("-c", str(path))
