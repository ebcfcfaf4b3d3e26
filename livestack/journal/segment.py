"""One segment of a journal on disk: an LMDB environment with a header, and what may be appended to it.

Durability: ``full`` flushes data and meta page (survives power loss); ``relaxed`` leaves the meta page to the system
(never corrupt, a power loss may take the last transaction). ``sync=False`` and ``writemap`` are not offered. The
writer's thread.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Sequence
from errno import EEXIST
from pathlib import Path
from typing import Any, Literal

import lmdb

from livestack.core.events import Recorded
from livestack.exceptions import HeldError, JournalError, JournalOrderError
from livestack.failpoints import failpoint
from livestack.journal.directory import flush_directory, make_private
from livestack.journal.format import (
    CHAIN,
    EVENTS,
    HEADER_KEY,
    META,
    SegmentHeader,
    encode_header,
    key_of,
)

_NAME = re.compile(r"[0-9]{20}")

Durability = Literal["full", "relaxed"]

MAP_SIZE = 64 << 30
"""Costs nothing without writemap; the real quota is free disk space."""

LOCK_NAME = "lock.mdb"
LOCK_BYTES = 8_192
"""More than ``READERS_MAX`` slots need; LMDB uses what is there."""

MAKING_PREFIX = "making-"
"""A segment's directory until it is whole."""

READERS_MAX = 32
"""Follower, shippers, replays and operators' looks, with room for slots that dead readers left."""


def segment_path(sessions: Path, session: str, first_seq: int) -> Path:
    """``<sessions>/<session>/journal/<first_seq>``, sortable as text."""
    return sessions / session / "journal" / f"{first_seq:020d}"


def first_seq_of(segment: Path) -> int:
    """The position that a segment at this path begins with."""
    return int(segment.name)


def segments_of(sessions: Path, session: str) -> list[Path]:
    """A session's segments, oldest first."""
    journal = sessions / session / "journal"
    return sorted(path for path in journal.glob("[0-9]*") if _NAME.fullmatch(path.name) and path.is_dir())


class Segment:
    """A segment that is being written. ``bytes_written`` counts frames, ``first_ts`` is its first record's."""

    def __init__(self, path: Path, environment: lmdb.Environment, header: SegmentHeader) -> None:
        self.path = path
        self.header = header
        self.bytes_written = 0
        self.first_ts = 0
        self._environment = environment
        self._events = environment.open_db(EVENTS)
        self._chain = environment.open_db(CHAIN)

    @classmethod
    def create(cls, sessions: Path, header: SegmentHeader, durability: Durability) -> Segment:
        """Make it, for its owner alone; it appears whole and durable, or not at all. ``HeldError`` where it cannot,
        ``JournalError`` where a half of it stays."""
        path = segment_path(sessions, header.session, header.first_seq)
        making = path.with_name(f"{MAKING_PREFIX}{path.name}")
        try:
            make_private(path.parent)
            if path.exists():
                raise FileExistsError(EEXIST, "it is there already")
            shutil.rmtree(making, ignore_errors=True)  # of a writer that died here; nothing was ever in it
            making.mkdir(mode=0o700)
            failpoint("segment.in_make")
            _reserve(making / LOCK_NAME)
            environment = lmdb.open(str(making), **_options(durability))
            try:
                with environment.begin(write=True) as transaction:
                    meta = environment.open_db(META, txn=transaction)
                    transaction.put(HEADER_KEY, encode_header(header), db=meta)
                segment = cls(path, environment, header)
                flush_directory(making)
                failpoint("segment.before_rename")
                making.rename(path)
                flush_directory(path.parent)
            except BaseException:
                environment.close()
                shutil.rmtree(path, ignore_errors=True)
                if path.exists():  # an empty one would end the one before it for every reader
                    raise JournalError(f"{path} is not whole and cannot be removed") from None
                raise
            return segment
        except (OSError, lmdb.Error) as error:
            raise HeldError(f"journal {path}", f"cannot be made: {error}") from error

    def append(self, seq: int, records: Sequence[Recorded], frames: list[bytes], chain: bytes) -> None:
        """One transaction: ``records`` behind ``seq`` as ``frames``, and the link that they make.

        ``JournalOrderError`` for a gap, ``lmdb.Error`` for what disk or map refuse: nothing is written then.
        """
        failpoint("journal.before_append")
        with self._environment.begin(write=True) as transaction:
            put = transaction.cursor(self._events).put
            for record, frame in zip(records, frames, strict=True):
                seq += 1
                if record.seq != seq or not put(key_of(seq), frame, append=True):
                    raise JournalOrderError(seq, record.seq)
            if not transaction.put(key_of(seq), chain, append=True, db=self._chain):
                raise JournalOrderError(seq, seq)
        failpoint("journal.after_append")
        self.first_ts = self.first_ts or records[0].ts
        self.bytes_written += sum(map(len, frames))

    def sync(self) -> None:
        """Have everything that was committed on the disk, also where a commit itself does not wait for all of it.

        ``lmdb.Error`` where the disk refuses.
        """
        self._environment.sync(True)

    def close(self) -> None:
        """Whatever was committed is already where it has to be."""
        self._environment.close()


def _reserve(lock: Path) -> None:
    """Take the lock file's room before LMDB maps it: a page of it that a full disk cannot give ends the process."""
    file = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.posix_fallocate(file, 0, LOCK_BYTES)
    finally:
        os.close(file)


def _options(durability: Durability) -> dict[str, Any]:
    return {
        "map_size": MAP_SIZE,
        "max_dbs": 8,
        "sync": True,
        "metasync": durability == "full",
        "writemap": False,
        "map_async": False,
        "readahead": False,
        "lock": True,
        "max_readers": READERS_MAX,
        "max_spare_txns": 1,
        "mode": 0o700,
        "lib_version": 0,
    }
