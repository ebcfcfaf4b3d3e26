"""Which books need a depth snapshot, and when to ask for it: a few at once, with back-off (venues.md 1.3, 1.4).

Pure. Belongs to the market-data adapter's thread. A snapshot of 5 000 levels weighs 250 of the 6 000 a minute that the
address may spend, order entry included: a book that is lost again and again must not take them all.
"""

from __future__ import annotations

from livestack.venues.adapter import Fetch
from livestack.venues.binance_spot.numbers import percent_encoded

AT_ONCE = 2
"""Requests under way: one is being answered while the next is on its way."""

FIRST_RETRY_NS = 250_000_000
RETRY_NS_MAX = 30_000_000_000
"""The first repetition is at once, then the wait doubles from the first to the second of these."""

STEADY_NS = 60_000_000_000
"""A book that stayed in step for so long starts with a clean record."""

QUIET_NS = 2_000_000_000
"""No diff for so long after a snapshot was asked for: nothing can be missing between the two."""

OVERDUE_NS = 60_000_000_000
"""An answer that did not come is not waited for any longer; the transport gives up earlier."""

SILENCE_NS = 60_000_000_000
SILENCE_NS_MAX = 3 * 24 * 3600 * 1_000_000_000
"""How long to be silent where the venue does not say; and the longest ban it knows."""


class _Need:
    """One symbol: when to ask next (-1: not now), how often that failed, since when the book is in step."""

    __slots__ = ("arrived_ns", "asked_ns", "at_ns", "attempts", "held_ns")

    def __init__(self) -> None:
        self.at_ns = -1
        self.attempts = 0
        self.arrived_ns = -1
        self.asked_ns = -1
        self.held_ns = -1


class Snapshots:
    """``depth_limit``: levels a side to ask for."""

    def __init__(self, depth_limit: int) -> None:
        self._depth_limit = depth_limit
        self._last_id = 0
        self._needs: dict[str, _Need] = {}
        self._asked: dict[int, str] = {}
        self._silent_until_ns = 0

    def forget(self) -> None:
        """The connection is another one: nothing is needed, no answer is awaited. The venue's bans stand."""
        self._needs = {}
        self._asked = {}

    def want(self, symbol: str, now_ns: int) -> None:
        """The book of ``symbol`` needs a snapshot."""
        need = self._need(symbol)
        self._abandon(symbol, need)
        need.at_ns = now_ns
        need.held_ns = -1

    def failed(self, symbol: str, now_ns: int) -> None:
        """The book was lost, or what came was of no use: again, later each time."""
        need = self._need(symbol)
        self._abandon(symbol, need)
        if 0 <= need.arrived_ns < now_ns - STEADY_NS:
            need.attempts = 0
        need.arrived_ns = -1 if need.attempts == 0 else need.arrived_ns
        wait_ns = min(FIRST_RETRY_NS << min(need.attempts - 1, 20), RETRY_NS_MAX) if need.attempts else 0
        need.attempts += 1
        need.at_ns = now_ns + wait_ns
        need.held_ns = -1

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

    def silence(self, until_ns: int) -> None:
        """The venue wants to hear nothing before ``until_ns``."""
        self._silent_until_ns = max(self._silent_until_ns, until_ns)

    def answered(self, fetch_id: int) -> str | None:
        """The symbol that ``fetch_id`` was about; None where nobody waits for it."""
        symbol = self._asked.pop(fetch_id, None)
        if symbol is not None:
            self._need(symbol).asked_ns = -1
        return symbol

    def quiet(self, now_ns: int) -> list[str]:
        """Symbols whose snapshot is held and whose stream stayed quiet long enough."""
        return [symbol for symbol, need in self._needs.items() if 0 <= need.held_ns <= now_ns - QUIET_NS]

    def due(self, now_ns: int) -> list[Fetch]:
        """The requests to make now."""
        if now_ns < self._silent_until_ns:
            return []
        for fetch_id, symbol in list(self._asked.items()):
            if now_ns - self._need(symbol).asked_ns > OVERDUE_NS:
                self.answered(fetch_id)
                self.failed(symbol, now_ns)
        out: list[Fetch] = []
        for symbol, need in self._needs.items():
            if len(self._asked) >= AT_ONCE:
                break
            if 0 <= need.at_ns <= now_ns and need.asked_ns < 0:
                out.append(self._fetch(symbol, need, now_ns))
        return out

    def _fetch(self, symbol: str, need: _Need, now_ns: int) -> Fetch:
        self._last_id += 1
        self._asked[self._last_id] = symbol
        need.asked_ns = now_ns
        need.at_ns = -1
        query = f"symbol={percent_encoded(symbol)}&limit={self._depth_limit}"
        return Fetch(self._last_id, "GET", "/api/v3/depth", query, (), f"snapshot {symbol}")

    def _abandon(self, symbol: str, need: _Need) -> None:
        """An answer on its way was asked for before diffs were lost: it proves nothing about the stream any more."""
        if need.asked_ns >= 0:
            need.asked_ns = -1
            self._asked = {number: other for number, other in self._asked.items() if other != symbol}

    def _need(self, symbol: str) -> _Need:
        need = self._needs.get(symbol)
        if need is None:
            need = self._needs[symbol] = _Need()
        return need


def retry_after_ns(headers: tuple[tuple[str, str], ...]) -> int:
    """``Retry-After`` of an HTTP answer, which is in seconds there (venues.md fact 9)."""
    for name, value in headers:
        if name.lower() == "retry-after" and value.isascii() and value.isdigit() and len(value) < 10:
            return min(int(value) * 1_000_000_000, SILENCE_NS_MAX)
    return SILENCE_NS
