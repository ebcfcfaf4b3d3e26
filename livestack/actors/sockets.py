"""The WebSocket connections of one connector: who is open, who is being opened, and when to try again.

Imports transports and messages. Belongs to the connector's thread; reader threads only put messages into its mailbox.
It opens and closes; it writes nothing.
"""

from __future__ import annotations

from collections.abc import Callable

from livestack.actors.mailbox import Mailbox
from livestack.actors.messages import Closed, Connect, FrameReceived, Opened
from livestack.actors.refusals import heed
from livestack.failpoints import failpoint
from livestack.transports.backoff import Backoff
from livestack.transports.base import Connection, Refusal, WebSocketTransport
from livestack.transports.clock import Clock, Timers
from livestack.venues.budget import RequestBudget

CONNECT_WEIGHT = 2
"""What opening a connection costs of the venue's request weight (venues.md 1.7)."""


class _Forwarder:
    """Receiver of one connection: everything becomes a message to the actor. Runs on the reader thread."""

    def __init__(self, number: int, actor: Mailbox) -> None:
        self._number = number
        self._actor = actor

    def on_open(self, now_ns: int) -> None:
        self._actor.tell(Opened(self._number, now_ns))

    def on_frame(self, frame: bytes, recv_ns: int) -> None:
        failpoint("reader.in_connector_frame")
        self._actor.tell(FrameReceived(self._number, frame, recv_ns))

    def on_wake(self, now_ns: int) -> None:
        """Time reaches the adapter through the actor's own ticks."""

    def on_close(self, reason: str, now_ns: int, refusal: Refusal | None = None) -> None:
        self._actor.tell(Closed(self._number, reason, now_ns, refusal))


class Sockets:
    """One attempt to connect at a time, however many connections are open. ``start``: see the connector."""

    def __init__(
        self,
        websocket: WebSocketTransport,
        url: str,
        mailbox: Mailbox,
        clock: Clock,
        timers: Timers,
        backoff: Backoff,
        budget: RequestBudget,
        start: int,
    ) -> None:
        self._websocket = websocket
        self._url = url
        self._mailbox = mailbox
        self._clock = clock
        self._timers = timers
        self._backoff = backoff
        self._budget = budget
        self._start = start
        self._number = start << 32
        self._connections: dict[int, Connection] = {}
        self._opening = 0
        self._is_planned = False
        self._stopped = False
        self._cancel: Callable[[], None] = lambda: None

    def __len__(self) -> int:
        """How many are open or being opened."""
        return len(self._connections)

    def get(self, number: int) -> Connection | None:
        return self._connections.get(number)

    def want(self) -> None:
        """Have another connection made at once, unless one is being made or planned."""
        if not self._opening and not self._is_planned and not self._stopped:
            self._connect()

    def due(self) -> None:
        """It is time for what was planned."""
        if self._is_planned and not self._stopped:
            self._is_planned = False
            self._connect()

    def _connect(self) -> None:
        """Now, or when the budget lets us."""
        now_ns = self._clock.now_ns()
        until_ns = self._budget.connect(now_ns, CONNECT_WEIGHT)
        if until_ns:
            self._plan(until_ns)
            return
        self._number += 1
        self._opening = self._number
        forwarder = _Forwarder(self._number, self._mailbox)
        self._connections[self._number] = self._websocket.connect(self._url, forwarder)

    def opened(self, number: int) -> bool:
        """Whether ``number`` is one of these; it is open now."""
        if number == self._opening:
            self._opening = 0
        return number in self._connections

    def closed(self, number: int, refusal: Refusal | None = None) -> bool:
        """Forget ``number``; whether it never was open. ``refusal``: the next attempt is made when the server wants."""
        heed(refusal, self._budget, self._clock.now_ns())
        self._connections.pop(number, None)
        was_opening = number == self._opening
        if was_opening:
            self._opening = 0
        return was_opening

    def plan(self) -> int:
        """Try again a little later, unless that is under way; how long it waits, in nanoseconds."""
        if self._opening or self._is_planned or self._stopped:
            return 0
        delay_ns = self._backoff.next_ns()
        self._plan(self._clock.now_ns() + delay_ns)
        return delay_ns

    def _plan(self, at_ns: int) -> None:
        self._is_planned = True
        self._cancel = self._timers.at(at_ns, lambda: self._mailbox.tell(Connect(self._start)))

    def close(self, number: int) -> None:
        connection = self._connections.get(number)
        if connection is not None:
            connection.close()

    def shut(self) -> None:
        """Cut them all. Any thread."""
        for connection in list(self._connections.values()):
            connection.close()

    def stop(self) -> None:
        """Plan nothing more."""
        self._stopped = True
        self._cancel()
        self.shut()
