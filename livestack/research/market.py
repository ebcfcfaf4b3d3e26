"""The two kinds of market that a backtest has: one that was recorded, and a synthetic one that our orders move.

Pure, integers only; runs on the caller's thread. A *recorded* market is a fact: its Events reach the node unchanged,
and what they say of quantities and trades is taken over into the engines, where only our own orders match against
it. What our orders took stays taken until the market itself changes that level; nobody else sees them. A *synthetic*
market trades in the engine itself, ours among the others, and what changes there becomes Market Events as a venue
would publish them: trades and best prices at once, the book's changes every 100 ms.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from livestack.core.events import (
    BookDelta,
    BookSnapshot,
    FeedStatusChanged,
    InputEvent,
    InstrumentDefined,
    QuoteTick,
    TradeTick,
)
from livestack.core.types import ConnectionStatus, Side
from livestack.simulator.matching import MatchingEngine
from livestack.simulator.orders import BUY, SELL, Trade
from livestack.simulator.synthetic import SyntheticSymbol

SIDES = {BUY: Side.BUY, SELL: Side.SELL}
ENGINE_SIDES = {Side.BUY: BUY, Side.SELL: SELL}


class Flow:
    """A synthetic symbol's next happening. ``divisor``: of the usual pause until the one after it."""

    __slots__ = ("divisor", "instrument")

    def __init__(self, instrument: str) -> None:
        self.instrument = instrument
        self.divisor = 1


class Flush:
    """A synthetic market publishes the changes of its books."""

    __slots__ = ()


Item = InputEvent | Flow | Flush
"""What a history consists of: Events that happened, or happenings for the venue to let happen at their time."""


class Markets(Protocol):
    """The public side of the simulated venue."""

    def take(self, now_ns: int, item: Item) -> Sequence[InputEvent]:
        """Let the next item of the history happen; returns what the venue publishes."""

    def settle(self, now_ns: int) -> Sequence[InputEvent]:
        """Our requests may have changed a book; returns what the venue publishes of that."""

    def traded(self, instrument: str, trade: Trade) -> None:
        """An engine matched something."""


# -- recorded -------------------------------------------------------------------------------------------------------


class RecordedMarkets:
    """Takes recorded Events over into ``engines`` (by instrument)."""

    def __init__(self, engines: Mapping[str, MatchingEngine]) -> None:
        self._markets = {instrument: RecordedMarket(engine) for instrument, engine in engines.items()}

    def take(self, now_ns: int, item: Item) -> Sequence[InputEvent]:
        kind = type(item)
        if kind is QuoteTick:
            self._markets[item.instrument].quote(item)  # type: ignore[union-attr,arg-type]
        elif kind is BookDelta:
            self._markets[item.instrument].delta(item)  # type: ignore[union-attr,arg-type]
        elif kind is TradeTick:
            self._markets[item.instrument].trade(item)  # type: ignore[union-attr,arg-type]
        elif kind is BookSnapshot:
            self._markets[item.instrument].snapshot(item)  # type: ignore[union-attr,arg-type]
        return (item,)  # type: ignore[return-value]

    def settle(self, now_ns: int) -> Sequence[InputEvent]:
        return ()

    def traded(self, instrument: str, trade: Trade) -> None:
        """Ours are private: a market that has happened does not know them."""


