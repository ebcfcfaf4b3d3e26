"""Order by order: what the venue said, as canonical Events, each said once.

Pure; belongs to the order-entry adapter's thread. Acceptance, replacement and ending reach us twice, by the response
and by the execution report, in either order (venues.md fact 6); :class:`KnownOrder` tells which is the first. Fills are
passed on as often as they come: the Core knows them by their ids.
"""

from __future__ import annotations

from livestack.core.events import (
    CancelRejected,
    Event,
    OrderAccepted,
    OrderCancelled,
    OrderExpired,
    OrderFill,
    OrderRejected,
    OrderReplaced,
    OrderReport,
    ReplaceRejected,
)
from livestack.core.types import (
    Liquidity,
    OrderRequest,
    OrderStatus,
    OrderType,
    RequestKind,
    Side,
    TimeInForce,
    parse_client_id,
)
from livestack.venues.binance_spot.numbers import read_amount
from livestack.venues.binance_spot.orders import KnownOrder, KnownOrders
from livestack.venues.binance_spot.private_messages import OrderResult

_MILLI = 1_000_000

STATUS = {
    "NEW": OrderStatus.ACCEPTED,
    "PENDING_NEW": OrderStatus.ACCEPTED,
    "PENDING_CANCEL": OrderStatus.ACCEPTED,
    "PARTIALLY_FILLED": OrderStatus.PARTIALLY_FILLED,
    "FILLED": OrderStatus.FILLED,
    "CANCELED": OrderStatus.CANCELLED,
    "EXPIRED": OrderStatus.CANCELLED,
    "EXPIRED_IN_MATCH": OrderStatus.CANCELLED,
    "REJECTED": OrderStatus.REJECTED,
}
FINAL = {OrderStatus.FILLED, OrderStatus.CANCELLED, OrderStatus.REJECTED}
EXPIRED = ("EXPIRED", "EXPIRED_IN_MATCH")

_TYPE = {**{one.name: one for one in OrderType}, "LIMIT_MAKER": OrderType.LIMIT}


