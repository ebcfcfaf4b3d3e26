"""Price-time priority for one symbol: the orders of our accounts among the anonymous quantity of the market.

Pure. Runs on the thread of whoever calls it. Every number is an integer; the caller fixes the scales
(``price * qty`` is never divided here but for a quote budget, by ``scale``).

Theory of operation
-------------------
A price level holds the market's quantity as one number and our orders as a list in time order. Each of our orders knows
how much of the market's quantity stands *ahead* of it. That is a complete FIFO queue: between two of our orders stands
the difference of their ``ahead``, behind the last one the rest. What the market takes away again leaves from the back
of the queue (the least favourable assumption for us), what trades leaves from its front.

The market acts in two ways. A *synthetic* market sends anonymous orders that match like any other (``market_limit``,
``market_take``). A *captured* market has already happened: its quotes and trades are facts that the engine takes over
(``market_add``, ``market_cancel``, ``market_print``), matching nothing but our own orders against them.

What happens is told to the ``Listener`` at once, while the orders still show exactly that state.
"""

from __future__ import annotations

from typing import Protocol

from livestack.simulator.book import BookSide, QueueModel
from livestack.simulator.orders import BUY, LOSS_TYPES, MARKET_TYPES, SELL, Expiry, Order, Trade


class Listener(Protocol):
    """Who hears from the engine, synchronously; it must not call the engine back."""

    def traded(self, trade: Trade) -> None: ...

    def expired(self, order: Order) -> None:
        """``order`` is closed: ``status`` and ``expiry`` say how."""

    def prevented(self, order: Order, counter: Order, qty: int, price: int) -> None:
        """Self-trade prevention took ``qty`` off ``order``, which would have met ``counter`` at ``price``."""

    def triggered(self, order: Order) -> bool:
        """A stop order begins to work. False: its account cannot pay, expire it."""


