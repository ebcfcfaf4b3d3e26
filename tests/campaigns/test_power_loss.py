"""Some states of the power-loss campaign; 500 of each durability with ``pytest --long``."""

from __future__ import annotations

import functools
import shutil
import subprocess
from pathlib import Path

import pytest

from livestack.journal.segment import Durability
from tests.campaigns.power_loss import passed, run

STATES, STATES_LONG = 40, 500


@functools.cache
def can_trace() -> bool:
    """Whether ``strace`` is here and may follow a process."""
    strace = shutil.which("strace")
    if strace is None:
        return False
    return subprocess.run([strace, "-o", "/dev/null", "true"], capture_output=True).returncode == 0


needs_strace = pytest.mark.skipif(not can_trace(), reason="strace is not installed or may not trace")


@needs_strace
@pytest.mark.parametrize("durability", ["full", "relaxed"])
def test_what_was_acknowledged_outlives_a_power_loss(
    tmp_path: Path, request: pytest.FixtureRequest, durability: Durability
) -> None:
    """Nothing is missing in ``full``, at most the last transaction in ``relaxed``; every journal opens and goes on."""
    states = STATES_LONG if request.config.getoption("--long") else STATES
    result = run(durability, states, seed=7, directory=tmp_path)
    assert [] == result["failures"]
    assert passed(result)


@needs_strace
def test_a_disk_that_lies_about_flushes_is_noticed(tmp_path: Path) -> None:
    """Without flushes acknowledged records get lost: the campaign sees what it is there to see."""
    result = run("full", STATES, seed=7, directory=tmp_path, flushes=False)
    assert result["counts"]["lost"] > 0
    assert not passed(result)
