"""Requests under way: numbering, timestamps in the venue's time, and which reply belongs to whom.

Pure; belongs to the order-entry adapter's thread. A dispatch and a question of the host's are different things: the
first is given back to be written behind the gate, the second goes out by itself and is repeated by whoever asked.
"""

from __future__ import annotations

from collections.abc import Callable

from livestack.core.types import OrderRequest
from livestack.venues.adapter import HostRequest
from livestack.venues.binance_spot.private_messages import Reply
from livestack.venues.binance_spot.requests import Parameters, RequestWriter

OVERDUE_NS = 10_000_000_000
"""The venue gives its own engine 10 s (-1007); an answer that is not there by then is not waited for."""

UNRESOLVED_MAX = 10_000
"""Requests of unknown outcome that are remembered: far more than a session may have in flight."""

DRIFT_NS = 1_000_000
"""What a measurement of the venue's clock is at least uncertain by: its times are whole milliseconds."""

_MILLI = 1_000_000

Done = Callable[[Reply], None]


class VenueTime:
    """The venue's clock as measured: ``offset_ns`` from session time, within ``error_ns``."""

    def __init__(self) -> None:
        self.offset_ns = 0
        self.error_ns = -1

    def measured(self, begun_ns: int, recv_ns: int, server_ms: int) -> None:
        """The venue said ``server_ms`` somewhere between the two."""
        self.offset_ns = server_ms * _MILLI + _MILLI // 2 - (begun_ns + recv_ns) // 2
        self.error_ns = (recv_ns - begun_ns) // 2 + DRIFT_NS

    def milliseconds(self, now_ns: int, wall_ns: int) -> int:
        """The time to sign with: never ahead of the venue's, and by the wall clock until it was measured."""
        if self.error_ns < 0:
            return wall_ns // _MILLI
        return (now_ns + self.offset_ns - self.error_ns) // _MILLI


class Pending:
    """One request without an answer: a question's ``done``, or a dispatch's ``request``."""

    __slots__ = ("begun_ns", "done", "is_amend", "request")

    def __init__(
        self, begun_ns: int, done: Done | None, request: OrderRequest | None, is_amend: bool
    ) -> None:
        self.begun_ns = begun_ns
        self.done = done
        self.request = request
        self.is_amend = is_amend


class Calls:
    """Numbers are never used twice, over all connections of this adapter."""

    def __init__(self, writer: RequestWriter, time: VenueTime) -> None:
        self._writer = writer
        self.time = time
        self.now_ns = 0
        self.wall_ns = 0
        self.outgoing: list[HostRequest] = []
        self._last_number = 0
        self._pending: dict[int, Pending] = {}
        self._numbers: dict[str, int] = {}
        self._unresolved: dict[str, OrderRequest] = {}

    def at(self, now_ns: int, wall_ns: int | None = None) -> None:
        """The host's time; the wall clock follows it between two readings."""
        self.wall_ns = self.wall_ns + now_ns - self.now_ns if wall_ns is None else wall_ns
        self.now_ns = now_ns

    @property
    def venue_ms(self) -> int:
        return self.time.milliseconds(self.now_ns, self.wall_ns)

    def ask(self, method: str, parameters: Parameters, done: Done, access: str = "private") -> None:
        """Send a question. ``access``: ``plain``, ``private``, or ``signed`` (by itself, logged on or not)."""
        number = self._register(Pending(self.now_ns, done, None, False))
        if access == "plain":
            text = self._writer.plain(number, method, parameters)
        elif access == "signed":
            text = self._writer.signed(number, method, parameters, self.venue_ms)
        else:
            text = self._writer.private(number, method, parameters, self.venue_ms)
        self.outgoing.append(HostRequest(text, method))

    def dispatch(self, request: OrderRequest, method: str, parameters: Parameters) -> str:
        """The frame of a committed dispatch, pending from now on."""
        is_amend = method == "order.amend.keepPriority"
        number = self._register(Pending(self.now_ns, None, request, is_amend))
        self._numbers[request.client_id] = number
        return self._writer.private(number, method, parameters, self.venue_ms)

    def take(self, number: object) -> Pending | None:
        """Whose reply it is; None for nobody's, or one answered before."""
        pending = self._pending.pop(number, None) if isinstance(number, int) else None
        if pending is not None and pending.request is not None:
            self._numbers.pop(pending.request.client_id, None)
        return pending

    def withdraw(self, client_id: str) -> None:
        """That dispatch was not written."""
        number = self._numbers.pop(client_id, None)
        if number is not None:
            self._pending.pop(number, None)

    def unresolved(self, request: OrderRequest) -> None:
        """The outcome of ``request`` is unknown: kept for the question that will come."""
        self._unresolved[request.client_id] = request
        while len(self._unresolved) > UNRESOLVED_MAX:
            del self._unresolved[next(iter(self._unresolved))]

    def of_client_id(self, client_id: str) -> OrderRequest | None:
        """The dispatch with that id if its outcome is not known."""
        number = self._numbers.get(client_id)
        if number is not None:
            return self._pending[number].request
        return self._unresolved.get(client_id)

    def resolved(self, client_id: str) -> None:
        """Its outcome was found out otherwise; a late reply is nobody's."""
        self.withdraw(client_id)
        self._unresolved.pop(client_id, None)

    def broken(self) -> None:
        """The connection is gone: dispatches are of unknown outcome, questions are asked anew by whoever had them."""
        pending, self._pending, self._numbers = self._pending, {}, {}
        self.outgoing = []
        self._writer.session_logged_on = False
        for one in pending.values():
            if one.request is not None:
                self.unresolved(one.request)

    def overdue(self) -> None:
        """Tell those that asked too long ago that no answer comes. Dispatches wait: the Core has its own time-out."""
        late = [
            number
            for number, pending in self._pending.items()
            if pending.done is not None and self.now_ns - pending.begun_ns > OVERDUE_NS
        ]
        for number in late:
            done = self._pending.pop(number).done
            if done is not None:
                done(Reply(0, self.now_ns))

    def _register(self, pending: Pending) -> int:
        self._last_number += 1
        self._pending[self._last_number] = pending
        return self._last_number
