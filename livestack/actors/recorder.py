"""The recorder: commits what the harness sequenced, and only then releases the dispatches. One thread, one per session.

It takes whatever has gathered (no timer), writes it in one transaction and hands every ``CommittedDispatch`` to its
connector in journal order (live-stack.md section 2).

A commit that fails: hold ``journal`` on the gate; the dispatches of that batch are never released and become
``DispatchFailed(JOURNAL)``; the batch is written again into a fresh segment. If that fails too, the error ends the
actor, and with it the node. A disk that runs low: the same hold, market data waits outside, execution and control
Events are recorded in the room that is left, and an incident that halts trading is open; all of it ends by itself when
there is room again, and overrules no operator.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import structlog

from livestack.actors.base import NodeActor
from livestack.actors.gate import DispatchGate, Hold
from livestack.actors.mailbox import HarnessMailbox, Mailbox
from livestack.actors.measures import Measures
from livestack.actors.messages import Committed, LookAtSpace, RecordBatch, Release, SessionEnded
from livestack.actors.progress import Progress
from livestack.actors.recorder_measures import RecorderMeasures
from livestack.core.events import DispatchFailed, IntentDispatched, Recorded
from livestack.core.incidents import JOURNAL_ROOM, JOURNAL_WRITE, Incident
from livestack.core.types import FailureReason
from livestack.exceptions import HeldError, JournalError, JournalOrderError
from livestack.failpoints import failpoint
from livestack.journal.space import Space
from livestack.journal.writer import CommittedDispatch, JournalWriter
from livestack.journal_settings import JournalSettings
from livestack.transports.clock import Clock, Timers

LOOK_NS = 1_000_000_000
"""Between two looks at the disk's room: at 100 MB/s another program fills a fifth of the headroom meanwhile."""

ROTATE_AGAIN_NS = 60_000_000_000
"""After a rotation that failed: the present segment goes on, and nobody asks again at once."""


