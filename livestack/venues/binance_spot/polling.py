"""Market data over REST instead of a stream: the same Events, at the pace that the budget allows.

Pure. Belongs to the market-data adapter's thread. Each polled book replaces the one before; a polled quote carries no
update id; a trade is told once, and where more trades happened than one answer holds, that is said.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from livestack.core.incidents import FEED_POLLED
from livestack.core.types import ConnectionStatus
from livestack.venues.adapter import Fetch, Fetched
from livestack.venues.binance_spot import messages
from livestack.venues.binance_spot.fetches import Asked, Fetches
from livestack.venues.binance_spot.market_events import MarketInstrument
from livestack.venues.binance_spot.poll_plan import (
    KINDS,
    POLL_AGGREGATES,
    POLL_DEPTH,
    POLL_QUOTES,
    POLL_TRADES,
    PollPlan,
)
from livestack.venues.binance_spot.standing import Standing
from livestack.venues.binance_spot.trade_lines import TRADES_MISSED, TradeLine
from livestack.venues.budget import RequestBudget
from livestack.venues.complaints import Complaints
from livestack.venues.options import VenueOptions

SILENT = "polls do not come through"

FAILURES_MAX = 3
"""So many polls of an instrument in a row that brought nothing: what is known of it is not current any more."""

OLDER_MAX = 5
"""So many books in a row older than the one known: the venue's numbers began anew."""

VITAL = ("depth", "bookTicker")
"""What an instrument lives by, where it is asked for: its book, else its quote, else any trades."""

_UNREADABLE = (msgspec.MsgspecError, UnicodeError, RecursionError, ValueError)

_decode_tickers = msgspec.json.Decoder(list[messages.RestTicker] | messages.RestTicker).decode
_decode_trades = msgspec.json.Decoder(list[messages.RestTrade]).decode
_decode_aggregates = msgspec.json.Decoder(list[messages.RestAggregateTrade]).decode


class _Polled:
    """One instrument that is polled. ``why``: what to tell of it; ``heard_ns``: when a poll brought what it lives
    by."""

    __slots__ = ("book_id", "failures", "heard_ns", "instrument", "older", "why")

    def __init__(self, instrument: MarketInstrument, why: str, now_ns: int) -> None:
        self.instrument = instrument
        self.why = why
        self.heard_ns = now_ns
        self.book_id = 0
        self.failures = 0
        self.older = 0


