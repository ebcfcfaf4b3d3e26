"""The dispatch gate: directly in front of every order written to a venue, and linearisable to close.

It is a set of named holds, each for everything, a venue or an instrument. New and Replace pass only where no hold
stands; Cancels and the host's own requests pass unless the venue is down. Each owner lifts its own hold and no other.

Theory of operation. One lock per venue makes "look at the holds" and "write to the socket" one critical section.
:meth:`close` first puts the hold, then takes and gives back the lock of every venue it covers: whoever was inside has
left when it returns, whoever comes later sees the hold. The write inside is bounded by the transport's send limit; a
closer that does not want to wait even for that gives ``shut``, which breaks the connection of whoever is inside.
Runs on: ``passage`` on connector threads, ``close``/``open`` on any.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from enum import IntEnum

import msgspec

from livestack.core.types import RequestKind

PATIENCE_S = 0.05
"""How long a closer waits for a write to end by itself before it breaks that connection."""


class Hold(IntEnum):
    """Why nothing may leave. ``VENUE_DOWN`` alone also stops Cancels: there is nobody to hear them."""

    KILL = 1
    VENUE_DOWN = 2
    JOURNAL = 3
    STALL = 4
    LEASE = 5
    CLOCK = 6
    SHUTDOWN = 7
    FOLLOWER = 8
    GUARD = 9
    FAIL_SAFE = 10


class Passage(IntEnum):
    """What wants to pass: an order request's kind, or a host request."""

    CANCEL = RequestKind.CANCEL
    REPLACE = RequestKind.REPLACE
    NEW = RequestKind.NEW
    HOST = 4


class Standing(msgspec.Struct, frozen=True):
    """One hold in force. Empty ``venue`` or ``instrument``: all of them."""

    hold: Hold
    venue: str = ""
    instrument: str = ""

    def covers(self, venue: str, instrument: str) -> bool:
        return self.venue in ("", venue) and self.instrument in ("", instrument)


class DispatchGate:
    """The one gate of a node. ``venues``: the connectors that will pass through it."""

    def __init__(self, venues: Iterable[str]) -> None:
        self._locks = {venue: threading.Lock() for venue in venues}
        self._holds: tuple[Standing, ...] = ()
        self._holds_lock = threading.Lock()
        self._shut: dict[str, Callable[[], None]] = {}
        self._last_new: dict[tuple[str, str], int] = {}

    @contextmanager
    def passage(self, venue: str, instrument: str, kind: Passage) -> Iterator[bool]:
        """Hold ``venue``'s critical section; yields whether ``kind`` may be written now."""
        with self._locks[venue]:
            yield self.refusal(venue, instrument, kind) is None

    def refusal(self, venue: str, instrument: str, kind: Passage) -> Hold | None:
        """The hold that stops ``kind``, or None. Only inside a passage does the answer stay true."""
        for standing in self._holds:
            if standing.covers(venue, instrument) and (
                kind in (Passage.NEW, Passage.REPLACE)
                or (standing.hold is Hold.VENUE_DOWN and kind is Passage.CANCEL)
            ):
                return standing.hold
        return None

    def wrote(self, venue: str, instrument: str, now_ns: int) -> None:
        """Inside a passage: a New or Replace was written, perhaps not whole, by ``now_ns``."""
        self._last_new[venue, instrument] = now_ns

    def last_new_ns(self, venue: str = "", instrument: str = "") -> int:
        """When the last byte of the last New or Replace was written in scope; 0: none was. Any thread."""
        times = [
            at_ns
            for (at_venue, at_instrument), at_ns in self._last_new.copy().items()
            if venue in ("", at_venue) and instrument in ("", at_instrument)
        ]
        return max(times, default=0)

    def close(self, hold: Hold, venue: str = "", instrument: str = "") -> None:
        """Put a hold. When this returns nothing that it covers is being written and nothing will be."""
        standing = Standing(hold, venue, instrument)
        with self._holds_lock:
            if standing not in self._holds:
                self._holds = (*self._holds, standing)
        for name, lock in self._locks.items():
            if venue in ("", name):
                self._flush(name, lock)

    def open(self, hold: Hold, venue: str = "", instrument: str = "") -> None:
        """Lift one's own hold; another owner's stays."""
        standing = Standing(hold, venue, instrument)
        with self._holds_lock:
            self._holds = tuple(other for other in self._holds if other != standing)

    def standing(self) -> tuple[Standing, ...]:
        """The holds in force. Any thread."""
        return self._holds

    def on_impatience(self, venue: str, shut: Callable[[], None]) -> None:
        """Register what breaks ``venue``'s connection, so that closing never waits for a peer that does not read."""
        self._shut[venue] = shut

    def _flush(self, venue: str, lock: threading.Lock) -> None:
        if not lock.acquire(timeout=PATIENCE_S):
            shut = self._shut.get(venue)
            if shut is not None:
                shut()
            lock.acquire()
        lock.release()
