"""All Events: immutable records of what happened or was decided, the only cause of State transitions.

Pure. Each Event is a frozen, array-like ``msgspec.Struct`` with an integer tag; there is no inheritance between
them. Fields are only ever appended, with defaults, and tags are never reused, so that an older journal still
decodes. Origin is fixed per type: INPUT comes from outside and is fed at replay; DERIVED is appended by the Core
behind the INPUT that caused it, recomputed at replay and compared (core-runtime.md section 3).

Common fields: ``instrument`` is ``<venue>:<symbol>`` and unique in a session; ``event_ns`` is the venue's own time
(data, never an order; 0 where it gives none); ``recv_ns`` is the transport's stamp of the frame on the host's
monotonic clock; ``order_id`` is the counter inside one of our client ids, 0 for a foreign order. An empty
``instrument`` or ``venue`` in a scope means all of them.
"""

from __future__ import annotations

from typing import get_args

import msgspec

from livestack.core.types import (
    Amount,
    AssetBalance,
    ConnectionStatus,
    FailureReason,
    InstrumentStatus,
    Liquidity,
    OrderRequest,
    OrderStatus,
    OrderType,
    Origin,
    PositionBaseline,
    RateUsage,
    RequestKind,
    Side,
    TimeInForce,
    TradingState,
    WithdrawReason,
)

Levels = tuple[tuple[int, int], ...]
"""Price levels as ``(price, quantity)`` in the instrument's scale; quantity 0 removes the level."""

# -- Market (INPUT) ---------------------------------------------------------------------------------------------


class InstrumentDefined(msgspec.Struct, frozen=True, array_like=True, kw_only=True, gc=False, tag=1):
    """An instrument's scale and the venue's own rules for it. A limit of 0 means that the venue sets none."""

    recv_ns: int
    venue: str
    instrument: str
    symbol: str
    base: str
    quote: str
    price_decimals: int
    qty_decimals: int
    status: InstrumentStatus
    price_tick: int
    price_min: int
    price_max: int
    qty_step: int
    qty_min: int
    qty_max: int
    market_qty_step: int
    market_qty_min: int
    market_qty_max: int
    notional_min: Amount
    notional_max: Amount
    notional_min_applies_to_market: bool
    max_open_orders: int
    amend_allowed: bool
    market_allowed: bool


class BookSnapshot(msgspec.Struct, frozen=True, array_like=True, kw_only=True, gc=False, tag=2):
    """The whole book as the venue knew it at ``last_update_id``; makes the book valid. Levels best first."""

    recv_ns: int
    instrument: str
    event_ns: int
    last_update_id: int
    bids: Levels
    asks: Levels


class BookDelta(msgspec.Struct, frozen=True, array_like=True, kw_only=True, gc=False, tag=3):
    """Absolute quantities of changed levels, continuing the book at ``first_update_id``."""

    recv_ns: int
    instrument: str
    event_ns: int
    first_update_id: int
    last_update_id: int
    bids: Levels
    asks: Levels


class QuoteTick(msgspec.Struct, frozen=True, array_like=True, kw_only=True, gc=False, tag=4):
    """Best bid and ask. A side with quantity 0 is empty."""

    recv_ns: int
    instrument: str
    event_ns: int
    update_id: int
    bid: int
    bid_qty: int
    ask: int
    ask_qty: int


class TradeTick(msgspec.Struct, frozen=True, array_like=True, kw_only=True, gc=False, tag=5):
    """A public trade. ``aggressor`` is the taker's side."""

    recv_ns: int
    instrument: str
    event_ns: int
    trade_id: int
    price: int
    qty: int
    aggressor: Side


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
    """One execution. ``fill_id`` is the venue's trade id: (instrument, fill_id) identifies a fill for ever.

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
    """The venue told us to be silent for ``retry_after_ns`` from this Event's ``ts``."""

    recv_ns: int
    venue: str
    retry_after_ns: int
    reason: str


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
    """A request was selected to be sent: from here on it must be assumed sent. Risk allowed it at ``admitted_ts``."""

    request: OrderRequest
    admitted_ts: int


