"""The ``[follower]`` table: defaults, units, and what is refused with its key."""

from __future__ import annotations

import pytest

from livestack.core.validation import Faults, convert
from livestack.follower_settings import FollowerSettings


def test_defaults_are_those_of_the_documents() -> None:
    """On, a snapshot a minute or half a million Events, three kept, away after half a minute."""
    faults: Faults = []
    settings = convert({}, FollowerSettings, "follower", faults)
    assert FollowerSettings() == settings
    assert (True, 60_000_000_000, 500_000, 3, 30_000_000_000) == (
        settings.enabled,
        settings.snapshot_every_ns,
        settings.snapshot_every_events,
        settings.keep,
        settings.away_after_ns,
    )


def test_durations_are_texts() -> None:
    """As everywhere in the file."""
    faults: Faults = []
    settings = convert({"snapshot_every": "5m", "away_after": "2m"}, FollowerSettings, "follower", faults)
    assert settings is not None
    assert (300_000_000_000, 120_000_000_000) == (settings.snapshot_every_ns, settings.away_after_ns)


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        ({"snapshot_every": "10ms"}, "snapshot_every must be from 1s to 24h"),
        ({"snapshot_every": "25h"}, "snapshot_every must be from 1s to 24h"),
        ({"away_after": "4s"}, "away_after must be from 5s to 1h"),
        ({"away_after": "2h"}, "away_after must be from 5s to 1h"),
        ({"away_after": 30}, "duration"),
        ({"snapshot_every_events": 1}, "100"),
        ({"keep": 0}, "1"),
        ({"enable": True}, "enabled"),
    ],
)
def test_what_cannot_be_is_refused(table: dict[str, object], sentence: str) -> None:
    """The sentence says what would be right."""
    faults: Faults = []
    assert convert(table, FollowerSettings, "follower", faults) is None
    assert any(sentence in fault for _, fault in faults), faults
