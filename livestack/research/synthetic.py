"""A synthetic market as a history: seeded, as long as one likes, in constant memory.

The instruments and the flow are those of the simulated venue. Chance is ``random.Random(seed)`` and nothing else, in
integers: the same seed gives the same market everywhere, as long as our orders do the same. Runs on the caller's
thread.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

from livestack.core.events import AccountBaseline, InstrumentDefined
from livestack.exceptions import UsageError
from livestack.research.market import Flow, Flush, Item, Markets, SyntheticMarkets
from livestack.simulator.binance_spot.instruments import SYMBOLS_MAX, Symbol, synthetic_symbols
from livestack.simulator.binance_spot.numbers import DECIMALS
from livestack.simulator.matching import MatchingEngine
from livestack.simulator.synthetic import SyntheticSymbol
from livestack.venue_settings import VenueSettings
from livestack.venues.adapter import Fetched
from livestack.venues.binance_spot import BinanceSpot

START_NS: Final = 1_704_067_200_000_000_000
"""2024-01-01T00:00:00Z: a synthetic market has no time of its own, and must not take one from the clock."""

FLUSH_NS: Final = 100_000_000
"""Between two publications of what changed in the books."""

HAPPENINGS_PER_SECOND: Final = 312
"""All symbols together; the simulated venue's own pace."""

_COUNTS = (16, 64, 256, SYMBOLS_MAX)


class SyntheticHistory:
    """``duration_ns`` of the symbols of ``settings``; ``UsageError`` where the simulated venue has no such symbol."""

    def __init__(self, venue: str, settings: VenueSettings, seed: int, duration_ns: int) -> None:
        self._symbols = find_symbols(settings.symbols)
        self.instruments = _defined(venue, self._symbols)
        self.baseline: AccountBaseline | None = None
        self.start_ns = START_NS
        self.end_ns = START_NS + duration_ns
        self._random = random.Random(seed)
        self._markets: SyntheticMarkets

    def open(self, engines: Mapping[str, MatchingEngine], feed_latency_ns: int) -> Markets:
        flows = {}
        for definition, symbol in zip(self.instruments, self._symbols, strict=True):
            price = symbol.start_price * 10**definition.price_decimals // 10**DECIMALS
            qty = symbol.usual_qty * 10**definition.qty_decimals // 10**DECIMALS
            flows[definition.instrument] = SyntheticSymbol(
                engines[definition.instrument],
                definition.price_tick,
                definition.qty_step,
                price,
                qty,
                self._random,
            )
        self._markets = SyntheticMarkets(self.instruments, engines, flows, feed_latency_ns)
        return self._markets

    def items(self) -> Iterator[tuple[int, Item]]:
        start_ns, bits = self.start_ns, self._random.getrandbits
        for event in self._markets.opening(start_ns):
            yield start_ns, event
        shares = [max(8 - index, 1) for index in range(len(self.instruments))]
        pauses = [sum(shares) * 1_000_000_000 // (share * HAPPENINGS_PER_SECOND) for share in shares]
        flows = [Flow(one.instrument) for one in self.instruments]
        flush = Flush()
        due = [(start_ns + FLUSH_NS, -1)]
        due += [(start_ns + pause // (index + 1), index) for index, pause in enumerate(pauses)]
        heapq.heapify(due)
        while due[0][0] <= self.end_ns:
            due_ns, index = due[0]
            if index < 0:
                yield due_ns, flush
                heapq.heapreplace(due, (due_ns + FLUSH_NS, index))
            else:
                flow = flows[index]
                yield due_ns, flow
                pause = pauses[index] * (64 + bits(7)) // (128 * flow.divisor)
                heapq.heapreplace(due, (due_ns + pause + 1, index))

    def close(self) -> None:
        """Nothing is open."""


def find_symbols(names: tuple[str, ...]) -> list[Symbol]:
    """The simulated venue's symbols of these names."""
    known: dict[str, Symbol] = {}
    for count in _COUNTS:  # most are among the first; all of them take a while to make
        known = {symbol.name: symbol for symbol in synthetic_symbols(count)}
        if all(name in known for name in names):
            return [known[name] for name in names]
    missing = ", ".join(name for name in names if name not in known)
    some = ", ".join(list(known)[:12])
    raise UsageError(
        f"the synthetic market does not have {missing}, which the venues table names; it has {some}, ..."
    )


def _defined(venue: str, symbols: list[Symbol]) -> tuple[InstrumentDefined, ...]:
    """The symbols as the venue's own adapter reads them."""
    body = msgspec.json.encode({"symbols": [symbol.info for symbol in symbols]})
    answer = Fetched(0, 200, (), body, "", START_NS, START_NS)
    return tuple(BinanceSpot().parse_instruments(venue, tuple(one.name for one in symbols), answer))
