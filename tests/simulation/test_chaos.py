"""Every fault of the simulated venue at random, in one thread: in the end both sides agree, whatever the seed."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from tests.simulation.chaos import Chaos, Outcome, command, quick_directory, run_seed

SEEDS = 120
LONG_SEEDS = 10_000
GROUP = 10
"""Seeds of one test: the suite's list of tests stays readable."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """120 seeds; 10 000 with ``--long``."""
    if "first" in metafunc.fixturenames:
        seeds = LONG_SEEDS if metafunc.config.getoption("--long") else SEEDS
        metafunc.parametrize("first", range(0, seeds, GROUP))


def test_both_sides_agree_after_chaos(first: int) -> None:
    """Orders, fills, positions and balances are the venue's, nothing is unknown, no limit is broken, and it replays."""
    told = []
    for seed in range(first, first + GROUP):
        with tempfile.TemporaryDirectory(dir=quick_directory()) as place:
            outcome = run_seed(seed, Path(place))
        told += [f"seed {seed} ({command(seed)}): {fault}" for fault in outcome.faults]
        assert outcome.counts["orders"] > 0, f"seed {seed} never traded"
    assert not told, "\n".join(told)


def test_a_seed_is_a_whole_run(tmp_path: Path) -> None:
    """The same seed gives the same faults, the same Events and the same State, to the last digest."""
    runs: list[tuple[Outcome, str, int]] = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        chaos = Chaos(3, tmp_path / name)
        outcome = chaos.run()
        runs.append((outcome, chaos.world.node.runtime.state.digest(), chaos.world.scheduler.steps))
    assert runs[0] == runs[1]