class IntentWithdrawn(msgspec.Struct, frozen=True, array_like=True, kw_only=True, gc=False, tag=52):
    intent: RequestKind
    venue: str
    instrument: str
    order_id: int
    reason: WithdrawReason


# -- Control: payloads of OperatorCommand --------------------------------------------------------------------------


class SetTradingState(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=1):
    state: TradingState


class CancelOrder(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=2):
    order_id: int


class CancelAll(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=3):
    """Cancel every open order in scope."""

    venue: str
    instrument: str


class SetStrategyEnabled(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=4):
    enabled: bool


class SetConfiguration(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=5):
    """``patch`` is ``(dotted key, JSON value)`` pairs, applied as a whole or not at all."""

    patch: tuple[tuple[str, str], ...]


Command = SetTradingState | CancelOrder | CancelAll | SetStrategyEnabled | SetConfiguration

# -- Control (INPUT) -----------------------------------------------------------------------------------------------


class SessionStarted(msgspec.Struct, frozen=True, array_like=True, kw_only=True, gc=False, tag=60):
    """First Event of a session. ``wall_ns`` is the wall clock for people; nothing is decided on it."""

    session: str
    node: str
    epoch: str
    strategy: str
    strategy_digest: str
    configuration_version: int
    configuration_digest: str
    semantics_version: int
    wall_ns: int


class SessionResumed(msgspec.Struct, frozen=True, array_like=True, kw_only=True, gc=False, tag=61):
    """The same session after a crash, under a new ``epoch`` (core-runtime.md section 14)."""

    epoch: str
    wall_ns: int


class SessionStopping(msgspec.Struct, frozen=True, array_like=True, kw_only=True, gc=False, tag=62):
    by: str
    reason: str


class SessionStopped(msgspec.Struct, frozen=True, array_like=True, kw_only=True, gc=False, tag=63):
    reason: str


class OperatorCommand(msgspec.Struct, frozen=True, array_like=True, kw_only=True, tag=64):
    request_id: str
    command: Command
    who: str
    why: str
    base_version: int


class KillSwitchEngaged(msgspec.Struct, frozen=True, array_like=True, kw_only=True, gc=False, tag=65):
    trigger: str
    by: str
    reason: str
    venue: str = ""
    instrument: str = ""


class KillSwitchReset(msgspec.Struct, frozen=True, array_like=True, kw_only=True, gc=False, tag=66):
    by: str
    reason: str
    accept_unknown: bool = False


class FeedStatusChanged(msgspec.Struct, frozen=True, array_like=True, kw_only=True, gc=False, tag=67):
    """A feed's, or one of its books', connection state; anything but LIVE makes the books in scope invalid."""

    recv_ns: int
    venue: str
    instrument: str
    status: ConnectionStatus
    reason: str


class VenueStatusChanged(msgspec.Struct, frozen=True, array_like=True, kw_only=True, gc=False, tag=68):
    """The order-entry connection of a venue. LIVE only after reconciliation."""

    recv_ns: int
    venue: str
    status: ConnectionStatus
    reason: str


class VenueClock(msgspec.Struct, frozen=True, array_like=True, kw_only=True, gc=False, tag=69):
    """``offset_ns`` = venue's clock minus this Event's ``ts``; ``error_ns`` bounds it."""

    venue: str
    offset_ns: int
    error_ns: int


class IncidentOpened(msgspec.Struct, frozen=True, array_like=True, kw_only=True, gc=False, tag=70):
    name: str
    scope: str
    grade: str
    detail: str


class IncidentClosed(msgspec.Struct, frozen=True, array_like=True, kw_only=True, gc=False, tag=71):
    name: str
    scope: str
    detail: str


