"""What a guard did, as a file in the data directory: for people at once, and for the journal at the node's next start.

It is written when the guard begins to act, whenever a venue is flat, and at the end, each time as a whole. Imports no
actor; any thread.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import msgspec

from livestack.journal.directory import flush_directory
from livestack.venues.adapter import OpenOrder

REPORT_NAME: Final = "guard-report.json"

REPORTS_NAME: Final = "guard-reports"
"""Directory of those that a node has taken in, or that a newer one took the place of."""


class VenueReport(msgspec.Struct, frozen=True, kw_only=True):
    """One venue. ``flat``: its own answer was "nothing is open". ``proven``: it was so again at a time by which
    everything that was still on its way must have arrived. ``open``: what it named last; null: it never answered.
    ``cause``: what the last attempt failed of. Times are wall-clock nanoseconds, 0: not yet."""

    flat: bool = False
    proven: bool = False
    flat_ns: int = 0
    attempts: int = 0
    cancelled: int = 0
    open: tuple[OpenOrder, ...] | None = None
    cause: str = ""


class GuardReport(msgspec.Struct, frozen=True, kw_only=True):
    """``trigger``: ``guard`` or ``cancel-all``; ``by`` who did it. ``latched``: the kill-switch is engaged on disk.
    ``killed``: the guard ended the node; ``node_ended``: it is gone. ``ended_ns`` 0: the guard was not done."""

    trigger: str
    by: str
    reason: str
    began_ns: int
    ended_ns: int = 0
    latched: bool = False
    killed: bool = False
    node_ended: bool = False
    node_pid: int = 0
    session: str = ""
    note: str = ""
    venues: dict[str, VenueReport] = {}

    @property
    def flat(self) -> bool:
        """Whether every venue said, when it was asked last, that nothing is open."""
        return all(venue.flat for venue in self.venues.values())

    def __str__(self) -> str:
        """One sentence for an operator, or for the detail of an incident."""
        open_ = [name for name, venue in self.venues.items() if not venue.flat]
        end = f"{', '.join(open_)} not flat" if open_ else "all venues flat"
        parts = (self.reason, end if self.ended_ns else f"{end}, not done", self.note)
        return f"{self.by}: {'; '.join(filter(None, parts))}"


_decode = msgspec.json.Decoder(GuardReport).decode


def write_report(data_dir: Path, report: GuardReport) -> None:
    """Put ``report`` into its file, durably; one that is not the same guard's goes aside first. ``OSError``."""
    before = read_report(data_dir)
    if before is not None and before.began_ns != report.began_ns:
        set_report_aside(data_dir)
    draft = data_dir / f"{REPORT_NAME}.{os.getpid()}"
    file = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        with open(file, "wb", closefd=False) as stream:
            stream.write(msgspec.json.format(msgspec.json.encode(report)) + b"\n")
        os.fsync(file)
    finally:
        os.close(file)
    draft.replace(data_dir / REPORT_NAME)
    flush_directory(data_dir)


def read_report(data_dir: Path) -> GuardReport | None:
    """The report that no node has taken in yet, if there is one. One that cannot be read is one all the same."""
    try:
        return _decode((data_dir / REPORT_NAME).read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError) as error:
        note = f"{REPORT_NAME} cannot be read: {error}"
        return GuardReport(trigger="guard", by="livestack", reason="unknown", began_ns=0, note=note)


def set_report_aside(data_dir: Path) -> Path | None:
    """A node has taken the report in: keep it among the others. ``OSError``. Its new place, if there was one."""
    report = read_report(data_dir)
    if report is None:
        return None
    place = data_dir / REPORTS_NAME
    place.mkdir(mode=0o700, exist_ok=True)
    number = 0
    while (path := place / f"{report.began_ns}-{number}.json").exists():
        number += 1
    (data_dir / REPORT_NAME).replace(path)
    flush_directory(place)
    flush_directory(data_dir)
    return path