class RecordedMarket:
    """One instrument: what the record shows at each price, handed to the engine as differences."""

    def __init__(self, engine: MatchingEngine) -> None:
        self._engine = engine
        self._shown: tuple[dict[int, int], dict[int, int]] = ({}, {})
        self._book_id = 0
        self._quote: QuoteTick | None = None
        self._trade_id = 0

    def snapshot(self, event: BookSnapshot) -> None:
        """The whole book: whatever it does not have is gone."""
        self._book_id, self._quote = event.last_update_id, None
        for side, levels in ((BUY, event.bids), (SELL, event.asks)):
            named = dict(levels)
            for price in [price for price in self._shown[side] if price not in named]:
                self._show(side, price, 0)
            for price, qty in levels:
                self._show(side, price, qty)

    def delta(self, event: BookDelta) -> None:
        """Changed levels. Where a newer quote has been seen, levels at its prices and before them are older news."""
        self._book_id = event.last_update_id
        quote = self._quote
        if quote is not None and quote.update_id > event.last_update_id:
            for price, qty in event.bids:
                if price < quote.bid:
                    self._show(BUY, price, qty)
            for price, qty in event.asks:
                if price > quote.ask:
                    self._show(SELL, price, qty)
        else:
            for price, qty in event.bids:
                self._show(BUY, price, qty)
            for price, qty in event.asks:
                self._show(SELL, price, qty)

    def quote(self, event: QuoteTick) -> None:
        """A new top of the book: nothing stands before it any more. An older one than the book says nothing."""
        if event.update_id and event.update_id < self._book_id:
            return
        self._quote = event
        bid, ask = event.bid, event.ask
        bids, asks = self._engine.sides
        if event.bid_qty:
            if bids.keys and -bids.keys[0] > bid:
                self._clear_before(BUY, bid)
            self._show(BUY, bid, event.bid_qty)
        elif bids.keys:
            self._clear_before(BUY, None)
        if event.ask_qty:
            if asks.keys and asks.keys[0] < ask:
                self._clear_before(SELL, ask)
            self._show(SELL, ask, event.ask_qty)
        elif asks.keys:
            self._clear_before(SELL, None)

    def trade(self, event: TradeTick) -> None:
        """Ours that the taker must have met first fill.

        Ids only go up: where single and aggregate trades are both there, the aggregates (of lower ids) are left out.
        """
        if event.trade_id and event.trade_id <= self._trade_id:
            return
        self._trade_id = event.trade_id
        taker = ENGINE_SIDES[event.aggressor]
        price, shown = event.price, self._shown[1 - taker]
        left = max(shown.get(price, 0) - event.qty, 0)
        self._engine.market_print(taker, price, event.qty)
        self._forget_touched()
        if price in shown:
            if left:
                shown[price] = left
            else:
                del shown[price]
            held = self._engine.sides[1 - taker].market.get(price, 0)
            if (
                held > left
            ):  # what ours took of this trade the record's own orders did not get: they are gone all the same
                self._engine.market_cancel(1 - taker, price, held - left)

    def _clear_before(self, side: int, price: int | None) -> None:
        """What the record had at better prices than ``price`` (None: at any) is gone; orders of ours stay."""
        book = self._engine.sides[side]
        limit = None if price is None else price * book.sign
        better = []
        for key in book.keys:
            if limit is not None and key >= limit:
                break
            if key * book.sign in book.market:
                better.append(key * book.sign)
        for gone in better:
            self._show(side, gone, 0)

    def _show(self, side: int, price: int, qty: int) -> None:
        """The record shows ``qty`` at ``price`` now: hand the difference to the engine."""
        shown = self._shown[side]
        before = shown.get(price, 0)
        if qty == before:
            return
        if qty:
            shown[price] = qty
        else:
            del shown[price]
        engine = self._engine
        book = engine.sides[side]
        if engine.stops or engine.sides[1 - side].orders or price in book.orders:
            if qty > before:
                engine.market_add(side, price, qty - before)
            else:
                engine.market_cancel(side, price, before - qty)
            self._forget_touched()
        elif qty > before:  # nothing of ours can be concerned: the book alone changes
            book.add_market(price, qty - before)
        else:
            held = book.market.get(price, 0)
            if held:
                book.remove_market(price, min(before - qty, held), front=False)

    def _forget_touched(self) -> None:
        """Nobody publishes these books' changes, so nobody else clears the list of them."""
        bids, asks = self._engine.touched
        bids.clear()
        asks.clear()


# -- synthetic ------------------------------------------------------------------------------------------------------


