"""The same made-up market for both sides of a comparison: plain integers, from a seed.

Imports nothing but the standard library, because NautilusTrader's interpreter runs it as well. Prices have 2 decimals
and quantities 6, as ``BTCUSDT`` of ``nautilus_trader``'s test instruments has them.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

PRICE_DECIMALS = 2
QTY_DECIMALS = 6
START_NS = 1_700_000_000_000_000_000
INTERVAL_NS = 1_000_000
"""One market Event each millisecond: what a busy instrument sends."""

MIDDLE = 5_000_000
REACH = 20_000
"""Prices stay within 0.4 % of ``MIDDLE``, so that orders further away rest for ever."""

ORDER_QTY = 1_000
"""0.001 BTC: less than every quote has to give."""

Quote = tuple[int, int, int, int]
Changes = tuple[tuple[tuple[int, int], ...], tuple[tuple[int, int], ...]]


def quotes(count: int, seed: int = 7) -> Iterator[Quote]:
    """``(bid, bid_qty, ask, ask_qty)``: a random walk with a spread of mostly one tick."""
    rng = random.Random(seed)
    price = MIDDLE
    for _ in range(count):
        price += rng.randrange(-20, 21)
        price = min(max(price, MIDDLE - REACH), MIDDLE + REACH)
        spread = 1 if rng.random() < 0.8 else rng.randrange(2, 50)
        yield (
            price,
            rng.randrange(ORDER_QTY * 2, 3_000_000),
            price + spread,
            rng.randrange(ORDER_QTY * 2, 3_000_000),
        )


class Depth:
    """A book of about ``levels`` levels a side that changes mostly near its touch.

    Prices within twice that distance are occupied or not; a change sets the quantity of an occupied one, or makes one
    come or go.
    """

    def __init__(self, levels: int, seed: int = 7) -> None:
        self._rng = random.Random(seed)
        self._reach = 2 * levels
        self._sides = tuple(
            {offset: self._quantity() for offset in range(1, self._reach, 2)} for _ in ("bids", "asks")
        )

    def snapshot(self) -> Changes:
        """Every level, best first."""
        bids, asks = self._sides
        return (
            tuple((MIDDLE - offset, bids[offset]) for offset in sorted(bids)),
            tuple((MIDDLE + offset, asks[offset]) for offset in sorted(asks)),
        )

    def changes(self, count: int) -> Changes:
        """``count`` levels that change now, half of them on each side."""
        bids, asks = self._sides
        return (
            tuple((MIDDLE - offset, qty) for offset, qty in self._change(bids, count // 2)),
            tuple((MIDDLE + offset, qty) for offset, qty in self._change(asks, count - count // 2)),
        )

    def _change(self, side: dict[int, int], count: int) -> list[tuple[int, int]]:
        changed: dict[int, int] = {}
        while len(changed) < count:
            offset = 1 + int(self._rng.expovariate(1 / 50)) % (self._reach - 1)
            moves = self._rng.random() < 0.4
            while offset not in side and not moves:
                offset = offset + 1 if offset < self._reach else 1
            if offset in changed:
                continue
            if moves and offset in side and len(side) > 2:
                del side[offset]
                changed[offset] = 0
            else:
                changed[offset] = side[offset] = self._quantity()
        return list(changed.items())

    def _quantity(self) -> int:
        return self._rng.randrange(1_000, 50_000_000)
