"""The connector: one venue's order entry, private stream and reconciliation. One thread, plus the connection's reader
thread, which only puts frames into this actor's mailbox: the adapter belongs to the actor's thread alone.

For New, Replace and Cancel it takes nothing but ``CommittedDispatch``, and writes it inside the dispatch gate. What it
cannot prove to have written or not written is unknown, and is said to be neither (live-stack.md sections 2 to 5).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import structlog

from livestack.actors.base import NodeActor
from livestack.actors.gate import DispatchGate, Hold, Passage
from livestack.actors.mailbox import HarnessMailbox, Mailbox
from livestack.actors.messages import (
    AskVenue,
    Closed,
    Connect,
    FrameReceived,
    Opened,
    Release,
    Tick,
    Unreachable,
)
from livestack.core.events import (
    AccountBaseline,
    BalanceReport,
    DispatchFailed,
    Event,
    RequestSent,
    VenueStatusChanged,
)
from livestack.core.types import ConnectionStatus, FailureReason, OrderRequest
from livestack.exceptions import NotSentError, TransportError
from livestack.failpoints import failpoint
from livestack.journal.writer import CommittedDispatch
from livestack.transports.backoff import Backoff
from livestack.transports.base import Connection, WebSocketTransport
from livestack.transports.clock import Clock, Timers
from livestack.venues.adapter import LOG_ON_REFUSED, HostQuery, OrderEntryAdapter

TICK_NS = 250_000_000
"""How often the adapter looks at the time: a quarter of the shortest time-out that it has."""


class _Forwarder:
    """Receiver of one connection: everything becomes a message to the actor. Runs on the reader thread."""

    def __init__(self, number: int, actor: Mailbox) -> None:
        self._number = number
        self._actor = actor

    def on_open(self, now_ns: int) -> None:
        self._actor.tell(Opened(self._number, now_ns))

    def on_frame(self, frame: bytes, recv_ns: int) -> None:
        failpoint("reader.in_connector_frame")
        self._actor.tell(FrameReceived(self._number, frame, recv_ns))

    def on_wake(self, now_ns: int) -> None:
        """Time reaches the adapter through the actor's own ticks."""

    def on_close(self, reason: str, now_ns: int) -> None:
        self._actor.tell(Closed(self._number, reason, now_ns))


