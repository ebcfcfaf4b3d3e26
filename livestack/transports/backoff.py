"""Exponential back-off with full jitter and a cap: how long to wait before the next attempt.

Imports nothing of livestack; randomness is passed in. Belongs to the thread that reconnects.
"""

from __future__ import annotations

from typing import Protocol

FIRST_NS = 250_000_000
"""Upper bound of the first wait: a venue that only restarted a gateway is back by then."""

CAP_NS = 30_000_000_000
"""Upper bound of every wait: also 300 attempts in 5 minutes, the tightest venue rule (venues.md 1.2), stay far away."""

LEAST_NS = 50_000_000
"""Never at once: full jitter may draw zero, and a refused connection costs its maker less than the venue."""


class RandomRange(Protocol):
    def randrange(self, start: int, stop: int, /) -> int: ...


class Backoff:
    """``random`` draws the jitter; the bounds are in nanoseconds."""

    def __init__(self, random: RandomRange, *, first_ns: int = FIRST_NS, cap_ns: int = CAP_NS) -> None:
        self._random = random
        self._first_ns = first_ns
        self._cap_ns = cap_ns
        self._bound_ns = first_ns

    def next_ns(self) -> int:
        """How long to wait now; the bound doubles with every call until :meth:`reset`."""
        bound_ns = self._bound_ns
        self._bound_ns = min(bound_ns * 2, self._cap_ns)
        return self._random.randrange(min(LEAST_NS, bound_ns), bound_ns + 1)

    def reset(self) -> None:
        """An attempt succeeded: begin with the first bound again."""
        self._bound_ns = self._first_ns
