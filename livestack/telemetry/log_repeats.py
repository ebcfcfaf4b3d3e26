"""Repetitions in the log: of lines that are alike the first ones pass, the others are counted and told by one line.

Lines are alike that have logger, event, level and scope in common. Whatever floods (a venue, a strategy, a library), a
kind makes ``repeat_max + 1`` lines in ten seconds at most, and none is lost from the count. Errors are no exception.
Pure: whoever calls says what time it is. The writer's thread.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from livestack.telemetry.log_lines import Line

WINDOW_NS: Final = 10_000_000_000
"""From the first line of a kind on."""

SCOPES: Final = ("venue", "actor", "scope", "sink", "process")
"""Fields that say where it is: two venues that fail are two kinds."""

KINDS_MAX: Final = 512
"""Kinds that are told apart at a time; beyond that only levels are."""

Kind = tuple[str, ...]


class _Window:
    """``newest``: of the ``suppressed`` ones."""

    __slots__ = ("ends_ns", "newest", "passed", "suppressed")

    def __init__(self, line: Line, ends_ns: int) -> None:
        self.ends_ns = ends_ns
        self.passed = 0
        self.suppressed = 0
        self.newest = line


class Repeats:
    """``most``: lines of one kind in a window. Times are of a clock that never goes back."""

    def __init__(self, most: int) -> None:
        self.suppressed = 0
        self.most = most
        self._windows: dict[Kind, _Window] = {}

    def passes(self, line: Line, now_ns: int) -> bool:
        """Whether ``line`` is to be written. Windows that are over must have been taken by :meth:`over` before."""
        kind = _kind(line)
        window = self._windows.get(kind)
        if window is None and len(self._windows) >= KINDS_MAX:
            kind = (line.level,)
            window = self._windows.get(kind)
        if window is None:
            window = self._windows[kind] = _Window(line, now_ns + WINDOW_NS)
        if window.passed < self.most:
            window.passed += 1
            return True
        window.suppressed += 1
        window.newest = line
        self.suppressed += 1
        return False

    def over(self, now_ns: int) -> Iterator[tuple[Line, int]]:
        """Of every window that is over now the newest line that was not written, and how many were not."""
        while self._windows:
            kind, window = next(iter(self._windows.items()))  # all are equally long: the first one ends first
            if window.ends_ns > now_ns:
                return
            del self._windows[kind]
            if window.suppressed:
                yield window.newest, window.suppressed

    def all(self) -> Iterator[tuple[Line, int]]:
        """As :meth:`over`, of every window: nothing will come any more, or nobody may be there to tell it."""
        windows, self._windows = self._windows, {}
        for window in windows.values():
            if window.suppressed:
                yield window.newest, window.suppressed

    def next_ns(self) -> int | None:
        """When the next window is over; None: there is none."""
        return next(iter(self._windows.values())).ends_ns if self._windows else None


def _kind(line: Line) -> Kind:
    scopes = (line.fields.get(name) for name in SCOPES)
    return (line.level, line.logger, line.kind, *(one if isinstance(one, str) else "" for one in scopes))
