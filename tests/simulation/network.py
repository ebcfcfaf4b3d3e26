"""The simulated network between a node and a simulated venue: latency, order within a connection, cuts.

It drives the venue's pure facade; not one socket is opened. A cut loses what is under way in both directions. Whatever
faults the venue was given come through here as they would through sockets.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from livestack.exceptions import NotSentError
from livestack.simulator.binance_spot.faults import SWITCHING
from livestack.simulator.binance_spot.venue import ConnectionKind, RestAnswer
from livestack.transports.base import HttpRequest, HttpResponse, Receiver
from tests.simulation.scheduler import Scheduler

LATENCY_NS = (100_000, 3_000_000)
"""One way, least and most: a co-located node to a distant one."""

WAKE_NS = 250_000_000
SILENCE_NS = 20_000_000_000
"""As the transport: nothing came for so long, the answer to its ping included."""

PING_NS = 20_000_000_000
"""The venue pings so often, and counts the pong as a message."""

READ_TIMEOUT_NS = 10_000_000_000
"""As the transport: so long it waits for an answer over HTTP."""


class SimulatedNetwork:
    """Everything between the node and one ``BinanceSpotVenue``."""

    def __init__(self, scheduler: Scheduler, venue: Any) -> None:
        self.scheduler = scheduler
        self.venue = venue
        self.connections: dict[int, SimulatedConnection] = {}
        self._numbers = 0
        self._due_ns: int | None = None

    def websocket(self, _name: str) -> _WebSocket:
        return _WebSocket(self)

    def http(self, _name: str) -> _Http:
        return _Http(self)

    def latency_ns(self) -> int:
        return self.scheduler.random.randrange(*LATENCY_NS)

    def connect(self, url: str, receiver: Receiver) -> SimulatedConnection:
        self._numbers += 1
        path = "/" + url.split("://", 1)[1].partition("/")[2]
        connection = SimulatedConnection(self, self._numbers, path, receiver)
        self.connections[connection.number] = connection
        self.scheduler.after(self.latency_ns(), connection.opened)
        return connection

    def pump(self) -> None:
        """Let the venue act up to now, carry away its frames, and come back when it is due."""
        now_ns = self.scheduler.now_ns()
        self.venue.advance(now_ns)
        for number, text in self.venue.drain():
            connection = self.connections.get(number)
            if connection is not None:
                connection.carry(text)
        for number, _part in self.venue.cuts():
            connection = self.connections.get(number)
            if connection is not None:
                connection.break_off()
        for number, _code, reason in self.venue.hang_ups():
            connection = self.connections.get(number)
            if connection is not None:
                connection.cut(reason)
        due_ns = self.venue.next_due_ns()
        if due_ns is not None and (self._due_ns is None or due_ns < self._due_ns or self._due_ns <= now_ns):
            self._due_ns = due_ns
            self.scheduler.at(max(due_ns, now_ns + 1), self.pump)

    def cut_all(self, reason: str) -> None:
        """Every connection breaks at once; what is under way is lost."""
        for connection in list(self.connections.values()):
            connection.cut(reason)


class SimulatedConnection:
    """A connection as both ends see it; frames keep their order, each way."""

    def __init__(self, network: SimulatedNetwork, number: int, path: str, receiver: Receiver) -> None:
        self.number = number
        self._network = network
        self._path = path
        self._receiver = receiver
        self._open = False
        self._closed = False
        self._last_in_ns = 0
        self._last_out_ns = 0
        self._heard_ns = 0
        self._pinged_ns = 0
        self.written: list[str] = []

    def opened(self) -> None:
        if self._closed:
            return
        self._open = True
        scheduler = self._network.scheduler
        kind: ConnectionKind = "ws_api" if "ws-api" in self._path else "stream"
        admitted = self._network.venue.admit(kind, scheduler.now_ns())
        if admitted != SWITCHING:
            self.cut(f"refused with status {admitted}" if admitted else "refused")
            return
        self._heard_ns = self._pinged_ns = scheduler.now_ns()
        self._network.venue.open(self.number, kind, self._path, scheduler.now_ns())
        self._receiver.on_open(scheduler.now_ns())
        self._network.pump()
        self._wake_later()

    def send(self, text: str) -> None:
        if not self._open:
            raise NotSentError("the connection is not open")
        self.written.append(text)
        scheduler = self._network.scheduler
        self._last_out_ns = max(self._last_out_ns, scheduler.now_ns() + self._network.latency_ns())
        scheduler.at(self._last_out_ns, lambda: self._arrive(text))

    def break_off(self) -> None:
        """The venue's end is gone; this one hears of it behind the frames that set out before."""
        self._network.venue.close(self.number)
        scheduler = self._network.scheduler
        self._last_in_ns = max(self._last_in_ns, scheduler.now_ns() + self._network.latency_ns())
        scheduler.at(self._last_in_ns, lambda: self.cut("connection reset by peer"))

    def carry(self, text: str) -> None:
        """A frame from the venue sets out."""
        scheduler = self._network.scheduler
        self._last_in_ns = max(self._last_in_ns, scheduler.now_ns() + self._network.latency_ns())
        scheduler.at(self._last_in_ns, lambda: self._deliver(text))

    def wake(self) -> None:
        self._network.scheduler.after(self._network.scheduler.hop(), self._on_wake)

    def close(self) -> None:
        self.cut("closed")

    def cut(self, reason: str) -> None:
        if self._closed:
            return
        self._open, self._closed = False, True
        self._network.venue.close(self.number)
        self._network.connections.pop(self.number, None)
        scheduler = self._network.scheduler
        scheduler.after(scheduler.hop(), lambda: self._receiver.on_close(reason, scheduler.now_ns()))

    def _arrive(self, text: str) -> None:
        if self._open:
            self._network.venue.message(self.number, text, self._network.scheduler.now_ns())
            self._network.pump()

    def _deliver(self, text: str) -> None:
        if self._open:
            self._heard_ns = self._network.scheduler.now_ns()
            self._receiver.on_frame(text.encode(), self._heard_ns)

    def _on_wake(self) -> None:
        if self._open:
            self._receiver.on_wake(self._network.scheduler.now_ns())

    def _wake_later(self) -> None:
        if self._open:
            self._on_wake()
            self._ping(self._network.scheduler.now_ns())
        if self._open:
            self._network.scheduler.after(WAKE_NS, self._wake_later)

    def _ping(self, now_ns: int) -> None:
        """Pings of both sides are answered at once, unless nothing comes through any more."""
        if self._network.venue.pings(self.number):
            if now_ns - self._pinged_ns >= PING_NS:
                self._heard_ns = self._pinged_ns = now_ns
                self._network.venue.pong(self.number, now_ns)
        elif now_ns - self._heard_ns > SILENCE_NS:
            self.cut("silent for 20 s")


