"""``livestack replay``: the keys that stay fixed, exit codes, and what a person reads."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from livestack.cli.main import cli
from livestack.core.events import IntentDispatched
from livestack.core.types import Side
from livestack.exceptions import UsageError
from tests.research.sessions import CLOSING, header, opening, quotes, record, rules, store

KEYS = {
    "session",
    "from_seq",
    "complete",
    "comparable",
    "events",
    "derived",
    "identical",
    "first_difference",
    "digest",
    "events_per_s",
    "chain_ok",
}


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A data directory with one sound session."""
    configuration = rules(tmp_path)
    store(tmp_path, header("s", configuration), record(configuration, [*opening("s"), *quotes(50), *CLOSING]))
    return tmp_path


def run(directory: Path, *arguments: str) -> Result:
    return CliRunner().invoke(
        cli, ["replay", *arguments, "--data-dir", str(directory)], catch_exceptions=False
    )


def test_json_has_its_fixed_keys(directory: Path) -> None:
    """Exit 0 for an identical session."""
    result = run(directory, "latest", "--json")
    content = json.loads(result.stdout)
    assert content.keys() >= KEYS
    assert (0, True, True) == (result.exit_code, content["identical"], content["chain_ok"])


def test_people_read_identical(directory: Path) -> None:
    """The word, the counts, the digest."""
    result = run(directory)
    assert "identical" in result.stdout
    assert "as written" in result.stdout


def test_a_difference_is_exit_6_and_shown_on_both_sides(tmp_path: Path) -> None:
    """What was journalled and what came out, at the position."""
    configuration = rules(tmp_path)
    stream = record(configuration, [*opening("s"), *quotes(50), *CLOSING])
    for index, one in enumerate(stream):
        if isinstance(one.event, IntentDispatched):
            request = msgspec.structs.replace(one.event.request, side=Side.SELL, qty=7)
            stream[index] = msgspec.structs.replace(
                one, event=IntentDispatched(request=request, admitted_ts=one.event.admitted_ts)
            )
            break
    store(tmp_path, header("s", configuration), stream)
    result = run(tmp_path, "s", "--json")
    difference = json.loads(result.stdout)["first_difference"]
    assert (6, index + 1, 7) == (
        result.exit_code,
        difference["seq"],
        difference["journalled"]["request"]["qty"],
    )
    assert "different" in run(tmp_path, "s").stdout


def test_verify_finds_damage(directory: Path) -> None:
    """Exit 0 for what is as written, 6 for what is not."""
    assert 0 == run(directory, "--verify").exit_code
    (data,) = (directory / "sessions" / "s" / "journal").glob("*/data.mdb")
    content = bytearray(data.read_bytes())
    position = content.find(b"binance_spot:BTCUSDT", len(content) // 2)
    content[position] ^= 1
    data.write_bytes(content)
    result = run(directory, "--verify", "--json")
    assert (6, False) == (result.exit_code, json.loads(result.stdout)["chain_ok"])


def test_state_at_a_position(directory: Path) -> None:
    """Books, orders and positions as they were."""
    state = json.loads(run(directory, "s", "--to", "30", "--show", "state", "--json").stdout)["state"]
    assert "RUNNING" == state["phase"]
    assert "LIVE" == state["instruments"]["binance_spot:BTCUSDT"]["status"]


def test_export_writes_one_event_per_line(directory: Path, tmp_path: Path) -> None:
    """Names instead of numbers, every position."""
    target = tmp_path / "events.jsonl"
    run(directory, "s", "--export", str(target))
    lines = [json.loads(line) for line in target.read_text().splitlines()]
    assert list(range(1, len(lines) + 1)) == [line["seq"] for line in lines]
    assert "SessionStarted" == lines[0]["event"]


def test_an_unknown_session_is_a_usage_error(directory: Path) -> None:
    """With the names that there are."""
    with pytest.raises(UsageError, match="there are: latest, s"):
        run(directory, "other")
