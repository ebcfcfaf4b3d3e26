"""What a shipment leaves beside the journal for others: how far its sink is, and which process is at it. One thread."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from livestack.exceptions import HeldError
from livestack.failpoints import failpoint
from livestack.storage.cursor import SHIPPED_NAME, Mark, read_marks, write_mark


class Trouble(msgspec.Struct, frozen=True, tag="error", tag_field="report"):
    """Something keeps records from being kept; ``text`` is a sentence. ``refused``: until somebody acts."""

    text: str
    refused: bool = False


class ShippingMark:
    """The mark of sink ``name`` at ``address``, written only where it says something new. ``trouble``: it cannot be."""

    def __init__(self, sessions: Path, session: str, name: str, address: str) -> None:
        self.trouble: Trouble | None = None
        self._sessions = sessions
        self._session = session
        self._name = name
        self._address = address
        self._kept = read_marks(sessions, session).get(name)

    def keep(self, through: int, wall_ns: int, ended: bool | None = None) -> None:
        """``ended`` None: as it was, where nothing else changed. A disk that refuses costs a later look at the sink."""
        kept = self._kept
        same = kept is not None and (kept.address, kept.through) == (self._address, through)
        if same and kept is not None and ended in (None, kept.ended):
            return
        mark = Mark(
            name=self._name, address=self._address, through=through, ended=bool(ended), wall_ns=wall_ns
        )
        try:
            failpoint("ship.before_mark")
            write_mark(self._sessions, self._session, mark)
        except OSError as error:
            self.trouble = Trouble(
                f"how far {self._address} is cannot be noted beside session {self._session}: {error.strerror}"
            )
        else:
            self._kept, self.trouble = mark, None


@contextmanager
def alone(sessions: Path, session: str, name: str) -> Iterator[None]:
    """Be the only process that ships ``session`` to sink ``name``. ``HeldError`` names the other one.

    The kernel gives the lock back when its holder dies, however it dies.
    """
    directory = sessions / session / SHIPPED_NAME
    directory.mkdir(mode=0o700, exist_ok=True)
    lock = os.open(directory / f"{name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.pread(lock, 100, 0).decode(errors="replace").strip() or "another process"
            raise HeldError(f"sink {name} of session {session}", f"{holder} ships to it") from None
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"process {os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(lock)
