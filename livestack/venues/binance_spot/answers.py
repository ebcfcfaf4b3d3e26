"""What becomes of a dispatch once the venue has answered it: Events, one more attempt, or an outcome that is unknown.

Pure; belongs to the order-entry adapter's thread. An answer that cannot be read, or is about something else, leaves the
dispatch unresolved, as no answer would.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from livestack.core.types import OrderRequest, RequestKind
from livestack.venues.binance_spot import outcomes
from livestack.venues.binance_spot.calls import Calls, Pending
from livestack.venues.binance_spot.order_events import OrderEvents
from livestack.venues.binance_spot.orders import KnownOrder, OrderInstrument
from livestack.venues.binance_spot.private_messages import (
    AmendResult,
    CancelReplaceResult,
    OrderResult,
    Reply,
)
from livestack.venues.binance_spot.repetitions import AskTime, Repetitions
from livestack.venues.binance_spot.upkeep import Upkeep
from livestack.venues.complaints import Complaints

DECODE_ERRORS = (msgspec.MsgspecError, ValueError, KeyError, RecursionError)
"""What reading something of the venue's may raise; msgspec has no error of its own for bytes that are no UTF-8."""


class Answers:
    """``instruments`` by the names that the Core uses. ``look_up(order)`` asks where one stands."""

    def __init__(
        self,
        instruments: Mapping[str, OrderInstrument],
        calls: Calls,
        events: OrderEvents,
        complaints: Complaints,
        upkeep: Upkeep,
        ask_time: AskTime,
        look_up: Callable[[KnownOrder], None],
    ) -> None:
        self._instruments = instruments
        self._calls = calls
        self._events = events
        self._complaints = complaints
        self._upkeep = upkeep
        self._look_up = look_up
        self.repetitions = Repetitions(calls, ask_time, self._tell_refusal)

    def take(self, pending: Pending, request: OrderRequest, reply: Reply) -> None:
        """``reply`` is the answer to ``request``."""
        order = self._order(request)
        verdict = outcomes.verdict(reply)
        try:
            if verdict is outcomes.Verdict.UNKNOWN:
                self._calls.unresolved(request)
            elif verdict is outcomes.Verdict.REFUSED:
                self._refused(request, reply)
            else:
                self._done(pending, request, order, reply)
        except DECODE_ERRORS as error:
            self._complaints.add("bad_reply", repr(error), reply.frame)
            self._calls.unresolved(request)

    def _order(self, request: OrderRequest) -> KnownOrder:
        instrument = self._instruments[request.instrument]
        return self._events.orders.of_client_id(instrument, request.client_id)

    def _done(self, pending: Pending, request: OrderRequest, order: KnownOrder, reply: Reply) -> None:
        self._calls.resolved(request.client_id)
        events, recv_ns = self._events, reply.recv_ns
        if request.kind is RequestKind.NEW:
            outcomes.placed(events, order, request, reply.read(OrderResult), recv_ns)
        elif request.kind is RequestKind.CANCEL:
            outcomes.cancelled(events, order, request, reply.read(OrderResult), recv_ns)
        elif pending.is_amend:
            outcomes.amended(events, order, request, reply.read(AmendResult), recv_ns)
        else:
            outcomes.replaced(events, order, request, reply.read(CancelReplaceResult), recv_ns)

    def _refused(self, request: OrderRequest, reply: Reply) -> None:
        if reply.code == outcomes.CLOCK_CODE and self.repetitions.begin(request, reply):
            return
        self._tell_refusal(request, reply)

    def _tell_refusal(self, request: OrderRequest, reply: Reply) -> None:
        order = self._order(request)
        self._upkeep.refused(request, reply)
        if reply.code not in outcomes.HALVES:
            self._events.refused(request, order, reply.code, reply.text, reply.recv_ns)
        elif not outcomes.partly_replaced(self._events, order, request, reply):
            self._calls.unresolved(request)
        if request.kind is not RequestKind.NEW and not order.closed:
            # Usually "Unknown order sent.": it was filled or cancelled meanwhile, and the report may be lost.
            self._look_up(order)
