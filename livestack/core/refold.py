"""A recorded stream through the Core once more: INPUT is fed, what is derived is compared with what was recorded.

Pure. Replay, recovery and the follower are this one fold over a journal. Any one thread.
"""

from __future__ import annotations

from collections import deque

import msgspec

from livestack.core.events import Event, InputEvent, Recorded
from livestack.core.runtime import CoreRuntime
from livestack.core.types import Origin


class Difference(msgspec.Struct, frozen=True):
    """The first position at which the record and the Core are not the same; None: nothing stands there on that side."""

    seq: int
    journalled: Event | None
    replayed: Event | None


class Refold:
    """Feeds ``runtime``. ``events`` and ``derived`` count records, ``last_seq`` and ``last_ts`` are the last one's."""

    def __init__(self, runtime: CoreRuntime) -> None:
        self.runtime = runtime
        self.events = 0
        self.derived = 0
        self.last_seq = runtime.state.control.seq
        self.last_ts = runtime.state.control.ts
        self.difference: Difference | None = None
        self._expected: deque[Event] = deque()

    def take(self, record: Recorded) -> bool:
        """One record, in order. False at the first difference, which is kept; nothing may follow it."""
        self.events += 1
        self.last_seq, self.last_ts = record.seq, record.ts
        expected = self._expected
        if record.origin is Origin.DERIVED:
            self.derived += 1
            replayed = expected.popleft() if expected else None
            if replayed != record.event:
                self.difference = Difference(record.seq, record.event, replayed)
        elif expected:
            self.difference = Difference(record.seq, record.event, expected[0])
        else:
            event: InputEvent = record.event  # type: ignore[assignment]
            expected.extend(self.runtime.step(record.seq, record.ts, event).derived)
        return self.difference is None

    def ends_whole(self) -> bool:
        """Whether everything that the Core derived was recorded too; otherwise the difference is kept."""
        if self.difference is None and self._expected:
            self.difference = Difference(self.last_seq + 1, None, self._expected[0])
        return self.difference is None
