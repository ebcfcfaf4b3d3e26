"""What a feed's connections share: one adapter, one way into the harness's market lane, one way out.

Each connection has a reader thread, and the actor's own thread looks at the time while no connection is open: a lock
makes one of them at a time use the adapter and deliver, so that Events keep the adapter's order. Nothing is written
while it is held. When the lane is full the feed says so, delivers nothing, and synchronises anew once there is room:
market data is never half-dropped (live-stack.md section 1). Imports transports' contract, core Events, mailboxes.
"""

from __future__ import annotations

import threading
from collections import deque

import structlog

from livestack.actors.complaint_log import ComplaintLog
from livestack.actors.feed_measures import FeedMeasures
from livestack.actors.fetching import as_fetched, as_http
from livestack.actors.mailbox import HarnessMailbox, Mailbox
from livestack.actors.messages import Closed, Delivering, Opened, Tick
from livestack.core.events import Event, FeedStatusChanged, IncidentClosed, IncidentOpened, VenueBackoff
from livestack.core.types import ConnectionStatus
from livestack.exceptions import TransportError
from livestack.failpoints import failpoint
from livestack.transports.base import Connection, HttpResponse, HttpTransport, Refusal
from livestack.venues.adapter import (
    CloseLink,
    Complaint,
    Fetch,
    Fetched,
    HostRequest,
    MarketDataAdapter,
    Renew,
)

ROOM_TO_RESUME = 0.5
"""Share of the market lane that must be free before an overflowed feed begins again."""

_RARE = frozenset((FeedStatusChanged, VenueBackoff, IncidentOpened, IncidentClosed))
"""What does not simply go into the market lane."""

Item = HostRequest | Fetch | Renew | CloseLink


class LinkReceiver:
    """Receiver of one connection; its methods run on that connection's reader thread."""

    __slots__ = ("_reader", "has_delivered", "number", "slot")

    def __init__(self, reader: FeedReader, number: int, slot: int) -> None:
        self._reader = reader
        self.number = number
        self.slot = slot
        self.has_delivered = False

    def on_open(self, now_ns: int) -> None:
        self._reader.opened(self, now_ns)

    def on_frame(self, frame: bytes, recv_ns: int) -> None:
        self._reader.frame(self, frame, recv_ns)

    def on_wake(self, now_ns: int) -> None:
        self._reader.tick(now_ns)

    def on_close(self, reason: str, now_ns: int, refusal: Refusal | None = None) -> None:
        self._reader.closed(self, reason, now_ns, refusal)


