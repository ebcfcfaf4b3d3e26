"""Prevented matches: both sides of one share an id, the next match has its own."""

from __future__ import annotations

from livestack.simulator.binance_spot.records import Records
from livestack.simulator.orders import BUY, SELL, Order, OrderType


def order(number: int, side: int, working_ns: int) -> Order:
    return Order(
        order_id=number,
        account="test",
        symbol="BTCUSDT",
        client_id=str(number),
        side=side,
        type=OrderType.LIMIT,
        stp="DECREMENT",
        working_ns=working_ns,
    )


def test_both_sides_of_a_match_are_one() -> None:
    """The order that began to work last is the taker, a stop that just fired too."""
    records = Records()
    maker, taker = order(9, BUY, 1), order(8, SELL, 5)
    assert 1 == records.prevent(taker, maker, 3, 100, 5)
    assert 1 == records.prevent(maker, taker, 3, 100, 5)
    (match,) = records.prevented
    assert (8, 9, 3, 3) == (match.taker_order_id, match.maker_order_id, match.taker_qty, match.maker_qty)
    assert 1 == maker.prevented_match == taker.prevented_match


def test_the_next_match_has_its_own_id() -> None:
    """Another maker, and the same two once more."""
    records = Records()
    taker = order(3, SELL, 5)
    ids = [records.prevent(taker, order(number, BUY, 1), 1, 100, 5) for number in (1, 2)]
    assert [1, 2, 3] == [*ids, records.prevent(taker, order(2, BUY, 1), 1, 100, 5)]
