"""The feed: one market-data connection. The actor's thread connects and reconnects; the connection's reader thread
decodes frames and puts canonical Market Events straight into the harness's market lane.

The adapter belongs to the reader thread of the connection that is up; a new one starts only after the old one's last
call. When the lane is full the feed says so, delivers nothing, and synchronises anew once there is room: market data is
never half-dropped (live-stack.md section 1).
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Any

import structlog

from livestack.actors.base import NodeActor
from livestack.actors.mailbox import HarnessMailbox, Mailbox
from livestack.actors.messages import Closed, Connect, Opened, Unreachable
from livestack.core.events import Event, FeedStatusChanged, VenueBackoff
from livestack.core.types import ConnectionStatus
from livestack.exceptions import TransportError
from livestack.failpoints import failpoint
from livestack.transports.backoff import Backoff
from livestack.transports.base import Connection, HttpRequest, HttpResponse, HttpTransport, WebSocketTransport
from livestack.transports.clock import Clock, Timers
from livestack.venues.adapter import Fetch, Fetched, HostRequest, MarketDataAdapter

ROOM_TO_RESUME = 0.5
"""Share of the market lane that must be free before an overflowed feed begins again."""


class FeedReader:
    """Receiver of one connection after the other; every method runs on its reader thread, but for :meth:`begin`,
    :meth:`attach` and :meth:`retire`. Once it is retired nothing of it reaches anybody."""

    def __init__(
        self,
        venue: str,
        adapter: MarketDataAdapter,
        harness: HarnessMailbox,
        actor: Mailbox,
        http: HttpTransport,
        rest_url: str,
    ) -> None:
        self._log = structlog.get_logger("feed").bind(venue=venue)
        self._venue = venue
        self._adapter = adapter
        self._harness = harness
        self._actor = actor
        self._http = http
        self._rest_url = rest_url
        self._answers: deque[Fetched] = deque()
        self._unsent: deque[HostRequest | Fetch] = deque()
        self._connection: Connection | None = None
        self._number = 0
        self._overflowed = False
        self._is_over = False
        self._has_closed = False
        self._delivering = threading.Lock()
        self.frames = 0
        self.refused = 0

    def begin(self, number: int) -> None:
        """A new connection is about to be made, by the actor's thread; no reader thread runs now."""
        self._number = number
        self._connection = None
        self._has_closed = False
        self._answers.clear()
        self._unsent.clear()

    def attach(self, connection: Connection) -> None:
        """The actor's thread got ``connection``; what was to be sent before may be waiting."""
        self._connection = connection
        connection.wake()

    def retire(self, reason: str, now_ns: int) -> None:
        """Say that the feed is gone, unless its reader thread did. The actor's thread; it may hold that one up."""
        with self._delivering:
            if not self._is_over and not self._has_closed:
                self._tell_status(ConnectionStatus.DISCONNECTED, reason, now_ns)
            self._is_over = True

    def on_open(self, now_ns: int) -> None:
        self._actor.tell(Opened(self._number, now_ns))
        self._adapter.connected(now_ns)
        self._pump(now_ns)

    def on_frame(self, frame: bytes, recv_ns: int) -> None:
        self.frames += 1
        failpoint("reader.in_feed_frame")
        if self._overflowed and not self._has_room(recv_ns):
            return
        self._adapter.receive(frame, recv_ns)
        if self._answers:
            self._take_answers()
        self._pump(recv_ns)

    def on_wake(self, now_ns: int) -> None:
        if self._overflowed and not self._has_room(now_ns):
            return
        self._take_answers()
        self._adapter.tick(now_ns)
        self._pump(now_ns)

    def on_close(self, reason: str, now_ns: int) -> None:
        try:
            self._adapter.disconnected(reason, now_ns)
            events = self._adapter.events()
            with self._delivering:
                if self._is_over:
                    return
                self._has_closed = True
                self._tell_backoff(events)
                self._harness.tell_feed_status(
                    [event for event in events if isinstance(event, FeedStatusChanged)]
                )
            self._adapter.outgoing()
            self._overflowed = False
        finally:
            self._actor.tell(Closed(self._number, reason, now_ns))  # or nobody would connect again

    def _take_answers(self) -> None:
        while self._answers:
            self._adapter.fetched(self._answers.popleft())

    def _pump(self, now_ns: int) -> None:
        events = self._adapter.events()
        if events:
            with self._delivering:
                if self._is_over:
                    return
                if not self._harness.offer_market(events):
                    self._tell_backoff(events)
                    self._overflow(events, now_ns)
        self._unsent.extend(self._adapter.outgoing())
        if self._unsent and self._connection is not None:
            self._send(self._connection)
        for complaint in self._adapter.complaints():
            self._log.warning(complaint.kind, detail=complaint.detail, frame=repr(complaint.frame_head))

    def _tell_backoff(self, events: list[Event]) -> None:
        """A venue's order to be silent holds for orders too: it is never lost with market data."""
        self._harness.tell_execution([event for event in events if isinstance(event, VenueBackoff)])

    def _overflow(self, events: list[Event], now_ns: int) -> None:
        """The lane is full: say that there is a gap, then be silent until there is room."""
        self._overflowed = True
        self.refused += len(events)
        self._log.warning("market_lane_full", refused=len(events), depth=self._harness.market_depth())
        self._tell_status(ConnectionStatus.DEGRADED, "gap: market lane full", now_ns)

    def _tell_status(self, status: ConnectionStatus, reason: str, now_ns: int) -> None:
        changed = FeedStatusChanged(
            recv_ns=now_ns, venue=self._venue, instrument="", status=status, reason=reason
        )
        self._harness.tell_feed_status([changed])

    def _has_room(self, now_ns: int) -> bool:
        if self._harness.market_depth() > self._harness.market_lane_max * ROOM_TO_RESUME:
            return False
        self._overflowed = False
        self._adapter.overflowed(now_ns)
        return True

    def _send(self, connection: Connection) -> None:
        while self._unsent:
            item = self._unsent.popleft()
            if isinstance(item, Fetch):
                self._fetch(item)
                continue
            try:
                connection.send(item.text)
            except TransportError as error:
                self._log.warning("feed_send_failed", purpose=item.purpose, cause=str(error))
                connection.close()
                return

    def _fetch(self, fetch: Fetch) -> None:
        query = f"?{fetch.query}" if fetch.query else ""
        request = HttpRequest(fetch.method, f"{self._rest_url}{fetch.path}{query}", fetch.headers)
        number = self._number

        def reply(response: HttpResponse) -> None:
            if number == self._number:
                self._answers.append(as_fetched(fetch.fetch_id, response))
                if self._connection is not None:
                    self._connection.wake()

        self._http.submit(request, reply)


