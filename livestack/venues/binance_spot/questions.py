"""What the Core asks of the host about this venue, and what the adapter wants to know itself.

Pure; belongs to the order-entry adapter's thread. Questions only look or reduce, so they are repeated until answered.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TypeGuard

import msgspec

from livestack.core.obligations import CancelAllAtVenue, QueryFills, QueryOpenOrders, QueryOrder
from livestack.venues.adapter import HostQuery
from livestack.venues.binance_spot.calls import Calls
from livestack.venues.binance_spot.handshake import Step
from livestack.venues.binance_spot.inquiries import Inquiry
from livestack.venues.binance_spot.order_events import OrderEvents
from livestack.venues.binance_spot.orders import KnownOrder, OrderInstrument
from livestack.venues.binance_spot.outcomes import NOT_FOUND_CODES
from livestack.venues.binance_spot.private_messages import OrderResult, Reply
from livestack.venues.binance_spot.reconcile import Reconciliation
from livestack.venues.binance_spot.succession import Successions
from livestack.venues.complaints import Complaints

AGAIN_NS = 1_000_000_000
AGAIN_NS_MAX = 30_000_000_000
"""A question that fails is repeated, later each time, until it is answered or a newer one takes its place."""

CANCELS_MAX = 8
"""A cancel-all that fails is repeated so often, for two minutes; then the Core asks anew: by then it may be trading."""

Done = Callable[[Reply], None]

LOST_NS = 3_000_000_000
"""An order that the venue named and does not find is asked about for so long before it is believed to be gone."""


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
        self._repeats: dict[object, tuple[int, Callable[[], None]]] = {}
        self._newest: dict[object, int] = {}
        self._asked = 0
        self._lost: dict[KnownOrder, int] = {}

    def ask(self, query: HostQuery, settled_ns: int, settling_ns: int) -> None:
        """Begin ``query``. ``settled_ns``: from when on even a request sent before this adapter began is settled."""
        if isinstance(query, QueryOrder):
            self._inquire(query, settled_ns, settling_ns)
            return
        if isinstance(query, QueryOpenOrders):
            instruments = list(self._instruments.values())
            self._begin(QueryOpenOrders, partial(self.reconciliation.all_open_orders, instruments))
            return
        for instrument in self._instruments.values():
            if query.instrument in ("", instrument.name):
                self._begin((type(query), instrument.name), self._question(query, instrument))

    def tick(self) -> None:
        """Repeat what failed, go on with what is open."""
        now_ns = self._calls.now_ns
        due = [key for key, (at_ns, _) in self._repeats.items() if at_ns <= now_ns]
        for _, again in [self._repeats.pop(key) for key in due]:
            again()
        self.successions.tick()
        for inquiry in self._inquiries.values():
            inquiry.step()
        self._inquiries = {
            scope: inquiry for scope, inquiry in self._inquiries.items() if not inquiry.finished
        }

    def interrupted(self) -> None:
        """The connection is gone: inquiries and what cancels go on over the next one, the rest is part of its
        reconciliation."""
        cancels = [key for key in self._newest if _is_cancel(key)]
        self._repeats = {}
        self._newest = {}
        for key in cancels:
            question = partial(self.reconciliation.cancel_all, self._instruments[key[1]])
            self._newest[key] = 0
            self._repeats[key] = (self._calls.now_ns, partial(self._begin, key, question))
        self.successions.interrupted()
        for inquiry in self._inquiries.values():
            inquiry.interrupted()

    def look_up(self, order: KnownOrder) -> None:
        """Ask where one order stands, because something was said or missing that leaves it open."""
        if order.venue_order_id:
            self._begin((KnownOrder, order), partial(self._look_up, order))

    def _look_up(self, order: KnownOrder, done: Done) -> None:
        def answered(reply: Reply) -> None:
            if reply.is_ok:
                try:
                    self._events.report(order, reply.read(OrderResult), reply.recv_ns)
                except (msgspec.MsgspecError, ValueError, KeyError) as error:
                    self._complaints.add("bad_reply", repr(error), reply.frame)
                    reply.status, reply.text = 0, "the reply cannot be read"
                self._lost.pop(order, None)
            elif reply.code in NOT_FOUND_CODES:
                self._not_found(order, reply)
            done(reply)

        parameters: dict[str, str | int] = {
            "symbol": order.instrument.symbol,
            "orderId": int(order.venue_order_id),
        }
        self._calls.ask("order.status", parameters, answered)

    def _not_found(self, order: KnownOrder, reply: Reply) -> None:
        """The venue named ``order`` and does not know it: what it still says so some seconds later is not open there
        any more, as after a wipe of the test network (venues.md 1.1). Until then it is asked again."""
        if order.closed or order.replacing:
            reply.status = 200  # what became of the Replace is another question's
            self._lost.pop(order, None)
        elif reply.recv_ns - self._lost.setdefault(order, reply.recv_ns) >= LOST_NS:
            reply.status = 200
            del self._lost[order]
            what = (
                f"order {order.venue_order_id} is unknown to the venue that named it, and taken for cancelled"
            )
            self._complaints.add("order_lost", what, reply.frame)
            self._events.cancelled(order, "the venue does not know it any more", -1, 0, reply.recv_ns)

    def _question(self, query: QueryFills | CancelAllAtVenue, instrument: OrderInstrument) -> Step:
        if isinstance(query, QueryFills):
            return partial(self.reconciliation.fills, instrument, query.after)
        return partial(self.reconciliation.cancel_all, instrument)

    def _begin(self, key: object, question: Step) -> None:
        """Ask; whatever else under ``key`` waits to be repeated is superseded by this."""
        self._asked += 1
        self._newest[key] = self._asked
        self._repeats.pop(key, None)
        self._repeat(key, question, self._asked, 0)

    def _repeat(self, key: object, question: Step, number: int, times: int) -> None:
        """Ask; after a failure again a little later, later each time."""

        def answered(reply: Reply) -> None:
            is_newest = self._newest.get(key) == number
            if reply.is_ok:
                if is_newest:
                    del self._newest[key]
                return
            self._complaints.add("question_failed", f"{reply.text} ({reply.code or reply.status})")
            is_over = times >= CANCELS_MAX and _is_cancel(key)
            if is_newest and not is_over:
                again = partial(self._repeat, key, question, number, times + 1)
                wait_ns = min(AGAIN_NS << min(times, 20), AGAIN_NS_MAX)
                self._repeats[key] = (self._calls.now_ns + wait_ns, again)

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
            self.reconciliation.heirs,
            self.reconciliation.renamed,
        )
        self.tick()


def _is_cancel(key: object) -> TypeGuard[tuple[type, str]]:
    return isinstance(key, tuple) and key[0] is CancelAllAtVenue
