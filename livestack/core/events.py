"""All Events: immutable records of what happened or was decided, the only cause of State transitions.

Pure. Each Event is a frozen, array-like ``msgspec.Struct`` with an integer tag; there is no inheritance between
them. Fields are only ever appended, with defaults, and tags are never reused, so that an older journal still
decodes: market 1 to 19, execution 20 to 49, Intents 50 to 59, control from 60, each in a module of its own. Origin is
fixed per type: INPUT comes from outside and is fed at replay; DERIVED is appended by the Core behind the INPUT that
caused it, recomputed at replay and compared (core-runtime.md section 3).

Common fields: ``instrument`` is ``<venue>:<symbol>`` and unique in a session; ``event_ns`` is the venue's own time
(data, never an order; 0 where it gives none); ``recv_ns`` is the transport's stamp of the frame on the host's
monotonic clock; ``order_id`` is the counter inside one of our client ids, 0 for a foreign order. An empty
``instrument`` or ``venue`` in a scope means all of them.
"""

from __future__ import annotations

from typing import get_args

import msgspec

from livestack.core.control_events import (
    CancelAll,
    CancelOrder,
    Checkpoint,
    CheckpointRequested,
    Command,
    CommandApplied,
    CommandRefused,
    ConfigurationChanged,
    ControlTime,
    EngageKillSwitch,
    FeedStatusChanged,
    IncidentClosed,
    IncidentOpened,
    KillReceipt,
    KillSwitchEngaged,
    KillSwitchReset,
    OperatorCommand,
    ResetKillSwitch,
    RollBackConfiguration,
    SessionResumed,
    SessionStarted,
    SessionStopped,
    SessionStopping,
    SetConfiguration,
    SetStrategyEnabled,
    SetTradingState,
    StartSession,
    StopSession,
    StrategyDisabled,
    StrategyEnabled,
    StrategyFailed,
    TakeCheckpoint,
    TradingStateChanged,
    VenueClock,
    VenueStatusChanged,
)
from livestack.core.execution_events import (
    AccountBaseline,
    AnomalyDetected,
    BalanceReport,
    CancelRejected,
    DispatchFailed,
    FillsReconciled,
    IntentDenied,
    IntentDispatched,
    IntentWithdrawn,
    OrderAccepted,
    OrderAdopted,
    OrderCancelled,
    OrderExpired,
    OrderFill,
    OrderRejected,
    OrderReplaced,
    OrderReport,
    RateLimitReport,
    ReplaceRejected,
    RequestSent,
    VenueBackoff,
)
from livestack.core.market_events import (
    BookDelta,
    BookSnapshot,
    InstrumentDefined,
    Levels,
    QuoteTick,
    TradeTick,
)
from livestack.core.types import Origin

__all__ = [
    "CONTROL_EVENTS",
    "DERIVED_EVENTS",
    "EXECUTION_EVENTS",
    "MARKET_EVENTS",
    "AccountBaseline",
    "AnomalyDetected",
    "BalanceReport",
    "BookDelta",
    "BookSnapshot",
    "CancelAll",
    "CancelOrder",
    "CancelRejected",
    "Checkpoint",
    "CheckpointRequested",
    "Command",
    "CommandApplied",
    "CommandRefused",
    "ConfigurationChanged",
    "ControlEvent",
    "ControlTime",
    "DerivedEvent",
    "DispatchFailed",
    "EngageKillSwitch",
    "Event",
    "ExecutionEvent",
    "FeedStatusChanged",
    "FillsReconciled",
    "IncidentClosed",
    "IncidentOpened",
    "InputEvent",
    "InstrumentDefined",
    "IntentDenied",
    "IntentDispatched",
    "IntentWithdrawn",
    "KillReceipt",
    "KillSwitchEngaged",
    "KillSwitchReset",
    "Levels",
    "MarketEvent",
    "OperatorCommand",
    "OrderAccepted",
    "OrderAdopted",
    "OrderCancelled",
    "OrderExpired",
    "OrderFill",
    "OrderRejected",
    "OrderReplaced",
    "OrderReport",
    "QuoteTick",
    "RateLimitReport",
    "Recorded",
    "ReplaceRejected",
    "RequestSent",
    "ResetKillSwitch",
    "RollBackConfiguration",
    "SessionResumed",
    "SessionStarted",
    "SessionStopped",
    "SessionStopping",
    "SetConfiguration",
    "SetStrategyEnabled",
    "SetTradingState",
    "StartSession",
    "StopSession",
    "StrategyDisabled",
    "StrategyEnabled",
    "StrategyFailed",
    "TakeCheckpoint",
    "TradeTick",
    "TradingStateChanged",
    "VenueBackoff",
    "VenueClock",
    "VenueStatusChanged",
]

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
    | FeedStatusChanged
    | VenueStatusChanged
    | VenueClock
    | IncidentOpened
    | IncidentClosed
    | ControlTime
    | CheckpointRequested
    | KillReceipt
)

InputEvent = MarketEvent | ExecutionEvent | ControlEvent

DerivedEvent = (
    AnomalyDetected
    | IntentDenied
    | IntentDispatched
    | IntentWithdrawn
    | OrderAdopted
    | CommandApplied
    | CommandRefused
    | TradingStateChanged
    | ConfigurationChanged
    | StrategyFailed
    | StrategyDisabled
    | StrategyEnabled
    | Checkpoint
    | KillSwitchReset
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
