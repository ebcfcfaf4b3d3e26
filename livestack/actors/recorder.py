"""The recorder: commits what the harness sequenced, and only then releases the dispatches. One thread, one per session.

It takes whatever has gathered (no timer), writes it in one transaction and hands every ``CommittedDispatch`` to its
connector in journal order. A commit that fails puts the ``journal`` hold on the gate; that batch's dispatches are never
released (live-stack.md section 2).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from livestack.actors.base import NodeActor
from livestack.actors.gate import DispatchGate, Hold
from livestack.actors.mailbox import HarnessMailbox, Mailbox
from livestack.actors.messages import RecordBatch, Release, SessionEnded
from livestack.actors.progress import Progress
from livestack.exceptions import JournalError
from livestack.failpoints import failpoint
from livestack.journal.writer import CommittedDispatch, JournalWriter


class RecorderActor(NodeActor):
    """The journal's only writer. ``connectors`` by venue; ``harness`` is told when it may take market data again."""

    def __init__(
        self,
        *,
        mailbox: Mailbox,
        supervisor: Mailbox,
        writer: JournalWriter,
        gate: DispatchGate,
        connectors: Mapping[str, Mailbox],
        harness: HarnessMailbox,
        progress: Progress,
    ) -> None:
        super().__init__("recorder", mailbox, supervisor)
        self._writer = writer
        self._gate = gate
        self._connectors = connectors
        self._harness = harness
        self._progress = progress

    def on_batch(self, batch: list[Any]) -> None:
        self._commit(batch)

    def on_stop(self) -> None:
        """Whatever was handed over before the stop is still written; nothing is released any more."""
        while (envelope := self._mailbox.take()) is not None:
            if isinstance(envelope.message, list):
                self._commit(envelope.message, release=False)
        self._writer.close()

    def _commit(self, batches: list[RecordBatch], release: bool = True) -> None:
        records = batches[0].records if len(batches) == 1 else [r for batch in batches for r in batch.records]
        failpoint("recorder.before_commit")
        try:
            dispatches = self._writer.commit(records)
        except JournalError:
            self._gate.close(Hold.JOURNAL)
            raise
        failpoint("recorder.after_commit")
        if release and dispatches:
            self._release(dispatches)
        self._progress.committed = records[-1].seq
        if self._harness.paused:
            self._harness.resume()
        if batches[-1].final:
            self._supervisor.tell(SessionEnded(records[-1].seq))

    def _release(self, dispatches: tuple[CommittedDispatch, ...]) -> None:
        by_venue: dict[str, list[CommittedDispatch]] = {}
        for dispatch in dispatches:
            by_venue.setdefault(dispatch.request.venue, []).append(dispatch)
        for venue, released in by_venue.items():
            self._connectors[venue].tell(Release(released))
