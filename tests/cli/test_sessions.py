"""``livestack sessions``."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner

from livestack.cli.main import cli
from tests.journal.test_sessions import make


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
