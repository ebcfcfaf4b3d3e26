"""Mailboxes: what one thread hands to another, without locks, in batches.

Theory of operation. A mailbox is some deques and one :class:`Signal`. A sender appends and then sets the signal; the
owner takes everything that is there and waits for the signal only when nothing was. Setting an already set signal
costs one attribute read, so a flood of messages costs one hand-over per batch, not per message. It is correct without
a lock because the owner clears the signal *before* it looks: whatever was appended before the clearing is seen by the
look, whatever is appended after it sets the signal again. (``deque.append``/``popleft`` are atomic.)

Pykka's own envelopes (ping, stop) have a lane of their own in front of everything: a full lane never holds up a stop.
The harness's mailbox has four lanes, taken in the order control, execution, time, market; what the harness takes
first *is* first in Processing Order. Runs on: any thread puts, only the owner takes.
"""

from __future__ import annotations

import queue
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, Protocol

from pykka._envelope import Envelope

from livestack.core.events import ControlTime, Event

BATCH_MAX = 1024
"""Messages taken at once: bounds how long a batch keeps the journal and a stop waiting."""


class Signal(Protocol):
    """Wakes one waiting owner. The simulation has one that schedules the owner instead."""

    def set(self) -> None: ...

    def wait(self) -> None: ...


class ThreadSignal:
    """A signal between threads: a SimpleQueue of tokens, at most a few in it."""

    def __init__(self) -> None:
        self._tokens: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._is_set = False

    def set(self) -> None:
        if not self._is_set:
            self._is_set = True
            self._tokens.put(None)

    def wait(self) -> None:
        self._tokens.get()
        self._is_set = False


class Mailbox:
    """An actor's inbox. ``on_receive`` of the owner gets a list of messages, oldest first."""

    def __init__(self, signal: Signal | None = None, batch_max: int = BATCH_MAX) -> None:
        self._signal = signal if signal is not None else ThreadSignal()
        self._batch_max = batch_max
        self._system: deque[Envelope[Any]] = deque()
        self._messages: deque[Any] = deque()

    def tell(self, message: object) -> None:
        """Leave a message. Any thread, never blocks."""
        self._messages.append(message)
        self._signal.set()

    def put_back(self, messages: Sequence[object]) -> None:
        """Leave messages in front of those that wait, for the actor that takes a failed one's place. Owner's thread."""
        self._messages.extendleft(reversed(messages))
        self._signal.set()

    def put(self, envelope: Envelope[Any]) -> None:
        """Pykka's way in, used for ping and stop only."""
        self._system.append(envelope)
        self._signal.set()

    def get(self) -> Envelope[Any]:
        """Pykka's way out: wait for something, then take it. Owner's thread only."""
        while True:
            envelope = self.take()
            if envelope is not None:
                return envelope
            self._signal.wait()

    def take(self) -> Envelope[Any] | None:
        """What is there now, or None. Owner's thread only."""
        if self._system:
            return self._system.popleft()
        batch = self._take_messages()
        return Envelope(batch) if batch else None

    def take_asked(self) -> Envelope[Any] | None:
        """A ping or stop that waits, or None. Owner's thread only, once it takes no messages any more."""
        return self._system.popleft() if self._system else None

    def empty(self) -> bool:
        return not (self._system or self._messages)

    def depth(self) -> int:
        """Messages waiting, for telemetry. Any thread."""
        return len(self._messages)

    def _take_messages(self) -> list[Any]:
        return _take(self._messages, self._batch_max)


Look = Callable[[Any], "Told | None"]
"""A question about the Core, asked of its runtime between two steps. What comes of it is told once it is durable."""


class Listener(Protocol):
    def tell(self, message: object) -> None: ...


class Told(NamedTuple):
    """A message for somebody, held back until everything that it is about is durable."""

    to: Listener
    message: object


