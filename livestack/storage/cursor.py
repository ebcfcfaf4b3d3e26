"""How far each sink is with a session, written down beside its journal: what retention and people look at.

A hint from yesterday at worst, never too far: it is written after the sink's confirmation. The shipper itself believes
only the sink. One file per sink, ``<session>/shipped/<name>.json``, whole or not there. Any one thread a file.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import msgspec

SHIPPED_NAME = "shipped"


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """The sink ``name`` at ``address`` has every record up to ``through``. ``ended``: that is the session's end.

    ``link``: the journal's hash chain there, in hex; "" unknown. ``contradiction``: why the journal is not the one that
    the sink has records of; nothing is shipped until somebody removes the mark.
    """

    name: str
    address: str
    through: int = 0
    ended: bool = False
    wall_ns: int = 0
    link: str = ""
    contradiction: str = ""


_decoder = msgspec.json.Decoder(Mark)


def name_of_address(address: str) -> str:
    """What a place is called that nobody named: always the same for the same place."""
    return f"sink-{hashlib.blake2b(address.encode(), digest_size=4).hexdigest()}"


def mark_path(sessions: Path, session: str, name: str) -> Path:
    """Where the mark of the sink ``name`` stands."""
    return sessions / session / SHIPPED_NAME / f"{name}.json"


def write_mark(sessions: Path, session: str, mark: Mark) -> None:
    """Replace the mark of ``mark.name``. ``OSError`` where the disk refuses: then the old one stays."""
    path = mark_path(sessions, session, mark.name)
    path.parent.mkdir(mode=0o700, exist_ok=True)
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
