"""One side of an order book: the market's quantity as a number per level, our orders in their queue among it.

Pure. Runs on the thread of whoever calls it. How the queue is represented: see ``matching``.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from enum import StrEnum

from livestack.simulator.orders import BUY, Order


class QueueModel(StrEnum):
    """Where in its level's queue an order of ours stands among the market's quantity."""

    FIFO = "fifo"
    """Behind what stands there when it comes, before whatever comes later."""
    FRONT = "front"
    """Before everything."""
    BACK = "back"
    """Behind everything, also what comes later."""


class BookSide:
    """One side of the book, best price first. ``sign`` turns prices into keys of which the best is the smallest."""

    __slots__ = ("keys", "market", "orders", "queue", "sign")

    def __init__(self, side: int, queue: QueueModel = QueueModel.FIFO) -> None:
        self.queue = queue
        self.sign = -1 if side == BUY else 1
        self.market: dict[int, int] = {}
        self.orders: dict[int, list[Order]] = {}
        self.keys: list[int] = []

    def best(self) -> int | None:
        return self.keys[0] * self.sign if self.keys else None

    def quantity(self, price: int) -> int:
        """Everything at ``price``: the market's and ours."""
        total = self.market.get(price, 0)
        for order in self.orders.get(price, ()):
            total += order.remaining
        return total

    def levels(self, limit: int) -> list[tuple[int, int]]:
        """The best ``limit`` levels as (price, quantity)."""
        return [(key * self.sign, self.quantity(key * self.sign)) for key in self.keys[:limit]]

    def add_market(self, price: int, qty: int) -> None:
        held = self.market.get(price)
        if held is None:
            if price not in self.orders:
                insort(self.keys, price * self.sign)
            held = 0
        self.market[price] = held + qty
        if self.queue is QueueModel.BACK and price in self.orders:
            for order in self.orders[price]:
                order.ahead = held + qty

    def remove_market(self, price: int, qty: int, *, front: bool) -> None:
        """Take ``qty`` of the market's quantity from the front or the back of the queue."""
        left = self.market[price] - qty
        orders = self.orders.get(price)
        if orders is not None:
            for order in orders:
                order.ahead = max(order.ahead - qty, 0) if front else min(order.ahead, left)
        if left > 0:
            self.market[price] = left
            return
        del self.market[price]
        if orders is None:
            self._drop_key(price)

    def add_order(self, order: Order) -> None:
        orders = self.orders.get(order.price)
        if orders is None:
            orders = self.orders[order.price] = []
            if order.price not in self.market:
                insort(self.keys, order.price * self.sign)
        order.ahead = 0 if self.queue is QueueModel.FRONT else self.market.get(order.price, 0)
        order.resting = True
        orders.append(order)

    def remove_order(self, order: Order) -> None:
        orders = self.orders[order.price]
        orders.remove(order)
        order.resting = False
        if not orders:
            del self.orders[order.price]
            if order.price not in self.market:
                self._drop_key(order.price)

    def _drop_key(self, price: int) -> None:
        key = price * self.sign
        del self.keys[bisect_left(self.keys, key)]
