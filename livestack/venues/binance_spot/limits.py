"""The venue's own limits: from ``exchangeInfo``, HTTP headers and the ``rateLimits`` of a reply (venues.md 1.4, 1.7).

Pure; any thread.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from livestack.core.events import RateLimitReport
from livestack.core.types import RateUsage
from livestack.venues.adapter import Fetched
from livestack.venues.binance_spot.messages import Count, Message
from livestack.venues.binance_spot.private_messages import RateLimit
from livestack.venues.budget import RequestBudget

WEIGHT = "REQUEST_WEIGHT"

INTERVALS_NS = {
    "SECOND": 1_000_000_000,
    "MINUTE": 60_000_000_000,
    "HOUR": 3_600_000_000_000,
    "DAY": 86_400_000_000_000,
}
_LETTERS_NS = {name[0].lower(): length_ns for name, length_ns in INTERVALS_NS.items()}

_HEADERS = {"x-mbx-used-weight-": WEIGHT, "x-mbx-order-count-": "ORDERS"}
_NUMBER_DIGITS_MAX = 9


class _Limit(Message, rename="camel"):
    rate_limit_type: str
    interval: str
    interval_num: Count
    limit: Count


class _Limits(Message):
    limits: list[_Limit] = msgspec.field(name="rateLimits", default_factory=list)


_decode = msgspec.json.Decoder(_Limits).decode


def read_limits(venue: str, answer: Fetched, budget: RequestBudget) -> list[RateLimitReport]:
    """What ``exchangeInfo`` says: into ``budget``, and for the Core, which uses the lower of its own and the venue's.

    A list that cannot be read changes nothing: what is configured holds.
    """
    try:
        limits = _decode(answer.body).limits
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return []
    usage = []
    for one in limits:
        interval_ns = INTERVALS_NS.get(one.interval, 0) * one.interval_num
        if one.rate_limit_type == WEIGHT:
            budget.limit(one.limit, interval_ns)
        if interval_ns:
            usage.append(RateUsage(one.rate_limit_type, interval_ns, one.limit, 0))
    used_weight(answer.headers, budget, answer.recv_ns)
    if not usage:
        return []
    return [RateLimitReport(recv_ns=answer.recv_ns, venue=venue, order_id=0, revision=0, usage=tuple(usage))]


def usage_of(limits: Iterable[RateLimit]) -> tuple[RateUsage, ...]:
    """``rateLimits`` of a reply."""
    return tuple(
        RateUsage(
            one.rate_limit_type, INTERVALS_NS.get(one.interval, 0) * one.interval_num, one.limit, one.count
        )
        for one in limits
    )


def usage_of_headers(headers: Iterable[tuple[str, str]]) -> tuple[RateUsage, ...]:
    """``X-MBX-USED-WEIGHT-1M`` and ``X-MBX-ORDER-COUNT-10S``. Their limits are not told: 0."""
    found = []
    for name, value in headers:
        for prefix, kind in _HEADERS.items():
            interval = name.lower().removeprefix(prefix)
            if interval == name.lower() or not interval[:-1].isdecimal() or not value.isdecimal():
                continue
            if len(interval) > _NUMBER_DIGITS_MAX or len(value) > _NUMBER_DIGITS_MAX:
                continue
            length_ns = _LETTERS_NS.get(interval[-1], 0) * int(interval[:-1])
            if length_ns:
                found.append(RateUsage(kind, length_ns, 0, int(value)))
    return tuple(found)


def used_weight(headers: Iterable[tuple[str, str]], budget: RequestBudget, now_ns: int) -> None:
    """Take the weight that an HTTP answer tells into ``budget``."""
    for one in usage_of_headers(headers):
        if one.kind == WEIGHT:
            budget.counted(one.used, now_ns)
