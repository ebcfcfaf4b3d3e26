"""The kill-switch on disk: it stays engaged until it is reset, whatever happens to the process.

A small file in the data directory, replaced as a whole and flushed with its directory, so that it is there or not. A
file that cannot be read counts as engaged for everything. No lock and no other file is needed to engage: the node, its
guard and ``livestack guard cancel-all`` may all do it. Any thread.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Final

import msgspec

LATCH_NAME: Final = "kill.latch"

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


class Latch:
    """The latch of one data directory."""

    def __init__(self, data_dir: Path) -> None:
        self.path = data_dir / LATCH_NAME
        self._lock = threading.Lock()

    def engage(self, entry: LatchEntry) -> None:
        """Add ``entry``; durable when this returns. ``OSError`` where the disk refuses."""
        with self._lock:
            entries = [one for one in self.entries() if (one.venue, one.instrument) != _place(entry)]
            if len(entries) >= ENTRIES_MAX:
                entry = msgspec.structs.replace(entry, venue="", instrument="")
                entries = entries[: ENTRIES_MAX - 1]
            self._write([*entries, entry])

    def entries(self) -> tuple[LatchEntry, ...]:
        """What is engaged, in the order of engagement; empty: nothing."""
        try:
            return msgspec.json.decode(self.path.read_bytes(), type=tuple[LatchEntry, ...])
        except FileNotFoundError:
            return ()
        except (OSError, msgspec.MsgspecError) as error:
            why = f"{self.path.name} cannot be read: {error}"
            return (LatchEntry(trigger="latch", by="livestack", reason=why),)

    def clear(self) -> None:
        """Nothing is engaged any more; durable when this returns. ``OSError`` where the disk refuses."""
        with self._lock:
            self.path.unlink(missing_ok=True)
            _flush(self.path.parent)

    def _write(self, entries: list[LatchEntry]) -> None:
        # Several processes may write: each in a file of its own, and the last one whole.
        draft = self.path.with_name(f"{LATCH_NAME}.{os.getpid()}.{threading.get_ident()}")
        file = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            os.write(file, msgspec.json.encode(entries))
            os.fsync(file)
        finally:
            os.close(file)
        draft.replace(self.path)
        _flush(self.path.parent)


def _place(entry: LatchEntry) -> tuple[str, str]:
    return entry.venue, entry.instrument


def _flush(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
