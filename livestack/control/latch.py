"""The kill-switch on disk: it stays engaged until it is reset, whatever happens to the process.

A small file in the data directory, replaced as a whole and flushed with its directory, so that it is there or not. A
file that cannot be read counts as engaged for everything.

The node, its guard and ``livestack guard cancel-all`` may all engage it at once: each adds to the file under a lock on
the directory. One that does not get the lock in a moment, as its holder is stopped or waits for the disk, engages
everything, in a second file that nobody adds to. Who reads takes no lock. Any thread.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import msgspec

LATCH_NAME: Final = "kill.latch"

EVERYTHING_SUFFIX = ".everything"
"""Of the file for those who did not get the lock."""

LOCK_WAIT_S = 0.25
"""For the lock: many times what a healthy disk takes to flush, and nothing to somebody who wants it all to stop."""

LOCK_LOOK_S = 0.005

ENTRIES_MAX = 100
"""Entries kept; a new one beyond that becomes one for everything, as no scope is ever forgotten."""


class LatchEntry(msgspec.Struct, frozen=True, kw_only=True):
    """Who pulled the kill-switch, how, and for what: '' and '' is everything. ``wall_ns``: since 1970."""

    trigger: str
    by: str
    reason: str
    venue: str = ""
    instrument: str = ""
    wall_ns: int = 0

    @property
    def scope(self) -> str:
        return self.instrument or self.venue


_decode = msgspec.json.Decoder(tuple[LatchEntry, ...]).decode


class Latch:
    """The latch of one data directory."""

    def __init__(self, data_dir: Path) -> None:
        self.path = data_dir / LATCH_NAME

    def engage(self, entry: LatchEntry) -> None:
        """Add ``entry``; durable when this returns. ``OSError`` where the disk refuses."""
        with self._lock() as is_ours:
            if not is_ours:
                self._write(self._everything, [_widened(entry)])
                return
            entries = [one for one in _read(self.path) if _place(one) != _place(entry)]
            if len(entries) >= ENTRIES_MAX:
                entry = _widened(entry)
                entries = entries[: ENTRIES_MAX - 1]
            self._write(self.path, [*entries, entry])

    def entries(self) -> tuple[LatchEntry, ...]:
        """What is engaged, in the order of engagement; empty: nothing."""
        return (*_read(self.path), *_read(self._everything))

    def clear(self) -> None:
        """Nothing is engaged any more; durable when this returns. ``OSError`` where the disk refuses, or somebody who
        is about to engage it is stopped."""
        with self._lock() as is_ours:
            if not is_ours:
                raise BlockingIOError(f"somebody else is writing {self.path.name}")
            self.path.unlink(missing_ok=True)
            self._everything.unlink(missing_ok=True)
            _flush(self.path.parent)

    @property
    def _everything(self) -> Path:
        return self.path.with_name(f"{self.path.name}{EVERYTHING_SUFFIX}")

    @contextmanager
    def _lock(self) -> Iterator[bool]:
        """Whether the lock is ours inside the block. Each opening of the directory is a holder of its own, so that it
        is one between threads too."""
        directory = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            yield _locked(directory)
        finally:
            os.close(directory)

    def _write(self, path: Path, entries: list[LatchEntry]) -> None:
        # Several may write at once: each in a file of its own, and the last one whole.
        draft = self.path.with_name(f"{LATCH_NAME}.{os.getpid()}.{threading.get_ident()}")
        file = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            os.write(file, msgspec.json.encode(entries))
            os.fsync(file)
        finally:
            os.close(file)
        draft.replace(path)
        _flush(path.parent)


def _read(path: Path) -> tuple[LatchEntry, ...]:
    try:
        return _decode(path.read_bytes())
    except FileNotFoundError:
        return ()
    except (OSError, msgspec.MsgspecError) as error:
        return (LatchEntry(trigger="latch", by="livestack", reason=f"{path.name} cannot be read: {error}"),)


def _locked(directory: int) -> bool:
    """Take the lock on an open directory, within ``LOCK_WAIT_S``."""
    for _ in range(round(LOCK_WAIT_S / LOCK_LOOK_S)):
        with suppress(OSError):  # somebody has it, or this file system has none
            fcntl.flock(directory, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        time.sleep(LOCK_LOOK_S)
    return False


def _widened(entry: LatchEntry) -> LatchEntry:
    return msgspec.structs.replace(entry, venue="", instrument="")


def _place(entry: LatchEntry) -> tuple[str, str]:
    return entry.venue, entry.instrument


def _flush(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
