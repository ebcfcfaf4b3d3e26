"""The feed: keeps a venue's market-data connections up, as many as its adapter wants, and makes a successor beside one
that is to go. What arrives goes on the connections' reader threads straight into the harness's market lane
(:mod:`livestack.actors.feed_reader`); this actor only connects, and looks at the time while no connection is open.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import structlog

from livestack.actors.base import NodeActor, Ping
from livestack.actors.feed_measures import FeedMeasures
from livestack.actors.feed_reader import FeedReader
from livestack.actors.mailbox import HarnessMailbox, Mailbox
from livestack.actors.measures import Measures
from livestack.actors.messages import Closed, Connect, Delivering, Opened, Tick, Unreachable
from livestack.actors.refusals import heed
from livestack.failpoints import failpoint
from livestack.transports.backoff import Backoff
from livestack.transports.base import HttpTransport, WebSocketTransport
from livestack.transports.clock import Clock, Timers
from livestack.venues.adapter import MarketDataAdapter, Renew
from livestack.venues.budget import RequestBudget

TICK_NS = 250_000_000
"""How often the adapter looks at the time while no connection does it."""

PATIENCE_NS = 5_000_000_000
"""A feed that cannot connect, and whose adapter had so long to find its data elsewhere, is of no use."""


def _nothing() -> None:
    """There is no timer to cancel."""


class _Slot:
    """One of the connections that the adapter wants. ``attempt``: number of the one being opened, 0 if there is none;
    ``links``: those that are open, an old one and its successor for a while."""

    def __init__(self, number: int, backoff: Backoff) -> None:
        self.number = number
        self.backoff = backoff
        self.attempt = 0
        self.links: set[int] = set()
        self.cancel: Callable[[], None] = _nothing


class FeedActor(NodeActor):
    """Keeps the market-data connections of one venue up. ``url`` is the stream, ``rest_url`` the base for snapshots and
    polls; ``start``: how many actors there were before in this run."""

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
        budget: RequestBudget,
        clock: Clock,
        timers: Timers,
        backoff: Backoff,
        start: int = 0,
        measures: Measures | None = None,
    ) -> None:
        super().__init__(f"feed {venue}", mailbox, supervisor)
        self._log = structlog.get_logger("feed").bind(venue=venue)
        self._measures = None if measures is None else FeedMeasures(measures, venue)
        self.reader = FeedReader(venue, adapter, harness, mailbox, http, rest_url, start, self._measures)
        self._websocket = websocket
        self._url = url
        self._budget = budget
        self._clock = clock
        self._timers = timers
        self._slots = [_Slot(number, copy.copy(backoff)) for number in range(adapter.slots)]
        self._slot_of: dict[int, _Slot] = {}
        self._start = start
        self._number = start << 32
        self._patience_ns = adapter.stands_in_ns + PATIENCE_NS
        self._was_open = start > 0
        self._has_begun = False
        self._begun_ns = 0
        self._cause = ""
        self._stopping = False
        self._cancel_tick: Callable[[], None] = _nothing

    def on_receive(self, message: Any) -> Any:
        """The first thing it is asked is whether it lives. It connects behind that: what a venue sends first may be
        what it fails on, and must not be taken for an actor that did not start."""
        answer = super().on_receive(message)
        if isinstance(message, Ping) and not self._has_begun and not self._stopping:
            self._has_begun = True
            self._begun_ns = self._clock.now_ns()
            for slot in self._slots:
                self._connect(slot)
            self._tick_later()
        return answer

    def on_stop(self) -> None:
        """Closing the connections tells the Core that the feed is gone."""
        now_ns = self._clock.now_ns()
        if self._is_retired:
            self.reader.retire("the feed did not start in time", now_ns)
        self._stopping = True
        self._cancel_tick()
        for slot in self._slots:
            slot.cancel()
        self.reader.stop(now_ns)

    def on_failure(self, *error: Any) -> None:
        """The Core hears of it now: a reader thread may be late, and would speak of the next one's connection."""
        self.reader.retire("the feed failed", self._clock.now_ns())
        self.on_stop()
        super().on_failure(*error)

    def on_batch(self, batch: list[Any]) -> None:
        for message in batch:
            failpoint("feed.before_message")
            match message:
                case Opened(number) if number in self._slot_of:
                    self._opened(number)
                case Delivering(number) if number in self._slot_of:
                    self._slot_of[number].backoff.reset()
                case Closed(number) if number in self._slot_of:
                    self._closed(message)
                case Renew(link, reason) if link in self._slot_of:
                    self._renew(self._slot_of[link], reason)
                case Connect(start, slot) if start == self._start and not self._slots[slot].links:
                    self._connect(self._slots[slot])
                case Tick(start) if start == self._start:
                    self.reader.tick(self._clock.now_ns())
                    self._judge()
                    self._tick_later()

    def _connect(self, slot: _Slot) -> None:
        """Open one more connection, unless one is being opened or the venue has been asked too often."""
        if slot.attempt or self._stopping:
            return
        slot.cancel()
        until_ns = self._budget.connect(self._clock.now_ns())
        if until_ns:
            self._connect_at(slot, until_ns)
            return
        self._number += 1
        number = slot.attempt = self._number
        self._slot_of[number] = slot
        receiver = self.reader.begin(number, slot.number)
        self.reader.attach(number, self._websocket.connect(self._url, receiver))

    def _connect_at(self, slot: _Slot, at_ns: int) -> None:
        connect = Connect(self._start, slot.number)
        slot.cancel = self._timers.at(at_ns, lambda: self._mailbox.tell(connect))

    def _renew(self, slot: _Slot, reason: str) -> None:
        """The adapter asks again where this comes to nothing."""
        if slot.links and not slot.attempt:
            self._log.info("feed_renewing", reason=reason)
            self._connect(slot)

    def _opened(self, number: int) -> None:
        slot = self._slot_of[number]
        slot.attempt = 0
        slot.links.add(number)
        self._was_open = True
        self._cancel_tick()
        self._log.info("feed_open", url=self._url, slot=slot.number)

    def _closed(self, message: Closed) -> None:
        number = message.connection
        slot = self._slot_of.pop(number)
        if number in slot.links and not self._stopping and self._measures is not None:
            self._measures.reconnected()
        slot.links.discard(number)
        heed(message.refusal, self._budget, self._clock.now_ns())
        if slot.attempt == number:
            slot.attempt = 0
        # A server that refuses is there, and may have its reasons for a while.
        self._cause = message.reason if message.refusal is None else ""
        self._judge()
        if self._stopping:
            return
        if slot.links or slot.attempt:
            self._log.info("feed_link_closed", reason=message.reason)
            self._tick_later()
            return
        delay_ns = slot.backoff.next_ns()
        self._log.warning("feed_closed", reason=message.reason, retry_ms=delay_ns // 1_000_000)
        self._connect_at(slot, self._clock.now_ns() + delay_ns)
        self._tick_later()

    def _judge(self) -> None:
        """Whether anything will ever come: an address that answers nothing at all is said, unless there is data without
        it."""
        if self._was_open or not self._cause or self.reader.has_lived:
            return
        if self._clock.now_ns() - self._begun_ns >= self._patience_ns:
            self._supervisor.tell(Unreachable(self._url, self._cause))
            self._cause = ""

    def _tick_later(self) -> None:
        """Connections tick by themselves; where none is open, a timer does it."""
        self._cancel_tick()
        if not self._stopping and not any(slot.links for slot in self._slots):
            tick = Tick(self._start)
            self._cancel_tick = self._timers.at(
                self._clock.now_ns() + TICK_NS, lambda: self._mailbox.tell(tick)
            )
