"""Every book of the feed in step with its stream: snapshots fetched, gaps noticed, doubt told (venues.md 1.3).

Pure. Belongs to the market-data adapter's thread.
"""

from __future__ import annotations

import msgspec

from livestack.core.types import ConnectionStatus
from livestack.venues.adapter import Fetch, Fetched
from livestack.venues.binance_spot import messages
from livestack.venues.binance_spot.book_sync import BookState, SnapshotUse
from livestack.venues.binance_spot.fetches import Fetches
from livestack.venues.binance_spot.market_events import MarketInstrument
from livestack.venues.binance_spot.polling import Poller
from livestack.venues.binance_spot.snapshots import Snapshots
from livestack.venues.binance_spot.standing import Standing
from livestack.venues.complaints import Complaints

_UNREADABLE = (msgspec.MsgspecError, UnicodeError, RecursionError, ValueError)


class Books:
    """``instruments`` by symbol; ``depth_levels`` of a snapshot, a side."""

    def __init__(
        self,
        instruments: dict[str, MarketInstrument],
        depth_levels: int,
        fetches: Fetches,
        standing: Standing,
        poller: Poller,
        complaints: Complaints,
    ) -> None:
        self._instruments = instruments
        self._snapshots = Snapshots(depth_levels, fetches)
        self._standing = standing
        self._poller = poller
        self._complaints = complaints
        self.hasty: list[Fetch] = []
        """Requests for books that were lost just now: whoever takes them empties the list."""

    def forget(self, instrument: MarketInstrument) -> None:
        """Its stream is gone, or begins anew: nothing is wanted until it is confirmed."""
        instrument.restart()
        instrument.book.is_awaited = False
        self._snapshots.forget(instrument.symbol)

    def want(self, instrument: MarketInstrument, now_ns: int) -> None:
        """Its stream is confirmed: a snapshot is of use from now on."""
        self._snapshots.want(instrument.symbol, now_ns)

    def delta(
        self, instrument: MarketInstrument, data: messages.DepthUpdate, recv_ns: int, is_early: bool
    ) -> None:
        """One diff; ``ValueError`` for a number that cannot be."""
        delta = instrument.delta(data, recv_ns)
        book = instrument.book
        before = book.state
        why = book.delta(delta, self._standing.events, is_early)
        if why:
            self._complaints.add("book_lost", f"{instrument.symbol}: {why}")
            self.doubt(instrument, why, recv_ns)
        elif book.state is not before:
            if book.state is BookState.LIVE:
                self._live(instrument, recv_ns)
            else:  # the held snapshot turned out to be older than the stream
                self._snapshots.failed(instrument.symbol, recv_ns)

    def doubt(self, instrument: MarketInstrument, reason: str, now_ns: int) -> None:
        """This book may be wrong: invalid until a new snapshot."""
        instrument.book.invalidate()
        if self._standing.whole is ConnectionStatus.DISCONNECTED:
            return
        if instrument.is_live and not self._poller.polls(instrument.symbol):
            self._standing.lost(instrument, ConnectionStatus.SYNCHRONISING, reason, now_ns)
        self._snapshots.doubted(instrument.symbol, now_ns)
        self.hasty.extend(self.due(now_ns))

    def answered(self, symbol: str, answer: Fetched) -> None:
        """The answer to a request for a snapshot."""
        instrument = self._instruments[symbol]
        instrument.book.is_awaited = False
        self._snapshots.answered(symbol)
        if answer.status != 200:
            detail = f"{symbol}: HTTP status {answer.status} {answer.error}".rstrip()
            self._complaints.add("snapshot_failed", detail, answer.body)
            self._snapshots.failed(symbol, answer.recv_ns)
        elif instrument.book.state is not BookState.LIVE:
            self._install(instrument, answer)

    def unanswered(self, symbol: str, now_ns: int) -> None:
        """No answer will come: another one is asked for."""
        self._instruments[symbol].book.is_awaited = False
        self._snapshots.failed(symbol, now_ns)

    def settle(self, now_ns: int, delivers: frozenset[str] | set[str]) -> None:
        """Snapshots that waited for their stream long enough are current where the stream is known to be there.

        ``delivers``: symbols of which that is known.
        """
        for symbol in self._snapshots.quiet(now_ns):
            if symbol not in delivers:
                continue
            instrument = self._instruments[symbol]
            if instrument.book.settle(self._standing.events):
                self._live(instrument, now_ns)
            else:
                self._complaints.add("bad_snapshot", f"{symbol}: its levels cannot be")
                self._snapshots.failed(symbol, now_ns)

    def waiting(self, now_ns: int) -> list[str]:
        """Symbols whose snapshot waits for nothing but its stream."""
        return self._snapshots.quiet(now_ns)

    def due(self, now_ns: int) -> list[Fetch]:
        """The snapshots to ask for now."""
        out = []
        for symbol, fetch in self._snapshots.due(now_ns):
            self._instruments[symbol].book.is_awaited = True
            out.append(fetch)
        return out

    def _install(self, instrument: MarketInstrument, answer: Fetched) -> None:
        symbol = instrument.symbol
        try:
            snapshot = instrument.snapshot(answer.body, answer.recv_ns)
        except _UNREADABLE as error:
            self._complaints.add("bad_snapshot", f"{symbol}: {error}", answer.body)
            self._snapshots.failed(symbol, answer.recv_ns)
            return
        use, why = instrument.book.snapshot(snapshot, self._standing.events)
        if use is SnapshotUse.INSTALLED:
            self._live(instrument, answer.recv_ns)
        elif use is SnapshotUse.HELD:
            instrument.book.is_awaited = True
            self._snapshots.held(symbol, answer.begun_ns)
        else:
            if use is SnapshotUse.FAULTY:
                self._complaints.add("bad_snapshot", f"{symbol}: {why}", answer.body)
            self._snapshots.failed(symbol, answer.recv_ns)

    def _live(self, instrument: MarketInstrument, now_ns: int) -> None:
        self._snapshots.arrived(instrument.symbol, now_ns)
        self._standing.live(instrument, "book synchronised", now_ns)
        self._poller.end((instrument.symbol,), now_ns)
