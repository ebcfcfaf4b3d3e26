"""Order entry over REST has no private stream: what happens to the orders has to be asked for, again and again.

Pure; belongs to the order-entry adapter's thread. One round is fills, then open orders, of the instruments that had an
order of ours lately, then balances. Rounds are as close to each other as the budget lets them be for hours on end: a
burst that uses up the minute would be blind for the rest of it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from livestack.venues.binance_spot.calls import Calls
from livestack.venues.binance_spot.handshake import Step
from livestack.venues.binance_spot.opening import Opening
from livestack.venues.binance_spot.orders import KnownOrders, OrderInstrument
from livestack.venues.binance_spot.private_messages import Reply
from livestack.venues.binance_spot.reconcile import Reconciliation
from livestack.venues.binance_spot.routes import OPEN_ORDERS, OPEN_ORDERS_OF_ALL, TRADES
from livestack.venues.budget import SHARES, WINDOW_NS, Purpose, RequestBudget

ROUND_NS: Final = 2_000_000_000
"""From the beginning of a round to the next one's, where the budget allows that."""

LATELY_NS: Final = 60_000_000_000
"""An instrument without an open order is looked at for so long after the last request about one."""

BALANCES: Final = 20

FAILURES_MAX: Final = 3
"""So many rounds in a row without an answer, and what is known may be anything: reconcile anew."""


class RestWatch:
    """``lost(reason)``: REST gives no answers."""

    def __init__(
        self,
        instruments: Mapping[str, OrderInstrument],
        calls: Calls,
        opening: Opening,
        orders: KnownOrders,
        reconciliation: Reconciliation,
        budget: RequestBudget,
        lost: Callable[[str], None],
    ) -> None:
        self._instruments = instruments
        self._calls = calls
        self._opening = opening
        self._orders = orders
        self._reconciliation = reconciliation
        self._budget = budget
        self._lost = lost
        self._steps: deque[Step] = deque()
        self._round = 0
        self._is_asking = False
        self._next_ns = 0
        self._failures = 0

    def begin(self) -> None:
        """LIVE over REST: the first round is due in a moment."""
        self.end()
        self._failures = 0
        self._next_ns = self._calls.now_ns + ROUND_NS

    def end(self) -> None:
        """Another path is in use; answers under way are applied, and followed by nothing."""
        self._round += 1
        self._is_asking = False
        self._steps.clear()

    def tick(self) -> None:
        now_ns = self._calls.now_ns
        if self._is_asking or now_ns < self._next_ns:
            return
        watched = [one for one in self._instruments.values() if self._is_watched(one.name)]
        self._steps = deque(partial(self._opening.missed_fills, one) for one in watched)
        if watched:
            self._steps.append(partial(self._reconciliation.all_open_orders, watched))
        self._steps.append(self._reconciliation.balances)
        weight = len(watched) * TRADES + min(len(watched) * OPEN_ORDERS, OPEN_ORDERS_OF_ALL) + BALANCES
        # Half of what may be used for this: some of it is used by others.
        share = max(self._budget.weight_max * SHARES[Purpose.UPKEEP] // 200, 1)
        self._next_ns = now_ns + max(ROUND_NS, weight * WINDOW_NS // share)
        self._round += 1
        self._is_asking = True
        self._next()

    def _is_watched(self, instrument: str) -> bool:
        touched_ns = self._opening.requested.get(instrument, -LATELY_NS)
        return self._calls.now_ns - touched_ns < LATELY_NS or bool(self._orders.open_orders(instrument))

    def _next(self) -> None:
        if not self._steps:
            self._is_asking = False
            self._failures = 0
            return
        number = self._round

        def answered(reply: Reply) -> None:
            if number != self._round:
                return
            if reply.is_ok:
                self._next()
                return
            self._is_asking = False
            self._steps.clear()
            self._failures += reply.status == 0 or reply.status >= 500
            if self._failures >= FAILURES_MAX:
                self._failures = 0
                self._lost("REST gives no answers")

        self._steps.popleft()(answered)
