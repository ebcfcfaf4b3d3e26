"""Where segments go that a journal must not be read from: out of its way, never deleted, never mended.

``<session>/quarantine/<first_seq>-<n>/`` holds the segment as it was, and why it is there in ``why.txt``. A session
whose journal is not whole is marked before anything of it is moved: what is left must never pass for all of it. Any one
thread; nobody may have the segment open.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from livestack.journal.directory import flush_directory, make_private

QUARANTINE_NAME = "quarantine"
ABANDONED_NAME = "abandoned"
WHY_NAME = "why.txt"


def abandon(sessions: Path, session: str, why: str) -> None:
    """Mark ``session``, durably: it is never taken up again. ``OSError`` where the disk refuses."""
    path = sessions / session / ABANDONED_NAME
    with path.open("w") as file:
        file.write(f"{why}\n")
        file.flush()
        os.fsync(file.fileno())
    flush_directory(path.parent)


def why_abandoned(sessions: Path, session: str) -> str | None:
    """The reason for which ``session`` is never taken up again, or None."""
    try:
        return (sessions / session / ABANDONED_NAME).read_text(errors="replace").strip() or "not recorded"
    except OSError:
        return None


def set_aside(segment: Path, why: str) -> Path:
    """Move ``segment`` into its session's quarantine; where it is now. ``OSError`` where the disk refuses."""
    quarantine = segment.parent.parent / QUARANTINE_NAME
    make_private(quarantine)
    number = 1
    while (place := quarantine / f"{segment.name}-{number}").exists():
        number += 1
    segment.rename(place)
    flush_directory(quarantine)
    flush_directory(segment.parent)
    with contextlib.suppress(OSError):  # a full disk keeps the segment, which matters, and not the reason
        (place / WHY_NAME).write_text(f"{why}\n")
    return place


def quarantined(sessions: Path, session: str) -> list[tuple[str, str]]:
    """What is in a session's quarantine: name and reason, oldest position first."""
    quarantine = sessions / session / QUARANTINE_NAME
    if not quarantine.is_dir():
        return []
    return [(path.name, _why(path)) for path in sorted(quarantine.iterdir()) if path.is_dir()]


def _why(place: Path) -> str:
    try:
        return (place / WHY_NAME).read_text(errors="replace").strip()
    except OSError:
        return "not recorded"