class MatchingEngine:
    """The book of one symbol and what can be done to it.

    ``step`` is the smallest quantity; ``scale`` turns a quote budget's unit into that of price * qty. ``queue``:
    where our orders stand in their levels.
    """

    def __init__(
        self,
        listener: Listener,
        step: int,
        scale: int,
        first_trade_id: int = 1,
        queue: QueueModel = QueueModel.FIFO,
    ) -> None:
        self._listener = listener
        self._step = step
        self._scale = scale
        self.sides = (BookSide(BUY, queue), BookSide(SELL, queue))
        self.stops: list[Order] = []
        self.last_price = 0
        self.next_trade_id = first_trade_id
        self.touched: tuple[dict[int, None], dict[int, None]] = ({}, {})
        """Prices whose quantity changed since somebody cleared it, by side, in order of their first change."""
        self.changes = 0
        """How many level changes there were, ever."""

    # -- the market ------------------------------------------------------------------------------------------------

    def market_limit(self, side: int, price: int, qty: int) -> None:
        """An anonymous limit order: takes what it crosses, rests with the remainder."""
        opposite = self.sides[1 - side]
        if opposite.keys and opposite.keys[0] <= price * opposite.sign:
            qty -= self._take(None, side, qty, price)
        if qty > 0:
            self.sides[side].add_market(price, qty)
            self._changed(side, price)
        self._trigger_stops()

    def market_take(self, side: int, qty: int) -> int:
        """An anonymous market order; returns how much of it traded."""
        filled = self._take(None, side, qty, None)
        self._trigger_stops()
        return filled

    def market_cancel(self, side: int, price: int, qty: int) -> int:
        """Take up to ``qty`` of the market's quantity away from the back; returns how much there was to take."""
        book = self.sides[side]
        qty = min(qty, book.market.get(price, 0))
        if qty > 0:
            book.remove_market(price, qty, front=False)
            self._changed(side, price)
        return qty

    def market_add(self, side: int, price: int, qty: int) -> None:
        """A quote that stands in the market: our orders that it crosses fill at their price, the rest is liquidity."""
        qty -= self._take_ours(side, price, qty)
        if qty > 0:
            self.sides[side].add_market(price, qty)
            self._changed(side, price)
        self._trigger_stops()

    def market_print(self, taker_side: int, price: int, qty: int) -> None:
        """A trade that the market had among its own: our orders that it must have met first fill from it."""
        book = self.sides[1 - taker_side]
        left = qty - self._take_ours(taker_side, price - book.sign, qty)
        while left > 0 and (price in book.orders or price in book.market):
            left -= self._meet_level(None, taker_side, left, price)
        self.last_price = price
        self._trigger_stops()

    # -- our orders ------------------------------------------------------------------------------------------------

    def crosses(self, side: int, price: int) -> bool:
        """Whether a limit order would trade at once."""
        opposite = self.sides[1 - side]
        return bool(opposite.keys) and opposite.keys[0] <= price * opposite.sign

    def would_trigger(self, order: Order) -> bool:
        """Whether a stop order's condition holds already: with the last price, no trade yet means no."""
        if not self.last_price:
            return False
        rising = (order.side == BUY) == (order.type in LOSS_TYPES)
        return self.last_price >= order.stop_price if rising else self.last_price <= order.stop_price

    def cost(self, side: int, qty: int) -> int:
        """What taking ``qty`` would cost now, in the product of both scales."""
        total = 0
        book = self.sides[1 - side]
        for price, available in book.levels(len(book.keys)):
            traded = min(qty, available)
            total += price * traded
            qty -= traded
            if qty == 0:
                break
        return total

    def submit(self, order: Order) -> None:
        """Let an order in that the venue has accepted: it waits, trades, rests or expires."""
        if order.is_stop:
            self.stops.append(order)
            return
        self._execute(order)
        self._trigger_stops()

    def cancel(self, order: Order) -> None:
        """Take an open order out of the book; the venue has the word on it."""
        if order.is_stop:
            self.stops.remove(order)
        else:
            self._leave(order)
        order.status = "CANCELED"

    def reduce(self, order: Order, qty: int) -> None:
        """Lower the total quantity of an open order; it keeps its place. ``executed < qty < order.qty``."""
        order.qty = qty
        if order.resting:
            self._changed(order.side, order.price)

    # -- matching --------------------------------------------------------------------------------------------------

    def _execute(self, order: Order) -> None:
        limit = None if order.type in MARKET_TYPES else order.price
        if order.tif == "FOK" and limit is not None and self._available(order) < order.remaining:
            self._expire(order, Expiry.UNFILLED_FOK)
            return
        if order.quote_qty and not order.qty:
            order.qty = self.affordable(order)
        self._take(order, order.side, order.remaining, limit)
        if not order.open:
            return
        if limit is None:
            self._expire(order, Expiry.LIQUIDITY)
        elif order.tif != "GTC":
            self._expire(order, Expiry.UNFILLED_IOC)
        else:
            self.sides[order.side].add_order(order)
            self._changed(order.side, order.price)

    def affordable(self, order: Order) -> int:
        """Whole steps that the quote budget buys or sells now; one step more than there is where the book runs dry."""
        budget, total = order.quote_qty * self._scale, 0
        book = self.sides[1 - order.side]
        for price, available in book.levels(len(book.keys)):
            wanted = budget // price // self._step * self._step
            if wanted <= available:
                return total + wanted
            total += available
            budget -= price * available
        return total + self._step

    def _take(self, taker: Order | None, side: int, qty: int, limit: int | None) -> int:
        """Match ``qty`` against the other side, best level first; returns what was traded or prevented."""
        book = self.sides[1 - side]
        left = qty
        while left > 0 and book.keys:
            key = book.keys[0]
            if limit is not None and key > limit * book.sign:
                break
            left -= self._meet_level(taker, side, left, key * book.sign)
            if taker is not None and not taker.open:
                break
        return qty - left

    def _meet_level(self, taker: Order | None, side: int, qty: int, price: int) -> int:
        """Match with whatever stands first at ``price``; returns how much of ``qty`` that used up."""
        book = self.sides[1 - side]
        orders = book.orders.get(price)
        if orders is None or orders[0].ahead > 0:
            traded = min(qty, book.market[price] if orders is None else orders[0].ahead)
            book.remove_market(price, traded, front=True)
            self._changed(1 - side, price)
            self._trade(side, price, traded, None, taker)
            return traded
        return self._meet(taker, orders[0], side, qty)

    def _meet(self, taker: Order | None, maker: Order, side: int, qty: int) -> int:
        if taker is not None and taker.account == maker.account and taker.stp != "NONE":
            return self._prevent(taker, maker, qty)
        traded = min(qty, maker.remaining)
        self._trade(side, maker.price, traded, maker, taker)
        return traded

    def _take_ours(self, side: int, limit: int, qty: int) -> int:
        """Fill our orders on the other side down to ``limit``, best price and earliest first; returns the sum."""
        book = self.sides[1 - side]
        if not book.orders:
            return 0
        left = qty
        for price in sorted(book.orders, key=lambda price: price * book.sign):
            if price * book.sign > limit * book.sign:
                break
            while left > 0 and price in book.orders:
                left -= self._meet(None, book.orders[price][0], side, left)
        return qty - left

    def _trade(self, side: int, price: int, qty: int, maker: Order | None, taker: Order | None) -> None:
        for order in (maker, taker):
            if order is not None:
                order.executed += qty
                order.executed_quote += price * qty
                order.status = "PARTIALLY_FILLED" if order.remaining else "FILLED"
        if maker is not None:
            self._changed(1 - side, price)
            if not maker.remaining:
                self.sides[1 - side].remove_order(maker)
        trade = Trade(self.next_trade_id, price, qty, side, maker, taker)
        self.next_trade_id += 1
        self.last_price = price
        self._listener.traded(trade)

    def _prevent(self, taker: Order, maker: Order, qty: int) -> int:
        """Self-trade prevention by the taker's mode (venue rule: TRANSFER within one account acts as DECREMENT)."""
        price, used = maker.price, min(qty, maker.remaining)
        if taker.stp in ("DECREMENT", "TRANSFER"):
            self._take_off(taker, maker, used, price)
            self._take_off(maker, taker, used, price)
            return used
        if taker.stp in ("EXPIRE_MAKER", "EXPIRE_BOTH"):
            self._take_off(maker, taker, maker.remaining, price)
        if taker.stp in ("EXPIRE_TAKER", "EXPIRE_BOTH"):
            self._take_off(taker, maker, taker.remaining, price)
            return qty
        return 0

    def _take_off(self, order: Order, counter: Order, qty: int, price: int) -> None:
        order.prevented += qty
        closes = order.remaining == 0
        if order.resting:
            self._changed(order.side, order.price)
            if closes:
                self.sides[order.side].remove_order(order)
        if closes:
            order.status, order.expiry = "EXPIRED_IN_MATCH", Expiry.SELF_TRADE
        self._listener.prevented(order, counter, qty, price)

    def _available(self, order: Order) -> int:
        """What a fill-or-kill order could trade at once; our own orders do not count if they would be prevented."""
        book = self.sides[1 - order.side]
        total = 0
        for key in book.keys:
            if key > order.price * book.sign or total >= order.remaining:
                break
            price = key * book.sign
            total += book.market.get(price, 0)
            for maker in book.orders.get(price, ()):
                if maker.account != order.account or order.stp == "NONE":
                    total += maker.remaining
        return total

    def _trigger_stops(self) -> None:
        while self.stops:
            due = next((order for order in self.stops if self.would_trigger(order)), None)
            if due is None:
                return
            self.stops.remove(due)
            due.triggered = True
            if self._listener.triggered(due):
                self._execute(due)
            else:
                self._expire(due, Expiry.BALANCE)

    def _expire(self, order: Order, reason: Expiry) -> None:
        order.status, order.expiry = "EXPIRED", reason
        self._listener.expired(order)

    def _leave(self, order: Order) -> None:
        self.sides[order.side].remove_order(order)
        self._changed(order.side, order.price)

    def _changed(self, side: int, price: int) -> None:
        self.touched[side][price] = None
        self.changes += 1