class ConnectorActor(NodeActor):
    """Keeps one order-entry connection up and writes what the recorder releases.

    ``dispatch_age_ns_max``: a dispatch older than this when it reaches the gate is not sent any more. ``has_baseline``:
    a resumed session knows what it started from. ``start``: how many there were before in this run; frames of their
    connections and timers of theirs may still arrive.
    """

    def __init__(
        self,
        *,
        venue: str,
        account: str,
        mailbox: Mailbox,
        supervisor: Mailbox,
        adapter: OrderEntryAdapter,
        harness: HarnessMailbox,
        gate: DispatchGate,
        websocket: WebSocketTransport,
        url: str,
        clock: Clock,
        timers: Timers,
        backoff: Backoff,
        dispatch_age_ns_max: int,
        has_baseline: bool = False,
        start: int = 0,
    ) -> None:
        super().__init__(f"connector {venue}", mailbox, supervisor)
        self._log = structlog.get_logger("connector").bind(venue=venue)
        self._venue = venue
        self._account = account
        self._adapter = adapter
        self._harness = harness
        self._gate = gate
        self._websocket = websocket
        self._url = url
        self._clock = clock
        self._timers = timers
        self._backoff = backoff
        self._dispatch_age_ns_max = dispatch_age_ns_max
        self._connection: Connection | None = None
        self._start = start
        self._number = start << 32
        self._was_open = start > 0
        self._was_live = False
        self._ever_live = False
        self._stopping = False
        self._has_baseline = has_baseline
        self._batch: deque[Any] = deque()
        self._released: deque[CommittedDispatch] = deque()
        self._questions: list[HostQuery] = []
        self._cancel_tick: Callable[[], None] = lambda: None
        self._cancel_connect: Callable[[], None] = lambda: None
        gate.close(Hold.VENUE_DOWN, venue)
        gate.on_impatience(venue, self._shut)

    def on_start(self) -> None:
        self._connect()
        self._tick_later()

    def on_stop(self) -> None:
        if self._is_retired:
            self._hand_over("the connector did not start in time")
        else:
            self._cease()

    def on_failure(self, *error: Any) -> None:
        self._hand_over("the connector failed")
        super().on_failure(*error)

    def _cease(self) -> None:
        self._stopping = True
        self._cancel_tick()
        self._cancel_connect()
        self._shut()

    def _hand_over(self, reason: str) -> None:
        """Whatever was released and not looked at yet was certainly not sent; what comes later, and every question,
        waits for the next one.

        The one at hand is unknown: its request times out, and the venue is asked.
        """
        self._gate.close(Hold.VENUE_DOWN, self._venue)
        self._cease()
        for dispatch in self._released:
            self._not_sent(dispatch.request, reason)
        for message in self._batch:
            if isinstance(message, Release):
                for dispatch in message.dispatches:
                    self._not_sent(dispatch.request, reason)
            elif isinstance(message, AskVenue):
                self._mailbox.tell(message)
        for query in self._questions:
            self._mailbox.tell(AskVenue(query))
        now_ns = self._clock.now_ns()
        self._tell(
            VenueStatusChanged(
                recv_ns=now_ns,
                venue=self._venue,
                status=ConnectionStatus.DISCONNECTED,
                reason=reason,
            )
        )

    def on_batch(self, batch: list[Any]) -> None:
        self._batch.extend(batch)
        while self._batch:
            message = self._batch.popleft()
            match message:
                case Release(dispatches):
                    self._released.extend(dispatches)
                    while self._released:
                        self._dispatch(self._released.popleft())
                case FrameReceived(number, frame, recv_ns) if number == self._number:
                    failpoint("connector.before_ack")
                    self._adapter.receive(frame, recv_ns)
                case AskVenue(query):
                    self._questions.append(query)
                case Opened(number, now_ns) if number == self._number:
                    self._opened(now_ns)
                case Closed(number) if number == self._number:
                    self._closed(message)
                case Connect(start) if start == self._start:
                    self._connect()
                case Tick(start) if start == self._start:
                    self._adapter.tick(self._clock.now_ns(), self._clock.wall_ns())
                    self._tick_later()
            self._pump()

    def _dispatch(self, dispatch: CommittedDispatch) -> None:
        """Write one request through the gate; every way it can end becomes an Event, or stays unknown."""
        request = dispatch.request
        now_ns = self._clock.now_ns()
        if self._connection is None or self._adapter.status is not ConnectionStatus.LIVE:
            return self._not_sent(request, f"connector is {self._adapter.status.name}")
        if now_ns - dispatch.ts > self._dispatch_age_ns_max:
            return self._not_sent(request, f"{(now_ns - dispatch.ts) // 1_000_000} ms old")
        try:
            text = self._adapter.encode(request, now_ns, self._clock.wall_ns())
        except ValueError as error:
            return self._not_sent(request, str(error))
        failpoint("connector.before_gate")
        gate_ns = self._clock.now_ns()
        refusal = self._write(text, request.instrument, Passage(request.kind))
        if isinstance(refusal, NotSentError):
            return self._not_sent(request, str(refusal), encoded=True)
        if refusal is not None:
            self._log.warning("send_outcome_unknown", order_id=request.order_id, cause=str(refusal))
            self._adapter.sent(request, self._clock.now_ns())  # perhaps: its settling time begins now
            return None
        failpoint("connector.after_send")
        send_ns = self._clock.now_ns()
        self._adapter.sent(request, send_ns)
        self._tell(
            RequestSent(
                venue=self._venue,
                instrument=request.instrument,
                kind=request.kind,
                order_id=request.order_id,
                revision=request.revision,
                gate_ns=gate_ns,
                send_ns=send_ns,
            )
        )
        return None

    def _not_sent(self, request: OrderRequest, detail: str, encoded: bool = False) -> None:
        if encoded:
            self._adapter.unsent(request)
        self._tell(
            DispatchFailed(
                venue=self._venue,
                instrument=request.instrument,
                kind=request.kind,
                order_id=request.order_id,
                revision=request.revision,
                reason=FailureReason.NOT_SENT,
                detail=detail,
            )
        )

    def _tell(self, event: Event) -> None:
        self._harness.tell_execution((event,))

    def _pump(self) -> None:
        """Bring out what the adapter has: questions in, frames and Events out, the venue's hold in line with it."""
        adapter = self._adapter
        if self._questions and adapter.status is ConnectionStatus.LIVE:
            for query in self._questions:
                adapter.ask(query, self._clock.now_ns(), self._clock.wall_ns())
            self._questions = []
        for host_request in adapter.outgoing():
            self._send_host(host_request.text, host_request.purpose)
        events = adapter.events()
        if events:
            self._harness.tell_execution(self._with_baseline(events))
        self._follow_status()
        for complaint in adapter.complaints():
            if complaint.kind == LOG_ON_REFUSED and not self._ever_live:
                self._supervisor.tell(Unreachable(self._url, f"log-on refused: {complaint.detail}"))
            self._log.warning(complaint.kind, detail=complaint.detail, frame=repr(complaint.frame_head))

    def _follow_status(self) -> None:
        """The ``venue_down`` hold stands whenever the adapter is not LIVE."""
        is_live = self._adapter.status is ConnectionStatus.LIVE
        self._ever_live |= is_live
        if is_live and not self._was_live:
            self._gate.open(Hold.VENUE_DOWN, self._venue)
            self._backoff.reset()
        elif self._was_live and not is_live:
            self._gate.close(Hold.VENUE_DOWN, self._venue)
        self._was_live = is_live

    def _send_host(self, text: str, purpose: str) -> None:
        failure = self._write(text, "", Passage.HOST)
        if failure is not None:
            self._log.warning("host_request_failed", purpose=purpose, cause=str(failure))

    def _write(self, text: str, instrument: str, kind: Passage) -> TransportError | None:
        """Write one frame through the gate: the only place of the program at which an order can leave.

        None where every byte was written. ``NotSentError``: not one was. Any other error: unknown, and the connection
        is given up.
        """
        connection = self._connection
        if connection is None:
            return NotSentError("there is no connection")
        with self._gate.passage(self._venue, instrument, kind) as admitted:
            if kind is not Passage.HOST:
                failpoint("connector.in_gate")
            if not admitted:
                hold = self._gate.refusal(self._venue, instrument, kind)
                return NotSentError(f"gate: {hold.name if hold else 'closed'}")
            written = True
            try:
                connection.send(text)
            except NotSentError as error:
                written = False
                return error
            except TransportError as error:
                connection.close()
                return error
            finally:
                if written and kind in (Passage.NEW, Passage.REPLACE):
                    self._gate.wrote(self._venue, instrument, self._clock.now_ns())
        return None

    def _with_baseline(self, events: list[Event]) -> list[Event]:
        """The first complete balances of a session are what it starts from."""
        if self._has_baseline:
            return events
        out: list[Event] = []
        for event in events:
            if isinstance(event, BalanceReport) and event.complete and not self._has_baseline:
                self._has_baseline = True
                out.append(
                    AccountBaseline(
                        recv_ns=event.recv_ns,
                        venue=self._venue,
                        account=self._account,
                        balances=event.balances,
                        positions=(),
                        previous_session="",
                    )
                )
            out.append(event)
        return out

    def _opened(self, now_ns: int) -> None:
        self._was_open = True
        self._log.info("order_entry_open", url=self._url)
        self._adapter.connected(now_ns, self._clock.wall_ns())

    def _closed(self, message: Closed) -> None:
        self._connection = None
        self._adapter.disconnected(message.reason, message.now_ns)
        if not self._was_open:
            self._supervisor.tell(Unreachable(self._url, message.reason))
        if not self._stopping:
            delay_ns = self._backoff.next_ns()
            self._log.warning("order_entry_closed", reason=message.reason, retry_ms=delay_ns // 1_000_000)
            self._cancel_connect = self._timers.at(
                self._clock.now_ns() + delay_ns, lambda: self._mailbox.tell(Connect(self._start))
            )

    def _connect(self) -> None:
        if self._connection is not None:
            return
        self._number += 1
        self._connection = self._websocket.connect(self._url, _Forwarder(self._number, self._mailbox))

    def _shut(self) -> None:
        connection = self._connection
        if connection is not None:
            connection.close()

    def _tick_later(self) -> None:
        if not self._stopping:
            self._cancel_tick = self._timers.at(
                self._clock.now_ns() + TICK_NS, lambda: self._mailbox.tell(Tick(self._start))
            )
