"""What the venue says of its limits with every answer: into the shared budget, and for the Core.

Pure; belongs to the order-entry adapter's thread. Headers tell what is used and not of how much: a limit that no reply
and no list has told yet is not reported, as a limit of 0 would replace the one that the Core knows.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from livestack.core.events import Event, RateLimitReport, VenueBackoff
from livestack.core.types import RateUsage
from livestack.venues.adapter import Fetched
from livestack.venues.binance_spot import outcomes
from livestack.venues.binance_spot.calls import Pending
from livestack.venues.binance_spot.limits import WEIGHT, usage_of_headers
from livestack.venues.binance_spot.private_messages import Reply
from livestack.venues.binance_spot.rest_requests import TOLD_TO_WAIT, wait_ns
from livestack.venues.budget import RequestBudget

ORDERS = "ORDERS"
TOO_MUCH_WEIGHT = -1003
TOO_MANY_ORDERS = -1015
BANNED = 418
MINUTE_NS = 60_000_000_000


class RateReports:
    """One for each adapter."""

    def __init__(self, venue: str, budget: RequestBudget, events: list[Event]) -> None:
        self._venue = venue
        self._budget = budget
        self._events = events
        self._limits: dict[tuple[str, int], int] = {}
        self._told: tuple[RateUsage, ...] = ()

    @property
    def knows_orders(self) -> bool:
        """Whether the limits of orders were told, without which what headers say of them cannot be reported."""
        return any(kind == ORDERS for kind, _ in self._limits)

    def learn(self, usage: Iterable[RateUsage]) -> None:
        """Remember limits that were told."""
        for one in usage:
            if one.limit > 0:
                self._limits[one.kind, one.interval_ns] = one.limit

    def of_headers(self, answer: Fetched) -> tuple[RateUsage, ...]:
        """What an HTTP answer says, with the limits that were told elsewhere."""
        known = {("REQUEST_WEIGHT", MINUTE_NS): self._budget.weight_max, **self._limits}
        return tuple(
            msgspec.structs.replace(one, limit=known[one.kind, one.interval_ns])
            for one in usage_of_headers(answer.headers)
            if (one.kind, one.interval_ns) in known
        )

    def take(self, usage: tuple[RateUsage, ...], pending: Pending | None, recv_ns: int) -> None:
        """``usage`` came with the answer to ``pending``."""
        self.learn(usage)
        counted = max((one.used for one in usage if one.kind == WEIGHT), default=-1)
        self._budget.answered(pending.weight if pending is not None else 0, counted, recv_ns)
        if not usage or usage == self._told:
            return
        self._told = usage
        request = pending.request if pending is not None else None
        self._events.append(
            RateLimitReport(
                recv_ns=recv_ns,
                venue=self._venue,
                order_id=request.order_id if request is not None else 0,
                revision=request.revision if request is not None else 0,
                usage=usage,
            )
        )

    def backoff(self, reply: Reply, venue_ms: int, answer: Fetched | None = None) -> None:
        """Be silent where the venue wants that: ``answer`` where it said so over REST."""
        if reply.is_ok:
            return
        silence_ns = outcomes.backoff_ns(reply, venue_ms)
        status = reply.status
        if answer is not None and answer.status in TOLD_TO_WAIT:
            silence_ns, status = wait_ns(answer), answer.status
        if not silence_ns:
            return
        is_told = status in TOLD_TO_WAIT
        is_overload = reply.code == outcomes.OVERLOAD_CODE and not is_told
        is_about_orders = reply.code == TOO_MANY_ORDERS
        if not is_about_orders and (is_told or reply.code == TOO_MUCH_WEIGHT):
            self._budget.silence(reply.recv_ns + silence_ns, is_ban=status == BANNED)
        self._events.append(
            VenueBackoff(
                recv_ns=reply.recv_ns,
                venue=self._venue,
                retry_after_ns=silence_ns,
                reason=reply.text,
                spares_cancels=is_about_orders or is_overload,
            )
        )
