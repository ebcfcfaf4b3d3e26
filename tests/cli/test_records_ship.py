"""``livestack records ship``: options, output and exit codes, with a real storage on disk."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from livestack.cli.records_ship import _tell
from livestack.cli.shipping import Shipped
from tests.actors.shipping import expected, session, stored
from tests.cli.support import Shell
from tests.support import Process

NOWHERE = "postgresql://nobody:hunter2@127.0.0.1:1/nothing"


def lines(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


def test_a_session_is_shipped_to_where_the_default_is(shell: Shell, tmp_path: Path) -> None:
    """With a sentence for people, and with what tools need for tools."""
    whole = stored(tmp_path)
    count = sum(map(len, expected(tmp_path, whole).values()))
    told = shell("records", "ship", "s")
    assert (0, "") == (told.code, told.err)
    assert f"s: {count:,} records to Delta Lake in {tmp_path}/records; it has everything\n" == told.out
    again = shell("records", "ship", "s", "--json")
    assert 0 == again.code
    assert {
        "session": "s",
        "sink": "local",
        "shipped": 0,
        "pending": 0,
        "through": len(whole.records),
    }.items() <= (again.json.items())


def test_all_sessions_into_several_sinks(shell: Shell, tmp_path: Path) -> None:
    """One object for each of both, oldest session first."""
    stored(tmp_path, name="a")
    stored(tmp_path, session(2, 60), name="b")
    sinks = [f"--sink=delta+file://{tmp_path}/{name}" for name in ("one", "two")]
    told = shell("records", "ship", "--all", *sinks, "--json")
    assert 0 == told.code, told.err
    found = [(one["session"], str(one["address"]).rpartition("/")[2]) for one in lines(told.out)]
    assert [("a", "one"), ("b", "one"), ("a", "two"), ("b", "two")] == found
    assert 4 == len({(one["session"], one["sink"]) for one in lines(told.out)})


@pytest.mark.parametrize(
    ("told", "sentence"),
    [
        (
            Shipped(session="s", sink="x", address="PLACE", shipped=8),
            "s: 8 records to PLACE; it has everything",
        ),
        (
            Shipped(session="s", sink="x", address="PLACE", shipped=8, refused=2),
            "s: 8 records to PLACE; 2 more were refused and are in its dead_letters; it has everything",
        ),
        (
            Shipped(session="s", sink="x", address="PLACE", pending=7),
            "s: 0 records to PLACE; records of 7 Events are left",
        ),
    ],
)
def test_what_became_of_it_is_one_sentence(
    told: Shipped, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Refused records are no part of those that were shipped."""
    _tell(told, as_json=False)
    assert f"{sentence}\n" == capsys.readouterr().out


def test_a_sink_that_is_away_is_exit_code_3(shell: Shell, tmp_path: Path) -> None:
    """It is named without its password, and the others have everything."""
    stored(tmp_path)
    told = shell("records", "ship", "s", f"--sink={NOWHERE}", f"--sink=delta+file://{tmp_path}/one", "--json")
    assert 3 == told.code
    away, there = lines(told.out)
    assert (3, 0) == (away["exit"], there["exit"])
    assert away["pending"]
    assert "127.0.0.1" in str(away["error"])
    assert "hunter2" not in told.out + told.err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["s", "--sink", "ftp://x"], "unknown scheme"),
        (["t"], "no session t"),
        (["s", "--all"], "do not go together"),
        (
            ["s", "--follow", "--sink", NOWHERE, "--sink", "delta+file:///nowhere"],
            "--follow ships to one sink",
        ),
        (["s", "--wait", "soon"], "is not a duration"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    shell: Shell, tmp_path: Path, arguments: list[str], sentence: str
) -> None:
    """With a sentence, before anything is opened."""
    stored(tmp_path)
    told = shell("records", "ship", *arguments)
    assert 2 == told.code
    assert sentence in told.err


def test_the_exit_code_is_true_in_a_process_of_its_own(tmp_path: Path) -> None:
    """Whatever the libraries of storage do when an interpreter ends; damage is told before all else."""
    stored(tmp_path / "data", name="a")
    stored(tmp_path / "data", name="b")
    for path in (tmp_path / "data" / "sessions" / "b" / "journal").glob("*/data.mdb"):
        path.write_bytes(b"\xff" * 65_536)
    with Process(["records", "ship", "--all", "--json", "--data-dir", "data"], tmp_path) as process:
        code, output = process.finish()
    assert 6 == code, process.stderr()
    assert [0, 6] == [one["exit"] for one in lines(output)]
    assert "is damaged" in process.stderr()
