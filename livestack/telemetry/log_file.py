"""The log in a file of its own: begun anew at a size, the newest old ones kept, readable by its owner alone.

A disk that is full or gone loses lines and nothing else. A node and its guard write the same file: each line is one
append, whoever finds it too long renames it under a lock, and everybody sees at the next line that theirs is not the
one of that name any more, which is also what happens where somebody moves it. Main thread opens, the writer's writes.
"""

from __future__ import annotations

import fcntl
import os
import stat
from pathlib import Path
from typing import Final

from livestack.exceptions import ConfigurationError

MODE: Final = 0o600
DIRECTORY_MODE: Final = 0o700

_FLAGS: Final = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK


class LogFile:
    """``path``; at ``bytes_max`` it becomes ``path.1``, that one ``path.2``, up to ``path.<files>``."""

    def __init__(self, path: Path, bytes_max: int, files: int) -> None:
        self._path = path
        self._bytes_max = bytes_max
        self._files = files
        self._fd = -1
        self._identity = (0, 0)

    @classmethod
    def open(cls, path: Path, bytes_max: int, files: int) -> LogFile:
        """``ConfigurationError`` for a path that no log can be written to."""
        file = cls(path, bytes_max, files)
        try:
            file._find()
        except OSError as error:
            sentence = (
                f"{path} cannot be written: {error.strerror}; name a file in a directory of the node's own"
            )
            raise ConfigurationError([("log.file", sentence)], "log") from None
        return file

    def write(self, data: bytes) -> bool:
        """Whether all of ``data``, a line, was written; part of one does not stay."""
        try:
            size = self._find()
            if size and size + len(data) > self._bytes_max and self._rotate():
                size = self._find()
            written = os.write(self._fd, data)
            if written < len(data) and os.fstat(self._fd).st_size == size + written:
                os.ftruncate(self._fd, size)
        except OSError:
            return False
        return written == len(data)

    def give_up(self) -> None:
        """A disk that hangs is not to be hurried."""

    def close(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def _find(self) -> int:
        """Have the file of that name open, a new one where there is none; its size."""
        try:
            found = os.stat(self._path)
        except FileNotFoundError:
            _make_directory(self._path.parent)
        else:
            if _identity(found) == self._identity:
                return found.st_size
        fd = os.open(self._path, _FLAGS, MODE)
        try:
            found = os.fstat(fd)
            if not stat.S_ISREG(found.st_mode):
                raise OSError(0, "it is no regular file")
            if stat.S_IMODE(found.st_mode) != MODE:
                os.fchmod(fd, MODE)
        except OSError:
            os.close(fd)
            raise
        self.close()
        self._fd, self._identity = fd, _identity(found)
        return found.st_size

    def _rotate(self) -> bool:
        """Rename the file and the older ones; False where somebody else is at it."""
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        try:
            if _identity(os.stat(self._path)) != self._identity:
                return True
            for number in range(self._files - 1, 0, -1):
                if (older := self._numbered(number)).exists():
                    os.replace(older, self._numbered(number + 1))
            os.replace(self._path, self._numbered(1))
            return True
        finally:
            fcntl.flock(self._fd, fcntl.LOCK_UN)

    def _numbered(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")


def _identity(found: os.stat_result) -> tuple[int, int]:
    return found.st_dev, found.st_ino


def _make_directory(path: Path) -> None:
    """Have ``path``, what is missing of it for its owner alone."""
    for directory in (*reversed(path.parents), path):
        if not directory.exists():
            directory.mkdir(mode=DIRECTORY_MODE, exist_ok=True)
