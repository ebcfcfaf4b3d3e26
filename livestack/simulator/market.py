"""What moves a simulated market: the contract between a market source and the venue that hosts it.

Pure. Runs on the venue's thread. A source is given every time and, where it needs chance, a seeded generator: the same
seed gives the same market on every machine (integers only).
"""

from __future__ import annotations

from typing import Protocol


class Random(Protocol):
    """The part of ``random.Random`` that a source uses; whoever does I/O makes it, from a seed."""

    def getrandbits(self, k: int, /) -> int: ...


class MarketHost(Protocol):
    """The venue, towards its market source."""

    def at(self, now_ns: int) -> None:
        """Something is about to happen at this time."""

    def settle(self, symbol: str) -> None:
        """It has happened, to this symbol's engine."""


class MarketSource(Protocol):
    """Moves the engines of its symbols as time passes."""

    def subscribed(self, now_ns: int) -> None:
        """A client listens now; a recorded market begins to play at the first such call."""

    def next_due_ns(self) -> int | None:
        """When something will happen next; None: nothing will until ``subscribed``, or never again."""

    def advance(self, now_ns: int) -> None:
        """Let everything happen that is due, in order of its time."""
