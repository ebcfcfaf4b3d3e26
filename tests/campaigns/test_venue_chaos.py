"""The chaos campaign against real sockets, threads and files, short enough for the suite."""

from __future__ import annotations

from pathlib import Path

from tests.campaigns.venue_chaos import SECOND_NS, campaign

SEED = 7
SESSION_S = 180
SCALE = 12


def test_three_minutes_of_chaos(tmp_path: Path) -> None:
    """Own orders, fills, positions and balances equal the venue's in the end, and no limit was broken."""
    outcome = campaign(range(SEED, SEED + 1), SESSION_S * SECOND_NS, SCALE, tmp_path)
    assert [] == outcome.faults
    assert outcome.counts["orders"] > 0
    assert outcome.injected
