"""The Order lifecycle, every pair of status and happening, and the report table."""

from __future__ import annotations

import itertools

import pytest

from livestack.core.orders import (
    LIFECYCLE,
    REPORTS,
    TERMINAL,
    Effect,
    Happening,
    Order,
    ReportEffect,
    open_order,
)
from livestack.core.types import OrderRequest, OrderStatus, RequestKind, RequestSource

S, A, P = OrderStatus.SUBMITTED, OrderStatus.ACCEPTED, OrderStatus.PARTIALLY_FILLED
F, C, R = OrderStatus.FILLED, OrderStatus.CANCELLED, OrderStatus.REJECTED


def make(status: OrderStatus) -> Order:
    request = OrderRequest(
        kind=RequestKind.NEW,
        venue="v",
        instrument="v:S",
        order_id=1,
        revision=1,
        client_id="c",
        source=RequestSource.STRATEGY,
        qty=10,
        price=5,
    )
    order = open_order(request, 1, 10)
    order.status = status
    return order


# What the venue may do and what must come of it, said a second time: letters as above, "-" stay, "L" late, "!" illegal.
EXPECTED = {
    #                             S A P F C R
    Happening.ACCEPTED: "         A - - - - !",
    Happening.REJECTED: "         R ! ! ! ! -",
    Happening.NOT_THERE: "        R ! ! ! ! -",
    Happening.FILLED_PARTLY: "    P P P L L L",
    Happening.FILLED_WHOLLY: "    F F F L L L",
    Happening.CANCELLED: "        C C C ! - !",
    Happening.REPLACED: "         A A P ! ! !",
    Happening.CANCEL_REJECTED: "  - - - - - -",
    Happening.REPLACE_REJECTED: " - - - - - -",
}
MEANING = {"-": Effect.STAY, "L": Effect.LATE, "!": Effect.ILLEGAL, "A": A, "P": P, "F": F, "C": C, "R": R}


@pytest.mark.parametrize(("happening", "status"), list(itertools.product(Happening, OrderStatus)))
def test_every_pair(happening: Happening, status: OrderStatus) -> None:
    """Each (status, happening) has one row; the Order moves, stays, or is marked anomalous, and terminal is final."""
    letter = EXPECTED[happening].split()[status - 1]
    order = make(status)
    outcome = order.happen(happening, 7)
    assert MEANING[letter] == outcome == LIFECYCLE[happening][status]
    assert (outcome in (Effect.LATE, Effect.ILLEGAL)) == order.anomalous
    assert (outcome if isinstance(outcome, OrderStatus) else status) == order.status
    if status in TERMINAL:
        assert status == order.status


# Columns: what we know; rows: what the venue reports, all its fills known to us. "c" confirm, "x" close, "-" stale, "!"
# contradiction.
EXPECTED_REPORTS = {
    #      S A P F C R
    S: "   c c c - - -",
    A: "   c c c - - -",
    P: "   c c c - - -",
    F: "   x x x - - !",
    C: "   x x x - - -",
    R: "   x ! ! ! - -",
}
REPORTED = {
    "c": ReportEffect.CONFIRM,
    "x": ReportEffect.CLOSE,
    "-": ReportEffect.STALE,
    "!": ReportEffect.CONTRADICTION,
}


@pytest.mark.parametrize(("reported", "status"), list(itertools.product(OrderStatus, OrderStatus)))
def test_every_report(reported: OrderStatus, status: OrderStatus) -> None:
    """Each (reported, known) status has one row; a closed Order is never opened again."""
    effect = REPORTS[reported][status]
    assert REPORTED[EXPECTED_REPORTS[reported].split()[status - 1]] is effect
    if status in TERMINAL:
        assert effect in (ReportEffect.STALE, ReportEffect.CONTRADICTION)


def test_whole_by_quantity_and_by_quote_quantity() -> None:
    """An order by quote quantity is whole when the rest does not buy another step."""
    order = make(A)
    order.filled_qty = 10
    assert order.is_whole(5, 1)
    order.qty, order.quote_qty, order.filled_notional = 0, 103, 100
    assert (True, False) == (order.is_whole(5, 1), order.is_whole(3, 1))
