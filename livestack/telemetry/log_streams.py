"""Standard error, which may be a pipe that nobody reads, a terminal that stands still, or a file on a full disk.

Whoever prints there gets on: the log's own thread waits as long as it takes, everybody else for ``PATIENCE_S``, and
what cannot be written is lost and counted. A file descriptor is written to past Python's buffers: a thread that hangs
in one of those would abort the interpreter's end.
"""

from __future__ import annotations

import io
import os
import select
import time
from collections.abc import Callable
from typing import Final, TextIO

PATIENCE_S: Final = 2.0
"""For a stream that takes nothing; after that it gets no time at all until it takes something again."""

LOOK_MS: Final = 200
"""Between two looks whether a wait is still wanted."""


def descriptor(stream: TextIO) -> int | None:
    """The file descriptor behind ``stream``; None for one that is kept in memory, or closed."""
    try:
        return stream.fileno()
    except (OSError, ValueError, AttributeError):
        return None


def write_all(fd: int, data: bytes, wanted: Callable[[], bool]) -> int:
    """Bytes of ``data`` that were written, in parts that a pipe takes without waiting, as long as it is ``wanted``.

    ``OSError`` where nothing at all can be written.
    """
    poller = select.poll()
    poller.register(fd, select.POLLOUT)
    written = 0
    while written < len(data):
        if not poller.poll(0) and not _comes(poller, wanted):
            break
        try:
            written += os.write(fd, data[written : written + select.PIPE_BUF])
        except BlockingIOError:
            if not wanted():
                break
        except OSError:
            if written:
                break
            raise
    return written


def _comes(poller: select.poll, wanted: Callable[[], bool]) -> bool:
    while wanted():
        if poller.poll(LOOK_MS):
            return True
    return False


class ErrorStream:
    """The log's way to ``stream``. The writer's thread; :meth:`give_up` any thread."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._fd = descriptor(stream)
        self._given_up = False
        self._torn = False

    def write(self, data: bytes) -> bool:
        """Whether all of ``data`` was written. Waits for a stream that takes nothing until somebody gives up."""
        if self._fd is None:
            return self._write_text(data.decode())
        if self._torn:
            data = b"\n" + data  # the line before it has no end
        try:
            written = write_all(self._fd, data, lambda: not self._given_up)
        except OSError:
            return False
        self._torn = written < len(data) and (self._torn or written > 0)
        return written == len(data)

    def _write_text(self, text: str) -> bool:
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):  # ValueError: it is closed
            return False
        return True

    def give_up(self) -> None:
        """Wait no more."""
        self._given_up = True

    def close(self) -> None:
        """It is not ours."""


class Lossy(io.TextIOBase):
    """``stream`` for people: what cannot be written is dropped and counted in ``lost``; nobody's work fails for it, or
    waits for it longer than ``PATIENCE_S``."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._fd = descriptor(stream)
        self._patient = True
        self.lost = 0

    def write(self, text: str) -> int:
        try:
            if self._fd is None:
                self._stream.write(text)
            elif not self._written(self._fd, text.encode(self.encoding, "backslashreplace")):
                self.lost += 1
        except (OSError, ValueError):  # ValueError: it is closed
            self.lost += 1
        return len(text)

    def _written(self, fd: int, data: bytes) -> bool:
        until_s = time.monotonic() + (PATIENCE_S if self._patient else 0)
        self._patient = write_all(fd, data, lambda: time.monotonic() < until_s) == len(data)
        return self._patient

    def flush(self) -> None:
        try:
            self._stream.flush()
        except (OSError, ValueError):
            self.lost += 1

    def isatty(self) -> bool:
        return self._stream.isatty()

    def fileno(self) -> int:
        return self._stream.fileno()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._stream.encoding or "utf-8"

    @property
    def stream(self) -> TextIO:
        """What is behind it."""
        return self._stream
