"""The matching engine: against a slow, obviously right reference, and its single rules as tables."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from livestack.simulator.matching import MatchingEngine
from livestack.simulator.orders import BUY, SELL, Expiry, Order, OrderType, Trade

SIDES = (BUY, SELL)
MODES = ("NONE", "EXPIRE_MAKER", "EXPIRE_TAKER", "EXPIRE_BOTH", "DECREMENT", "TRANSFER")

Print = tuple[int, int, int, int, int]
"""Price, quantity, the taker's side, the maker's and the taker's order id (0: the market)."""


@dataclass
class Record:
    """A listener that writes everything down; ``pays`` is what it answers to a triggered stop."""

    trades: list[Trade] = field(default_factory=list)
    expiries: list[tuple[int, str, Expiry | None]] = field(default_factory=list)
    preventions: list[tuple[int, int, int, int]] = field(default_factory=list)
    triggers: list[int] = field(default_factory=list)
    pays: bool = True

    def traded(self, trade: Trade) -> None:
        self.trades.append(trade)

    def expired(self, order: Order) -> None:
        self.expiries.append((order.order_id, order.status, order.expiry))

    def prevented(self, order: Order, counter: Order, qty: int, price: int) -> None:
        self.preventions.append((order.order_id, counter.order_id, qty, price))

    def triggered(self, order: Order) -> bool:
        self.triggers.append(order.order_id)
        return self.pays

    def prints(self) -> list[Print]:
        return [
            (
                trade.price,
                trade.qty,
                trade.taker_side,
                trade.maker.order_id if trade.maker else 0,
                trade.taker.order_id if trade.taker else 0,
            )
            for trade in self.trades
        ]


def make(step: int = 1, scale: int = 1) -> tuple[MatchingEngine, Record]:
    record = Record()
    return MatchingEngine(record, step, scale), record


def order(order_id: int, side: int, kind: str = "limit", account: str = "a", **more: int | str) -> Order:
    """An order by the short name of its kind."""
    order_type = {"market": OrderType.MARKET, "maker": OrderType.LIMIT_MAKER}.get(kind, OrderType.LIMIT)
    if kind in ("ioc", "fok"):
        more["tif"] = kind.upper()
    fields: dict[str, object] = {"type": order_type, **more}
    return Order(order_id=order_id, account=account, symbol="X", client_id=str(order_id), side=side, **fields)  # type: ignore[arg-type]


def merged(prints: Iterable[Print]) -> list[Print]:
    """Neighbouring trades with the market's own quantity at one price are one: how it is cut up is nobody's rule."""
    result: list[Print] = []
    for price, qty, side, maker, taker in prints:
        if result and maker == 0 and (price, side, 0, taker) == (result[-1][0], *result[-1][2:]):
            result[-1] = (price, result[-1][1] + qty, side, 0, taker)
        else:
            result.append((price, qty, side, maker, taker))
    return result


@dataclass(eq=False)
class Entry:
    """Something in the reference's book: an order of ours (``order_id``) or a piece of the market (0)."""

    order_id: int
    account: str
    side: int
    price: int
    left: int
    stp: str = "NONE"
    status: str = "NEW"
    traded: int = 0


