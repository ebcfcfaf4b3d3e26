"""What a shipment leaves beside the journal for others: how far its sink is, and which process is at it. One thread."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from livestack.actors.shipment_source import JournalSource
from livestack.exceptions import HeldError
from livestack.failpoints import failpoint
from livestack.storage.cursor import (
    SHIPPED_NAME,
    Mark,
    mark_path,
    name_of_address,
    read_marks,
    write_mark,
)


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
        self._kept = self._read()

    def keep(self, through: int, wall_ns: int, link: str = "", ended: bool | None = None) -> None:
        """``ended`` None: as it was, where nothing else changed. A disk that refuses costs a later look at the sink."""
        kept = self._kept
        if (
            kept is not None
            and (kept.through, kept.contradiction) == (through, "")
            and link in ("", kept.link)
            and ended in (None, kept.ended)
        ):
            return
        self._write(self._mark(wall_ns, through=through, link=link, ended=bool(ended)))

    def contradiction(self, furthest: int, journal: JournalSource, wall_ns: int) -> str:
        """Why ``journal`` is not the one of which the sink has records up to ``furthest``, and what to do; "" where it
        may be.

        It is noted in the mark and holds until that is removed, or the sink has nothing of the session: a journal that
        was put back and went on would soon hide it.
        """
        kept = self._kept = self._read()
        if furthest == 0:
            return ""
        what = kept.contradiction if kept is not None else ""
        if not what and not journal.has(furthest):
            what = (
                f"{self._address} has records of session {self._session} up to seq {furthest}, but its journal here "
                f"ended with seq {journal.last_seq()}: they are of another journal of that name, or this one has lost "
                "its end"
            )
        elif (
            not what
            and kept is not None
            and kept.link
            and journal.link_at(kept.through) not in ("", kept.link)
        ):
            what = (
                f"{self._address} has records of session {self._session} from another journal of that name: up to "
                f"seq {kept.through} this one is not what was shipped"
            )
        if not what:
            return ""
        if kept is None or kept.contradiction != what:
            self._write(self._mark(wall_ns, contradiction=what))
        return (
            f"{what}; nothing is written. Put the journal back that was shipped, or ship this one to another place, "
            f"and remove {mark_path(self._sessions, self._session, self._name)}"
        )

    def _read(self) -> Mark | None:
        """The mark that is there; of another address it says nothing."""
        mark = read_marks(self._sessions, self._session).get(self._name)
        return mark if mark is not None and mark.address == self._address else None

    def _mark(
        self, wall_ns: int, through: int = 0, link: str = "", ended: bool = False, contradiction: str = ""
    ) -> Mark:
        return Mark(
            name=self._name,
            address=self._address,
            through=through,
            ended=ended,
            wall_ns=wall_ns,
            link=link,
            contradiction=contradiction,
        )

    def _write(self, mark: Mark) -> None:
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
def alone(sessions: Path, session: str, name: str, address: str) -> Iterator[None]:
    """Be the only process that ships ``session`` to the sink at ``address``, whatever others call it; ``name`` is for
    people. ``HeldError`` names the other one.

    The kernel gives the lock back when its holder dies, however it dies.
    """
    directory = sessions / session / SHIPPED_NAME
    directory.mkdir(mode=0o700, exist_ok=True)
    lock = os.open(
        directory / f"{name_of_address(address)}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600
    )
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
