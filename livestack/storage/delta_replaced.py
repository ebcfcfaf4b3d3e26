"""Removes from a local disk what this process wrote and replaced itself, some minutes later.

While a table's newest file is grown, each commit leaves the file that it replaced. The default sink lies beside the
journal, and a file a second would eat the room that trading needs. Nothing else is ever removed: not what another
process wrote, not what anybody else took out of the table, not what is in the table again. What a process that ended
left is its owner's to vacuum. Imports the standard library only. Runs on the thread of the sink.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Set
from pathlib import Path
from typing import Final

from livestack.storage.delta_durability import Commit, file_of

REPLACED_NS: Final = 600 * 1_000_000_000
"""So long a replaced file stays: a reader holds a version for seconds, and one that is older loads the table again."""

EVERY_NS: Final = 30 * 1_000_000_000
"""How often it is looked for what may go: each time costs a list of the table's files."""


class ReplacedFiles:
    """The files of the table at ``table`` that this process replaced. ``now_ns``: a clock that does not go back."""

    def __init__(self, table: Path, now_ns: Callable[[], int]) -> None:
        self._table = table
        self._now_ns = now_ns
        self._written: frozenset[str] = frozenset()
        self._replaced: deque[tuple[int, Path]] = deque()
        self._looked_ns = now_ns()

    def note(self, commit: Commit) -> None:
        """This process made ``commit``, and it is durable: what it replaced will not be needed after a power loss."""
        now_ns = self._now_ns()
        for name in commit.removed:
            if name in self._written and (path := file_of(self._table, name)) is not None:
                self._replaced.append((now_ns, path))
        if commit.added:
            self._written = frozenset(name for name, _ in commit.added)

    def remove(self, live: Callable[[], Set[str]]) -> None:
        """Remove what was replaced long ago and is not in the table. ``live``: the names of all files that are.

        What cannot be removed stays for the owner's vacuum.
        """
        now_ns = self._now_ns()
        if now_ns - self._looked_ns < EVERY_NS:
            return
        self._looked_ns = now_ns
        due = []
        while self._replaced and now_ns - self._replaced[0][0] >= REPLACED_NS:
            due.append(self._replaced.popleft()[1])
        if not due:
            return
        # Somebody may have put the table back to an older version.
        names = live()
        for path in due:
            if path.name not in names:
                with contextlib.suppress(OSError):
                    path.unlink()