class Reference:
    """Price-time priority the slow way: one list in time order, searched from its beginning for every match."""

    def __init__(self) -> None:
        self.book: list[Entry] = []
        self.prints: list[Print] = []

    def first(self, taker: Entry, limit: int | None) -> Entry | None:
        """What ``taker`` meets: the best price that it accepts, of those the earliest."""
        found: Entry | None = None
        for entry in self.book:
            if entry.side == taker.side:
                continue
            better = 1 if taker.side == BUY else -1
            if limit is not None and (entry.price - limit) * better > 0:
                continue
            if found is None or (entry.price - found.price) * better < 0:
                found = entry
        return found

    def enter(self, taker: Entry, kind: str) -> None:
        limit = None if kind == "market" else taker.price
        if kind == "fok" and self.fillable(taker) < taker.left:
            taker.status = "EXPIRED"
            return
        while taker.left and (maker := self.first(taker, limit)) is not None:
            if taker.order_id and maker.account == taker.account and taker.stp != "NONE":
                self.prevent(taker, maker)
            else:
                self.trade(taker, maker)
            self.book = [entry for entry in self.book if entry.left]
        if taker.left and kind in ("limit", "maker"):
            self.book.append(taker)
        elif taker.left:
            taker.status = "EXPIRED"

    def fillable(self, taker: Entry) -> int:
        """The sum of what a taker accepts and would not be prevented from."""
        better = 1 if taker.side == BUY else -1
        return sum(
            entry.left
            for entry in self.book
            if entry.side != taker.side
            and (entry.price - taker.price) * better <= 0
            and (taker.stp == "NONE" or entry.account != taker.account)
        )

    def trade(self, taker: Entry, maker: Entry) -> None:
        qty = min(taker.left, maker.left)
        self.prints.append((maker.price, qty, taker.side, maker.order_id, taker.order_id))
        for entry in (taker, maker):
            entry.left -= qty
            entry.traded += qty
            entry.status = "PARTIALLY_FILLED" if entry.left else "FILLED"

    def prevent(self, taker: Entry, maker: Entry) -> None:
        both = min(taker.left, maker.left)
        off_taker, off_maker = {
            "EXPIRE_MAKER": (0, maker.left),
            "EXPIRE_TAKER": (taker.left, 0),
            "EXPIRE_BOTH": (taker.left, maker.left),
        }.get(taker.stp, (both, both))
        for entry, off in ((taker, off_taker), (maker, off_maker)):
            entry.left -= off
            if not entry.left:
                entry.status = "EXPIRED_IN_MATCH"

    def take_back(self, side: int, price: int, qty: int) -> None:
        """The market cancels: its latest quantity first."""
        for entry in reversed(self.book):
            if entry.order_id == 0 and (entry.side, entry.price) == (side, price):
                off = min(qty, entry.left)
                entry.left -= off
                qty -= off
        self.book = [entry for entry in self.book if entry.left]

    def levels(self, side: int) -> list[tuple[int, int]]:
        totals: dict[int, int] = {}
        for entry in self.book:
            if entry.side == side:
                totals[entry.price] = totals.get(entry.price, 0) + entry.left
        return sorted(totals.items(), reverse=side == BUY)


OPERATIONS = st.lists(
    st.tuples(
        st.sampled_from(["limit", "limit", "maker", "ioc", "fok", "market", "cancel", "amend", "leave"]),
        st.sampled_from(["", "a", "a", "b"]),
        st.sampled_from(SIDES),
        st.integers(98, 102),
        st.integers(1, 9),
        st.sampled_from(MODES),
    ),
    max_size=60,
)


@settings(max_examples=400, deadline=None)
@given(OPERATIONS)
def test_engine_equals_reference(operations: list[tuple[str, str, int, int, int, str]]) -> None:
    """Trades, resting book, statuses and remaining quantities are the reference's after every operation."""
    engine, record = make()
    reference = Reference()
    orders: dict[int, tuple[Order, Entry]] = {}
    for kind, account, side, price, qty, stp in operations:
        if kind == "leave":
            engine.market_cancel(side, price, qty)
            reference.take_back(side, price, qty)
        elif kind in ("cancel", "amend"):
            _change(engine, reference, orders, kind, qty)
        elif account:
            _enter(engine, reference, orders, kind, account, side, price, qty, stp)
        else:
            entry = Entry(0, "", side, price, qty)
            if kind == "market":
                assert qty - _entered(reference, entry, kind) == engine.market_take(side, qty)
            else:
                engine.market_limit(side, price, qty)
                reference.enter(entry, "limit")
        assert merged(reference.prints) == merged(record.prints())
        for one in SIDES:
            assert reference.levels(one) == engine.sides[one].levels(1000)
        for ours, theirs in orders.values():
            assert (theirs.status, theirs.traded) == (ours.status, ours.executed)
            if ours.open:
                assert (theirs.left, True) == (ours.remaining, ours.resting)
    assert list(range(1, len(record.trades) + 1)) == [trade.trade_id for trade in record.trades]
    assert engine.next_trade_id == len(record.trades) + 1


def _entered(reference: Reference, entry: Entry, kind: str) -> int:
    reference.enter(entry, kind)
    return entry.left


