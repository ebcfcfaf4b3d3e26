"""What a data directory holds: its sessions, and how each of them ended. Read-only; any one thread."""

from __future__ import annotations

from pathlib import Path

import msgspec

from livestack.core.events import SessionStarted
from livestack.exceptions import LivestackError, UsageError
from livestack.journal.check import bytes_of
from livestack.journal.clean import is_clean, is_stopped
from livestack.journal.directory import REMOVING_PREFIX, DataDirectory
from livestack.journal.quarantine import is_abandoned, quarantined
from livestack.journal.reader import JournalReader
from livestack.journal.segment import first_seq_of, segments_of


class SessionInfo(msgspec.Struct, frozen=True):
    """One session. ``state``: ``running``, ``stopped`` (in order), ``interrupted``, ``abandoned`` (it
    is never taken up again) or ``damaged``; times in ns.

    ``first_seq`` is the oldest position that is still there, ``damage`` why it is called damaged, ``quarantined`` how
    many segments were set aside.
    """

    session: str
    state: str
    strategy: str
    first_seq: int
    last_seq: int
    started_ns: int
    last_ns: int
    segments: int
    bytes: int
    damage: str = ""
    quarantined: int = 0


def session_names(sessions: Path) -> list[str]:
    """The names of a data directory's sessions, oldest first; a node may have died before there was anything in one."""
    if not sessions.is_dir():
        return []
    return sorted(
        path.name
        for path in sessions.iterdir()
        if (path / "journal").is_dir() and not path.name.startswith(REMOVING_PREFIX)
    )


def _begun(sessions: Path) -> list[str]:
    """Those of which something was ever written, also where all of it is in quarantine."""
    return [
        name for name in session_names(sessions) if segments_of(sessions, name) or quarantined(sessions, name)
    ]


def list_sessions(directory: DataDirectory) -> list[SessionInfo]:
    """Every session, oldest first."""
    names = _begun(directory.sessions)
    held = directory.is_held()
    return [_describe(directory.sessions, name, held and name == names[-1]) for name in names]


def resolve(directory: DataDirectory, session: str) -> tuple[str, bool]:
    """A session's full name (``latest``: the newest) and whether it is running. ``UsageError`` names what there is."""
    names = _begun(directory.sessions)
    if not names:
        raise UsageError(f"no session in {directory.path}; livestack start makes one")
    name = names[-1] if session == "latest" else session
    if name not in names:
        raise UsageError(
            f"no session {session} in {directory.path}; there are: latest, {', '.join(names[-5:])}"
        )
    return name, directory.is_held() and name == names[-1]


def _describe(sessions: Path, name: str, live: bool) -> SessionInfo:
    segments = segments_of(sessions, name)
    size = sum(bytes_of(segment) for segment in segments)
    set_aside = len(quarantined(sessions, name))
    try:
        clean = all(is_clean(segment) for segment in segments)
        with JournalReader.open(sessions, name, live or clean) as reader:
            first_seq, last_seq = reader.header.first_seq, reader.last_seq()
            first = next(reader.records(first_seq, first_seq), None)
            tail = reader.newest()
    except LivestackError as error:
        first_seq = first_seq_of(segments[0]) if segments else 0
        return SessionInfo(
            name, "damaged", "", first_seq, 0, 0, 0, len(segments), size, str(error), set_aside
        )
    left = "abandoned" if is_abandoned(sessions, name) else "interrupted"
    state = "running" if live else "stopped" if is_stopped(tail) else left
    started_ns = first.event.wall_ns if first and isinstance(first.event, SessionStarted) else 0
    return SessionInfo(
        session=name,
        state=state,
        strategy=reader.header.strategy_path,
        first_seq=first_seq if tail else 0,
        last_seq=last_seq,
        started_ns=started_ns,
        last_ns=tail[-1].ts if tail else started_ns,
        segments=len(segments),
        bytes=size,
        quarantined=set_aside,
    )