class OrderEvents:
    """Appends to ``events``. ``ms`` is the venue's time in milliseconds, ``recv_ns`` the frame's stamp."""

    def __init__(self, venue: str, orders: KnownOrders, events: list[Event]) -> None:
        self.venue = venue
        self.orders = orders
        self.events = events
        self.told_fills: dict[str, set[tuple[int, Side]]] = {}
        """By instrument id and side of the fills that were passed on: both sides of one trade may be this account's.
        Whoever reconciled them forgets the oldest."""

    def accepted(self, order: KnownOrder, client_id: str, venue_id: int, ms: int, recv_ns: int) -> None:
        if order.accepted:
            return
        order.accepted = True
        self.orders.name(order, str(venue_id))
        self.events.append(
            OrderAccepted(
                recv_ns=recv_ns,
                venue=self.venue,
                instrument=order.instrument.name,
                client_id=client_id,
                order_id=order.order_id,
                venue_order_id=str(venue_id),
                event_ns=ms * _MILLI,
            )
        )

    def replaced(
        self,
        order: KnownOrder,
        client_id: str,
        venue_id: int,
        terms: tuple[int, int],
        ms: int,
        recv_ns: int,
    ) -> None:
        """Amended, or another order in its place. ``terms``: price, and the quantity of the venue's order.

        A client id that is none of ours is somebody else's amendment: the Core goes on with the id that it knows.
        """
        if client_id in order.replaced:
            return  # said before, also where another Replace is under way by now
        venue_order_id = str(venue_id)
        if venue_order_id == order.venue_order_id:
            order.amends += 1
            order.compare(client_id, terms[1])
        else:
            order.carried += order.filled if order.cancel_half_filled < 0 else order.cancel_half_filled
            if not order.venue_order_id:
                order.compare(client_id, terms[1])  # nor is it known what it was at the venue
            order.filled = order.amends = order.total = order.replace_total = order.prevented = 0
        if parse_client_id(client_id) is not None:
            order.cancel_half_filled = -1
            order.replacing = ""
            order.heir_total = 0
            order.client_id = client_id
        order.replaced.append(client_id)
        order.accepted = True
        order.add_client_id(client_id)
        order.price, order.qty = terms
        self.orders.name(order, venue_order_id)
        self._tell_terms(order, ms, recv_ns)

    def _tell_terms(self, order: KnownOrder, ms: int, recv_ns: int) -> None:
        self.events.append(
            OrderReplaced(
                recv_ns=recv_ns,
                venue=self.venue,
                instrument=order.instrument.name,
                client_id=order.client_id,
                order_id=order.order_id,
                venue_order_id=order.venue_order_id,
                event_ns=ms * _MILLI,
                price=order.price,
                qty=order.total_qty,
            )
        )

    def prevented(self, order: KnownOrder, qty: int, ms: int, recv_ns: int) -> None:
        """Self-trade prevention took ``qty`` off what the order is at the venue now, all in all, and no fill did.

        The Core hears of a smaller quantity: it ends an Order whose fills are all there. Of one that ended by it
        nothing is left to tell.
        """
        if qty <= order.prevented or order.closed or not order.accepted:
            return
        order.prevented = qty
        if order.qty - qty > 0:
            self._tell_terms(order, ms, recv_ns)

    def fill(
        self,
        order: KnownOrder,
        *,
        venue_order_id: str,
        fill_id: int,
        side: Side,
        price: str,
        qty: str,
        fee: str,
        fee_asset: str,
        liquidity: Liquidity,
        ms: int,
        recv_ns: int,
    ) -> None:
        """One execution; ``ValueError`` for a number that cannot be read."""
        amount, decimals = read_amount(fee)
        self.told_fills.setdefault(order.instrument.name, set()).add((fill_id, side))
        self.events.append(
            OrderFill(
                recv_ns=recv_ns,
                venue=self.venue,
                instrument=order.instrument.name,
                client_id=order.client_id,
                order_id=order.order_id,
                venue_order_id=venue_order_id,
                event_ns=ms * _MILLI,
                fill_id=fill_id,
                side=side,
                price=order.instrument.price[price],
                qty=order.instrument.qty[qty],
                fee=amount,
                fee_asset=fee_asset,
                fee_decimals=decimals,
                liquidity=liquidity,
            )
        )

    def filled(self, order: KnownOrder, ms: int, recv_ns: int) -> None:
        """Nothing of it is left. The fills say so to the Core, but of an order by its worth: only the venue knows when
        that is filled."""
        if order.closed:
            return
        if order.side is not None:
            self.stands(order, OrderStatus.FILLED, OrderType.MARKET, TimeInForce.GTC, ms, recv_ns)
        self.orders.close(order)

    def stands(
        self,
        order: KnownOrder,
        status: OrderStatus,
        kind: OrderType,
        tif: TimeInForce,
        ms: int,
        recv_ns: int,
    ) -> None:
        """Where ``order`` is, by what was heard of it; its ``side`` has to be known."""
        assert order.side is not None
        filled = order.carried + order.filled
        self.events.append(
            OrderReport(
                recv_ns=recv_ns,
                venue=self.venue,
                instrument=order.instrument.name,
                client_id=order.client_id,
                order_id=order.order_id,
                venue_order_id=order.venue_order_id,
                event_ns=ms * _MILLI,
                status=status,
                side=order.side,
                order_type=kind,
                tif=tif,
                price=order.price,
                qty=filled if status is OrderStatus.FILLED else order.total_qty,
                filled_qty=filled,
                reason="FILLED" if status is OrderStatus.FILLED else "",
            )
        )

    def cancelled(self, order: KnownOrder, reason: str, filled: int, ms: int, recv_ns: int) -> None:
        self._ended(OrderCancelled, order, reason, filled, ms, recv_ns)

    def expired(self, order: KnownOrder, reason: str, filled: int, ms: int, recv_ns: int) -> None:
        self._ended(OrderExpired, order, reason, filled, ms, recv_ns)

    def _ended(
        self,
        kind: type[OrderCancelled] | type[OrderExpired],
        order: KnownOrder,
        reason: str,
        filled: int,
        ms: int,
        recv_ns: int,
    ) -> None:
        """``filled``: of the venue's present order; -1 where it does not say."""
        if order.closed:
            return
        order.replacing = ""
        self.events.append(
            kind(
                recv_ns=recv_ns,
                venue=self.venue,
                instrument=order.instrument.name,
                client_id=order.client_id,
                order_id=order.order_id,
                venue_order_id=order.venue_order_id,
                event_ns=ms * _MILLI,
                reason=reason,
                filled_qty=filled if filled < 0 else order.carried + filled,
            )
        )
        self.orders.close(order)

    def rejected(self, order: KnownOrder, code: str, reason: str, ms: int, recv_ns: int) -> None:
        if order.closed:
            return
        self.events.append(
            OrderRejected(
                recv_ns=recv_ns,
                venue=self.venue,
                instrument=order.instrument.name,
                client_id=order.client_id,
                order_id=order.order_id,
                event_ns=ms * _MILLI,
                code=code,
                reason=reason,
            )
        )
        self.orders.close(order)

    def refused(self, request: OrderRequest, order: KnownOrder, code: int, text: str, recv_ns: int) -> None:
        """The venue's definite no to ``request``."""
        if request.kind is RequestKind.NEW:
            self.rejected(order, str(code), text, 0, recv_ns)
            return
        kind = CancelRejected if request.kind is RequestKind.CANCEL else ReplaceRejected
        if kind is ReplaceRejected:
            order.replacing = ""
        self.events.append(
            kind(
                recv_ns=recv_ns,
                venue=self.venue,
                instrument=request.instrument,
                client_id=request.client_id,
                order_id=request.order_id,
                revision=request.revision,
                event_ns=0,
                code=str(code),
                reason=text,
            )
        )

    def report(self, order: KnownOrder, found: OrderResult, recv_ns: int) -> OrderStatus:
        """A query's answer; ``ValueError`` or ``KeyError`` for what cannot be read. Returns where the order stands.

        An order is not over while a Replace of it is of unknown fate: another one may have taken its place.
        """
        status = STATUS[found.status]
        if order.is_behind(found.venue_order_id):
            return status
        if order.closed and not order.order_id and status not in FINAL:
            return status  # an answer from before its end, which the stream told meanwhile; the Core forgot it by then
        price = order.instrument.price[found.price]
        qty, filled = order.instrument.qty[found.qty], order.instrument.qty[found.filled_qty]
        order.compare(found.client_id, qty)
        prevented = order.instrument.qty[found.prevented_qty]
        if status is OrderStatus.FILLED and found.type != "MARKET":
            prevented = max(prevented, qty - filled)
        if str(found.venue_order_id) == order.venue_order_id and order.accepted:
            order.price, order.qty = price, qty
            if status is not OrderStatus.CANCELLED:  # or the fills that are left would make it look filled
                self.prevented(order, prevented, (found.update_ms or found.transact_ms), recv_ns)
        if status is not OrderStatus.CANCELLED:  # nor is it the quantity of one that ended by it
            order.prevented = max(order.prevented, prevented)
        event = OrderReport(
            recv_ns=recv_ns,
            venue=self.venue,
            instrument=order.instrument.name,
            client_id=order.client_id or found.client_id,
            order_id=order.order_id,
            venue_order_id=str(found.venue_order_id),
            event_ns=(found.update_ms or found.transact_ms) * _MILLI,
            status=status,
            side=Side[found.side],
            order_type=_type(order, found.type),
            tif=_tif(order, found.tif),
            price=price,
            qty=order.carried + qty - order.prevented,
            filled_qty=order.carried + filled,
            reason=found.expiry_reason or (found.status if status in FINAL else ""),
        )
        order.accepted = True
        order.price, order.qty, order.filled = price, qty, max(order.filled, filled)
        self.orders.name(order, str(found.venue_order_id))
        self.events.append(event)
        if status is OrderStatus.FILLED and str(found.venue_order_id) == order.venue_order_id:
            order.replacing = ""  # what is filled cannot have been replaced
        if status in FINAL and not order.closed and not order.replacing:
            self.orders.close(order)
        return status

    def recognised(self, order: KnownOrder, found: OrderResult, sent_qty: int, recv_ns: int) -> None:
        """``found`` is ``order``, under a name that somebody else gave it; its terms were read before.

        Where it is smaller than it was sent, that was an amendment: the Core has to hear of it before the end.
        """
        self.orders.recognise(order, str(found.venue_order_id), found.client_id)
        if sent_qty and 0 < order.instrument.qty[found.qty] < sent_qty:
            terms = order.instrument.price[found.price], order.instrument.qty[found.qty]
            self.accepted(order, order.client_id, found.venue_order_id, found.created_ms, recv_ns)
            ms = found.update_ms or found.created_ms
            self.replaced(order, found.client_id, found.venue_order_id, terms, ms, recv_ns)

    def found(self, order: KnownOrder, found: OrderResult, recv_ns: int) -> OrderStatus:
        """:meth:`report`, behind ``OrderReplaced`` where a Replace made ``found`` of which that was not told yet."""
        self.found_replaced(order, found, recv_ns)
        return self.report(order, found, recv_ns)

    def found_replaced(self, order: KnownOrder, found: OrderResult, recv_ns: int) -> None:
        """``OrderReplaced`` if a Replace made ``found``, or amended it, and that was not told yet."""
        is_amended = bool(order.replacing) and order.replacing in (found.client_id, found.original_client_id)
        if is_amended or order.is_made_by_replace(found.venue_order_id):
            terms = order.instrument.price[found.price], order.instrument.qty[found.qty]
            ms = found.update_ms or found.transact_ms
            self.replaced(order, order.replacing, found.venue_order_id, terms, ms, recv_ns)

    def preceded(self, order: KnownOrder, found: OrderResult) -> None:
        """``found`` is what was ``order`` at the venue until a Replace made another one; ``ValueError`` or ``KeyError``
        for what cannot be read, or has not ended."""
        if order.venue_order_id != str(found.venue_order_id):
            return  # told meanwhile
        if STATUS[found.status] not in FINAL:
            raise ValueError(f"an order that was replaced is {found.status[:16]!r}")
        order.compare(found.client_id, order.instrument.qty[found.qty])
        order.cancel_half_filled = order.instrument.qty[found.filled_qty]


def _type(order: KnownOrder, text: str) -> OrderType:
    """Somebody else's order may be of a type that we do not know; it is shown all the same."""
    return _TYPE[text] if order.order_id else _TYPE.get(text, OrderType.LIMIT)


def _tif(order: KnownOrder, text: str) -> TimeInForce:
    if order.order_id or text in TimeInForce.__members__:
        return TimeInForce[text]
    return TimeInForce.GTC
