"""Where requests go: over the link in use, over its successor, or over REST while there is no link.

Pure; belongs to the order-entry adapter's thread. It keeps the connection's state. One handshake leads the path in use
to LIVE; a successor is greeted beside it. A successor of a link takes over without a reconciliation, because its
private stream began before the other one ended; behind REST, which has no stream, everything is reconciled over the
link first, while REST is still in use: a socket that is open and of no use takes nothing away.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from livestack.core.events import Event, VenueStatusChanged
from livestack.core.incidents import ORDERS_OVER_REST
from livestack.core.types import ConnectionStatus
from livestack.venues.adapter import LOG_ON_REFUSED
from livestack.venues.binance_spot.calls import NOWHERE, REST, Calls
from livestack.venues.binance_spot.handshake import Greeting, Handshake, Step
from livestack.venues.binance_spot.order_links import Link, Links
from livestack.venues.complaints import Complaints
from livestack.venues.options import VenueOptions
from livestack.venues.session import SessionState, Signal

LIVE = ConnectionStatus.LIVE
DISCONNECTED = ConnectionStatus.DISCONNECTED


class Paths:
    """``reconciliation`` makes the steps behind the greeting. ``live()``: all is known; ``interrupted(is_last)``: the
    private stream is lost, and with ``is_last`` every path; ``succeeded()``: one link took over from another.
    ``incidents``: names of those that another adapter of the session left open."""

    def __init__(
        self,
        venue: str,
        calls: Calls,
        greeting: Greeting,
        options: VenueOptions,
        complaints: Complaints,
        events: list[Event],
        reconciliation: Callable[[], list[Step]],
        live: Callable[[], None],
        interrupted: Callable[[bool], None],
        succeeded: Callable[[], None],
        incidents: Collection[str] = (),
    ) -> None:
        self._venue = venue
        self._calls = calls
        self._greeting = greeting
        self._options = options
        self._complaints = complaints
        self._events = events
        self._reconciliation = reconciliation
        self._live = live
        self._interrupted = interrupted
        self._succeeded = succeeded
        self._session = SessionState()
        self._main = Handshake(calls, self._ended)
        self.links = Links(
            calls,
            greeting,
            options.renew_after_ns,
            self._greeted,
            self._complain,
            lambda: self.resynchronise("the private stream is not subscribed to any more"),
        )
        self._is_told_of_rest = ORDERS_OVER_REST.name in incidents
        self._down_ns = -1
        """Since when no link was LIVE; -1: one is."""

    @property
    def status(self) -> ConnectionStatus:
        return self._session.status

    @property
    def is_over_rest(self) -> bool:
        return self._calls.path == REST

    # -- What the host says ----------------------------------------------------------------------------------------

    def connected(self, number: int) -> None:
        link = self.links.opened(number)
        if self._calls.path == NOWHERE:
            self._is_down()
            self._main.abandon()
            self._begin_on(link)
        else:
            self._prepare(link)

    def disconnected(self, number: int, reason: str) -> None:
        if self._calls.path == NOWHERE:
            self._is_down()
        link = self.links.closed(number)
        if link is None:
            return
        if number != self._calls.path:
            self._calls.broken(number, is_last=False)
            return
        self._main.abandon()
        self._calls.broken(number, is_last=True)
        self._interrupted(True)
        self._is_down()
        self._calls.path = NOWHERE
        self._signal(Signal.CLOSED, reason)
        successor = self.links.in_waiting
        if successor is not None:
            # Its stream began too late to follow on the other's: as a fresh connection.
            if successor.successor is not None:
                successor.successor.abandon()
                successor.successor = None
            self._begin_on(successor)

    def tick(self) -> None:
        for pending in self._calls.tick():
            self.links.overdue(pending)
        self._main.tick()
        self.links.tick()
        if self.status is LIVE and self._calls.path >= 0:
            self.links.watch(self._calls.path)
        elif self._may_go_over_rest():
            self._begin_over_rest()

    # -- What the venue says -----------------------------------------------------------------------------------------

    def resynchronise(self, reason: str) -> None:
        """Something may have been missed: reconcile anew over the same path."""
        if self.status is LIVE:
            self._is_down()
            self._signal(Signal.DOUBT, reason)
            self._interrupted(False)
            self._main.restart()

    def stream_ended(self, number: int, reason: str) -> None:
        """The venue ended the private stream of a link."""
        link = self.links.get(number)
        if number == self._calls.path:
            self.resynchronise(reason)
        elif link is not None and link.successor is not None:
            link.successor.restart()

    def refused(self, reason: str) -> None:
        """The venue takes our key no more, and does not say which question it is that it refuses."""
        if self.status is LIVE or self._main.is_running:
            self._is_down()
            self._complain(reason, True)
            self._signal(Signal.DEGRADE, reason)
            self._interrupted(False)
            self._main.refused()

    # -- The ways ----------------------------------------------------------------------------------------------------

    def _is_down(self) -> None:
        """From now on no link is LIVE."""
        if self._down_ns < 0:
            self._down_ns = self._calls.now_ns

    def _begin_on(self, link: Link) -> None:
        self._calls.path = link.number
        self._signal(Signal.OPENED, "connected")
        self._main.begin(lambda: self._all_steps(link))

    def _all_steps(self, link: Link) -> list[Step]:
        return [*self._greeting.steps(link.number, self.links.subscribed(link)), *self._reconciliation()]

    def _prepare(self, link: Link) -> None:
        """Have ``link`` ready to take over from the path in use."""
        if self.is_over_rest:
            self.links.prepare(link, self._reconciliation)
        else:
            self.links.prepare(link)

    def _greeted(self, link: Link) -> None:
        """``link`` is ready: from now on it is the one for new requests."""
        before, self._calls.path = self._calls.path, link.number
        make = lambda: self._all_steps(link)  # noqa: E731
        if before >= 0:
            self.links.retire(before)
            self._main.go_on_with(make)
            self._succeeded()
            return
        self._interrupted(False)
        self._main.overtaken(make)
        if self.status is LIVE:
            self._tell("reconciled")  # it is LIVE all the time; what it says of REST is over
        with self._calls.over(-1):
            self._ended("", False)

    def _may_go_over_rest(self) -> bool:
        if not self._options.rest_orders or self._down_ns < 0 or self.is_over_rest:
            return False
        if self._calls.now_ns - self._down_ns < self._options.rest_after_ns:
            return False
        # A link that is open and of no use is down as well; one that is only refused, or slow, is not.
        return self._calls.path == NOWHERE or (
            self._main.failed > 0 and self.status is ConnectionStatus.SYNCHRONISING
        )

    def _begin_over_rest(self) -> None:
        number = self._calls.path
        if number >= 0:
            self._main.abandon()
            self._calls.broken(number, is_last=False)
        self._calls.path = REST
        self._signal(Signal.OPENED, "over REST")
        self._main.begin(lambda: [self._greeting.time, *self._reconciliation()])
        for link in self.links.of_use:
            self._prepare(link)

    def _ended(self, reason: str, is_refused: bool) -> None:
        if reason:
            self._complain(reason, is_refused)
            if is_refused:
                self._signal(Signal.DEGRADE, reason)
            return
        if self.status is ConnectionStatus.DEGRADED:
            self._signal(Signal.DOUBT, "accepted again")
        self._signal(Signal.SYNCHRONISED, "over REST" if self.is_over_rest else "reconciled")
        if not self.is_over_rest:
            self._down_ns = -1
        self._tell_of_rest()
        self._live()

    def _tell_of_rest(self) -> None:
        if self.is_over_rest is self._is_told_of_rest:
            return
        self._is_told_of_rest = self.is_over_rest
        if not self.is_over_rest:
            detail = "the WebSocket API is in use again"
            self._events.append(ORDERS_OVER_REST.closed(self._venue, detail))
            return
        down_s = max(self._calls.now_ns - self._down_ns, 0) // 1_000_000_000
        detail = f"the WebSocket API has been of no use for {down_s} s; fills and endings are asked for, and come later"
        self._events.append(ORDERS_OVER_REST.opened(self._venue, detail))

    def _complain(self, reason: str, is_refused: bool) -> None:
        self._complaints.add(LOG_ON_REFUSED if is_refused else "handshake_failed", reason)

    def _signal(self, signal: Signal, reason: str) -> None:
        if self._session.take(signal):
            self._tell(reason)

    def _tell(self, reason: str) -> None:
        self._events.append(
            VenueStatusChanged(
                recv_ns=self._calls.now_ns, venue=self._venue, status=self.status, reason=reason
            )
        )
