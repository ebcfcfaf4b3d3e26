"""Every report on an Order of every status, through a whole step: what it becomes, and whether anything halts."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from livestack.core import events
from livestack.core.types import OrderStatus, TradingState
from tests.core import support
from tests.core.support import INSTRUMENT, VENUE, Bench

S, A, P = OrderStatus.SUBMITTED, OrderStatus.ACCEPTED, OrderStatus.PARTIALLY_FILLED
F, C, R = OrderStatus.FILLED, OrderStatus.CANCELLED, OrderStatus.REJECTED
LETTERS = {"S": S, "A": A, "P": P, "F": F, "C": C, "R": R}

# Rows: what is reported, with the fills that we know; columns: what the Order was. The letter is what it is afterwards,
# "!" behind it that the instrument halts and the Order is anomalous.
EXPECTED = {
    #  was S A  P  F C R
    S: "   A A  P  F C R",
    A: "   A A  P  F C R",
    P: "   A A  P  F C R",
    F: "   C C  C  F C R!",
    C: "   C C  C  F C R",
    R: "   R A! P! F! C R",
}


def ordered(status: OrderStatus) -> tuple[Bench, int]:
    """An order of ten that has come to ``status``; 4 filled where partly."""
    bench = Bench().start()
    order_id = bench.buy(qty=10)
    leading: dict[OrderStatus, list[Any]] = {
        S: [],
        A: [support.accepted(order_id)],
        P: [support.accepted(order_id), support.fill(order_id, 4, 1)],
        F: [support.accepted(order_id), support.fill(order_id, 10, 1)],
        C: [support.accepted(order_id), support.cancelled(order_id)],
        R: [support.rejected(order_id)],
    }
    for event in leading[status]:
        bench.feed(event)
    assert status is bench.order(order_id).status
    return bench, order_id


@pytest.mark.parametrize(("reported", "status"), list(itertools.product(OrderStatus, OrderStatus)))
def test_every_report_through_a_step(reported: OrderStatus, status: OrderStatus) -> None:
    """The Order is what the table says, position and cash are untouched, and only a contradiction halts."""
    bench, order_id = ordered(status)
    before = bench.order(order_id).filled_qty
    bench.feed(support.report(order_id, reported, filled_qty=before))
    cell = EXPECTED[reported].split()[status - 1]
    order = bench.order(order_id)
    assert LETTERS[cell[0]] is order.status
    assert ("!" in cell) is order.anomalous
    trading = TradingState.HALTED if "!" in cell else TradingState.ACTIVE
    assert trading is bench.state.control.trading_state(VENUE, INSTRUMENT)
    assert (before, before) == (order.filled_qty, bench.execution.position(INSTRUMENT).qty)
    assert order.is_terminal is (order_id in bench.execution.closed)


@pytest.mark.parametrize("status", [S, A, P])
def test_more_fills_than_we_know_are_fetched(status: OrderStatus) -> None:
    """Whatever status comes with it: nothing is invented, the Order stays open, and the fills are asked for."""
    for reported in (A, P, F, C):
        bench, order_id = ordered(status)
        bench.feed(support.report(order_id, reported, filled_qty=7))
        order = bench.order(order_id)
        assert {S: A, A: A, P: P}[status] is order.status
        assert (4 if status is P else 0) == order.filled_qty
        assert [f"fills {INSTRUMENT} {bench.ts}"] == [one.scope for one in bench.runtime.obligations()]


def test_a_fill_and_a_report_in_either_order() -> None:
    """Filled is reported before or after the fill comes: in the end it is Filled once, and nothing halts."""
    for first_report in (False, True):
        bench, order_id = ordered(A)
        arrivals: list[events.InputEvent] = [
            support.fill(order_id, 10, 1),
            support.report(order_id, F, filled_qty=10),
        ]
        for event in reversed(arrivals) if first_report else arrivals:
            bench.feed(event)
        assert (F, 10, False) == (
            bench.order(order_id).status,
            bench.execution.position(INSTRUMENT).qty,
            bench.order(order_id).anomalous,
        )
