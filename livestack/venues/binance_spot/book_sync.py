"""One local order book by the venue's own procedure (venues.md 1.3), as a state machine that only says what to emit.

Pure; imports ``core`` only. Belongs to the market-data adapter's thread.

Theory of operation. The stream of diffs and the snapshot come over different paths, in any order. Diffs that come
before the snapshot are kept (``BUFFERING``). A snapshot with id ``L`` is of use only if the stream is known to cover
everything behind it, which one diff with ``U <= L + 1`` proves:

=================================  ==================================================================
first diff kept                    snapshot ``L``
=================================  ==================================================================
none yet                           held: the next diff decides, or a time of quiet does (``settle``)
``U <= L + 1``                     installed; kept diffs with ``u <= L`` are in it already, the rest follow
``U > L + 1``                      stale: another one is needed (rule 3)
=================================  ==================================================================

From then on (``LIVE``) a diff with ``u <= id`` is old, one with ``U > id + 1`` is a gap, anything else is applied and
``id`` becomes its ``u``. The levels themselves are kept by the Core; here only the prices are, to see a crossed book.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections import deque
from enum import IntEnum

from livestack.core.events import BookDelta, BookSnapshot, Event, Levels
from livestack.core.types import format_decimal

BUFFER_MAX = 4_096
"""Diffs kept while a snapshot is on its way: almost seven minutes of ``@100ms``."""

IDLE_BUFFER_MAX = 16
"""Diffs kept while no snapshot was asked for yet: so far may one be behind the stream. A thousand books that wait for
their turn must not fill the memory with diffs that nothing will be continued by."""

AHEAD_MAX = 4_096
"""Diffs of a successor's connection that are kept until the one before it has caught up."""

LEVELS_MAX = 50_000
"""Prices of one side. A snapshot has 5 000 at most, the rest came by diffs; more is a venue gone wrong."""


class BookState(IntEnum):
    BUFFERING = 1
    HOLDING = 2
    LIVE = 3


class SnapshotUse(IntEnum):
    """What became of a snapshot."""

    INSTALLED = 1
    HELD = 2
    STALE = 3
    FAULTY = 4


class _Side:
    """The prices of one side, sorted so that the best one is at the end: asks negated. Eight bytes a level."""

    __slots__ = ("_sign", "keys")

    def __init__(self, sign: int) -> None:
        self._sign = sign
        self.keys = array("q")

    def clear(self) -> None:
        self.keys = array("q")

    def load(self, levels: Levels) -> None:
        self.keys = array("q", sorted({self._sign * price for price, _ in levels}))

    def apply(self, levels: Levels) -> None:
        keys, sign = self.keys, self._sign
        count = len(keys)
        for price, qty in levels:
            key = sign * price
            at = bisect_left(keys, key)
            is_known = at < count and keys[at] == key
            if qty:
                if not is_known:
                    keys.insert(at, key)
                    count += 1
            elif is_known:
                del keys[at]
                count -= 1

    @property
    def has_price_zero(self) -> bool:
        """Prices are never negative, so that zero is the first bid or the last ask key."""
        return bool(self.keys) and (self.keys[0] == 0 or self.keys[-1] == 0)


