"""What a connector keeps until its time comes: questions, requests that reduce, dispatches that may go once more.

Pure; imports core and the adapter contract. Belongs to the connector's thread.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Iterator

from livestack.core.obligations import CancelAllAtVenue
from livestack.core.types import ConnectionStatus, OrderRequest
from livestack.exceptions import NotSentError, TransportError
from livestack.journal.writer import CommittedDispatch
from livestack.venues.adapter import Fetch, HostQuery

KEPT_MAX = 4_096
"""Dispatches that were written and could be asked for again: far more than are ever without an answer at a time."""

HELD_NS = 2_000_000_000
"""What reduces waits for a connection so long: what was signed longer ago the venue would not take."""


class KeptQuestions:
    """Obligations that the adapter was not asked yet, in order."""

    def __init__(self) -> None:
        self._kept: list[HostQuery] = []

    def __iter__(self) -> Iterator[HostQuery]:
        return iter(self._kept)

    def keep(self, query: HostQuery) -> None:
        """The same one again, not asked yet, is one."""
        if query not in self._kept:
            self._kept.append(query)

    def take(self, status: ConnectionStatus) -> list[HostQuery]:
        """What can be asked now: everything where the venue is LIVE. Before that what cancels: a reconciliation that
        does not end must not keep orders alive that somebody wants gone."""
        if not self._kept or status is ConnectionStatus.DISCONNECTED:
            return []
        is_live = status is ConnectionStatus.LIVE
        due = [query for query in self._kept if is_live or isinstance(query, CancelAllAtVenue)]
        if due:
            self._kept = [query for query in self._kept if query not in due]
        return due


class HeldReductions:
    """Requests that cancel and found no connection that was ready."""

    def __init__(self) -> None:
        self._held: deque[tuple[Fetch, int]] = deque()

    def __bool__(self) -> bool:
        return bool(self._held)

    def hold(self, fetch: Fetch, now_ns: int) -> None:
        self._held.append((fetch, now_ns))

    def leave(self, now_ns: int, write: Callable[[Fetch], TransportError | None]) -> list[tuple[Fetch, str]]:
        """Have ``write`` write them, in order, up to one that finds no connection and may wait for it; returns those
        that get no answer, with the cause."""
        lost: list[tuple[Fetch, str]] = []
        while self._held:
            fetch, since_ns = self._held[0]
            failure = write(fetch)
            if isinstance(failure, NotSentError) and now_ns - since_ns < HELD_NS:
                break
            self._held.popleft()
            if failure is not None:
                lost.append((fetch, str(failure)))
        return lost


class WrittenDispatches:
    """The venue may have each written once more."""

    def __init__(self) -> None:
        self._written: OrderedDict[tuple[int, int], CommittedDispatch] = OrderedDict()

    def keep(self, dispatch: CommittedDispatch) -> None:
        """The oldest is forgotten for it where there are too many."""
        self._written[dispatch.request.order_id, dispatch.request.revision] = dispatch
        if len(self._written) > KEPT_MAX:
            self._written.popitem(last=False)

    def find(self, request: OrderRequest) -> CommittedDispatch | None:
        return self._written.get((request.order_id, request.revision))
