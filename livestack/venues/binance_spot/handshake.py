"""From an open path to one that is of use: steps, one behind the other, that all have to succeed.

Pure; belongs to the order-entry adapter's thread. The private stream is subscribed to before anything is asked, so that
nothing falls between the answer and the stream; there is no replay (venues.md 1.6). A step that fails ends the attempt,
and the whole begins anew, later each time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import msgspec

from livestack.venues.binance_spot.calls import Calls
from livestack.venues.binance_spot.messages import Id, Message
from livestack.venues.binance_spot.outcomes import CLOCK_CODE
from livestack.venues.binance_spot.private_messages import Reply, ServerTime
from livestack.venues.budget import Purpose

RETRY_NS = 500_000_000
RETRY_NS_MAX = 30_000_000_000

STEADY_NS = 60_000_000_000
"""A path that stayed of use for so long starts with a clean record."""

SILENT_NS = 60_000_000_000
"""A step that takes so long although nothing is being asked has lost its answer: the attempt failed."""

REFUSED_CODES = {-1002, -1022, -2008, -2014, -2015}
"""The key, its rights or its signature: no repetition helps, but a key may be repaired while we wait."""

SUBSCRIBED_ALREADY = -2035

UNTOLD = -1
"""The number of a subscription that the venue says is there already."""

Done = Callable[[Reply], None]
Step = Callable[[Done], None]


class _Subscribed(Message):
    subscription: Id = msgspec.field(name="subscriptionId")


_read_subscribed = msgspec.json.Decoder(_Subscribed).decode


class Handshake:
    """``ended(reason, is_refused)`` hears of the outcome of each attempt, with an empty reason when all is done."""

    def __init__(self, calls: Calls, ended: Callable[[str, bool], None]) -> None:
        self._calls = calls
        self._ended = ended
        self._make_steps: Callable[[], list[Step]] = list
        self._steps: deque[Step] = deque()
        self._attempt = 0
        self._done_ns = -1
        self._again_ns = -1
        self._step_ns = 0
        self.failures = 0
        """How often it failed, or had to begin anew, in a row: each time it waits longer."""
        self.failed = 0
        """How many attempts failed since the last one that did not."""
        self.is_running = False

    def begin(self, make_steps: Callable[[], list[Step]]) -> None:
        """Start with the first of these steps; every later attempt makes them anew."""
        self._make_steps = make_steps
        self._begin()

    def _begin(self) -> None:
        self._attempt += 1
        self._again_ns = -1
        self.is_running = True
        self._steps = deque(self._make_steps())
        self._next()

    def go_on_with(self, make_steps: Callable[[], list[Step]]) -> None:
        """Whatever is under way goes on; a later attempt takes these steps."""
        self._make_steps = make_steps

    def overtaken(self, make_steps: Callable[[], list[Step]]) -> None:
        """Another one led to where this was to lead; a later attempt takes these steps."""
        self.abandon()
        self._make_steps = make_steps
        self._done_ns = self._calls.now_ns
        self.failed = 0

    def restart(self) -> None:
        """Something may have been missed: at once, but later each time where that does not stop."""
        self.abandon()
        wait_ns = self._wait_ns()
        if wait_ns == RETRY_NS:
            self._begin()
        else:
            self._again_ns = self._calls.now_ns + wait_ns

    def refused(self) -> None:
        """The venue lets us in no more: again, later each time."""
        self.abandon()
        self._again_ns = self._calls.now_ns + self._wait_ns()

    def _wait_ns(self) -> int:
        """Count one more failure; how long to wait after it."""
        if 0 <= self._done_ns < self._calls.now_ns - STEADY_NS:
            self.failures = 0
        self._done_ns = -1
        self.failures += 1
        return min(RETRY_NS << min(self.failures - 1, 20), RETRY_NS_MAX)

    def abandon(self) -> None:
        """Its path is gone."""
        self._attempt += 1
        self._steps.clear()
        self._again_ns = -1
        self.is_running = False

    def tick(self) -> None:
        now_ns = self._calls.now_ns
        if 0 <= self._again_ns <= now_ns:
            self._begin()
        elif self.is_running and now_ns - self._step_ns >= SILENT_NS and not self._calls.is_asking:
            self._answered(Reply(0, now_ns))

    def _next(self) -> None:
        attempt = self._attempt
        self._step_ns = self._calls.now_ns
        if not self._steps:
            self._done_ns = self._calls.now_ns
            self.failed = 0
            self.is_running = False
            self._ended("", False)
            return
        step = self._steps.popleft()

        def answered(reply: Reply) -> None:
            if attempt == self._attempt:
                self._answered(reply)

        step(answered)

    def _answered(self, reply: Reply) -> None:
        if reply.is_ok or reply.code == SUBSCRIBED_ALREADY:
            self._next()
            return
        self.abandon()
        self.failed += 1
        wait_ns = self._wait_ns()
        # A clock that was wrong is measured by the first step: then there is nothing to wait for.
        is_clock = reply.code == CLOCK_CODE and wait_ns == RETRY_NS
        self._again_ns = self._calls.now_ns + (0 if is_clock else wait_ns)
        self._ended(f"{reply.text} ({reply.code or reply.status})", reply.code in REFUSED_CODES)


class Greeting:
    """The first steps on each path: clock, log-on, private stream. ``measured(begun_ns, recv_ns, server_ms)`` hears the
    venue's time."""

    def __init__(self, calls: Calls, can_log_on: bool, measured: Callable[[int, int, int], object]) -> None:
        self._calls = calls
        self._can_log_on = can_log_on
        self._measured = measured

    def steps(self, link: int, subscribed: Callable[[int], None]) -> list[Step]:
        """On a connection; ``subscribed`` hears the number of the subscription there."""
        self._calls.logged_on.discard(link)

        def log_on(done: Done) -> None:
            def answered(reply: Reply) -> None:
                if reply.is_ok:
                    self._calls.logged_on.add(link)
                done(reply)

            self._calls.ask("session.logon", {}, answered, "signed", link=link)

        def subscribe(done: Done) -> None:
            def answered(reply: Reply) -> None:
                subscribed(_subscription(reply))
                done(reply)

            if link in self._calls.logged_on:
                # Without any parameter: this method takes none, not even a timestamp (venues.md 1.6).
                self._calls.ask("userDataStream.subscribe", {}, answered, "plain", link=link)
            else:
                self._calls.ask("userDataStream.subscribe.signature", {}, answered, "signed", link=link)

        private = [log_on, subscribe] if self._can_log_on else [subscribe]
        return [lambda done: self.time(done, link), *private]

    def time(self, done: Done, link: int = -1, purpose: Purpose = Purpose.DOUBT) -> None:
        """Measure the venue's clock, over ``link`` or whatever path is in use."""

        def answered(reply: Reply) -> None:
            if reply.is_ok:
                try:
                    server_ms = reply.read(ServerTime).server_ms
                except (msgspec.MsgspecError, ValueError) as error:
                    reply.status, reply.text = 0, f"serverTime cannot be read: {error}"
                else:
                    self._measured(reply.begun_ns, reply.recv_ns, server_ms)
            done(reply)

        self._calls.ask("time", {}, answered, "plain", purpose, link)


def _subscription(reply: Reply) -> int:
    if not reply.is_ok:
        return UNTOLD
    try:
        return _read_subscribed(reply.result).subscription
    except (msgspec.MsgspecError, ValueError):
        return UNTOLD
