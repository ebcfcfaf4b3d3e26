"""What is measured at a connector: requests, their way from the frame that they answer and their answers, and faults.

Connector's thread. Imports core Events and instruments.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from livestack.actors.gate import Passage
from livestack.actors.measures import Measures
from livestack.core.events import (
    CancelRejected,
    Event,
    IncidentClosed,
    IncidentOpened,
    OrderAccepted,
    OrderCancelled,
    OrderExpired,
    OrderFill,
    OrderRejected,
    OrderReplaced,
    ReplaceRejected,
)
from livestack.core.incidents import RECONCILIATION_DIFFERENCE
from livestack.core.types import RequestKind
from livestack.journal.writer import CommittedDispatch
from livestack.telemetry import catalogue

UNANSWERED_MAX: Final = 4_096
"""Requests whose answer is waited for; the oldest is forgotten for one more."""

_ENDS: Final = (OrderCancelled, OrderExpired)

_ANSWERS: Final[dict[RequestKind, frozenset[type]]] = {
    RequestKind.NEW: frozenset((OrderAccepted, OrderRejected, OrderFill, *_ENDS)),
    RequestKind.REPLACE: frozenset((OrderReplaced, ReplaceRejected, *_ENDS)),
    RequestKind.CANCEL: frozenset((CancelRejected, *_ENDS)),
}
"""What the venue answers a request with, one way or the other."""


class NoMeasures:
    """What a connector says of itself, where nobody wants to know."""

    def written(self, kind: Passage) -> None:
        """Every byte of a request has left."""

    def not_sent(self, reason: str, seq: int = 0) -> None:
        """The dispatch ``seq`` certainly did not leave. ``reason``: gate, connection, age, encoding or restart."""

    def sent(self, dispatch: CommittedDispatch, taken_ns: int, send_ns: int) -> None:
        """It was taken in hand and written, for the first time."""

    def told(self, events: Iterable[Event]) -> None:
        """The adapter says that these have happened."""

    def complained(self, faults: Mapping[str, int]) -> None:
        """``faults``: how often each kind was met by the present adapter."""

    def reconnected(self) -> None:
        """A connection that was open has closed, and not because we stop."""


class ConnectorMeasures(NoMeasures):
    """Those of one venue's order entry; those of the connector before go on."""

    def __init__(self, measures: Measures, venue: str) -> None:
        registry = measures.registry
        self._trails = measures.trails
        self._requests = registry.counters(catalogue.VENUE_REQUESTS, venue)
        self._not_sent = registry.counters(catalogue.VENUE_NOT_SENT, venue)
        self._fills = registry.counter(catalogue.VENUE_FILLS, venue)
        self._rejects = registry.counters(catalogue.VENUE_REJECTS, venue)
        self._reconnects = registry.counter(catalogue.VENUE_RECONNECTS, venue)
        self._differences = registry.counter(catalogue.VENUE_DIFFERENCES, venue)
        self._is_different = False
        self._faults = registry.counters(catalogue.VENUE_FAULTS, venue)
        self._faults_before = self._faults.values.copy()
        self._tick = registry.histogram(catalogue.ORDER_TICK, venue)
        self._decode = registry.histogram(catalogue.ORDER_DECODE, venue)
        self._inbox = registry.histogram(catalogue.ORDER_INBOX, venue)
        self._step = registry.histogram(catalogue.ORDER_STEP, venue)
        self._commit = registry.histogram(catalogue.ORDER_COMMIT, venue)
        self._send = registry.histogram(catalogue.ORDER_SEND, venue)
        self._ack = registry.histogram(catalogue.ORDER_ACK, venue)
        self._unanswered: dict[int, tuple[frozenset[type], int]] = {}
        self._noted: dict[type, Callable[[Any], None]] = {
            OrderFill: self._filled,
            OrderRejected: self._refused,
            CancelRejected: self._refused,
            ReplaceRejected: self._refused,
            IncidentOpened: self._incident,
            IncidentClosed: self._incident,
        }

    def written(self, kind: Passage) -> None:
        self._requests.add(kind.name.lower())

    def not_sent(self, reason: str, seq: int = 0) -> None:
        self._not_sent.add(reason)
        self._trails.take(seq)

    def sent(self, dispatch: CommittedDispatch, taken_ns: int, send_ns: int) -> None:
        request = dispatch.request
        self._unanswered[request.order_id] = _ANSWERS[request.kind], send_ns
        if len(self._unanswered) > UNANSWERED_MAX:
            del self._unanswered[next(iter(self._unanswered))]
        trail = self._trails.take(dispatch.seq)
        if trail is not None:
            self._tick.note(send_ns - trail.recv_ns)
            self._decode.note(trail.put_ns - trail.recv_ns)
            self._inbox.note(trail.ts - trail.put_ns)
            self._step.note(trail.decided_ns - trail.ts)
            self._commit.note(taken_ns - trail.decided_ns)
            self._send.note(send_ns - taken_ns)

    def told(self, events: Iterable[Event]) -> None:
        for event in events:
            noted = self._noted.get(type(event))
            if noted is not None:
                noted(event)
            if self._unanswered:
                self._answered(event)

    def complained(self, faults: Mapping[str, int]) -> None:
        for kind, times in faults.items():
            self._faults.values[kind] = self._faults_before.get(kind, 0) + times

    def reconnected(self) -> None:
        self._reconnects.value += 1

    def _answered(self, event: Any) -> None:
        """The first answer is the one that counts; a stamp of it before the end of our write is none."""
        order_id = getattr(event, "order_id", 0)
        answers, send_ns = self._unanswered.get(order_id, (frozenset[type](), 0))
        if type(event) in answers:
            del self._unanswered[order_id]
            self._ack.note(event.recv_ns - send_ns)

    def _filled(self, fill: OrderFill) -> None:
        self._fills.value += 1

    def _refused(self, rejected: OrderRejected | CancelRejected | ReplaceRejected) -> None:
        self._rejects.add(rejected.code)

    def _incident(self, incident: IncidentOpened | IncidentClosed) -> None:
        """Told anew while it is open, it is the same one."""
        if incident.name == RECONCILIATION_DIFFERENCE.name:
            was_different, self._is_different = self._is_different, type(incident) is IncidentOpened
            self._differences.value += self._is_different and not was_different
