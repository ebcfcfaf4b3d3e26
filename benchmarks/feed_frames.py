"""Frames as a venue sends them, and a feed's adapter in step with them, for the benchmarks. Deterministic."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from typing import Any

from livestack.core.events import Event, InstrumentDefined
from livestack.core.types import Amount, InstrumentStatus
from livestack.venues.adapter import Fetch, Fetched, HostRequest
from livestack.venues.binance_spot.market_data import BinanceMarketData
from livestack.venues.budget import RequestBudget
from livestack.venues.options import VenueOptions

VENUE = "binance"
MIDDLE = 6_000_000
"""The book's middle in ticks of 0.01."""

START_ID = 1_000_000
TIME_MS = 1_700_000_000_000
START_NS = TIME_MS * 1_000_000


def text(number: int, decimals: int) -> str:
    """As the venue prints it: eight decimals."""
    whole, fraction = divmod(number, 10**decimals)
    return f"{whole}.{fraction:0{decimals}d}{'0' * (8 - decimals)}"


def frame(stream: str, data: dict[str, Any]) -> bytes:
    return json.dumps({"stream": stream, "data": data}, separators=(",", ":")).encode()


class Symbol:
    """One symbol's market: a random walk of the touch, and a book of ``levels`` a side that changes mostly near it."""

    def __init__(self, name: str, levels: int = 5_000, seed: int = 7) -> None:
        self.name = name
        self.lower = name.lower()
        self._rng = random.Random(seed)
        self._levels = levels
        self._last_id = START_ID
        self._trade_id = START_ID

    def snapshot(self) -> bytes:
        """The answer to a depth request: every second tick has a level."""
        rng = self._rng

        def side(sign: int) -> list[list[str]]:
            ticks = (MIDDLE + sign * (2 * number + 1) for number in range(self._levels))
            return [[text(tick, 2), text(rng.randrange(1, 10**7), 5)] for tick in ticks]

        document = {"lastUpdateId": self._last_id, "bids": side(-1), "asks": side(1)}
        return json.dumps(document, separators=(",", ":")).encode()

    def depth(self, changed: int = 10) -> bytes:
        """A diff of ``changed`` levels, half of them on each side; three in ten of them are gone by it."""
        rng, first = self._rng, self._last_id + 1
        self._last_id += rng.randrange(1, 20)

        def side(sign: int) -> list[list[str]]:
            levels = []
            for _ in range(changed // 2):
                tick = MIDDLE + sign * (1 + min(int(rng.expovariate(1 / 60)), 2 * self._levels))
                levels.append([text(tick, 2), text(rng.randrange(1, 10**7) if rng.random() > 0.3 else 0, 5)])
            return levels

        return frame(
            f"{self.lower}@depth@100ms",
            {
                "e": "depthUpdate", "E": TIME_MS, "s": self.name, "U": first, "u": self._last_id,
                "b": side(-1), "a": side(1),
            },
        )  # fmt: skip

    def ticker(self) -> bytes:
        rng = self._rng
        self._last_id += 1
        bid = MIDDLE - rng.randrange(1, 60)
        data = {
            "u": self._last_id, "s": self.name, "b": text(bid, 2), "B": text(rng.randrange(1, 10**7), 5),
            "a": text(bid + rng.randrange(1, 3), 2), "A": text(rng.randrange(1, 10**7), 5),
        }  # fmt: skip
        return frame(f"{self.lower}@bookTicker", data)

    def trade(self) -> bytes:
        rng = self._rng
        self._trade_id += 1
        data = {
            "e": "trade", "E": TIME_MS, "s": self.name, "t": self._trade_id,
            "p": text(MIDDLE + rng.randrange(-60, 60), 2), "q": text(rng.randrange(1, 10**7), 5),
            "T": TIME_MS, "m": rng.random() < 0.5, "M": True,
        }  # fmt: skip
        return frame(f"{self.lower}@trade", data)

    def aggregate(self) -> bytes:
        rng = self._rng
        self._trade_id += 1
        data = {
            "e": "aggTrade", "E": TIME_MS, "s": self.name, "a": self._trade_id,
            "p": text(MIDDLE + rng.randrange(-60, 60), 2), "q": text(rng.randrange(1, 10**7), 5),
            "f": self._trade_id, "l": self._trade_id, "T": TIME_MS, "m": rng.random() < 0.5, "M": True,
        }  # fmt: skip
        return frame(f"{self.lower}@aggTrade", data)


def defined(name: str) -> InstrumentDefined:
    """A symbol with two decimals of price and five of quantity."""
    return InstrumentDefined(
        recv_ns=START_NS, venue=VENUE, instrument=f"{VENUE}:{name}", symbol=name, base=name[:-4], quote=name[-4:],
        price_decimals=2, qty_decimals=5, status=InstrumentStatus.TRADING, price_tick=1, price_min=1,
        price_max=10**12, qty_step=1, qty_min=1, qty_max=10**12, market_qty_step=1, market_qty_min=1,
        market_qty_max=10**12, notional_min=Amount.of(0), notional_max=Amount.of(0),
        notional_min_applies_to_market=False, max_open_orders=0, amend_allowed=True, market_allowed=True,
    )  # fmt: skip


class Feed:
    """An adapter whose questions are answered at once out of ``symbols``."""

    def __init__(self, symbols: Sequence[Symbol], levels: int, streams: tuple[str, ...]) -> None:
        options = VenueOptions(streams=streams, depth_levels=levels)
        self.symbols = {one.name: one for one in symbols}
        budget = RequestBudget(weight_max=10**9)
        self.adapter = BinanceMarketData(VENUE, [defined(one.name) for one in symbols], options, budget)
        self.now_ns = START_NS
        self.links: dict[str, int] = {}
        """The connection of each symbol, as the adapter shares them out: evenly and in order."""
        self._subscribed: dict[int, list[str]] = {}

    def begin(self) -> Iterator[list[Event]]:
        """Subscribe, hear of every book, and synchronise it, one after the other as a budget has them come in."""
        names = list(self.symbols)
        for slot in range(self.adapter.slots):
            self.adapter.connected(self.now_ns, slot + 1, slot)
            share = names[
                slot * len(names) // self.adapter.slots : (slot + 1) * len(names) // self.adapter.slots
            ]
            self.links.update(dict.fromkeys(share, slot + 1))
        for symbol in self.symbols.values():
            self.adapter.receive(symbol.depth(), self.now_ns, self.links[symbol.name])
        for _ in range(20):
            yield from self._settle()
            self.now_ns += 500_000_000
            self.adapter.tick(self.now_ns)

    def _settle(self) -> Iterator[list[Event]]:
        while True:
            yield self.adapter.events()
            outgoing = self.adapter.outgoing()
            if not outgoing:
                return
            for item in outgoing:
                if isinstance(item, Fetch):
                    name = item.query.partition("symbol=")[2].partition("&")[0]
                    body = self.symbols[name].snapshot()
                    self.adapter.fetched(Fetched(item.fetch_id, 200, (), body, "", self.now_ns, self.now_ns))
                    yield self.adapter.events()
                elif isinstance(item, HostRequest):
                    self._reply(item, self._subscribed.setdefault(item.link, []))

    def _reply(self, item: HostRequest, subscribed: list[str]) -> None:
        message = json.loads(item.text)
        subscribed.extend(message.get("params", ()))
        result = subscribed if message["method"] == "LIST_SUBSCRIPTIONS" else None
        reply = json.dumps({"result": result, "id": message["id"]}).encode()
        self.adapter.receive(reply, self.now_ns, item.link)