def _enter(
    engine: MatchingEngine,
    reference: Reference,
    orders: dict[int, tuple[Order, Entry]],
    kind: str,
    account: str,
    side: int,
    price: int,
    qty: int,
    stp: str,
) -> None:
    entry = Entry(len(orders) + 1, account, side, price, qty, stp)
    would_trade = reference.first(entry, price) is not None
    assert would_trade == engine.crosses(side, price)
    if kind == "maker" and would_trade:
        return
    ours = order(
        entry.order_id, side, kind, account, price=0 if kind == "market" else price, qty=qty, stp=stp
    )
    orders[entry.order_id] = ours, entry
    engine.submit(ours)
    reference.enter(entry, kind)


def _change(
    engine: MatchingEngine,
    reference: Reference,
    orders: dict[int, tuple[Order, Entry]],
    kind: str,
    qty: int,
) -> None:
    """Cancel or make smaller one of the open orders, if there is one."""
    opened = [pair for pair in orders.values() if pair[0].open]
    if not opened:
        return
    ours, entry = opened[qty % len(opened)]
    if kind == "cancel":
        engine.cancel(ours)
        entry.status = "CANCELED"
        reference.book.remove(entry)
    elif qty < entry.left:
        engine.reduce(ours, ours.qty - qty)
        entry.left -= qty


@pytest.mark.parametrize(
    ("stp", "taker", "maker", "traded", "rests"),
    [
        # (status, executed, prevented) of the taker (of 10) and the maker (of 4), what trades with b behind, what rests
        ("NONE", ("FILLED", 10, 0), ("FILLED", 4, 0), [4, 6], []),
        ("EXPIRE_MAKER", ("FILLED", 10, 0), ("EXPIRED_IN_MATCH", 0, 4), [10], []),
        ("EXPIRE_TAKER", ("EXPIRED_IN_MATCH", 0, 10), ("NEW", 0, 0), [], [(100, 14)]),
        ("EXPIRE_BOTH", ("EXPIRED_IN_MATCH", 0, 10), ("EXPIRED_IN_MATCH", 0, 4), [], [(100, 10)]),
        ("DECREMENT", ("FILLED", 6, 4), ("EXPIRED_IN_MATCH", 0, 4), [6], [(100, 4)]),
        ("TRANSFER", ("FILLED", 6, 4), ("EXPIRED_IN_MATCH", 0, 4), [6], [(100, 4)]),
    ],
)
def test_self_trade_prevention(
    stp: str,
    taker: tuple[str, int, int],
    maker: tuple[str, int, int],
    traded: list[int],
    rests: list[tuple[int, int]],
) -> None:
    """Each mode of the taker, against its account's own order of 4 that stands before 10 of another account."""
    engine, record = make()
    own, other, taking = (
        order(1, SELL, price=100, qty=4, stp="EXPIRE_BOTH"),  # the maker's own mode says nothing
        order(2, SELL, account="b", price=100, qty=10),
        order(3, BUY, price=100, qty=10, stp=stp),
    )
    for one in (own, other, taking):
        engine.submit(one)
    assert taker == (taking.status, taking.executed, taking.prevented)
    assert maker == (own.status, own.executed, own.prevented)
    assert traded == [trade.qty for trade in record.trades]
    if stp not in ("NONE", "EXPIRE_MAKER"):
        assert rests == engine.sides[SELL].levels(9)
    for one in (own, taking):
        assert one.expiry == (Expiry.SELF_TRADE if one.status == "EXPIRED_IN_MATCH" else None)
        assert one.prevented == sum(qty for of, _, qty, _ in record.preventions if of == one.order_id)
    assert {(1, 3, 100), (3, 1, 100)} >= {(of, by, price) for of, by, _, price in record.preventions}
    assert [] == record.expiries


def test_decrement_leaves_the_larger_order() -> None:
    """DECREMENT takes the smaller quantity off both; the larger order goes on with the rest in its place."""
    engine, record = make()
    own = order(1, SELL, price=100, qty=10)
    engine.submit(own)
    taking = order(2, BUY, price=100, qty=4, stp="DECREMENT")
    engine.submit(taking)
    assert ("NEW", 6, True) == (own.status, own.remaining, own.resting)
    assert ("EXPIRED_IN_MATCH", 0, False) == (taking.status, taking.remaining, taking.resting)
    assert [(2, 1, 4, 100), (1, 2, 4, 100)] == record.preventions
    assert [(100, 6)] == engine.sides[SELL].levels(9)


