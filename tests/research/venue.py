"""A small venue for tests of the backtest's exchange: one instrument, a recorded market, requests in one line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from livestack.backtest_settings import BacktestSettings
from livestack.core.events import BalanceReport, BookDelta, BookSnapshot, InputEvent, QuoteTick, TradeTick
from livestack.core.types import Amount, OrderRequest, OrderType, RequestKind, RequestSource, Side
from livestack.research.exchange import Exchange
from livestack.research.funds import FeeSchedule, Funds
from livestack.research.market import RecordedMarkets
from livestack.simulator.book import QueueModel
from tests.research.sessions import BTCUSDT

LATENCY_NS = 7
UNIT = 10**18
DEFINED = msgspec.structs.replace(BTCUSDT, notional_min=Amount.of(0))
INSTRUMENT = DEFINED.instrument
"""Prices in cents, quantities in 10**-5: amounts in 10**-7."""

PLENTY = {"BTC": 100 * UNIT, "USDT": 10_000_000 * UNIT}


class Bench:
    """Time goes on by one nanosecond with everything that happens."""

    def __init__(
        self,
        queue: QueueModel = QueueModel.FIFO,
        balances: Mapping[str, int] | None = None,
        defined: Any = DEFINED,
        **settings: Any,
    ) -> None:
        fees = FeeSchedule.of(BacktestSettings(**settings))
        self.funds = Funds("test", PLENTY if balances is None else balances, fees)
        self.exchange = Exchange("binance_spot", [defined], self.funds, queue, LATENCY_NS)
        self.exchange.markets = RecordedMarkets(self.exchange.engines)
        self.now_ns = 0
        self._revisions: dict[int, int] = {}

    def book(self, bids: tuple[tuple[int, int], ...], asks: tuple[tuple[int, int], ...]) -> Bench:
        self.take(
            BookSnapshot(recv_ns=0, instrument=INSTRUMENT, event_ns=0, last_update_id=1, bids=bids, asks=asks)
        )
        return self

    def level(self, side: Side, price: int, qty: int) -> None:
        """The market shows ``qty`` at ``price`` now."""
        levels = ((price, qty),)
        self.take(
            BookDelta(
                recv_ns=0,
                instrument=INSTRUMENT,
                event_ns=0,
                first_update_id=2,
                last_update_id=2,
                bids=levels if side is Side.BUY else (),
                asks=levels if side is Side.SELL else (),
            )
        )

    def quote(self, bid: int, ask: int, bid_qty: int = 10, ask_qty: int = 10) -> None:
        self.take(
            QuoteTick(
                recv_ns=0,
                instrument=INSTRUMENT,
                event_ns=0,
                update_id=9,
                bid=bid,
                bid_qty=bid_qty,
                ask=ask,
                ask_qty=ask_qty,
            )
        )

    def trade(self, aggressor: Side, price: int, qty: int) -> None:
        self.take(
            TradeTick(
                recv_ns=0,
                instrument=INSTRUMENT,
                event_ns=0,
                trade_id=0,
                price=price,
                qty=qty,
                aggressor=aggressor,
            )
        )

    def take(self, event: InputEvent) -> None:
        self.now_ns += 1
        self.exchange.take(self.now_ns, event)

    def send(self, kind: RequestKind, order_id: int, **fields: Any) -> OrderRequest:
        """A request as the Core would make it."""
        before = self._revisions.get(order_id, 0)
        self._revisions[order_id] = before + 1
        target = f"AAAAAAAAA-{order_id}-{before}" if before else ""
        values: dict[str, Any] = {
            "kind": kind,
            "venue": "binance_spot",
            "instrument": INSTRUMENT,
            "order_id": order_id,
            "revision": before + 1,
            "client_id": f"AAAAAAAAA-{order_id}-{before + 1}",
            "source": RequestSource.STRATEGY,
            "target_client_id": target,
            **fields,
        }
        request = OrderRequest(**values)
        self.now_ns += 1
        self.exchange.request(self.now_ns, request)
        return request

    def new(self, order_id: int, side: Side, qty: int, price: int = 0, **fields: Any) -> OrderRequest:
        fields.setdefault("type", OrderType.LIMIT if price else OrderType.MARKET)
        return self.send(RequestKind.NEW, order_id, side=side, qty=qty, price=price, **fields)

    def told(self) -> list[InputEvent]:
        """What is on its way to the node, balances left out; taken."""
        answers = self.exchange.replies.answers
        events = [event for _, event in answers if not isinstance(event, BalanceReport)]
        answers.clear()
        return events

    def kinds(self) -> list[str]:
        return [type(event).__name__ for event in self.told()]

    def filled(self) -> int:
        """Quantity of the fills that are on their way; taken."""
        return sum(getattr(event, "qty", 0) for event in self.told() if type(event).__name__ == "OrderFill")
