"""``livestack sessions``."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from livestack.cli.main import cli
from livestack.cli.sessions import duration, size
from tests.journal.test_sessions import make
from tests.research.sessions import CLOSING, header, opening, quotes, record, rules, store_segments


def test_lists_what_there_is(tmp_path: Path) -> None:
    """As JSON and as a table."""
    make(tmp_path, "a", stopped=True)
    make(tmp_path, "b", stopped=False)
    result = CliRunner().invoke(cli, ["sessions", "--json", "--data-dir", str(tmp_path)])
    assert [("a", "stopped"), ("b", "interrupted")] == [
        (one["session"], one["state"]) for one in json.loads(result.stdout)
    ]
    table = CliRunner().invoke(cli, ["sessions", "--data-dir", str(tmp_path)]).stdout
    assert "interrupted" in table


def test_an_empty_directory_says_how_to_begin(tmp_path: Path) -> None:
    """No table without rows."""
    result = CliRunner().invoke(cli, ["sessions", "--data-dir", str(tmp_path / "none")])
    assert "livestack start" in result.stderr
    assert 0 == result.exit_code


def test_it_fits_a_terminal_and_says_what_is_there(tmp_path: Path) -> None:
    """Eighty columns, whatever is in it; segments, size and positions as JSON too."""
    configuration = rules(tmp_path)
    name = "20260101T000000Z-abcd"
    records = record(configuration, [*opening(name), *quotes(50), *CLOSING])
    segments = store_segments(tmp_path, header(name, configuration), records, 20)
    shutil.rmtree(segments[0])
    (tmp_path / "sessions" / name / "quarantine" / "x").mkdir(parents=True)
    make(tmp_path, "20260102T000000Z-abcd", stopped=False)
    result = CliRunner().invoke(cli, ["sessions", "--data-dir", str(tmp_path)])
    lines = result.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert f"21-{len(records)}" in lines[1]
    assert ": 1 in quarantine" in result.stderr
    found = json.loads(CliRunner().invoke(cli, ["sessions", "--json", "--data-dir", str(tmp_path)]).stdout)[0]
    assert (len(segments) - 1, 21, 1, "") == tuple(
        found[key] for key in ("segments", "first_seq", "quarantined", "damage")
    )
    assert found["bytes"] == sum((one / "data.mdb").stat().st_size for one in segments[1:])


def test_a_damaged_one_says_why(tmp_path: Path) -> None:
    """On stderr for people, with its reason for tools."""
    make(tmp_path, "a", stopped=True)
    for data in (tmp_path / "sessions").glob("a/journal/*/data.mdb"):
        data.write_bytes(b"garbage")
    assert "is damaged" in CliRunner().invoke(cli, ["sessions", "--data-dir", str(tmp_path)]).stderr
    (found,) = json.loads(CliRunner().invoke(cli, ["sessions", "--json", "--data-dir", str(tmp_path)]).stdout)
    assert ("damaged", 1, 7) == (found["state"], found["segments"], found["bytes"])
    assert "not a sound LMDB file" in found["damage"]


@pytest.mark.parametrize(
    ("count", "expected"),
    [(0, "0 B"), (999, "999 B"), (1_000, "1.0 kB"), (286_720, "286.7 kB"), (5 * 10**12, "5000.0 GB")],
)
def test_sizes(count: int, expected: str) -> None:
    """Three digits in front of the point at most, until there is no larger unit."""
    assert expected == size(count)


@pytest.mark.parametrize(
    ("nanoseconds", "expected"),
    [(0, "0.0 s"), (8_160_000_000, "8.1 s"), (304_000_000_000, "5:04"), (3_723_000_000_000, "1:02:03")],
)
def test_durations(nanoseconds: int, expected: str) -> None:
    """Seconds, minutes, hours."""
    assert expected == duration(nanoseconds)