def test_fill_or_kill_does_not_count_what_it_may_not_meet() -> None:
    """Our own quantity helps a fill-or-kill order only where self-trades are allowed."""
    for stp, status in (("EXPIRE_MAKER", "EXPIRED"), ("NONE", "FILLED")):
        engine, _ = make()
        engine.submit(order(1, SELL, price=100, qty=4))
        engine.market_limit(SELL, 100, 4)
        taking = order(2, BUY, "fok", price=100, qty=8, stp=stp)
        engine.submit(taking)
        assert status == taking.status
        assert taking.executed == (8 if status == "FILLED" else 0)


@pytest.mark.parametrize("limit", [False, True])
@pytest.mark.parametrize(
    ("loss", "side", "quiet", "trigger"),
    [(True, BUY, 104, 105), (True, SELL, 96, 95), (False, BUY, 96, 95), (False, SELL, 104, 105)],
)
def test_stops_trigger(loss: bool, side: int, quiet: int, trigger: int, limit: bool) -> None:
    """A stop waits outside the book until a trade at or beyond its price, then it works like any order."""
    engine, record = make()
    engine.market_print(BUY, 100, 1)
    name = ("STOP_LOSS" if loss else "TAKE_PROFIT") + ("_LIMIT" if limit else "")
    price = {"price": 200 if side == BUY else 1} if limit else {}
    stop = order(1, side, type=OrderType(name), stop_price=trigger, qty=3, **price)
    assert not engine.would_trigger(stop)
    engine.submit(stop)
    assert ([stop], True, False) == (engine.stops, stop.is_stop, stop.resting)
    engine.market_limit(1 - side, 150 if side == BUY else 50, 2)
    engine.market_print(BUY, quiet, 1)
    assert [] == record.triggers
    engine.market_print(BUY, trigger, 1)
    assert [1] == record.triggers
    assert ([], True, False) == (engine.stops, stop.triggered, stop.is_stop)
    assert 2 == stop.executed
    assert ("PARTIALLY_FILLED" if limit else "EXPIRED") == stop.status
    assert ([(stop.price, 1)] if limit else []) == engine.sides[side].levels(9)
    assert ([] if limit else [(1, "EXPIRED", Expiry.LIQUIDITY)]) == record.expiries


def test_stops_trigger_each_other() -> None:
    """The trades of one triggered stop trigger the next, in the order of their arrival where several are due."""
    engine, record = make()
    for price in (100, 101, 102, 103):
        engine.market_limit(SELL, price, 1)
    for order_id, stop_price in ((1, 101), (2, 100), (3, 100), (4, 200)):
        engine.submit(order(order_id, BUY, type=OrderType.STOP_LOSS, stop_price=stop_price, qty=1))
    assert [] == record.triggers
    engine.market_take(BUY, 1)
    assert [2, 1, 3] == record.triggers
    assert [(100, 0), (101, 2), (102, 1), (103, 3)] == [
        (trade.price, trade.taker.order_id if trade.taker else 0) for trade in record.trades
    ]
    assert [4] == [stop.order_id for stop in engine.stops]


def test_stop_that_cannot_pay() -> None:
    """A stop whose account cannot pay at its trigger expires without a trade; a cancelled one never triggers."""
    engine, record = make()
    record.pays = False
    engine.market_limit(SELL, 101, 5)
    poor, gone = (
        order(order_id, BUY, type=OrderType.STOP_LOSS, stop_price=100, qty=1) for order_id in (1, 2)
    )
    engine.submit(poor)
    engine.submit(gone)
    engine.cancel(gone)
    engine.market_print(BUY, 100, 1)
    assert [1] == record.triggers
    assert [(1, "EXPIRED", Expiry.BALANCE)] == record.expiries
    assert "CANCELED" == gone.status
    assert [] == record.trades
    assert [(101, 5)] == engine.sides[SELL].levels(9)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 50), st.integers(1, 30)), max_size=8),
    st.integers(1, 3000),
    st.sampled_from([1, 2, 5]),
    st.sampled_from(SIDES),
)
def test_budget_orders(levels: list[tuple[int, int]], budget: int, step: int, side: int) -> None:
    """A quote budget is never overspent; one step more, at the last or the next price, would."""
    engine, record = make(step)
    for price, lots in levels:
        engine.market_limit(1 - side, price, lots * step)
    engine.touched[0].clear()
    book = dict(engine.sides[1 - side].levels(99))
    taking = order(1, side, "market", quote_qty=budget)
    engine.submit(taking)
    assert budget >= taking.executed_quote == sum(trade.price * trade.qty for trade in record.trades)
    assert 0 == taking.executed % step
    left = engine.sides[1 - side].levels(1)
    if left:
        last = record.trades[-1].price if record.trades else left[0][0]
        assert max(last, left[0][0]) * step > budget - taking.executed_quote
    else:
        assert sum(book.values()) == taking.executed
    filled = taking.executed > 0 and taking.remaining == 0
    assert ("FILLED" if filled else "EXPIRED") == taking.status


