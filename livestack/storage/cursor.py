"""How far each sink is with a session, written down beside its journal: what retention and people look at.

A hint from yesterday at worst, never too far: it is written after the sink's confirmation. The shipper itself believes
only the sink. One file per sink, ``<session>/shipped/<name>.json``, whole or not there. Any one thread a file.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

import msgspec

SHIPPED_NAME = "shipped"


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """The sink ``name`` at ``address`` has every record up to ``through``. ``ended``: that is the session's end."""

    name: str
    address: str
    through: int = 0
    ended: bool = False
    wall_ns: int = 0


_decoder = msgspec.json.Decoder(Mark)


def write_mark(sessions: Path, session: str, mark: Mark) -> None:
    """Replace the mark of ``mark.name``. ``OSError`` where the disk refuses: then the old one stays."""
    directory = sessions / session / SHIPPED_NAME
    directory.mkdir(mode=0o700, exist_ok=True)
    path = directory / f"{mark.name}.json"
    unfinished = path.with_suffix(".unfinished")
    unfinished.write_bytes(msgspec.json.encode(mark))
    os.replace(unfinished, path)


def read_marks(sessions: Path, session: str) -> dict[str, Mark]:
    """By name of the sink; one that cannot be read is not there."""
    marks = {}
    for path in sorted((sessions / session / SHIPPED_NAME).glob("*.json")):
        try:
            marks[path.stem] = _decoder.decode(path.read_bytes())
        except (OSError, msgspec.MsgspecError):
            continue
    return marks


def shipped_through(sessions: Path, session: str, names: Collection[str] | None = None) -> int | None:
    """Up to where all sinks ``names`` (None: all that have a mark) have everything; None: there is no sink to wait for.

    A sink that has no mark has nothing.
    """
    marks = read_marks(sessions, session)
    wanted = marks if names is None else names
    return min((marks[name].through if name in marks else 0 for name in wanted), default=None)