def as_fetched(fetch_id: int, response: HttpResponse) -> Fetched:
    """A transport's answer as the adapter's."""
    return Fetched(
        fetch_id,
        response.status,
        response.headers,
        response.body,
        response.error,
        response.begun_ns,
        response.recv_ns,
    )


class FeedActor(NodeActor):
    """Keeps one market-data connection up. ``url`` is the stream, ``rest_url`` the base for snapshots; ``start``: how
    many actors there were before in this run."""

    def __init__(
        self,
        *,
        venue: str,
        mailbox: Mailbox,
        supervisor: Mailbox,
        adapter: MarketDataAdapter,
        harness: HarnessMailbox,
        websocket: WebSocketTransport,
        http: HttpTransport,
        url: str,
        rest_url: str,
        clock: Clock,
        timers: Timers,
        backoff: Backoff,
        start: int = 0,
    ) -> None:
        super().__init__(f"feed {venue}", mailbox, supervisor)
        self._log = structlog.get_logger("feed").bind(venue=venue)
        self.reader = FeedReader(venue, adapter, harness, mailbox, http, rest_url)
        self._websocket = websocket
        self._url = url
        self._clock = clock
        self._timers = timers
        self._backoff = backoff
        self._connection: Connection | None = None
        self._start = start
        self._number = start << 32
        self._was_open = start > 0
        self._stopping = False
        self._cancel_connect: Callable[[], None] = lambda: None

    def on_start(self) -> None:
        self._connect()

    def on_stop(self) -> None:
        """Closing the connection tells the Core that the feed is gone."""
        if self._is_retired:
            self.reader.retire("the feed did not start in time", self._clock.now_ns())
        self._stopping = True
        self._cancel_connect()
        if self._connection is not None:
            self._connection.close()

    def on_failure(self, *error: Any) -> None:
        """The Core hears of it now: the reader thread may be late, and would speak of the next one's connection."""
        self.reader.retire("the feed failed", self._clock.now_ns())
        self.on_stop()
        super().on_failure(*error)

    def on_batch(self, batch: list[Any]) -> None:
        for message in batch:
            failpoint("feed.before_message")
            match message:
                case Opened(number) if number == self._number:
                    self._was_open = True
                    self._backoff.reset()
                    self._log.info("feed_open", url=self._url)
                case Closed(number) if number == self._number:
                    self._closed(message)
                case Connect(start) if start == self._start:
                    self._connect()

    def _connect(self) -> None:
        if self._connection is not None:
            return
        self._number += 1
        self.reader.begin(self._number)
        self._connection = self._websocket.connect(self._url, self.reader)
        self.reader.attach(self._connection)

    def _closed(self, message: Closed) -> None:
        self._connection = None
        if not self._was_open:
            self._supervisor.tell(Unreachable(self._url, message.reason))
        if self._stopping:
            return
        delay_ns = self._backoff.next_ns()
        self._log.warning("feed_closed", reason=message.reason, retry_ms=delay_ns // 1_000_000)
        self._cancel_connect = self._timers.at(
            self._clock.now_ns() + delay_ns, lambda: self._mailbox.tell(Connect(self._start))
        )
