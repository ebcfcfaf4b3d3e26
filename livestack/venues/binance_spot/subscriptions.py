"""What one combined connection is subscribed to: batched, paced, confirmed, and verified (venues.md 1.2).

Pure. Belongs to the market-data adapter's thread. A confirmation proves nothing: the venue confirms names that it does
not know. A stream is *verified* by its first data, or, where it is quiet, by the venue's own list of subscriptions;
what is missing there is subscribed to again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

import msgspec

from livestack.venues.adapter import HostRequest

STREAMS_MAX = 1_024
"""Streams of one connection."""

STREAMS_PER_MESSAGE = 200
"""About 5 KB: far below any limit on a message, and a whole connection in six of them."""

MESSAGES_MAX = 3
WINDOW_NS = 2_000_000_000
"""The venue takes five messages a second, our pongs and pings among them. So few in so long leave room for one of each,
also where the network holds a second's messages back and delivers them at once."""

CONFIRM_NS = 10_000_000_000
"""A message without an answer is repeated after this; all of them are idempotent."""

VERIFY_NS = 2_000_000_000
VERIFY_NS_MAX = 60_000_000_000
"""So long after its confirmation a stream without data is looked for in the venue's list; twice as long each time that
something was missing there."""

AUDIT_NS = 300_000_000_000
"""The venue's list is compared so often, whether anything is missed or not."""

Fault = tuple[str, str]
"""Kind and sentence of a complaint."""


class _Message(msgspec.Struct, frozen=True):
    """``batch`` is subscribed to; None: the list was asked for."""

    batch: tuple[str, ...] | None
    sent_ns: int


class Subscriptions:
    """``streams`` are names of streams, ``ValueError`` if they are too many; ``link`` is their connection."""

    def __init__(self, streams: Sequence[str], link: int = 0) -> None:
        if len(streams) > STREAMS_MAX:
            raise ValueError(f"{len(streams)} streams are more than the {STREAMS_MAX} of one connection")
        self._link = link
        self._streams = frozenset(streams)
        self._last_id = 0
        self._waiting: deque[tuple[str, ...] | None] = deque(_batches(streams))
        self._asked: dict[int, _Message] = {}
        self._sent_ns: deque[int] = deque(maxlen=MESSAGES_MAX)
        self._news: set[str] = set()
        self._missing: set[str] = set()
        self._verify_ns = -1
        self._attempts = 0
        self._listed: set[str] = set()
        self.confirmed: set[str] = set()
        self.unheard: set[bytes] = {name.encode() for name in streams}
        """Streams without data yet: whoever takes a frame takes its name out."""

    @property
    def is_confirmed(self) -> bool:
        """Every stream that the venue was asked for is confirmed."""
        return len(self.confirmed) == len(self._streams)

    @property
    def is_listed(self) -> bool:
        """The venue has said what it has of ours, and it is not nothing."""
        return bool(self._listed)

    def delivers(self, name: str) -> bool:
        """Whether the stream is known to be there, data or none. One that is not ours is not there."""
        if name not in self._streams or name in self._missing:
            return False
        return name in self._listed or name.encode() not in self.unheard

    def ask_list(self) -> None:
        """Have the venue list what it has: also the way to see whether anybody is there."""
        if None not in self._waiting and all(one.batch is not None for one in self._asked.values()):
            self._waiting.append(None)

    def due(self, now_ns: int) -> list[HostRequest]:
        """The messages that may go out now."""
        for number, one in list(self._asked.items()):
            if now_ns - one.sent_ns > CONFIRM_NS:
                del self._asked[number]
                self._waiting.append(one.batch)
        if 0 <= self._verify_ns <= now_ns:
            self._verify_ns = now_ns + AUDIT_NS
            self.ask_list()
        out: list[HostRequest] = []
        while self._waiting and self._may_send(now_ns):
            batch = self._waiting.popleft()
            self._last_id += 1
            self._asked[self._last_id] = _Message(batch, now_ns)
            self._sent_ns.append(now_ns)
            message: dict[str, Any] = {"method": "LIST_SUBSCRIPTIONS", "id": self._last_id}
            if batch is not None:
                message = {"method": "SUBSCRIBE", "params": batch, "id": self._last_id}
            purpose = "list subscriptions" if batch is None else "subscribe"
            out.append(HostRequest(msgspec.json.encode(message).decode(), purpose, self._link))
        return out

    def refused(self, code: int, text: str) -> Fault:
        """An error. What it was about is asked again later."""
        return "subscription_refused", f"{text} ({code})"

    def answered(self, number: int | str | None, result: Any, now_ns: int) -> Fault | None:
        """The venue's reply; returns what is wrong with it."""
        asked = self._asked.pop(number, None) if isinstance(number, int) else None
        if asked is None:
            return "subscription_refused", f"a reply to {number!r}, which was not asked"
        if asked.batch is None:
            return self._list(result, now_ns)
        fresh = set(asked.batch) - self.confirmed | self._missing.intersection(asked.batch)
        self._missing.difference_update(asked.batch)
        self.confirmed.update(asked.batch)
        self._news |= fresh
        if self.is_confirmed and not self._missing:
            self._verify_ns = now_ns + min(VERIFY_NS << self._attempts, VERIFY_NS_MAX)
        return None

    def _list(self, result: Any, now_ns: int) -> Fault | None:
        """Every stream that is confirmed and not in the list is gone, whatever it delivered before."""
        if not isinstance(result, list):
            self._verify_ns = now_ns + CONFIRM_NS
            return "subscription_refused", "the list of subscriptions is none"
        self._listed = {name for name in result if isinstance(name, str)} & self._streams
        missing = self.confirmed - self._listed - self._missing
        if not missing:
            self._attempts = 0
            return None
        self._missing |= missing
        self.unheard |= {name.encode() for name in missing}
        self._waiting.extend(_batches(sorted(missing)))
        self._attempts = min(self._attempts + 1, 10)
        return "subscription_missing", f"not in the venue's list: {len(missing)}, {min(missing)} among them"

    def lost(self) -> set[str]:
        """Streams that turned out to be missing and are not confirmed again."""
        return self._missing

    def newly_confirmed(self) -> set[str]:
        """Names of streams confirmed since the last call."""
        news, self._news = self._news, set()
        return news

    def _may_send(self, now_ns: int) -> bool:
        sent = self._sent_ns
        return len(sent) < MESSAGES_MAX or now_ns - sent[0] > WINDOW_NS


def _batches(streams: Sequence[str]) -> list[tuple[str, ...]]:
    step = STREAMS_PER_MESSAGE
    return [tuple(streams[start : start + step]) for start in range(0, len(streams), step)]
