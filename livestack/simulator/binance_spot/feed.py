"""The public side of one symbol: its stream messages, and the book, trades and ticker that REST shows.

Pure. Runs on the venue's thread. ``EngineFeed`` publishes what an engine holds (synthetic market: everybody's orders,
ours too, are public). A captured market has a feed of its own.
"""

from __future__ import annotations

from typing import Any, Protocol

from livestack.simulator.binance_spot.history import NANOS_PER_MS, Aggregate, PublicTrade, TradeHistory
from livestack.simulator.binance_spot.numbers import SCALE, text8
from livestack.simulator.matching import MatchingEngine
from livestack.simulator.orders import BUY, SELL, Trade

Levels = list[tuple[int, int]]


class Publisher(Protocol):
    """Where stream messages go."""

    def wanted(self, stream: str) -> bool:
        """Whether anybody listens: what nobody hears is not written."""

    def publish(self, stream: str, data: str) -> None: ...


class PublicFeed(Protocol):
    """What the protocol front ends show of one symbol."""

    history: TradeHistory
    """What traded, by the public tape."""

    def traded(self, trade: Trade) -> None:
        """The engine matched something."""

    def settle(self, now_ns: int) -> None:
        """The engine has come to rest: publish what changed."""

    def flush(self, now_ns: int, *, slow: bool) -> None:
        """A period ended: publish aggregated changes of 100 ms, with ``slow`` also those of 1000 ms."""

    def snapshot(self, limit: int) -> tuple[int, Levels, Levels]:
        """What ``depth`` answers: last update id, bids and asks, best first."""

    def best(self) -> tuple[int, int, int, int]:
        """Best bid and its quantity, best ask and its quantity; zeros where there is none."""


def levels_text(levels: Levels) -> str:
    """Levels as the venue's JSON array."""
    return "[" + ",".join(f'["{text8(price)}","{text8(qty)}"]' for price, qty in levels) + "]"


