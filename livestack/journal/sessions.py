"""What a data directory holds: its sessions, and how each of them ended. Read-only; any one thread."""

from __future__ import annotations

from pathlib import Path

import msgspec

from livestack.core.events import SessionStarted, SessionStopped
from livestack.exceptions import LivestackError, UsageError
from livestack.journal.directory import DataDirectory
from livestack.journal.reader import JournalReader


class SessionInfo(msgspec.Struct, frozen=True):
    """One session. ``state``: ``running``, ``stopped`` (in order), ``interrupted`` or ``damaged``; times in ns."""

    session: str
    state: str
    strategy: str
    events: int
    started_ns: int
    last_ns: int


def list_sessions(directory: DataDirectory) -> list[SessionInfo]:
    """Every session, oldest first."""
    if not directory.sessions.is_dir():
        return []
    names = sorted(path.name for path in directory.sessions.iterdir() if (path / "journal").is_dir())
    held = directory.is_held()
    return [_describe(directory.sessions, name, held and name == names[-1]) for name in names]


def resolve(directory: DataDirectory, session: str) -> tuple[str, bool]:
    """A session's full name (``latest``: the newest) and whether it is running. ``UsageError`` names what there is."""
    infos = directory.sessions.iterdir() if directory.sessions.is_dir() else []
    names = sorted(path.name for path in infos if (path / "journal").is_dir())
    if not names:
        raise UsageError(f"no session in {directory.path}; livestack start makes one")
    name = names[-1] if session == "latest" else session
    if name not in names:
        raise UsageError(
            f"no session {session} in {directory.path}; there are: latest, {', '.join(names[-5:])}"
        )
    return name, directory.is_held() and name == names[-1]


def _describe(sessions: Path, name: str, live: bool) -> SessionInfo:
    try:
        with JournalReader.open(sessions, name, live) as reader:
            last_seq = reader.last_seq()
            first = next(reader.records(1, 1), None) if last_seq else None
            tail = list(reader.records(max(last_seq - 1, 1), last_seq)) if last_seq else []
    except LivestackError:
        return SessionInfo(name, "damaged", "", 0, 0, 0)
    stopped = any(isinstance(record.event, SessionStopped) for record in tail)
    state = "running" if live else "stopped" if stopped else "interrupted"
    started_ns = first.event.wall_ns if first and isinstance(first.event, SessionStarted) else 0
    return SessionInfo(
        name, state, reader.header.strategy_path, last_seq, started_ns, tail[-1].ts if tail else started_ns
    )