class SyntheticMarkets:
    """Lets ``flows`` happen in their engines and publishes it. Frames arrive ``feed_latency_ns`` after they left."""

    def __init__(
        self,
        definitions: Sequence[InstrumentDefined],
        engines: Mapping[str, MatchingEngine],
        flows: Mapping[str, SyntheticSymbol],
        feed_latency_ns: int,
    ) -> None:
        self._flows = flows
        self._public = {
            one.instrument: PublicSide(one, engines[one.instrument], feed_latency_ns) for one in definitions
        }

    def take(self, now_ns: int, item: Item) -> Sequence[InputEvent]:
        published: list[InputEvent] = []
        if type(item) is Flow:
            item.divisor = self._flows[item.instrument].happen()
            self._public[item.instrument].settle(now_ns, published)
        elif type(item) is Flush:
            for public in self._public.values():
                public.flush(now_ns, published)
        else:
            published.append(item)  # type: ignore[arg-type]
        return published

    def settle(self, now_ns: int) -> Sequence[InputEvent]:
        published: list[InputEvent] = []
        for public in self._public.values():
            public.settle(now_ns, published)
        return published

    def traded(self, instrument: str, trade: Trade) -> None:
        self._public[instrument].trades.append(trade)

    def opening(self, now_ns: int) -> list[InputEvent]:
        """Books and feed states as a feed begins with them."""
        published: list[InputEvent] = [public.snapshot(now_ns) for public in self._public.values()]
        venues = dict.fromkeys(public.venue for public in self._public.values())
        scopes = [(venue, "") for venue in venues]
        scopes += [(public.venue, instrument) for instrument, public in self._public.items()]
        for venue, instrument in scopes:
            published.append(
                FeedStatusChanged(
                    recv_ns=now_ns,
                    venue=venue,
                    instrument=instrument,
                    status=ConnectionStatus.LIVE,
                    reason="book synchronised" if instrument else "subscribed",
                )
            )
        return published


class PublicSide:
    """One instrument's engine as its public feed. Update ids are contiguous: one per level change."""

    def __init__(self, definition: InstrumentDefined, engine: MatchingEngine, feed_latency_ns: int) -> None:
        self.venue = definition.venue
        self.trades: list[Trade] = []
        self._instrument = definition.instrument
        self._engine = engine
        self._latency_ns = feed_latency_ns
        self._seen = self._flushed = engine.changes
        self._best: tuple[int, int, int, int] | None = None
        self._pending: tuple[dict[int, None], dict[int, None]] = ({}, {})

    def snapshot(self, now_ns: int) -> BookSnapshot:
        bids, asks = self._engine.sides
        for touched in self._engine.touched:
            touched.clear()
        self._seen = self._flushed = self._engine.changes
        self.trades.clear()
        return BookSnapshot(
            recv_ns=now_ns,
            instrument=self._instrument,
            event_ns=now_ns,
            last_update_id=self._flushed,
            bids=tuple(bids.levels(len(bids.keys))),
            asks=tuple(asks.levels(len(asks.keys))),
        )

    def settle(self, now_ns: int, published: list[InputEvent]) -> None:
        """Trades since the last call, and the best prices where they changed."""
        engine = self._engine
        if engine.changes == self._seen:
            return
        self._seen = engine.changes
        published.extend([self._tick(trade, now_ns) for trade in self.trades])
        self.trades.clear()
        for pending, touched in zip(self._pending, engine.touched, strict=True):
            pending.update(touched)
            touched.clear()
        bids, asks = engine.sides
        bid, ask = bids.best() or 0, asks.best() or 0
        best = bid, bids.quantity(bid), ask, asks.quantity(ask)
        if best == self._best:
            return
        self._best = best
        published.append(
            QuoteTick(
                recv_ns=now_ns + self._latency_ns,
                instrument=self._instrument,
                event_ns=now_ns,
                update_id=engine.changes,
                bid=bid,
                bid_qty=best[1],
                ask=ask,
                ask_qty=best[3],
            )
        )

    def flush(self, now_ns: int, published: list[InputEvent]) -> None:
        """What changed since the last call, as one delta of absolute quantities."""
        engine = self._engine
        if engine.changes == self._flushed:
            return
        bids, asks = (
            tuple([(price, side.quantity(price)) for price in prices])
            for side, prices in zip(engine.sides, self._pending, strict=True)
        )
        published.append(
            BookDelta(
                recv_ns=now_ns + self._latency_ns,
                instrument=self._instrument,
                event_ns=now_ns,
                first_update_id=self._flushed + 1,
                last_update_id=engine.changes,
                bids=bids,
                asks=asks,
            )
        )
        self._flushed = engine.changes
        for pending in self._pending:
            pending.clear()

    def _tick(self, trade: Trade, now_ns: int) -> TradeTick:
        return TradeTick(
            recv_ns=now_ns + self._latency_ns,
            instrument=self._instrument,
            event_ns=now_ns,
            trade_id=trade.trade_id,
            price=trade.price,
            qty=trade.qty,
            aggressor=SIDES[trade.taker_side],
        )
