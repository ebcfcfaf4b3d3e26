"""Room on the journal's disk: how much is left, when to stop trading, and a ballast that can be thrown off.

Trading stops long before the disk is full, so that what venues and operators still say finds its place. The ballast is
a file that holds room for the very end: it goes when the disk is full all the same, because somebody else filled it.
Runs on the recorder's thread, :meth:`Space.prepare` on the main thread before it.
"""

from __future__ import annotations

import os
from pathlib import Path

from livestack.exceptions import HeldError

BALLAST_NAME = "ballast"
_MEGABYTE = 1_000_000


class Space:
    """The disk of ``directory``; ``headroom`` and ``ballast`` in bytes. Less than ``headroom`` free is too little."""

    def __init__(self, directory: Path, headroom: int, ballast: int) -> None:
        self._directory = directory
        self._headroom = headroom
        self._ballast = ballast
        self._path = directory / BALLAST_NAME

    def prepare(self) -> None:
        """Have the ballast. ``HeldError`` where there is not enough room to begin with."""
        self.check()
        try:
            self.restore_ballast()
        except OSError as error:
            raise HeldError(
                f"data directory {self._directory}", f"cannot be written: {error.strerror}"
            ) from error

    def check(self) -> None:
        """``HeldError`` where there is less room than is asked for to begin with. Writes nothing."""
        missing = self._headroom + self._ballast - self._held() - self.free()
        if missing > 0:
            raise HeldError(
                f"data directory {self._directory}",
                f"its disk has {self.free() // _MEGABYTE} MB free, which is {-(-missing // _MEGABYTE)} MB less than "
                "journal.headroom and journal.ballast ask for: make room, or ask for less",
            )

    def free(self) -> int:
        """Bytes that this process may still write."""
        status = os.statvfs(self._directory)
        return status.f_bavail * status.f_frsize

    def is_low(self) -> bool:
        return self.free() < self._headroom

    def has_returned(self) -> bool:
        """Whether there is room again: a quarter above the mark, so that it does not swing, and the ballast's."""
        return self.free() >= self._headroom + self._headroom // 4 + self._ballast - self._held()

    def restore_ballast(self) -> None:
        """Take the ballast's room, really; ``OSError`` where there is none."""
        if self._ballast and self._held() < self._ballast:
            file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.posix_fallocate(file, 0, self._ballast)
            finally:
                os.close(file)

    def release_ballast(self) -> None:
        """Give the ballast's room back to the disk, for the journal."""
        self._path.unlink(missing_ok=True)

    def _held(self) -> int:
        try:
            return self._path.stat().st_blocks * 512
        except OSError:
            return 0