class RecorderActor(NodeActor):
    """The journal's only writer. ``connectors`` by venue; ``harness`` is told when it may take market data again."""

    def __init__(
        self,
        *,
        mailbox: Mailbox,
        supervisor: Mailbox,
        writer: JournalWriter,
        space: Space,
        settings: JournalSettings,
        gate: DispatchGate,
        connectors: Mapping[str, Mailbox],
        harness: HarnessMailbox,
        control: Mailbox,
        progress: Progress,
        clock: Clock,
        timers: Timers,
        measures: Measures | None = None,
    ) -> None:
        super().__init__("recorder", mailbox, supervisor)
        self._log = structlog.get_logger("recorder")
        self._writer = writer
        self._space = space
        self._settings = settings
        self._gate = gate
        self._connectors = connectors
        self._harness = harness
        self._control = control
        self._progress = progress
        self._clock = clock
        self._timers = timers
        self._measures = None if measures is None else RecorderMeasures(measures, progress)
        self._low = False
        self._refused = False
        self._rotate_not_before = 0
        self._cancel_look: Callable[[], None] = lambda: None

    def on_start(self) -> None:
        self._look()

    def on_batch(self, batch: list[Any]) -> None:
        records = [message for message in batch if type(message) is RecordBatch]
        if records:
            self._commit(records)
        if len(records) < len(batch):
            self._look()

    def on_stop(self) -> None:
        """Whatever was handed over before the stop is still written; nothing is released any more."""
        self._cancel_look()
        while (envelope := self._mailbox.take()) is not None:
            if isinstance(envelope.message, list):
                records = [message for message in envelope.message if type(message) is RecordBatch]
                if records:
                    self._commit(records, release=False)
        self._writer.close()

    def _commit(self, batches: list[RecordBatch], release: bool = True) -> None:
        records = batches[0].records if len(batches) == 1 else [r for batch in batches for r in batch.records]
        if records:
            self._commit_records(batches, records, release)
        for batch in batches:
            for told in batch.told:
                told.to.tell(told.message)

    def _commit_records(self, batches: list[RecordBatch], records: list[Recorded], release: bool) -> None:
        failpoint("recorder.before_commit")
        begun_ns, size = self._clock.now_ns(), self._writer.segment_bytes
        try:
            dispatches = self._writer.commit(records)
        except JournalOrderError:
            self._gate.close(Hold.JOURNAL)
            raise  # a bug of ours: a new segment does not mend it
        except JournalError as error:
            self._commit_again(records, error)
            dispatches, size = (), 0
        ended_ns = self._clock.now_ns()
        failpoint("recorder.after_commit")
        if release and dispatches:
            self._release(dispatches)
        self._progress.committed = records[-1].seq
        if self._measures is not None:
            self._measures.committed(ended_ns - begun_ns, len(records), self._writer.segment_bytes - size)
        if self._progress.followed:
            self._control.tell(Committed(records))
        if self._harness.paused:
            self._harness.resume()
        if any(batch.final for batch in batches):  # behind it there may be answers, and no Events
            self._supervisor.tell(SessionEnded(records[-1].seq))
        else:
            self._rotate(records[-1].ts)

    def _release(self, dispatches: tuple[CommittedDispatch, ...]) -> None:
        by_venue: dict[str, list[CommittedDispatch]] = {}
        for dispatch in dispatches:
            by_venue.setdefault(dispatch.request.venue, []).append(dispatch)
        for venue, released in by_venue.items():
            self._connectors[venue].tell(Release(released))

    def _commit_again(self, records: Sequence[Recorded], error: JournalError) -> None:
        """The same batch into a fresh segment; its dispatches stay here for ever. A second failure goes on up."""
        self._begin_afresh(error)
        self._writer.commit(records)
        self._harness.tell_execution(
            [_not_dispatched(record.event) for record in records if type(record.event) is IntentDispatched]
        )
        if not self._low:
            self._gate.open(Hold.JOURNAL)

    def _begin_afresh(self, error: JournalError) -> None:
        """Leave a segment that failed, behind a closed gate. ``HeldError`` where there cannot be another one."""
        self._gate.close(Hold.JOURNAL)
        if self._measures is not None:
            self._measures.failed()
        self._log.error("journal_failed", cause=str(error))
        self._look()
        if self._low:
            self._space.release_ballast()
        self._writer.begin_afresh()
        self._refused = True
        self._open(JOURNAL_WRITE, str(error))

    def _rotate(self, ts: int) -> None:
        writer, settings = self._writer, self._settings
        full = writer.segment_bytes >= settings.segment_bytes
        if ts < self._rotate_not_before or not (
            full or ts - writer.segment_first_ts >= settings.segment_age_ns
        ):
            return
        try:
            writer.rotate()
        except HeldError as error:
            self._rotate_not_before = ts + ROTATE_AGAIN_NS
            self._log.error("rotation_failed", cause=str(error))
        except JournalError as error:
            self._begin_afresh(error)
            if not self._low:
                self._gate.open(Hold.JOURNAL)
        else:
            self._rotated()

    def _rotated(self) -> None:
        """A segment is whole and sealed: whatever the disk refused before, it takes what it is given now."""
        if self._refused:
            self._refused = False
            self._harness.tell_control([JOURNAL_WRITE.closed("journal", "a whole segment was written since")])

    def _look(self) -> None:
        """See how much room there is; stop trading before it is too late, go on when there is enough again."""
        self._progress.journal_free = free = self._space.free()
        if not self._low and self._space.is_low():
            self._low = True
            self._gate.close(Hold.JOURNAL)
            self._harness.hold(True)
            self._log.error("disk_low", free=free)
            self._open(JOURNAL_ROOM, f"{free} bytes free")
        elif self._low and self._space.has_returned() and self._regain():
            self._low = False
            self._harness.hold(False)
            self._gate.open(Hold.JOURNAL)
            self._log.warning("disk_has_room", free=free)
            self._harness.tell_control([JOURNAL_ROOM.closed("journal", f"{free} bytes free")])
        self._cancel_look()
        self._cancel_look = self._timers.at(
            self._clock.now_ns() + LOOK_NS, lambda: self._mailbox.tell(LookAtSpace())
        )

    def _regain(self) -> bool:
        try:
            self._space.restore_ballast()
        except OSError:
            return False
        return True

    def _open(self, incident: Incident, detail: str) -> None:
        self._harness.tell_control([incident.opened("journal", detail)])


def _not_dispatched(event: IntentDispatched) -> DispatchFailed:
    request = event.request
    return DispatchFailed(
        venue=request.venue,
        instrument=request.instrument,
        kind=request.kind,
        order_id=request.order_id,
        revision=request.revision,
        reason=FailureReason.JOURNAL,
        detail="the commit that should have recorded it failed",
    )
