"""The order-entry adapter: requests out, replies and the private stream in, over the WebSocket API or REST.

Pure; belongs to the connector's thread. It holds the parts together: ``paths`` says where requests go and leads to
LIVE, ``calls`` knows which reply belongs to which request, ``reports`` and ``outcomes`` read what the venue says,
``reconcile`` and ``inquiries`` ask. A request is never sent twice but one that the venue refused for our clock; what is
not certain produces no Event.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from livestack.core.events import Event, InstrumentDefined, OrderFill
from livestack.core.types import ConnectionStatus, OrderRequest, RateUsage, RequestKind
from livestack.venues.adapter import (
    CloseLink,
    Complaint,
    Credentials,
    Fetch,
    Fetched,
    HostQuery,
    HostRequest,
    Inherited,
    Outbound,
    Renew,
)
from livestack.venues.binance_spot import outcomes
from livestack.venues.binance_spot.answers import DECODE_ERRORS, Answers
from livestack.venues.binance_spot.calls import NOWHERE, REST, Calls, Done, Pending
from livestack.venues.binance_spot.handshake import REFUSED_CODES, Greeting
from livestack.venues.binance_spot.limits import usage_of
from livestack.venues.binance_spot.opening import Opening
from livestack.venues.binance_spot.order_events import OrderEvents
from livestack.venues.binance_spot.orders import KnownOrder, KnownOrders, OrderInstrument
from livestack.venues.binance_spot.paths import Paths
from livestack.venues.binance_spot.private_messages import Reply, SocketMessage
from livestack.venues.binance_spot.questions import Questions
from livestack.venues.binance_spot.rate_reports import RateReports
from livestack.venues.binance_spot.renamed import SETTLING_MS
from livestack.venues.binance_spot.reports import ExecutionReports
from livestack.venues.binance_spot.requests import RequestWriter, order_call
from livestack.venues.binance_spot.rest_requests import RestRequests, read_answer
from livestack.venues.binance_spot.rest_watch import RestWatch
from livestack.venues.binance_spot.signing import make_signer
from livestack.venues.binance_spot.upkeep import Upkeep
from livestack.venues.binance_spot.user_events import UserEvents
from livestack.venues.binance_spot.venue_time import VenueTime
from livestack.venues.budget import RequestBudget
from livestack.venues.complaints import Complaints
from livestack.venues.options import VenueOptions

SETTLING_NS = SETTLING_MS * 1_000_000

_decode = msgspec.json.Decoder(SocketMessage).decode


class BinanceOrderEntry:
    """Implements :class:`~livestack.venues.adapter.OrderEntryAdapter`. ``ValueError`` for unusable credentials."""

    def __init__(
        self,
        venue: str,
        instruments: Sequence[InstrumentDefined],
        credentials: Credentials,
        inherited: Inherited,
        options: VenueOptions,
        budget: RequestBudget,
    ) -> None:
        self.settling_ns = SETTLING_NS
        self._complaints = Complaints((credentials.api_key, credentials.secret.reveal()))
        self.faults = self._complaints.faults
        self._instruments = {one.instrument: OrderInstrument(one) for one in instruments}
        self._list: list[Event] = []
        signer = make_signer(credentials)
        self._calls = Calls(
            RequestWriter(credentials.api_key, signer),
            RestRequests(credentials.api_key, signer),
            VenueTime(),
            budget,
        )
        self._rates = RateReports(venue, budget, self._list)
        self._orders = KnownOrders()
        self._events = OrderEvents(venue, self._orders, self._list)
        self._questions = Questions(self._instruments, self._calls, self._events, self._complaints)
        self._reconciliation = self._questions.reconciliation
        self._inherit(inherited)
        self._successions = self._questions.successions
        self._upkeep = Upkeep(
            venue,
            instruments,
            self._instruments,
            self._calls,
            self._questions,
            self._complaints,
            options,
            budget,
            self._rates,
            self._list,
            incidents=inherited.incidents,
        )
        self._began_ns = -1
        self._make_ways(venue, credentials.kind == "ed25519", inherited, options, budget)

    def _inherit(self, inherited: Inherited) -> None:
        """What a resumed session knows."""
        for name, through in inherited.fill_floors.items():
            if name in self._instruments:
                self._reconciliation.floor(self._instruments[name]).reconciled(through)
        for one in inherited.orders:
            if one.instrument in self._instruments:
                self._orders.inherit(self._instruments[one.instrument], one)

    def _make_ways(
        self, venue: str, can_log_on: bool, inherited: Inherited, options: VenueOptions, budget: RequestBudget
    ) -> None:
        """The parts by which requests go and answers come."""
        calls, questions = self._calls, self._questions
        greeting = Greeting(calls, can_log_on, self._upkeep.measured)
        self._answers = Answers(
            self._instruments,
            calls,
            self._events,
            self._complaints,
            self._upkeep,
            lambda done, purpose: greeting.time(done, purpose=purpose),
            questions.look_up,
        )
        self._repetitions = self._answers.repetitions
        self._opening = Opening(
            self._instruments, calls, self._reconciliation, self._complaints, self._orders, inherited.orders
        )
        self._paths = Paths(
            venue,
            calls,
            greeting,
            options,
            self._complaints,
            self._list,
            self._opening.steps,
            self._live,
            self._interrupted,
            lambda: self._upkeep.doubt("another connection took over"),
            inherited.incidents,
        )
        self._watch = RestWatch(
            self._instruments,
            calls,
            self._opening,
            self._orders,
            self._reconciliation,
            budget,
            self._paths.resynchronise,
        )
        by_symbol = {one.symbol: one for one in self._instruments.values()}
        reports = ExecutionReports(
            by_symbol,
            self._events,
            self._complaints,
            questions.look_up,
            self._successions,
            self._reconciliation.renamed,
        )
        told = self._reconciliation.balances_told
        self._private = UserEvents(calls, self._paths, reports, self._upkeep, self._complaints, told)

    @property
    def status(self) -> ConnectionStatus:
        return self._paths.status

    @property
    def is_over_rest(self) -> bool:
        return self._paths.is_over_rest

    @property
    def is_clock_good(self) -> bool:
        return self._upkeep.is_clock_good

    # -- The connections -----------------------------------------------------------------------------------------

    def connected(self, now_ns: int, wall_ns: int, link: int = 0) -> None:
        self._calls.at(now_ns, wall_ns)
        if self._began_ns < 0:
            self._began_ns = now_ns
        self._paths.connected(link)

    def disconnected(self, reason: str, now_ns: int, link: int = 0) -> None:
        self._calls.at(now_ns)
        self._paths.disconnected(link, reason)

    def tick(self, now_ns: int, wall_ns: int) -> None:
        self._calls.at(now_ns, wall_ns)
        if self._began_ns < 0:
            self._began_ns = now_ns
        self._paths.tick()
        self._upkeep.tick()
        if self.status is ConnectionStatus.LIVE:
            self._questions.tick()
            if self._paths.is_over_rest:
                self._watch.tick()

    def _live(self) -> None:
        """Everything that has to be known is known."""
        is_over_rest = self._paths.is_over_rest
        self._upkeep.live(has_stream=not is_over_rest)
        if is_over_rest:
            self._watch.begin()
        elif self._opening.postponed:
            self._opening.postponed.clear()
            self._upkeep.doubt("fills of instruments without orders of ours were not fetched yet")
        self._questions.tick()

    def _interrupted(self, is_last: bool) -> None:
        """The private stream is lost, or whatever stood for it; with ``is_last`` every path."""
        self._watch.end()
        self._upkeep.interrupted()
        if is_last:
            self._questions.interrupted()
            self._repetitions.interrupted()

    # -- Dispatches ----------------------------------------------------------------------------------------------

    def encode(self, request: OrderRequest, now_ns: int, wall_ns: int) -> Outbound:
        self._calls.at(now_ns, wall_ns)
        instrument = self._instruments.get(request.instrument)
        if instrument is None:
            raise ValueError(f"{request.instrument} is not an instrument of this session")
        if self._calls.path == NOWHERE:
            raise ValueError("there is no connection")
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
        elif request.kind is RequestKind.NEW:
            order.signed_ms = self._calls.venue_ms
        self._opening.touch(instrument.name)
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

    def repeats(self) -> list[OrderRequest]:
        return self._repetitions.take()

    def unrepeated(self, request: OrderRequest) -> None:
        self._calls.withdraw(request.client_id)
        self._repetitions.unrepeated(request)

    def ask(self, query: HostQuery, now_ns: int, wall_ns: int) -> None:
        self._calls.at(now_ns, wall_ns)
        settled_ns = self._began_ns + self.settling_ns
        self._questions.ask(query, settled_ns, self.settling_ns)

    # -- What arrives --------------------------------------------------------------------------------------------

    def receive(self, frame: bytes, recv_ns: int, link: int = 0) -> None:
        self._calls.at(max(recv_ns, self._calls.now_ns))
        try:
            message = _decode(frame)
            if message.status:
                self._paths.links.heard(link)
                pending = self._calls.take(message.id, link)
                reply = Reply.of(message, recv_ns, frame)
                reply.begun_ns = pending.begun_ns if pending is not None else recv_ns
                self._take(pending, reply, usage_of(message.rate_limits))
            elif message.event != b"null":
                self._event(message.event, frame, recv_ns, link)
            else:
                self._complaints.add("unknown_frame", "neither a reply nor an event", frame)
        except DECODE_ERRORS as error:
            self._unreadable(error, frame)

    def fetched(self, answer: Fetched) -> None:
        self._calls.at(max(answer.recv_ns, self._calls.now_ns))
        try:
            pending = self._calls.take(answer.fetch_id, REST)
            reply = read_answer(answer)
            if pending is not None:
                # It waited for a thread and a connection of the transport's after it was made.
                reply.begun_ns = min(max(pending.begun_ns, answer.begun_ns), answer.recv_ns)
            self._take(pending, reply, self._rates.of_headers(answer), answer)
        except DECODE_ERRORS as error:
            self._unreadable(error, answer.body)
        self._calls.release()

    def _unreadable(self, error: Exception, frame: bytes) -> None:
        """What ``frame`` was about is not known: an order may stand elsewhere than we believe."""
        self._complaints.add("malformed_frame", repr(error), frame)
        self._paths.resynchronise("a frame could not be read")

    def _event(self, raw: msgspec.Raw, frame: bytes, recv_ns: int, link: int) -> None:
        before = len(self._list)
        self._private.take(raw, frame, recv_ns, link)
        if self._successions.holds:
            return  # a fill may be among what is not told yet
        for event in self._list[before:]:
            if isinstance(event, OrderFill):
                instrument = self._instruments[event.instrument]
                self._reconciliation.floor(instrument).seen(event.fill_id, recv_ns)

    def _take(
        self,
        pending: Pending | None,
        reply: Reply,
        usage: tuple[RateUsage, ...],
        answer: Fetched | None = None,
    ) -> None:
        """An answer, whatever the path; ``answer`` where it came over REST."""
        try:
            self._rates.backoff(reply, self._calls.venue_ms, answer)
            self._rates.take(usage, pending, reply.recv_ns)
        except DECODE_ERRORS as error:
            self._complaints.add("bad_reply", f"limits: {error!r}", reply.frame)
        if pending is None:
            self._complaints.add("unexpected_reply", f"{reply.status} {reply.text}", reply.frame)
            if reply.code in REFUSED_CODES:
                self._paths.refused(reply.text)
            return
        if pending.request is not None:
            self._answers.take(pending, pending.request, reply)
        elif pending.done is not None:
            self._answer(pending.done, reply)
            if pending.path != self._calls.path:
                return  # it says nothing of the path in use
            if reply.code in REFUSED_CODES:
                self._paths.refused(reply.text)
            elif reply.code == outcomes.CLOCK_CODE and self.status is ConnectionStatus.LIVE:
                self._upkeep.measure_clock()

    def _answer(self, done: Done, reply: Reply) -> None:
        """``reply`` for whoever asked; one that cannot be read counts as none."""
        try:
            done(reply)
        except DECODE_ERRORS as error:
            self._complaints.add("bad_reply", repr(error), reply.frame)
            done(Reply(0, reply.recv_ns))

    def events(self) -> list[Event]:
        events = self._list.copy()
        self._list.clear()
        return events

    def outgoing(self) -> list[HostRequest | Fetch | Renew | CloseLink]:
        outgoing, self._calls.outgoing = self._calls.outgoing, []
        return outgoing

    def complaints(self) -> list[Complaint]:
        return self._complaints.take()
