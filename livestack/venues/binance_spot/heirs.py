"""The order that a Replace made, where it does not have the name that it was given any more (venues.md fact 4, 1.4).

Pure; belongs to the order-entry adapter's thread. Somebody cancelled or amended it while nobody listened, which renamed
it: a mass cancel, a web page. The venue links the two halves of a cancelReplace by nothing, so it is found by what it
must be like: same symbol, side and type, quantity and price as far as they are known, created right after the cancel
half ended the old order. One such order, and only one, is taken for it, and that is said in a complaint; several prove
nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from livestack.core.types import parse_client_id
from livestack.venues.binance_spot.calls import Calls
from livestack.venues.binance_spot.order_events import OrderEvents
from livestack.venues.binance_spot.orders import CANCEL_HALF, KnownOrder, OrderInstrument
from livestack.venues.binance_spot.outcomes import NOT_FOUND_CODES
from livestack.venues.binance_spot.private_messages import OrderResult, Reply
from livestack.venues.complaints import Complaints

BEHIND_MS = 1_000
"""Both halves are one request, executed one after the other: the new order is not older than that."""

CANDIDATES_MAX = 100
"""Orders of the account looked through from the old one on."""

LIMITS = ("LIMIT", "LIMIT_MAKER")

Done = Callable[[Reply], None]


class Heirs:
    """``find(order, done)`` looks for one; what is found is known by its venue id from then on."""

    def __init__(self, calls: Calls, events: OrderEvents, complaints: Complaints) -> None:
        self._calls = calls
        self._events = events
        self._complaints = complaints
        self._searched: dict[KnownOrder, str] = {}

    def wanted(self, instrument: OrderInstrument, client_id: str, venue_id: int) -> list[KnownOrder]:
        """The orders whose heir that one could be, going by its ids alone, and that were not searched for."""
        if parse_client_id(client_id.removesuffix(CANCEL_HALF)) is not None:
            return []  # it says itself whose it is
        return [
            order
            for order in self._events.orders.being_replaced(instrument.name)
            if self._searched.get(order) != order.replacing
            and int(order.venue_order_id) < venue_id
            and str(venue_id) not in order.venue_order_ids
        ]

    def find_all(self, orders: list[KnownOrder], reply: Reply, done: Done) -> None:
        """One after the other; ``done(reply)``, or the first answer that is none."""
        if not orders:
            done(reply)
            return

        def answered(last: Reply) -> None:
            if last.is_ok:
                self.find_all(orders[1:], reply, done)
            else:
                done(last)

        self.find(orders[0], answered)

    def find(self, order: KnownOrder, done: Done) -> None:
        """Look for the heir of ``order``. ``done`` hears the last answer; that there is none is one too."""

        def answered(reply: Reply) -> None:
            if reply.code in NOT_FOUND_CODES:
                self._searched[order] = order.replacing  # archived: nothing can be proven by it any more
                reply.status, reply.code = 200, 0
                done(reply)
                return
            half = self._read(reply, OrderResult)
            if not isinstance(half, OrderResult):
                done(reply)
            elif half.client_id != order.replacing + CANCEL_HALF:
                self._searched[order] = order.replacing  # the old order ended otherwise, or is there
                done(reply)
            else:
                self._search(order, half, done)

        self._calls.ask("order.status", self._of(order), answered)

    def _search(self, order: KnownOrder, half: OrderResult, done: Done) -> None:
        def answered(reply: Reply) -> None:
            listed = self._read(reply, list[OrderResult])
            if isinstance(listed, list):
                self._searched[order] = order.replacing
                try:
                    self._choose(order, half, listed, reply)
                except ValueError as error:
                    self._complaints.add("bad_reply", f"allOrders: {error!r}", reply.frame)
            done(reply)

        self._calls.ask("allOrders", {**self._of(order), "limit": CANDIDATES_MAX}, answered)

    def _of(self, order: KnownOrder) -> dict[str, str | int]:
        return {"symbol": order.instrument.symbol, "orderId": int(order.venue_order_id)}

    def _read(self, reply: Reply, kind: Any) -> object:
        if not reply.is_ok:
            self._complaints.add("question_failed", f"{reply.text} ({reply.code or reply.status})")
            return None
        try:
            return reply.read(kind)
        except (msgspec.MsgspecError, ValueError) as error:
            self._complaints.add("bad_reply", repr(error), reply.frame)
            reply.status, reply.text = 0, "the reply cannot be read"
            return None

    def _choose(self, order: KnownOrder, half: OrderResult, listed: list[OrderResult], reply: Reply) -> None:
        found = [one for one in listed if self._may_be(order, half, one)]
        if not found:
            return
        names = ", ".join(str(one.venue_order_id) for one in found)
        if len(found) > 1:
            what = f"{order.replacing}: any of the orders {names} may be the one that it made"
            self._complaints.add("replacement_ambiguous", what, reply.frame)
            return
        what = f"{order.replacing}: order {names} was made right behind its cancel half and is taken for its new one"
        self._complaints.add("replacement_renamed", what, reply.frame)
        self._events.orders.expect(order, names)

    def _may_be(self, order: KnownOrder, half: OrderResult, one: OrderResult) -> bool:
        if one.venue_order_id <= half.venue_order_id or one.symbol != half.symbol or one.side != half.side:
            return False
        if one.type != half.type and not (one.type in LIMITS and half.type in LIMITS):
            return False
        if not 0 <= one.created_ms - half.update_ms <= BEHIND_MS:
            return False
        if one.client_id != order.replacing and parse_client_id(one.client_id.removesuffix(CANCEL_HALF)):
            return False
        known = self._events.orders.find_venue_id(order.instrument.name, str(one.venue_order_id))
        if known is not None and known is not order and known.order_id:
            return False
        return self._has_terms(order, half, one)

    def _has_terms(self, order: KnownOrder, half: OrderResult, one: OrderResult) -> bool:
        """Price and quantity as in the request; of one of before this adapter the quantity alone, within what may have
        been known to be filled when it was sent."""
        instrument, qty = order.instrument, order.instrument.qty[one.qty]
        request = self._calls.of_client_id(order.replacing)
        if request is not None:
            return (request.price, request.qty - request.filled_qty) == (instrument.price[one.price], qty)
        if not order.heir_total:
            return False
        most = order.heir_total - max(order.carried, order.total - instrument.qty[half.qty])
        return most - instrument.qty[half.filled_qty] <= qty <= most
