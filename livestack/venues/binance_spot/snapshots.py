"""Which books need a depth snapshot, and when to ask for it: a few at once, with back-off (venues.md 1.3, 1.4).

Pure. Belongs to the market-data adapter's thread. A snapshot of 5 000 levels weighs 250 of the 6 000 a minute that the
address may spend, order entry included: a book that is lost again and again must not take them all, and hundreds of
books come in one after the other as the budget has room.
"""

from __future__ import annotations

from livestack.venues.adapter import Fetch
from livestack.venues.binance_spot.fetches import Asked, Fetches, retry_after_ns
from livestack.venues.binance_spot.numbers import percent_encoded

__all__ = ["AT_ONCE", "SNAPSHOT", "Snapshots", "depth_weight", "retry_after_ns"]

SNAPSHOT = "snapshot"

DEPTH_WEIGHTS = ((100, 5), (500, 25), (1_000, 50), (5_000, 250))
"""Weight of a depth request by the largest number of levels that costs so much."""

AT_ONCE = 2
"""Requests under way: one is being answered while the next is on its way."""

FIRST_RETRY_NS = 250_000_000
RETRY_NS_MAX = 30_000_000_000
"""The first repetition is at once, then the wait doubles from the first to the second of these."""

STEADY_NS = 60_000_000_000
"""A book that stayed in step for so long starts with a clean record."""

QUIET_NS = 2_000_000_000
"""No diff for so long after a snapshot was asked for: nothing can be missing between the two."""


def depth_weight(levels: int) -> int:
    """What a depth request for so many levels costs."""
    return next((weight for most, weight in DEPTH_WEIGHTS if levels <= most), DEPTH_WEIGHTS[-1][1])


class _Need:
    """One symbol: when to ask next (-1: not now), how often that failed, since when the book is in step."""

    __slots__ = ("arrived_ns", "asked", "at_ns", "attempts", "held_ns", "is_asked")

    def __init__(self, symbol: str) -> None:
        self.asked = Asked(SNAPSHOT, (symbol,))
        self.is_asked = False
        self.at_ns = -1
        self.attempts = 0
        self.arrived_ns = -1
        self.held_ns = -1


class Snapshots:
    """``depth_levels``: levels a side to ask for."""

    def __init__(self, depth_levels: int, fetches: Fetches) -> None:
        self._depth_levels = depth_levels
        self._weight = depth_weight(depth_levels)
        self._fetches = fetches
        self._needs: dict[str, _Need] = {}

    def forget(self, symbol: str) -> None:
        """Its connection is gone: nothing is needed, no answer is awaited."""
        need = self._needs.pop(symbol, None)
        if need is not None:
            self._abandon(need)

    def want(self, symbol: str, now_ns: int) -> None:
        """The book of ``symbol`` needs a snapshot."""
        need = self._need(symbol)
        self._abandon(need)
        need.at_ns = now_ns
        need.held_ns = -1

    def failed(self, symbol: str, now_ns: int) -> None:
        """The book was lost, or what came was of no use: again, later each time."""
        need = self._need(symbol)
        self._abandon(need)
        if 0 <= need.arrived_ns < now_ns - STEADY_NS:
            need.attempts = 0
        need.arrived_ns = -1 if need.attempts == 0 else need.arrived_ns
        wait_ns = min(FIRST_RETRY_NS << min(need.attempts - 1, 20), RETRY_NS_MAX) if need.attempts else 0
        need.attempts += 1
        need.at_ns = now_ns + wait_ns
        need.held_ns = -1

    def doubted(self, symbol: str, now_ns: int) -> None:
        """Diffs were lost. Where nothing was asked for yet there is nothing to lose, and nobody waits longer."""
        need = self._needs.get(symbol)
        if need is None or need.at_ns < 0:
            self.failed(symbol, now_ns)

    def held(self, symbol: str, begun_ns: int) -> None:
        """A snapshot is there, asked for at ``begun_ns``, and waits for its stream."""
        need = self._need(symbol)
        need.at_ns = -1
        need.held_ns = begun_ns

    def arrived(self, symbol: str, now_ns: int) -> None:
        """The book is in step."""
        need = self._need(symbol)
        need.at_ns = need.held_ns = -1
        need.arrived_ns = now_ns

    def answered(self, symbol: str) -> None:
        """The answer is here."""
        self._need(symbol).is_asked = False

    def quiet(self, now_ns: int) -> list[str]:
        """Symbols whose snapshot is held and whose stream stayed quiet long enough."""
        return [symbol for symbol, need in self._needs.items() if 0 <= need.held_ns <= now_ns - QUIET_NS]

    def due(self, now_ns: int) -> list[tuple[str, Fetch]]:
        """The requests to make now, each with its symbol."""
        out: list[tuple[str, Fetch]] = []
        room = AT_ONCE - self._fetches.count(SNAPSHOT)
        if room <= 0 or not self._fetches.is_open(self._weight, now_ns):
            return out
        due = [one for one in self._needs.items() if 0 <= one[1].at_ns <= now_ns and not one[1].is_asked]
        if len(due) > room:
            due.sort(key=lambda one: one[1].at_ns)  # or a few that are lost again and again would be all
        for symbol, need in due[:room]:
            query = f"symbol={percent_encoded(symbol)}&limit={self._depth_levels}"
            fetch = self._fetches.ask(need.asked, "/api/v3/depth", query, self._weight, now_ns)
            if fetch is None:
                break
            need.is_asked, need.at_ns = True, -1
            out.append((symbol, fetch))
        return out

    def _abandon(self, need: _Need) -> None:
        """An answer on its way was asked for before diffs were lost: it proves nothing about the stream any more."""
        if need.is_asked:
            need.is_asked = False
            self._fetches.abandon(need.asked)

    def _need(self, symbol: str) -> _Need:
        need = self._needs.get(symbol)
        if need is None:
            need = self._needs[symbol] = _Need(symbol)
        return need
