"""Requests under way: numbering, timestamps in the venue's time, over which path, and which reply belongs to whom.

Pure; belongs to the order-entry adapter's thread. A dispatch and a question of the host's are different things: the
first is given back to be written behind the gate, the second goes out by itself, as soon as the budget has room for it,
and is repeated by whoever asked. A path is a link's number, or REST.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Final

from livestack.core.types import OrderRequest, RequestKind
from livestack.venues.adapter import CloseLink, Fetch, HostRequest, Outbound, Renew
from livestack.venues.binance_spot.private_messages import Reply
from livestack.venues.binance_spot.requests import Parameters, RequestWriter
from livestack.venues.binance_spot.rest_requests import RestRequests
from livestack.venues.binance_spot.routes import ORDERS, QUESTIONS, weight_of
from livestack.venues.binance_spot.venue_time import VenueTime
from livestack.venues.budget import Purpose, RequestBudget

OVERDUE_NS = 10_000_000_000
"""The venue gives its own engine 10 s (-1007); an answer that is not there by then is not waited for."""

REST_AT_ONCE: Final = 2
"""Questions under way over REST, where one thread asks them one behind the other: what waits there grows older than
its timestamp allows, and goes out although the venue has asked for silence meanwhile. What cancels does not wait."""

UNRESOLVED_MAX = 10_000
"""Requests of unknown outcome that are remembered: far more than a session may have in flight."""

REST: Final = -1
NOWHERE: Final = -2

Done = Callable[[Reply], None]


class Pending:
    """One request without an answer: a question's ``done``, or a dispatch's ``request``."""

    __slots__ = ("begun_ns", "done", "is_amend", "path", "request", "weight")

    def __init__(
        self,
        begun_ns: int,
        path: int,
        done: Done | None = None,
        request: OrderRequest | None = None,
        is_amend: bool = False,
        weight: int = 0,
    ) -> None:
        self.begun_ns = begun_ns
        self.path = path
        self.done = done
        self.request = request
        self.is_amend = is_amend
        self.weight = weight


class _Question:
    """One that waits for the budget. ``link`` -1: over whichever path is in use when its turn comes."""

    __slots__ = ("access", "done", "link", "method", "parameters", "weight")

    def __init__(self, method: str, parameters: Parameters, done: Done, access: str, link: int) -> None:
        self.method = method
        self.parameters = parameters
        self.done = done
        self.access = access
        self.link = link
        self.weight = weight_of(method, parameters)


class Calls:
    """Numbers are never used twice, over all paths of this adapter. ``path``: where requests go now."""

    def __init__(
        self, writer: RequestWriter, rest: RestRequests, time: VenueTime, budget: RequestBudget
    ) -> None:
        self._writer = writer
        self._rest = rest
        self._budget = budget
        self.time = time
        self.now_ns = 0
        self.wall_ns = 0
        self.path = NOWHERE
        self.logged_on: set[int] = set()
        """Links that need no signature."""
        self.outgoing: list[HostRequest | Fetch | Renew | CloseLink] = []
        self._last_number = 0
        self._pending: dict[int, Pending] = {}
        self._numbers: dict[str, int] = {}
        self._unresolved: dict[str, OrderRequest] = {}
        self._waiting: dict[Purpose, deque[_Question]] = {
            purpose: deque() for purpose in sorted(Purpose, reverse=True)
        }
        self._not_before: dict[Purpose, int] = dict.fromkeys(Purpose, 0)
        self._link = -1

    def at(self, now_ns: int, wall_ns: int | None = None) -> None:
        """The host's time; the wall clock follows it between two readings."""
        self.wall_ns = self.wall_ns + now_ns - self.now_ns if wall_ns is None else wall_ns
        self.now_ns = now_ns

    @property
    def venue_ms(self) -> int:
        return self.time.milliseconds(self.now_ns, self.wall_ns)

    # -- Questions -----------------------------------------------------------------------------------------------

    def ask(
        self,
        method: str,
        parameters: Parameters,
        done: Done,
        access: str = "private",
        purpose: Purpose = Purpose.DOUBT,
        link: int = -1,
    ) -> None:
        """Ask, now or as soon as the budget has room; ``done`` hears the answer once, unless all is lost before.

        ``access``: ``plain``, ``private``, or ``signed`` (by itself, logged on or not). ``link``: over that one and no
        other path. What has the venue cancel protects more than anything.
        """
        if method == "openOrders.cancelAll":
            purpose = Purpose.REDUCE
        if link < 0 and self._link >= 0:
            link, done = self._link, partial(self._answered_over, self._link, done)
        self._waiting[purpose].append(_Question(method, parameters, done, access, link))
        self.release()

    @contextmanager
    def over(self, link: int) -> Iterator[None]:
        """What is asked inside, and what its answers lead to, goes over ``link``; -1: over the path in use."""
        before, self._link = self._link, link
        try:
            yield
        finally:
            self._link = before

    def _answered_over(self, link: int, done: Done, reply: Reply) -> None:
        with self.over(link):
            done(reply)

    @property
    def is_asking(self) -> bool:
        """Whether any question waits for its answer, or for its turn."""
        return any(self._waiting.values()) or any(one.done is not None for one in self._pending.values())

    def is_held_up(self, purpose: Purpose) -> bool:
        """Whether the budget had no room for such a question, and has none yet."""
        return self.now_ns < self._not_before[purpose]

    def tick(self) -> list[Pending]:
        """Send what has room now; tell those that asked too long ago that no answer comes, and return these.

        Dispatches wait: the Core has its own time-out.
        """
        late = [
            number
            for number, pending in self._pending.items()
            if pending.done is not None and self.now_ns - pending.begun_ns > OVERDUE_NS
        ]
        overdue = [self._pending.pop(number) for number in late]
        for pending in overdue:
            self._unanswered(pending)
        self.release()
        return overdue

    def release(self) -> None:
        """Send what has room now: the most protective first, each purpose in order. What waits for the path in use does
        not hold up what goes over a link of its own."""
        for purpose, questions in self._waiting.items():
            blocked: deque[_Question] = deque()
            while questions and self.now_ns >= self._not_before[purpose]:
                if questions[0].link < 0 and (blocked or not self._has_room(purpose)):
                    blocked.append(questions.popleft())
                    continue
                until_ns = self._budget.take(questions[0].weight, purpose, self.now_ns)
                self._not_before[purpose] = until_ns
                if not until_ns:
                    self._send(questions.popleft())
            questions.extendleft(reversed(blocked))

    def _has_room(self, purpose: Purpose) -> bool:
        """Whether the path in use takes another question now."""
        if self.path != REST or purpose is Purpose.REDUCE:
            return self.path != NOWHERE
        asked = sum(one.path == REST and one.done is not None for one in self._pending.values())
        return asked < REST_AT_ONCE

    def _send(self, question: _Question) -> None:
        path = question.link if question.link >= 0 else self.path
        method, parameters = question.method, question.parameters
        number = self._register(Pending(self.now_ns, path, question.done, weight=question.weight))
        if path == REST:
            route = QUESTIONS[method]
            self.outgoing.append(
                self._rest.plain(number, route, parameters, method)
                if question.access == "plain"
                else self._rest.signed(number, route, parameters, self.venue_ms, method)
            )
            return
        if question.access == "plain":
            text = self._writer.plain(number, method, parameters)
        elif question.access == "private" and path in self.logged_on:
            text = self._writer.logged_on(number, method, parameters, self.venue_ms)
        else:
            text = self._writer.signed(number, method, parameters, self.venue_ms)
        self.outgoing.append(HostRequest(text, method, path))

    # -- Dispatches ----------------------------------------------------------------------------------------------

    def dispatch(self, request: OrderRequest, method: str, parameters: Parameters) -> Outbound:
        """A committed dispatch as it leaves over the path in use, pending from now on."""
        path = self.path
        is_amend = method == "order.amend.keepPriority"
        number = self._register(Pending(self.now_ns, path, request=request, is_amend=is_amend))
        self._numbers[request.client_id] = number
        if path == REST:
            return Outbound(self._rest.signed(number, ORDERS[method], parameters, self.venue_ms, method))
        write = self._writer.logged_on if path in self.logged_on else self._writer.signed
        return Outbound(write(number, method, parameters, self.venue_ms), path)

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

    def placing(self, instrument: str) -> list[OrderRequest]:
        """The orders of ``instrument`` that were sent and of which no outcome is known."""
        pending = (one.request for one in self._pending.values() if one.request is not None)
        return [
            one
            for one in (*self._unresolved.values(), *pending)
            if one.kind is RequestKind.NEW and one.instrument == instrument
        ]

    def resolved(self, client_id: str) -> None:
        """Its outcome was found out otherwise; a late reply is nobody's."""
        self.withdraw(client_id)
        self._unresolved.pop(client_id, None)

    # -- What comes back, or does not ------------------------------------------------------------------------------

    def take(self, number: object, path: int) -> Pending | None:
        """Whose reply that is; None for nobody's, or one answered before."""
        pending = self._pending.get(number) if isinstance(number, int) else None
        if pending is None or pending.path != path:
            return None
        del self._pending[number]  # type: ignore[arg-type]
        if pending.request is not None:
            self._numbers.pop(pending.request.client_id, None)
        return pending

    def has_pending(self, path: int) -> bool:
        """Whether any request waits for an answer over ``path``."""
        return any(pending.path == path for pending in self._pending.values())

    def broken(self, path: int, is_last: bool) -> None:
        """``path`` is gone: its dispatches are of unknown outcome. Its questions get no answer, where another path goes
        on; where none does (``is_last``) every question is forgotten, and asked anew by whoever had it."""
        self.logged_on.discard(path)
        lost = [number for number, pending in self._pending.items() if pending.path == path]
        gone = [self._pending.pop(number) for number in lost]
        self.outgoing = [one for one in self.outgoing if not isinstance(one, HostRequest) or one.link != path]
        waited: list[_Question] = []
        for purpose, questions in self._waiting.items():
            waited += [one for one in questions if is_last or one.link == path]
            self._waiting[purpose] = deque(one for one in questions if not is_last and one.link != path)
        for pending in gone:
            if pending.request is not None:
                self._numbers.pop(pending.request.client_id, None)
                self.unresolved(pending.request)
            elif is_last:
                self._budget.answered(pending.weight, -1, self.now_ns)
            else:
                self._unanswered(pending)
        if not is_last:
            for question in waited:
                question.done(Reply(0, self.now_ns))

    def _unanswered(self, pending: Pending) -> None:
        self._budget.answered(pending.weight, -1, self.now_ns)
        if pending.done is not None:
            pending.done(Reply(0, self.now_ns))

    def _register(self, pending: Pending) -> int:
        self._last_number += 1
        self._pending[self._last_number] = pending
        return self._last_number
