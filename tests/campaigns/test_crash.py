"""The crash campaign, short: every named point once, random moments between them, both strategies."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.campaigns.crash import MAKER, RESTLESS, Chain, every_point

KILLS = 26
"""Per chain: more than there are points for each of the two."""


def test_nothing_is_lost_doubled_or_different(tmp_path: Path) -> None:
    """Two chains side by side, stopped in order now and then; no point is missed."""
    plans = every_point(7, 2)
    points = {kill.point for plan in plans for kill in plan}
    with ThreadPoolExecutor(2) as pool:
        chains = [
            pool.submit(Chain(tmp_path / str(seed), seed, strategy).run, KILLS, threading.Event(), plan)
            for seed, strategy, plan in zip((71, 72), (RESTLESS, MAKER), plans, strict=True)
        ]
        first, second = (chain.result() for chain in chains)
    first.add(second)
    assert [] == first.faults
    assert 2 * KILLS == first.kills
    assert points == {name for name in first.points if name in points}, first.points
    assert min(first.requests, first.fills, first.resumptions) >= KILLS
