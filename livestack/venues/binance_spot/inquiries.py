"""Finding out what became of one request whose outcome is unknown (venues.md facts 3 and 4; core-runtime.md section 8).

Pure; belongs to the order-entry adapter's thread. The order is looked up under every id that it may have by now: a
cancel renames it, and an order that is not found under its first id may well be there. Only a look-up that began after
the settling time, and found it under none, proves absence; one that found the order as it was before proves that a
Cancel or Replace will not be executed any more. Until then the question is asked again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec

import msgspec

from livestack.core.events import DispatchFailed
from livestack.core.obligations import QueryOrder
from livestack.core.types import FailureReason, OrderRequest, RequestKind, parse_client_id
from livestack.venues.binance_spot.calls import Calls
from livestack.venues.binance_spot.heirs import Heirs
from livestack.venues.binance_spot.order_events import FINAL, STATUS, OrderEvents
from livestack.venues.binance_spot.orders import CANCEL_HALF, KnownOrder
from livestack.venues.binance_spot.outcomes import NOT_FOUND_CODES
from livestack.venues.binance_spot.private_messages import OrderResult, Reply
from livestack.venues.binance_spot.renamed import Renamed, Verdict
from livestack.venues.binance_spot.succession import Successions
from livestack.venues.complaints import Complaints

AGAIN_NS = 1_000_000_000
"""Least time between two look-ups of one order: each weighs 4 of 6 000 a minute."""

AGAIN_NS_MAX = 30_000_000_000

P = ParamSpec("P")


class Inquiry:
    """One question, until it is answered. ``step`` asks; ``finished`` says that nothing is left to ask."""

    def __init__(
        self,
        query: QueryOrder,
        request: OrderRequest | None,
        order: KnownOrder,
        calls: Calls,
        events: OrderEvents,
        complaints: Complaints,
        settled_ns: int,
        successions: Successions,
        heirs: Heirs,
        renamed: Renamed,
    ) -> None:
        self._query = query
        self._request = request
        self._kind = request.kind if request is not None else query.kind
        self._order = order
        self._calls = calls
        self._events = events
        self._complaints = complaints
        self._settled_ns = settled_ns
        self._successions = successions
        self._heirs = heirs
        self._renamed = renamed
        self._has_searched = False
        self._lookups: list[dict[str, str | int]] = []
        self._began_ns = 0
        self._began_as = ""
        self._failures = 0
        self._again_ns = 0
        self._asking = False
        self._round = 0
        self.finished = False

    def step(self) -> None:
        """Ask, if it is time and nothing is under way."""
        if self.finished or self._asking or self._calls.now_ns < self._again_ns:
            return
        self._began_ns = self._calls.now_ns
        self._began_as = self._order.venue_order_id
        self._lookups = self._all_lookups()
        self._look_up()

    def interrupted(self) -> None:
        """The connection is gone, and the answer with it: one that comes all the same was asked for too long ago to
        prove anything."""
        self._round += 1
        self._asking = False
        self._again_ns = 0

    def _all_lookups(self) -> list[dict[str, str | int]]:
        """Every name that the order may have now, the most telling first."""
        order = self._order
        client_ids = [self._query.client_id, *reversed(order.client_ids)]
        by_client_id: list[dict[str, str | int]] = [
            {"origClientOrderId": client_id} for client_id in dict.fromkeys(filter(None, client_ids))
        ]
        told = (
            order.venue_order_id,
            self._query.venue_order_id,
            getattr(self._request, "venue_order_id", ""),
        )
        venue_id = next(filter(None, told), "")
        by_venue_id: list[dict[str, str | int]] = (
            [{"orderId": int(venue_id)}] if venue_id.isascii() and venue_id.isdigit() else []
        )
        if self._kind is RequestKind.REPLACE:
            # The new order first: only if it is not there does the old one tell anything.
            return [by_client_id[0], *by_venue_id, *by_client_id[1:]]
        return [*by_venue_id, *by_client_id]

    def _look_up(self) -> None:
        self._asking = True
        parameters = {"symbol": self._order.instrument.symbol, **self._lookups.pop(0)}
        self._calls.ask("order.status", parameters, self._of_this_round(self._answered))

    def _of_this_round(self, take: Callable[P, None]) -> Callable[P, None]:
        """``take``, unless a connection was lost since."""
        number = self._round

        def taken(*args: P.args, **kwargs: P.kwargs) -> None:
            if number == self._round and not self.finished:
                take(*args, **kwargs)

        return taken

    def _answered(self, reply: Reply) -> None:
        self._asking = False
        if reply.is_ok:
            self._found(reply)
        elif reply.code not in NOT_FOUND_CODES:
            self._later(self._calls.now_ns + self._wait_ns())
        elif self._lookups:
            self._look_up()
        else:
            self._absent()

    def _wait_ns(self) -> int:
        self._failures += 1
        return min(AGAIN_NS << min(self._failures - 1, 20), AGAIN_NS_MAX)

    def _later(self, at_ns: int) -> None:
        self._again_ns = max(at_ns, self._calls.now_ns + AGAIN_NS)

    @property
    def _is_settled(self) -> bool:
        return self._began_ns >= self._settled_ns

    def _found(self, reply: Reply) -> None:
        try:
            found = reply.read(OrderResult)
            status = STATUS[found.status]
            self._judge(found, status in FINAL, reply)
        except (msgspec.MsgspecError, ValueError, KeyError) as error:
            self._complaints.add("bad_reply", f"order.status: {error!r}", reply.frame)
            self._later(self._calls.now_ns + self._wait_ns())

    def _judge(self, found: OrderResult, is_final: bool, reply: Reply) -> None:
        request, order = self._request, self._order
        if self._kind is RequestKind.REPLACE:
            self._judge_replace(found, reply)
            return
        if order.is_heir(found.venue_order_id):
            self._settle(found, reply)
            return
        self._events.report(order, found, reply.recv_ns)
        is_there = request is None or request.kind is RequestKind.NEW or found.client_id == request.client_id
        if is_final or is_there:
            self._finish()
        elif self._is_settled:
            self._failed("the order is unchanged")
        else:
            self._later(self._settled_ns)

    def _judge_replace(self, found: OrderResult, reply: Reply) -> None:
        """The new order is there; or only the old one, which proves nothing before the new one must have arrived. Then
        the Replace never was, and what became of the old order is told after that."""
        order, client_id = self._order, self._query.client_id
        if found.client_id == client_id or str(found.venue_order_id) == self._events.orders.expected(order):
            if client_id not in order.replaced:
                order.replacing = client_id  # also where another adapter sent it
            self._settle(found, reply)
        elif not self._is_settled and client_id not in order.replaced:
            self._later(self._settled_ns)
        elif found.client_id == client_id + CANCEL_HALF and not self._has_searched and order.replacing:
            self._search(found, reply)
        else:
            if client_id not in order.replaced:
                if found.client_id == client_id + CANCEL_HALF:
                    what = f"{client_id}: its cancel half was executed; the new order was refused or cannot be told"
                    self._complaints.add("replacement_not_found", what, reply.frame)
                self._failed("the order was not replaced")
            self._events.report(order, found, reply.recv_ns)
            self._finish()

    def _search(self, half: OrderResult, reply: Reply) -> None:
        """The old order was cancelled to be replaced: somebody may have renamed the one that took its place."""
        self._asking = True
        if not self._order.venue_order_id:
            self._events.orders.name(self._order, str(half.venue_order_id))

        def searched(last: Reply) -> None:
            self._asking = False
            if not last.is_ok:
                self._later(self._calls.now_ns + self._wait_ns())
                return
            self._has_searched = True
            heir = self._events.orders.expected(self._order)
            if heir:
                self._lookups = [{"orderId": int(heir)}]
                self._look_up()
            else:
                self._judge_replace(half, reply)

        self._heirs.find(self._order, self._of_this_round(searched))

    def _settle(self, found: OrderResult, reply: Reply) -> None:
        """Tell of ``found`` once it is known what the order before it had filled."""
        self._asking = True

        def settled(last: Reply) -> None:
            self._asking = False
            if not last.is_ok:
                self._later(self._calls.now_ns + self._wait_ns())
                return
            self._events.found(self._order, found, last.recv_ns)
            if self._kind is RequestKind.REPLACE:
                self._finish()
            else:
                self._later(self._calls.now_ns)

        self._successions.settle([(self._order, found)], reply, self._of_this_round(settled))

    def _absent(self) -> None:
        """Under none of its ids."""
        if not self._is_settled:
            self._later(self._settled_ns)
            return
        if self._order.venue_order_id != self._began_as:
            self._later(self._calls.now_ns)  # known by another name since
            return
        request = self._renamed.request_of(self._order)
        if request is None:
            self._failed("the venue does not know the order")
            return
        self._asking = True
        self._renamed.find(self._order, request, self._of_this_round(self._searched))

    def _searched(self, last: Reply, verdict: Verdict) -> None:
        """Somebody else may have renamed it."""
        self._asking = False
        if not last.is_ok or verdict is Verdict.SEVERAL:
            self._later(self._calls.now_ns + self._wait_ns())
        elif self._order.venue_order_id != self._began_as:
            self._later(self._calls.now_ns)
        else:
            self._failed("the venue does not know the order")

    def _failed(self, detail: str) -> None:
        request, query = self._request, self._query
        self._events.events.append(
            DispatchFailed(
                venue=query.venue,
                instrument=query.instrument,
                kind=self._kind,
                order_id=query.order_id,
                revision=request.revision if request is not None else _revision(query.client_id),
                reason=FailureReason.NOT_AT_VENUE,
                detail=detail,
            )
        )
        if self._kind is RequestKind.NEW and not self._order.closed:
            self._events.orders.close(self._order)
        self._finish()

    def _finish(self) -> None:
        if self._kind is RequestKind.REPLACE and self._order.replacing == self._query.client_id:
            self._order.replacing = ""
        self._calls.resolved(self._query.client_id)
        self.finished = True


def _revision(client_id: str) -> int:
    parsed = parse_client_id(client_id)
    return parsed.revision if parsed is not None else 0
