"""Execution records made by hand, as a session of a market maker leaves them; no Core, no journal."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from livestack.wire import records_pb2 as wire

SECOND = 1_000_000_000
START_NS = 1_800_000_000 * SECOND
SESSION = "20270115T080000-test"
INSTRUMENTS = ("binance_spot:BTCUSDT", "binance_spot:ETHUSDT")
MIDDLES = (Decimal(50_000), Decimal(2_500))
QTY = Decimal("0.001")


class Maker:
    """Makes records with keys in order; ``ts`` is theirs until it is set again."""

    def __init__(self, session: str = SESSION) -> None:
        self.seq = 0
        self.ordinal = 0
        self.ts = START_NS
        self.session = session

    def trace(self, instrument: str = "", order_id: int = 0, same: bool = False) -> wire.Trace:
        """Of the next Event, or of the ``same`` one as before."""
        self.ordinal = self.ordinal + 1 if same else 0
        self.seq += not same
        trace = wire.Trace(
            node="test",
            session=self.session,
            seq=self.seq,
            ordinal=self.ordinal,
            ts=self.ts,
            strategy="livestack.strategies.market_maker:MarketMaker",
            strategy_digest="5d" * 32,
            configuration_version=1,
            configuration_digest="c0" * 32,
        )
        if instrument:
            trace.instrument, trace.venue = instrument, instrument.partition(":")[0]
            trace.account = "test"
        if order_id:
            trace.order_id = order_id
        return trace

    def session_record(self, event: str, **fields: Any) -> wire.SessionRecord:
        return wire.SessionRecord(trace=self.trace(), event=event, **fields)

    def control(
        self, event: str, instrument: str = "", detail: str = "{}", **fields: Any
    ) -> wire.ControlRecord:
        return wire.ControlRecord(trace=self.trace(instrument), event=event, detail=detail, **fields)

    def dispatch(self, instrument: str, order_id: int, stage: str, kind: str = "new", **fields: Any) -> Any:
        times = {"admitted_ns": self.ts, "dispatched_ns": self.ts}
        trace = self.trace(instrument, order_id)
        return wire.DispatchRecord(trace=trace, stage=stage, kind=kind, source="strategy", **times, **fields)

    def order(self, instrument: str, order_id: int, status: str, same: bool = False) -> wire.OrderRecord:
        return wire.OrderRecord(
            trace=self.trace(instrument, order_id, same),
            event="Order",
            status=status,
            side="buy",
            type="limit",
            filled_qty="0",
            filled_notional="0",
        )

    def fill(
        self, instrument: str, order_id: int, side: str, price: Decimal, **fields: Any
    ) -> wire.FillRecord:
        values: dict[str, Any] = {"liquidity": "maker", "fee": "0.01", "fee_asset": "USDT", **fields}
        return wire.FillRecord(
            trace=self.trace(instrument, order_id),
            fill_id=self.seq,
            side=side,
            price=f"{price:f}",
            qty=f"{QTY:f}",
            notional=f"{price * QTY:f}",
            recv_ns=self.ts,
            **values,
        )

    def position(self, instrument: str, **fields: Any) -> wire.PositionRecord:
        """With the fill before it."""
        values: dict[str, Any] = {
            "qty": "0",
            "cost": "0",
            "realised": "0",
            "bought_qty": "0",
            "sold_qty": "0",
            "fees": "{}",
            "quote_fees": "0",
            "marked_fees": "0",
            "unrealised": "0",
            "quote_asset": "USDT",
            **fields,
        }
        return wire.PositionRecord(trace=self.trace(instrument, same=True), event="OrderFill", **values)

    def denial(self, rule: str, outcome: str = "denied", detail: str = "") -> wire.DenialRecord:
        return wire.DenialRecord(
            trace=self.trace(INSTRUMENTS[0], 1), kind="new", outcome=outcome, rule=rule, detail=detail or None
        )


def head(maker: Maker) -> Iterator[Any]:
    """What every session begins with."""
    yield maker.session_record("started", wall_ns=START_NS, epoch="AAAAAAAAA")
    for instrument in INSTRUMENTS:
        yield maker.control("FeedStatusChanged", instrument, state="live")
    yield maker.control("TradingStateChanged", state="active", actor="core")


def busy(trades: int, every_ns: int = SECOND) -> Iterator[Any]:
    """A whole session with so many fills, some incidents, denials and commands, and a stop in order."""
    maker = Maker()
    yield from head(maker)
    books = [_Book() for _ in INSTRUMENTS]
    for number in range(trades):
        maker.ts = START_NS + (number + 1) * every_ns
        yield from _trade(maker, books[number % 2], number)
        if number % 7 == 3:
            yield maker.denial(
                ("max_position", "price_band", "rate")[number % 3], detail=f"of order {number}"
            )
        if number % 50 == 49:
            yield maker.denial("replaced", "withdrawn")
        if number % 200 == 60:
            yield _incident(maker, "IncidentOpened", "ship_lag", "warning")
        if number % 200 == 90:
            yield _incident(maker, "IncidentClosed", "ship_lag", None)
        if number % 400 == 150:
            yield maker.control("OperatorCommand", actor="alice", reason="news", state="set_trading_state")
            yield maker.control("TradingStateChanged", state="reducing", actor="alice", reason="news")
        if number % 400 == 180:
            yield maker.control("TradingStateChanged", state="active", actor="alice", reason="calm again")
    yield maker.session_record("stopping", actor="operator")
    yield maker.session_record("stopped", reason="asked to")


def _incident(maker: Maker, event: str, name: str, grade: str | None) -> wire.ControlRecord:
    detail = json.dumps({"name": name, "scope": "local"})
    return maker.control(event, detail=detail, state=name, grade=grade, reason="31 s behind")


class _Book:
    """What a position comes to."""

    def __init__(self) -> None:
        self.qty = Decimal(0)
        self.cash = Decimal(0)
        self.fees = Decimal(0)
        self.bought = Decimal(0)
        self.sold = Decimal(0)


def _trade(maker: Maker, book: _Book, number: int) -> Iterator[Any]:
    which, order_id = number % 2, number + 1
    instrument, drift = INSTRUMENTS[which], Decimal(number * 37 % 101 - 50) / 100
    middle = MIDDLES[which] * (1 + Decimal(number % 331 - 165) / 40_000)
    bid, ask = (middle - 1).quantize(Decimal("0.01")), (middle + 1).quantize(Decimal("0.01"))
    buys = (number // 2 * 13) % 8 < 4
    taker = number % 5 == 0
    quote = {"decision_bid": f"{bid:f}", "decision_ask": f"{ask:f}"}
    yield maker.dispatch(instrument, order_id, "dispatched", **quote)
    answered = 2_000_000 + number * 7919 % 3_000_000 + (40_000_000 if number % 47 == 0 else 0)
    times = {"gate_ns": maker.ts, "send_ns": maker.ts, "answered_ns": maker.ts + answered}
    yield maker.dispatch(instrument, order_id, "answered", **times, **quote)
    if number % 3 == 0:
        cancelled = {**times, "answered_ns": maker.ts + answered // 2}
        yield maker.dispatch(instrument, order_id, "dispatched", "cancel")
        yield maker.dispatch(instrument, order_id, "answered", "cancel", **cancelled)
    side = "buy" if buys else "sell"
    price = (ask if buys is taker else bid) + drift
    fee = (price * QTY / 1000).quantize(Decimal("0.00000001"))
    yield maker.fill(
        instrument, order_id, side, price, liquidity="taker" if taker else "maker", fee=f"{fee:f}"
    )
    signed = QTY if buys else -QTY
    book.qty += signed
    book.cash -= signed * price
    book.fees += fee
    book.bought += QTY * buys
    book.sold += QTY * (not buys)
    yield maker.position(
        instrument,
        qty=f"{book.qty:f}",
        realised=f"{book.cash + book.qty * MIDDLES[which]:f}",
        unrealised=f"{book.qty * (middle - MIDDLES[which]):f}",
        quote_fees=f"{book.fees:f}",
        fees=f'{{"USDT":"{book.fees:f}"}}',
        bought_qty=f"{book.bought:f}",
        sold_qty=f"{book.sold:f}",
    )
    yield maker.order(instrument, order_id, "filled", same=True)
