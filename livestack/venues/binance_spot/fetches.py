"""Market data over REST: every request within the budget, each counted back, whatever becomes of it (venues.md 1.4).

Pure. Belongs to the market-data adapter's thread. Who asks names a *subject* and gets it back with the answer, or with
the news that none came. A venue that wants silence gets it from the whole node; a firewall's page silences only this.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from livestack.venues.adapter import Fetch, Fetched
from livestack.venues.binance_spot.limits import INTERVALS_NS, WEIGHT, usage_of_headers
from livestack.venues.binance_spot.messages import ApiError
from livestack.venues.budget import Purpose, RequestBudget

OVERDUE_NS = 60_000_000_000
"""An answer that did not come is not waited for any longer; the transport gives up earlier."""

SILENCE_NS = 60_000_000_000
SILENCE_NS_MAX = 3 * 24 * 3600 * 1_000_000_000
"""How long to be silent where the venue does not say; and the longest ban it knows."""

FIREWALL_NS = 10_000_000_000
FIREWALL_NS_MAX = 300_000_000_000
"""After a 403 of the venue's firewall: the first of these, then twice as long each time up to the second."""

TOO_MANY_REQUESTS = -1003

_decode_error = msgspec.json.Decoder(ApiError).decode


class Asked(msgspec.Struct, frozen=True):
    """What a request is about. ``symbols``: whom it concerns."""

    kind: str
    symbols: tuple[str, ...]


class _UnderWay(msgspec.Struct):
    asked: Asked
    weight: int
    sent_ns: int
    is_wanted: bool = True


class Fetches:
    """Requests of one adapter. ``silenced`` of the last answer: for how long the venue wants to hear nothing, 0 if
    it did not say so."""

    def __init__(self, budget: RequestBudget) -> None:
        self._budget = budget
        self._last_id = 0
        self._under_way: dict[int, _UnderWay] = {}
        self._wait_until_ns = 0
        self._denied_until_ns = 0
        self._denied_weight = 0
        self._firewall_ns = FIREWALL_NS
        self.silenced_ns = 0

    def __len__(self) -> int:
        return len(self._under_way)

    def count(self, kind: str) -> int:
        """Requests of ``kind`` under way whose answers are waited for."""
        return sum(one.is_wanted and one.asked.kind == kind for one in self._under_way.values())

    def is_open(self, weight: int, now_ns: int) -> bool:
        """Whether there is any use in asking now. What weighs less than the last that was denied may fit in yet."""
        if now_ns < self._denied_until_ns and weight >= self._denied_weight:
            return False
        return now_ns >= self._wait_until_ns

    def ask(self, asked: Asked, path: str, query: str, weight: int, now_ns: int) -> Fetch | None:
        """The request, paid for; None where it has to wait (see :meth:`is_open`)."""
        if not self.is_open(weight, now_ns):
            return None
        until_ns = self._budget.take(weight, Purpose.MARKET, now_ns)
        if until_ns:
            self._denied_until_ns, self._denied_weight = until_ns, weight
            return None
        self._last_id += 1
        self._under_way[self._last_id] = _UnderWay(asked, weight, now_ns)
        purpose = f"{asked.kind} {asked.symbols[0] if len(asked.symbols) == 1 else len(asked.symbols)}"
        return Fetch(self._last_id, "GET", path, query, (), purpose)

    def abandon(self, asked: Asked) -> None:
        """The answer is of no use any more when it comes; its weight is."""
        for one in self._under_way.values():
            if one.asked == asked:
                one.is_wanted = False

    def abandon_all(self, kind: str) -> None:
        """The same for every request of ``kind``."""
        for one in self._under_way.values():
            if one.asked.kind == kind:
                one.is_wanted = False

    def answered(self, answer: Fetched) -> Asked | None:
        """What ``answer`` is about; None where nobody waits for it."""
        one = self._under_way.pop(answer.fetch_id, None)
        if one is None:
            return None
        now_ns = answer.recv_ns
        self._budget.answered(one.weight, _counted(answer.headers), now_ns)
        self.silenced_ns = self._silence(answer)
        return one.asked if one.is_wanted else None

    def overdue(self, now_ns: int) -> list[Asked]:
        """What no answer will come to any more."""
        late = [number for number, one in self._under_way.items() if now_ns - one.sent_ns > OVERDUE_NS]
        gone = []
        for number in late:
            one = self._under_way.pop(number)
            self._budget.answered(one.weight, -1, now_ns)
            if one.is_wanted:
                gone.append(one.asked)
        return gone

    def retire(self, now_ns: int) -> None:
        """Nobody will hear of the answers any more: what they were to weigh is given back."""
        for one in self._under_way.values():
            self._budget.answered(one.weight, -1, now_ns)
        self._under_way.clear()

    def _silence(self, answer: Fetched) -> int:
        if answer.status == 200:
            self._firewall_ns = FIREWALL_NS
            return 0
        if answer.status == 0 or not 400 <= answer.status < 600:
            return 0
        code, text = read_error(answer.body)
        if answer.status in (418, 429) or code == TOO_MANY_REQUESTS:
            wait_ns = retry_after_ns(answer.headers)
            is_ban = answer.status == 418 or "banned" in text
            self._budget.silence(answer.recv_ns + wait_ns, is_ban=is_ban)
            return wait_ns
        if answer.status == 403:
            self._wait_until_ns = max(self._wait_until_ns, answer.recv_ns + self._firewall_ns)
            self._firewall_ns = min(2 * self._firewall_ns, FIREWALL_NS_MAX)
        return 0


def read_error(body: bytes) -> tuple[int, str]:
    """Code and text of the venue's error; (0, '') for anything else, a page of HTML among it."""
    try:
        error = _decode_error(body)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return 0, ""
    return error.code, error.msg


def retry_after_ns(headers: Iterable[tuple[str, str]]) -> int:
    """``Retry-After`` of an HTTP answer, which is in seconds there (venues.md fact 9)."""
    for name, value in headers:
        if name.lower() == "retry-after" and value.isascii() and value.isdigit() and len(value) < 10:
            return min(int(value) * 1_000_000_000, SILENCE_NS_MAX)
    return SILENCE_NS


def _counted(headers: tuple[tuple[str, str], ...]) -> int:
    """The weight that the venue has counted in the minute; -1: it does not say."""
    counts = [
        one.used
        for one in usage_of_headers(headers)
        if one.kind == WEIGHT and one.interval_ns == INTERVALS_NS["MINUTE"]
    ]
    return max(counts, default=-1)
