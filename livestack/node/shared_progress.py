"""The node's pulse for its guard: a page of shared memory with one writer, which any process may read at any moment.

The page is anonymous memory, handed on as a file descriptor: no disk can hold a beat up, and nothing stays behind.
Beats are a word. Everything else is a record in one of two slots, with a check sum: the writer fills the slot that is
not in use and then points to it, so that a writer that dies at any moment leaves a record that is whole, and a reader
that saw half of one knows. Imports nothing of livestack.
"""

from __future__ import annotations

import mmap
import os
import struct
import zlib
from enum import IntEnum
from pathlib import Path
from typing import NamedTuple

SIZE = 4096
_BEATS, _TURN, _SLOTS = 0, 8, 64
_SLOT_SIZE = 256
_WORD = struct.Struct("=Q")
_RECORD = struct.Struct("=IQQ100s")
_SUM = struct.Struct("=I")

READ_ATTEMPTS = 1_000
"""A writer changes its record a few times in its life; one that is met that often is not a writer of ours."""


class Phase(IntEnum):
    """How far the node is. Only in RUNNING and STOPPING it has to make progress."""

    STARTING = 1
    RUNNING = 2
    STOPPING = 3
    STOPPED = 4
    """It ended in order, and nobody needs to look after what it left."""
    LEAVING = 5
    """It sends nothing any more and is about to end, not in order: its guard waits for that, for a while."""


class Progress(NamedTuple):
    """``beats`` counts up; ``started`` is the process's start in clock ticks since boot, as the kernel has it."""

    beats: int
    phase: Phase
    pid: int
    started: int
    session: str


class ProgressWriter:
    """The node's side. :meth:`beat` from any thread, everything else from one."""

    def __init__(self) -> None:
        self.fd = os.memfd_create("livestack-progress")
        os.ftruncate(self.fd, SIZE)
        self._page = mmap.mmap(self.fd, SIZE)
        self._beats = 0
        self._turn = 0
        self._session = ""
        self._pid = os.getpid()
        self._started = process_start(self._pid)
        self.phase(Phase.STARTING)

    def beat(self) -> None:
        """There was progress, or there is nothing to do."""
        self._beats += 1
        _WORD.pack_into(self._page, _BEATS, self._beats)

    def phase(self, phase: Phase, session: str = "") -> None:
        """From now on; ``session`` stays what it was where it is not given. Counts as progress."""
        self._session = session or self._session
        record = _RECORD.pack(phase, self._pid, self._started, self._session.encode()[:100])
        self._turn += 1
        place = _slot(self._turn)
        self._page[place : place + _RECORD.size] = record
        _SUM.pack_into(self._page, place + _RECORD.size, zlib.crc32(record))
        _WORD.pack_into(self._page, _TURN, self._turn)
        self.beat()

    def stopped(self) -> None:
        """The node ended in order."""
        self.phase(Phase.STOPPED)

    def close(self) -> None:
        """Of this process's view; idempotent."""
        if not self._page.closed:
            self._page.close()
            os.close(self.fd)


class ProgressReader:
    """Another process's side. ``fd`` is the writer's, inherited; it is not closed. ``ValueError``: not such a page."""

    def __init__(self, fd: int) -> None:
        if os.fstat(fd).st_size != SIZE:
            raise ValueError("the descriptor is not that of a node's progress")
        self._page = mmap.mmap(fd, SIZE, prot=mmap.PROT_READ)

    def beats(self) -> int:
        return int(_WORD.unpack_from(self._page, _BEATS)[0])

    def read(self) -> Progress:
        """All of it as it was at one moment. ``ValueError`` where no writer ever wrote it."""
        for _ in range(READ_ATTEMPTS):
            turn = int(_WORD.unpack_from(self._page, _TURN)[0])
            place = _slot(turn)
            record = bytes(self._page[place : place + _RECORD.size])
            (check_sum,) = _SUM.unpack_from(self._page, place + _RECORD.size)
            if turn == _WORD.unpack_from(self._page, _TURN)[0] and check_sum == zlib.crc32(record):
                phase, pid, started, session = _RECORD.unpack(record)
                text = session.rstrip(b"\0").decode(errors="replace")
                return Progress(self.beats(), Phase(phase), pid, started, text)
        raise ValueError("the node's progress cannot be read")

    def close(self) -> None:
        self._page.close()


def process_start(pid: int) -> int:
    """When process ``pid`` started, in clock ticks since boot: with the pid, no other process has the same.

    ``OSError``: there is none.
    """
    text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    # The name of the program, in brackets, may hold anything; the 22nd field counts from behind it.
    return int(text.rpartition(")")[2].split()[19])


def _slot(turn: int) -> int:
    return _SLOTS + (turn & 1) * _SLOT_SIZE
