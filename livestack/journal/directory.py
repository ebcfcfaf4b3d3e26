"""The data directory: where it keeps what, and that one node at a time uses it.

The lock is an advisory one on an open file: the kernel gives it back when the holder dies, however it dies. Main
thread.
"""

from __future__ import annotations

import fcntl
import os
import socket
import stat
from pathlib import Path
from types import TracebackType

from livestack.exceptions import HeldError

LOCK_NAME = "node.lock"
SESSIONS_NAME = "sessions"
REMOVING_PREFIX = "removing-"
"""What is about to go, so that half of it is never taken for all of it."""

_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


class DataDirectory:
    """``path`` and what is below it; made on :meth:`acquire`, for its owner alone (mode 0700).

    One that is there and that others may write to is refused: they could put a latch, a list of keys or a session of
    their own into it. That others may look into it is left as its owner wants it: they see names, because every file
    that a node makes, and every directory with sockets, keys or sessions, has rights for its owner alone.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.sessions = path / SESSIONS_NAME
        self._lock: int | None = None

    def acquire(self) -> DataDirectory:
        """Take the directory for this process. ``HeldError`` names who has it, or why it cannot be used."""
        try:
            make_private(self.path)
            if self.path.stat().st_mode & _OTHERS_WRITE:
                raise HeldError(
                    f"data directory {self.path}", "nobody but its owner may write to it (chmod 700)"
                )
            make_private(self.sessions)
            lock = os.open(self.path / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise HeldError(f"data directory {self.path}", f"cannot be used: {error.strerror}") from error
        if not _take(lock):
            holder = os.pread(lock, 200, 0).decode(errors="replace").strip() or "another process"
            os.close(lock)
            raise HeldError(f"data directory {self.path}", f"it is held by {holder}")
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"process {os.getpid()} on {socket.gethostname()}\n".encode(), 0)
        self._lock = lock
        return self

    def is_held(self) -> bool:
        """Whether a node has it now. Writes nothing; a node that starts at this moment is not disturbed."""
        try:
            lock = os.open(self.path / LOCK_NAME, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
        finally:
            os.close(lock)
        return False

    def release(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def __enter__(self) -> DataDirectory:
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _value: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self.release()


def make_private(path: Path) -> None:
    """Make ``path`` and what is missing above it, durably, each for its owner alone; ``OSError`` where that fails."""
    for directory in (*reversed(path.parents), path):
        if not directory.exists():
            directory.mkdir(mode=0o700, exist_ok=True)
            flush_directory(directory.parent)


def flush_directory(directory: Path) -> None:
    """A new, renamed or removed entry of ``directory`` is durable once this returns."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _take(lock: int) -> bool:
    """Lock for writing; False where a node has it. A look locks for reading and for an instant: that is no holder."""
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except OSError:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except OSError:
                return False
