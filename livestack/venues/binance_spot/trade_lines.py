"""The trades of one stream in the order of their ids, each told once, whoever brings them.

Pure; imports ``core`` only. Belongs to the market-data adapter's thread. Ids follow one another, so that a hole shows.
What comes behind a hole waits while somebody may still fill it: the connection that is about to be replaced, or a
request to the venue after an interruption. Otherwise it is told, and how many are missing is returned to be said.
"""

from __future__ import annotations

from bisect import bisect_left

from livestack.core.events import Event, TradeTick

TRADES_MISSED = "trades_missed"
"""Kind of the complaint about trades that nobody will bring."""

REWIND_NS = 1_000_000_000
"""A trade with a lower id that happened so much later than the last one: the venue's ids began anew."""


def _number(tick: TradeTick) -> int:
    return tick.trade_id


class TradeLine:
    """``last_id`` 0: none is known. ``is_resumed``: the stream was interrupted, and a hole is to be expected.
    ``ahead``: what waits for those before it, by id."""

    __slots__ = ("_last_ns", "ahead", "is_resumed", "last_id")

    def __init__(self) -> None:
        self.last_id = 0
        self._last_ns = 0
        self.is_resumed = False
        self.ahead: list[TradeTick] = []

    def resume(self) -> None:
        """The stream begins anew. What waited is as good as not received."""
        self.is_resumed = self.last_id > 0
        self.ahead = []

    def disown(self) -> None:
        """The successor's connection is gone: what it was ahead by comes over the other one."""
        if not self.is_resumed:
            self.ahead = []

    def forget(self) -> None:
        """The venue's ids began anew."""
        self.last_id = self._last_ns = 0
        self.resume()

    def is_rewound(self, tick: TradeTick) -> bool:
        """Whether ``tick`` shows that the venue's ids began anew."""
        return tick.trade_id < self.last_id and tick.event_ns > self._last_ns + REWIND_NS

    def take(self, tick: TradeTick, is_early: bool, events: list[Event]) -> None:
        """One of the stream's. ``is_early``: over a connection that is about to take over, and may be ahead."""
        last_id, number = self.last_id, tick.trade_id
        if number <= last_id:
            if not self.is_resumed or not self.is_rewound(tick):
                return
            self.forget()
        elif last_id and number > last_id + 1 and (is_early or self.is_resumed):
            self._keep(tick)
            return
        elif not is_early:
            self.is_resumed = False
        self._tell(tick, events)
        if self.ahead:
            self._catch_up(events)

    def fill(self, tick: TradeTick, events: list[Event]) -> int:
        """One that was asked for; the rest of the answer follows by id. Returns how many are missing before it."""
        missed = 0
        while self.ahead and self.ahead[0].trade_id < tick.trade_id:
            missed += self._tell(self.ahead.pop(0), events)
        missed += self._tell(tick, events)
        if self.ahead:
            self._catch_up(events)
        return missed

    def flush(self, events: list[Event]) -> int:
        """Nothing else will come before those that are ahead; returns how many are missing."""
        ahead, self.ahead = self.ahead, []
        self.is_resumed = False
        return sum(self._tell(tick, events) for tick in ahead)

    def _tell(self, tick: TradeTick, events: list[Event]) -> int:
        """Tell it unless that was done; how many are missing before it."""
        last_id, number = self.last_id, tick.trade_id
        if number <= last_id:
            return 0
        self.last_id, self._last_ns = number, tick.event_ns
        events.append(tick)
        return number - last_id - 1 if last_id else 0

    def _keep(self, tick: TradeTick) -> None:
        ahead = self.ahead
        if not ahead or tick.trade_id > ahead[-1].trade_id:
            ahead.append(tick)
            return
        at = bisect_left(ahead, tick.trade_id, key=_number)
        if ahead[at].trade_id != tick.trade_id:
            ahead.insert(at, tick)

    def _catch_up(self, events: list[Event]) -> None:
        """What was ahead follows as soon as nothing is missing before it."""
        done = 0
        for tick in self.ahead:
            if tick.trade_id > self.last_id + 1:
                break
            self._tell(tick, events)
            done += 1
        if done:
            del self.ahead[:done]
            if not self.ahead:
                self.is_resumed = False