class Poller:
    """Polls whoever it was told to. ``is_alone``: there is no stream, so that polling is no incident."""

    def __init__(
        self,
        venue: str,
        options: VenueOptions,
        fetches: Fetches,
        budget: RequestBudget,
        standing: Standing,
        complaints: Complaints,
    ) -> None:
        self._venue = venue
        self._is_alone = options.is_polled
        self._vital = next(KINDS[one] for one in (*VITAL, *options.streams) if one in options.streams)
        self._plan = PollPlan(options.streams, options.depth_levels, options.poll_every_ns, fetches, budget)
        self._standing = standing
        self._complaints = complaints
        self._polled: dict[str, _Polled] = {}
        self._incident = ""
        self._why = ""
        self._cause = ""
        self._is_silent = False

    def polls(self, symbol: str) -> bool:
        return symbol in self._polled

    @property
    def is_active(self) -> bool:
        return bool(self._polled)

    def begin(self, instruments: Iterable[MarketInstrument], why: str, now_ns: int) -> None:
        """``why`` is what everybody is told."""
        added = [one for one in instruments if one.symbol not in self._polled]
        if not added:
            return
        for one in added:
            self._polled[one.symbol] = _Polled(one, why, now_ns)
        self._changed(now_ns)
        if not self._why:
            self._why = why
        self._tell()

    def end(self, symbols: Iterable[str], now_ns: int) -> None:
        """Their streams are back."""
        gone = [symbol for symbol in symbols if self._polled.pop(symbol, None) is not None]
        if not gone:
            return
        self._changed(now_ns)
        if not self._polled:
            self._why, self._is_silent = "", False
            self._tell()

    def tick(self, now_ns: int) -> None:
        """What no poll has brought for long, because it failed or was never sent, is not current any more."""
        late_ns = now_ns - self._plan.stale_ns
        late = [one for one in self._polled.values() if one.heard_ns < late_ns]
        self._is_silent = bool(late)
        for one in late:
            self._lost(one, f"{SILENT}: {self._cause or 'they have to wait'}", now_ns)
        self._tell()

    def _tell(self) -> None:
        """The incident as it is now: that polls stand in for a stream, that they do not come through, or none."""
        detail = "" if self._is_alone else self._why
        if self._is_silent:
            detail = f"{self._why}; {SILENT}"
        if detail == self._incident:
            return
        self._incident = detail
        if detail:
            self._standing.events.append(FEED_POLLED.opened(self._venue, detail))
        else:
            back = "polls come through again" if self._is_alone else "the stream is back"
            self._standing.events.append(FEED_POLLED.closed(self._venue, back))

    def overflowed(self) -> None:
        """The Core has no book any more: the next one is new to it, whatever its id."""
        for one in self._polled.values():
            one.book_id = 0

    def due(self, now_ns: int) -> list[Fetch]:
        return self._plan.due(now_ns) if self._polled else []

    def unanswered(self, asked: Asked, now_ns: int) -> None:
        """No answer will come."""
        self._plan.answered(asked, now_ns, is_good=False)
        self._failed(asked, "no answer", now_ns)

    def answered(self, asked: Asked, answer: Fetched) -> None:
        """The answer to a poll."""
        now_ns = answer.recv_ns
        self._plan.answered(asked, now_ns, is_good=answer.status == 200)
        if answer.status != 200:
            detail = f"HTTP status {answer.status} {answer.error}".rstrip()
            self._complaints.add("poll_failed", f"{detail}: {asked.kind} {asked.symbols[0]}", answer.body)
            self._failed(asked, detail, now_ns)
            return
        if asked.kind == POLL_QUOTES:
            self._quotes(asked, answer)
            return
        one = self._polled.get(asked.symbols[0])
        if one is None:
            return
        try:
            if asked.kind == POLL_DEPTH:
                self._book(one, answer)
            elif asked.kind == POLL_TRADES:
                self._trades(one, one.instrument.trades, _decode_trades(answer.body), now_ns)
            else:
                self._trades(one, one.instrument.aggregates, _decode_aggregates(answer.body), now_ns)
        except _UNREADABLE as error:
            self._complaints.add("bad_poll", f"{asked.kind} {asked.symbols[0]}: {error}", answer.body)
            self._failed(asked, str(error), now_ns)

    def _book(self, one: _Polled, answer: Fetched) -> None:
        snapshot = one.instrument.snapshot(answer.body, answer.recv_ns)
        if snapshot.bids and snapshot.asks and snapshot.bids[0][0] >= snapshot.asks[0][0]:
            raise ValueError(one.instrument.book.crossed(snapshot.bids[0][0], snapshot.asks[0][0]))
        if snapshot.last_update_id < one.book_id and one.older < OLDER_MAX:
            one.older += 1
            return
        one.older = 0
        one.book_id = snapshot.last_update_id
        self._standing.events.append(snapshot)
        self._current(one, answer.recv_ns)

    def _quotes(self, asked: Asked, answer: Fetched) -> None:
        now_ns = answer.recv_ns
        try:
            found = _decode_tickers(answer.body)
        except _UNREADABLE as error:
            self._complaints.add("bad_poll", f"{asked.kind}: {error}", answer.body)
            self._failed(asked, str(error), now_ns)
            return
        tickers = found if isinstance(found, list) else [found]
        for ticker in tickers:
            one = self._polled.get(ticker.symbol)
            if one is None or one.instrument.quoted_ns > answer.begun_ns:
                continue  # nobody's, or the stream has brought a newer one
            try:
                self._standing.events.append(one.instrument.polled_quote(ticker, now_ns))
            except ValueError as error:
                self._complaints.add("bad_poll", f"{asked.kind} {ticker.symbol[:32]}: {error}", answer.body)
                continue
            if self._vital == POLL_QUOTES:
                self._current(one, now_ns)

    def _trades(
        self,
        one: _Polled,
        line: TradeLine,
        trades: Sequence[messages.RestTrade | messages.RestAggregateTrade],
        now_ns: int,
    ) -> None:
        ticks = sorted(
            [one.instrument.trade(trade, now_ns) for trade in trades], key=lambda tick: tick.trade_id
        )
        if self._vital in (POLL_TRADES, POLL_AGGREGATES):
            self._current(one, now_ns)
        if not ticks:
            return
        if line.is_rewound(ticks[-1]):
            line.forget()
        if not line.last_id:
            ticks = ticks[-1:]  # what happened before we looked is history
        missed = sum(line.fill(tick, self._standing.events) for tick in ticks)
        if missed:
            self._complaints.add(TRADES_MISSED, f"{one.instrument.symbol}: {missed} between two polls")

    def _current(self, one: _Polled, now_ns: int) -> None:
        one.failures = 0
        one.heard_ns = now_ns
        self._cause = ""
        if not one.instrument.is_live:
            self._standing.live(one.instrument, one.why, now_ns)

    def _failed(self, asked: Asked, detail: str, now_ns: int) -> None:
        if asked.kind != self._vital:
            return
        self._cause = detail
        for symbol in asked.symbols:
            one = self._polled.get(symbol)
            if one is not None:
                one.failures += 1
                if one.failures >= FAILURES_MAX:
                    self._lost(one, f"polls fail: {detail}", now_ns)

    def _lost(self, one: _Polled, reason: str, now_ns: int) -> None:
        if one.instrument.is_live:
            self._standing.lost(one.instrument, ConnectionStatus.SYNCHRONISING, reason, now_ns)

    def _changed(self, now_ns: int) -> None:
        self._plan.change([one.instrument for one in self._polled.values()], now_ns)
