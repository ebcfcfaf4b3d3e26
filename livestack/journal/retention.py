"""What may go from a data directory, and when: whole sealed segments, whole sessions, never a record of its own.

A segment goes once it was sealed long enough ago and a snapshot stands behind it: nothing has to be read from it to go
on. Who ships records reads the journal too, and begins at a snapshot that is no newer than what it has shipped: one
such snapshot always stays, and nothing behind it goes. A session goes once it stopped in order, long enough ago, and
was shipped to its end. How far sinks are is for the caller to say, who knows which are in use. What was never finished,
is damaged or is in quarantine stays. Runs on a thread that nobody waits for.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

from livestack.core.runtime import SEMANTICS_VERSION
from livestack.failpoints import failpoint
from livestack.journal.clean import DATA_NAME, is_clean, is_stopped
from livestack.journal.directory import REMOVING_PREFIX, flush_directory
from livestack.journal.quarantine import QUARANTINE_NAME
from livestack.journal.reader import JournalReader
from livestack.journal.restoring import snapshot_positions
from livestack.journal.segment import first_seq_of, segments_of
from livestack.journal.snapshots import snapshots

LEAST = 2
"""A single snapshot may turn out bad."""


def spare_through(sessions: Path, session: str, keep: int, shipped: int | None) -> int:
    """The position up to which nobody will read the journal again: that of a snapshot; 0 where none will do.

    The newest ``keep`` snapshots are to be worth it; older ones may be there for sinks, and hold nothing back.
    ``shipped``: up to here every sink has everything; None: there is no sink. A sink's next fold begins at a snapshot
    at or before that, so this one has to be good.
    """
    there = snapshot_positions(sessions, session)
    if len(there) < min(LEAST, keep):
        return 0
    oldest = there[-keep:][0]
    if shipped is None:
        return oldest
    usable = next(snapshots(sessions, session, min(oldest, shipped), SEMANTICS_VERSION), None)
    return 0 if usable is None else usable.seq


def goes_on_behind(sessions: Path, session: str, shipped: int | None) -> int | None:
    """The position behind which a sink's next fold begins, for :func:`~livestack.journal.snapshots.prune_snapshots`.

    ``shipped`` as for :func:`spare_through`; None: nobody folds. A sink that has no mark, as one under a new name, may
    have everything before the journal's beginning all the same: it needs the first snapshot that reaches that.
    """
    if shipped is None:
        return None
    segments = segments_of(sessions, session)
    first_seq = first_seq_of(segments[0]) if segments else 1
    if first_seq == 1:
        return shipped
    reaching = (seq for seq in snapshot_positions(sessions, session) if seq >= first_seq - 1)
    return max(shipped, next(reaching, 0))


def prune_segments(sessions: Path, session: str, snapshot_seq: int, before_ns: int) -> list[int]:
    """Remove segments sealed before ``before_ns`` (wall clock) that a snapshot at ``snapshot_seq`` stands behind.

    Returns their first positions. ``OSError`` where the disk refuses; what is half gone goes the next time.
    """
    segments = segments_of(sessions, session)
    _sweep(sessions / session / "journal")
    gone = []
    for segment, following in pairwise(segments):
        if first_seq_of(following) - 1 > snapshot_seq or _changed_ns(segment) >= before_ns:
            break
        _remove(segment)
        gone.append(first_seq_of(segment))
    return gone


def prune_sessions(
    sessions: Path, keep: str, before_ns: int, is_shipped: Callable[[str], bool] = lambda session: True
) -> list[str]:
    """Remove sessions other than ``keep`` that stopped in order before ``before_ns`` (wall clock); their names.

    ``is_shipped``: whether every sink has all of a session.
    """
    _sweep(sessions)
    gone = []
    for path in sorted(sessions.iterdir()):
        if path.name != keep and (path / "journal").is_dir() and _may_go(sessions, path.name, before_ns):
            if not is_shipped(path.name):
                continue
            _remove(path)
            gone.append(path.name)
    return gone


def _may_go(sessions: Path, session: str, before_ns: int) -> bool:
    segments = segments_of(sessions, session)
    odd = (sessions / session / QUARANTINE_NAME).exists() or any((sessions / session).glob("poison-*"))
    if odd or not segments or not is_clean(segments[-1]) or _changed_ns(segments[-1]) >= before_ns:
        return False
    with JournalReader([segments[-1]], live=True) as reader:
        return is_stopped(reader.newest())


def _changed_ns(segment: Path) -> int:
    return (segment / DATA_NAME).stat().st_mtime_ns


def _remove(path: Path) -> None:
    going = path.with_name(REMOVING_PREFIX + path.name)
    path.rename(going)
    flush_directory(path.parent)
    failpoint("retention.in_remove")
    shutil.rmtree(going)


def _sweep(directory: Path) -> None:
    for path in directory.glob(f"{REMOVING_PREFIX}*"):
        shutil.rmtree(path)
