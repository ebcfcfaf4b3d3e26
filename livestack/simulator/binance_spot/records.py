"""What an account can ask about later but no order tells: amendments, and matches that were prevented (venues.md 1.4).

Pure. Runs on the venue's thread. Memory is bounded: the oldest are forgotten.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from livestack.simulator.orders import Order

RECORDS_MAX = 100_000


@dataclass(slots=True, frozen=True)
class Amendment:
    """One order's quantity was lowered. Integers of 10**-8."""

    account: str
    symbol: str
    order_id: int
    execution_id: int
    original_client_id: str
    client_id: str
    original_qty: int
    qty: int
    time_ns: int


@dataclass(slots=True)
class PreventedMatch:
    """Two orders of one account met and did not trade; what was taken off each. Integers of 10**-8."""

    match_id: int
    account: str
    symbol: str
    taker_order_id: int
    maker_order_id: int
    stp: str
    price: int
    time_ns: int
    maker_qty: int = 0
    taker_qty: int = 0


class Records:
    """Of all accounts, oldest first."""

    def __init__(self) -> None:
        self.amendments: deque[Amendment] = deque(maxlen=RECORDS_MAX)
        self.prevented: deque[PreventedMatch] = deque(maxlen=RECORDS_MAX)
        self._matches = 0

    def prevent(self, order: Order, counter: Order, qty: int, price: int, now_ns: int) -> int:
        """``qty`` was taken off ``order``, which would have met ``counter``; returns the match's id.

        Both sides of one match come one after the other and share it.
        """
        taker, maker = sorted((order, counter), key=lambda one: (-one.working_ns, -one.order_id))
        last = self.prevented[-1] if self.prevented else None
        told = (taker.order_id, maker.order_id, now_ns, price)
        if (
            last is None
            or told != (last.taker_order_id, last.maker_order_id, last.time_ns, last.price)
            or (last.taker_qty if order is taker else last.maker_qty)
        ):
            self._matches += 1
            last = PreventedMatch(
                self._matches,
                order.account,
                order.symbol,
                taker.order_id,
                maker.order_id,
                taker.stp,
                price,
                now_ns,
            )
            self.prevented.append(last)
        if order is taker:
            last.taker_qty = qty
        else:
            last.maker_qty = qty
        order.prevented_match = last.match_id
        return last.match_id
