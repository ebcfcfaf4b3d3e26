"""The connector: one venue's order entry, private stream and reconciliation. One thread, plus the reader threads of its
connections, which only put what arrives into this actor's mailbox: the adapter belongs to the actor's thread alone.

For New, Replace and Cancel it takes nothing but ``CommittedDispatch``, and writes it inside the dispatch gate. What it
cannot prove to have written or not written is unknown, and is said to be neither (live-stack.md sections 2 to 5).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import structlog

from livestack.actors.base import NodeActor
from livestack.actors.complaint_log import ComplaintLog
from livestack.actors.connector_events import Baseline, HeldBackError, gone, not_sent, request_sent, says_live
from livestack.actors.connector_holds import VenueHolds
from livestack.actors.connector_kept import HeldReductions, KeptQuestions, WrittenDispatches
from livestack.actors.connector_measures import ConnectorMeasures, NoMeasures
from livestack.actors.fetching import as_fetched, as_http
from livestack.actors.gate import DispatchGate, Passage
from livestack.actors.mailbox import HarnessMailbox, Mailbox
from livestack.actors.measures import Measures
from livestack.actors.messages import (
    AskVenue,
    Closed,
    Connect,
    FrameReceived,
    Opened,
    Release,
    RestAnswered,
    Tick,
    Unreachable,
)
from livestack.actors.sockets import Sockets
from livestack.core.events import Event
from livestack.core.types import ConnectionStatus, OrderRequest
from livestack.exceptions import NotSentError, TransportError
from livestack.failpoints import failpoint
from livestack.journal.writer import CommittedDispatch
from livestack.transports.backoff import Backoff
from livestack.transports.base import HttpResponse, HttpTransport, RequestTransport, WebSocketTransport
from livestack.transports.clock import Clock, Timers
from livestack.venues.adapter import (
    LOG_ON_REFUSED,
    CloseLink,
    Fetch,
    Fetched,
    HostRequest,
    OrderEntryAdapter,
    Outbound,
    Renew,
)
from livestack.venues.budget import RequestBudget

TICK_NS = 250_000_000
"""How often the adapter looks at the time: a quarter of the shortest time-out that it has."""


class ConnectorActor(NodeActor):
    """Keeps a venue's order entry up and writes what the recorder releases.

    ``url`` is the WebSocket API, ``rest_url`` the base of plain requests: ``http`` carries questions, ``requests`` what
    changes something: dispatches where there is no connection, and what cancels. ``dispatch_age_ns_max``: an older one
    is not sent any more. ``has_baseline``: a resumed session knows what it started from. ``start``: how many there were
    before in this run; frames of their connections and timers of theirs may still arrive.
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
        http: HttpTransport,
        requests: RequestTransport,
        rest_url: str,
        budget: RequestBudget,
        clock: Clock,
        timers: Timers,
        backoff: Backoff,
        dispatch_age_ns_max: int,
        has_baseline: bool = False,
        start: int = 0,
        measures: Measures | None = None,
    ) -> None:
        super().__init__(f"connector {venue}", mailbox, supervisor)
        self._log = structlog.get_logger("connector").bind(venue=venue)
        self._complaints = ComplaintLog(self._log)
        self._venue = venue
        self._adapter = adapter
        self._harness = harness
        self._gate = gate
        self._url = url
        self._http = http
        self._requests = requests
        self._rest_url = rest_url
        self._clock = clock
        self._timers = timers
        self._backoff = backoff
        self._dispatch_age_ns_max = dispatch_age_ns_max
        self._sockets = Sockets(websocket, url, mailbox, clock, timers, backoff, budget, start)
        self._start = start
        self._was_open = start > 0
        self._ever_live = self._stopping = False
        self._measures = NoMeasures() if measures is None else ConnectorMeasures(measures, venue)
        self._baseline = Baseline(venue, account, has_baseline)
        self._batch: deque[Any] = deque()
        self._released: deque[CommittedDispatch] = deque()
        self._written = WrittenDispatches()
        self._repeating: tuple[int, int] | None = None
        self._questions = KeptQuestions()
        self._reductions = HeldReductions()
        self._cancel_tick: Callable[[], None] = lambda: None
        self._holds = VenueHolds(gate, venue, self._shut)

    def on_start(self) -> None:
        self._sockets.want()
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
        self._sockets.stop()
        self._requests.close()

    def _hand_over(self, reason: str) -> None:
        """Whatever was released and not looked at yet was certainly not sent; what comes later, and every question,
        waits for the next one.

        The one at hand is unknown: its request times out, and the venue is asked.
        """
        self._holds.down()
        self._cease()
        for message in self._batch:
            if isinstance(message, Release):
                self._released.extend(message.dispatches)
            elif isinstance(message, AskVenue):
                self._mailbox.tell(message)
        for dispatch in self._released:
            self._not_sent(dispatch, "restart", reason)
        for query in self._questions:
            self._mailbox.tell(AskVenue(query))
        self._tell(gone(self._venue, reason, self._clock.now_ns()))

    def on_batch(self, batch: list[Any]) -> None:
        # An answer that is here already is not overdue: time passes behind everything that arrived.
        self._batch.extend(sorted(batch, key=lambda message: isinstance(message, Tick)))
        while self._batch:
            message = self._batch.popleft()
            match message:
                case Release(dispatches):
                    self._released.extend(dispatches)
                    while self._released:
                        self._dispatch(self._released.popleft())
                case FrameReceived(number, frame, recv_ns) if self._sockets.get(number) is not None:
                    failpoint("connector.before_ack")
                    self._adapter.receive(frame, recv_ns, number)
                case RestAnswered(start, answer) if start == self._start:
                    failpoint("connector.before_ack")
                    self._adapter.fetched(answer)
                case AskVenue(query):
                    self._questions.keep(query)
                case Opened(number, now_ns) if self._sockets.opened(number):
                    self._opened(number, now_ns)
                case Closed(number) if self._sockets.get(number) is not None:
                    self._closed(message)
                case Connect(start) if start == self._start:
                    self._sockets.due()
                case Tick(start) if start == self._start:
                    self._tick()
            self._pump()

    def _dispatch(self, dispatch: CommittedDispatch) -> None:
        """Write one request through the gate; every way it can end becomes an Event, or stays unknown."""
        request = dispatch.request
        now_ns = self._clock.now_ns()
        if self._adapter.status is not ConnectionStatus.LIVE:
            return self._not_sent(dispatch, "connection", f"connector is {self._adapter.status.name}")
        if now_ns - dispatch.ts > self._dispatch_age_ns_max:
            return self._not_sent(dispatch, "age", f"{(now_ns - dispatch.ts) // 1_000_000} ms old")
        try:
            outbound = self._adapter.encode(request, now_ns, self._clock.wall_ns())
        except ValueError as error:
            return self._not_sent(dispatch, "encoding", str(error))
        failpoint("connector.before_gate")
        gate_ns = self._clock.now_ns()
        refusal = self._write(outbound, request.instrument, Passage(request.kind))
        if isinstance(refusal, NotSentError):
            reason = "gate" if isinstance(refusal, HeldBackError) else "connection"
            return self._not_sent(dispatch, reason, str(refusal), encoded=True)
        if refusal is not None:
            self._log.warning("send_outcome_unknown", order_id=request.order_id, cause=str(refusal))
            self._adapter.sent(request, self._clock.now_ns())  # perhaps: its settling time begins now
            return None
        failpoint("connector.after_send")
        send_ns = self._clock.now_ns()
        self._adapter.sent(request, send_ns)
        self._tell(request_sent(self._venue, request, gate_ns, send_ns))
        self._measures.sent(dispatch, now_ns, send_ns)
        self._written.keep(dispatch)
        return None

    def _repeat(self, request: OrderRequest) -> None:
        """Write it again, under everything that holds for a first time; what is not written stays refused."""
        key = request.order_id, request.revision
        dispatch = self._written.find(request)
        if dispatch is None:
            return self._adapter.unrepeated(request)
        self._log.warning("dispatch_repeated", order_id=request.order_id, revision=request.revision)
        self._repeating = key
        try:
            self._dispatch(dispatch)
        finally:
            self._repeating = None
        return None

    def _not_sent(self, dispatch: CommittedDispatch, reason: str, detail: str, encoded: bool = False) -> None:
        request = dispatch.request
        if self._repeating is not None:
            return self._adapter.unrepeated(request)
        if encoded:
            self._adapter.unsent(request)
        self._measures.not_sent(reason, dispatch.seq)
        self._tell(not_sent(self._venue, request, detail))
        return None

    def _tell(self, event: Event) -> None:
        self._harness.tell_execution((event,))

    def _pump(self) -> None:
        """Bring out what the adapter has: questions in, frames and Events out, the venue's hold in line with it."""
        adapter = self._adapter
        for query in self._questions.take(adapter.status):
            adapter.ask(query, self._clock.now_ns(), self._clock.wall_ns())
        for request in adapter.repeats():
            self._repeat(request)
        for item in adapter.outgoing():
            self._go(item)
        if self._reductions:
            self._reduce()
        events = adapter.events()
        if events:
            self._harness.tell_execution(self._baseline.add_to(events))
            self._measures.told(events)
        is_live = adapter.status is ConnectionStatus.LIVE
        self._ever_live |= is_live
        if self._holds.follow(is_live, adapter.is_clock_good) or says_live(events):
            self._backoff.reset()
        complaints = adapter.complaints()
        if complaints:
            self._measures.complained(adapter.faults)
        for complaint in complaints:
            if complaint.kind == LOG_ON_REFUSED and not self._ever_live:
                self._supervisor.tell(Unreachable(self._url, f"log-on refused: {complaint.detail}"))
            self._complaints.add(complaint, self._clock.now_ns())

    def _go(self, item: HostRequest | Fetch | Renew | CloseLink) -> None:
        """What the adapter wants on its own account."""
        match item:
            case HostRequest(text, purpose, link):
                failure = self._write(Outbound(text, link), "", Passage.HOST)
                if failure is not None:
                    self._log.warning("host_request_failed", purpose=purpose, cause=str(failure))
            case Fetch(method="GET"):
                self._requests.keep(self._rest_url)  # where questions go this way, dispatches will
                self._http.submit(as_http(self._rest_url, item), self._answers(item.fetch_id))
                self._measures.written(Passage.HOST)
            case Fetch(method="DELETE"):
                self._reductions.hold(item, self._clock.now_ns())
            case Fetch():
                self._unanswered(item, "the host reads and cancels, and does nothing else")
            case Renew(link, reason):
                self._log.info("connection_renewed", link=link, reason=reason)
                self._sockets.want()
            case CloseLink(link, reason):
                self._log.info("connection_given_up", link=link, reason=reason)
                self._sockets.close(link)

    def _reduce(self) -> None:
        """Write what cancels, past whatever questions wait for their answers; as soon as a connection is ready."""
        write = lambda fetch: self._write(Outbound(fetch), "", Passage.HOST)  # noqa: E731
        for fetch, cause in self._reductions.leave(self._clock.now_ns(), write):
            self._unanswered(fetch, cause)

    def _unanswered(self, fetch: Fetch, cause: str) -> None:
        """No answer will come: the adapter asks again, or not."""
        self._log.warning("host_request_failed", purpose=fetch.purpose, cause=cause)
        now_ns = self._clock.now_ns()
        self._adapter.fetched(Fetched(fetch.fetch_id, 0, (), b"", cause, now_ns, now_ns))

    def _write(self, outbound: Outbound, instrument: str, kind: Passage) -> TransportError | None:
        """Write one request through the gate: the only place of the program at which an order can leave.

        None where every byte was written. ``NotSentError``: not one was. Any other error: unknown, and the connection
        is given up.
        """
        payload = outbound.payload
        connection = self._sockets.get(outbound.link) if isinstance(payload, str) else None
        if connection is None and isinstance(payload, str):
            return NotSentError("there is no connection")
        with self._gate.passage(self._venue, instrument, kind) as admitted:
            if kind is not Passage.HOST:
                failpoint("connector.in_gate")
            if not admitted:
                hold = self._gate.refusal(self._venue, instrument, kind)
                return HeldBackError(f"gate: {hold.name if hold else 'closed'}")
            written = True
            try:
                if isinstance(payload, Fetch):
                    reduces = kind in (Passage.HOST, Passage.CANCEL)
                    reply = self._answers(payload.fetch_id)
                    self._requests.send(as_http(self._rest_url, payload), reply, reduces=reduces)
                elif connection is not None:
                    connection.send(payload)
            except NotSentError as error:
                written = False
                return error
            except TransportError as error:
                if connection is not None:
                    connection.close()
                return error
            finally:
                if written and kind in (Passage.NEW, Passage.REPLACE):
                    self._gate.wrote(self._venue, instrument, self._clock.now_ns())
        self._measures.written(kind)
        return None

    def _answers(self, fetch_id: int) -> Callable[[HttpResponse], None]:
        """Puts the answer into the mailbox, on whatever thread it comes."""
        mailbox, start = self._mailbox, self._start
        return lambda response: mailbox.tell(RestAnswered(start, as_fetched(fetch_id, response)))

    def _opened(self, number: int, now_ns: int) -> None:
        self._was_open = True
        self._log.info("order_entry_open", url=self._url, link=number)
        self._adapter.connected(now_ns, self._clock.wall_ns(), number)

    def _closed(self, message: Closed) -> None:
        never_opened = self._sockets.closed(message.connection, message.refusal)
        self._adapter.disconnected(message.reason, message.now_ns, message.connection)
        if not self._was_open:
            self._supervisor.tell(Unreachable(self._url, message.reason))
        is_down = self._adapter.status is ConnectionStatus.DISCONNECTED
        if self._stopping:
            return
        if not never_opened:
            self._measures.reconnected()
        delay_ns = self._sockets.plan() if never_opened or is_down or not len(self._sockets) else 0
        log = self._log.warning if is_down else self._log.info  # otherwise another one has taken its place
        log("order_entry_closed", reason=message.reason, retry_ms=delay_ns // 1_000_000)

    def _shut(self) -> None:
        self._sockets.shut()
        self._requests.shut()

    def _tick(self) -> None:
        self._adapter.tick(self._clock.now_ns(), self._clock.wall_ns())
        self._complaints.tick(self._clock.now_ns())
        if self._adapter.is_over_rest:  # a dispatch may come at any time, however rarely anything is asked
            self._requests.keep(self._rest_url)
        self._tick_later()

    def _tick_later(self) -> None:
        if not self._stopping:
            self._cancel_tick = self._timers.at(
                self._clock.now_ns() + TICK_NS, lambda: self._mailbox.tell(Tick(self._start))
            )
