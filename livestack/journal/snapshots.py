"""State snapshots beside a session's journal: they shorten a recovery and a replay, and prove nothing by themselves.

One file per snapshot, ``<session>/snapshots/<seq>``: CRC-32 (4 bytes) of the rest, then MessagePack of
:class:`Snapshot`. A file is complete or not there: written beside, flushed, renamed. A damaged one, one of other
semantics or beyond the journal's end is passed over; an older one, or the journal's start, takes its place. Any one
thread.
"""

from __future__ import annotations

import contextlib
import os
import zlib
from collections.abc import Iterator
from pathlib import Path

import msgspec

from livestack.failpoints import failpoint
from livestack.journal.directory import flush_directory, make_private
from livestack.journal.format import CRC_SIZE

SNAPSHOT_VERSION = 1
SNAPSHOTS_NAME = "snapshots"
UNFINISHED = ".unfinished"


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """State right after the Event at ``seq`` and everything derived from it.

    ``state`` is ``State.snapshot()``, ``digest`` its ``State.digest()``; ``ts`` the Event's.
    """

    version: int
    session: str
    seq: int
    ts: int
    semantics_version: int
    strategy_digest: str
    digest: str
    state: bytes


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Snapshot)


def snapshot_path(sessions: Path, session: str, seq: int) -> Path:
    """``<sessions>/<session>/snapshots/<seq>``, sortable as text."""
    return sessions / session / SNAPSHOTS_NAME / f"{seq:020d}"


def write_snapshot(sessions: Path, snapshot: Snapshot) -> Path:
    """Keep ``snapshot``, durably; ``OSError`` where the disk refuses, and then there is none.

    Node and follower may write the same position at the same time: each has a file of its own until it is whole, and
    one that another's pruning took does not matter where the other's snapshot is there.
    """
    path = snapshot_path(sessions, snapshot.session, snapshot.seq)
    make_private(path.parent)
    body = _encoder.encode(snapshot)
    unfinished = path.with_name(f"{path.name}.{os.getpid()}{UNFINISHED}")
    try:
        _write_durably(unfinished, body)
        failpoint("snapshot.before_rename")
        unfinished.rename(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            unfinished.unlink(missing_ok=True)  # on a full disk its part would be missed by the journal
        if not (isinstance(error, FileNotFoundError) and path.exists()):
            raise
    flush_directory(path.parent)
    return path


def _write_durably(path: Path, body: bytes) -> None:
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(file, "wb", closefd=False) as out:
            out.write(zlib.crc32(body).to_bytes(CRC_SIZE, "big"))
            out.write(body[: len(body) // 2])
            failpoint("snapshot.in_write")
            out.write(body[len(body) // 2 :])
        os.fsync(file)
    finally:
        os.close(file)


def read_snapshot(path: Path) -> Snapshot | None:
    """The snapshot in ``path``; None where it is not whole, or of a newer format."""
    try:
        data = path.read_bytes()
        if zlib.crc32(data[CRC_SIZE:]).to_bytes(CRC_SIZE, "big") != data[:CRC_SIZE]:
            return None
        snapshot = _decoder.decode(data[CRC_SIZE:])
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None
    return snapshot if snapshot.version <= SNAPSHOT_VERSION else None


def snapshots(sessions: Path, session: str, to_seq: int, semantics_version: int) -> Iterator[Snapshot]:
    """Usable snapshots at or before ``to_seq``, newest first."""
    directory = sessions / session / SNAPSHOTS_NAME
    if not directory.is_dir():
        return
    for path in sorted(directory.iterdir(), reverse=True):
        if not path.name.isdigit() or int(path.name) > to_seq:
            continue
        found = read_snapshot(path)
        expected = (session, int(path.name), semantics_version)
        if found is not None and (found.session, found.seq, found.semantics_version) == expected:
            yield found


def prune_snapshots(sessions: Path, session: str, keep: int, needed: int | None = None) -> list[int]:
    """Remove all but the newest ``keep``, and what was never finished; the positions that went.

    ``needed``: somebody goes on behind that position, so the newest at or before it stays too.
    """
    directory = sessions / session / SNAPSHOTS_NAME
    if not directory.is_dir():
        return []
    whole = sorted(path for path in directory.iterdir() if path.name.isdigit())
    gone = whole[: max(len(whole) - keep, 0)]
    if needed is not None:
        spared = max((path for path in gone if int(path.name) <= needed), default=None)
        if not any(int(path.name) <= needed for path in whole[len(gone) :]):
            gone = [path for path in gone if path != spared]
    for path in [*gone, *directory.glob(f"*{UNFINISHED}")]:
        path.unlink(missing_ok=True)
    return [int(path.name) for path in gone]


def drop_snapshots_beyond(sessions: Path, session: str, last_seq: int) -> list[int]:
    """Remove those of positions that the journal lost; the positions that went.

    A power loss in ``relaxed`` may take a commit that was seen already. Whoever goes on behind ``last_seq`` gives those
    positions to other Events: a snapshot of what stood there would be taken for one of what stands there then.
    """
    directory = sessions / session / SNAPSHOTS_NAME
    if not directory.is_dir():
        return []
    gone = [path for path in directory.iterdir() if path.name.isdigit() and int(path.name) > last_seq]
    for path in gone:
        path.unlink(missing_ok=True)
    if gone:
        flush_directory(directory)
    return sorted(int(path.name) for path in gone)