class BookSync:
    """One book. What is to be emitted is appended to ``events``. ``price_decimals``: for what is told of prices.

    Methods that return text say why the book is of no use any more ('' fine); it is ``BUFFERING`` then.
    """

    __slots__ = (
        "_ahead",
        "_asks",
        "_bids",
        "_buffer",
        "_held",
        "_last_update_id",
        "_price_decimals",
        "is_awaited",
        "state",
    )

    def __init__(self, price_decimals: int = 0) -> None:
        self._price_decimals = price_decimals
        self.state = BookState.BUFFERING
        self.is_awaited = False
        """Whether a snapshot was asked for: then everything that comes may be needed."""
        self._last_update_id = 0
        self._bids = _Side(1)
        self._asks = _Side(-1)
        self._buffer: list[BookDelta] = []
        self._ahead: deque[BookDelta] = deque()
        self._held: BookSnapshot | None = None

    def invalidate(self) -> None:
        """Forget everything, kept diffs and a held snapshot too."""
        self.state = BookState.BUFFERING
        self.is_awaited = False
        self._buffer = []
        self._ahead.clear()
        self._held = None
        self._bids.clear()
        self._asks.clear()

    @property
    def is_joined(self) -> bool:
        """Whether nothing of a successor's connection waits for the one before it."""
        return not self._ahead

    def disown(self) -> None:
        """The successor's connection is gone: what it was ahead by comes over the other one."""
        self._ahead.clear()

    def delta(self, delta: BookDelta, events: list[Event], is_early: bool = False) -> str:
        """One diff, as it came. ``is_early``: over a connection that is about to take over, and may be ahead."""
        if self.state is BookState.LIVE:
            if is_early and delta.first_update_id > self._last_update_id + 1:
                self._keep_ahead(delta)
                return ""
            why = self._apply(delta, events)
            return self._catch_up(events) if self._ahead and not why else why
        if delta.first_update_id > delta.last_update_id:
            return self._lost(f"update ids {delta.first_update_id}..{delta.last_update_id} run backwards")
        buffer = self._buffer
        if buffer:
            if delta.last_update_id <= buffer[-1].last_update_id:
                return ""  # the same once more, or late
            if delta.first_update_id > buffer[-1].last_update_id + 1:
                if is_early:
                    return ""
                # What was kept has a hole; a snapshot can only be continued from here.
                buffer.clear()
        if len(buffer) >= BUFFER_MAX:
            buffer.clear()
        buffer.append(delta)
        if not self.is_awaited and len(buffer) > IDLE_BUFFER_MAX:
            del buffer[0]
        held, self._held = self._held, None
        if held is None:
            return ""
        self.state = BookState.BUFFERING
        _, why = self.snapshot(held, events)
        return why  # '' also where it was stale: what is kept from here on waits for the next one

    def _keep_ahead(self, delta: BookDelta) -> None:
        if len(self._ahead) >= AHEAD_MAX:
            self._ahead.popleft()
        self._ahead.append(delta)

    def _catch_up(self, events: list[Event]) -> str:
        """What was ahead follows as soon as nothing is missing before it."""
        ahead = self._ahead
        while ahead and ahead[0].first_update_id <= self._last_update_id + 1:
            why = self._apply(ahead.popleft(), events)
            if why:
                return why
        return ""

    def snapshot(self, snapshot: BookSnapshot, events: list[Event]) -> tuple[SnapshotUse, str]:
        """The venue's whole book. The text says what is wrong with it, or what went wrong right behind it."""
        if not self._buffer:
            self._held = snapshot
            self.state = BookState.HOLDING
            return SnapshotUse.HELD, ""
        if self._buffer[0].first_update_id > snapshot.last_update_id + 1:
            return SnapshotUse.STALE, ""
        return self._install(snapshot, events)

    def settle(self, events: list[Event]) -> bool:
        """The stream stayed quiet since the held snapshot was asked for: it is current. True where it is used."""
        held, self._held = self._held, None
        if held is None:
            return False
        use, _ = self._install(held, events)
        return use is SnapshotUse.INSTALLED

    def _install(self, snapshot: BookSnapshot, events: list[Event]) -> tuple[SnapshotUse, str]:
        self._bids.load(snapshot.bids)
        self._asks.load(snapshot.asks)
        why = self._faulty()
        if why:
            self.invalidate()
            return SnapshotUse.FAULTY, why
        kept, self._buffer = self._buffer, []
        self.state = BookState.LIVE
        self._last_update_id = snapshot.last_update_id
        staged: list[Event] = [snapshot]
        for delta in kept:
            why = self._apply(delta, staged)
            if why:
                return SnapshotUse.FAULTY, why
        events.extend(staged)
        return SnapshotUse.INSTALLED, ""

    def _apply(self, delta: BookDelta, events: list[Event]) -> str:
        known = self._last_update_id
        if delta.first_update_id > known + 1:
            return self._lost(f"gap: update {known + 1} is missing before {delta.first_update_id}")
        if delta.first_update_id > delta.last_update_id:
            return self._lost(f"update ids {delta.first_update_id}..{delta.last_update_id} run backwards")
        if delta.last_update_id <= known:
            return ""
        self._bids.apply(delta.bids)
        self._asks.apply(delta.asks)
        why = self._faulty()
        if why:
            return self._lost(why)
        self._last_update_id = delta.last_update_id
        events.append(delta)
        return ""

    def _lost(self, why: str) -> str:
        self.invalidate()
        return why

    def crossed(self, bid: int, ask: int) -> str:
        """What is wrong with these best prices, as people read them."""
        best_bid, best_ask = (format_decimal(price, self._price_decimals) for price in (bid, ask))
        return f"crossed: best bid {best_bid} is not below best ask {best_ask}"

    def _faulty(self) -> str:
        bids, asks = self._bids.keys, self._asks.keys
        if bids and asks and bids[-1] >= -asks[-1]:
            return self.crossed(bids[-1], -asks[-1])
        if self._bids.has_price_zero or self._asks.has_price_zero:
            return "a level at price 0"
        if len(bids) > LEVELS_MAX or len(asks) > LEVELS_MAX:
            return f"more than {LEVELS_MAX} levels"
        return ""