class HarnessMailbox(Mailbox):
    """The Core's inbox with its lanes. Control and execution are never dropped; market data is bounded.

    ``market_lane_max``: Events beyond which :meth:`offer_market` refuses. Market data stays where it is while it is
    ``paused`` (set by the owner: too many Events wait for their commit) or ``held`` (by the recorder: no room).
    """

    def __init__(
        self, signal: Signal | None = None, batch_max: int = BATCH_MAX, market_lane_max: int = 65_536
    ) -> None:
        super().__init__(signal, batch_max)
        self._control: deque[Event] = deque()
        self._execution: deque[Event] = deque()
        self._time: deque[ControlTime] = deque()
        self._market: deque[Event] = deque()
        self.market_lane_max = market_lane_max
        self.paused = False
        self.held = False
        self._draining = False
        self.looks: deque[Look] = deque()

    def tell_look(self, look: Look) -> None:
        """Have the owner call ``look`` between two steps. Any thread, never blocks."""
        self.looks.append(look)
        self._signal.set()

    def tell(self, message: object) -> None:
        raise TypeError(
            "the harness takes Events by lane: tell_control, tell_execution, tell_time, offer_market"
        )

    def tell_control(self, events: Iterable[Event]) -> None:
        self._control.extend(events)
        self._signal.set()

    def tell_execution(self, events: Iterable[Event]) -> None:
        self._execution.extend(events)
        self._signal.set()

    def tell_time(self, event: ControlTime) -> None:
        self._time.append(event)
        self._signal.set()

    def offer_market(self, events: Sequence[Event]) -> bool:
        """Leave market Events, all or none; False where the lane is full and the feed has to resynchronise."""
        if len(self._market) + len(events) > self.market_lane_max:
            return False
        self._market.extend(events)
        self._signal.set()
        return True

    def tell_feed_status(self, events: Iterable[Event]) -> None:
        """A feed's status, in its own lane and order but never refused: a few Events at most for each gap."""
        self._market.extend(events)
        self._signal.set()

    def resume(self) -> None:
        """Have the pause end. Any thread."""
        self.paused = False
        self._signal.set()

    def hold(self, held: bool) -> None:
        """Hold market data back, or no longer. Any thread."""
        self.held = held
        self._signal.set()

    def drain(self) -> None:
        """Nothing keeps market data back any more: its owner ends, and Pykka empties the mailbox. Any thread."""
        self._draining = True
        self._signal.set()

    def wake(self) -> None:
        """Have the owner look, though there may be nothing."""
        self._signal.set()

    def is_waiting(self) -> bool:
        """Whether there is something that the owner could take now. Any thread."""
        if self._control or self._execution or self._time or self.looks:
            return True
        return bool(self._market) and not (self.paused or self.held)

    def market_depth(self) -> int:
        return len(self._market)

    def depth(self) -> int:
        return len(self._control) + len(self._execution) + len(self._time) + len(self._market)

    def depths(self) -> dict[str, int]:
        """Events waiting, by lane. Any thread."""
        return {
            "control": len(self._control),
            "execution": len(self._execution),
            "time": len(self._time),
            "market": len(self._market),
        }

    def waiting_since_ns(self) -> dict[str, int]:
        """When what waits longest arrived, in the lanes in which that is known; 0 where nothing waits. Any thread."""
        return {"execution": _arrival_of_first(self._execution), "market": _arrival_of_first(self._market)}

    def empty(self) -> bool:
        return not (self._system or self.depth())

    def take(self) -> Envelope[Any] | None:
        envelope = super().take()
        return Envelope([]) if envelope is None and self.looks else envelope

    def _take_messages(self) -> list[Any]:
        batch: list[Any] = []
        for lane in (self._control, self._execution):
            batch += _take(lane, self._batch_max - len(batch))
        if not batch and self._time:
            return _take(self._time, self._batch_max)
        if (self._draining or not (self.paused or self.held)) and len(batch) < self._batch_max:
            batch += _take(self._market, self._batch_max - len(batch))
        return batch


def _arrival_of_first(lane: deque[Event]) -> int:
    try:
        arrived_ns: int = getattr(lane[0], "recv_ns", 0)
    except IndexError:
        return 0
    return arrived_ns


def _take(lane: deque[Any], most: int) -> list[Any]:
    pop = lane.popleft
    return [pop() for _ in range(min(len(lane), most))]
