"""The markets of a backtest: what a record says is taken over, what a synthetic engine does is published."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from livestack.core.book import Book
from livestack.core.events import BookDelta, BookSnapshot, InputEvent, QuoteTick, TradeTick
from livestack.core.types import Side
from livestack.research.market import Flow, Flush, RecordedMarket, SyntheticMarkets
from livestack.simulator.matching import MatchingEngine
from livestack.simulator.orders import BUY, SELL
from livestack.simulator.synthetic import SyntheticSymbol
from tests.research.venue import DEFINED, INSTRUMENT


class Deaf:
    """Hears an engine and does nothing but keep its trades."""

    def __init__(self) -> None:
        self.trades: list[Any] = []

    def traded(self, trade: Any) -> None:
        self.trades.append(trade)

    def expired(self, order: Any) -> None: ...

    def prevented(self, order: Any, counter: Any, qty: int, price: int) -> None: ...

    def triggered(self, order: Any) -> bool:
        return True


@pytest.fixture
def engine() -> MatchingEngine:
    return MatchingEngine(Deaf(), 1, 1)


def snapshot(bids: Sequence[tuple[int, int]], asks: Sequence[tuple[int, int]]) -> BookSnapshot:
    return BookSnapshot(
        recv_ns=0, instrument=INSTRUMENT, event_ns=0, last_update_id=10, bids=tuple(bids), asks=tuple(asks)
    )


def delta(last: int, bids: Sequence[tuple[int, int]] = (), asks: Sequence[tuple[int, int]] = ()) -> BookDelta:
    return BookDelta(
        recv_ns=0,
        instrument=INSTRUMENT,
        event_ns=0,
        first_update_id=last,
        last_update_id=last,
        bids=tuple(bids),
        asks=tuple(asks),
    )


def quote(update_id: int, bid: int, ask: int, bid_qty: int = 1, ask_qty: int = 1) -> QuoteTick:
    return QuoteTick(
        recv_ns=0,
        instrument=INSTRUMENT,
        event_ns=0,
        update_id=update_id,
        bid=bid,
        bid_qty=bid_qty,
        ask=ask,
        ask_qty=ask_qty,
    )


def trade(trade_id: int, price: int, qty: int, aggressor: Side) -> TradeTick:
    return TradeTick(
        recv_ns=0,
        instrument=INSTRUMENT,
        event_ns=0,
        trade_id=trade_id,
        price=price,
        qty=qty,
        aggressor=aggressor,
    )


def levels(engine: MatchingEngine) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    bids, asks = engine.sides
    return bids.levels(9), asks.levels(9)


def test_a_snapshot_is_the_whole_book(engine: MatchingEngine) -> None:
    """A second one leaves nothing of the first."""
    market = RecordedMarket(engine)
    market.snapshot(snapshot([(100, 5), (99, 7)], [(102, 5)]))
    market.snapshot(snapshot([(100, 3), (98, 1)], [(103, 2)]))
    assert ([(100, 3), (98, 1)], [(103, 2)]) == levels(engine)


def test_deltas_are_absolute(engine: MatchingEngine) -> None:
    """More, less, gone, new."""
    market = RecordedMarket(engine)
    market.snapshot(snapshot([(100, 5), (99, 7)], [(102, 5)]))
    market.delta(delta(11, [(100, 8), (99, 0), (97, 1)], [(102, 2)]))
    assert ([(100, 8), (97, 1)], [(102, 2)]) == levels(engine)


def test_nothing_stands_before_a_quote(engine: MatchingEngine) -> None:
    """Better levels are gone, the touch has its quantity, an empty side is empty; an older quote says nothing."""
    market = RecordedMarket(engine)
    market.snapshot(snapshot([(100, 5), (99, 7)], [(102, 5)]))
    market.quote(quote(9, 98, 101))
    assert ([(100, 5), (99, 7)], [(102, 5)]) == levels(engine)
    market.quote(quote(11, 99, 102, bid_qty=4, ask_qty=0))
    assert ([(99, 4)], []) == levels(engine)


def test_a_delta_that_is_older_than_the_quote_does_not_touch_the_top(engine: MatchingEngine) -> None:
    """The quote of update 15 moved the ask to 104; the delta of update 12 still has 102 and 104: only what is behind
    counts."""
    market = RecordedMarket(engine)
    market.snapshot(snapshot([(100, 5)], [(102, 5), (104, 1)]))
    market.quote(quote(15, 100, 104, bid_qty=5, ask_qty=9))
    market.delta(delta(12, [(101, 1)], [(102, 3), (104, 2), (105, 6)]))
    assert ([(100, 5)], [(104, 9), (105, 6)]) == levels(engine)


def test_a_trade_is_counted_once(engine: MatchingEngine) -> None:
    """5 show, 2 trade, told by two streams with one id: 3 are left, and a delta that says so changes nothing."""
    market = RecordedMarket(engine)
    market.snapshot(snapshot([(100, 5)], [(102, 5)]))
    market.trade(trade(7, 100, 2, Side.SELL))
    market.trade(trade(7, 100, 2, Side.SELL))
    assert [(100, 3)] == levels(engine)[0]
    market.delta(delta(11, [(100, 3)]))
    assert [(100, 3)] == levels(engine)[0]


def test_the_list_of_changes_does_not_grow(engine: MatchingEngine) -> None:
    """Nobody publishes a recorded book, so its changes are forgotten."""
    market = RecordedMarket(engine)
    for number in range(100):
        market.delta(delta(number, [(number + 1, 1)]))
        market.trade(trade(number, number + 1, 2, Side.SELL))
    assert [0, 0] == [len(side) for side in engine.touched]


def test_a_synthetic_market_publishes_what_its_engine_holds() -> None:
    """Whoever follows snapshot and deltas has the engine's book; quotes are its touch; every trade is told."""
    deaf = Deaf()
    engine = MatchingEngine(deaf, 1, 1)
    flow = SyntheticSymbol(engine, 1, 1, 5_000_000, 1_000, random.Random(5))
    markets = SyntheticMarkets([DEFINED], {INSTRUMENT: engine}, {INSTRUMENT: flow}, 3)
    deaf.traded = lambda trade: markets.traded(INSTRUMENT, trade)  # type: ignore[method-assign]
    book = Book()
    opening, *_ = markets.opening(1)
    assert isinstance(opening, BookSnapshot)
    assert "" == book.replace(opening.last_update_id, opening.bids, opening.asks)
    trades, item = 0, Flow(INSTRUMENT)
    first_trade = engine.next_trade_id
    for number in range(20_000):
        published: Sequence[InputEvent] = markets.take(number, item if number % 10 else Flush())
        for event in published:
            trades += isinstance(event, TradeTick)
            if isinstance(event, BookDelta):
                assert "" == book.change(event.first_update_id, event.last_update_id, event.bids, event.asks)
                bids, asks = engine.sides
                assert tuple(bids.levels(500)) == tuple(book.levels(Side.BUY, 0))
                assert tuple(asks.levels(500)) == tuple(book.levels(Side.SELL, 0))
            if isinstance(event, QuoteTick):
                assert (engine.sides[BUY].best(), engine.sides[SELL].best()) == (event.bid, event.ask)
                assert number + 3 == event.recv_ns
    assert trades == engine.next_trade_id - first_trade > 0


def test_what_our_orders_change_is_published_at_once() -> None:
    """``settle`` after a request; a second time there is nothing new."""
    engine = MatchingEngine(Deaf(), 1, 1)
    flow = SyntheticSymbol(engine, 1, 1, 5_000_000, 1_000, random.Random(5))
    markets = SyntheticMarkets([DEFINED], {INSTRUMENT: engine}, {INSTRUMENT: flow}, 0)
    markets.opening(1)
    bid, ask = engine.sides[BUY].best(), engine.sides[SELL].best()
    assert bid is not None
    assert ask is not None
    engine.market_limit(BUY, bid + 1, 1)
    (event,) = markets.settle(2)
    assert isinstance(event, QuoteTick)
    assert (bid + 1, 1, ask) == (event.bid, event.bid_qty, event.ask)
    assert [] == list(markets.settle(3))
    assert msgspec.structs.replace(event, recv_ns=2) == event
