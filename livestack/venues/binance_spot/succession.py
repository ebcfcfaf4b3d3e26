"""How an order ended that a Replace took the place of while nobody listened (venues.md 1.4).

Pure; belongs to the order-entry adapter's thread. The new order was made as large as was thought to be open; had more
of the old one filled by then, the total is larger than was asked for. Only the old order's end says by how much, so
nothing is told of the new one before the venue was asked for that. A failure proves nothing: it is asked again.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from livestack.venues.binance_spot.calls import Calls
from livestack.venues.binance_spot.order_events import OrderEvents
from livestack.venues.binance_spot.orders import KnownOrder
from livestack.venues.binance_spot.private_messages import OrderResult, Reply
from livestack.venues.complaints import Complaints

AGAIN_NS = 1_000_000_000
AGAIN_NS_MAX = 30_000_000_000

Done = Callable[[Reply], None]
Found = tuple[KnownOrder, OrderResult]


class Successions:
    """One question for each order at a time that anything is held back for."""

    def __init__(self, calls: Calls, events: OrderEvents, complaints: Complaints) -> None:
        self._calls = calls
        self._events = events
        self._complaints = complaints
        self._held: dict[KnownOrder, list[Callable[[], None]]] = {}
        self._again_ns: dict[KnownOrder, int] = {}
        self._failures: dict[KnownOrder, int] = {}

    @property
    def holds(self) -> bool:
        """Whether anything that was heard is not told yet."""
        return bool(self._held)

    def hold(self, order: KnownOrder, tell: Callable[[], None]) -> None:
        """``tell`` is called once it is known how the predecessor of ``order`` ended; never, if the connection breaks
        before."""
        held = self._held.setdefault(order, [])
        held.append(tell)
        if len(held) == 1:
            self._ask_again(order)

    def settle(self, found: list[Found], reply: Reply, done: Done) -> None:
        """Find out about whatever of ``found`` has to be, one after the other; then ``done(reply)``, or with the first
        answer that is none."""
        for number, (order, result) in enumerate(found):
            if order.is_heir(result.venue_order_id):

                def answered(last: Reply, rest: list[Found] = found[number + 1 :]) -> None:
                    if last.is_ok:
                        self.settle(rest, reply, done)
                    else:
                        done(last)

                self._ask(order, answered)
                return
        done(reply)

    def tick(self) -> None:
        """Ask again where that failed."""
        now_ns = self._calls.now_ns
        for order in [order for order, at_ns in self._again_ns.items() if at_ns <= now_ns]:
            self._ask_again(order)

    def interrupted(self) -> None:
        """The connection is gone. What was held back is found anew over the next one."""
        self._held.clear()
        self._again_ns.clear()
        self._failures.clear()

    def _ask_again(self, order: KnownOrder) -> None:
        self._again_ns.pop(order, None)
        if not order.replacing or order.cancel_half_filled >= 0:
            self._tell(order)
            return

        def answered(reply: Reply) -> None:
            if not reply.is_ok and order in self._held:
                failures = self._failures[order] = self._failures.get(order, 0) + 1
                wait_ns = min(AGAIN_NS << min(failures - 1, 20), AGAIN_NS_MAX)
                self._again_ns[order] = self._calls.now_ns + wait_ns

        self._ask(order, answered)

    def _ask(self, order: KnownOrder, done: Done) -> None:
        def answered(reply: Reply) -> None:
            if reply.is_ok:
                self._take(order, reply)
            else:
                self._complaints.add("question_failed", f"{reply.text} ({reply.code or reply.status})")
            done(reply)
            if reply.is_ok:
                self._tell(order)

        parameters: dict[str, str | int] = {
            "symbol": order.instrument.symbol,
            "orderId": int(order.venue_order_id),
        }
        self._calls.ask("order.status", parameters, answered)

    def _take(self, order: KnownOrder, reply: Reply) -> None:
        try:
            self._events.preceded(order, reply.read(OrderResult))
        except (msgspec.MsgspecError, ValueError, KeyError) as error:
            self._complaints.add("bad_reply", f"order.status: {error!r}", reply.frame)
            reply.status, reply.text = 0, "the reply cannot be read"

    def _tell(self, order: KnownOrder) -> None:
        self._again_ns.pop(order, None)
        self._failures.pop(order, None)
        for tell in self._held.pop(order, ()):
            tell()
