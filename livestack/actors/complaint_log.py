"""What an adapter complains about, in the log: a flood of the same becomes one line a minute with a count.

Imports the adapter contract. Belongs to whoever holds the adapter's lock; the adapter counts every fault in full.
"""

from __future__ import annotations

from typing import Any, Final

from livestack.venues.adapter import Complaint

EVERY_NS: Final = 60_000_000_000
"""One line of a kind and an instrument in so long."""

KNOWN_MAX: Final = 1_024
"""Kinds and instruments that are told apart; beyond that only kinds are."""


class _Line:
    """``logged_ns``: when it was in the log last; ``count``: how many came since, ``last`` the newest of them."""

    __slots__ = ("count", "last", "logged_ns")

    def __init__(self, complaint: Complaint, now_ns: int) -> None:
        self.logged_ns = now_ns
        self.count = 0
        self.last = complaint


class ComplaintLog:
    """``log`` is a structured logger. What a complaint is about is its detail up to the first colon."""

    def __init__(self, log: Any) -> None:
        self._log = log
        self._lines: dict[tuple[str, str], _Line] = {}
        self._next_ns = 0

    def add(self, complaint: Complaint, now_ns: int) -> None:
        """The first is logged at once."""
        key = (complaint.kind, complaint.detail.partition(":")[0])
        if key not in self._lines and len(self._lines) >= KNOWN_MAX:
            key = (complaint.kind, "")
        line = self._lines.get(key)
        if line is None:
            self._lines[key] = _Line(complaint, now_ns)
            self._write(complaint)
            return
        line.count += 1
        line.last = complaint

    def tick(self, now_ns: int) -> None:
        """Log what has come in a minute."""
        if now_ns < self._next_ns:
            return
        self._next_ns = now_ns + EVERY_NS // 60
        for key, line in list(self._lines.items()):
            if now_ns - line.logged_ns < EVERY_NS:
                continue
            if line.count:
                self._write(line.last, line.count)
                line.logged_ns, line.count = now_ns, 0
            else:
                del self._lines[key]

    def flush(self) -> None:
        """Nothing will come any more."""
        for line in self._lines.values():
            if line.count:
                self._write(line.last, line.count)
        self._lines.clear()

    def _write(self, complaint: Complaint, count: int = 1) -> None:
        self._log.warning(
            complaint.kind, detail=complaint.detail, frame=repr(complaint.frame_head), count=count
        )