class ControlTime(msgspec.Struct, frozen=True, array_like=True, kw_only=True, gc=False, tag=72):
    """The host's answer to ``WakeAt(scope, deadline_ns)``. Late, early or twice: still only an Event."""

    scope: str
    deadline_ns: int


class CheckpointRequested(msgspec.Struct, frozen=True, array_like=True, kw_only=True, gc=False, tag=73):
    by: str


# -- Control (DERIVED) ---------------------------------------------------------------------------------------------


class CommandApplied(msgspec.Struct, frozen=True, array_like=True, kw_only=True, gc=False, tag=80):
    request_id: str


class CommandRefused(msgspec.Struct, frozen=True, array_like=True, kw_only=True, gc=False, tag=81):
    request_id: str
    reason: str


class TradingStateChanged(msgspec.Struct, frozen=True, array_like=True, kw_only=True, gc=False, tag=82):
    """``venue`` and ``instrument`` narrow the scope; ``by`` is a command's sender or a monitor's name."""

    state: TradingState
    by: str
    reason: str
    venue: str = ""
    instrument: str = ""


class ConfigurationChanged(msgspec.Struct, frozen=True, array_like=True, kw_only=True, tag=83):
    version: int
    digest: str
    patch: tuple[tuple[str, str], ...]


class StrategyFailed(msgspec.Struct, frozen=True, array_like=True, kw_only=True, gc=False, tag=84):
    """An exception in the Strategy: its type and place. Never its text, which may hold anything."""

    hook: str
    error: str


class StrategyDisabled(msgspec.Struct, frozen=True, array_like=True, kw_only=True, gc=False, tag=85):
    by: str
    reason: str


class StrategyEnabled(msgspec.Struct, frozen=True, array_like=True, kw_only=True, gc=False, tag=86):
    by: str
    reason: str


class Checkpoint(msgspec.Struct, frozen=True, array_like=True, kw_only=True, gc=False, tag=87):
    digest: str


MarketEvent = InstrumentDefined | BookSnapshot | BookDelta | QuoteTick | TradeTick

ExecutionEvent = (
    OrderAccepted
    | OrderRejected
    | OrderFill
    | OrderCancelled
    | OrderExpired
    | OrderReplaced
    | CancelRejected
    | ReplaceRejected
    | OrderReport
    | FillsReconciled
    | AccountBaseline
    | BalanceReport
    | RateLimitReport
    | VenueBackoff
    | RequestSent
    | DispatchFailed
)

ControlEvent = (
    SessionStarted
    | SessionResumed
    | SessionStopping
    | SessionStopped
    | OperatorCommand
    | KillSwitchEngaged
    | KillSwitchReset
    | FeedStatusChanged
    | VenueStatusChanged
    | VenueClock
    | IncidentOpened
    | IncidentClosed
    | ControlTime
    | CheckpointRequested
)

InputEvent = MarketEvent | ExecutionEvent | ControlEvent

DerivedEvent = (
    AnomalyDetected
    | IntentDenied
    | IntentDispatched
    | IntentWithdrawn
    | CommandApplied
    | CommandRefused
    | TradingStateChanged
    | ConfigurationChanged
    | StrategyFailed
    | StrategyDisabled
    | StrategyEnabled
    | Checkpoint
)

Event = InputEvent | DerivedEvent

MARKET_EVENTS: tuple[type, ...] = get_args(MarketEvent)
EXECUTION_EVENTS: tuple[type, ...] = get_args(ExecutionEvent)
CONTROL_EVENTS: tuple[type, ...] = get_args(ControlEvent)
DERIVED_EVENTS: tuple[type, ...] = get_args(DerivedEvent)


class Recorded(msgspec.Struct, frozen=True, array_like=True):
    """The envelope: one position of the Event Stream.

    ``seq`` is Processing Order, without gaps from 1; ``ts`` the sequencer's nanoseconds (the only "now" that the
    Core knows); DERIVED Events carry their cause's ``ts``.
    """

    seq: int
    ts: int
    origin: Origin
    event: Event
