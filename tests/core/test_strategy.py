"""The View: it shows State, and nothing can be written through it."""

from __future__ import annotations

from typing import Any

import pytest

from livestack.core.types import Side
from tests.core import support
from tests.core.support import INSTRUMENT, VENUE, Bench


def viewed() -> tuple[Bench, Any, int]:
    bench = Bench().start()
    order_id = bench.buy(qty=10)
    bench.feed(support.accepted(order_id))
    bench.feed(support.fill(order_id, 4, 1))
    return bench, bench.runtime._view, order_id


def test_the_view_shows_state() -> None:
    """Market, orders, positions, balances, time."""
    bench, view, order_id = viewed()
    book = view.book(INSTRUMENT)
    assert (10_000, 50, 10_010, 50, True, False) == (
        book.bid,
        book.bid_qty,
        book.ask,
        book.ask_qty,
        book.live,
        book.valid,
    )
    assert (4, 39_960, bench.ts) == (view.position(INSTRUMENT).qty, view.position(INSTRUMENT).cost, view.ts)
    assert [(order_id, 6)] == [(one.order_id, one.leaves_qty) for one in view.open_orders(INSTRUMENT)]
    assert (True, False, False) == (view.is_open(order_id), view.is_inflight(order_id), view.is_pending(order_id))
    assert (10**17, None) == (view.balance(VENUE, "USDT").free, view.balance(VENUE, "X"))
    assert ((INSTRUMENT,), 2) == (view.instruments, view.instrument(INSTRUMENT).price_decimals)
    assert [] == list(book.levels(Side.BUY))
    with pytest.raises(KeyError):
        view.book("sim:NONE")


def test_nothing_can_be_written_through_it() -> None:
    """Not on the view, nor on anything that it hands out, nor by calling a method of it."""
    bench, view, order_id = viewed()
    digest = bench.state.digest()
    targets: list[tuple[Any, str]] = [
        (view, "ts"),
        (view, "x"),
        (view.book(INSTRUMENT), "bid"),
        (view.position(INSTRUMENT), "qty"),
        (view.order(order_id), "status"),
        (view.open_orders()[0], "price"),
        (view.balance(VENUE, "USDT"), "free"),
        (view.instrument(INSTRUMENT), "price_tick"),
        (view.configuration, "risk"),
        (view.position(INSTRUMENT).fees["BNB"], "amount"),
    ]
    for target, name in targets:
        with pytest.raises((AttributeError, TypeError)):
            setattr(target, name, 1)
    with pytest.raises(TypeError):
        view.position(INSTRUMENT).fees["X"] = 1
    with pytest.raises(AttributeError, match="cannot be called"):
        view.position(INSTRUMENT).trade(Side.BUY, 1, 1)
    assert digest == bench.state.digest()


def test_deadlines_are_integers_and_bounded() -> None:
    """A float deadline and a thousand and one of them are the strategy's failure."""
    _, view, _ = viewed()
    with pytest.raises(TypeError, match="integer"):
        view.wake_at("x", 1.5)
    for number in range(1_000):
        view.wake_at(f"n{number}", 1)
    with pytest.raises(OverflowError, match="deadlines"):
        view.wake_at("one more", 1)


def test_order_ids_count_up() -> None:
    """Each draw is the next number; the oldest unused are forgotten beyond the limit."""
    bench, view, order_id = viewed()
    assert [order_id + 1, order_id + 2] == [view.next_order_id(), view.next_order_id()]
    for _ in range(10_001):
        view.next_order_id()
    assert 10_000 == len(bench.execution.drawn)
