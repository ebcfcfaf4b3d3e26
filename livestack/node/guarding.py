"""A node and its guard: it watches before anything is opened, and stays behind where the node did not end in order.

Main thread; the callbacks of the guard's child run on its threads and only close or open the gate.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import structlog

from livestack.actors.gate import Hold
from livestack.core.events import InputEvent
from livestack.core.incidents import GUARD_ACTED
from livestack.core.validation import encodable
from livestack.node.composition import Seams
from livestack.node.guard_child import GuardChild
from livestack.node.guard_report import read_report, set_report_aside
from livestack.node.service import ControlService
from livestack.node.shared_progress import Phase
from livestack.settings import Settings
from livestack.transports.backoff import Backoff


class Guarding:
    """What the node tells its guard, where it has one."""

    def __init__(self, child: GuardChild | None, data_dir: Path) -> None:
        self._child = child
        self._data_dir = data_dir
        self._in_order = True
        self._reported = False

    def beat(self) -> None:
        """The harness gets on. Watchdog's thread."""
        child = self._child
        if child is not None:
            child.progress.beat()

    def acted(self) -> list[InputEvent]:
        """What a guard did since the last session, for the journal; :meth:`tell` when that is durable."""
        report = read_report(self._data_dir)
        if report is None:
            return []
        self._reported = True
        structlog.get_logger("guard").error("guard_acted", report=str(report))
        return [GUARD_ACTED.opened("guard", encodable(str(report)))]

    def tell(self, message: object) -> None:
        """The first Events are durable: a report among them is kept with the others. Recorder's thread."""
        if self._reported:
            self._reported = False
            try:
                set_report_aside(self._data_dir)
            except OSError as error:
                structlog.get_logger("guard").error("report_not_kept", cause=str(error))

    def runs(self, session: str) -> None:
        """From now on orders may be open, and no end but an orderly one is a good one."""
        self._in_order = False
        if self._child is not None:
            self._child.progress.phase(Phase.RUNNING, session)

    def ends(self, in_order: bool) -> None:
        """The gate is closed for good; nothing is left behind if it was ``in_order``."""
        self._in_order = in_order
        self.close()

    def close(self) -> None:
        """Let the guard go, or leave it behind to clear up. Idempotent."""
        child, self._child = self._child, None
        if child is None:
            return
        if self._in_order:
            child.stop()
        else:
            child.leave()


@contextmanager
def guarded(
    settings: Settings, environment: Mapping[str, str], seams: Seams, service: ControlService, *, wanted: bool
) -> Iterator[Guarding]:
    """Have a guard inside the block. ``UnreachableError`` where it does not start: then nothing was opened."""
    if not wanted:
        yield Guarding(None, Path(settings.data_dir))
        return
    gate, board = service.surface.gate, service.board

    def lost(reason: str) -> None:
        gate.close(Hold.GUARD)
        board.guard = "lost"

    def regained() -> None:
        board.guard = "watching"
        gate.open(Hold.GUARD)

    child = GuardChild(
        Path(settings.data_dir),
        settings,
        clock=seams.clock,
        timers=seams.timers,
        backoff=Backoff(seams.random),
        environment=environment,
        on_lost=lost,
        on_regained=regained,
    )
    board.guard = "watching"
    child.start()
    guarding = Guarding(child, Path(settings.data_dir))
    try:
        yield guarding
    finally:
        guarding.close()
