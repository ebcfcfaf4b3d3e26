"""The kill race's short run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.support import ROOT


def test_nothing_leaves_behind_a_kill(tmp_path: Path) -> None:
    """Kills at random moments, with and without the failpoint in the gate, and one with SIGKILL behind it."""
    command = [sys.executable, "-m", "tests.campaigns.kill_race"]
    options = ["--kills", "40", "--stretch", "20", "--restarts", "1", "--seed", "7", "--json"]
    done = subprocess.run(
        [*command, *options],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    totals = json.loads(done.stdout.splitlines()[-1])
    assert (0, True) == (done.returncode, totals["passed"]), done.stderr
    assert (40, 20, 1) == (totals["kills"], totals["armed"], totals["restarts"])
    assert totals["written"] > 40
