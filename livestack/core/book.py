"""One instrument's order book: full depth, best prices in O(1), and whether it may be believed.

Pure. Each side is a dict of price to quantity plus a sorted list of keys whose *end* is the best price, because
changes come near the touch and the end of a list is cheap to change: bids ascending, asks negated. Harness thread.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator
from typing import Any

import msgspec

from livestack.core.types import Side

Levels = tuple[tuple[int, int], ...]


class Book(msgspec.Struct, kw_only=True):
    """``valid`` only from a snapshot on, and until a gap or a fault; an invalid book is empty."""

    valid: bool = False
    last_update_id: int = 0
    bids: dict[int, int] = {}
    asks: dict[int, int] = {}
    bid_keys: list[int] = []
    ask_keys: list[int] = []

    @property
    def best_bid(self) -> int:
        """Best bid price, 0 where there is none."""
        return self.bid_keys[-1] if self.bid_keys else 0

    @property
    def best_ask(self) -> int:
        """Best ask price, 0 where there is none."""
        return -self.ask_keys[-1] if self.ask_keys else 0

    @property
    def best_bid_qty(self) -> int:
        return self.bids[self.bid_keys[-1]] if self.bid_keys else 0

    @property
    def best_ask_qty(self) -> int:
        return self.asks[-self.ask_keys[-1]] if self.ask_keys else 0

    def invalidate(self) -> None:
        """Empty it: levels of an unknown time are worse than none."""
        self.valid = False
        self.last_update_id = 0
        self.bids, self.asks, self.bid_keys, self.ask_keys = {}, {}, [], []

    def replace(self, last_update_id: int, bids: Levels, asks: Levels) -> str:
        """Take a whole book. Returns what is wrong with it ('' nothing); then it is invalid."""
        self.bids = {price: qty for price, qty in bids if qty != 0}
        self.asks = {price: qty for price, qty in asks if qty != 0}
        self.bid_keys = sorted(self.bids)
        self.ask_keys = sorted(-price for price in self.asks)
        self.last_update_id = last_update_id
        self.valid = True
        lowest = min(min(self.bids, default=1), min(self.asks, default=1))
        smallest = min(min(self.bids.values(), default=1), min(self.asks.values(), default=1))
        if lowest <= 0 or smallest <= 0:
            self.invalidate()
            return "negative price or quantity"
        return self._uncrossed()

    def change(self, first_update_id: int, last_update_id: int, bids: Levels, asks: Levels) -> str:
        """Set absolute quantities. Ids of 0: the venue counts none. Returns what is wrong ('' nothing)."""
        if not self.valid:
            return "delta on an invalid book"
        if last_update_id:
            if first_update_id > self.last_update_id + 1:
                known = self.last_update_id
                self.invalidate()
                return f"gap: update {known + 1} is missing before {first_update_id}"
            if last_update_id <= self.last_update_id:
                return ""  # older than the snapshot: it is in there already
            self.last_update_id = last_update_id
        quantities, keys = self.bids, self.bid_keys
        for price, qty in bids:
            if qty > 0:
                if price not in quantities:
                    insort(keys, price)
                quantities[price] = qty
            elif qty < 0:
                self.invalidate()
                return "negative price or quantity"
            elif quantities.pop(price, 0):
                del keys[bisect_left(keys, price)]
        quantities, keys = self.asks, self.ask_keys
        for price, qty in asks:
            if qty > 0:
                if price not in quantities:
                    insort(keys, -price)
                quantities[price] = qty
            elif qty < 0:
                self.invalidate()
                return "negative price or quantity"
            elif quantities.pop(price, 0):
                del keys[bisect_left(keys, -price)]
        return self._uncrossed()

    def levels(self, side: Side, depth: int = 0) -> Iterator[tuple[int, int]]:
        """``(price, quantity)`` best first; ``depth`` 0 means all."""
        if side is Side.BUY:
            keys = self.bid_keys[-depth:] if depth else self.bid_keys
            return ((price, self.bids[price]) for price in reversed(keys))
        keys = self.ask_keys[-depth:] if depth else self.ask_keys
        return ((-key, self.asks[-key]) for key in reversed(keys))

    def _uncrossed(self) -> str:
        """A non-positive price can only hide at a best or at the far end of a sorted side."""
        bid_keys, ask_keys = self.bid_keys, self.ask_keys
        if bid_keys and ask_keys and bid_keys[-1] >= -ask_keys[-1]:
            bid, ask = self.best_bid, self.best_ask
            self.invalidate()
            return f"crossed: best bid {bid} is not below best ask {ask}"
        if (bid_keys and bid_keys[0] <= 0) or (ask_keys and ask_keys[-1] >= 0):
            self.invalidate()
            return "negative price or quantity"
        return ""

    def __lower__(self) -> object:
        """Canonical form: sorted, so that the order in which levels came does not matter."""
        sides = (list(self.levels(Side.BUY)), list(self.levels(Side.SELL)))
        return [self.valid, self.last_update_id, *sides]

    @classmethod
    def __raise__(cls, data: Any) -> Book:
        valid, last_update_id, bids, asks = data
        book = cls(
            valid=valid,
            last_update_id=last_update_id,
            bids=dict(map(tuple, bids)),
            asks=dict(map(tuple, asks)),
        )
        book.bid_keys = sorted(book.bids)
        book.ask_keys = sorted(-price for price in book.asks)
        return book
