"""What may go from a data directory, and when: whole sealed segments, whole sessions, never a record of its own.

A segment goes once it was sealed long enough ago and a snapshot stands behind it: nothing has to be read from it to go
on. A session goes once it stopped in order, long enough ago. What was never finished, is damaged or is in quarantine
stays. Runs on a thread that nobody waits for.
"""

from __future__ import annotations

import shutil
from itertools import pairwise
from pathlib import Path

from livestack.failpoints import failpoint
from livestack.journal.clean import DATA_NAME, is_clean, is_stopped
from livestack.journal.directory import REMOVING_PREFIX, flush_directory
from livestack.journal.quarantine import QUARANTINE_NAME
from livestack.journal.reader import JournalReader
from livestack.journal.segment import first_seq_of, segments_of


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


def prune_sessions(sessions: Path, keep: str, before_ns: int) -> list[str]:
    """Remove sessions other than ``keep`` that stopped in order before ``before_ns`` (wall clock); their names."""
    _sweep(sessions)
    gone = []
    for path in sorted(sessions.iterdir()):
        if path.name != keep and (path / "journal").is_dir() and _may_go(sessions, path.name, before_ns):
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
