"""A sink that is opened again after each failure, with a back-off: shared by all shipments into it. One thread."""

from __future__ import annotations

from livestack.exceptions import SinkError
from livestack.storage.sink import Sink
from livestack.transports.backoff import Backoff
from livestack.transports.clock import Clock


class SinkConnection:
    """``number`` tells one connection from the next; 0: there is none.

    Whoever uses it calls :meth:`failed` with each ``SinkError``, asks for the sink's position again on every new
    number, and believes nothing that it was told on an earlier one. ``again_ns``: when it may be opened again.
    ``failures`` counts those since something was kept, ``error`` is the last one while it is not open.
    """

    def __init__(self, sink: Sink, clock: Clock, backoff: Backoff) -> None:
        self.sink = sink
        self.number = 0
        self.again_ns = 0
        self.failures = 0
        self.error: SinkError | None = None
        self._clock = clock
        self._backoff = backoff
        self._numbers = 0

    def ready(self) -> bool:
        """Whether it is open; opens it if it may. ``SinkError`` where that fails."""
        if self.number:
            return True
        if self._clock.now_ns() < self.again_ns:
            return False
        self.sink.open()
        self.error = None
        self._numbers += 1
        self.number = self._numbers
        return True

    def failed(self, error: SinkError) -> None:
        """A call did not do what was asked: from here on it is not open."""
        self.error = error
        self.failures += 1
        self.number = 0
        self.again_ns = self._clock.now_ns() + self._backoff.next_ns()
        self.sink.close()

    def worked(self) -> None:
        """Something was kept: the next failure is a first one."""
        if self.failures:
            self.failures = 0
            self._backoff.reset()

    def hurry(self) -> None:
        """It may be opened again at once: there is not much time left."""
        self.again_ns = 0

    def close(self) -> None:
        """Idempotent."""
        self.number = 0
        self.sink.close()
