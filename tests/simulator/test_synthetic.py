"""The synthetic market on virtual time: the same again from a seed, never crossed, of bounded size."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable

import pytest

from livestack.simulator.matching import MatchingEngine
from livestack.simulator.orders import BUY, SELL, Order, OrderType, Trade
from livestack.simulator.synthetic import (
    CATCH_UP_NS_MAX,
    LEVELS_MAX,
    LEVELS_MIN,
    SyntheticMarket,
    SyntheticSymbol,
)

START_NS = 1_760_000_000_000_000_000
SECOND_NS = 1_000_000_000
TICK, STEP = 10, 5


class Host:
    """A small venue: engines, what they told, and a look at the book after every happening."""

    def __init__(
        self,
        seed: int = 1,
        prices: tuple[int, ...] = (60_000_000,),
        pause_ns: int = SECOND_NS // 1000,
        look: Callable[[MatchingEngine], None] = lambda engine: None,
    ) -> None:
        self.now_ns = START_NS
        self.trades: list[tuple[int, int, int, int, int]] = []
        self.settled: list[tuple[int, str, int]] = []
        self.look = look
        chance = random.Random(seed)
        self.engines = {f"S{index}": MatchingEngine(self, STEP, 1) for index in range(len(prices))}
        symbols = [
            (name, SyntheticSymbol(engine, TICK, STEP, price, 6400, chance))
            for (name, engine), price in zip(self.engines.items(), prices, strict=True)
        ]
        self.market = SyntheticMarket(self, symbols, [pause_ns] * len(prices), chance, START_NS)

    def at(self, now_ns: int) -> None:
        assert now_ns >= self.now_ns
        self.now_ns = now_ns

    def settle(self, symbol: str) -> None:
        engine = self.engines[symbol]
        self.settled.append((self.now_ns, symbol, engine.changes))
        self.look(engine)
        for touched in engine.touched:
            touched.clear()

    def traded(self, trade: Trade) -> None:
        self.trades.append((self.now_ns, trade.trade_id, trade.price, trade.qty, trade.taker_side))

    def expired(self, order: Order) -> None:
        raise AssertionError(order)

    def prevented(self, order: Order, counter: Order, qty: int, price: int) -> None:
        raise AssertionError(order)

    def triggered(self, order: Order) -> bool:
        raise AssertionError(order)

    def run(self, duration_ns: int) -> None:
        """From one due time to the next, as a server does."""
        end_ns = self.now_ns + duration_ns
        while (due_ns := self.market.next_due_ns()) is not None and due_ns <= end_ns:
            self.market.advance(due_ns)
        self.now_ns = end_ns


def test_same_seed_same_market() -> None:
    """The same seed gives the same happenings, trades and books; another seed gives others."""

    def run(seed: int) -> object:
        host = Host(seed, prices=(60_000_000, 4_000))
        host.run(2 * SECOND_NS)
        books = [[side.levels(999) for side in engine.sides] for engine in host.engines.values()]
        return host.trades, host.settled, books

    assert run(5) == run(5)
    assert run(5) != run(6)


def test_steps_do_not_matter() -> None:
    """Advancing in large steps makes the same happenings at the same times as advancing from one to the next."""
    fine, coarse = Host(3), Host(3)
    fine.run(3 * SECOND_NS)
    for tenth in range(1, 31):
        coarse.market.advance(START_NS + tenth * SECOND_NS // 10)
    assert fine.settled == coarse.settled
    assert fine.trades == coarse.trades


@pytest.mark.parametrize("price", [60_000_000, 1_000])
def test_never_crossed_and_bounded(price: int) -> None:
    """Hours of events: bid below ask, sizes bounded, prices on ticks near the start, quantities in steps."""
    sizes = [0, 0]

    def look(engine: MatchingEngine) -> None:
        for side in (BUY, SELL):
            levels = len(engine.sides[side].keys)
            sizes[side] = max(sizes[side], levels)
            assert LEVELS_MIN // 2 < levels == len(engine.sides[side].market)
            assert not engine.sides[side].orders
        bid, ask = (side.best() for side in engine.sides)
        assert bid is not None
        assert ask is not None
        assert 0 < bid < ask
        assert sum(map(len, engine.touched)) <= 4 * LEVELS_MAX

    host = Host(9, (price,), pause_ns=SECOND_NS // 4, look=look)
    host.run(4 * 3600 * SECOND_NS)
    assert len(host.settled) > 50_000
    assert max(sizes) <= LEVELS_MAX
    assert list(range(1, len(host.trades) + 1)) == [trade_id for _, trade_id, *_ in host.trades]
    assert len(host.trades) > 2_000
    for _, _, traded_at, qty, _ in host.trades:
        assert (0, 0) == (traded_at % TICK, qty % STEP)
        assert qty > 0
        assert price // 3 < traded_at < price * 3
    assert {BUY, SELL} == {side for *_, side in host.trades}


def test_our_far_order_does_not_stop_a_full_side() -> None:
    """With an order of ours behind a side's last level the market goes on as without it."""
    plain, ours = Host(2), Host(2)
    far = Order(
        order_id=1,
        account="a",
        symbol="S0",
        client_id="",
        side=BUY,
        type=OrderType.LIMIT,
        price=TICK,
        qty=STEP,
    )
    ours.engines["S0"].submit(far)
    sizes = [0]
    plain.look = lambda engine: sizes.append(len(engine.sides[BUY].keys))
    for host in (plain, ours):
        host.run(60 * SECOND_NS)
    assert LEVELS_MAX == max(sizes)
    assert plain.trades == ours.trades
    engine = ours.engines["S0"]
    assert [*plain.engines["S0"].sides[BUY].levels(999), (TICK, STEP)] == engine.sides[BUY].levels(999)


def test_bursts_and_pauses() -> None:
    """Each symbol happens around its usual pause, in bursts much faster, and one symbol's time is its own."""
    host = Host(4, (60_000_000, 60_000_000), pause_ns=SECOND_NS // 100)
    host.run(60 * SECOND_NS)
    for name in host.engines:
        times = [time_ns for time_ns, symbol, _ in host.settled if symbol == name]
        pauses = [after - before for before, after in itertools.pairwise(times)]
        assert max(pauses) <= SECOND_NS // 100 * 192 // 128 + 1
        assert min(pauses) < SECOND_NS // 400
        assert 60 * 90 < len(times) < 60 * 200


def test_a_host_that_slept() -> None:
    """After a long sleep the market goes on from now, without the flood of what it missed."""
    host = Host(1)
    host.run(SECOND_NS)
    before = len(host.settled)
    late_ns = host.now_ns + 100 * CATCH_UP_NS_MAX
    host.market.advance(late_ns)
    assert before + 1 == len(host.settled)
    due_ns = host.market.next_due_ns()
    assert due_ns is not None
    assert late_ns < due_ns < late_ns + SECOND_NS


def test_no_symbols_nothing_due() -> None:
    """A market without symbols never has anything to do, subscribed or not."""
    host = Host(prices=())
    host.market.subscribed(START_NS)
    host.market.advance(START_NS + SECOND_NS)
    assert host.market.next_due_ns() is None
    assert [] == host.settled
