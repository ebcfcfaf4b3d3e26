"""Durations as people write them; what the shell completes."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
from click.shell_completion import ShellComplete

from livestack.cli.main import cli
from livestack.cli.parameters import DURATION


@pytest.mark.parametrize(
    ("text", "value_ns"),
    [("250ms", 250_000_000), ("30s", 30_000_000_000), ("5m", 300_000_000_000), ("2h", 7_200_000_000_000)],
)
def test_durations(text: str, value_ns: int) -> None:
    """A number and one of four units."""
    assert value_ns == DURATION.convert(text, None, None)


@pytest.mark.parametrize("text", ["", "30", "s", "1.5s", "-1s", "30 s", "1d"])
def test_anything_else_is_refused_with_examples(text: str) -> None:
    """The sentence says what would be right."""
    with pytest.raises(click.BadParameter, match="250ms, 30s, 5m or 2h"):
        DURATION.convert(text, None, None)


def test_nothing_is_no_duration() -> None:
    """A session or history of no length is asked for by mistake."""
    with pytest.raises(click.BadParameter, match="longer than nothing"):
        DURATION.convert("0s", None, None)


def test_the_shell_completes_sessions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest first, of the directory that was named or is the default; without one there is only ``latest``."""
    for name in ("20260101T000000Z-aaaa", "20260202T000000Z-bbbb"):
        (tmp_path / "sessions" / name / "journal").mkdir(parents=True)
    monkeypatch.setenv("LIVESTACK_DATA_DIR", str(tmp_path))
    completed = ShellComplete(cli, {}, "livestack", "_LIVESTACK_COMPLETE")
    for arguments in (["replay"], ["timeline"], ["journal", "check"], ["why", "1", "--session"]):
        found = [item.value for item in completed.get_completions(arguments, "")]
        assert ["latest", "20260202T000000Z-bbbb", "20260101T000000Z-aaaa"] == found
        found = [item.value for item in completed.get_completions(arguments, "202601")]
        assert ["20260101T000000Z-aaaa"] == found
    monkeypatch.setenv("LIVESTACK_DATA_DIR", str(tmp_path / "none"))
    assert ["latest"] == [item.value for item in completed.get_completions(["replay"], "")]
