"""One instrument's order book: full depth, best prices in O(1), and whether it may be believed.

Pure. Each side is two parallel lists, sorted so that their *end* is the best price, because changes come near the touch
and the end of a list is cheap to change: bids ascending, asks negated. A dict beside them would find a price a little
faster, and would double what a level takes. Harness thread.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from typing import Any

import msgspec

from livestack.core.market_events import Levels
from livestack.core.types import Side

_NOT_POSITIVE = "negative price or quantity"


class Book(msgspec.Struct, kw_only=True):
    """``valid`` only from a snapshot on, and until a gap or a fault; an invalid book is empty.

    ``bid_keys`` are prices, ``ask_keys`` negated ones, both ascending; ``bid_qtys`` and ``ask_qtys`` stand beside them.
    """

    valid: bool = False
    last_update_id: int = 0
    bid_keys: list[int] = []
    bid_qtys: list[int] = []
    ask_keys: list[int] = []
    ask_qtys: list[int] = []

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
        return self.bid_qtys[-1] if self.bid_qtys else 0

    @property
    def best_ask_qty(self) -> int:
        return self.ask_qtys[-1] if self.ask_qtys else 0

    def invalidate(self) -> None:
        """Empty it: levels of an unknown time are worse than none."""
        self.valid = False
        self.last_update_id = 0
        self.bid_keys, self.bid_qtys, self.ask_keys, self.ask_qtys = [], [], [], []

    def replace(self, last_update_id: int, bids: Levels, asks: Levels) -> str:
        """Take a whole book. Returns what is wrong with it ('' nothing); then it is invalid."""
        self.bid_keys, self.bid_qtys = _side({price: qty for price, qty in bids if qty != 0})
        self.ask_keys, self.ask_qtys = _side({-price: qty for price, qty in asks if qty != 0})
        self.last_update_id = last_update_id
        self.valid = True
        if min(self.bid_qtys, default=1) <= 0 or min(self.ask_qtys, default=1) <= 0:
            self.invalidate()
            return _NOT_POSITIVE
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
        keys, qtys = self.bid_keys, self.bid_qtys
        count = len(keys)
        for key, qty in bids:
            at = bisect_left(keys, key)
            if qty > 0:
                if at < count and keys[at] == key:
                    qtys[at] = qty
                else:
                    keys.insert(at, key)
                    qtys.insert(at, qty)
                    count += 1
            elif qty < 0:
                self.invalidate()
                return _NOT_POSITIVE
            elif at < count and keys[at] == key:
                del keys[at], qtys[at]
                count -= 1
        keys, qtys = (
            self.ask_keys,
            self.ask_qtys,
        )  # the same once more: a call for each side costs a tenth of it all
        count = len(keys)
        for price, qty in asks:
            key = -price
            at = bisect_left(keys, key)
            if qty > 0:
                if at < count and keys[at] == key:
                    qtys[at] = qty
                else:
                    keys.insert(at, key)
                    qtys.insert(at, qty)
                    count += 1
            elif qty < 0:
                self.invalidate()
                return _NOT_POSITIVE
            elif at < count and keys[at] == key:
                del keys[at], qtys[at]
                count -= 1
        return self._uncrossed()

    def levels(self, side: Side, depth: int = 0) -> Iterator[tuple[int, int]]:
        """``(price, quantity)`` best first; ``depth`` 0 means all."""
        buy = side is Side.BUY
        keys, qtys = (self.bid_keys, self.bid_qtys) if buy else (self.ask_keys, self.ask_qtys)
        pairs = zip(reversed(keys[-depth:]), reversed(qtys[-depth:]), strict=True)
        return iter(pairs) if buy else ((-key, qty) for key, qty in pairs)

    def _uncrossed(self) -> str:
        """A non-positive price can only hide at a best or at the far end of a sorted side."""
        bid_keys, ask_keys = self.bid_keys, self.ask_keys
        if bid_keys and ask_keys and bid_keys[-1] >= -ask_keys[-1]:
            bid, ask = self.best_bid, self.best_ask
            self.invalidate()
            return f"crossed: best bid {bid} is not below best ask {ask}"
        if (bid_keys and bid_keys[0] <= 0) or (ask_keys and ask_keys[-1] >= 0):
            self.invalidate()
            return _NOT_POSITIVE
        return ""

    def __lower__(self) -> object:
        """Canonical form: best first, as people and venues write it."""
        return [self.valid, self.last_update_id, list(self.levels(Side.BUY)), list(self.levels(Side.SELL))]

    @classmethod
    def __raise__(cls, data: Any) -> Book:
        valid, last_update_id, bids, asks = data
        book = cls(valid=valid, last_update_id=last_update_id)
        book.bid_keys, book.bid_qtys = _side({price: qty for price, qty in bids})  # noqa: C416 - of lists, not pairs
        book.ask_keys, book.ask_qtys = _side({-price: qty for price, qty in asks})
        return book


def _side(levels: dict[int, int]) -> tuple[list[int], list[int]]:
    keys = sorted(levels)
    return keys, [levels[key] for key in keys]
