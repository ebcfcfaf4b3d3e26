"""From an open connection to LIVE: clock, log-on, private stream, open orders, fills, balances, in that order.

Pure; belongs to the order-entry adapter's thread. The private stream is subscribed to before anything is asked, so that
nothing falls between the answer and the stream; there is no replay (venues.md 1.6). A step that fails ends the attempt,
and the whole begins anew, later each time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import msgspec

from livestack.venues.binance_spot.calls import Calls
from livestack.venues.binance_spot.outcomes import CLOCK_CODE
from livestack.venues.binance_spot.private_messages import Reply, ServerTime
from livestack.venues.binance_spot.requests import RECV_WINDOW_MS, RequestWriter

RETRY_NS = 500_000_000
RETRY_NS_MAX = 30_000_000_000

STEADY_NS = 60_000_000_000
"""A connection that stayed LIVE for so long starts with a clean record."""

REFUSED_CODES = {-1002, -1022, -2008, -2014, -2015}
"""The key, its rights or its signature: no repetition helps, but a key may be repaired while we wait."""

SUBSCRIBED_ALREADY = -2035

Step = Callable[[Callable[[Reply], None]], None]


class Handshake:
    """``reconciliation`` makes the steps behind the subscription; ``ended(reason, is_refused)`` hears of the outcome,
    with an empty reason when all is done. ``measured(server_ms, begun_ns, recv_ns)`` hears the venue's clock.
    """

    def __init__(
        self,
        calls: Calls,
        writer: RequestWriter,
        reconciliation: Callable[[], list[Step]],
        measured: Callable[[int, int, int], None],
        ended: Callable[[str, bool], None],
    ) -> None:
        self._calls = calls
        self._writer = writer
        self._reconciliation = reconciliation
        self._measured = measured
        self._ended = ended
        self._steps: deque[Step] = deque()
        self._attempt = 0
        self._failures = 0
        self._done_ns = -1
        self._again_ns = -1

    def begin(self) -> None:
        """Start from the first step."""
        self._attempt += 1
        self._again_ns = -1
        self._writer.session_logged_on = False
        subscribe = [self._log_on, self._subscribe] if self._writer.can_log_on else [self._subscribe]
        self._steps = deque([self._time, *subscribe, *self._reconciliation()])
        self._next()

    def restart(self) -> None:
        """Something may have been missed: at once, but later each time where that does not stop."""
        self.abandon()
        wait_ns = self._wait_ns()
        if wait_ns == RETRY_NS:
            self.begin()
        else:
            self._again_ns = self._calls.now_ns + wait_ns

    def _wait_ns(self) -> int:
        """Count one more failure; how long to wait after it."""
        if 0 <= self._done_ns < self._calls.now_ns - STEADY_NS:
            self._failures = 0
        self._failures += 1
        return min(RETRY_NS << min(self._failures - 1, 20), RETRY_NS_MAX)

    def abandon(self) -> None:
        """The connection is gone."""
        self._attempt += 1
        self._steps.clear()
        self._again_ns = -1

    def tick(self) -> None:
        if 0 <= self._again_ns <= self._calls.now_ns:
            self.begin()

    def _next(self) -> None:
        attempt = self._attempt
        if not self._steps:
            self._done_ns = self._calls.now_ns
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
        wait_ns = self._wait_ns()
        # A clock that was wrong is measured by the first step: then there is nothing to wait for.
        is_clock = reply.code == CLOCK_CODE and wait_ns == RETRY_NS
        self._again_ns = self._calls.now_ns + (0 if is_clock else wait_ns)
        self._ended(f"{reply.text} ({reply.code or reply.status})", reply.code in REFUSED_CODES)

    def _time(self, done: Callable[[Reply], None]) -> None:
        begun_ns = self._calls.now_ns

        def answered(reply: Reply) -> None:
            if reply.is_ok:
                try:
                    server_ms = reply.read(ServerTime).server_ms
                except msgspec.MsgspecError as error:
                    reply.status, reply.text = 0, f"serverTime cannot be read: {error}"
                else:
                    self._measured(server_ms, begun_ns, reply.recv_ns)
            done(reply)

        self._calls.ask("time", {}, answered, "plain")

    def _log_on(self, done: Callable[[Reply], None]) -> None:
        def answered(reply: Reply) -> None:
            self._writer.session_logged_on = reply.is_ok
            done(reply)

        self._calls.ask("session.logon", {"recvWindow": RECV_WINDOW_MS}, answered, "signed")

    def _subscribe(self, done: Callable[[Reply], None]) -> None:
        if self._writer.session_logged_on:
            # Without any parameter: this method takes none, not even a timestamp (venues.md 1.6).
            self._calls.ask("userDataStream.subscribe", {}, done, "plain")
        else:
            self._calls.ask("userDataStream.subscribe.signature", {}, done, "signed")
