"""Logs: one line per fact on stderr, nothing on stdout, and no third party's chatter."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.support import ROOT

PROGRAM = """
import logging, structlog
from livestack.telemetry import logs
logs.configure({level!r}, json={json})
log = structlog.get_logger("test").bind(venue="v")
log.debug("too_fine")
log.warning("book_invalid", instrument="v:S", gap=3)
logging.getLogger("urllib3").debug("chatter")
"""


@pytest.mark.parametrize("as_json", [True, False])
def test_one_line_per_fact_on_stderr(as_json: bool) -> None:
    """JSON has every field; below the level and from libraries nothing is said; stdout stays free for results."""
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(level="info", json=as_json)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    (line,) = run.stderr.splitlines()
    assert "" == run.stdout
    if as_json:
        content = json.loads(line)
        assert ("book_invalid", "warning", "v:S", 3, "v") == tuple(
            content[key] for key in ("event", "level", "instrument", "gap", "venue")
        )
    else:
        assert "book_invalid" in line


def test_a_stderr_that_cannot_be_written_fails_nobody() -> None:
    """Lines are lost; the program ends as if nothing were."""
    program = PROGRAM.format(level="info", json=True) + "import sys; print(sys.stderr.lost > 0)"
    run = subprocess.run(
        ["sh", "-c", 'exec "$0" -c "$1" 2>/dev/full', sys.executable, program],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert (0, "True\n") == (run.returncode, run.stdout)
