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
