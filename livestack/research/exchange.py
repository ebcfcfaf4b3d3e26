"""The venue of a backtest, spoken to in Events: one account, one matching engine per instrument.

Pure, integers only; runs on the caller's thread. Requests come in as the Core's ``OrderRequest`` at the time at which
they arrive; execution Events go out in ``replies``, each with the time at which the node gets it. Answers keep their
order: the way back takes the same time for all.

What a Replace is. Where the price stays and only the quantity goes down, the order is changed in its place. Otherwise
it is a cancel and a new order, which stands last in its level and holds what the request leaves open (``qty`` less the
``filled_qty`` that the Core knew of): if more had filled meanwhile, the total grows by that, as at a real venue. Where
the new order is refused the old one is gone all the same: ``OrderCancelled``.

Where our orders stand among the market's quantity, by ``queue``:

``fifo``
    An order comes last in its level. What stands there has to trade first; what the market takes away of a level
    leaves from behind us as long as there is something behind us: a cancellation brings us forward only where less
    than what stood before us is left.
``front``
    An order comes first in its level: the first trade at its price is ours. The most that one can hope for.
``back``
    An order comes last, also behind everything that comes later. It fills when the price trades through its level,
    when a quote crosses it, or when nothing else is left at the level. The least that one has to expect.

In every model a trade or quote beyond our price fills us first, at our price, and orders of ours among themselves keep
their time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from livestack.core.events import (
    AccountBaseline,
    CancelRejected,
    FillsReconciled,
    InputEvent,
    InstrumentDefined,
    ReplaceRejected,
)
from livestack.core.obligations import CancelAllAtVenue, QueryFills, QueryOpenOrders, QueryOrder
from livestack.core.types import OrderRequest, PositionBaseline, RequestKind
from livestack.research.funds import Funds, Units
from livestack.research.market import ENGINE_SIDES, Item, Markets
from livestack.research.replies import Replies, VenueOrder
from livestack.research.runtime import Question
from livestack.research.venue_rules import Refusal, check
from livestack.simulator.book import QueueModel
from livestack.simulator.matching import MatchingEngine
from livestack.simulator.orders import Order, OrderType, Trade

CLOSED_ORDERS_MAX: Final = 10_000
"""Closed orders that a query can still find."""

UNKNOWN_ORDER: Final = Refusal("unknown_order", "no such open order")


class Listing:
    """One instrument; hears its engine for the exchange."""

    def __init__(self, exchange: Exchange, definition: InstrumentDefined, queue: QueueModel) -> None:
        self._exchange = exchange
        self.definition = definition
        self.units = Units.of(definition)
        self.engine = MatchingEngine(self, max(definition.qty_step, 1), 1, queue=queue)
        self.last_fill_id = 0
        self.open_orders = 0

    def traded(self, trade: Trade) -> None:
        self._exchange.traded(self, trade)

    def expired(self, order: Order) -> None:
        self._exchange.expired(self, order)

    def prevented(self, order: Order, counter: Order, qty: int, price: int) -> None:
        if not order.open:
            self._exchange.expired(self, order)

    def triggered(self, order: Order) -> bool:
        return self._exchange.triggered(self, order)


class Exchange:
    """See the module's head. ``response_latency_ns``: from the venue to the node."""

    markets: Markets

    def __init__(
        self,
        venue: str,
        instruments: Sequence[InstrumentDefined],
        funds: Funds,
        queue: QueueModel,
        response_latency_ns: int,
    ) -> None:
        self.venue = venue
        self.funds = funds
        self.replies = Replies(venue, response_latency_ns)
        self._listings = {one.instrument: Listing(self, one, queue) for one in instruments}
        self._open: dict[int, VenueOrder] = {}
        self._closed: dict[int, VenueOrder] = {}
        self._last_venue_id = 0

    @property
    def engines(self) -> dict[str, MatchingEngine]:
        return {instrument: listing.engine for instrument, listing in self._listings.items()}

    @property
    def open_orders(self) -> list[VenueOrder]:
        """Orders that are open at the venue, oldest first."""
        return list(self._open.values())

    def baseline(
        self, now_ns: int, account: str, positions: tuple[PositionBaseline, ...]
    ) -> list[InputEvent]:
        """What the node is told when it has logged on."""
        told: list[InputEvent] = [
            FillsReconciled(recv_ns=now_ns, venue=self.venue, instrument=instrument, through=0)
            for instrument in self._listings
        ]
        told.append(
            AccountBaseline(
                recv_ns=now_ns,
                venue=self.venue,
                account=account,
                balances=self.funds.balances(),
                positions=positions,
                previous_session="",
            )
        )
        return told

    def take(self, now_ns: int, item: Item) -> Sequence[InputEvent]:
        """The market goes on; returns what the venue publishes."""
        self.replies.now_ns = now_ns
        published = self.markets.take(now_ns, item)
        if self.replies.answers:
            self.replies.balances(self.funds.changed())
        return published

    def request(self, now_ns: int, request: OrderRequest | Question) -> Sequence[InputEvent]:
        """A request or question has arrived; returns what the venue publishes of its effects."""
        self.replies.now_ns = now_ns
        match request:
            case OrderRequest(kind=RequestKind.NEW):
                self._new(request)
            case OrderRequest(kind=RequestKind.REPLACE):
                self._replace(request)
            case OrderRequest():
                self._cancel(request)
            case QueryOrder():
                self._query(request)
            case QueryFills(instrument=instrument):
                self.replies.reconciled(instrument, self._listings[instrument].last_fill_id)
            case QueryOpenOrders():
                for order in self._open.values():
                    self.replies.report(order)
            case CancelAllAtVenue(instrument=instrument):
                for order in list(self._open.values()):
                    if instrument in ("", order.symbol):
                        self._close_by_cancel(order, "cancelled")
        self.replies.balances(self.funds.changed())
        return self.markets.settle(now_ns)

    # -- requests --------------------------------------------------------------------------------------------------

    def _new(self, request: OrderRequest) -> None:
        order = self._order_of(request, request.qty)
        refusal = self._obstacle(order)
        if refusal is not None:
            self.replies.rejected(order, refusal)
            return
        self._admit(order)
        self.replies.accepted(order)
        self._listings[order.symbol].engine.submit(order)

    def _replace(self, request: OrderRequest) -> None:
        order = self._open.get(request.order_id)
        if order is None or order.client_id != request.target_client_id:
            self.replies.refused(ReplaceRejected, request, UNKNOWN_ORDER)
            return
        shrinks = request.price == order.price and request.qty - order.carried < order.qty
        if shrinks and request.qty > order.filled:
            self._shrink(order, request)
            return
        qty = request.qty - request.filled_qty
        if qty <= 0 or order.quote_qty:
            self.replies.refused(
                ReplaceRejected, request, Refusal("nothing_left", "it leaves nothing to be filled")
            )
            return
        self._take_out(order)
        successor = self._order_of(request, qty)
        successor.carried = order.filled
        successor.type, successor.tif, successor.stop_price = order.type, order.tif, order.stop_price
        successor.core_type, successor.core_tif = order.core_type, order.core_tif
        successor.side, successor.stp = order.side, order.stp
        refusal = self._obstacle(successor)
        if refusal is not None:
            reason = f"cancelled to be replaced, but the new order was refused: {refusal.reason}"
            self.replies.cancelled(order, reason)
            return
        self._admit(successor)
        self.replies.replaced(successor)
        self._listings[successor.symbol].engine.submit(successor)

    def _shrink(self, order: VenueOrder, request: OrderRequest) -> None:
        listing = self._listings[order.symbol]
        listing.engine.reduce(order, request.qty - order.carried)
        self.funds.adjust(order, listing.units)
        order.client_id = request.client_id
        self.replies.replaced(order)

    def _cancel(self, request: OrderRequest) -> None:
        order = self._open.get(request.order_id)
        if order is None or order.client_id != request.target_client_id:
            self.replies.refused(CancelRejected, request, UNKNOWN_ORDER)
            return
        self._close_by_cancel(order, "cancelled")

    def _query(self, question: QueryOrder) -> None:
        order = self._open.get(question.order_id) or self._closed.get(question.order_id)
        if order is not None:
            self.replies.report(order)
            return
        self.replies.not_at_venue(question)

    # -- what the engines say --------------------------------------------------------------------------------------

    def traded(self, listing: Listing, trade: Trade) -> None:
        self.markets.traded(listing.definition.instrument, trade)
        fill_id = trade.trade_id
        for order, maker in ((trade.maker, True), (trade.taker, False)):
            if order is None:
                continue
            if (
                not maker and trade.maker is not None
            ):  # a trade with ourselves is two fills: each has an id of its own
                fill_id = listing.engine.next_trade_id
                listing.engine.next_trade_id += 1
            self._filled(listing, order, trade, fill_id, maker=maker)

    def expired(self, listing: Listing, order: Order) -> None:
        assert isinstance(order, VenueOrder)
        self.funds.adjust(order, listing.units)
        self._forget(order)
        self.replies.expired(order)

    def triggered(self, listing: Listing, order: Order) -> bool:
        self.funds.adjust(order, listing.units)
        return bool(order.locked) or self.funds.covers(order, listing.units, listing.engine)

    def _filled(self, listing: Listing, order: Order, trade: Trade, fill_id: int, *, maker: bool) -> None:
        assert isinstance(order, VenueOrder)
        listing.last_fill_id = max(listing.last_fill_id, fill_id)
        fee, asset = self.funds.trade(order, listing.units, trade.price, trade.qty, maker=maker)
        self.replies.filled(order, trade, fill_id, fee, asset, maker=maker)
        if not order.open:
            self._forget(order)

    # -- orders ----------------------------------------------------------------------------------------------------

    def _order_of(self, request: OrderRequest, qty: int) -> VenueOrder:
        kind = OrderType[request.type.name]
        return VenueOrder(
            order_id=request.order_id,
            account="",
            symbol=request.instrument,
            client_id=request.client_id,
            side=ENGINE_SIDES[request.side],
            type=OrderType.LIMIT_MAKER if request.post_only and kind is OrderType.LIMIT else kind,
            tif=request.tif.name,
            price=request.price,
            qty=qty,
            quote_qty=request.quote_qty,
            stop_price=request.stop_price,
            stp=request.stp.name,
            core_type=request.type,
            core_tif=request.tif,
        )

    def _obstacle(self, order: VenueOrder) -> Refusal | None:
        """Why the venue does not take ``order``; None: it does."""
        listing = self._listings[order.symbol]
        engine = listing.engine
        refusal = check(order, listing.definition, listing.open_orders)
        if refusal is not None:
            return refusal
        if order.type is OrderType.LIMIT_MAKER and engine.crosses(order.side, order.price):
            return Refusal("would_match", "a post-only order would trade at once")
        if order.is_stop and engine.would_trigger(order):
            return Refusal("would_trigger", "a stop order would trigger at once")
        if not self.funds.covers(order, listing.units, engine):
            return Refusal("insufficient_balance", "the account does not cover it")
        return None

    def _admit(self, order: VenueOrder) -> None:
        listing = self._listings[order.symbol]
        self.funds.lock(order, listing.units)
        self._last_venue_id += 1
        order.venue_order_id = str(self._last_venue_id)
        self._open[order.order_id] = order
        listing.open_orders += 1

    def _take_out(self, order: VenueOrder) -> None:
        """Out of the book and out of the list of open orders."""
        listing = self._listings[order.symbol]
        listing.engine.cancel(order)
        self.funds.adjust(order, listing.units)
        self._forget(order)

    def _close_by_cancel(self, order: VenueOrder, reason: str) -> None:
        self._take_out(order)
        self.replies.cancelled(order, reason)

    def _forget(self, order: VenueOrder) -> None:
        if self._open.pop(order.order_id, None) is None:
            return
        self._listings[order.symbol].open_orders -= 1
        self._closed[order.order_id] = order
        if len(self._closed) > CLOSED_ORDERS_MAX:
            del self._closed[next(iter(self._closed))]
