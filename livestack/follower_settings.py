"""The ``[follower]`` table of a session's file: the process that verifies a session while it runs.

Pure; imports core only.
"""

from __future__ import annotations

from typing import Annotated, Final

import msgspec

from livestack.core.validation import Duration

_SECOND_NS: Final = 1_000_000_000

SNAPSHOT_EVERY_NS_MAX: Final = 24 * 3_600 * _SECOND_NS
"""A day's journal is more than anybody wants to replay before trading goes on."""

AWAY_AFTER_NS_MIN: Final = 5 * _SECOND_NS
"""It speaks once a second, and starts again within two."""

AWAY_AFTER_NS_MAX: Final = 3_600 * _SECOND_NS
"""Who does not mind an hour without verification switches the follower off."""


class FollowerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a follower runs, and how often it writes State down.

    A snapshot is due after ``snapshot_every`` of session time or ``snapshot_every_events`` Events, whichever is first;
    the newest ``keep`` stay. ``away_after``: how far behind the session it may be before that is an incident.
    """

    enabled: bool = True
    snapshot_every_ns: Duration = msgspec.field(default=60 * _SECOND_NS, name="snapshot_every")
    snapshot_every_events: Annotated[int, msgspec.Meta(ge=100, le=1_000_000_000)] = 500_000
    keep: Annotated[int, msgspec.Meta(ge=1, le=1_000)] = 3
    away_after_ns: Duration = msgspec.field(default=30 * _SECOND_NS, name="away_after")

    def __post_init__(self) -> None:
        if not _SECOND_NS <= self.snapshot_every_ns <= SNAPSHOT_EVERY_NS_MAX:
            raise ValueError("snapshot_every must be from 1s to 24h")
        if not AWAY_AFTER_NS_MIN <= self.away_after_ns <= AWAY_AFTER_NS_MAX:
            raise ValueError("away_after must be from 5s to 1h")
