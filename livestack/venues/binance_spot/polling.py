"""Market data over REST instead of a stream: the same Events, at the pace that the budget allows.

Pure. Belongs to the market-data adapter's thread. Each polled book replaces the one before; a polled quote carries no
update id; a trade is told once, and where more trades happened than one answer holds, that is said.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from livestack.core.events import IncidentClosed, IncidentOpened
from livestack.core.types import ConnectionStatus
from livestack.venues.adapter import Fetch, Fetched
from livestack.venues.binance_spot import messages
from livestack.venues.binance_spot.fetches import Asked, Fetches
from livestack.venues.binance_spot.market_events import MarketInstrument, TradeLine
from livestack.venues.binance_spot.poll_plan import POLL_DEPTH, POLL_QUOTES, POLL_TRADES, PollPlan
from livestack.venues.binance_spot.standing import Standing
from livestack.venues.budget import RequestBudget
from livestack.venues.complaints import Complaints
from livestack.venues.options import VenueOptions

POLLED = "feed_polled"
"""Name of the incident that is open while polling stands in for a stream."""

FAILURES_MAX = 3
"""So many polls of an instrument in a row that brought nothing: what is known of it is not current any more."""

OLDER_MAX = 5
"""So many books in a row older than the one known: the venue's numbers began anew."""

_UNREADABLE = (msgspec.MsgspecError, UnicodeError, RecursionError, ValueError)

_decode_tickers = msgspec.json.Decoder(list[messages.RestTicker] | messages.RestTicker).decode
_decode_trades = msgspec.json.Decoder(list[messages.RestTrade]).decode
_decode_aggregates = msgspec.json.Decoder(list[messages.RestAggregateTrade]).decode


class _Polled:
    """One instrument that is polled. ``why``: what to tell of it."""

    __slots__ = ("book_id", "failures", "instrument", "older", "why")

    def __init__(self, instrument: MarketInstrument, why: str) -> None:
        self.instrument = instrument
        self.why = why
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
        self._has_books = "depth" in options.streams
        self._plan = PollPlan(options.streams, options.depth_levels, options.poll_every_ns, fetches, budget)
        self._standing = standing
        self._complaints = complaints
        self._polled: dict[str, _Polled] = {}
        self._has_incident = False

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
            self._polled[one.symbol] = _Polled(one, why)
        self._changed(now_ns)
        if not self._has_incident and not self._is_alone:
            self._has_incident = True
            self._standing.events.append(
                IncidentOpened(name=POLLED, scope=self._venue, grade="warning", detail=why)
            )

    def end(self, symbols: Iterable[str], now_ns: int) -> None:
        """Their streams are back."""
        gone = [symbol for symbol in symbols if self._polled.pop(symbol, None) is not None]
        if not gone:
            return
        self._changed(now_ns)
        if self._has_incident and not self._polled:
            self._has_incident = False
            self._standing.events.append(
                IncidentClosed(name=POLLED, scope=self._venue, detail="the stream is back")
            )

    def overflowed(self) -> None:
        """The Core has no book any more: the next one is new to it, whatever its id."""
        for one in self._polled.values():
            one.book_id = 0

    def due(self, now_ns: int) -> list[Fetch]:
        return self._plan.due(now_ns) if self._polled else []

    def unanswered(self, asked: Asked, now_ns: int) -> None:
        """No answer will come."""
        self._plan.answered(asked)
        self._failed(asked, "no answer", now_ns)

    def answered(self, asked: Asked, answer: Fetched) -> None:
        """The answer to a poll."""
        self._plan.answered(asked)
        now_ns = answer.recv_ns
        if answer.status != 200:
            detail = f"HTTP status {answer.status} {answer.error}".rstrip()
            self._complaints.add("poll_failed", f"{asked.kind} {asked.symbols[0]}: {detail}", answer.body)
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
            raise ValueError(f"crossed: {snapshot.bids[0][0]} is not below {snapshot.asks[0][0]}")
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
            if not self._has_books:
                self._current(one, now_ns)

    def _trades(
        self,
        one: _Polled,
        line: TradeLine,
        trades: Sequence[messages.RestTrade | messages.RestAggregateTrade],
        now_ns: int,
    ) -> None:
        if not self._has_books:
            self._current(one, now_ns)
        if not trades:
            return
        ticks = sorted(
            [one.instrument.trade(trade, now_ns) for trade in trades], key=lambda tick: tick.trade_id
        )
        if not line.last_id:
            ticks = ticks[-1:]  # what happened before we looked is history
        elif ticks[0].trade_id > line.last_id + 1:
            missed = ticks[0].trade_id - line.last_id - 1
            self._complaints.add("trades_missed", f"{one.instrument.symbol}: {missed} between two polls")
        for tick in ticks:
            line.take(tick, False, self._standing.events)

    def _current(self, one: _Polled, now_ns: int) -> None:
        one.failures = 0
        if not one.instrument.is_live:
            self._standing.live(one.instrument, one.why, now_ns)

    def _failed(self, asked: Asked, detail: str, now_ns: int) -> None:
        if self._has_books and asked.kind != POLL_DEPTH:
            return
        for symbol in asked.symbols:
            one = self._polled.get(symbol)
            if one is not None:
                one.failures += 1
                if one.failures >= FAILURES_MAX:
                    self._standing.lost(
                        one.instrument, ConnectionStatus.SYNCHRONISING, f"polls fail: {detail}", now_ns
                    )

    def _changed(self, now_ns: int) -> None:
        self._plan.change([one.instrument for one in self._polled.values()], now_ns)
