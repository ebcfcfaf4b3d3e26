"""Dispatches that were refused for our clock alone, and may be written once more (venues.md 1.4: -1021).

Pure; belongs to the order-entry adapter's thread. Such a request was certainly not executed. The venue's time is asked
for first, over the path in use; without an answer the refusal stands, and at once where the budget has no room for the
question: an order that goes out a minute later is not the one that was wanted. What cancels has room always.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from livestack.core.types import OrderRequest, RequestKind
from livestack.venues.binance_spot.calls import Calls
from livestack.venues.binance_spot.handshake import Done
from livestack.venues.binance_spot.private_messages import Reply
from livestack.venues.budget import Purpose

REPEATED_MAX: Final = 4_096
"""Ids of repeated requests that are remembered, so that none is repeated twice."""

Refuse = Callable[[OrderRequest, Reply], None]
AskTime = Callable[[Done, Purpose], None]


class Repetitions:
    """``ask_time(done, purpose)`` measures the venue's clock; ``refuse`` tells of the refusal where it stands."""

    def __init__(self, calls: Calls, ask_time: AskTime, refuse: Refuse) -> None:
        self._calls = calls
        self._ask_time = ask_time
        self._refuse = refuse
        self._waiting: dict[str, tuple[OrderRequest, Reply]] = {}
        self._refusals: dict[str, Reply] = {}
        self._ready: list[OrderRequest] = []

    def begin(self, request: OrderRequest, reply: Reply) -> bool:
        """Whether ``request`` is repeated; False where it was before, or where nothing may be asked now."""
        client_id = request.client_id
        purpose = Purpose.REDUCE if request.kind is RequestKind.CANCEL else Purpose.DOUBT
        if client_id in self._refusals or self._calls.is_held_up(purpose):
            return False
        self._refusals[client_id] = reply
        while len(self._refusals) > REPEATED_MAX:
            del self._refusals[next(iter(self._refusals))]
        self._waiting[client_id] = request, reply

        def answered(time: Reply) -> None:
            if self._waiting.pop(client_id, None) is None:
                return
            if time.is_ok:
                self._ready.append(request)
            else:
                self._refuse(request, reply)

        self._ask_time(answered, purpose)
        if client_id in self._waiting and self._calls.is_held_up(purpose):
            del self._waiting[client_id]
            return False
        return True

    def interrupted(self) -> None:
        """All paths are gone: what was not repeated by now stays refused."""
        waiting, self._waiting = self._waiting, {}
        for request, reply in waiting.values():
            self._refuse(request, reply)

    def unrepeated(self, request: OrderRequest) -> None:
        """The host did not write it again."""
        reply = self._refusals.get(request.client_id)
        if reply is not None:
            self._refuse(request, reply)

    def take(self) -> list[OrderRequest]:
        ready, self._ready = self._ready, []
        return ready
