"""A captured market played back: the public streams are exactly what was captured; our orders fill against it, unseen.

Pure. Runs on the venue's thread. Playback begins with the first subscription. Two pictures of each symbol are kept: the
public book (captured snapshot plus diffs, nothing else) and, in the engine, what is left of it for us: what our orders
took stays taken until the market itself changes that level.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from livestack.simulator.binance_spot.feed import Levels, Publisher
from livestack.simulator.binance_spot.history import Aggregate, PublicTrade, TradeHistory
from livestack.simulator.binance_spot.numbers import parse8
from livestack.simulator.capture import CapturedStream
from livestack.simulator.market import MarketHost
from livestack.simulator.matching import MatchingEngine
from livestack.simulator.orders import BUY, SELL, Trade

SPEED_SCALE = 1000  # speeds are thousandths of the original one; 0 is as fast as possible


class CapturedSnapshot(msgspec.Struct):
    """A ``depth`` answer."""

    lastUpdateId: int
    bids: list[tuple[str, str]]
    asks: list[tuple[str, str]]


class _Frame(msgspec.Struct):
    """A frame of the combined stream; ``data`` stays the captured text."""

    stream: str
    data: msgspec.Raw


class CapturedFeed:
    """The public side of one captured symbol."""

    def __init__(self, engine: MatchingEngine, snapshot: CapturedSnapshot) -> None:
        self._engine = engine
        self._snapshot = snapshot
        self._snapshot_levels = (_parsed(snapshot.bids), _parsed(snapshot.asks))
        self._book: tuple[dict[int, int], dict[int, int]] = (
            dict(self._snapshot_levels[BUY]),
            dict(self._snapshot_levels[SELL]),
        )
        self._shown: tuple[dict[int, int], dict[int, int]] = ({}, {})
        self._update_id = snapshot.lastUpdateId
        self._ticker: tuple[int, int, int, int] | None = None
        self.history = TradeHistory()
        self._served = False
        self.playing = False
        for side in (BUY, SELL):
            for price, qty in self._snapshot_levels[side]:
                self._show(side, price, qty)

    def traded(self, trade: Trade) -> None:
        """Ours are private: a captured market does not know them."""

    def settle(self, now_ns: int) -> None:
        for side in self._engine.touched:
            side.clear()

    def flush(self, now_ns: int, *, slow: bool) -> None:
        """Nothing: the captured diffs are the only ones."""

    def snapshot(self, limit: int) -> tuple[int, Levels, Levels]:
        """The captured answer to whoever asks first, as it was then; afterwards the book of this moment."""
        if not self._served or self._update_id == self._snapshot.lastUpdateId:
            self._served = self.playing
            bids, asks = self._snapshot_levels
            return self._snapshot.lastUpdateId, bids[:limit], asks[:limit]
        bids = sorted(self._book[BUY].items(), reverse=True)
        asks = sorted(self._book[SELL].items())
        return self._update_id, bids[:limit], asks[:limit]

    def best(self) -> tuple[int, int, int, int]:
        if self._ticker is not None:
            return self._ticker
        bids, asks = self._snapshot_levels
        return *(bids[0] if bids else (0, 0)), *(asks[0] if asks else (0, 0))

    # -- what was captured -----------------------------------------------------------------------------------------

    def diff(self, data: Mapping[str, Any]) -> None:
        if data["u"] <= self._update_id:
            return
        self._update_id = data["u"]
        for side, levels in ((BUY, data["b"]), (SELL, data["a"])):
            for price, qty in _parsed(levels):
                if qty:
                    self._book[side][price] = qty
                else:
                    self._book[side].pop(price, None)
                self._show(side, price, qty)

    def ticker(self, data: Mapping[str, Any]) -> None:
        """A new top of the book: nothing stands before it any more."""
        bid, bid_qty = parse8(data["b"]), parse8(data["B"])
        ask, ask_qty = parse8(data["a"]), parse8(data["A"])
        self._ticker = (bid, bid_qty, ask, ask_qty)
        if data["u"] <= self._snapshot.lastUpdateId:
            return
        for price in [price for price in self._shown[BUY] if price > bid]:
            self._show(BUY, price, 0)
        for price in [price for price in self._shown[SELL] if price < ask]:
            self._show(SELL, price, 0)
        self._show(BUY, bid, bid_qty)
        self._show(SELL, ask, ask_qty)

    def trade(self, data: Mapping[str, Any], now_ns: int) -> None:
        price, qty, buyer_is_maker = parse8(data["p"]), parse8(data["q"]), bool(data["m"])
        self.history.add(PublicTrade(data["l"], price, qty, now_ns, buyer_is_maker), data["f"])
        self.history.aggregates.append(
            Aggregate(data["a"], price, qty, data["f"], data["l"], now_ns, buyer_is_maker)
        )
        maker_side, taker_side = (BUY, SELL) if buyer_is_maker else (SELL, BUY)
        shown = self._shown[maker_side]
        if price in shown:
            shown[price] = max(shown[price] - qty, 0)
        self._engine.market_print(taker_side, price, qty)

    def _show(self, side: int, price: int, qty: int) -> None:
        """The market shows ``qty`` at ``price`` now: hand the difference to the engine."""
        shown = self._shown[side]
        before = shown.get(price, 0)
        if qty:
            shown[price] = qty
        else:
            shown.pop(price, None)
            self._engine.market_cancel(side, price, self._engine.sides[side].market.get(price, 0))
        if qty > before:
            self._engine.market_add(side, price, qty - before)
        elif qty:
            self._engine.market_cancel(side, price, before - qty)


class CapturedMarket:
    """Plays one captured stream. ``speed`` in thousandths of the original pace, 0: everything at once."""

    def __init__(
        self,
        host: MarketHost,
        publisher: Publisher,
        feeds: Mapping[str, CapturedFeed],
        stream: CapturedStream,
        speed: int,
    ) -> None:
        self._host = host
        self._publisher = publisher
        self._feeds = feeds
        self._messages = stream.messages
        self._opened_ns = stream.opened_ns
        self._speed = speed
        self._started_ns: int | None = None
        self._next = 0

    def subscribed(self, now_ns: int) -> None:
        if self._started_ns is None:
            self._started_ns = now_ns
            for feed in self._feeds.values():
                feed.playing = True

    def next_due_ns(self) -> int | None:
        if self._started_ns is None or self._next >= len(self._messages):
            return None
        if not self._speed:
            return self._started_ns
        elapsed_ns = self._messages[self._next].recv_ns - self._opened_ns
        return self._started_ns + elapsed_ns * SPEED_SCALE // self._speed

    def advance(self, now_ns: int) -> None:
        while (due_ns := self.next_due_ns()) is not None and due_ns <= now_ns:
            message = self._messages[self._next]
            self._next += 1
            self._host.at(due_ns)
            frame = msgspec.json.decode(message.text, type=_Frame)
            symbol = frame.stream.partition("@")[0].upper()
            if symbol in self._feeds:
                self._play(self._feeds[symbol], frame, due_ns)
                self._host.settle(symbol)

    def _play(self, feed: CapturedFeed, frame: _Frame, now_ns: int) -> None:
        kind = frame.stream.partition("@")[2]
        text = bytes(frame.data).decode()
        data = msgspec.json.decode(frame.data)
        if kind.startswith("depth"):
            feed.diff(data)
        elif kind == "bookTicker":
            feed.ticker(data)
        elif kind == "aggTrade":
            feed.trade(data, now_ns)
            self._publish_trade(data)
        self._publisher.publish(frame.stream, text)

    def _publish_trade(self, data: Mapping[str, Any]) -> None:
        """An aggregate of a single trade says all that the trade stream would have said."""
        if data["f"] != data["l"]:
            return
        trade = {"e": "trade", "E": data["E"], "s": data["s"], "t": data["l"], "p": data["p"], "q": data["q"]}
        trade.update(T=data["T"], m=data["m"], M=data["M"])
        self._publisher.publish(f"{data['s'].lower()}@trade", msgspec.json.encode(trade).decode())


def _parsed(levels: list[tuple[str, str]]) -> Levels:
    return [(parse8(price), parse8(qty)) for price, qty in levels]
