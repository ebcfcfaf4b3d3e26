"""``livestack replay``: the keys that stay fixed, exit codes, and what a person reads."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from livestack.cli.main import cli
from livestack.core.events import IntentDispatched
from livestack.core.types import Side
from livestack.exceptions import UsageError
from livestack.journal.format import EVENTS, key_of
from tests.journal.test_reader import change
from tests.research.sessions import CLOSING, header, opening, quotes, record, rules, store
from tests.support import ROOT

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
    change(directory / "sessions", EVENTS, key_of(40), b"something else")
    result = run(directory, "--verify", "--json")
    content = json.loads(result.stdout)
    assert (6, False) == (result.exit_code, content["chain_ok"])
    assert "seq 40" in content["damage"]
    assert 6 == run(directory, "--json").exit_code


@pytest.mark.parametrize("options", [["--verify"], ["--export", "/dev/null"], ["--to", "5"]])
def test_every_way_to_look_has_the_same_keys(directory: Path, options: list[str]) -> None:
    """What was not looked at is null."""
    content = json.loads(run(directory, *options, "--json").stdout)
    assert content.keys() >= KEYS
    assert "s" == content["session"]


def test_a_file_that_cannot_be_opened_is_exit_6_with_the_same_keys(directory: Path) -> None:
    """In a process of its own: an object for tools, a sentence for people, no traceback."""
    (data,) = (directory / "sessions" / "s" / "journal").glob("*/data.mdb")
    data.write_bytes(b"garbage")
    ended = subprocess.run(
        [sys.executable, "-m", "livestack", "replay", "--json", "--data-dir", str(directory)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    content = json.loads(ended.stdout)
    assert (6, False, False) == (ended.returncode, content["chain_ok"], content["identical"])
    assert content.keys() >= KEYS
    assert "damaged" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_other_semantics_are_no_failure(tmp_path: Path) -> None:
    """It is said; the exit code claims no difference."""
    configuration = rules(tmp_path)
    stream = record(configuration, [*opening("s"), *quotes(5), *CLOSING])
    store(tmp_path, header("s", configuration, semantics_version=0), stream)
    result = run(tmp_path)
    assert 0 == result.exit_code
    assert "not comparable" in result.stdout


def test_an_export_that_cannot_be_written_is_a_usage_error(directory: Path) -> None:
    """With the path and the cause."""
    with pytest.raises(UsageError, match="cannot be written: No such file"):
        run(directory, "--export", str(directory / "none" / "events.jsonl"))


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
