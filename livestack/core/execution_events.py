"""What became of orders, requests and Intents.

Pure. What holds for all Events is said in :mod:`livestack.core.events`.
"""

from __future__ import annotations

import msgspec

from livestack.core.types import (
    Amount,
    AssetBalance,
    FailureReason,
    Liquidity,
    OrderRequest,
    OrderStatus,
    OrderType,
    PositionBaseline,
    RateUsage,
    RequestKind,
    Side,
    TimeInForce,
    WithdrawReason,
)

# -- Execution (INPUT) ------------------------------------------------------------------------------------------


class OrderAccepted(msgspec.Struct, frozen=True, array_like=True, kw_only=True, gc=False, tag=20):
    recv_ns: int
    venue: str
    instrument: str
    client_id: str
    order_id: int
    venue_order_id: str
    event_ns: int


class OrderRejected(msgspec.Struct, frozen=True, array_like=True, kw_only=True, gc=False, tag=21):
    """The venue refused a New for certain. ``code`` and ``reason`` are the venue's own."""

    recv_ns: int
    venue: str
    instrument: str
    client_id: str
    order_id: int
    event_ns: int
    code: str
    reason: str


class OrderFill(msgspec.Struct, frozen=True, array_like=True, kw_only=True, gc=False, tag=22):
    """One execution. ``fill_id`` is the venue's trade id: (instrument, fill_id, side) identifies a fill for ever.

    ``fee`` is in ``fee_decimals`` of ``fee_asset``; negative is a rebate.
    """

    recv_ns: int
    venue: str
    instrument: str
    client_id: str
    order_id: int
    venue_order_id: str
    event_ns: int
    fill_id: int
    side: Side
    price: int
    qty: int
    fee: Amount
    fee_asset: str
    fee_decimals: int
    liquidity: Liquidity


class OrderCancelled(msgspec.Struct, frozen=True, array_like=True, kw_only=True, gc=False, tag=23):
    """``filled_qty`` is what the venue says had been filled; -1 where it does not say."""

    recv_ns: int
    venue: str
    instrument: str
    client_id: str
    order_id: int
    venue_order_id: str
    event_ns: int
    reason: str
    filled_qty: int = -1


class OrderExpired(msgspec.Struct, frozen=True, array_like=True, kw_only=True, gc=False, tag=24):
    recv_ns: int
    venue: str
    instrument: str
    client_id: str
    order_id: int
    venue_order_id: str
    event_ns: int
    reason: str
    filled_qty: int = -1


class OrderReplaced(msgspec.Struct, frozen=True, array_like=True, kw_only=True, gc=False, tag=25):
    """``qty`` is the new total: what the venue had filled before the replacement plus what is open after it."""

    recv_ns: int
    venue: str
    instrument: str
    client_id: str
    order_id: int
    venue_order_id: str
    event_ns: int
    price: int
    qty: int


class CancelRejected(msgspec.Struct, frozen=True, array_like=True, kw_only=True, gc=False, tag=26):
    """``revision`` is the refused request's; 0 where the venue does not let it be known."""

    recv_ns: int
    venue: str
    instrument: str
    client_id: str
    order_id: int
    revision: int
    event_ns: int
    code: str
    reason: str


class ReplaceRejected(msgspec.Struct, frozen=True, array_like=True, kw_only=True, gc=False, tag=27):
    """The order stands as it was. (A replace whose cancel half succeeded is an ``OrderCancelled``.)"""

    recv_ns: int
    venue: str
    instrument: str
    client_id: str
    order_id: int
    revision: int
    event_ns: int
    code: str
    reason: str


class OrderReport(msgspec.Struct, frozen=True, array_like=True, kw_only=True, gc=False, tag=28):
    """The venue's answer to a query: one order as it is there. ``status`` is never ``SUBMITTED``."""

    recv_ns: int
    venue: str
    instrument: str
    client_id: str
    order_id: int
    venue_order_id: str
    event_ns: int
    status: OrderStatus
    side: Side
    order_type: OrderType
    tif: TimeInForce
    price: int
    qty: int
    filled_qty: int
    reason: str


class FillsReconciled(msgspec.Struct, frozen=True, array_like=True, kw_only=True, gc=False, tag=29):
    """Every fill of ``instrument`` up to and including fill id ``through`` is in the stream before this Event.

    ``begun_ns`` is the session time at which the venue was asked: what was claimed later is not answered by it. 0: not
    known, so it answers no claim.
    """

    recv_ns: int
    venue: str
    instrument: str
    through: int
    begun_ns: int = 0