class EngineFeed:
    """Publishes an engine's book. Update ids are contiguous: one per level change."""

    def __init__(self, symbol: str, engine: MatchingEngine, publisher: Publisher, first_id: int) -> None:
        self._symbol = symbol
        self._engine = engine
        self._publisher = publisher
        self._base_id = first_id
        self._seen = engine.changes
        self._flushed_id = self._slow_flushed_id = first_id + engine.changes
        self._pending: tuple[dict[int, None], dict[int, None]] = ({}, {})
        self._slow_pending: tuple[dict[int, None], dict[int, None]] = ({}, {})
        self._best: tuple[int, int, int, int] | None = None
        self._trades: list[Trade] = []
        self.history = TradeHistory()
        self._next_aggregate_id = 1
        lower = symbol.lower()
        self._trade_stream, self._aggregate_stream = f"{lower}@trade", f"{lower}@aggTrade"
        self._ticker_stream = f"{lower}@bookTicker"
        self._depth_stream, self._slow_depth_stream = f"{lower}@depth@100ms", f"{lower}@depth"
        self._partial = [(f"{lower}@depth{size}", size) for size in (5, 10, 20)]

    @property
    def update_id(self) -> int:
        return self._base_id + self._engine.changes

    def traded(self, trade: Trade) -> None:
        self._trades.append(trade)

    def settle(self, now_ns: int) -> None:
        if self._trades:
            self._publish_trades(now_ns)
        engine = self._engine
        if engine.changes == self._seen:
            return
        self._seen = engine.changes
        for side in (BUY, SELL):
            if engine.touched[side]:
                self._pending[side].update(engine.touched[side])
                engine.touched[side].clear()
        if self._publisher.wanted(self._ticker_stream):
            self._publish_ticker()

    def flush(self, now_ns: int, *, slow: bool) -> None:
        bids, asks = self._pending
        if bids or asks:
            self._slow_pending[BUY].update(bids)
            self._slow_pending[SELL].update(asks)
            if self._publisher.wanted(self._depth_stream):
                self._publish_diff(self._depth_stream, self._pending, self._flushed_id + 1, now_ns)
            self._publish_partial("@100ms")
            self._flushed_id = self.update_id
            bids.clear()
            asks.clear()
        if slow and (self._slow_pending[BUY] or self._slow_pending[SELL]):
            if self._publisher.wanted(self._slow_depth_stream):
                self._publish_diff(
                    self._slow_depth_stream, self._slow_pending, self._slow_flushed_id + 1, now_ns
                )
            self._publish_partial("")
            self._slow_flushed_id = self.update_id
            self._slow_pending[BUY].clear()
            self._slow_pending[SELL].clear()

    def snapshot(self, limit: int) -> tuple[int, Levels, Levels]:
        sides = self._engine.sides
        return self.update_id, sides[BUY].levels(limit), sides[SELL].levels(limit)

    def best(self) -> tuple[int, int, int, int]:
        bids, asks = self._engine.sides
        bid, ask = bids.best() or 0, asks.best() or 0
        return bid, bids.quantity(bid), ask, asks.quantity(ask)

    def _publish_trades(self, now_ns: int) -> None:
        now_ms = now_ns // NANOS_PER_MS
        wanted = self._publisher.wanted(self._trade_stream)
        for trade in self._trades:
            maker = trade.taker_side == SELL
            self.history.add(PublicTrade(trade.trade_id, trade.price, trade.qty, now_ns, maker))
            if wanted:
                self._publisher.publish(
                    self._trade_stream,
                    f'{{"e":"trade","E":{now_ms},"s":"{self._symbol}","t":{trade.trade_id},"p":"{text8(trade.price)}"'
                    f',"q":"{text8(trade.qty)}","T":{now_ms},"m":{"true" if maker else "false"},"M":true}}',
                )
        self._publish_aggregates(now_ns)
        self._trades.clear()

    def _publish_aggregates(self, now_ns: int) -> None:
        """Trades of one taker at one price become one message; ids count whether anybody listens or not."""
        wanted = self._publisher.wanted(self._aggregate_stream)
        index, trades, now_ms = 0, self._trades, now_ns // NANOS_PER_MS
        while index < len(trades):
            first = last = trades[index]
            qty = 0
            while index < len(trades) and trades[index].price == first.price:
                last = trades[index]
                qty += last.qty
                index += 1
            self.history.aggregates.append(
                Aggregate(
                    self._next_aggregate_id,
                    first.price,
                    qty,
                    first.trade_id,
                    last.trade_id,
                    now_ns,
                    first.taker_side == SELL,
                )
            )
            if wanted:
                maker = "true" if first.taker_side == SELL else "false"
                self._publisher.publish(
                    self._aggregate_stream,
                    f'{{"e":"aggTrade","E":{now_ms},"s":"{self._symbol}","a":{self._next_aggregate_id},'
                    f'"p":"{text8(first.price)}","q":"{text8(qty)}","f":{first.trade_id},"l":{last.trade_id},'
                    f'"T":{now_ms},"m":{maker},"M":true}}',
                )
            self._next_aggregate_id += 1

    def _publish_ticker(self) -> None:
        best = self.best()
        if best == self._best:
            return
        self._best = best
        bid, bid_qty, ask, ask_qty = best
        self._publisher.publish(
            self._ticker_stream,
            f'{{"u":{self.update_id},"s":"{self._symbol}","b":"{text8(bid)}","B":"{text8(bid_qty)}"'
            f',"a":"{text8(ask)}","A":"{text8(ask_qty)}"}}',
        )

    def _publish_diff(
        self, stream: str, pending: tuple[dict[int, None], dict[int, None]], first_id: int, now_ns: int
    ) -> None:
        bids, asks = (
            [(price, side.quantity(price)) for price in prices]
            for side, prices in zip(self._engine.sides, pending, strict=True)
        )
        self._publisher.publish(
            stream,
            f'{{"e":"depthUpdate","E":{now_ns // NANOS_PER_MS},"s":"{self._symbol}","U":{first_id},'
            f'"u":{self.update_id},"b":{levels_text(bids)},"a":{levels_text(asks)}}}',
        )

    def _publish_partial(self, suffix: str) -> None:
        for stream, size in self._partial:
            if self._publisher.wanted(stream + suffix):
                update_id, bids, asks = self.snapshot(size)
                self._publisher.publish(
                    stream + suffix,
                    f'{{"lastUpdateId":{update_id},"bids":{levels_text(bids)},"asks":{levels_text(asks)}}}',
                )


def amount(price: int, qty: int) -> int:
    """What ``qty`` at ``price`` is worth, in the quote asset."""
    return price * qty // SCALE


def trade_listed(trade: PublicTrade) -> dict[str, Any]:
    """A public trade as ``trades`` has it."""
    return {
        "id": trade.trade_id,
        "price": text8(trade.price),
        "qty": text8(trade.qty),
        "quoteQty": text8(amount(trade.price, trade.qty)),
        "time": trade.time_ns // NANOS_PER_MS,
        "isBuyerMaker": trade.buyer_is_maker,
        "isBestMatch": True,
    }
