"""Damage done to a segment as an intruder, or a disk, would do it."""

from __future__ import annotations

from pathlib import Path

import lmdb

from livestack.journal.format import EVENTS, key_of


def spoil(segment: Path, seq: int) -> None:
    """Another value under ``seq``, in a file that stays sound."""
    with lmdb.open(str(segment), max_dbs=8, map_size=1 << 30) as environment:
        events = environment.open_db(EVENTS)
        with environment.begin(write=True, db=events) as transaction:
            transaction.put(key_of(seq), b"something else")


def garble(segment: Path) -> None:
    """A file that cannot be opened."""
    (segment / "data.mdb").write_bytes(b"garbage")
