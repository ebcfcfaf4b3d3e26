"""``livestack journal check``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from livestack.cli.main import cli
from livestack.exceptions import UsageError
from livestack.journal.quarantine import set_aside
from tests.journal.damage import garble, spoil
from tests.research.orders import filled
from tests.research.sessions import header, rules, store_segments

KEYS = {"session", "segments", "events", "damaged", "chain_ok", "parts", "quarantined"}


def check(directory: Path, *arguments: str) -> Result:
    return CliRunner().invoke(
        cli, ["journal", "check", *arguments, "--data-dir", str(directory)], catch_exceptions=False
    )


@pytest.fixture
def segments(tmp_path: Path) -> list[Path]:
    """Five records each."""
    (tmp_path / "made").mkdir()
    return store_segments(tmp_path, header("s", rules(tmp_path)), filled(tmp_path / "made"), 5)


def test_a_sound_journal_is_exit_0(tmp_path: Path, segments: list[Path]) -> None:
    """With its fixed keys; a table for people."""
    result = check(tmp_path, "s", "--json")
    found = json.loads(result.stdout)
    assert (0, True, len(segments), []) == (
        result.exit_code,
        found["chain_ok"],
        found["segments"],
        found["damaged"],
    )
    assert found.keys() >= KEYS
    assert "hash chain as written" in check(tmp_path).stdout


def test_damage_is_exit_6_and_named(tmp_path: Path, segments: list[Path]) -> None:
    """Segment and position, all of it."""
    spoil(segments[0], 3)
    garble(segments[2])
    result = check(tmp_path, "s", "--json")
    found = json.loads(result.stdout)
    assert (6, False) == (result.exit_code, found["chain_ok"])
    assert [(segments[0].name, 3), (segments[2].name, 0)] == [
        (one["segment"], one["seq"]) for one in found["damaged"]
    ]
    text = check(tmp_path, "s").stdout
    assert 2 == text.count("damaged: ")


def test_what_was_set_aside_is_named(tmp_path: Path, segments: list[Path]) -> None:
    """The hole that it leaves is damage."""
    held = set_aside(segments[1], "bad page")
    result = check(tmp_path, "s")
    assert 6 == result.exit_code
    assert f"in quarantine: {held.name}: bad page" in result.stdout.replace("\n", " ")


def test_an_unknown_session(tmp_path: Path) -> None:
    """What would be right."""
    with pytest.raises(UsageError, match="livestack start makes one"):
        check(tmp_path, "s")
