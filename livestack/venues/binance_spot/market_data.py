"""The market-data adapter: combined streams in, canonical Market Events out, every book in step (venues.md 1.2, 1.3).

Pure; belongs to the reader thread of the feed's connection. One frame is decoded once: the stream's name is cut out of
its head, which chooses the typed decoder. What cannot be used is counted and complained about, and a book that it
could have made wrong is invalid from that moment until a new snapshot.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from livestack.core.events import Event, FeedStatusChanged, InstrumentDefined, VenueBackoff
from livestack.core.types import ConnectionStatus
from livestack.venues.adapter import Complaint, Fetch, Fetched, HostRequest
from livestack.venues.binance_spot import messages
from livestack.venues.binance_spot.book_sync import BookState, SnapshotUse
from livestack.venues.binance_spot.market_events import MarketInstrument
from livestack.venues.binance_spot.snapshots import Snapshots, retry_after_ns
from livestack.venues.binance_spot.subscriptions import Subscriptions
from livestack.venues.complaints import Complaints
from livestack.venues.session import SessionState, Signal

DEPTH_LIMIT = 5_000
"""Levels a side of a snapshot: the most the venue gives; what lies behind stays unknown until it changes."""

STREAM_FRAME_BYTES_MAX = 1 << 20
"""A diff of all 5 000 levels of both sides is below 400 KB."""

_HEAD = b'{"stream":"'
_DEPTH = "depth@100ms"
_STREAM_NAMES = {"depth": _DEPTH, "bookTicker": "bookTicker", "trade": "trade", "aggTrade": "aggTrade"}
_UNREADABLE = (msgspec.MsgspecError, UnicodeError, RecursionError)
_DECODE_ERRORS = (*_UNREADABLE, ValueError)

_decode_any = msgspec.json.Decoder(messages.AnyFrame).decode


class _Route:
    """Where frames of one stream go. ``is_book``: a lost one makes a book wrong."""

    __slots__ = ("decode", "instrument", "is_book", "take")

    def __init__(
        self,
        instrument: MarketInstrument,
        decode: Callable[[bytes], Any],
        take: Callable[[MarketInstrument, Any, int], None],
        is_book: bool,
    ) -> None:
        self.instrument = instrument
        self.decode = decode
        self.take = take
        self.is_book = is_book


class BinanceMarketData:
    """Implements :class:`~livestack.venues.adapter.MarketDataAdapter`.

    ``streams``: any of ``depth``, ``bookTicker``, ``trade``, ``aggTrade``; ``depth_limit`` levels a side of a snapshot.
    """

    def __init__(
        self,
        venue: str,
        instruments: Sequence[InstrumentDefined],
        streams: Sequence[str],
        depth_limit: int = DEPTH_LIMIT,
    ) -> None:
        self._venue = venue
        self._complaints = Complaints()
        self.faults = self._complaints.faults
        self._instruments = {one.symbol: MarketInstrument(one) for one in instruments}
        self._has_books = "depth" in streams
        self._session = SessionState()
        self._events: list[Event] = []
        self._outgoing: list[HostRequest | Fetch] = []
        self._routes = self._make_routes(streams)
        self._subscriptions = Subscriptions([name.decode() for name in self._routes])
        self._snapshots = Snapshots(depth_limit)

    def _make_routes(self, streams: Sequence[str]) -> dict[bytes, _Route]:
        kinds: dict[str, tuple[Any, Callable[[MarketInstrument, Any, int], None]]] = {
            "depth": (messages.DepthFrame, self._depth),
            "bookTicker": (messages.BookTickerFrame, self._book_ticker),
            "trade": (messages.TradeFrame, self._trade),
            "aggTrade": (messages.AggregateTradeFrame, self._trade),
        }
        unknown = [stream for stream in streams if stream not in kinds]
        if unknown:
            raise ValueError(f"streams: {', '.join(unknown)} is not one of {', '.join(kinds)}")
        routes = {}
        for stream in streams:
            frame_type, take = kinds[stream]
            decode = msgspec.json.Decoder(frame_type).decode
            for instrument in self._instruments.values():
                name = f"{instrument.symbol.lower()}@{_STREAM_NAMES[stream]}".encode()
                routes[name] = _Route(instrument, decode, take, stream == "depth")
        return routes

    def connected(self, now_ns: int) -> None:
        self._session.take(Signal.OPENED)
        self._snapshots.forget()
        self._subscriptions.begin(now_ns)
        for instrument in self._instruments.values():
            instrument.book.invalidate()
            instrument.is_live = False
        self._status("", ConnectionStatus.SYNCHRONISING, "connected", now_ns)
        self._work(now_ns)

    def disconnected(self, reason: str, now_ns: int) -> None:
        self._session.take(Signal.CLOSED)
        self._snapshots.forget()
        self._outgoing = []
        for instrument in self._instruments.values():
            instrument.book.invalidate()
            instrument.is_live = False
        self._status("", ConnectionStatus.DISCONNECTED, reason, now_ns)

    def overflowed(self, now_ns: int) -> None:
        self._session.take(Signal.DOUBT)
        self._events = []
        for instrument in self._instruments.values():
            instrument.book.invalidate()
            instrument.is_live = False
            self._snapshots.want(instrument.symbol, now_ns)
        self._status("", ConnectionStatus.SYNCHRONISING, "events were lost on the way to the Core", now_ns)
        if not self._has_books:
            self._synchronised(now_ns)
        self._work(now_ns)

    def receive(self, frame: bytes, recv_ns: int) -> None:
        route = None
        if frame.startswith(_HEAD):
            route = self._routes.get(frame[11 : frame.find(b'"', 11)])
        if route is None or len(frame) > STREAM_FRAME_BYTES_MAX:
            self._unexplained(frame, route, recv_ns)
            return
        self._take(route, frame, recv_ns)

    def _take(self, route: _Route, frame: bytes, recv_ns: int) -> None:
        try:
            route.take(route.instrument, route.decode(frame).data, recv_ns)
        except _DECODE_ERRORS as error:
            kind = "malformed_frame" if isinstance(error, _UNREADABLE) else "bad_number"
            self._complaints.add(kind, f"{route.instrument.symbol}: {error}", frame)
            if route.is_book:
                self._doubt(route.instrument, f"{kind}: {error}", recv_ns)

    def _depth(self, instrument: MarketInstrument, data: messages.DepthUpdate, recv_ns: int) -> None:
        if data.symbol != instrument.symbol:
            self._mislabelled(instrument, data.symbol, recv_ns)
            return
        delta = instrument.delta(data, recv_ns)
        book = instrument.book
        before = book.state
        why = book.delta(delta, self._events)
        if why:
            self._complaints.add("book_lost", f"{instrument.symbol}: {why}")
            self._doubt(instrument, why, recv_ns)
        elif book.state is not before:
            if book.state is BookState.LIVE:
                self._book_live(instrument, recv_ns)
            else:  # the held snapshot turned out to be older than the stream
                self._snapshots.failed(instrument.symbol, recv_ns)

    def _book_ticker(self, instrument: MarketInstrument, data: messages.BookTicker, recv_ns: int) -> None:
        if data.symbol != instrument.symbol:
            self._mislabelled(None, data.symbol, recv_ns)
            return
        self._events.append(instrument.quote(data, recv_ns))

    def _trade(
        self, instrument: MarketInstrument, data: messages.Trade | messages.AggregateTrade, recv_ns: int
    ) -> None:
        if data.symbol != instrument.symbol:
            self._mislabelled(None, data.symbol, recv_ns)
            return
        self._events.append(instrument.trade(data, recv_ns))

    def _unexplained(self, frame: bytes, route: _Route | None, recv_ns: int) -> None:
        """No subscription explains this frame by its head: a reply, an error, another spelling, or garbage."""
        if len(frame) > STREAM_FRAME_BYTES_MAX:
            self._complaints.add("oversized_frame", f"{len(frame)} bytes", frame)
            self._doubt_all(route, "oversized_frame", recv_ns)
            return
        try:
            message = _decode_any(frame)
        except _DECODE_ERRORS as error:
            # Nobody knows whose diff this was.
            self._complaints.add("malformed_frame", str(error), frame)
            self._doubt_all(None, "malformed_frame", recv_ns)
            return
        if message.stream:
            self._other_stream(message, frame, recv_ns)
        elif message.result is not msgspec.UNSET or message.code is not None:
            why = self._subscriptions.answered(message.id, message.code, message.msg)
            if why:
                self._complaints.add("subscription_refused", why, frame)
            self._work(recv_ns)
        elif message.event == "serverShutdown":
            self._complaints.add("server_shutdown", "the venue will close this connection", frame)
        else:
            self._complaints.add("unknown_frame", "neither data nor a reply", frame)
            self._doubt_all(None, "unknown_frame", recv_ns)

    def _other_stream(self, message: messages.AnyFrame, frame: bytes, recv_ns: int) -> None:
        data = message.data or messages.AnyData()
        if data.event == "serverShutdown":
            self._complaints.add("server_shutdown", "the venue will close this connection", frame)
            return
        route = self._routes.get(message.stream.encode())
        if route is not None and not frame.startswith(_HEAD):
            # The same envelope in another spelling (blanks, order of keys): slower, not wrong.
            self._take(route, frame, recv_ns)
            return
        self._complaints.add("unknown_stream", f"stream {message.stream[:64]!r}", frame)
        hit = self._instruments.get(data.symbol) if isinstance(data.symbol, str) else None
        if hit is not None and data.event == "depthUpdate":
            self._doubt(hit, "unknown_stream", recv_ns)

    def _mislabelled(self, instrument: MarketInstrument | None, symbol: str, recv_ns: int) -> None:
        """The stream is one symbol's, the payload says another: both books may be wrong."""
        self._complaints.add("unknown_symbol", f"payload is about {symbol[:32]!r}")
        if instrument is None:
            return
        self._doubt(instrument, "unknown_symbol", recv_ns)
        other = self._instruments.get(symbol)
        if other is not None:
            self._doubt(other, "unknown_symbol", recv_ns)

    def fetched(self, answer: Fetched) -> None:
        symbol = self._snapshots.answered(answer.fetch_id)
        if symbol is None:
            return
        instrument = self._instruments[symbol]
        if answer.status != 200:
            self._fetch_failed(instrument, answer)
        else:
            self._snapshot(instrument, answer)
        self._work(answer.recv_ns)

    def _fetch_failed(self, instrument: MarketInstrument, answer: Fetched) -> None:
        detail = f"{instrument.symbol}: HTTP status {answer.status} {answer.error}".rstrip()
        self._complaints.add("snapshot_failed", detail, answer.body)
        self._snapshots.failed(instrument.symbol, answer.recv_ns)
        if answer.status in (418, 429):
            wait_ns = retry_after_ns(answer.headers)
            self._snapshots.silence(answer.recv_ns + wait_ns)
            self._events.append(
                VenueBackoff(
                    recv_ns=answer.recv_ns, venue=self._venue, retry_after_ns=wait_ns, reason="depth snapshot"
                )
            )

    def _snapshot(self, instrument: MarketInstrument, answer: Fetched) -> None:
        book = instrument.book
        if book.state is BookState.LIVE:
            return
        try:
            snapshot = instrument.snapshot(answer.body, answer.recv_ns)
        except _DECODE_ERRORS as error:
            self._complaints.add("bad_snapshot", f"{instrument.symbol}: {error}", answer.body)
            self._snapshots.failed(instrument.symbol, answer.recv_ns)
            return
        use, why = book.snapshot(snapshot, self._events)
        if use is SnapshotUse.INSTALLED:
            self._book_live(instrument, answer.recv_ns)
        elif use is SnapshotUse.HELD:
            self._snapshots.held(instrument.symbol, answer.begun_ns)
        else:
            if use is SnapshotUse.FAULTY:
                self._complaints.add("bad_snapshot", f"{instrument.symbol}: {why}", answer.body)
            self._snapshots.failed(instrument.symbol, answer.recv_ns)

    def tick(self, now_ns: int) -> None:
        if self._session.status in (ConnectionStatus.SYNCHRONISING, ConnectionStatus.LIVE):
            for symbol in self._snapshots.quiet(now_ns):
                instrument = self._instruments[symbol]
                if instrument.book.settle(self._events):
                    self._book_live(instrument, now_ns)
                else:
                    self._snapshots.failed(symbol, now_ns)
            self._work(now_ns)

    def _work(self, now_ns: int) -> None:
        """Send what may be sent now: subscriptions, then snapshots of books whose stream is confirmed."""
        self._outgoing.extend(self._subscriptions.due(now_ns))
        confirmed = self._subscriptions.newly_confirmed()
        for instrument in self._instruments.values():
            if f"{instrument.symbol.lower()}@{_DEPTH}" in confirmed:
                self._snapshots.want(instrument.symbol, now_ns)
        if confirmed and not self._has_books and self._subscriptions.complete:
            self._synchronised(now_ns)
        self._outgoing.extend(self._snapshots.due(now_ns))

    def _book_live(self, instrument: MarketInstrument, now_ns: int) -> None:
        self._snapshots.arrived(instrument.symbol, now_ns)
        instrument.is_live = True
        if self._session.take(Signal.SYNCHRONISED):
            self._synchronised(now_ns)
        self._status(instrument.name, ConnectionStatus.LIVE, "book synchronised", now_ns)

    def _synchronised(self, now_ns: int) -> None:
        """The feed as a whole is LIVE with its first book; the others say for themselves where they stand."""
        self._session.take(Signal.SYNCHRONISED)
        self._status("", ConnectionStatus.LIVE, "subscribed", now_ns)
        for instrument in self._instruments.values():
            if self._has_books and not instrument.is_live:
                self._status(instrument.name, ConnectionStatus.SYNCHRONISING, "waiting for its book", now_ns)

    def _doubt(self, instrument: MarketInstrument, reason: str, now_ns: int) -> None:
        """This book may be wrong: invalid until a new snapshot."""
        instrument.book.invalidate()
        if not self._has_books or self._session.status is ConnectionStatus.DISCONNECTED:
            return
        if instrument.is_live:
            instrument.is_live = False
            self._status(instrument.name, ConnectionStatus.SYNCHRONISING, reason[:120], now_ns)
        self._snapshots.failed(instrument.symbol, now_ns)
        self._outgoing.extend(self._snapshots.due(now_ns))

    def _doubt_all(self, route: _Route | None, reason: str, now_ns: int) -> None:
        for instrument in self._instruments.values() if route is None else (route.instrument,):
            self._doubt(instrument, reason, now_ns)

    def _status(self, instrument: str, status: ConnectionStatus, reason: str, now_ns: int) -> None:
        self._events.append(
            FeedStatusChanged(
                recv_ns=now_ns, venue=self._venue, instrument=instrument, status=status, reason=reason
            )
        )

    def events(self) -> list[Event]:
        events, self._events = self._events, []
        return events

    def outgoing(self) -> list[HostRequest | Fetch]:
        outgoing, self._outgoing = self._outgoing, []
        return outgoing

    def complaints(self) -> list[Complaint]:
        return self._complaints.take()
