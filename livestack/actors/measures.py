"""What the actors of one node measure with, and the little that they tell each other about it.

Theory of operation. An order's way leads through four threads. The feed's reader notes when the Events of a frame
went into the inbox (:class:`Arrivals`); the harness, when it decided something on one of them, leaves a
:class:`Trail` under the decision's ``seq``; the connector takes it away once the request is written. All three tables
have a fixed size and no lock: each place is written as a whole, and what was overwritten is simply not measured.

No thread of its own, no I/O. Imports telemetry's instruments and the clock's contract.
"""

from __future__ import annotations

from typing import Final

import msgspec

from livestack.telemetry.instruments import Registry
from livestack.transports.clock import Clock

ARRIVALS_MAX: Final = 128
"""Frames of a venue whose way is known: more than ever are between a reader and the harness unless that is behind."""

TRAILS_MAX: Final = 4_096

SLOW_NS: Final = 1_000_000
"""What took so long is noted by itself, where others are sampled."""


class Trail(msgspec.Struct, frozen=True, gc=False):
    """The way of a decision, in session time: its frame arrived at ``recv_ns`` and was in the inbox at ``put_ns``;
    the step that it is of began at ``ts`` and ended at ``decided_ns``. ``seq``: the dispatch's."""

    seq: int
    recv_ns: int
    put_ns: int
    ts: int
    decided_ns: int


class Arrivals:
    """When the last frames of a venue were in the inbox: frame ``count`` is in ``frames[count % ARRIVALS_MAX]``, as
    when it arrived and when it was put there. Whoever holds the reader's lock writes, the harness reads."""

    __slots__ = ("count", "frames")

    def __init__(self) -> None:
        self.frames: list[tuple[int, int]] = [(-1, 0)] * ARRIVALS_MAX
        self.count = 0

    def put_ns(self, recv_ns: int) -> int:
        """When what arrived at ``recv_ns`` was in the inbox; where that is not known any more, ``recv_ns``."""
        newest = self.count
        for back in range(ARRIVALS_MAX):
            arrived_ns, put_ns = self.frames[(newest - back) % ARRIVALS_MAX]
            if arrived_ns == recv_ns:
                return put_ns
        return recv_ns


class Trails:
    """Decisions that were not written yet. ``keep``: the harness; ``take``: the venues' connectors."""

    __slots__ = ("_kept",)

    def __init__(self) -> None:
        self._kept: list[Trail | None] = [None] * TRAILS_MAX

    def keep(self, trail: Trail) -> None:
        self._kept[trail.seq % TRAILS_MAX] = trail

    def take(self, seq: int) -> Trail | None:
        """That of the dispatch ``seq``, once; None where it answers no frame, or is forgotten."""
        trail = self._kept[seq % TRAILS_MAX]
        if trail is None or trail.seq != seq:
            return None
        self._kept[seq % TRAILS_MAX] = None
        return trail


class Measures:
    """A node's ``registry``, its ``clock``, and its tables. ``clock_offsets``: the venue's clock minus ours in
    nanoseconds, by venue, as far as it was told; the harness writes them."""

    def __init__(self, registry: Registry, clock: Clock) -> None:
        self.registry = registry
        self.clock = clock
        self.trails = Trails()
        self.clock_offsets: dict[str, int] = {}
        self._arrivals: dict[str, Arrivals] = {}

    def arrivals(self, venue: str) -> Arrivals:
        """Those of ``venue``, whoever asks first. Any thread."""
        return self._arrivals.setdefault(venue, Arrivals())
