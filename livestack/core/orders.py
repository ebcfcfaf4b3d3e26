"""Orders and their life, as tables.

Pure. An Order begins at dispatch (``SUBMITTED``: must be assumed sent) and moves by Events only. ``LIFECYCLE`` says for
every status and happening what comes of it, ``REPORTS`` the same for a venue's answer to a query; no other module
changes ``Order.status`` (core-runtime.md section 8). Harness thread.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

import msgspec

from livestack.core.events import OrderAdopted
from livestack.core.types import (
    OrderRequest,
    OrderStatus,
    OrderType,
    RequestKind,
    RequestSource,
    SelfTradePrevention,
    Side,
    TimeInForce,
)


class Happening(Enum):
    """What can happen to an Order."""

    ACCEPTED = 1
    REJECTED = 2
    NOT_THERE = 3
    """``DispatchFailed`` of its New: never sent, or proven absent."""
    FILLED_PARTLY = 4
    FILLED_WHOLLY = 5
    CANCELLED = 6
    """Cancelled or expired, asked for or not."""
    REPLACED = 7
    CANCEL_REJECTED = 8
    REPLACE_REJECTED = 9


class Effect(Enum):
    """What comes of it, where it is not simply the next status."""

    STAY = 1
    """Nothing changes: a repetition, or news about a request and not about the Order."""
    LATE = 2
    """A fill after the end: it is real, so position and cash follow; the Order keeps its status, anomalous."""
    ILLEGAL = 3
    """The venue contradicts itself: the Order is marked anomalous and the instrument halts."""


_S, _A, _P = OrderStatus.SUBMITTED, OrderStatus.ACCEPTED, OrderStatus.PARTIALLY_FILLED
_F, _C, _R = OrderStatus.FILLED, OrderStatus.CANCELLED, OrderStatus.REJECTED
_STAY, _LATE, _ILLEGAL = Effect.STAY, Effect.LATE, Effect.ILLEGAL

TERMINAL: Final = frozenset({_F, _C, _R})

LIFECYCLE: Final[dict[Happening, dict[OrderStatus, OrderStatus | Effect]]] = {
    Happening.ACCEPTED: {_S: _A, _A: _STAY, _P: _STAY, _F: _STAY, _C: _STAY, _R: _ILLEGAL},
    Happening.REJECTED: {_S: _R, _A: _ILLEGAL, _P: _ILLEGAL, _F: _ILLEGAL, _C: _ILLEGAL, _R: _STAY},
    Happening.NOT_THERE: {_S: _R, _A: _ILLEGAL, _P: _ILLEGAL, _F: _ILLEGAL, _C: _ILLEGAL, _R: _STAY},
    Happening.FILLED_PARTLY: {_S: _P, _A: _P, _P: _P, _F: _LATE, _C: _LATE, _R: _LATE},
    Happening.FILLED_WHOLLY: {_S: _F, _A: _F, _P: _F, _F: _LATE, _C: _LATE, _R: _LATE},
    Happening.CANCELLED: {_S: _C, _A: _C, _P: _C, _F: _ILLEGAL, _C: _STAY, _R: _ILLEGAL},
    Happening.REPLACED: {_S: _A, _A: _A, _P: _P, _F: _ILLEGAL, _C: _ILLEGAL, _R: _ILLEGAL},
    Happening.CANCEL_REJECTED: {_S: _STAY, _A: _STAY, _P: _STAY, _F: _STAY, _C: _STAY, _R: _STAY},
    Happening.REPLACE_REJECTED: {_S: _STAY, _A: _STAY, _P: _STAY, _F: _STAY, _C: _STAY, _R: _STAY},
}


class ReportEffect(Enum):
    """What comes of an ``OrderReport`` whose fills we all know (more fills claimed: fetched first)."""

    CONFIRM = 1
    """It is open there: Submitted becomes Accepted, and the terms are as reported."""
    CLOSE = 2
    """It is closed there: the Order takes the reported status."""
    STALE = 3
    """Older than what we know: ignored."""
    CONTRADICTION = 4
    """It cannot be: the Order is marked anomalous and the instrument halts."""


_OPEN = {
    _S: ReportEffect.CONFIRM,
    _A: ReportEffect.CONFIRM,
    _P: ReportEffect.CONFIRM,
    _F: ReportEffect.STALE,
    _C: ReportEffect.STALE,
    _R: ReportEffect.STALE,
}
REPORTS: Final[dict[OrderStatus, dict[OrderStatus, ReportEffect]]] = {
    _S: _OPEN,  # not a venue's word; read as open
    _A: _OPEN,
    _P: _OPEN,
    _F: {  # with every fill known it would be Filled already: it needs less quantity than we thought
        _S: ReportEffect.CLOSE,
        _A: ReportEffect.CLOSE,
        _P: ReportEffect.CLOSE,
        _F: ReportEffect.STALE,
        _C: ReportEffect.STALE,
        _R: ReportEffect.CONTRADICTION,
    },
    _C: {
        _S: ReportEffect.CLOSE,
        _A: ReportEffect.CLOSE,
        _P: ReportEffect.CLOSE,
        _F: ReportEffect.STALE,
        _C: ReportEffect.STALE,
        _R: ReportEffect.STALE,
    },
    _R: {
        _S: ReportEffect.CLOSE,
        _A: ReportEffect.CONTRADICTION,
        _P: ReportEffect.CONTRADICTION,
        _F: ReportEffect.CONTRADICTION,
        _C: ReportEffect.STALE,
        _R: ReportEffect.STALE,
    },
}


class Claim(msgspec.Struct, frozen=True):
    """The venue says that the Order has ``status`` with ``filled_qty``, and fills of that are still unknown to us.

    ``ts``: when that was said.
    """

    status: OrderStatus
    filled_qty: int
    reason: str
    ts: int


class Order(msgspec.Struct, kw_only=True):
    """One order. Quantities and prices in the instrument's scale, ``filled_notional`` in price + quantity decimals.

    ``client_id`` is the id by which the venue knows it now, ``revision`` the last one that a request of it used.
    ``worst_qty`` is the most that an order by quote quantity can fill. ``closing`` asks for Cancels until it is
    closed, on behalf of an operator or of the Core (kill-switch, REDUCING, stopping). ``foreign_id`` is the id under
    which an adopted order was found at the venue.
    """

    order_id: int
    venue: str
    instrument: str
    side: Side
    type: OrderType
    tif: TimeInForce
    qty: int
    quote_qty: int
    price: int
    stop_price: int
    post_only: bool
    reduce_only: bool
    stp: SelfTradePrevention
    source: RequestSource
    client_id: str
    revision: int
    submitted_ts: int
    changed_ts: int
    status: OrderStatus = OrderStatus.SUBMITTED
    venue_order_id: str = ""
    filled_qty: int = 0
    filled_notional: int = 0
    reason: str = ""
    anomalous: bool = False
    claim: Claim | None = None
    worst_qty: int = 0
    closing: RequestSource | None = None
    cancel_not_before: int = 0
    foreign_id: str = ""

    @property
    def is_terminal(self) -> bool:
        return self.status in TERMINAL

    @property
    def leaves_qty(self) -> int:
        """What may still fill at most; 0 for a closed order."""
        return 0 if self.status in TERMINAL else max((self.qty or self.worst_qty) - self.filled_qty, 0)

    def is_whole(self, price: int, qty_step: int) -> bool:
        """Whether its fills, the last one at ``price``, make it complete."""
        if self.quote_qty:
            return self.quote_qty - self.filled_notional < price * max(qty_step, 1)
        return self.filled_qty >= self.qty

    def happen(self, happening: Happening, ts: int) -> OrderStatus | Effect:
        """Look up ``LIFECYCLE`` and move; returns what it said."""
        outcome = LIFECYCLE[happening][self.status]
        if isinstance(outcome, OrderStatus):
            self.status = outcome
            self.changed_ts = ts
        elif outcome is not Effect.STAY:
            self.anomalous = True
        return outcome


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """A dispatched request whose outcome is not known yet. ``deadline_ns``: from then on it is unresolved.

    ``gate_ns`` and ``send_ns`` are the host's monotonic stamps before and after its write; 0 until that is known.
    ``bid`` and ``ask``: best prices when Risk allowed it. ``refused``: a Cancel that the venue refused; it stays
    unresolved until it is known what became of its Order.
    """

    kind: RequestKind
    revision: int
    client_id: str
    source: RequestSource
    dispatched_ts: int
    deadline_ns: int
    qty: int
    price: int
    admitted_ts: int
    bid: int = 0
    ask: int = 0
    gate_ns: int = 0
    send_ns: int = 0
    refused: bool = False


def open_order(request: OrderRequest, ts: int, worst_qty: int) -> Order:
    """The Order that exists from the dispatch of a New on."""
    return Order(
        order_id=request.order_id,
        venue=request.venue,
        instrument=request.instrument,
        side=request.side,
        type=request.type,
        tif=request.tif,
        qty=request.qty,
        quote_qty=request.quote_qty,
        price=request.price,
        stop_price=request.stop_price,
        post_only=request.post_only,
        reduce_only=request.reduce_only,
        stp=request.stp,
        source=request.source,
        client_id=request.client_id,
        revision=request.revision,
        submitted_ts=ts,
        changed_ts=ts,
        worst_qty=worst_qty,
    )


def adopted_order(found: OrderAdopted, ts: int) -> Order:
    """The Order that an order found at the venue becomes. What it had filled, and at which prices, was not ours."""
    return Order(
        order_id=found.order_id,
        venue=found.venue,
        instrument=found.instrument,
        side=found.side,
        type=found.order_type,
        tif=found.tif,
        qty=found.qty,
        quote_qty=0,
        price=found.price,
        stop_price=0,
        post_only=False,
        reduce_only=False,
        stp=SelfTradePrevention.NONE,
        source=RequestSource.OPERATOR,
        client_id=found.client_id,
        revision=0,
        submitted_ts=ts,
        changed_ts=ts,
        status=OrderStatus.PARTIALLY_FILLED if found.filled_qty else OrderStatus.ACCEPTED,
        venue_order_id=found.venue_order_id,
        filled_qty=found.filled_qty,
        foreign_id=found.client_id,
    )


def reopened_order(closed: Order, found: OrderAdopted, ts: int) -> Order:
    """The Order that one of ours becomes which was over and is open there after all. What is final stays final."""
    return msgspec.structs.replace(
        closed,
        order_id=found.order_id,
        status=OrderStatus.ACCEPTED,
        venue_order_id=found.venue_order_id,
        changed_ts=ts,
        foreign_id=found.client_id,
        reason="",
    )
