"""Cancel everything by hand, with keys and a data directory alone: what ``livestack guard cancel-all`` does.

The kill-switch is latched first, for the next start, and a running node is told by its ``KILL`` file: nothing shall be
added behind the sweep. No node is needed. Main thread, a thread a venue.
"""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import msgspec

from livestack.control.latch import Latch, LatchEntry
from livestack.journal.directory import LOCK_NAME, DataDirectory
from livestack.node.aftermath import HOLDER
from livestack.node.guard_report import GuardReport, VenueReport, write_report
from livestack.node.sweep import Sweep
from livestack.node.triggers import KILL_NAME
from livestack.transports.clock import Clock


def who_holds(data_dir: Path) -> Literal["node", "guard", ""]:
    """Who has the data directory now."""
    if not DataDirectory(data_dir).is_held():
        return ""
    try:
        text = (data_dir / LOCK_NAME).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "node"
    return "guard" if text.startswith(HOLDER.partition(",")[0]) else "node"


def begin_by_hand(data_dir: Path, clock: Clock, by: str, reason: str) -> GuardReport:
    """Latch, and tell a running node. What could not be done is in the report's ``note``; it stops nothing."""
    began_ns, notes = clock.wall_ns(), []
    latched = False
    try:
        Latch(data_dir).engage(LatchEntry(trigger="guard cancel-all", by=by, reason=reason, wall_ns=began_ns))
        latched = True
    except OSError as error:
        notes.append(f"the kill-switch is not latched: {data_dir}: {error.strerror or error}")
    node = who_holds(data_dir) == "node"
    if node:
        try:
            file = os.open(data_dir / KILL_NAME, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            with open(file, "wb") as stream:
                stream.write(reason.encode())
        except OSError as error:
            notes.append(f"the running node is not told: {error.strerror or error}")
    return GuardReport(
        trigger="cancel-all",
        by=by,
        reason=reason,
        began_ns=began_ns,
        latched=latched,
        node_ended=not node,
        note="; ".join(notes),
    )


def finish_by_hand(
    data_dir: Path,
    report: GuardReport,
    make: Callable[..., list[Sweep]],
    clock: Clock,
    wait_ns: int,
    prove: bool,
) -> GuardReport:
    """Sweep every venue for at most ``wait_ns``; ``prove``: until nothing can be on its way any more.

    ``make`` gets what is to be told of changes and of pauses, and makes the sweeps.
    """
    news: queue.SimpleQueue[tuple[str, VenueReport]] = queue.SimpleQueue()
    stopping = threading.Event()
    sweeps = make(
        lambda pause_ns: stopping.wait(pause_ns / 1e9), lambda venue, changed: news.put((venue, changed))
    )
    now_ns = clock.now_ns()
    threads = [
        threading.Thread(
            target=sweep.run,
            args=(now_ns + sweep.settling_ns if prove else 0, now_ns + wait_ns),
            kwargs={"patient": False},
            daemon=True,
        )
        for sweep in sweeps
    ]
    for thread in threads:
        thread.start()
    try:
        for thread in threads:
            thread.join()
    finally:
        stopping.set()
        report = msgspec.structs.replace(
            report, venues={sweep.venue: sweep.report for sweep in sweeps}, ended_ns=clock.wall_ns()
        )
        try:
            write_report(data_dir, report)
        except OSError as error:
            note = f"this is not recorded: {data_dir}: {error.strerror or error}"
            report = msgspec.structs.replace(report, note="; ".join(filter(None, (report.note, note))))
    return report
