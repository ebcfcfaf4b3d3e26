"""The order-entry adapter: requests out, replies and the private stream in, over one WebSocket API connection.

Pure; belongs to the connector's thread. It holds the parts together: ``calls`` knows which reply belongs to which
request, ``handshake`` leads to LIVE, ``reports`` and ``outcomes`` read what the venue says, ``reconcile`` and
``inquiries`` ask. A request is never sent twice; what is not certain produces no Event.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import msgspec

from livestack.core.events import (
    Event,
    InstrumentDefined,
    OrderFill,
    RateLimitReport,
    VenueBackoff,
    VenueClock,
    VenueStatusChanged,
)
from livestack.core.types import ConnectionStatus, OrderRequest, RateUsage, RequestKind
from livestack.venues.adapter import (
    LOG_ON_REFUSED,
    Complaint,
    Credentials,
    HostQuery,
    HostRequest,
    Inherited,
)
from livestack.venues.binance_spot import outcomes
from livestack.venues.binance_spot.calls import Calls, Pending, VenueTime
from livestack.venues.binance_spot.handshake import Handshake, Step
from livestack.venues.binance_spot.order_events import OrderEvents
from livestack.venues.binance_spot.orders import KnownOrder, KnownOrders, OrderInstrument
from livestack.venues.binance_spot.private_messages import (
    AccountPosition,
    AmendResult,
    CancelReplaceResult,
    EventHead,
    ExecutionReport,
    OrderResult,
    RateLimit,
    Reply,
    ServerTime,
    SocketMessage,
    decode,
)
from livestack.venues.binance_spot.questions import Questions
from livestack.venues.binance_spot.reports import ExecutionReports, position_report
from livestack.venues.binance_spot.requests import RECV_WINDOW_MS, RequestWriter, order_call
from livestack.venues.complaints import Complaints
from livestack.venues.session import SessionState, Signal

SETTLING_NS = (RECV_WINDOW_MS + 10_000 + 1_000) * 1_000_000
"""Receive window, the 10 s that the venue gives its engine (-1007), and a second of error between two clocks."""

CLOCK_NS = 60_000_000_000
"""How often the venue's clock is measured: two bad quartz clocks part by 6 ms in that time."""

_INTERVALS_NS = {
    "SECOND": 1_000_000_000,
    "MINUTE": 60_000_000_000,
    "HOUR": 3_600_000_000_000,
    "DAY": 86_400_000_000_000,
}
_DECODE_ERRORS = (msgspec.MsgspecError, ValueError, KeyError, RecursionError)
_decode = msgspec.json.Decoder(SocketMessage).decode