def test_cost_and_affordable() -> None:
    """What a quantity costs and what a budget buys walk the book level by level, without touching it."""
    engine, _ = make(step=2)
    engine.market_limit(SELL, 10, 4)
    engine.submit(order(1, SELL, price=12, qty=6))
    assert [40, 40 + 3 * 12, 40 + 72] == [engine.cost(BUY, qty) for qty in (4, 7, 99)]
    bought = [
        engine.affordable(order(2, BUY, "market", quote_qty=budget)) for budget in (19, 20, 63, 64, 112, 999)
    ]
    assert [0, 2, 4, 6, 10, 12] == bought
    assert [(10, 4), (12, 6)] == engine.sides[SELL].levels(9)


@pytest.mark.parametrize("side", SIDES)
def test_a_captured_quote_fills_what_it_crosses(side: int) -> None:
    """A quote of the past that crosses our orders fills them at their price, best first; the market is left alone."""
    engine, record = make()
    sign = 1 if side == SELL else -1
    engine.market_add(side, 100, 5)
    for order_id, offset in ((1, 1), (2, 0), (3, 3)):
        engine.submit(order(order_id, side, price=100 + sign * offset, qty=2))
    engine.market_add(1 - side, 100 + sign * 2, 7)
    assert [(100, 2, 1 - side, 2, 0), (100 + sign, 2, 1 - side, 1, 0)] == record.prints()
    assert [(100, 5), (100 + sign * 3, 2)] == engine.sides[side].levels(9)
    assert [(100 + sign * 2, 3)] == engine.sides[1 - side].levels(9)


@pytest.mark.parametrize("side", SIDES)
def test_a_captured_trade_meets_the_queue(side: int) -> None:
    """A trade of the past fills our better orders first, then the queue at its price, and no worse level."""
    engine, record = make()
    sign = 1 if side == SELL else -1
    engine.market_add(side, 100, 3)
    engine.submit(order(1, side, price=100, qty=2))
    engine.market_add(side, 100, 4)
    engine.submit(order(2, side, price=100 - sign, qty=1))
    engine.submit(order(3, side, price=100 + sign, qty=1))
    engine.market_print(1 - side, 100, 5)
    assert [(100 - sign, 1, 2), (100, 3, 0), (100, 1, 1)] == [
        (p, q, maker) for p, q, _, maker, _ in record.prints()
    ]
    assert [(100, 5), (100 + sign, 1)] == engine.sides[side].levels(9)
    engine.market_print(1 - side, 100, 99)
    assert [(100 + sign, 1)] == engine.sides[side].levels(9)
    assert 100 == engine.last_price


def test_touched_names_every_changed_level() -> None:
    """Whoever clears ``touched`` and reads the touched levels again has the book: nothing changes unannounced."""
    engine, _ = make()
    known: tuple[dict[int, int], dict[int, int]] = ({}, {})
    resting = order(1, BUY, price=99, qty=8)
    steps = (
        lambda: engine.market_limit(BUY, 99, 5),
        lambda: engine.submit(resting),
        lambda: engine.reduce(resting, 6),
        lambda: engine.market_take(SELL, 7),
        lambda: engine.submit(order(2, SELL, price=99, qty=1, stp="DECREMENT")),
        lambda: engine.market_limit(SELL, 99, 9),
        lambda: engine.market_cancel(SELL, 99, 1),
        lambda: engine.submit(order(3, BUY, price=98, qty=1)),
    )
    for step in steps:
        changes = engine.changes
        step()
        assert engine.changes >= changes + sum(map(len, engine.touched)) > changes
        for side in SIDES:
            for price in engine.touched[side]:
                if quantity := engine.sides[side].quantity(price):
                    known[side][price] = quantity
                else:
                    known[side].pop(price, None)
            engine.touched[side].clear()
            assert known[side] == dict(engine.sides[side].levels(9))
