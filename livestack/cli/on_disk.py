"""What a data directory tells where no node answers, and what can be left in it for one. Needs no node and no venue."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal, NamedTuple

import msgspec
from google.protobuf.json_format import ParseDict, ParseError

from livestack.cli.showing import moment
from livestack.control.latch import Latch, LatchEntry
from livestack.exceptions import LivestackError
from livestack.journal.directory import DataDirectory, flush_directory
from livestack.journal.sessions import list_sessions
from livestack.node.cancel_all import who_holds
from livestack.node.guard_report import GuardReport, read_report
from livestack.node.kill_receipts import DIRECTORY_NAME
from livestack.node.triggers import KILL_NAME
from livestack.wire import control_pb2 as wire


class OnDisk(NamedTuple):
    """``holder``: who has the directory now; ``open_session``: one that did not stop in order, of which nobody runs."""

    path: Path
    exists: bool
    holder: Literal["node", "guard", ""]
    latch: tuple[LatchEntry, ...]
    report: GuardReport | None
    session: str = ""
    open_session: str = ""

    def guard_acted(self) -> str:
        """What a guard, or somebody by hand, has done since the last node; empty: nothing."""
        if self.report is None or self.holder == "node":
            return ""
        who = (
            "its guard"
            if self.report.trigger == "guard"
            else f"livestack guard cancel-all ({self.report.by})"
        )
        since = moment(self.report.began_ns) or "a time that is not known"
        open_ = [name for name, venue in self.report.venues.items() if not venue.flat]
        end = f"{', '.join(open_)} not flat" if open_ else "all venues flat"
        if not self.report.venues:
            end = "no venue has answered"
        if not self.report.ended_ns:
            return f"{who} acts since {since}: {end} so far"
        return f"{who} has acted at {since}: {end}"

    def is_latched(self) -> bool:
        """Whether whatever starts there begins killed, for everything."""
        return any(not entry.scope for entry in self.latch)

    def advice(self) -> str:
        """What to do where no node answers: first look at what may be open, and start one only where nothing is."""
        if not self.exists:
            return f"there is no data directory {self.path}: is --data-dir right?"
        look = f"look: livestack guard status -c FILE --data-dir {self.path}"
        name = f"the node of {self.session}" if self.session else "the node"
        acted = self.guard_acted()
        if self.holder == "guard":
            doing = acted or "its guard is acting"
            return f"{name} is dead; {doing}; orders may be open. First {look}"
        if self.holder == "node":
            return (
                f"a node has the data directory: it is starting, ending, stopped or stuck. First {look}; "
                f"livestack guard cancel-all -c FILE --data-dir {self.path} --reason TEXT cancels without it"
            )
        if acted:
            return f"{name} is dead; {acted}. First {look}"
        if self.open_session:
            return f"the node of {self.open_session} is dead: orders may be open. First {look}"
        if self.latch:
            return f"no node runs, and the kill-switch is latched; {look}"
        return f"start one: livestack start -c FILE --data-dir {self.path}"


def look(path: Path) -> OnDisk:
    """Changes nothing. What cannot be read is left out: this is for people who look for something else."""
    if not path.is_dir():
        return OnDisk(path, exists=False, holder="", latch=(), report=None)
    holder = who_holds(path)
    found = OnDisk(path, True, holder, Latch(path).entries(), read_report(path))
    try:
        sessions = list_sessions(DataDirectory(path))
    except (LivestackError, OSError):
        return found
    if not sessions:
        return found
    newest = sessions[-1]
    ended = newest.state in ("stopped", "abandoned") or holder == "node"
    return found._replace(session=newest.session, open_session="" if ended else newest.session)


def leave_kill_file(path: Path, reason: str) -> str:
    """Write ``KILL``: a node of this directory is killed as soon as it runs. What went wrong; empty: it is there."""
    file = path / KILL_NAME
    draft = path / f"{KILL_NAME}.{os.getpid()}"
    try:
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with open(handle, "wb") as stream:
            stream.write(reason.encode())
            stream.flush()
            os.fsync(handle)
        draft.replace(file)
        flush_directory(path)
    except OSError as error:
        return "" if file.exists() else f"{file} cannot be written: {error.strerror or error}"
    return ""


class KeptReceipt(NamedTuple):
    """A receipt that a node has written down. ``trouble``: why it cannot be read."""

    path: Path
    receipt: wire.KillReceipt
    trouble: str = ""


def kept_receipts(path: Path) -> list[KeptReceipt]:
    """Those of the data directory ``path``, oldest first."""
    return [_read(file) for file in sorted((path / DIRECTORY_NAME).glob("*.json"))]


def newest_receipt(path: Path) -> KeptReceipt | None:
    """The newest one that can be read."""
    return next((kept for kept in reversed(kept_receipts(path)) if not kept.trouble), None)


def _read(file: Path) -> KeptReceipt:
    try:
        content: dict[str, Any] = msgspec.json.decode(file.read_bytes(), type=dict[str, Any])
        receipt = ParseDict(content, wire.KillReceipt(), ignore_unknown_fields=True)
    except (OSError, msgspec.MsgspecError, ParseError) as error:
        return KeptReceipt(file, wire.KillReceipt(), f"cannot be read: {error}")
    return KeptReceipt(file, receipt)
