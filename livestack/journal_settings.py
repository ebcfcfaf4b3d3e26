"""``[journal]`` of the configuration file. Pure."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from livestack.core.validation import Duration

_SECOND_NS = 1_000_000_000
_HOUR_NS = 3_600 * _SECOND_NS


class JournalSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How durable, how long and how large; sizes in bytes.

    ``durability``: ``full`` survives a power loss; ``relaxed`` may lose the last transaction in one, at half the commit
    time. A segment is sealed at ``segment_bytes`` or ``segment_age``. Sealed segments older than ``retain`` (absent:
    none) go once a newer snapshot exists. With less than ``headroom`` free on the disk trading stops; ``ballast`` is
    held for the very end.
    """

    durability: Literal["full", "relaxed"] = "full"
    segment_bytes: Annotated[int, msgspec.Meta(ge=65_536, le=1 << 34)] = 1 << 30
    segment_age_ns: Duration = msgspec.field(default=_HOUR_NS, name="segment_age")
    retain_ns: Duration | None = msgspec.field(default=None, name="retain")
    headroom: Annotated[int, msgspec.Meta(ge=0, le=1 << 50)] = 512 << 20
    ballast: Annotated[int, msgspec.Meta(ge=0, le=1 << 40)] = 64 << 20

    def __post_init__(self) -> None:
        if self.segment_age_ns < _SECOND_NS:
            raise ValueError("segment_age must be at least 1s")
        if self.retain_ns is not None and self.retain_ns < _SECOND_NS:
            raise ValueError("retain must be at least 1s")
