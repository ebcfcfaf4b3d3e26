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
ACCEPTED_NAME = "accepted"
WHY_NAME = "why.txt"


def abandon(sessions: Path, session: str, why: str) -> None:
    """Mark ``session``, durably: it is never taken up again. ``OSError`` where the disk refuses."""
    path = sessions / session / ABANDONED_NAME
    with path.open("w") as file:
        file.write(f"{why}\n")
        file.flush()
        os.fsync(file.fileno())
    flush_directory(path.parent)


def unaccepted(sessions: Path) -> dict[str, str]:
    """Abandoned sessions that no operator has accepted yet, oldest first, each with the reason."""
    marks = sorted(sessions.glob(f"*/{ABANDONED_NAME}"))
    return {mark.parent.name: mark.read_text(errors="replace").strip() or "not recorded" for mark in marks}


def accept(sessions: Path, session: str) -> bool:
    """An operator knows that ``session`` was abandoned, and trades on. Again does no harm; False where it was not."""
    mark = sessions / session / ABANDONED_NAME
    if not mark.is_file():
        return is_abandoned(sessions, session)
    mark.rename(mark.with_name(ACCEPTED_NAME))
    flush_directory(mark.parent)
    return True


def is_abandoned(sessions: Path, session: str) -> bool:
    """Whether ``session`` is never taken up again, accepted or not."""
    return any((sessions / session / name).is_file() for name in (ABANDONED_NAME, ACCEPTED_NAME))


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
