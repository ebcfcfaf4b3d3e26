"""``livestack why``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from livestack.cli.main import cli
from livestack.exceptions import UsageError
from tests.research.orders import denied, filled


def why(directory: Path, *arguments: str) -> Result:
    return CliRunner().invoke(cli, ["why", *arguments, "--data-dir", str(directory)], catch_exceptions=False)


def test_a_list_of_steps(tmp_path: Path) -> None:
    """Each with position, time, name, sentence and facts."""
    filled(tmp_path)
    steps = json.loads(why(tmp_path, "1", "--json").stdout)
    assert ["market", "intent", "rules", "dispatch", "sent", "answer", "fill", "state"] == [
        one["step"] for one in steps
    ]
    assert {"seq", "ts", "at", "after_ns", "step", "text", "details"} == set(steps[0])


def test_people_read_it_in_order(tmp_path: Path) -> None:
    """Every rule on request; otherwise those that have a limit."""
    filled(tmp_path)
    text = why(tmp_path, "V7").stdout
    assert "order 1 of session s" in text
    places = [text.index(word) for word in ("market", "the strategy wants", "dispatch", "every byte", "fill")]
    assert sorted(places) == places
    assert "max_order_qty" not in text
    assert "max_order_qty" in why(tmp_path, "V7", "--rules").stdout
    assert "trading_state" in why(tmp_path, "V7", "--rules").stdout


def test_a_denied_intent(tmp_path: Path) -> None:
    """By its position: the rule that objected, with figure and limit."""
    denied(tmp_path)
    text = why(tmp_path, "--seq", "8").stdout
    line = next(one for one in text.splitlines() if "denies" in one)
    assert ["denies", "max_position", "0.01", "BTC", "of", "0.005", "BTC"] == line.split()


def test_usage(tmp_path: Path) -> None:
    """Nothing, both, an unknown order: what would be right."""
    filled(tmp_path)
    for arguments in ([], ["1", "--seq", "7"]):
        with pytest.raises(UsageError, match="name an order, or --seq"):
            why(tmp_path, *arguments)
    with pytest.raises(UsageError, match="no order 99 in session s"):
        why(tmp_path, "99")