class AccountBaseline(msgspec.Struct, frozen=True, array_like=True, kw_only=True, tag=30):
    """What a session starts from: the venue's balances and the inventory that Configuration assigns to us."""

    recv_ns: int
    venue: str
    account: str
    balances: tuple[AssetBalance, ...]
    positions: tuple[PositionBaseline, ...]
    previous_session: str


class BalanceReport(msgspec.Struct, frozen=True, array_like=True, kw_only=True, tag=31):
    """Balances of the assets named; others are unchanged unless ``complete``."""

    recv_ns: int
    venue: str
    event_ns: int
    balances: tuple[AssetBalance, ...]
    complete: bool


class RateLimitReport(msgspec.Struct, frozen=True, array_like=True, kw_only=True, tag=32):
    """The venue's counters, as of the request (``order_id``, ``revision``) that they came with (0, 0: a query)."""

    recv_ns: int
    venue: str
    order_id: int
    revision: int
    usage: tuple[RateUsage, ...]


class VenueBackoff(msgspec.Struct, frozen=True, array_like=True, kw_only=True, gc=False, tag=33):
    """The venue told us to be silent for ``retry_after_ns`` from this Event's ``ts``.

    ``spares_cancels``: it wants no more orders, while Cancels may go on.
    """

    recv_ns: int
    venue: str
    retry_after_ns: int
    reason: str
    spares_cancels: bool = False


class RequestSent(msgspec.Struct, frozen=True, array_like=True, kw_only=True, gc=False, tag=34):
    """Every byte of a committed dispatch was written. ``gate_ns``, ``send_ns``: before and after the write."""

    venue: str
    instrument: str
    kind: RequestKind
    order_id: int
    revision: int
    gate_ns: int
    send_ns: int


class DispatchFailed(msgspec.Struct, frozen=True, array_like=True, kw_only=True, gc=False, tag=35):
    """A committed dispatch that is certainly not at the venue."""

    venue: str
    instrument: str
    kind: RequestKind
    order_id: int
    revision: int
    reason: FailureReason
    detail: str


# -- Execution and intent-related (DERIVED) -----------------------------------------------------------------------


class AnomalyDetected(msgspec.Struct, frozen=True, array_like=True, kw_only=True, gc=False, tag=40):
    """Something from outside contradicts State; ``kind`` is a stable name, ``halts`` what it stopped ('' nothing)."""

    kind: str
    venue: str
    instrument: str
    order_id: int
    detail: str
    halts: str


class IntentDenied(msgspec.Struct, frozen=True, array_like=True, kw_only=True, gc=False, tag=50):
    """Risk refused an Intent. ``inputs`` are the numbers that ``rule`` compared, as ``name=value`` in order."""

    intent: RequestKind
    venue: str
    instrument: str
    order_id: int
    source: int
    rule: str
    inputs: tuple[str, ...]
    detail: str


class IntentDispatched(msgspec.Struct, frozen=True, array_like=True, kw_only=True, tag=51):
    """A request was selected to be sent: from here on it must be assumed sent. Risk allowed it at ``admitted_ts``.

    ``bid`` and ``ask`` are the instrument's best prices at that time (0: not known, and of a Cancel), ``worst_qty`` is
    the most that it can fill.
    """

    request: OrderRequest
    admitted_ts: int
    bid: int = 0
    ask: int = 0
    worst_qty: int = 0


class IntentWithdrawn(msgspec.Struct, frozen=True, array_like=True, kw_only=True, gc=False, tag=52):
    intent: RequestKind
    venue: str
    instrument: str
    order_id: int
    reason: WithdrawReason


class OrderAdopted(msgspec.Struct, frozen=True, array_like=True, kw_only=True, gc=False, tag=53):
    """An order that was found at the venue is an Order of this session from here on, as ``order_id``.

    ``again``: the id of our own Order that was over and is open there after all; 0 for an order of somebody else.
    """

    order_id: int
    venue: str
    instrument: str
    client_id: str
    venue_order_id: str
    side: Side
    order_type: OrderType
    tif: TimeInForce
    price: int
    qty: int
    filled_qty: int
    again: int = 0