class _WebSocket:
    def __init__(self, network: SimulatedNetwork) -> None:
        self._network = network

    def connect(self, url: str, receiver: Receiver) -> SimulatedConnection:
        return self._network.connect(url, receiver)


class _Http:
    def __init__(self, network: SimulatedNetwork) -> None:
        self._network = network

    def submit(self, request: HttpRequest, reply: Callable[[HttpResponse], None]) -> None:
        scheduler = self._network.scheduler
        begun_ns = scheduler.now_ns()
        path, _, query = ("/" + request.url.split("://", 1)[1].partition("/")[2]).partition("?")

        def arrive() -> None:
            answer = self._network.venue.rest(
                request.method, path, query, dict(request.headers), b"", scheduler.now_ns()
            )
            self._network.pump()
            delay_ns = answer.delay_ns + self._network.latency_ns()
            scheduler.after(min(delay_ns, READ_TIMEOUT_NS), lambda: leave(answer, delay_ns > READ_TIMEOUT_NS))

        def leave(answer: RestAnswer, late: bool) -> None:
            now_ns = scheduler.now_ns()
            if late or answer.cut_at is not None:
                error = "no answer in time" if late else "connection reset by peer"
                reply(HttpResponse(0, (), b"", error, begun_ns, now_ns))
                return
            headers = tuple((name.lower(), value) for name, value in answer.headers.items())
            reply(HttpResponse(answer.status, headers, answer.body, "", begun_ns, now_ns))

        hold_ns = self._network.venue.rest_hold_ns(request.method, path, query, begun_ns)
        scheduler.after(hold_ns + self._network.latency_ns(), arrive)

    def close(self) -> None:
        """Nothing to end."""
