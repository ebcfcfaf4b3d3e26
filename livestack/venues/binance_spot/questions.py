"""What the Core asks of the host about this venue, and what the adapter wants to know itself.

Pure; belongs to the order-entry adapter's thread. Questions only look or reduce, so they are repeated until answered.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import msgspec

from livestack.core.obligations import CancelAllAtVenue, QueryFills, QueryOpenOrders, QueryOrder
from livestack.venues.adapter import HostQuery
from livestack.venues.binance_spot.calls import Calls
from livestack.venues.binance_spot.handshake import Step
from livestack.venues.binance_spot.inquiries import Inquiry
from livestack.venues.binance_spot.order_events import OrderEvents
from livestack.venues.binance_spot.orders import KnownOrder, OrderInstrument
from livestack.venues.binance_spot.private_messages import OrderResult, Reply
from livestack.venues.binance_spot.reconcile import Reconciliation
from livestack.venues.binance_spot.succession import Successions
from livestack.venues.complaints import Complaints

AGAIN_NS = 1_000_000_000
TIMES_MAX = 30
"""A question of the Core's that fails is repeated a second later, for half a minute; then the Core asks anew."""


class Questions:
    """``instruments`` by the names that the Core uses."""

    def __init__(
        self,
        instruments: Mapping[str, OrderInstrument],
        calls: Calls,
        events: OrderEvents,
        complaints: Complaints,
    ) -> None:
        self._instruments = instruments
        self._calls = calls
        self._events = events
        self._complaints = complaints
        self.successions = Successions(calls, events, complaints)
        self.reconciliation = Reconciliation(calls, events, complaints, self.look_up, self.successions)
        self._inquiries: dict[str, Inquiry] = {}
        self._repeats: list[tuple[int, Callable[[], None]]] = []

    def ask(self, query: HostQuery, settled_ns: int, settling_ns: int) -> None:
        """Begin ``query``. ``settled_ns``: from when on even a request sent before this adapter began is settled."""
        if isinstance(query, QueryOrder):
            self._inquire(query, settled_ns, settling_ns)
            return
        scope = "" if isinstance(query, QueryOpenOrders) else query.instrument
        for instrument in self._instruments.values():
            if scope in ("", instrument.name):
                self._repeat(self._question(query, instrument), 0)

    def tick(self) -> None:
        """Repeat what failed, go on with what is open."""
        now_ns = self._calls.now_ns
        due = [again for at_ns, again in self._repeats if at_ns <= now_ns]
        self._repeats = [(at_ns, again) for at_ns, again in self._repeats if at_ns > now_ns]
        for again in due:
            again()
        self.successions.tick()
        for inquiry in self._inquiries.values():
            inquiry.step()
        self._inquiries = {
            scope: inquiry for scope, inquiry in self._inquiries.items() if not inquiry.finished
        }

    def interrupted(self) -> None:
        """The connection is gone: inquiries go on over the next one, the rest is part of its reconciliation."""
        self._repeats = []
        self.successions.interrupted()
        for inquiry in self._inquiries.values():
            inquiry.interrupted()

    def look_up(self, order: KnownOrder) -> None:
        """Ask where one order stands, because something was said or missing that leaves it open."""
        if not order.venue_order_id:
            return

        def answered(reply: Reply) -> None:
            if reply.is_ok:
                try:
                    self._events.report(order, reply.read(OrderResult), reply.recv_ns)
                except (msgspec.MsgspecError, ValueError, KeyError) as error:
                    self._complaints.add("bad_reply", repr(error), reply.frame)

        parameters: dict[str, str | int] = {
            "symbol": order.instrument.symbol,
            "orderId": int(order.venue_order_id),
        }
        self._calls.ask("order.status", parameters, answered)

    def _question(
        self, query: QueryOpenOrders | QueryFills | CancelAllAtVenue, instrument: OrderInstrument
    ) -> Step:
        if isinstance(query, QueryFills):
            return partial(self.reconciliation.fills, instrument, query.after)
        if isinstance(query, CancelAllAtVenue):
            return partial(self.reconciliation.cancel_all, instrument)
        return partial(self.reconciliation.open_orders, instrument)

    def _repeat(self, question: Step, times: int) -> None:
        """Ask; after a failure again a little later."""

        def answered(reply: Reply) -> None:
            if reply.is_ok:
                return
            self._complaints.add("question_failed", f"{reply.text} ({reply.code or reply.status})")
            if times < TIMES_MAX:
                again = partial(self._repeat, question, times + 1)
                self._repeats.append((self._calls.now_ns + AGAIN_NS, again))

        question(answered)

    def _inquire(self, query: QueryOrder, settled_ns: int, settling_ns: int) -> None:
        instrument = self._instruments.get(query.instrument)
        if instrument is None or query.scope in self._inquiries:
            return
        order = self._events.orders.of_client_id(instrument, query.client_id)
        request = self._calls.of_client_id(query.client_id)
        # An order of which no send is known was sent before this adapter began, if at all.
        settled_ns = order.sent_ns + settling_ns if order.sent_ns else settled_ns
        self._inquiries[query.scope] = Inquiry(
            query,
            request,
            order,
            self._calls,
            self._events,
            self._complaints,
            settled_ns,
            self.successions,
        )
        self.tick()
