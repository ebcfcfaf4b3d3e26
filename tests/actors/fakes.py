"""Stand-ins for what actors are given: a clock that is set by hand, a connection that remembers, a scripted adapter."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from livestack.actors.gate import DispatchGate
from livestack.actors.kill_switch import KillSwitch
from livestack.actors.mailbox import Mailbox
from livestack.control.latch import Latch
from livestack.core.events import Event, IntentDispatched, Recorded
from livestack.core.types import (
    ConnectionStatus,
    OrderRequest,
    Origin,
    RequestKind,
    RequestSource,
    Side,
)
from livestack.exceptions import JournalError
from livestack.telemetry.sender import Outcome
from livestack.telemetry.statsd import Datagram
from livestack.transports.base import HttpRequest, HttpResponse, Receiver
from livestack.venues.adapter import Fetch, Outbound

REQUEST = OrderRequest(
    kind=RequestKind.NEW,
    venue="v",
    instrument="v:S",
    order_id=1,
    revision=1,
    client_id="AAAAAAAAA-1-1",
    source=RequestSource.STRATEGY,
    side=Side.BUY,
    qty=1,
    price=1,
)


def dispatched(seq: int = 1, ts: int = 0, request: OrderRequest = REQUEST) -> Recorded:
    return Recorded(seq, ts, Origin.DERIVED, IntentDispatched(request=request, admitted_ts=ts))


def messages(mailbox: Mailbox) -> list[Any]:
    """Everything that waits in a mailbox."""
    out: list[Any] = []
    while (envelope := mailbox.take()) is not None and envelope.message:  # empty: only looks are waiting
        out += envelope.message
    return out


class FakeClock:
    def __init__(self) -> None:
        self.time_ns = 1_000_000_000

    def now_ns(self) -> int:
        return self.time_ns

    def wall_ns(self) -> int:
        return self.time_ns


class FakeTimers:
    """Remembers what was asked for; a test fires it."""

    def __init__(self) -> None:
        self.pending: list[tuple[int, Callable[[], None]]] = []

    def at(self, deadline_ns: int, callback: Callable[[], None]) -> Callable[[], None]:
        entry = (deadline_ns, callback)
        self.pending.append(entry)
        return lambda: self.pending.remove(entry) if entry in self.pending else None

    def fire(self) -> None:
        """Everything that is pending now, by deadline."""
        due, self.pending = sorted(self.pending, key=lambda entry: entry[0]), []
        for _, callback in due:
            callback()


class FakeConnection:
    def __init__(self) -> None:
        self.sent: list[str] = []
        self.error: Exception | None = None
        self.closed = False
        self.wakes = 0

    def send(self, text: str) -> None:
        if self.error is not None:
            raise self.error
        self.sent.append(text)

    def wake(self) -> None:
        self.wakes += 1

    def close(self) -> None:
        self.closed = True


class FakeWebSocket:
    """Hands out connections; the test calls their receivers."""

    def __init__(self) -> None:
        self.connections: list[FakeConnection] = []
        self.receivers: list[Receiver] = []

    def connect(self, url: str, receiver: Receiver) -> FakeConnection:
        self.connections.append(FakeConnection())
        self.receivers.append(receiver)
        return self.connections[-1]


class FakeHttp:
    """Remembers what was submitted; a test answers."""

    def __init__(self) -> None:
        self.asked: list[tuple[HttpRequest, Callable[[HttpResponse], None]]] = []

    def submit(self, request: HttpRequest, reply: Callable[[HttpResponse], None]) -> None:
        self.asked.append((request, reply))

    def close(self) -> None:
        """Nothing to end."""


class FakeRequests:
    """A request transport that remembers what was written; ``error`` is raised instead."""

    def __init__(self) -> None:
        self.written: list[tuple[HttpRequest, Callable[[HttpResponse], None]]] = []
        self.reducing: list[HttpRequest] = []
        self.kept: list[str] = []
        self.error: Exception | None = None
        self.shuts = 0

    def keep(self, url: str) -> None:
        self.kept.append(url)

    def send(
        self, request: HttpRequest, reply: Callable[[HttpResponse], None], *, reduces: bool = False
    ) -> None:
        if self.error is not None:
            raise self.error
        self.written.append((request, reply))
        if reduces:
            self.reducing.append(request)

    def shut(self) -> None:
        self.shuts += 1

    def close(self) -> None:
        """Nothing to end."""


class FakeOrderEntry:
    """An order-entry adapter whose frames name what they are for."""

    def __init__(self) -> None:
        self.faults: dict[str, int] = {}
        self.status = ConnectionStatus.DISCONNECTED
        self.settling_ns = 1
        self.pending_events: list[Event] = []
        self.pending_out: list[Any] = []
        self.pending_complaints: list[Any] = []
        self.calls: list[tuple[str, Any]] = []
        self.refuse = ""
        self.link = 0
        self.links: set[int] = set()
        self.is_over_rest = False
        self.is_clock_good = True
        self.pending_repeats: list[OrderRequest] = []

    def connected(self, now_ns: int, wall_ns: int, link: int = 0) -> None:
        self.status = ConnectionStatus.LIVE
        self.link = link
        self.links.add(link)
        self.calls.append(("connected", now_ns))

    def receive(self, frame: bytes, recv_ns: int, link: int = 0) -> None:
        self.calls.append(("receive", frame))

    def fetched(self, answer: Any) -> None:
        self.calls.append(("fetched", answer))

    def repeats(self) -> list[OrderRequest]:
        repeats, self.pending_repeats = self.pending_repeats, []
        return repeats

    def unrepeated(self, request: OrderRequest) -> None:
        self.calls.append(("unrepeated", request.client_id))

    def encode(self, request: OrderRequest, now_ns: int, wall_ns: int) -> Outbound:
        if self.refuse:
            raise ValueError(self.refuse)
        if self.is_over_rest:
            return Outbound(Fetch(7, "POST", "/order", f"id={request.client_id}", (), "order"))
        return Outbound(f"{request.kind.name} {request.client_id}", self.link)

    def sent(self, request: OrderRequest, send_ns: int) -> None:
        self.calls.append(("sent", request.client_id))

    def unsent(self, request: OrderRequest) -> None:
        self.calls.append(("unsent", request.client_id))

    def ask(self, query: Any, now_ns: int, wall_ns: int) -> None:
        self.calls.append(("ask", query))

    def tick(self, now_ns: int, wall_ns: int) -> None:
        self.calls.append(("tick", now_ns))

    def disconnected(self, reason: str, now_ns: int, link: int = 0) -> None:
        self.links.discard(link)
        if link == self.link or not self.links:
            self.status = ConnectionStatus.DISCONNECTED
        self.calls.append(("disconnected", reason))

    def events(self) -> list[Event]:
        events, self.pending_events = self.pending_events, []
        return events

    def outgoing(self) -> list[Any]:
        out, self.pending_out = self.pending_out, []
        return out

    def complaints(self) -> list[Any]:
        out, self.pending_complaints = self.pending_complaints, []
        return out


class FakeMarketData:
    """A market-data adapter that emits what it is told to. ``slots``: connections that it wants."""

    def __init__(self, slots: int = 1) -> None:
        self.faults: dict[str, int] = {}
        self.slots = slots
        self.stands_in_ns = 0
        self.pending_events: list[Event] = []
        self.pending_out: list[Any] = []
        self.pending_complaints: list[Any] = []
        self.calls: list[tuple[str, Any]] = []

    def connected(self, now_ns: int, link: int = 0, slot: int = 0) -> None:
        self.calls.append(("connected", (link, slot)))

    def receive(self, frame: bytes, recv_ns: int, link: int = 0) -> None:
        self.calls.append(("receive", frame))

    def fetched(self, answer: Any) -> None:
        self.calls.append(("fetched", answer))

    def tick(self, now_ns: int) -> None:
        self.calls.append(("tick", now_ns))

    def overflowed(self, now_ns: int) -> None:
        self.calls.append(("overflowed", now_ns))

    def disconnected(self, reason: str, now_ns: int, link: int = 0) -> None:
        self.calls.append(("disconnected", (link, reason)))

    def events(self) -> list[Event]:
        events, self.pending_events = self.pending_events, []
        return events

    def outgoing(self) -> list[Any]:
        out, self.pending_out = self.pending_out, []
        return out

    def retired(self, now_ns: int) -> None:
        self.calls.append(("retired", now_ns))

    def complaints(self) -> list[Any]:
        complaints, self.pending_complaints = self.pending_complaints, []
        return complaints


class BrokenWriter:
    """A journal whose disk refuses."""

    last_seq = 0
    segment_bytes = 0

    def commit(self, records: Sequence[Recorded]) -> Any:
        raise JournalError("the disk refuses")

    def begin_afresh(self) -> None:
        """The new segment refuses as well."""

    def close(self) -> None:
        """Nothing to close."""


class FakeBackoff:
    def next_ns(self) -> int:
        return 1

    def reset(self) -> None:
        """Nothing to forget."""


def kill_switch(gate: DispatchGate, directory: Path) -> KillSwitch:
    """A real one, over a latch in ``directory``."""
    return KillSwitch(
        gate=gate,
        latch=Latch(directory),
        clock=FakeClock(),
        venues={"v": ["v:A", "v:B"]},
        kill_file=directory / "KILL",
    )


class FakeSender:
    """Remembers what it was given; ``loses``: the reason for which nothing leaves, or empty."""

    def __init__(self, loses: str = "") -> None:
        self.sent: list[Datagram] = []
        self.is_closed = False
        self.loses = loses

    def send(self, datagrams: Sequence[Datagram]) -> Outcome:
        outcome = Outcome()
        for datagram in datagrams:
            if self.loses:
                outcome.lost[self.loses] += datagram.values
                continue
            self.sent.append(datagram)
            outcome.datagrams += 1
            outcome.size += len(datagram.payload)
        return outcome

    def close(self) -> None:
        self.is_closed = True

    def lines(self) -> list[str]:
        """Everything that was sent, in order."""
        return [line for one in self.sent for line in one.payload.decode("ascii").split("\n")]
