"""SUBSCRIBE messages of one combined connection: batched, paced, confirmed (venues.md 1.2).

Pure. Belongs to the market-data adapter's thread.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import msgspec

from livestack.venues.adapter import HostRequest

STREAMS_MAX = 1_024
"""Streams of one connection."""

STREAMS_PER_MESSAGE = 200
"""About 5 KB: far below any limit on a message, and a whole connection in six of them."""

MESSAGES_PER_SECOND = 4
"""The venue takes five a second, pongs included; one is left for a pong."""

CONFIRM_NS = 10_000_000_000
"""A SUBSCRIBE without an answer is repeated after this; it is idempotent."""

_SECOND_NS = 1_000_000_000


class Subscriptions:
    """What is subscribed to. ``streams`` are names of streams; ``ValueError`` if they are too many."""

    def __init__(self, streams: Sequence[str]) -> None:
        if len(streams) > STREAMS_MAX:
            raise ValueError(f"{len(streams)} streams are more than the {STREAMS_MAX} of one connection")
        self._batches = [
            tuple(streams[start : start + STREAMS_PER_MESSAGE])
            for start in range(0, len(streams), STREAMS_PER_MESSAGE)
        ]
        self._last_id = 0
        self._waiting: deque[tuple[str, ...]] = deque()
        self._asked: dict[int, tuple[tuple[str, ...], int]] = {}
        self._sent_ns: deque[int] = deque(maxlen=MESSAGES_PER_SECOND)
        self._confirmed: set[str] = set()

    def begin(self, now_ns: int) -> None:
        """A new connection: nothing is subscribed."""
        self._waiting = deque(self._batches)
        self._asked = {}
        self._sent_ns.clear()
        self._confirmed = set()

    @property
    def complete(self) -> bool:
        return not self._waiting and not self._asked

    def due(self, now_ns: int) -> list[HostRequest]:
        """The messages that may go out now."""
        for number, (batch, sent_ns) in list(self._asked.items()):
            if now_ns - sent_ns > CONFIRM_NS:
                del self._asked[number]
                self._waiting.append(batch)
        out: list[HostRequest] = []
        while self._waiting and self._may_send(now_ns):
            batch = self._waiting.popleft()
            self._last_id += 1
            self._asked[self._last_id] = (batch, now_ns)
            self._sent_ns.append(now_ns)
            message = {"method": "SUBSCRIBE", "params": batch, "id": self._last_id}
            out.append(HostRequest(msgspec.json.encode(message).decode(), "subscribe"))
        return out

    def answered(self, number: int | str | None, code: int | None, text: str) -> str:
        """The venue's reply; returns what is wrong with it ('' nothing). What was refused is asked again later."""
        if code is not None:
            return f"{text} ({code})"
        asked = self._asked.pop(number, None) if isinstance(number, int) else None
        if asked is None:
            return f"a reply to {number!r}, which was not asked"
        self._confirmed.update(asked[0])
        return ""

    def newly_confirmed(self) -> set[str]:
        """Names of streams confirmed since the last call."""
        confirmed, self._confirmed = self._confirmed, set()
        return confirmed

    def _may_send(self, now_ns: int) -> bool:
        sent = self._sent_ns
        return len(sent) < MESSAGES_PER_SECOND or now_ns - sent[0] > _SECOND_NS
