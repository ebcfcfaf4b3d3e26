"""Events of the private stream, each applied once whatever the number of connections that bring it (venues.md 1.6).

Pure; belongs to the order-entry adapter's thread. While one link takes over from another every event comes twice, the
copies in any order: an event that another link has brought already is dropped, and a balance is never overwritten with
one from before it.
"""

from __future__ import annotations

from typing import Final

import msgspec

from livestack.venues.binance_spot.calls import Calls
from livestack.venues.binance_spot.paths import Paths
from livestack.venues.binance_spot.private_messages import (
    AccountPosition,
    EventHead,
    ExecutionReport,
    decode,
)
from livestack.venues.binance_spot.reports import Balances, ExecutionReports
from livestack.venues.binance_spot.upkeep import Upkeep
from livestack.venues.complaints import Complaints

REMEMBER_NS: Final = 20_000_000_000
"""Copies are looked for so long after the last moment with two links: longer than a predecessor is kept."""

REMEMBERED_MAX: Final = 16_384

SILENT_KINDS: Final = ("balanceUpdate", "listStatus", "externalLockUpdate")
"""What they change is told by another event too."""


class UserEvents:
    """``told``: the balances as the Core knows them."""

    def __init__(
        self,
        calls: Calls,
        paths: Paths,
        reports: ExecutionReports,
        upkeep: Upkeep,
        complaints: Complaints,
        told: Balances,
    ) -> None:
        self._calls = calls
        self._paths = paths
        self._reports = reports
        self._upkeep = upkeep
        self._complaints = complaints
        self._told = told
        self._heard: dict[bytes, int] = {}
        self._remember_until_ns = 0
        self._balances_ms: dict[str, int] = {}

    def take(self, raw: msgspec.Raw, frame: bytes, recv_ns: int, link: int) -> None:
        """Apply one event. Raises what ``msgspec`` raises."""
        kind = decode(raw, EventHead).event
        if kind == "serverShutdown":
            self._complaints.add("server_shutdown", "the venue will close this connection", frame)
            self._paths.links.going(link)
        elif kind == "eventStreamTerminated":
            self._complaints.add("stream_terminated", "the venue ended the private stream", frame)
            self._paths.stream_ended(link, "the venue ended the private stream")
        elif not self._is_copy(bytes(raw), link):
            self._upkeep.heard(recv_ns)
            if kind == "executionReport":
                self._reports.take(decode(raw, ExecutionReport), frame, recv_ns)
            elif kind == "outboundAccountPosition":
                self._balances(decode(raw, AccountPosition), recv_ns)
            elif kind not in SILENT_KINDS:
                self._complaints.add("unknown_enum", f"event {kind[:32]!r}", frame)

    def _is_copy(self, event: bytes, link: int) -> bool:
        """Whether another link has brought it."""
        now_ns = self._calls.now_ns
        if self._paths.links.are_many:
            self._remember_until_ns = now_ns + REMEMBER_NS
        elif now_ns > self._remember_until_ns:
            self._heard.clear()
            return False
        first = self._heard.setdefault(event, link)
        if len(self._heard) > REMEMBERED_MAX:
            del self._heard[next(iter(self._heard))]
        return first != link

    def _balances(self, position: AccountPosition, recv_ns: int) -> None:
        at_ms, known = position.update_ms or position.event_ms, self._balances_ms
        news = [one for one in position.balances if at_ms >= known.get(one.asset, 0)]
        for one in news:
            known[one.asset] = at_ms
        if news:
            position.balances = news
            self._told.position(position, recv_ns)
