"""A little venue for strategies: it accepts everything, and fills what the market walks into. Seeded."""

from __future__ import annotations

import random
from typing import Any

from livestack.core import events
from livestack.core.runtime import Step
from livestack.core.types import OrderRequest, RequestKind, Side, TimeInForce
from livestack.strategies.loading import load_strategy
from tests.core import support
from tests.core.support import INSTRUMENT, Bench, configuration

LIMITS: dict[str, Any] = {
    "max_order_qty": "1",
    "max_order_notional": {"USDT": "1000"},
    "price_collar_bps": 200,
    "max_position": "1",
    "max_gross_notional": {"USDT": "1000"},
    "max_open_orders": 10,
    "max_intents_per_second": 1_000,
    "max_session_orders": 100_000,
    "max_session_notional": {"USDT": "100000000"},
    "max_session_loss": {"USDT": "1000"},
    "max_unattended_fills": 100_000,
    "max_data_age": "5s",
    "max_resting_data_age": "1m",
    "duplicate_window": "0s",
    "self_trade": "deny",
    "balance": "check",
}


class Market:
    """A bench with a shipped strategy, a price that wanders, and a venue that answers one Event later."""

    def __init__(self, path: str, parameters: dict[str, object], seed: int) -> None:
        self.source = random.Random(seed)
        self.bench = Bench(configuration(risk=LIMITS), load_strategy(path, parameters)).start(quoted=False)
        self.price = 10_000
        self.open: dict[int, OrderRequest] = {}
        self.dispatches: list[OrderRequest] = []
        self.fills = 0

    def run(self, ticks: int) -> None:
        for _ in range(ticks):
            self.price = max(self.price + self.source.choice([-7, -3, -1, 0, 1, 3, 7]), 5_000)
            self.cross()
            self.answer(self.bench.quote(self.price - 1, self.price + 1, wait_ns=200_000_000))
            aggressor = self.source.choices(list(Side), weights=[3, 1] if self.price % 200 < 100 else [1, 3])[
                0
            ]
            trade = events.TradeTick(
                recv_ns=self.bench.ts,
                instrument=INSTRUMENT,
                event_ns=0,
                trade_id=1,
                price=self.price,
                qty=self.source.randrange(1, 50),
                aggressor=aggressor,
            )
            self.answer(self.bench.feed(trade))

    def answer(self, step: Step) -> None:
        for request in step.dispatches:
            self.dispatches.append(request)
            order_id = request.order_id
            if request.kind is RequestKind.NEW:
                self.open[order_id] = request
                self.answer(self.bench.feed(support.accepted(order_id)))
                if request.tif is TimeInForce.IOC:
                    self.fill(order_id, self.price)
            elif order_id not in self.open:
                continue
            elif request.kind is RequestKind.REPLACE:
                self.open[order_id] = request
                event = support.replaced(order_id, request.revision, request.qty, request.price)
                self.answer(self.bench.feed(event))
            else:
                del self.open[order_id]
                self.answer(self.bench.feed(support.cancelled(order_id, revision=request.revision)))

    def cross(self) -> None:
        for order_id, request in list(self.open.items()):
            buys = request.side is Side.BUY
            if order_id in self.open and (
                self.price <= request.price if buys else self.price >= request.price
            ):
                self.fill(order_id, request.price)

    def fill(self, order_id: int, price: int) -> None:
        request = self.open.pop(order_id)
        self.fills += 1
        event = support.fill(order_id, request.qty, self.fills, price=price, side=request.side)
        self.answer(self.bench.feed(event))
