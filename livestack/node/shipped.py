"""How far the sinks of this run are with a session, by the marks beside its journal: what retention waits for.

``sinks`` are those in use, with their addresses. A mark of another sink, or of another place under the same name,
counts for nothing, and a sink without a mark has nothing. Any one thread.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from livestack.storage.cursor import Mark, read_marks


def shipped_to_all(sessions: Path, session: str, sinks: Mapping[str, str]) -> int | None:
    """Up to where every sink has everything; None: there is none to wait for."""
    return min((0 if one is None else one.through for one in _marks(sessions, session, sinks)), default=None)


def is_shipped(sessions: Path, session: str, sinks: Mapping[str, str]) -> bool:
    """Whether every sink has the session to its end."""
    return all(one is not None and one.ended for one in _marks(sessions, session, sinks))


def _marks(sessions: Path, session: str, sinks: Mapping[str, str]) -> list[Mark | None]:
    marks = read_marks(sessions, session) if sinks else {}
    found = ((marks.get(name), address) for name, address in sinks.items())
    return [mark if mark is not None and mark.address == address else None for mark, address in found]
