"""Events that the connector makes itself: what became of a write, and what a session starts from. Pure."""

from __future__ import annotations

from livestack.core.events import (
    AccountBaseline,
    BalanceReport,
    DispatchFailed,
    Event,
    RequestSent,
    VenueStatusChanged,
)
from livestack.core.types import ConnectionStatus, FailureReason, OrderRequest
from livestack.exceptions import NotSentError


class HeldBackError(NotSentError):
    """The gate did not let it pass."""


def gone(venue: str, reason: str, now_ns: int) -> VenueStatusChanged:
    """Nobody is connected to ``venue`` any more."""
    disconnected = ConnectionStatus.DISCONNECTED
    return VenueStatusChanged(recv_ns=now_ns, venue=venue, status=disconnected, reason=reason)


def not_sent(venue: str, request: OrderRequest, detail: str) -> DispatchFailed:
    """Not one byte of ``request`` left."""
    return DispatchFailed(
        venue=venue,
        instrument=request.instrument,
        kind=request.kind,
        order_id=request.order_id,
        revision=request.revision,
        reason=FailureReason.NOT_SENT,
        detail=detail,
    )


def request_sent(venue: str, request: OrderRequest, gate_ns: int, send_ns: int) -> RequestSent:
    """Every byte of ``request`` was written at ``send_ns``; it came to the gate at ``gate_ns``."""
    return RequestSent(
        venue=venue,
        instrument=request.instrument,
        kind=request.kind,
        order_id=request.order_id,
        revision=request.revision,
        gate_ns=gate_ns,
        send_ns=send_ns,
    )


def says_live(events: list[Event]) -> bool:
    """Whether the venue has become LIVE, also by another way than before."""
    return any(
        isinstance(event, VenueStatusChanged) and event.status is ConnectionStatus.LIVE for event in events
    )


class Baseline:
    """The first complete balances of a session are what it starts from. ``is_known``: it did so before."""

    def __init__(self, venue: str, account: str, is_known: bool) -> None:
        self._venue = venue
        self._account = account
        self._is_known = is_known

    def add_to(self, events: list[Event]) -> list[Event]:
        """``events`` with the baseline in front of the report that it is taken from."""
        if self._is_known:
            return events
        out: list[Event] = []
        for event in events:
            if isinstance(event, BalanceReport) and event.complete and not self._is_known:
                self._is_known = True
                out.append(
                    AccountBaseline(
                        recv_ns=event.recv_ns,
                        venue=self._venue,
                        account=self._account,
                        balances=event.balances,
                        positions=(),
                        previous_session="",
                    )
                )
            out.append(event)
        return out
