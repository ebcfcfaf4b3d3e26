"""A seeded synthetic order flow that can run for days: quotes, cancellations and market orders around a drifting value.

Pure, integers only. Runs on the venue's thread. Each symbol has a *fair value* that wanders (noise), leans one way for
a while (trend) and stays within a factor of two of where it began. Anonymous limit orders arrive around it, so that a
value that moved makes them cross and trade; others are cancelled; market orders take. Activity comes in bursts. Memory
is bounded: the market holds at most ``LEVELS_MAX`` levels of a side.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence

from livestack.simulator.market import MarketHost, Random
from livestack.simulator.matching import MatchingEngine
from livestack.simulator.orders import BUY, SELL

LEVELS_MIN = 24  # enough for a 20-level stream at any time
LEVELS_MAX = 160  # keeps a snapshot and the sorted list of prices small
SUB_TICK = 256  # the fair value moves in fractions of the symbol's unit
BURST_ODDS = 9  # one event in 2**9 starts a burst ...
BURST_EVENTS_MAX = 127  # ... of up to so many events ...
BURST_SPEED = 8  # ... that follow each other so much faster
TREND_ODDS = 12  # one event in 2**12 changes the trend: every few seconds to minutes
CATCH_UP_NS_MAX = 2_000_000_000  # a host that slept longer finds the market as it left it, not a flood
UNITS_PER_PRICE = 50_000  # one unit of movement is 0.2 basis points of the price, but at least a tick

# How far behind the touch an order is placed or cancelled, in units: half at the touch, then thinning out.
_OFFSETS = tuple(offset for offset in range(40) for _ in range(max(1, 64 >> min(offset, 6))))
_OFFSET_TABLE = tuple(_OFFSETS[index * len(_OFFSETS) // 128] for index in range(128))


class SyntheticSymbol:
    """The flow of one symbol. ``price`` is where it starts, ``qty`` a usual order's size, in the engine's scale."""

    def __init__(
        self, engine: MatchingEngine, tick: int, step: int, price: int, qty: int, random: Random
    ) -> None:
        self.engine = engine
        self._tick = tick
        self._lot = max(qty // 64 // step, 1) * step
        self._bits = random.getrandbits
        self._unit = max(price // tick // UNITS_PER_PRICE, 1)
        self._value = price // tick * SUB_TICK // self._unit
        self._floor, self._ceiling = self._value // 2, self._value * 2
        self._trend = 0
        self._burst = 0
        for offset in range(1, LEVELS_MIN * 2):
            for side in (BUY, SELL):
                self.engine.market_limit(side, self._price(side, offset), self._quantity())

    def happen(self) -> int:
        """Let one thing happen; returns the divisor of the usual pause until the next."""
        bits = self._bits(32)
        self._drift(bits)
        kind, side, offset = bits & 0xFF, bits >> 8 & 1, _OFFSET_TABLE[bits >> 9 & 0x7F]
        levels = len(self.engine.sides[side].market)  # our orders' levels are no reason to stop
        if levels >= LEVELS_MAX:
            self._cancel_last(side)
        elif kind < 110 or levels < LEVELS_MIN:
            self.engine.market_limit(side, self._price(side, offset), self._quantity())
        elif kind < 216:
            self._cancel(side, offset, whole=bool(bits >> 16 & 3))
        else:
            self._take(bits)
        if self._burst:
            self._burst -= 1
            return BURST_SPEED
        if not bits >> (32 - BURST_ODDS):
            self._burst = self._bits(16) % BURST_EVENTS_MAX
        return 1

    def _drift(self, bits: int) -> None:
        if not bits >> (32 - TREND_ODDS):
            self._trend = self._bits(3) - 3
        self._value += (bits >> 12 & 0x3F) - 31 - (bits >> 18 & 1) + self._trend
        if not self._floor < self._value < self._ceiling:
            self._value = min(max(self._value, self._floor), self._ceiling)
            self._trend = 2 if self._value == self._floor else -2

    def _price(self, side: int, offset: int) -> int:
        """A price ``offset`` units behind the value, somewhere within the unit, at least one tick up."""
        value = self._value * self._unit // SUB_TICK
        distance = offset * self._unit + self._bits(16) % self._unit
        ticks = value - distance if side == BUY else value + 1 + distance
        return max(ticks, 1) * self._tick

    def _quantity(self) -> int:
        """Mostly small, now and then large: the product of two uniform numbers."""
        bits = self._bits(12)
        return ((bits & 0x3F) + 1) * (
            (bits >> 6) % 7 + 1
        ) * self._lot // 4 // self._lot * self._lot or self._lot

    def _cancel(self, side: int, index: int, *, whole: bool) -> None:
        book = self.engine.sides[side]
        price = book.keys[min(index, len(book.keys) - 1)] * book.sign
        held = book.market.get(price, 0)
        part = held if whole else held // self._lot // 2 * self._lot
        self.engine.market_cancel(side, price, part)

    def _cancel_last(self, side: int) -> None:
        """Empty the market's last level, whatever of ours stands behind it."""
        book = self.engine.sides[side]
        price = next(key * book.sign for key in reversed(book.keys) if key * book.sign in book.market)
        self.engine.market_cancel(side, price, book.market[price])

    def _take(self, bits: int) -> None:
        """A market order: a part of the touch, sometimes all of it and more."""
        side = BUY if (bits >> 19 & 0xF) < 8 + self._trend else SELL
        book = self.engine.sides[1 - side]
        if len(book.keys) < LEVELS_MIN // 2:
            return
        if bits >> 23 & 7:
            touch = book.quantity(book.keys[0] * book.sign)
            qty = max(touch * ((bits >> 26 & 7) + 1) // 16 // self._lot, 1) * self._lot
        else:
            qty = self._quantity() * 2
        self.engine.market_take(side, qty)


class SyntheticMarket:
    """Many symbols on one clock. ``pauses_ns`` is each symbol's usual time between two happenings."""

    def __init__(
        self,
        host: MarketHost,
        symbols: Sequence[tuple[str, SyntheticSymbol]],
        pauses_ns: Sequence[int],
        random: Random,
        start_ns: int,
    ) -> None:
        self._host = host
        self._symbols = tuple(symbols)
        self._pauses_ns = tuple(pauses_ns)
        self._bits = random.getrandbits
        self._due = [(start_ns + pause // (index + 1), index) for index, pause in enumerate(self._pauses_ns)]
        heapq.heapify(self._due)

    def subscribed(self, now_ns: int) -> None:
        """Nothing: this market runs whether anybody listens or not."""

    def next_due_ns(self) -> int | None:
        return self._due[0][0] if self._due else None

    def advance(self, now_ns: int) -> None:
        due = self._due
        if due and now_ns - due[0][0] > CATCH_UP_NS_MAX:
            late_ns = now_ns - due[0][0]
            due[:] = [(due_ns + late_ns, index) for due_ns, index in due]
        while due and due[0][0] <= now_ns:
            event_ns, index = due[0]
            name, symbol = self._symbols[index]
            self._host.at(event_ns)
            speed = symbol.happen()
            self._host.settle(name)
            pause = self._pauses_ns[index] * (64 + self._bits(7)) // (128 * speed)
            heapq.heapreplace(due, (event_ns + pause + 1, index))
