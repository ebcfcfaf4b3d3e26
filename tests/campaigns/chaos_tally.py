"""What a journal says of a session's troubles: connections lost and renewed, unknown outcomes and how they were
resolved, and how long it polled or used REST. For the totals of the chaos campaign. Any thread.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import structlog

from livestack.core.events import (
    AnomalyDetected,
    DispatchFailed,
    Event,
    FeedStatusChanged,
    IncidentClosed,
    IncidentOpened,
    IntentDispatched,
    OrderReport,
    VenueBackoff,
    VenueStatusChanged,
)
from livestack.core.incidents import FEED_POLLED
from livestack.core.types import ConnectionStatus, FailureReason
from livestack.journal.reader import JournalReader

SECOND_NS = 1_000_000_000


class Tally:
    """Fed with every Event in order. ``polled_s``: how long market data came over plain requests."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._since: dict[str, int] = {}

    @classmethod
    def of(cls, sessions: Path, session: str) -> Self:
        """Of a whole journal."""
        tally = cls()
        with JournalReader.open(sessions, session) as reader:
            for record in reader.records():
                tally.take(record.ts, record.event)
        return tally

    def take(self, ts: int, event: Event) -> None:
        counts = self.counts
        counts["events"] += 1
        match event:
            case IntentDispatched():
                counts["dispatched"] += 1
            case VenueStatusChanged(status=status, reason=reason):
                self._status("order_entry", ts, status, reason)
            case FeedStatusChanged(instrument="", status=status, reason=reason):
                self._status("feed", ts, status, reason)
            case DispatchFailed(reason=FailureReason.NOT_AT_VENUE):
                counts["proven_absent"] += 1
            case DispatchFailed():
                counts["not_sent"] += 1
            case OrderReport():
                counts["answers_about_orders"] += 1
            case AnomalyDetected():
                counts["anomalies"] += 1
            case IncidentOpened(name=name):
                counts["incidents"] += 1
                if name == FEED_POLLED.name:
                    self._since["polled_s"] = ts
            case IncidentClosed(name=name) if name == FEED_POLLED.name:
                self._end("polled_s", ts)
            case VenueBackoff():
                counts["back_offs"] += 1

    def _status(self, what: str, ts: int, status: ConnectionStatus, reason: str) -> None:
        """``rest_s``: how long orders went over plain requests."""
        if status is ConnectionStatus.DISCONNECTED:
            self.counts[f"{what}_lost"] += 1
        if what == "order_entry":
            self._end("rest_s", ts)
            if status is ConnectionStatus.LIVE and "REST" in reason:
                self._since["rest_s"] = ts

    def _end(self, name: str, ts: int) -> None:
        began = self._since.pop(name, None)
        if began is not None:
            self.counts[name] += (ts - began) // SECOND_NS


@contextmanager
def heard(path: Path, counts: Counter[str], *names: str) -> Iterator[None]:
    """Keep the log in a file, and count its lines of these names."""
    with path.open("w") as file:

        def take(_logger: object, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
            if line["event"] in names:
                counts[line["event"]] += 1
            return line

        structlog.configure(
            processors=[
                take,
                structlog.processors.TimeStamper(fmt="iso"),
                structlog.processors.KeyValueRenderer(),
            ],
            wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
            logger_factory=structlog.PrintLoggerFactory(file),
            cache_logger_on_first_use=False,
        )
        try:
            yield
        finally:
            structlog.reset_defaults()
