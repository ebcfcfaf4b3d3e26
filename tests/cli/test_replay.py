"""``livestack replay``: the keys that stay fixed, exit codes, and what a person reads."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result
from pyarrow import parquet

from livestack.cli.main import cli
from livestack.core.events import IntentDispatched
from livestack.core.types import Side
from livestack.exceptions import UsageError
from livestack.journal.format import EVENTS, key_of
from tests.journal.test_reader import change
from tests.research.sessions import (
    CLOSING,
    header,
    keep_snapshots,
    opening,
    quotes,
    record,
    rules,
    store,
)
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


def test_export_to_stdout(directory: Path) -> None:
    """A dash is stdout, in lines of JSON, and no file of that name."""
    result = run(directory, "s", "--export", "-")
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert list(range(1, len(lines) + 1)) == [line["seq"] for line in lines]
    assert f"wrote {len(lines):,} Events to stdout" in result.stderr
    assert not Path("-").exists()


def test_export_goes_by_its_suffix(directory: Path, tmp_path: Path) -> None:
    """Parquet and lines of JSON hold the same Events; another suffix is a usage error."""
    for suffix in ("parquet", "jsonl"):
        content = json.loads(run(directory, "--export", str(tmp_path / f"e.{suffix}"), "--json").stdout)
        assert (True, str(tmp_path / f"e.{suffix}")) == (content["complete"], content["path"])
    lines = len((tmp_path / "e.jsonl").read_text().splitlines())
    assert lines == content["events"] == parquet.read_table(tmp_path / "e.parquet").num_rows
    with pytest.raises(UsageError, match=r"e.csv must end in .jsonl or .parquet"):
        run(directory, "--export", str(tmp_path / "e.csv"))


def test_export_leaves_out_what_cannot_be_read_and_says_so(directory: Path, tmp_path: Path) -> None:
    """Exit 6, with everything else in the file."""
    change(directory / "sessions", EVENTS, key_of(40), b"something else")
    result = run(directory, "--export", str(tmp_path / "e.jsonl"))
    seqs = [json.loads(line)["seq"] for line in (tmp_path / "e.jsonl").read_text().splitlines()]
    assert (6, [39, 41]) == (result.exit_code, seqs[38:40])
    assert "seq 40" in result.stderr


@pytest.mark.parametrize("options", [["--json"], ["--export", "-"], ["--step"]])
def test_a_reader_that_has_seen_enough_is_no_failure(directory: Path, options: list[str]) -> None:
    """As ``| head -c1`` does: no traceback, no complaint at the interpreter's end."""
    with subprocess.Popen(
        [sys.executable, "-m", "livestack", "replay", "--data-dir", str(directory), *options],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        process.stdin.close()
        said = process.stderr.read()
    assert 0 == process.returncode
    assert "Traceback" not in said
    assert "BrokenPipe" not in said


def test_ways_that_do_not_go_together(directory: Path) -> None:
    """One look at a time."""
    with pytest.raises(UsageError, match="--verify and --step do not go together"):
        run(directory, "--verify", "--step")
    with pytest.raises(UsageError, match="leave --to out"):
        run(directory, "--follow", "--to", "3")


def test_from_the_newest_snapshot(tmp_path: Path) -> None:
    """The range is said to people and tools."""
    configuration = rules(tmp_path)
    head = header("s", configuration)
    records = record(configuration, [*opening("s"), *quotes(50), *CLOSING])
    store(tmp_path, head, records)
    (seq,) = keep_snapshots(tmp_path, head, configuration, records, [30])
    content = json.loads(run(tmp_path, "--from-snapshot", "--json").stdout)
    assert (seq + 1, True, False) == (content["from_seq"], content["identical"], content["complete"])
    text = run(tmp_path, "--from-snapshot").stdout
    assert f"from seq {seq + 1}" in text
    assert f"not replayed: 1 to {seq}" in text
    content = json.loads(run(tmp_path, "--to", "40", "--show", "state", "--json").stdout)
    assert (seq + 1, "RUNNING") == (content["from_seq"], content["state"]["phase"])


def test_what_was_replayed_of_a_damaged_journal_is_said(directory: Path) -> None:
    """Exit 6; the ranges before and behind the damage."""
    change(directory / "sessions", EVENTS, key_of(40), b"something else")
    result = run(directory)
    assert 6 == result.exit_code
    assert "replayed, and the same: 1 to 39" in result.stdout
    content = json.loads(run(directory, "--json").stdout)
    assert ([[1, 39]], False) == (content["replayed"], content["chain_ok"])
    assert 40 == content["not_replayed"][0][0]
