"""``livestack timeline``."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner

from livestack.cli.main import cli
from tests.journal.damage import garble
from tests.research.orders import filled
from tests.research.sessions import header, rules, store_segments


def run(directory: Path, *options: str) -> str:
    arguments = ["timeline", "latest", *options, "--data-dir", str(directory)]
    result = CliRunner().invoke(cli, arguments, catch_exceptions=False)
    assert 0 == result.exit_code
    return result.stdout


def test_lists_moments(tmp_path: Path) -> None:
    """As JSON and for people, with times from the start."""
    filled(tmp_path)
    moments = json.loads(run(tmp_path, "--json"))
    assert ["session", "account", "venue", "feed", "session", "session"] == [one["kind"] for one in moments]
    lines = run(tmp_path).splitlines()
    assert len(moments) == len(lines)
    assert ["+0.000000", "1", "session", "started"] == lines[0].split()[:4]


def test_a_damaged_journal_is_told_around_the_damage(tmp_path: Path) -> None:
    """Also where the first segment is the one."""
    for number in (0, 2):
        directory = tmp_path / str(number)
        directory.mkdir()
        (directory / "made").mkdir()
        records = filled(directory / "made")
        segments = store_segments(directory, header("s", rules(directory)), records, 5)
        garble(segments[number])
        kinds = [one["kind"] for one in json.loads(run(directory, "--json"))]
        assert "gap" in kinds
        assert "session" == kinds[-1]