class FeedReader:
    """The reading side of a feed. Methods are called by any of its threads. Once it is retired nothing of it reaches
    anybody. ``start``: that of its actor."""

    def __init__(
        self,
        venue: str,
        adapter: MarketDataAdapter,
        harness: HarnessMailbox,
        actor: Mailbox,
        http: HttpTransport,
        rest_url: str,
        start: int = 0,
        measures: FeedMeasures | None = None,
    ) -> None:
        self._log = structlog.get_logger("feed").bind(venue=venue)
        self._venue = venue
        self._adapter = adapter
        self._harness = harness
        self._actor = actor
        self._http = http
        self._rest_url = rest_url
        self._start = start
        self._measures = measures
        self._lock = threading.Lock()
        self._answers: deque[Fetched] = deque()
        self._unsent: deque[Item] = deque()
        self._parked: dict[int, list[Item]] = {}
        self._begun: set[int] = set()
        self._connections: dict[int, Connection] = {}
        self._incidents: dict[str, IncidentOpened] = {}
        self._overflowed = False
        self._is_gone = False
        self._is_stopping = False
        self._is_over = False
        self._complaint_log = ComplaintLog(self._log)
        self.has_lived = False
        """Whether any data was current yet, whoever brought it."""

    # -- The actor's thread

    def begin(self, number: int, slot: int) -> LinkReceiver:
        """A connection is about to be made; this is its receiver."""
        with self._lock:
            self._begun.add(number)
        return LinkReceiver(self, number, slot)

    def attach(self, number: int, connection: Connection) -> None:
        """The connection is there; what was to be sent before may be waiting."""
        with self._lock:
            if number not in self._begun:
                return  # it is gone already
            self._connections[number] = connection
            self._unsent.extend(self._parked.pop(number, ()))
        connection.wake()

    def stop(self, now_ns: int) -> None:
        """Close every connection: with the last one the feed is gone."""
        with self._lock:
            self._is_stopping = True
            connections = list(self._connections.values())
            if not self._begun:
                self._end("closed by us", now_ns)
        for connection in connections:
            connection.close()

    def retire(self, reason: str, now_ns: int) -> None:
        """Say that the feed is gone, unless that was said. It may hold reader threads up for a moment."""
        with self._lock:
            self._end(reason, now_ns)

    def _end(self, reason: str, now_ns: int) -> None:
        if self._is_over:
            return
        self._is_over = True
        self._adapter.retired(now_ns)
        self._complaint_log.flush()
        self._harness.tell_execution(
            [
                IncidentClosed(name=one.name, scope=one.scope, detail=reason)
                for one in self._incidents.values()
            ]
        )
        if not self._is_gone:
            self._tell_status(ConnectionStatus.DISCONNECTED, reason, now_ns)

    # -- Any of its threads

    def tick(self, now_ns: int) -> None:
        """Take answers, look at the time."""
        with self._lock:
            if self._is_over or (self._overflowed and not self._has_room(now_ns)):
                return
            self._take_answers()
            self._adapter.tick(now_ns)
            self._complaint_log.tick(now_ns)
            self._pump(None, now_ns)
        self._send()

    # -- A connection's reader thread

    def opened(self, link: LinkReceiver, now_ns: int) -> None:
        self._actor.tell(Opened(link.number, now_ns))
        with self._lock:
            if self._is_over:
                return
            self._adapter.connected(now_ns, link.number, link.slot)
            self._pump(link, now_ns)
        self._send()

    def frame(self, link: LinkReceiver, frame: bytes, recv_ns: int) -> None:
        failpoint("reader.in_feed_frame")
        with self._lock:
            if self._measures is not None:
                self._measures.frame(len(frame))
            if self._is_over or (self._overflowed and not self._has_room(recv_ns)):
                return
            self._adapter.receive(frame, recv_ns, link.number)
            if self._answers:
                self._take_answers()
            self._pump(link, recv_ns)
        if self._unsent:
            self._send()

    def closed(self, link: LinkReceiver, reason: str, now_ns: int, refusal: Refusal | None = None) -> None:
        try:
            with self._lock:
                self._begun.discard(link.number)
                self._connections.pop(link.number, None)
                self._parked.pop(link.number, None)
                if self._is_over:
                    return
                self._adapter.disconnected(reason, now_ns, link.number)
                rest = self._tell_rare(self._adapter.events())
                self._harness.tell_feed_status([one for one in rest if isinstance(one, FeedStatusChanged)])
                self._unsent.extend(self._adapter.outgoing())
                if self._is_stopping and not self._begun:
                    self._end(reason, now_ns)
            self._send()
        finally:
            self._actor.tell(Closed(link.number, reason, now_ns, refusal))  # or nobody would connect again

    # -- With the lock held

    def _take_answers(self) -> None:
        while self._answers:
            self._adapter.fetched(self._answers.popleft())

    def _pump(self, link: LinkReceiver | None, now_ns: int) -> None:
        events = self._adapter.events()
        if events:
            self._deliver(events, link, now_ns)
        outgoing = self._adapter.outgoing()
        if outgoing:
            self._unsent.extend(outgoing)
        complaints = self._adapter.complaints()
        if complaints:
            self._complain(complaints, now_ns)

    def _complain(self, complaints: list[Complaint], now_ns: int) -> None:
        if self._measures is not None:
            self._measures.complained(self._adapter.faults)
        for complaint in complaints:
            self._complaint_log.add(complaint, now_ns)

    def _deliver(self, events: list[Event], link: LinkReceiver | None, now_ns: int) -> None:
        for event in events:
            if type(event) in _RARE:
                events = self._tell_rare(events)
                break
        else:
            if link is not None and not link.has_delivered:
                link.has_delivered = True
                self._actor.tell(Delivering(link.number))
        if self._overflowed:
            self._harness.tell_feed_status([one for one in events if isinstance(one, FeedStatusChanged)])
            return
        if not events:
            return
        if self._measures is not None and link is not None:
            self._measures.delivering(events, now_ns)
        if not self._harness.offer_market(events):
            self._overflow(events, now_ns)

    def _tell_rare(self, events: list[Event]) -> list[Event]:
        """A venue's order to be silent holds for orders too, and an incident is the operator's: neither is ever lost
        with market data. Returns what belongs into the market lane."""
        rest: list[Event] = []
        urgent: list[Event] = []
        for event in events:
            if type(event) not in _RARE or isinstance(event, FeedStatusChanged):
                rest.append(event)
                if isinstance(event, FeedStatusChanged):
                    self._note_status(event)
                continue
            urgent.append(event)
            if isinstance(event, IncidentOpened):
                self._incidents[event.name] = event
            elif isinstance(event, IncidentClosed):
                self._incidents.pop(event.name, None)
        self._harness.tell_execution(urgent)
        return rest

    def _note_status(self, event: FeedStatusChanged) -> None:
        if self._measures is not None:
            self._measures.status(event)
        if not event.instrument:
            self._is_gone = event.status is ConnectionStatus.DISCONNECTED
            self.has_lived |= event.status is ConnectionStatus.LIVE

    def _overflow(self, events: list[Event], now_ns: int) -> None:
        """The lane is full: say that there is a gap, then be silent until there is room."""
        self._overflowed = True
        if self._measures is not None:
            self._measures.refused(len(events))
        self._log.warning("market_lane_full", refused=len(events), depth=self._harness.market_depth())
        self._tell_status(ConnectionStatus.DEGRADED, "gap: market lane full", now_ns)

    def _tell_status(self, status: ConnectionStatus, reason: str, now_ns: int) -> None:
        self._is_gone = status is ConnectionStatus.DISCONNECTED
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

    # -- Without it

    def _send(self) -> None:
        """Write, fetch, close or ask for what the adapter wants, in its order as far as one connection goes."""
        while self._unsent:
            with self._lock:
                if not self._unsent:
                    return
                item = self._unsent.popleft()
                connection = None
                if isinstance(item, HostRequest | CloseLink):
                    connection = self._connections.get(item.link)
                    if connection is None and item.link in self._begun:
                        self._parked.setdefault(item.link, []).append(item)
            self._perform(item, connection)

    def _perform(self, item: Item, connection: Connection | None) -> None:
        if isinstance(item, Fetch):
            self._fetch(item)
        elif isinstance(item, Renew):
            self._actor.tell(item)
        elif connection is None:
            return
        elif isinstance(item, CloseLink):
            self._log.info("feed_link_closing", reason=item.reason)
            connection.close()
        else:
            try:
                connection.send(item.text)
            except TransportError as error:
                self._log.warning("feed_send_failed", purpose=item.purpose, cause=str(error))
                connection.close()

    def _fetch(self, fetch: Fetch) -> None:
        def reply(response: HttpResponse) -> None:
            self._answers.append(as_fetched(fetch.fetch_id, response))
            with self._lock:
                connection = next(iter(self._connections.values()), None)
            if connection is not None:
                connection.wake()
            else:
                self._actor.tell(Tick(self._start))

        self._http.submit(as_http(self._rest_url, fetch), reply)
