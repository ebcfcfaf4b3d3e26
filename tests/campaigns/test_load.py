"""Ten seconds of the load campaign."""

from __future__ import annotations

from pathlib import Path

from tests.campaigns.load import run


def test_takes_everything_and_stays_small(tmp_path: Path) -> None:
    """20 000 market messages a second with the journal on: nothing refused, no gap, memory flat, and it trades."""
    result = run(rate=20_000, seconds=10, seed=7, directory=tmp_path)
    assert result["passed"], result
    assert int(str(result["dispatches"])) > 0
