"""The fault layer of a simulated Binance Spot venue: everything that its rules do, between the venue and its clients.

Pure. Runs on the venue's thread. A venue without faults has none; one that has had some asks ``idle`` first.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Protocol

from livestack.simulator.binance_spot.call import Call, read_call
from livestack.simulator.binance_spot.errors import VenueError
from livestack.simulator.binance_spot.fault_book import FaultBook, Subject
from livestack.simulator.binance_spot.frame_faults import FrameFaults, corrupt
from livestack.simulator.binance_spot.front import FrontDesk
from livestack.simulator.binance_spot.moments import Moments
from livestack.simulator.binance_spot.request_faults import (
    CUT,
    SILENCE,
    Broken,
    RequestFaults,
    page,
)
from livestack.simulator.binance_spot.rest import RestFrontEnd
from livestack.simulator.binance_spot.streams import Outbox, StreamHub
from livestack.simulator.binance_spot.websocket_api import WebSocketApi
from livestack.simulator.fault_kinds import Rule, below

SILENCE_NS = 60_000_000_000  # then even a silent server's connection is gone
SWITCHING = 101
TOO_MANY = 429


class RestAnswer(tuple[int, dict[str, str], bytes]):
    """What a REST request comes to, after ``delay_ns``: status, headers, body.

    ``cut_at``: only so many bytes of ``wire`` go out, then TCP is aborted; None: all of it does.
    """

    delay_ns: int
    cut_at: int | None

    def __new__(
        cls, status: int, headers: dict[str, str], body: bytes, delay_ns: int = 0, cut_at: int | None = None
    ) -> RestAnswer:
        answer = super().__new__(cls, (status, headers, body))
        answer.delay_ns, answer.cut_at = delay_ns, cut_at
        return answer

    @property
    def status(self) -> int:
        return self[0]

    @property
    def headers(self) -> dict[str, str]:
        return self[1]

    @property
    def body(self) -> bytes:
        return self[2]

    def wire(self) -> bytes:
        """The whole answer as HTTP/1.1 writes it."""
        lines = [
            f"HTTP/1.1 {self.status} {_phrase(self.status)}",
            *(f"{k}: {v}" for k, v in self.headers.items()),
        ]
        head = "\r\n".join([*lines, f"Content-Length: {len(self.body)}", "", ""])
        return head.encode() + self.body


class Inside(Protocol):
    """The venue, towards its fault layer."""

    def at(self, now_ns: int) -> None: ...

    def wipe(self) -> None: ...

    def deliver(self) -> None: ...

    def hear(self, connection_id: int, text: str, now_ns: int) -> None:
        """Take a text frame in."""

    def best_ask(self, symbol: str) -> tuple[int, int]: ...


class FaultLayer:
    """See the module's head. Whoever calls has brought the venue to ``now_ns`` first."""

    def __init__(
        self,
        inside: Inside,
        seed: int,
        desk: FrontDesk,
        rest: RestFrontEnd,
        hub: StreamHub,
        api: WebSocketApi,
        reports_first: bool,
    ) -> None:
        self._inside = inside
        self._reports_first = reports_first
        self._rest = rest
        self._hub = hub
        self._api = api
        self.book = FaultBook(seed)
        self.frames = FrameFaults(self.book, inside.best_ask)
        self.requests = RequestFaults(
            self.book, desk.exchange, desk.gatekeeper, self.frames.leads, inside.deliver
        )
        self.moments = Moments(self.book, self.frames, desk, hub, api, inside)
        self._incoming: list[tuple[int, int, int, str]] = []
        self._number = 0
        self._last_in_ns: dict[int, int] = {}

    @property
    def idle(self) -> bool:
        """Whether there is nothing to do: no rule, nothing on its way, nothing to undo."""
        return not (self.book or self.frames.waiting or self._incoming or self.moments.waiting)

    def next_due_ns(self) -> int | None:
        """When ``act`` has something to do."""
        due = [self.moments.next_due_ns(), self._incoming[0][0] if self._incoming else None]
        return min((moment for moment in due if moment is not None), default=None)

    def next_frame_ns(self) -> int | None:
        """When the next frame leaves."""
        return self.frames.next_due_ns()

    def act(self, now_ns: int) -> None:
        """Let moments and late requests happen that are due."""
        self.moments.act(now_ns)
        while self._incoming and self._incoming[0][0] <= now_ns:
            _, _, connection_id, text = heapq.heappop(self._incoming)
            self._inside.hear(connection_id, text, now_ns)

    def clear(self) -> None:
        """No rule any more, and nothing that one of them holds. What waits still comes."""
        self.book.clear()
        self.moments.undo_all()

    # -- connections -----------------------------------------------------------------------------------------------

    def admits(self, side: str) -> int:
        """101, or the status to refuse a new connection with; 0: abort it."""
        closed = self.moments.closed.get(side)
        if not closed:
            return SWITCHING
        self.book.count(f"{side} refused")
        return closed[-1]

    def forget(self, connection_id: int) -> None:
        """The connection is gone, and what it had sent with it."""
        self.frames.forget(connection_id)
        self._last_in_ns.pop(connection_id, None)
        if self._incoming:
            self._incoming = [entry for entry in self._incoming if entry[2] != connection_id]
            heapq.heapify(self._incoming)

    def hears(self, connection_id: int) -> bool:
        """Whether what comes in on a connection arrives."""
        return not self.frames.deaf.get(connection_id, False) and not self.frames.is_doomed(connection_id)

    def delays(self, connection_id: int, text: str, now_ns: int) -> bool:
        """Whether an incoming frame is on its way still; it is then heard by ``Inside.hear`` when it is there."""
        if not self._api.knows(connection_id):
            return False  # what is said to a stream counts at once: five messages a second
        call = read_call(text) or Call("ws_api", "")
        delay_ns = self._latency(Subject("ws_api", call.method, "", call.symbol, way="in"), now_ns)
        due_ns = max(now_ns + delay_ns, self._last_in_ns.get(connection_id, 0))
        if due_ns <= now_ns:
            return False
        self._last_in_ns[connection_id] = due_ns
        self._number += 1
        heapq.heappush(self._incoming, (due_ns, self._number, connection_id, text))
        return True

    def _latency(self, subject: Subject, now_ns: int) -> int:
        rule = self.book.strikes("latency", subject, now_ns)
        if rule is None:
            return 0
        self.book.count("latency")
        return rule.draw("delay", self.book.random)

    # -- requests --------------------------------------------------------------------------------------------------

    def request(self, connection_id: int, text: str, outbox: Outbox, now_ns: int) -> None:
        """One WebSocket API request, its answer and what follows from it, into ``outbox``."""
        call = read_call(text)
        if call is None:
            self._api.message(connection_id, text)
            return
        broken = self.requests.before(call, now_ns)
        if broken is None:
            start = len(outbox)
            self._api.message(connection_id, text)
            answers = outbox[start:]
            del outbox[start:]
            broken = self.requests.after(call, now_ns)
            if broken is None:
                self._in_order(
                    outbox, answers, self._reports_first or self.requests.reports_first(call, now_ns)
                )
                return
            self._inside.deliver()
        if broken.how == CUT:
            self.frames.take(outbox, now_ns)
            self.frames.cut(connection_id)
        elif broken.error is not None:
            self._api.refuse(connection_id, call.request_id, broken.error)

    def _in_order(self, outbox: Outbox, answers: Outbox, reports_first: bool) -> None:
        if reports_first:
            self._inside.deliver()
        outbox.extend(answers)
        self._inside.deliver()

    def hold_ns(self, method: str, path: str, query: str, now_ns: int) -> int:
        """How long a REST request is on its way to the venue."""
        call = self._rest.call(method, path, query, "")
        return self._latency(Subject("rest", call.method, "", call.symbol, way="in"), now_ns)

    def rest(
        self, method: str, path: str, query: str, headers: Mapping[str, str], body: str, now_ns: int
    ) -> RestAnswer:
        """One REST request and its answer."""
        if self.admits("rest") != SWITCHING:
            status = self.moments.closed["rest"][-1]
            html = page(status, "Service Temporarily Unavailable")
            return RestAnswer(status, _HTML, html) if status else RestAnswer(0, {}, b"", cut_at=0)
        call = self._rest.call(method, path, query, body)
        broken = self.requests.before(call, now_ns)
        answer = RestAnswer(0, {}, b"")
        if broken is None:
            answer = RestAnswer(*self._rest.request(method, path, query, headers, body))
            broken = self.requests.after(call, now_ns)
            self._inside.deliver()
        if broken is not None:
            answer = self._broken(broken, answer)
        return self._on_its_way(answer, call, now_ns)

    def _broken(self, broken: Broken, answer: RestAnswer) -> RestAnswer:
        if broken.how in (CUT, SILENCE):
            return RestAnswer(
                answer.status, answer.headers, answer.body, SILENCE_NS if broken.how == SILENCE else 0, 0
            )
        error = broken.error
        assert isinstance(error, VenueError)
        if broken.html:
            return RestAnswer(error.status, _HTML, broken.html)
        return RestAnswer(*self._rest.refused(error))

    def _on_its_way(self, answer: RestAnswer, call: Call, now_ns: int) -> RestAnswer:
        if answer.cut_at is not None:
            return answer
        subject, random = call.subject, self.book.random
        delay_ns = answer.delay_ns + self._latency(subject, now_ns)
        rule = self.book.strikes("answer_delayed", subject, now_ns)
        if rule is not None:
            self.book.count("answer_delayed")
            delay_ns += rule.draw("delay", random)
        body = answer.body
        if answer.headers is not _HTML:
            body = corrupt(self.book, body.decode(), subject, now_ns).encode()
        whole = RestAnswer(answer.status, answer.headers, body, delay_ns)
        rule = self.book.strikes("disconnect", subject, now_ns)
        if rule is None:
            return whole
        self.book.count("disconnect")
        at_byte, length = rule.number("at_byte"), len(whole.wire())
        cut_at = below(random, length) if at_byte < 0 else min(at_byte, length)
        return RestAnswer(answer.status, answer.headers, body, delay_ns, cut_at)

    @property
    def active(self) -> Sequence[Rule]:
        return self.book.active


_HTML = {"Content-Type": "text/html"}


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"
