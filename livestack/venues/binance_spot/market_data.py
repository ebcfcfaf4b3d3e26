"""The market-data adapter: combined streams in, canonical Market Events out, every book in step (venues.md 1.2, 1.3).

Pure; one thread at a time. One frame is decoded once: the stream's name is cut out of its head, which chooses the typed
decoder. What cannot be used is counted and complained about, and a book that it could have made wrong is invalid from
that moment until a new snapshot. Where a stream is down for long, polling stands in for it.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from livestack.core.events import Event, InstrumentDefined, VenueBackoff
from livestack.core.types import ConnectionStatus
from livestack.venues.adapter import CloseLink, Complaint, Fetch, Fetched, HostRequest, Renew
from livestack.venues.binance_spot import messages
from livestack.venues.binance_spot.books import Books
from livestack.venues.binance_spot.doubts import Doubts
from livestack.venues.binance_spot.feed_links import Change, Link, Links, Slot
from livestack.venues.binance_spot.fetches import Fetches
from livestack.venues.binance_spot.market_events import MarketInstrument, Readers
from livestack.venues.binance_spot.polling import Poller
from livestack.venues.binance_spot.snapshots import SNAPSHOT
from livestack.venues.binance_spot.standing import Standing
from livestack.venues.binance_spot.streams import Route, Take, make_routes, make_slots, stream_name
from livestack.venues.binance_spot.trade_streams import KINDS as TRADE_KINDS
from livestack.venues.binance_spot.trade_streams import TradeStreams
from livestack.venues.budget import RequestBudget
from livestack.venues.complaints import Complaints
from livestack.venues.options import VenueOptions

STREAM_FRAME_BYTES_MAX = 1 << 20
"""A diff of all 5 000 levels of both sides is below 400 KB."""

_HEAD = b'{"stream":"'
_UNREADABLE = (msgspec.MsgspecError, UnicodeError, RecursionError)
_DECODE_ERRORS = (*_UNREADABLE, ValueError)

_decode_any = msgspec.json.Decoder(messages.AnyFrame).decode

_DOWN = ConnectionStatus.DISCONNECTED


class BinanceMarketData:
    """Implements :class:`~livestack.venues.adapter.MarketDataAdapter`."""

    def __init__(
        self,
        venue: str,
        instruments: Sequence[InstrumentDefined],
        options: VenueOptions,
        budget: RequestBudget,
    ) -> None:
        self._venue = venue
        self._options = options
        self._complaints = Complaints()
        self.faults = self._complaints.faults
        readers = Readers()
        self._instruments = {one.symbol: MarketInstrument(one, readers) for one in instruments}
        self._has_books = "depth" in options.streams
        everybody = tuple(self._instruments.values())
        self._standing = Standing(venue, everybody)
        self._fetches = Fetches(budget)
        self._trades = TradeStreams(self._fetches, self._standing, self._complaints)
        takes: dict[str, Take] = {
            "depth": self._depth,
            "bookTicker": self._book_ticker,
            "trade": self._trades.trade,
            "aggTrade": self._trades.aggregate,
        }
        self._routes = make_routes(options.streams, everybody, takes)
        self._poller = Poller(venue, options, self._fetches, budget, self._standing, self._complaints)
        self._books = Books(
            self._instruments,
            options.depth_levels,
            self._fetches,
            self._standing,
            self._poller,
            self._complaints,
        )
        self._doubts = Doubts(
            self._instruments,
            options.streams,
            self._books,
            self._poller,
            self._standing,
            self._complaints,
        )
        slots = [] if options.is_polled else make_slots(options.streams, everybody)
        self._links = Links(slots, options.renew_after_ns)
        self._outgoing: list[HostRequest | Fetch | Renew | CloseLink] = []

    @property
    def slots(self) -> int:
        return len(self._links.slots)

    # -- Connections

    def connected(self, now_ns: int, link: int = 0, slot: int = 0) -> None:
        change, closes = self._links.connected(link, slot, now_ns)
        self._outgoing.extend(closes)
        self._changed(change, "connected", now_ns)
        self._work(now_ns)

    def disconnected(self, reason: str, now_ns: int, link: int = 0) -> None:
        self._outgoing = [
            one for one in self._outgoing if not isinstance(one, HostRequest) or one.link != link
        ]
        self._changed(self._links.disconnected(link, reason, now_ns), reason, now_ns)

    def _changed(self, change: Change, reason: str, now_ns: int) -> None:
        if change.abandoned is not None:
            for one in change.abandoned.instruments:
                one.disown()
        if change.began is not None:
            self._begin(change.began, reason, now_ns)
        if change.ended is not None:
            self._end(change.ended, reason, now_ns)

    def _begin(self, slot: Slot, reason: str, now_ns: int) -> None:
        """Every book of the slot is synchronised anew, over the link that it has now."""
        for one in slot.instruments:
            self._books.forget(one)
        if self._standing.whole is _DOWN:
            self._standing.opened(reason, now_ns)
        self._lose(slot, ConnectionStatus.SYNCHRONISING, reason, now_ns)
        if slot.link is not None:
            self._confirmed(slot.link, slot.link.subscriptions.confirmed, now_ns)

    def _end(self, slot: Slot, reason: str, now_ns: int) -> None:
        for one in slot.instruments:
            self._books.forget(one)
        if self._links.is_up or self._poller.is_active:
            self._lose(slot, _DOWN, reason, now_ns)
        else:
            self._standing.closed(reason, now_ns)

    def _lose(self, slot: Slot, status: ConnectionStatus, reason: str, now_ns: int) -> None:
        for one in slot.instruments:
            if not self._poller.polls(one.symbol):
                self._standing.lost(one, status, reason, now_ns)

    def overflowed(self, now_ns: int) -> None:
        self._standing.events = []
        self._standing.doubt("events were lost on the way to the Core", now_ns)
        self._poller.overflowed()
        for slot in self._links.slots:
            for one in slot.instruments:
                self._books.forget(one)
            if slot.link is not None:
                self._confirmed(slot.link, slot.link.subscriptions.confirmed, now_ns)
        self._work(now_ns)

    # -- Frames

    def receive(self, frame: bytes, recv_ns: int, link: int = 0) -> None:
        source = self._links.by_number.get(link)
        if source is None:
            return
        route = None
        if frame.startswith(_HEAD):
            name = frame[11 : frame.find(b'"', 11)]
            route = self._routes.get(name)
        if route is None or len(frame) > STREAM_FRAME_BYTES_MAX:
            self._unexplained(frame, route, source, recv_ns)
            return
        source.data_ns = recv_ns
        if source.unheard:
            source.unheard.discard(name)
        self._take(route, frame, recv_ns, source)

    def _take(self, route: Route, frame: bytes, recv_ns: int, source: Link) -> None:
        try:
            route.take(route.instrument, route.decode(frame).data, recv_ns, source.is_early)
        except _DECODE_ERRORS as error:
            kind = "malformed_frame" if isinstance(error, _UNREADABLE) else "bad_number"
            self._complaints.add(kind, f"{route.instrument.symbol}: {error}", frame)
            self._doubts.unread(route, f"{kind}: {error}", recv_ns)

    def _depth(
        self, instrument: MarketInstrument, data: messages.DepthUpdate, recv_ns: int, is_early: bool
    ) -> None:
        if data.symbol != instrument.symbol:
            self._doubts.mislabelled(instrument, data.symbol, recv_ns)
            return
        self._books.delta(instrument, data, recv_ns, is_early)

    def _book_ticker(
        self, instrument: MarketInstrument, data: messages.BookTicker, recv_ns: int, is_early: bool
    ) -> None:
        if data.symbol != instrument.symbol:
            self._doubts.mislabelled(instrument, data.symbol, recv_ns, is_book=False)
        elif data.update_id > instrument.quote_id:
            quote = instrument.quote(data, recv_ns)
            instrument.quote_id = data.update_id
            instrument.is_quote_doubted = False
            instrument.quoted_ns = recv_ns
            self._standing.events.append(quote)

    def _unexplained(self, frame: bytes, route: Route | None, source: Link, recv_ns: int) -> None:
        """No subscription explains this frame by its head: a reply, an error, another spelling, or garbage."""
        if len(frame) > STREAM_FRAME_BYTES_MAX:
            self._complaints.add("oversized_frame", f"{len(frame)} bytes", frame)
            self._doubts.lost(route, source.slot.instruments, "oversized_frame", recv_ns)
            return
        try:
            message = _decode_any(frame)
        except _DECODE_ERRORS as error:
            # Nobody knows whose diff this was.
            self._complaints.add("malformed_frame", str(error), frame)
            self._doubts.lost(None, source.slot.instruments, "malformed_frame", recv_ns)
            return
        if message.stream:
            self._other_stream(message, frame, source, recv_ns)
        elif message.result is not msgspec.UNSET or message.code is not None:
            self._reply(message, frame, source, recv_ns)
        elif message.event == "serverShutdown":
            self._shutdown(frame, source, recv_ns)
        else:
            self._complaints.add("unknown_frame", "neither data nor a reply", frame)
            if message.data is not None or message.event == "depthUpdate":  # it may be a book's
                self._doubts.lost(None, source.slot.instruments, "unknown_frame", recv_ns)

    def _reply(self, message: messages.AnyFrame, frame: bytes, source: Link, recv_ns: int) -> None:
        source.heard_ns = recv_ns
        subscriptions = source.subscriptions
        if message.code is not None:
            self._complaints.add(*subscriptions.refused(message.code, message.msg), frame)
            return
        fault = subscriptions.answered(message.id, message.result, recv_ns)
        if fault is not None:
            self._complaints.add(*fault, frame)
        lost = subscriptions.lost()
        if lost and source.slot.link is source:
            for one in source.slot.instruments:
                self._doubts.missing(one, lost, recv_ns)
        self._work(recv_ns)

    def _shutdown(self, frame: bytes, source: Link, now_ns: int) -> None:
        self._complaints.add("server_shutdown", "the venue will close this connection", frame)
        self._links.renew(source, "the venue is shutting down")
        self._work(now_ns)

    def _other_stream(self, message: messages.AnyFrame, frame: bytes, source: Link, recv_ns: int) -> None:
        data = message.data or messages.AnyData()
        if data.event == "serverShutdown":
            self._shutdown(frame, source, recv_ns)
            return
        route = self._routes.get(message.stream.encode())
        if route is not None and not frame.startswith(_HEAD):
            # The same envelope in another spelling (blanks, order of keys): slower, not wrong.
            source.data_ns = recv_ns
            source.unheard.discard(message.stream.encode())
            self._take(route, frame, recv_ns, source)
            return
        self._complaints.add("unknown_stream", f"stream {message.stream[:64]!r}", frame)
        hit = self._instruments.get(data.symbol) if isinstance(data.symbol, str) else None
        if hit is not None and self._has_books and data.event == "depthUpdate":
            self._books.doubt(hit, "unknown_stream", recv_ns)

    # -- REST

    def fetched(self, answer: Fetched) -> None:
        asked = self._fetches.answered(answer)
        if self._fetches.silenced_ns:
            self._standing.events.append(
                VenueBackoff(
                    recv_ns=answer.recv_ns,
                    venue=self._venue,
                    retry_after_ns=self._fetches.silenced_ns,
                    reason="market data",
                )
            )
            self._fetches.silenced_ns = 0
        if asked is not None and asked.kind == SNAPSHOT:
            self._books.answered(asked.symbols[0], answer)
        elif asked is not None and asked.kind in TRADE_KINDS:
            self._trades.answered(asked, answer)
        elif asked is not None:
            self._poller.answered(asked, answer)
        self._work(answer.recv_ns)

    # -- Time

    def tick(self, now_ns: int) -> None:
        for asked in self._fetches.overdue(now_ns):
            if asked.kind == SNAPSHOT:
                self._books.unanswered(asked.symbols[0], now_ns)
            elif asked.kind in TRADE_KINDS:
                self._trades.unanswered(asked)
            else:
                self._poller.unanswered(asked, now_ns)
        self._stand_in(now_ns)
        self._poller.tick(now_ns)
        self._work(now_ns)

    def retired(self, now_ns: int) -> None:
        self._fetches.retire(now_ns)

    @property
    def stands_in_ns(self) -> int:
        return self._options.poll_after_ns

    def _stand_in(self, now_ns: int) -> None:
        """Poll whatever a stream does not bring."""
        if self._options.is_polled:
            if not self._poller.is_active and self._instruments:
                self._standing.opened("polled over REST", now_ns)
                self._poller.begin(self._instruments.values(), "polled over REST: as configured", now_ns)
            return
        for slot in self._links.slots:
            if slot.down_ns < 0:
                if slot.link is None:
                    slot.down_ns = now_ns  # never connected yet
            elif now_ns - slot.down_ns > self._options.poll_after_ns:
                waiting = [one for one in slot.instruments if not one.is_live]
                self._poller.begin(waiting, f"polled over REST: {slot.down_reason}", now_ns)

    def _work(self, now_ns: int) -> None:
        """Send what may be sent now: subscriptions, then snapshots of books whose stream is confirmed, then polls."""
        links = self._links
        if links.by_number:
            self._outgoing.extend(links.due(now_ns))
            for slot in links.slots:
                if slot.link is not None:
                    self._confirmed(slot.link, slot.link.subscriptions.newly_confirmed(), now_ns)
                    self._verified(slot, now_ns)
            self._succeed(now_ns)
            self._outgoing.extend(self._books.due(now_ns))
        self._outgoing.extend(self._trades.due(now_ns))
        self._outgoing.extend(self._poller.due(now_ns))

    def _confirmed(self, link: Link, names: set[str], now_ns: int) -> None:
        if self._has_books and names:
            for one in link.slot.instruments:
                if stream_name(one.symbol, "depth") in names:
                    self._books.want(one, now_ns)

    def _verified(self, slot: Slot, now_ns: int) -> None:
        """What needs to know that a stream is there although nothing came: quiet books, and a feed without books."""
        if self._has_books:
            here = [self._instruments[symbol] for symbol in self._books.waiting(now_ns)]
            there = {
                one.symbol
                for one in here
                if one.slot == slot.number and slot.delivers(stream_name(one.symbol, "depth"))
            }
            if there:
                self._books.settle(now_ns, there)
            return
        for one in slot.instruments:
            if one.is_quote_doubted:
                continue
            names = [stream_name(one.symbol, stream) for stream in self._options.streams]
            if (not one.is_live or self._poller.polls(one.symbol)) and all(map(slot.delivers, names)):
                self._standing.live(one, "subscribed", now_ns)
                self._poller.end((one.symbol,), now_ns)

    def _succeed(self, now_ns: int) -> None:
        done, given_up, closes = self._links.successions(now_ns)
        self._outgoing.extend(closes)
        for slot in given_up:
            for one in slot.instruments:
                one.disown()
        for slot in done:
            self._trades.taken_over(slot.instruments, now_ns)

    # -- Out

    def events(self) -> list[Event]:
        events, self._standing.events = self._standing.events, []
        return events

    def outgoing(self) -> list[HostRequest | Fetch | Renew | CloseLink]:
        outgoing, self._outgoing = self._outgoing, []
        if self._books.hasty:
            outgoing.extend(self._books.hasty)
            self._books.hasty = []
        return outgoing

    def complaints(self) -> list[Complaint]:
        return self._complaints.take()
