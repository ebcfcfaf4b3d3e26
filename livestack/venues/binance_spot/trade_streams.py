"""The streams of trades: frames in, trades out; and after an interruption the ones that happened meanwhile, once.

Pure. Belongs to the market-data adapter's thread. A hole behind an interruption is asked for over REST; one answer
holds a thousand. What does not come within two seconds is missing for good, and that is said.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from livestack.venues.adapter import Fetch, Fetched
from livestack.venues.binance_spot import messages
from livestack.venues.binance_spot.fetches import Asked, Fetches
from livestack.venues.binance_spot.market_events import MarketInstrument
from livestack.venues.binance_spot.numbers import percent_encoded
from livestack.venues.binance_spot.poll_plan import AGGREGATES_WEIGHT, TRADES_MAX, TRADES_WEIGHT
from livestack.venues.binance_spot.standing import Standing
from livestack.venues.binance_spot.trade_lines import TRADES_MISSED, TradeLine
from livestack.venues.complaints import Complaints

MISSED_TRADES, MISSED_AGGREGATES = "poll missed trades", "poll missed aggTrades"
KINDS = (MISSED_TRADES, MISSED_AGGREGATES)

WAIT_NS = 2_000_000_000
"""So long do trades wait for those before them."""

AHEAD_MAX = 4_096
"""Trades that wait; more do not."""

AT_ONCE = 2

_UNREADABLE = (msgspec.MsgspecError, UnicodeError, RecursionError, ValueError)

_decode_trades = msgspec.json.Decoder(list[messages.RestTrade]).decode
_decode_aggregates = msgspec.json.Decoder(list[messages.RestAggregateTrade]).decode


class _Gap(msgspec.Struct):
    """What is missing from ``line``, since when that is known, and whether the venue was asked."""

    instrument: MarketInstrument
    line: TradeLine
    since_ns: int
    is_asked: bool = False


class TradeStreams:
    """Trades of every instrument. Whatever is told goes to ``standing``."""

    def __init__(self, fetches: Fetches, standing: Standing, complaints: Complaints) -> None:
        self._fetches = fetches
        self._standing = standing
        self._complaints = complaints
        self._gaps: dict[Asked, _Gap] = {}

    def trade(self, instrument: MarketInstrument, data: messages.Trade, recv_ns: int, is_early: bool) -> None:
        line = instrument.trades
        if data.symbol != instrument.symbol:
            self._complaints.add("unknown_symbol", f"payload is about {data.symbol[:32]!r}")
        elif data.trade_id > line.last_id or line.is_resumed:
            line.take(instrument.trade(data, recv_ns), is_early, self._standing.events)
            if line.is_resumed and line.ahead:
                self._missing(MISSED_TRADES, instrument, line, recv_ns)

    def aggregate(
        self, instrument: MarketInstrument, data: messages.AggregateTrade, recv_ns: int, is_early: bool
    ) -> None:
        line = instrument.aggregates
        if data.symbol != instrument.symbol:
            self._complaints.add("unknown_symbol", f"payload is about {data.symbol[:32]!r}")
        elif data.trade_id > line.last_id or line.is_resumed:
            line.take(instrument.trade(data, recv_ns), is_early, self._standing.events)
            if line.is_resumed and line.ahead:
                self._missing(MISSED_AGGREGATES, instrument, line, recv_ns)

    def taken_over(self, instruments: Iterable[MarketInstrument], now_ns: int) -> None:
        """Their old connection is closed: what it did not bring any more has to be asked for."""
        for one in instruments:
            for kind, line in ((MISSED_TRADES, one.trades), (MISSED_AGGREGATES, one.aggregates)):
                if line.ahead:
                    line.is_resumed = True
                    self._missing(kind, one, line, now_ns)

    def due(self, now_ns: int) -> list[Fetch]:
        """The requests to make now. Whoever has waited long enough goes on without."""
        out: list[Fetch] = []
        room = AT_ONCE - sum(self._fetches.count(kind) for kind in KINDS)
        for asked, gap in list(self._gaps.items()):
            if not gap.line.ahead:
                self._forget(asked)
            elif now_ns - gap.since_ns > WAIT_NS or len(gap.line.ahead) > AHEAD_MAX:
                self._forget(asked)
                self._give_up(gap, 0)
            elif room > 0 and not gap.is_asked:
                fetch = self._ask(asked, gap, now_ns)
                if fetch is not None:
                    gap.is_asked = True
                    room -= 1
                    out.append(fetch)
        return out

    def unanswered(self, asked: Asked) -> None:
        """No answer will come."""
        gap = self._gaps.pop(asked, None)
        if gap is not None:
            self._give_up(gap, 0)

    def answered(self, asked: Asked, answer: Fetched) -> None:
        """What happened meanwhile, as far as one answer holds it."""
        gap = self._gaps.pop(asked, None)
        if gap is None:
            return
        missed = 0
        if answer.status == 200:
            try:
                decode = _decode_trades if asked.kind == MISSED_TRADES else _decode_aggregates
                ticks = [gap.instrument.trade(one, answer.recv_ns) for one in decode(answer.body)]
            except _UNREADABLE as error:
                self._complaints.add("bad_poll", f"{asked.kind} {asked.symbols[0]}: {error}", answer.body)
                ticks = []
            for tick in sorted(ticks, key=lambda one: one.trade_id):
                missed += gap.line.fill(tick, self._standing.events)
        self._give_up(gap, missed)

    def _missing(self, kind: str, instrument: MarketInstrument, line: TradeLine, now_ns: int) -> None:
        asked = Asked(kind, (instrument.symbol,))
        if asked not in self._gaps:
            self._gaps[asked] = _Gap(instrument, line, now_ns)

    def _ask(self, asked: Asked, gap: _Gap, now_ns: int) -> Fetch | None:
        query = f"symbol={percent_encoded(gap.instrument.symbol)}&limit={TRADES_MAX}"
        if asked.kind == MISSED_TRADES:
            return self._fetches.ask(asked, "/api/v3/trades", query, TRADES_WEIGHT, now_ns)
        query += f"&fromId={gap.line.last_id + 1}"
        return self._fetches.ask(asked, "/api/v3/aggTrades", query, AGGREGATES_WEIGHT, now_ns)

    def _forget(self, asked: Asked) -> None:
        del self._gaps[asked]
        self._fetches.abandon(asked)

    def _give_up(self, gap: _Gap, missed: int) -> None:
        """What waited is told, and what is missing is said."""
        missed += gap.line.flush(self._standing.events)
        if missed:
            detail = f"{gap.instrument.symbol}: {missed} during an interruption of the stream"
            self._complaints.add(TRADES_MISSED, detail)