class BinanceOrderEntry:
    """Implements :class:`~livestack.venues.adapter.OrderEntryAdapter`. ``ValueError`` for unusable credentials."""

    def __init__(
        self,
        venue: str,
        instruments: Sequence[InstrumentDefined],
        credentials: Credentials,
        inherited: Inherited,
    ) -> None:
        self._venue = venue
        self.settling_ns = SETTLING_NS
        self._complaints = Complaints((credentials.api_key, credentials.secret))
        self.faults = self._complaints.faults
        self._session = SessionState()
        self._instruments = {one.instrument: OrderInstrument(one) for one in instruments}
        self._list: list[Event] = []
        writer = RequestWriter(credentials)
        self._calls = Calls(writer, VenueTime())
        self._orders = KnownOrders()
        self._events = OrderEvents(venue, self._orders, self._list)
        by_symbol = {one.symbol: one for one in self._instruments.values()}
        self._questions = Questions(self._instruments, self._calls, self._events, self._complaints)
        self._reconciliation = self._questions.reconciliation
        for name, through in inherited.fill_floors.items():
            if name in self._instruments:
                self._reconciliation.floor(self._instruments[name]).reconciled(through)
        for one in inherited.orders:
            if one.instrument in self._instruments:
                self._orders.inherit(self._instruments[one.instrument], one)
        self._successions = self._questions.successions
        look_up = self._questions.look_up
        self._reports = ExecutionReports(
            by_symbol, self._events, self._complaints, look_up, self._successions
        )
        self._handshake = Handshake(
            self._calls, writer, self._reconciliation_steps, self._measured, self._handshake_ended
        )
        self._usage: tuple[RateUsage, ...] = ()
        self._clock_due_ns = 0
        self._began_ns = -1

    @property
    def status(self) -> ConnectionStatus:
        return self._session.status

    # -- The connection ------------------------------------------------------------------------------------------

    def connected(self, now_ns: int, wall_ns: int) -> None:
        self._calls.at(now_ns, wall_ns)
        if self._began_ns < 0:
            self._began_ns = now_ns
        self._signal(Signal.OPENED, "connected", now_ns)
        self._handshake.begin()

    def disconnected(self, reason: str, now_ns: int) -> None:
        self._calls.at(now_ns)
        self._handshake.abandon()
        self._calls.broken()
        self._questions.interrupted()
        self._signal(Signal.CLOSED, reason, now_ns)

    def tick(self, now_ns: int, wall_ns: int) -> None:
        self._calls.at(now_ns, wall_ns)
        if self.status is ConnectionStatus.DISCONNECTED:
            return
        self._calls.overdue()
        self._handshake.tick()
        if self.status is not ConnectionStatus.LIVE:
            return
        self._questions.tick()
        if now_ns >= self._clock_due_ns:
            self._measure_clock()

    def _reconciliation_steps(self) -> list[Step]:
        instruments = self._instruments.values()
        open_orders: list[Step] = [partial(self._reconciliation.open_orders, one) for one in instruments]
        fills: list[Step] = [partial(self._reconciliation.missed_fills, one) for one in instruments]
        return [*open_orders, *fills, self._reconciliation.balances]

    def _handshake_ended(self, reason: str, is_refused: bool) -> None:
        now_ns = self._calls.now_ns
        if not reason:
            if self.status is ConnectionStatus.DEGRADED:
                self._signal(Signal.DOUBT, "accepted again", now_ns)
            self._signal(Signal.SYNCHRONISED, "reconciled", now_ns)
            self._clock_due_ns = now_ns + CLOCK_NS
            self._questions.tick()
            return
        self._complaints.add(LOG_ON_REFUSED if is_refused else "handshake_failed", reason)
        if is_refused:
            self._signal(Signal.DEGRADE, reason, now_ns)

    def _signal(self, signal: Signal, reason: str, now_ns: int) -> None:
        if self._session.take(signal):
            self._list.append(
                VenueStatusChanged(recv_ns=now_ns, venue=self._venue, status=self.status, reason=reason)
            )

    def _measure_clock(self) -> None:
        begun_ns = self._calls.now_ns
        self._clock_due_ns = begun_ns + CLOCK_NS

        def answered(reply: Reply) -> None:
            if reply.is_ok:
                try:
                    self._measured(reply.read(ServerTime).server_ms, begun_ns, reply.recv_ns)
                except msgspec.MsgspecError as error:
                    self._complaints.add("bad_reply", str(error), reply.frame)

        self._calls.ask("time", {}, answered, "plain")

    def _measured(self, server_ms: int, begun_ns: int, recv_ns: int) -> None:
        time = self._calls.time
        time.measured(begun_ns, recv_ns, server_ms)
        self._list.append(VenueClock(venue=self._venue, offset_ns=time.offset_ns, error_ns=time.error_ns))

    # -- Dispatches ----------------------------------------------------------------------------------------------

    def encode(self, request: OrderRequest, now_ns: int, wall_ns: int) -> str:
        self._calls.at(now_ns, wall_ns)
        instrument = self._instruments.get(request.instrument)
        if instrument is None:
            raise ValueError(f"{request.instrument} is not an instrument of this session")
        known = self._orders.find(request.client_id) or self._orders.find_venue_id(
            instrument.name, request.venue_order_id
        )
        order = known or KnownOrder(instrument, request.order_id, request.client_id)
        method, parameters = order_call(request, instrument, order)
        if known is None:
            order = self._orders.of_client_id(instrument, request.target_client_id or request.client_id)
        order.order_id = order.order_id or request.order_id  # adopted: ours from now on
        self._orders.also(order, request.client_id)
        if request.kind is RequestKind.REPLACE:
            order.replacing = request.client_id
            order.cancel_half_filled = -1
        return self._calls.dispatch(request, method, parameters)

    def sent(self, request: OrderRequest, send_ns: int) -> None:
        order = self._orders.find(request.client_id)
        if order is not None:
            order.sent_ns = max(order.sent_ns, send_ns)

    def unsent(self, request: OrderRequest) -> None:
        self._calls.withdraw(request.client_id)
        order = self._orders.find(request.client_id)
        if order is None:
            return
        if request.kind is RequestKind.NEW:
            self._orders.forget(order)
        elif order.replacing == request.client_id:
            order.replacing = ""

    def ask(self, query: HostQuery, now_ns: int, wall_ns: int) -> None:
        self._calls.at(now_ns, wall_ns)
        settled_ns = self._began_ns + self.settling_ns
        self._questions.ask(query, settled_ns, self.settling_ns)

    # -- What arrives --------------------------------------------------------------------------------------------

    def receive(self, frame: bytes, recv_ns: int) -> None:
        self._calls.at(max(recv_ns, self._calls.now_ns))
        try:
            message = _decode(frame)
            if message.status:
                self._reply(message, frame, recv_ns)
            elif message.event != b"null":
                self._event(message.event, frame, recv_ns)
            else:
                self._complaints.add("unknown_frame", "neither a reply nor an event", frame)
        except _DECODE_ERRORS as error:
            self._complaints.add("malformed_frame", repr(error), frame)
            # What the frame was about is not known: an order may stand elsewhere than we believe.
            self._resynchronise("a frame could not be read", recv_ns)

    def _resynchronise(self, reason: str, now_ns: int) -> None:
        if self.status is ConnectionStatus.LIVE:
            self._signal(Signal.DOUBT, reason, now_ns)
            self._handshake.restart()

    def _event(self, raw: msgspec.Raw, frame: bytes, recv_ns: int) -> None:
        kind = decode(raw, EventHead).event
        if kind == "executionReport":
            before = len(self._list)
            self._reports.take(decode(raw, ExecutionReport), frame, recv_ns)
            self._note_fills(before, recv_ns)
        elif kind == "outboundAccountPosition":
            position = decode(raw, AccountPosition)
            self._list.append(position_report(self._venue, position, recv_ns))
        elif kind == "eventStreamTerminated":
            self._complaints.add("stream_terminated", "the venue ended the private stream", frame)
            self._resynchronise("the venue ended the private stream", recv_ns)
        elif kind == "serverShutdown":
            self._complaints.add("server_shutdown", "the venue will close this connection", frame)
        elif kind not in ("balanceUpdate", "listStatus", "externalLockUpdate"):
            self._complaints.add("unknown_enum", f"event {kind[:32]!r}", frame)

    def _note_fills(self, before: int, recv_ns: int) -> None:
        if self._successions.holds:
            return  # a fill may be among what is not told yet
        for event in self._list[before:]:
            if isinstance(event, OrderFill):
                instrument = self._instruments[event.instrument]
                self._reconciliation.floor(instrument).seen(event.fill_id, recv_ns)

    def _reply(self, message: SocketMessage, frame: bytes, recv_ns: int) -> None:
        pending = self._calls.take(message.id)
        reply = Reply.of(message, recv_ns, frame)
        self._backoff(reply)
        if pending is None:
            self._rate_limits(message.rate_limits, None, recv_ns)
            self._complaints.add("unexpected_reply", f"{message.status} {reply.text}", frame)
        elif pending.request is not None:
            self._rate_limits(message.rate_limits, pending.request, recv_ns)
            self._outcome(pending, pending.request, reply)
        elif pending.done is not None:
            self._rate_limits(message.rate_limits, None, recv_ns)
            pending.done(reply)

    def _outcome(self, pending: Pending, request: OrderRequest, reply: Reply) -> None:
        """The reply to a dispatch. One that cannot be read leaves it unresolved, as no reply would."""
        order = self._orders.of_client_id(self._instruments[request.instrument], request.client_id)
        verdict = outcomes.verdict(reply)
        try:
            if verdict is outcomes.Verdict.UNKNOWN:
                self._calls.unresolved(request)
            elif verdict is outcomes.Verdict.REFUSED:
                self._refused(request, order, reply)
            else:
                self._calls.resolved(request.client_id)
                self._done(pending, request, order, reply)
        except _DECODE_ERRORS as error:
            self._complaints.add("bad_reply", repr(error), reply.frame)
            self._calls.unresolved(request)

    def _done(self, pending: Pending, request: OrderRequest, order: KnownOrder, reply: Reply) -> None:
        events, recv_ns = self._events, reply.recv_ns
        if request.kind is RequestKind.NEW:
            outcomes.placed(events, order, request, reply.read(OrderResult), recv_ns)
        elif request.kind is RequestKind.CANCEL:
            outcomes.cancelled(events, order, reply.read(OrderResult), recv_ns)
        elif pending.is_amend:
            outcomes.amended(events, order, request, reply.read(AmendResult), recv_ns)
        else:
            outcomes.replaced(events, order, request, reply.read(CancelReplaceResult), recv_ns)

    def _refused(self, request: OrderRequest, order: KnownOrder, reply: Reply) -> None:
        if reply.code == outcomes.CLOCK_CODE:
            self._measure_clock()
        halves = (outcomes.PARTLY_REPLACED, outcomes.NOT_REPLACED)
        if reply.code not in halves:
            self._events.refused(request, order, reply.code, reply.text, reply.recv_ns)
        elif not outcomes.partly_replaced(self._events, order, request, reply):
            self._calls.unresolved(request)
        if request.kind is not RequestKind.NEW and not order.closed:
            # Usually "Unknown order sent.": it was filled or cancelled meanwhile, and the report may be lost.
            self._questions.look_up(order)

    def _backoff(self, reply: Reply) -> None:
        wait_ns = 0 if reply.is_ok else outcomes.backoff_ns(reply, self._calls.venue_ms)
        if wait_ns:
            self._list.append(
                VenueBackoff(
                    recv_ns=reply.recv_ns, venue=self._venue, retry_after_ns=wait_ns, reason=reply.text
                )
            )

    def _rate_limits(self, limits: list[RateLimit], request: OrderRequest | None, recv_ns: int) -> None:
        usage = tuple(
            RateUsage(
                one.rate_limit_type,
                _INTERVALS_NS.get(one.interval, 0) * one.interval_num,
                one.limit,
                one.count,
            )
            for one in limits
        )
        if not usage or usage == self._usage:
            return
        self._usage = usage
        self._list.append(
            RateLimitReport(
                recv_ns=recv_ns,
                venue=self._venue,
                order_id=request.order_id if request is not None else 0,
                revision=request.revision if request is not None else 0,
                usage=usage,
            )
        )

    def events(self) -> list[Event]:
        events = self._list.copy()
        self._list.clear()
        return events

    def outgoing(self) -> list[HostRequest]:
        outgoing, self._calls.outgoing = self._calls.outgoing, []
        return outgoing

    def complaints(self) -> list[Complaint]:
        return self._complaints.take()
