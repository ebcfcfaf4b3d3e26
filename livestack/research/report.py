"""What a report says of a session: execution records, one after another, into figures, curves and distributions.

Pure; exact until somebody draws it. Memory is bounded by the number of instruments, venues and open orders, not by the
session's length. Any one thread.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from decimal import Decimal
from heapq import heappush, heappushpop
from typing import Any, Final

import msgspec

from livestack.research.report_measures import EXACT, Curve, Distribution, Sample, minus, plus, times
from livestack.research.report_timeline import Timeline
from livestack.wire import records_pb2 as wire

CLOSED_ORDERS_MAX: Final = 10_000
"""Orders that have ended and whose quotes are kept all the same: a venue may tell of a fill late."""

WORST_FILLS: Final = 20
RULES_MAX: Final = 100
OTHER_RULES: Final = "all others"
FINAL: Final = {"filled", "cancelled", "rejected"}
ZERO: Final = Decimal(0)
MILLI_BASIS_POINTS: Final = 10_000_000
"""Slippage is counted in thousandths of a basis point of the quote."""


class Worst(msgspec.Struct, frozen=True, order=True):
    """A fill, ordered by what it cost against the quote; ``number`` makes that order whole."""

    slippage: int
    number: int
    ts: int
    seq: int
    instrument: str
    order_id: int
    side: str
    liquidity: str
    price: str
    quote: str
    qty: str


class Fills(msgspec.Struct):
    """Of one instrument and liquidity. ``cost``: of all fills whose quote is known, against it, in the quote asset."""

    count: int = 0
    notional: Decimal = ZERO
    slippage: Distribution = msgspec.field(default_factory=Distribution)
    cost: Decimal = ZERO


class Holding(msgspec.Struct):
    """One instrument: its position as the last record tells it, and how it came there.

    ``marks``: of fills: when, the position after it, whether it was a buy.
    """

    quote_asset: str = ""
    qty: Decimal = ZERO
    realised: Decimal = ZERO
    unrealised: Decimal = ZERO
    fees_in_quote: Decimal = ZERO
    bought: Decimal = ZERO
    sold: Decimal = ZERO
    average_price: str = ""
    fees: str = "{}"
    curve: Curve = msgspec.field(default_factory=Curve)
    marks: Sample[tuple[int, Decimal, bool]] = msgspec.field(default_factory=Sample)

    @property
    def net(self) -> Decimal:
        return minus(self.realised, self.fees_in_quote)


class Result(msgspec.Struct):
    """One quote asset, over all instruments; ``net``: after fees; ``total``: with what is open at its marks."""

    realised: Curve = msgspec.field(default_factory=Curve)
    net: Curve = msgspec.field(default_factory=Curve)
    total: Curve = msgspec.field(default_factory=Curve)
    last: tuple[Decimal, Decimal, Decimal] = (ZERO, ZERO, ZERO)


class Denials(msgspec.Struct):
    """Of one rule; ``first``: what it said then."""

    denied: int = 0
    withdrawn: int = 0
    first: str = ""


class Answers(msgspec.Struct):
    """Requests of one kind at one venue; ``latency``: from the last byte written to the answer's arrival.

    ``overtaken``: what ended it was a fill of the whole order, and no answer.
    """

    dispatched: int = 0
    failed: int = 0
    overtaken: int = 0
    latency: Distribution = msgspec.field(default_factory=Distribution)


class Findings:
    """Takes every record of a session in order of (seq, ordinal)."""

    def __init__(self) -> None:
        self.count = 0
        self.trace = wire.Trace()
        self.first = (0, 0)
        self.last = (0, 0)
        self.started_wall_ns = 0
        self.resumed = 0
        self.ended: wire.SessionRecord | None = None
        self.orders = 0
        self.holdings: dict[str, Holding] = {}
        self.results: dict[str, Result] = {}
        self.fills: dict[tuple[str, str], Fills] = {}
        self.without_quote = 0
        self.worst: list[Worst] = []
        self.answers: dict[tuple[str, str], Answers] = {}
        self.denials: dict[str, Denials] = {}
        self.timeline = Timeline()
        self._quotes: dict[int, tuple[str, str]] = {}
        self._closed: OrderedDict[int, tuple[str, str]] = OrderedDict()
        self._take: dict[type[Any], Callable[[Any], None]] = {
            wire.OrderRecord: self._order,
            wire.FillRecord: self._fill,
            wire.PositionRecord: self._position,
            wire.DispatchRecord: self._dispatch,
            wire.DenialRecord: self._denial,
            wire.ControlRecord: self.timeline.take_control,
            wire.SessionRecord: self._session,
        }

    @classmethod
    def of(cls, records: Iterable[Any]) -> Findings:
        """What ``records`` come to."""
        findings = cls()
        for record in records:
            findings.take(record)
        return findings

    def take(self, record: Any) -> None:
        """One record; those that no part of a report is about are not counted either."""
        take = self._take.get(type(record))
        if take is None:
            return
        trace = record.trace
        if not self.count:
            self.first = (trace.seq, trace.ts)
        self.last = (trace.seq, trace.ts)
        self.count += 1
        self.trace = trace
        take(record)

    @property
    def fill_count(self) -> int:
        return sum(one.count for one in self.fills.values())

    @property
    def denial_count(self) -> int:
        return sum(one.denied for one in self.denials.values())

    def volumes(self) -> dict[str, Decimal]:
        """Notional of the fills, by quote asset."""
        found: dict[str, Decimal] = {}
        for (instrument, _), fills in self.fills.items():
            asset = self.holding(instrument).quote_asset
            found[asset] = plus(found.get(asset, ZERO), fills.notional)
        return found

    def fees(self) -> dict[str, Decimal]:
        """What was paid, by the asset that it was paid in."""
        found: dict[str, Decimal] = {}
        for holding in self.holdings.values():
            for asset, amount in msgspec.json.decode(holding.fees, type=dict[str, str]).items():
                found[asset] = plus(found.get(asset, ZERO), Decimal(amount))
        return found

    def holding(self, instrument: str) -> Holding:
        holding = self.holdings.get(instrument)
        if holding is None:
            holding = self.holdings[instrument] = Holding()
            self._from_zero(holding.curve)
        return holding

    def _from_zero(self, curve: Curve) -> None:
        """What is there from the beginning was nothing then; of a session whose beginning is not there nobody knows."""
        if self.first[0] == 1:
            curve.add(self.first[1], ZERO)

    def _order(self, record: wire.OrderRecord) -> None:
        order_id = record.trace.order_id
        if record.status in FINAL and order_id in self._quotes:
            self._closed[order_id] = self._quotes.pop(order_id)
            if len(self._closed) > CLOSED_ORDERS_MAX:
                self._closed.popitem(last=False)

    def _dispatch(self, record: wire.DispatchRecord) -> None:
        key = (record.trace.venue, record.kind)
        answers = self.answers.get(key)
        if answers is None:
            answers = self.answers[key] = Answers()
        if record.stage == "dispatched":
            answers.dispatched += 1
            self.orders += record.kind == "new"
            if record.kind != "cancel":
                self._quotes[record.trace.order_id] = (record.decision_bid, record.decision_ask)
        elif record.stage == "failed":
            answers.failed += 1
        elif record.stage == "answered" and record.outcome == "OrderFill" and record.kind != "new":
            answers.overtaken += 1
        elif record.stage == "answered" and record.HasField("send_ns") and record.HasField("answered_ns"):
            # On one machine an answer can be there before the call that wrote the request has returned.
            answers.latency.add(max(record.answered_ns - record.send_ns, 0))

    def _fill(self, record: wire.FillRecord) -> None:
        trace = record.trace
        key = (trace.instrument, record.liquidity)
        fills = self.fills.get(key)
        if fills is None:
            fills = self.fills[key] = Fills()
        fills.count += 1
        fills.notional = plus(fills.notional, Decimal(record.notional))
        # The position's record comes with the same Event: the mark stands where the position then is.
        holding = self.holding(trace.instrument)
        qty, price = Decimal(record.qty), Decimal(record.price)
        after = plus(holding.qty, qty) if record.side == "buy" else minus(holding.qty, qty)
        holding.marks.add((trace.ts, after, record.side == "buy"))
        bid, ask = self._quotes.get(trace.order_id) or self._closed.get(trace.order_id) or ("", "")
        quote = ask if record.side == "buy" else bid
        if not quote or not Decimal(quote):
            self.without_quote += 1
            return
        reference = Decimal(quote)
        worse = minus(price, reference) if record.side == "buy" else minus(reference, price)
        slippage = int(EXACT.divide_int(times(worse, Decimal(MILLI_BASIS_POINTS)), reference))
        fills.slippage.add(slippage)
        fills.cost = plus(fills.cost, times(worse, qty))
        self._rank(record, slippage, quote)

    def _rank(self, record: wire.FillRecord, slippage: int, quote: str) -> None:
        trace = record.trace
        worst = Worst(
            slippage=slippage,
            number=-self.count,
            ts=trace.ts,
            seq=trace.seq,
            instrument=trace.instrument,
            order_id=trace.order_id,
            side=record.side,
            liquidity=record.liquidity,
            price=record.price,
            quote=quote,
            qty=record.qty,
        )
        if len(self.worst) < WORST_FILLS:
            heappush(self.worst, worst)
        else:
            heappushpop(self.worst, worst)

    def _position(self, record: wire.PositionRecord) -> None:
        holding = self.holding(record.trace.instrument)
        before = (holding.realised, holding.net, plus(holding.net, holding.unrealised))
        holding.quote_asset = record.quote_asset
        holding.qty = Decimal(record.qty)
        holding.realised = Decimal(record.realised)
        holding.unrealised = Decimal(record.unrealised)
        holding.fees_in_quote = plus(Decimal(record.quote_fees), Decimal(record.marked_fees))
        holding.bought, holding.sold = Decimal(record.bought_qty), Decimal(record.sold_qty)
        holding.average_price, holding.fees = record.average_price, record.fees
        ts = record.trace.ts
        holding.curve.add(ts, holding.qty)
        after = (holding.realised, holding.net, plus(holding.net, holding.unrealised))
        result = self.results.get(record.quote_asset)
        if result is None:
            result = self.results[record.quote_asset] = Result()
            for curve in (result.realised, result.net, result.total):
                self._from_zero(curve)
        realised, net, total = (
            plus(sum_, minus(now, then)) for sum_, now, then in zip(result.last, after, before, strict=True)
        )
        result.last = (realised, net, total)
        for curve, value in zip((result.realised, result.net, result.total), result.last, strict=True):
            curve.add(ts, value)

    def _denial(self, record: wire.DenialRecord) -> None:
        rule = record.rule
        if rule not in self.denials and len(self.denials) >= RULES_MAX:
            rule = OTHER_RULES
        denials = self.denials.get(rule)
        if denials is None:
            denials = self.denials[rule] = Denials(
                first=", ".join(filter(None, (record.detail, record.inputs)))
            )
        if record.outcome == "withdrawn":
            denials.withdrawn += 1
        else:
            denials.denied += 1

    def _session(self, record: wire.SessionRecord) -> None:
        self.timeline.take_session(record)
        if record.event == "started":
            self.started_wall_ns = record.wall_ns
        elif record.event == "resumed":
            self.resumed += 1
            self.ended = None
        elif record.event == "stopped":
            self.ended = record
