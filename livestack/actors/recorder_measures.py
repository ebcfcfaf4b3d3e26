"""What is measured at the recorder: commits, what is in them, and the room that is left.

Recorder's thread; the probe on the telemetry actor's. Imports instruments.
"""

from __future__ import annotations

from collections.abc import Iterator

from livestack.actors.measures import Measures
from livestack.actors.progress import Progress
from livestack.telemetry import catalogue
from livestack.telemetry.instruments import Reading


class RecorderMeasures:
    """Those of the one recorder of a node."""

    def __init__(self, measures: Measures, progress: Progress) -> None:
        registry = measures.registry
        self._progress = progress
        self._commit = registry.histogram(catalogue.JOURNAL_COMMIT)
        self._batch = registry.histogram(catalogue.JOURNAL_BATCH)
        self._records = registry.counter(catalogue.JOURNAL_RECORDS)
        self._bytes = registry.counter(catalogue.JOURNAL_BYTES)
        self._failures = registry.counter(catalogue.JOURNAL_FAILURES)
        registry.probe("recorder", self.read)

    def committed(self, took_ns: int, records: int, size: int) -> None:
        """So many ``records`` are durable; ``size`` in bytes."""
        self._commit.note(took_ns)
        self._batch.note(records)
        self._records.value += records
        self._bytes.value += size

    def failed(self) -> None:
        """The disk refused."""
        self._failures.value += 1

    def read(self) -> Iterator[Reading]:
        """Telemetry's thread."""
        yield Reading(catalogue.JOURNAL_FREE, (), self._progress.journal_free)
