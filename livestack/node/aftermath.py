"""A node is dead: sweep its venues, keep its data directory to ourselves meanwhile, and write down what happens.

A disk that hangs delays none of the sweeps: everything on it is done by a thread of its own and waited for briefly. In
the guard's process; the guard's main thread, a thread a venue, one for the disk.
"""

from __future__ import annotations

import os
import queue
import socket
import threading
from contextlib import suppress
from pathlib import Path

import msgspec
import structlog

from livestack.control.disk import Disk
from livestack.control.latch import Latch
from livestack.exceptions import HeldError
from livestack.journal.directory import LOCK_NAME, DataDirectory
from livestack.node.guard_report import GuardReport, VenueReport, write_report
from livestack.node.sweep import Sweep
from livestack.transports.clock import Clock

HOLD_NS = 60_000_000_000
"""How long nobody may start a node behind the dead one's back, where the venues are not flat before."""

TRY_FOR_NS = 30 * 60_000_000_000
"""Then a person has to look; until then every venue is tried again and again, at growing intervals."""

LOOK_S = 0.5
"""Between two looks at the time and the latch."""

HOLDER = "the guard, process {pid} on {host}: it cancels what a dead node left open"


class Aftermath:
    """The node is dead: sweep, keep the data directory to ourselves meanwhile, and write down what happens."""

    def __init__(self, data_dir: Path, report: GuardReport, disk: Disk, latch: Latch, clock: Clock) -> None:
        self._data_dir = data_dir
        self._directory = DataDirectory(data_dir)
        self._report = report
        self._disk = disk
        self._latch = latch
        self._clock = clock
        self._holding = False

    def run(
        self,
        sweeps: list[Sweep],
        news: queue.SimpleQueue[tuple[str, VenueReport]],
        stopping: threading.Event,
    ) -> GuardReport:
        died_ns = self._clock.now_ns()
        threads = [
            threading.Thread(
                target=sweep.run, args=(died_ns + sweep.settling_ns, died_ns + TRY_FOR_NS), daemon=True
            )
            for sweep in sweeps
        ]
        for thread in threads:
            thread.start()
        self._disk.do(self._hold)
        self._write()
        while any(thread.is_alive() for thread in threads):
            with suppress(queue.Empty):  # then only the time has passed
                self._note(*news.get(timeout=LOOK_S))
            self._let_go(died_ns, stopping)
        while not news.empty():
            self._note(*news.get())
        self._report = msgspec.structs.replace(self._report, ended_ns=self._clock.wall_ns())
        self._write()
        self._directory.release()
        return self._report

    def _hold(self) -> None:
        """Keep other nodes out. One that was faster has the latch to obey, and the sweep goes on beside it."""
        try:
            self._directory.acquire()
        except HeldError as error:
            self._remark(f"{error}")
            return
        self._holding = True
        holder = HOLDER.format(pid=os.getpid(), host=socket.gethostname())
        (self._data_dir / LOCK_NAME).write_text(f"{holder}\n", encoding="utf-8")

    def _let_go(self, died_ns: int, stopping: threading.Event) -> None:
        """Not for ever: a node that starts with the latch can cancel too. Where that was reset we have no business."""
        if self._holding:
            if self._report.latched and self._clock.now_ns() - died_ns >= HOLD_NS:
                self._holding = False
                self._directory.release()
        elif self._report.latched and not stopping.is_set():
            entries: list[int] = []
            if self._disk.do(lambda: entries.append(len(self._latch.entries()))) is None and entries == [0]:
                self._remark("the kill-switch was reset: what is open now is somebody else's")
                stopping.set()

    def _note(self, venue: str, report: VenueReport) -> None:
        self._report = msgspec.structs.replace(self._report, venues={**self._report.venues, venue: report})
        self._write()

    def _remark(self, text: str) -> None:
        note = f"{self._report.note}; {text}" if self._report.note else text
        self._report = msgspec.structs.replace(self._report, note=note)

    def _write(self) -> None:
        report = self._report
        error = self._disk.do(lambda: write_report(self._data_dir, report))
        if error is not None:
            structlog.get_logger("guard").error("guard_report_not_written", cause=str(error))
