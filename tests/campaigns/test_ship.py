"""The shipping campaign against real servers and processes, short enough for the suite."""

from __future__ import annotations

import json
import subprocess
import sys

from tests.support import ROOT

FAULTS = 12


def test_nothing_is_missing_whatever_fails() -> None:
    """One session, a dozen faults at three storages: every record is in each of them once, as derived."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "tests.campaigns.ship", "--seed", "7", "--sessions", "1"),
            *("--trading", "40s", "--faults", str(FAULTS), "--json"),
        ],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    totals = json.loads(done.stdout)
    assert ([], 0) == (totals["wrong"], done.returncode)
    assert totals["faults"] > FAULTS // 3
