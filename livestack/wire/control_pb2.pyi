from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class TradingState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TRADING_STATE_UNSPECIFIED: _ClassVar[TradingState]
    ACTIVE: _ClassVar[TradingState]
    REDUCING: _ClassVar[TradingState]
    HALTED: _ClassVar[TradingState]

class Outcome(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    OUTCOME_UNSPECIFIED: _ClassVar[Outcome]
    DONE: _ClassVar[Outcome]
    REFUSED: _ClassVar[Outcome]
    AWAITING: _ClassVar[Outcome]
    UNKNOWN: _ClassVar[Outcome]

class ErrorCode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    NONE: _ClassVar[ErrorCode]
    MALFORMED: _ClassVar[ErrorCode]
    UNSUPPORTED_PROTOCOL: _ClassVar[ErrorCode]
    TOO_LARGE: _ClassVar[ErrorCode]
    STALE: _ClassVar[ErrorCode]
    INVALID: _ClassVar[ErrorCode]
    REASON_MISSING: _ClassVar[ErrorCode]
    PERMISSION_DENIED: _ClassVar[ErrorCode]
    RATE_LIMITED: _ClassVar[ErrorCode]
    BUSY: _ClassVar[ErrorCode]
    VERSION_CONFLICT: _ClassVar[ErrorCode]
    REFUSED_BY_CORE: _ClassVar[ErrorCode]
    NOT_FOUND: _ClassVar[ErrorCode]
    TIMED_OUT: _ClassVar[ErrorCode]
    CONFIRMATION_REFUSED: _ClassVar[ErrorCode]
    REQUEST_ID_REUSED: _ClassVar[ErrorCode]
    INTERNAL: _ClassVar[ErrorCode]
TRADING_STATE_UNSPECIFIED: TradingState
ACTIVE: TradingState
REDUCING: TradingState
HALTED: TradingState
OUTCOME_UNSPECIFIED: Outcome
DONE: Outcome
REFUSED: Outcome
AWAITING: Outcome
UNKNOWN: Outcome
NONE: ErrorCode
MALFORMED: ErrorCode
UNSUPPORTED_PROTOCOL: ErrorCode
TOO_LARGE: ErrorCode
STALE: ErrorCode
INVALID: ErrorCode
REASON_MISSING: ErrorCode
PERMISSION_DENIED: ErrorCode
RATE_LIMITED: ErrorCode
BUSY: ErrorCode
VERSION_CONFLICT: ErrorCode
REFUSED_BY_CORE: ErrorCode
NOT_FOUND: ErrorCode
TIMED_OUT: ErrorCode
CONFIRMATION_REFUSED: ErrorCode
REQUEST_ID_REUSED: ErrorCode
INTERNAL: ErrorCode

class Request(_message.Message):
    __slots__ = ("protocol", "request_id", "issued_at_ns", "reason", "expected_version", "ping", "status", "orders", "positions", "fills", "feeds", "venues", "risk", "configuration", "metrics", "kill_receipt", "session_start", "session_stop", "trading", "kill", "kill_reset", "cancel", "cancel_all", "strategy", "configuration_set", "configuration_roll_back", "checkpoint", "confirm")
    PROTOCOL_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    ISSUED_AT_NS_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_VERSION_FIELD_NUMBER: _ClassVar[int]
    PING_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    ORDERS_FIELD_NUMBER: _ClassVar[int]
    POSITIONS_FIELD_NUMBER: _ClassVar[int]
    FILLS_FIELD_NUMBER: _ClassVar[int]
    FEEDS_FIELD_NUMBER: _ClassVar[int]
    VENUES_FIELD_NUMBER: _ClassVar[int]
    RISK_FIELD_NUMBER: _ClassVar[int]
    CONFIGURATION_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    KILL_RECEIPT_FIELD_NUMBER: _ClassVar[int]
    SESSION_START_FIELD_NUMBER: _ClassVar[int]
    SESSION_STOP_FIELD_NUMBER: _ClassVar[int]
    TRADING_FIELD_NUMBER: _ClassVar[int]
    KILL_FIELD_NUMBER: _ClassVar[int]
    KILL_RESET_FIELD_NUMBER: _ClassVar[int]
    CANCEL_FIELD_NUMBER: _ClassVar[int]
    CANCEL_ALL_FIELD_NUMBER: _ClassVar[int]
    STRATEGY_FIELD_NUMBER: _ClassVar[int]
    CONFIGURATION_SET_FIELD_NUMBER: _ClassVar[int]
    CONFIGURATION_ROLL_BACK_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_FIELD_NUMBER: _ClassVar[int]
    CONFIRM_FIELD_NUMBER: _ClassVar[int]
    protocol: int
    request_id: str
    issued_at_ns: int
    reason: str
    expected_version: int
    ping: Ping
    status: GetStatus
    orders: GetOrders
    positions: GetPositions
    fills: GetFills
    feeds: GetFeeds
    venues: GetVenues
    risk: GetRisk
    configuration: GetConfiguration
    metrics: GetMetrics
    kill_receipt: GetKillReceipt
    session_start: StartSession
    session_stop: StopSession
    trading: SetTradingState
    kill: Kill
    kill_reset: ResetKill
    cancel: CancelOrder
    cancel_all: CancelAll
    strategy: SetStrategy
    configuration_set: SetConfiguration
    configuration_roll_back: RollBackConfiguration
    checkpoint: Checkpoint
    confirm: Confirm
    def __init__(self, protocol: _Optional[int] = ..., request_id: _Optional[str] = ..., issued_at_ns: _Optional[int] = ..., reason: _Optional[str] = ..., expected_version: _Optional[int] = ..., ping: _Optional[_Union[Ping, _Mapping]] = ..., status: _Optional[_Union[GetStatus, _Mapping]] = ..., orders: _Optional[_Union[GetOrders, _Mapping]] = ..., positions: _Optional[_Union[GetPositions, _Mapping]] = ..., fills: _Optional[_Union[GetFills, _Mapping]] = ..., feeds: _Optional[_Union[GetFeeds, _Mapping]] = ..., venues: _Optional[_Union[GetVenues, _Mapping]] = ..., risk: _Optional[_Union[GetRisk, _Mapping]] = ..., configuration: _Optional[_Union[GetConfiguration, _Mapping]] = ..., metrics: _Optional[_Union[GetMetrics, _Mapping]] = ..., kill_receipt: _Optional[_Union[GetKillReceipt, _Mapping]] = ..., session_start: _Optional[_Union[StartSession, _Mapping]] = ..., session_stop: _Optional[_Union[StopSession, _Mapping]] = ..., trading: _Optional[_Union[SetTradingState, _Mapping]] = ..., kill: _Optional[_Union[Kill, _Mapping]] = ..., kill_reset: _Optional[_Union[ResetKill, _Mapping]] = ..., cancel: _Optional[_Union[CancelOrder, _Mapping]] = ..., cancel_all: _Optional[_Union[CancelAll, _Mapping]] = ..., strategy: _Optional[_Union[SetStrategy, _Mapping]] = ..., configuration_set: _Optional[_Union[SetConfiguration, _Mapping]] = ..., configuration_roll_back: _Optional[_Union[RollBackConfiguration, _Mapping]] = ..., checkpoint: _Optional[_Union[Checkpoint, _Mapping]] = ..., confirm: _Optional[_Union[Confirm, _Mapping]] = ...) -> None: ...

class Ping(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetStatus(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetOrders(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetPositions(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetFills(_message.Message):
    __slots__ = ("last",)
    LAST_FIELD_NUMBER: _ClassVar[int]
    last: int
    def __init__(self, last: _Optional[int] = ...) -> None: ...

class GetFeeds(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetVenues(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetRisk(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetConfiguration(_message.Message):
    __slots__ = ("version",)
    VERSION_FIELD_NUMBER: _ClassVar[int]
    version: int
    def __init__(self, version: _Optional[int] = ...) -> None: ...

class GetMetrics(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetKillReceipt(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class StartSession(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class StopSession(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class SetTradingState(_message.Message):
    __slots__ = ("state", "venue", "instrument")
    STATE_FIELD_NUMBER: _ClassVar[int]
    VENUE_FIELD_NUMBER: _ClassVar[int]
    INSTRUMENT_FIELD_NUMBER: _ClassVar[int]
    state: TradingState
    venue: str
    instrument: str
    def __init__(self, state: _Optional[_Union[TradingState, str]] = ..., venue: _Optional[str] = ..., instrument: _Optional[str] = ...) -> None: ...

class Kill(_message.Message):
    __slots__ = ("venue", "instrument")
    VENUE_FIELD_NUMBER: _ClassVar[int]
    INSTRUMENT_FIELD_NUMBER: _ClassVar[int]
    venue: str
    instrument: str
    def __init__(self, venue: _Optional[str] = ..., instrument: _Optional[str] = ...) -> None: ...

class ResetKill(_message.Message):
    __slots__ = ("accept_unknown",)
    ACCEPT_UNKNOWN_FIELD_NUMBER: _ClassVar[int]
    accept_unknown: bool
    def __init__(self, accept_unknown: _Optional[bool] = ...) -> None: ...

class CancelOrder(_message.Message):
    __slots__ = ("order_id",)
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    order_id: int
    def __init__(self, order_id: _Optional[int] = ...) -> None: ...

class CancelAll(_message.Message):
    __slots__ = ("venue", "instrument")
    VENUE_FIELD_NUMBER: _ClassVar[int]
    INSTRUMENT_FIELD_NUMBER: _ClassVar[int]
    venue: str
    instrument: str
    def __init__(self, venue: _Optional[str] = ..., instrument: _Optional[str] = ...) -> None: ...

class SetStrategy(_message.Message):
    __slots__ = ("enabled",)
    ENABLED_FIELD_NUMBER: _ClassVar[int]
    enabled: bool
    def __init__(self, enabled: _Optional[bool] = ...) -> None: ...

class SetConfiguration(_message.Message):
    __slots__ = ("settings",)
    SETTINGS_FIELD_NUMBER: _ClassVar[int]
    settings: _containers.RepeatedCompositeFieldContainer[Setting]
    def __init__(self, settings: _Optional[_Iterable[_Union[Setting, _Mapping]]] = ...) -> None: ...

class Setting(_message.Message):
    __slots__ = ("key", "json_value")
    KEY_FIELD_NUMBER: _ClassVar[int]
    JSON_VALUE_FIELD_NUMBER: _ClassVar[int]
    key: str
    json_value: str
    def __init__(self, key: _Optional[str] = ..., json_value: _Optional[str] = ...) -> None: ...

class RollBackConfiguration(_message.Message):
    __slots__ = ("version",)
    VERSION_FIELD_NUMBER: _ClassVar[int]
    version: int
    def __init__(self, version: _Optional[int] = ...) -> None: ...

class Checkpoint(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Confirm(_message.Message):
    __slots__ = ("request_id",)
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    def __init__(self, request_id: _Optional[str] = ...) -> None: ...

class Reply(_message.Message):
    __slots__ = ("protocol", "request_id", "outcome", "code", "message", "seq", "pong", "status", "orders", "positions", "fills", "feeds", "venues", "risk", "configuration", "metrics", "kill_receipt", "killed", "configuration_version", "digest")
    PROTOCOL_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    PONG_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    ORDERS_FIELD_NUMBER: _ClassVar[int]
    POSITIONS_FIELD_NUMBER: _ClassVar[int]
    FILLS_FIELD_NUMBER: _ClassVar[int]
    FEEDS_FIELD_NUMBER: _ClassVar[int]
    VENUES_FIELD_NUMBER: _ClassVar[int]
    RISK_FIELD_NUMBER: _ClassVar[int]
    CONFIGURATION_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    KILL_RECEIPT_FIELD_NUMBER: _ClassVar[int]
    KILLED_FIELD_NUMBER: _ClassVar[int]
    CONFIGURATION_VERSION_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    protocol: int
    request_id: str
    outcome: Outcome
    code: ErrorCode
    message: str
    seq: int
    pong: Pong
    status: Status
    orders: Orders
    positions: Positions
    fills: Fills
    feeds: Feeds
    venues: Venues
    risk: Risk
    configuration: Configuration
    metrics: Metrics
    kill_receipt: KillReceipt
    killed: Killed
    configuration_version: ConfigurationVersion
    digest: Digest
    def __init__(self, protocol: _Optional[int] = ..., request_id: _Optional[str] = ..., outcome: _Optional[_Union[Outcome, str]] = ..., code: _Optional[_Union[ErrorCode, str]] = ..., message: _Optional[str] = ..., seq: _Optional[int] = ..., pong: _Optional[_Union[Pong, _Mapping]] = ..., status: _Optional[_Union[Status, _Mapping]] = ..., orders: _Optional[_Union[Orders, _Mapping]] = ..., positions: _Optional[_Union[Positions, _Mapping]] = ..., fills: _Optional[_Union[Fills, _Mapping]] = ..., feeds: _Optional[_Union[Feeds, _Mapping]] = ..., venues: _Optional[_Union[Venues, _Mapping]] = ..., risk: _Optional[_Union[Risk, _Mapping]] = ..., configuration: _Optional[_Union[Configuration, _Mapping]] = ..., metrics: _Optional[_Union[Metrics, _Mapping]] = ..., kill_receipt: _Optional[_Union[KillReceipt, _Mapping]] = ..., killed: _Optional[_Union[Killed, _Mapping]] = ..., configuration_version: _Optional[_Union[ConfigurationVersion, _Mapping]] = ..., digest: _Optional[_Union[Digest, _Mapping]] = ...) -> None: ...

class Pong(_message.Message):
    __slots__ = ("node", "version", "who", "role")
    NODE_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    WHO_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    node: str
    version: str
    who: str
    role: str
    def __init__(self, node: _Optional[str] = ..., version: _Optional[str] = ..., who: _Optional[str] = ..., role: _Optional[str] = ...) -> None: ...

class Status(_message.Message):
    __slots__ = ("session", "node", "phase", "trading_state", "trading", "kill_switch", "config_version", "config_digest", "seq", "age_ms", "feeds", "venues", "incidents", "strategy_enabled", "open_orders", "unknown_orders", "holds", "started_at_ns", "guard", "events", "dispatches", "fills", "denied", "sinks", "dead_man_ms", "operator_silent_ms")
    SESSION_FIELD_NUMBER: _ClassVar[int]
    NODE_FIELD_NUMBER: _ClassVar[int]
    PHASE_FIELD_NUMBER: _ClassVar[int]
    TRADING_STATE_FIELD_NUMBER: _ClassVar[int]
    TRADING_FIELD_NUMBER: _ClassVar[int]
    KILL_SWITCH_FIELD_NUMBER: _ClassVar[int]
    CONFIG_VERSION_FIELD_NUMBER: _ClassVar[int]
    CONFIG_DIGEST_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    AGE_MS_FIELD_NUMBER: _ClassVar[int]
    FEEDS_FIELD_NUMBER: _ClassVar[int]
    VENUES_FIELD_NUMBER: _ClassVar[int]
    INCIDENTS_FIELD_NUMBER: _ClassVar[int]
    STRATEGY_ENABLED_FIELD_NUMBER: _ClassVar[int]
    OPEN_ORDERS_FIELD_NUMBER: _ClassVar[int]
    UNKNOWN_ORDERS_FIELD_NUMBER: _ClassVar[int]
    HOLDS_FIELD_NUMBER: _ClassVar[int]
    STARTED_AT_NS_FIELD_NUMBER: _ClassVar[int]
    GUARD_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    DISPATCHES_FIELD_NUMBER: _ClassVar[int]
    FILLS_FIELD_NUMBER: _ClassVar[int]
    DENIED_FIELD_NUMBER: _ClassVar[int]
    SINKS_FIELD_NUMBER: _ClassVar[int]
    DEAD_MAN_MS_FIELD_NUMBER: _ClassVar[int]
    OPERATOR_SILENT_MS_FIELD_NUMBER: _ClassVar[int]
    session: str
    node: str
    phase: str
    trading_state: str
    trading: _containers.RepeatedCompositeFieldContainer[Scoped]
    kill_switch: _containers.RepeatedCompositeFieldContainer[KillScope]
    config_version: int
    config_digest: str
    seq: int
    age_ms: int
    feeds: _containers.RepeatedCompositeFieldContainer[Feed]
    venues: _containers.RepeatedCompositeFieldContainer[Venue]
    incidents: _containers.RepeatedCompositeFieldContainer[Incident]
    strategy_enabled: bool
    open_orders: int
    unknown_orders: int
    holds: _containers.RepeatedCompositeFieldContainer[Hold]
    started_at_ns: int
    guard: str
    events: int
    dispatches: int
    fills: int
    denied: int
    sinks: _containers.RepeatedCompositeFieldContainer[Sink]
    dead_man_ms: int
    operator_silent_ms: int
    def __init__(self, session: _Optional[str] = ..., node: _Optional[str] = ..., phase: _Optional[str] = ..., trading_state: _Optional[str] = ..., trading: _Optional[_Iterable[_Union[Scoped, _Mapping]]] = ..., kill_switch: _Optional[_Iterable[_Union[KillScope, _Mapping]]] = ..., config_version: _Optional[int] = ..., config_digest: _Optional[str] = ..., seq: _Optional[int] = ..., age_ms: _Optional[int] = ..., feeds: _Optional[_Iterable[_Union[Feed, _Mapping]]] = ..., venues: _Optional[_Iterable[_Union[Venue, _Mapping]]] = ..., incidents: _Optional[_Iterable[_Union[Incident, _Mapping]]] = ..., strategy_enabled: _Optional[bool] = ..., open_orders: _Optional[int] = ..., unknown_orders: _Optional[int] = ..., holds: _Optional[_Iterable[_Union[Hold, _Mapping]]] = ..., started_at_ns: _Optional[int] = ..., guard: _Optional[str] = ..., events: _Optional[int] = ..., dispatches: _Optional[int] = ..., fills: _Optional[int] = ..., denied: _Optional[int] = ..., sinks: _Optional[_Iterable[_Union[Sink, _Mapping]]] = ..., dead_man_ms: _Optional[int] = ..., operator_silent_ms: _Optional[int] = ...) -> None: ...

class Sink(_message.Message):
    __slots__ = ("name", "address", "through", "behind", "lag_ms", "state", "error", "dead_letters")
    NAME_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    THROUGH_FIELD_NUMBER: _ClassVar[int]
    BEHIND_FIELD_NUMBER: _ClassVar[int]
    LAG_MS_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    DEAD_LETTERS_FIELD_NUMBER: _ClassVar[int]
    name: str
    address: str
    through: int
    behind: int
    lag_ms: int
    state: str
    error: str
    dead_letters: int
    def __init__(self, name: _Optional[str] = ..., address: _Optional[str] = ..., through: _Optional[int] = ..., behind: _Optional[int] = ..., lag_ms: _Optional[int] = ..., state: _Optional[str] = ..., error: _Optional[str] = ..., dead_letters: _Optional[int] = ...) -> None: ...

class Scoped(_message.Message):
    __slots__ = ("scope", "value", "why")
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    WHY_FIELD_NUMBER: _ClassVar[int]
    scope: str
    value: str
    why: str
    def __init__(self, scope: _Optional[str] = ..., value: _Optional[str] = ..., why: _Optional[str] = ...) -> None: ...

class KillScope(_message.Message):
    __slots__ = ("scope", "trigger", "by", "reason")
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    TRIGGER_FIELD_NUMBER: _ClassVar[int]
    BY_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    scope: str
    trigger: str
    by: str
    reason: str
    def __init__(self, scope: _Optional[str] = ..., trigger: _Optional[str] = ..., by: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class Hold(_message.Message):
    __slots__ = ("name", "venue", "instrument")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VENUE_FIELD_NUMBER: _ClassVar[int]
    INSTRUMENT_FIELD_NUMBER: _ClassVar[int]
    name: str
    venue: str
    instrument: str
    def __init__(self, name: _Optional[str] = ..., venue: _Optional[str] = ..., instrument: _Optional[str] = ...) -> None: ...

class Incident(_message.Message):
    __slots__ = ("name", "scope", "grade", "detail", "age_ms", "meaning", "look_at")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    GRADE_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    AGE_MS_FIELD_NUMBER: _ClassVar[int]
    MEANING_FIELD_NUMBER: _ClassVar[int]
    LOOK_AT_FIELD_NUMBER: _ClassVar[int]
    name: str
    scope: str
    grade: str
    detail: str
    age_ms: int
    meaning: str
    look_at: str
    def __init__(self, name: _Optional[str] = ..., scope: _Optional[str] = ..., grade: _Optional[str] = ..., detail: _Optional[str] = ..., age_ms: _Optional[int] = ..., meaning: _Optional[str] = ..., look_at: _Optional[str] = ...) -> None: ...

class Order(_message.Message):
    __slots__ = ("order_id", "client_id", "venue_order_id", "venue", "instrument", "side", "type", "status", "price", "qty", "filled_qty", "unknown", "cancelling", "external")
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    CLIENT_ID_FIELD_NUMBER: _ClassVar[int]
    VENUE_ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    VENUE_FIELD_NUMBER: _ClassVar[int]
    INSTRUMENT_FIELD_NUMBER: _ClassVar[int]
    SIDE_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    PRICE_FIELD_NUMBER: _ClassVar[int]
    QTY_FIELD_NUMBER: _ClassVar[int]
    FILLED_QTY_FIELD_NUMBER: _ClassVar[int]
    UNKNOWN_FIELD_NUMBER: _ClassVar[int]
    CANCELLING_FIELD_NUMBER: _ClassVar[int]
    EXTERNAL_FIELD_NUMBER: _ClassVar[int]
    order_id: int
    client_id: str
    venue_order_id: str
    venue: str
    instrument: str
    side: str
    type: str
    status: str
    price: str
    qty: str
    filled_qty: str
    unknown: bool
    cancelling: bool
    external: bool
    def __init__(self, order_id: _Optional[int] = ..., client_id: _Optional[str] = ..., venue_order_id: _Optional[str] = ..., venue: _Optional[str] = ..., instrument: _Optional[str] = ..., side: _Optional[str] = ..., type: _Optional[str] = ..., status: _Optional[str] = ..., price: _Optional[str] = ..., qty: _Optional[str] = ..., filled_qty: _Optional[str] = ..., unknown: _Optional[bool] = ..., cancelling: _Optional[bool] = ..., external: _Optional[bool] = ...) -> None: ...

class Orders(_message.Message):
    __slots__ = ("age_ms", "orders", "total")
    AGE_MS_FIELD_NUMBER: _ClassVar[int]
    ORDERS_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    age_ms: int
    orders: _containers.RepeatedCompositeFieldContainer[Order]
    total: int
    def __init__(self, age_ms: _Optional[int] = ..., orders: _Optional[_Iterable[_Union[Order, _Mapping]]] = ..., total: _Optional[int] = ...) -> None: ...

class Position(_message.Message):
    __slots__ = ("instrument", "qty", "average_price", "realised_pnl", "unrealised_pnl", "currency", "fees")
    INSTRUMENT_FIELD_NUMBER: _ClassVar[int]
    QTY_FIELD_NUMBER: _ClassVar[int]
    AVERAGE_PRICE_FIELD_NUMBER: _ClassVar[int]
    REALISED_PNL_FIELD_NUMBER: _ClassVar[int]
    UNREALISED_PNL_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    FEES_FIELD_NUMBER: _ClassVar[int]
    instrument: str
    qty: str
    average_price: str
    realised_pnl: str
    unrealised_pnl: str
    currency: str
    fees: _containers.RepeatedCompositeFieldContainer[Amount]
    def __init__(self, instrument: _Optional[str] = ..., qty: _Optional[str] = ..., average_price: _Optional[str] = ..., realised_pnl: _Optional[str] = ..., unrealised_pnl: _Optional[str] = ..., currency: _Optional[str] = ..., fees: _Optional[_Iterable[_Union[Amount, _Mapping]]] = ...) -> None: ...

class Amount(_message.Message):
    __slots__ = ("asset", "amount")
    ASSET_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    asset: str
    amount: str
    def __init__(self, asset: _Optional[str] = ..., amount: _Optional[str] = ...) -> None: ...

class Positions(_message.Message):
    __slots__ = ("age_ms", "positions")
    AGE_MS_FIELD_NUMBER: _ClassVar[int]
    POSITIONS_FIELD_NUMBER: _ClassVar[int]
    age_ms: int
    positions: _containers.RepeatedCompositeFieldContainer[Position]
    def __init__(self, age_ms: _Optional[int] = ..., positions: _Optional[_Iterable[_Union[Position, _Mapping]]] = ...) -> None: ...

class Fill(_message.Message):
    __slots__ = ("seq", "ts_ns", "order_id", "venue", "instrument", "side", "price", "qty", "fee", "fee_asset", "liquidity", "fill_id")
    SEQ_FIELD_NUMBER: _ClassVar[int]
    TS_NS_FIELD_NUMBER: _ClassVar[int]
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    VENUE_FIELD_NUMBER: _ClassVar[int]
    INSTRUMENT_FIELD_NUMBER: _ClassVar[int]
    SIDE_FIELD_NUMBER: _ClassVar[int]
    PRICE_FIELD_NUMBER: _ClassVar[int]
    QTY_FIELD_NUMBER: _ClassVar[int]
    FEE_FIELD_NUMBER: _ClassVar[int]
    FEE_ASSET_FIELD_NUMBER: _ClassVar[int]
    LIQUIDITY_FIELD_NUMBER: _ClassVar[int]
    FILL_ID_FIELD_NUMBER: _ClassVar[int]
    seq: int
    ts_ns: int
    order_id: int
    venue: str
    instrument: str
    side: str
    price: str
    qty: str
    fee: str
    fee_asset: str
    liquidity: str
    fill_id: str
    def __init__(self, seq: _Optional[int] = ..., ts_ns: _Optional[int] = ..., order_id: _Optional[int] = ..., venue: _Optional[str] = ..., instrument: _Optional[str] = ..., side: _Optional[str] = ..., price: _Optional[str] = ..., qty: _Optional[str] = ..., fee: _Optional[str] = ..., fee_asset: _Optional[str] = ..., liquidity: _Optional[str] = ..., fill_id: _Optional[str] = ...) -> None: ...

class Fills(_message.Message):
    __slots__ = ("age_ms", "fills")
    AGE_MS_FIELD_NUMBER: _ClassVar[int]
    FILLS_FIELD_NUMBER: _ClassVar[int]
    age_ms: int
    fills: _containers.RepeatedCompositeFieldContainer[Fill]
    def __init__(self, age_ms: _Optional[int] = ..., fills: _Optional[_Iterable[_Union[Fill, _Mapping]]] = ...) -> None: ...

class Feed(_message.Message):
    __slots__ = ("venue", "status", "instruments")
    VENUE_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    INSTRUMENTS_FIELD_NUMBER: _ClassVar[int]
    venue: str
    status: str
    instruments: _containers.RepeatedCompositeFieldContainer[FeedInstrument]
    def __init__(self, venue: _Optional[str] = ..., status: _Optional[str] = ..., instruments: _Optional[_Iterable[_Union[FeedInstrument, _Mapping]]] = ...) -> None: ...

class FeedInstrument(_message.Message):
    __slots__ = ("instrument", "status", "book_valid", "bid", "ask", "last", "age_ms")
    INSTRUMENT_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    BOOK_VALID_FIELD_NUMBER: _ClassVar[int]
    BID_FIELD_NUMBER: _ClassVar[int]
    ASK_FIELD_NUMBER: _ClassVar[int]
    LAST_FIELD_NUMBER: _ClassVar[int]
    AGE_MS_FIELD_NUMBER: _ClassVar[int]
    instrument: str
    status: str
    book_valid: bool
    bid: str
    ask: str
    last: str
    age_ms: int
    def __init__(self, instrument: _Optional[str] = ..., status: _Optional[str] = ..., book_valid: _Optional[bool] = ..., bid: _Optional[str] = ..., ask: _Optional[str] = ..., last: _Optional[str] = ..., age_ms: _Optional[int] = ...) -> None: ...

class Feeds(_message.Message):
    __slots__ = ("age_ms", "feeds")
    AGE_MS_FIELD_NUMBER: _ClassVar[int]
    FEEDS_FIELD_NUMBER: _ClassVar[int]
    age_ms: int
    feeds: _containers.RepeatedCompositeFieldContainer[Feed]
    def __init__(self, age_ms: _Optional[int] = ..., feeds: _Optional[_Iterable[_Union[Feed, _Mapping]]] = ...) -> None: ...

class Venue(_message.Message):
    __slots__ = ("venue", "status", "open_orders", "unknown_orders", "balances", "clock_offset_us")
    VENUE_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    OPEN_ORDERS_FIELD_NUMBER: _ClassVar[int]
    UNKNOWN_ORDERS_FIELD_NUMBER: _ClassVar[int]
    BALANCES_FIELD_NUMBER: _ClassVar[int]
    CLOCK_OFFSET_US_FIELD_NUMBER: _ClassVar[int]
    venue: str
    status: str
    open_orders: int
    unknown_orders: int
    balances: _containers.RepeatedCompositeFieldContainer[Balance]
    clock_offset_us: int
    def __init__(self, venue: _Optional[str] = ..., status: _Optional[str] = ..., open_orders: _Optional[int] = ..., unknown_orders: _Optional[int] = ..., balances: _Optional[_Iterable[_Union[Balance, _Mapping]]] = ..., clock_offset_us: _Optional[int] = ...) -> None: ...

class Balance(_message.Message):
    __slots__ = ("asset", "free", "locked")
    ASSET_FIELD_NUMBER: _ClassVar[int]
    FREE_FIELD_NUMBER: _ClassVar[int]
    LOCKED_FIELD_NUMBER: _ClassVar[int]
    asset: str
    free: str
    locked: str
    def __init__(self, asset: _Optional[str] = ..., free: _Optional[str] = ..., locked: _Optional[str] = ...) -> None: ...

class Venues(_message.Message):
    __slots__ = ("age_ms", "venues")
    AGE_MS_FIELD_NUMBER: _ClassVar[int]
    VENUES_FIELD_NUMBER: _ClassVar[int]
    age_ms: int
    venues: _containers.RepeatedCompositeFieldContainer[Venue]
    def __init__(self, age_ms: _Optional[int] = ..., venues: _Optional[_Iterable[_Union[Venue, _Mapping]]] = ...) -> None: ...

class RiskLimit(_message.Message):
    __slots__ = ("rule", "scope", "limit", "denied", "last_detail")
    RULE_FIELD_NUMBER: _ClassVar[int]
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    DENIED_FIELD_NUMBER: _ClassVar[int]
    LAST_DETAIL_FIELD_NUMBER: _ClassVar[int]
    rule: str
    scope: str
    limit: str
    denied: int
    last_detail: str
    def __init__(self, rule: _Optional[str] = ..., scope: _Optional[str] = ..., limit: _Optional[str] = ..., denied: _Optional[int] = ..., last_detail: _Optional[str] = ...) -> None: ...

class Risk(_message.Message):
    __slots__ = ("age_ms", "limits")
    AGE_MS_FIELD_NUMBER: _ClassVar[int]
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    age_ms: int
    limits: _containers.RepeatedCompositeFieldContainer[RiskLimit]
    def __init__(self, age_ms: _Optional[int] = ..., limits: _Optional[_Iterable[_Union[RiskLimit, _Mapping]]] = ...) -> None: ...

class Configuration(_message.Message):
    __slots__ = ("version", "digest", "json", "versions")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    JSON_FIELD_NUMBER: _ClassVar[int]
    VERSIONS_FIELD_NUMBER: _ClassVar[int]
    version: int
    digest: str
    json: str
    versions: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, version: _Optional[int] = ..., digest: _Optional[str] = ..., json: _Optional[str] = ..., versions: _Optional[_Iterable[int]] = ...) -> None: ...

class Metric(_message.Message):
    __slots__ = ("name", "value", "metric", "labels", "type", "unit", "decimals", "per_second", "p50", "p90", "p99", "most")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    METRIC_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    UNIT_FIELD_NUMBER: _ClassVar[int]
    DECIMALS_FIELD_NUMBER: _ClassVar[int]
    PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    P50_FIELD_NUMBER: _ClassVar[int]
    P90_FIELD_NUMBER: _ClassVar[int]
    P99_FIELD_NUMBER: _ClassVar[int]
    MOST_FIELD_NUMBER: _ClassVar[int]
    name: str
    value: int
    metric: str
    labels: _containers.RepeatedScalarFieldContainer[str]
    type: str
    unit: str
    decimals: int
    per_second: float
    p50: int
    p90: int
    p99: int
    most: int
    def __init__(self, name: _Optional[str] = ..., value: _Optional[int] = ..., metric: _Optional[str] = ..., labels: _Optional[_Iterable[str]] = ..., type: _Optional[str] = ..., unit: _Optional[str] = ..., decimals: _Optional[int] = ..., per_second: _Optional[float] = ..., p50: _Optional[int] = ..., p90: _Optional[int] = ..., p99: _Optional[int] = ..., most: _Optional[int] = ...) -> None: ...

class Metrics(_message.Message):
    __slots__ = ("age_ms", "metrics")
    AGE_MS_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    age_ms: int
    metrics: _containers.RepeatedCompositeFieldContainer[Metric]
    def __init__(self, age_ms: _Optional[int] = ..., metrics: _Optional[_Iterable[_Union[Metric, _Mapping]]] = ...) -> None: ...

class Killed(_message.Message):
    __slots__ = ("durable", "gate_closed_at_ns", "last_new_sent_at_ns", "scope")
    DURABLE_FIELD_NUMBER: _ClassVar[int]
    GATE_CLOSED_AT_NS_FIELD_NUMBER: _ClassVar[int]
    LAST_NEW_SENT_AT_NS_FIELD_NUMBER: _ClassVar[int]
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    durable: bool
    gate_closed_at_ns: int
    last_new_sent_at_ns: int
    scope: str
    def __init__(self, durable: _Optional[bool] = ..., gate_closed_at_ns: _Optional[int] = ..., last_new_sent_at_ns: _Optional[int] = ..., scope: _Optional[str] = ...) -> None: ...

class KillReceipt(_message.Message):
    __slots__ = ("engaged", "durable", "flat", "gate_closed_at_ns", "last_new_sent_at_ns", "venues", "unknown_orders", "rounds", "scopes", "session")
    ENGAGED_FIELD_NUMBER: _ClassVar[int]
    DURABLE_FIELD_NUMBER: _ClassVar[int]
    FLAT_FIELD_NUMBER: _ClassVar[int]
    GATE_CLOSED_AT_NS_FIELD_NUMBER: _ClassVar[int]
    LAST_NEW_SENT_AT_NS_FIELD_NUMBER: _ClassVar[int]
    VENUES_FIELD_NUMBER: _ClassVar[int]
    UNKNOWN_ORDERS_FIELD_NUMBER: _ClassVar[int]
    ROUNDS_FIELD_NUMBER: _ClassVar[int]
    SCOPES_FIELD_NUMBER: _ClassVar[int]
    SESSION_FIELD_NUMBER: _ClassVar[int]
    engaged: bool
    durable: bool
    flat: bool
    gate_closed_at_ns: int
    last_new_sent_at_ns: int
    venues: _containers.RepeatedCompositeFieldContainer[VenueAnswer]
    unknown_orders: _containers.RepeatedCompositeFieldContainer[Order]
    rounds: int
    scopes: _containers.RepeatedCompositeFieldContainer[KillScope]
    session: str
    def __init__(self, engaged: _Optional[bool] = ..., durable: _Optional[bool] = ..., flat: _Optional[bool] = ..., gate_closed_at_ns: _Optional[int] = ..., last_new_sent_at_ns: _Optional[int] = ..., venues: _Optional[_Iterable[_Union[VenueAnswer, _Mapping]]] = ..., unknown_orders: _Optional[_Iterable[_Union[Order, _Mapping]]] = ..., rounds: _Optional[int] = ..., scopes: _Optional[_Iterable[_Union[KillScope, _Mapping]]] = ..., session: _Optional[str] = ...) -> None: ...

class VenueAnswer(_message.Message):
    __slots__ = ("venue", "answered", "asked_at_ns", "answered_at_ns", "open_orders", "trouble", "known_open_orders")
    VENUE_FIELD_NUMBER: _ClassVar[int]
    ANSWERED_FIELD_NUMBER: _ClassVar[int]
    ASKED_AT_NS_FIELD_NUMBER: _ClassVar[int]
    ANSWERED_AT_NS_FIELD_NUMBER: _ClassVar[int]
    OPEN_ORDERS_FIELD_NUMBER: _ClassVar[int]
    TROUBLE_FIELD_NUMBER: _ClassVar[int]
    KNOWN_OPEN_ORDERS_FIELD_NUMBER: _ClassVar[int]
    venue: str
    answered: bool
    asked_at_ns: int
    answered_at_ns: int
    open_orders: _containers.RepeatedCompositeFieldContainer[Order]
    trouble: str
    known_open_orders: _containers.RepeatedCompositeFieldContainer[Order]
    def __init__(self, venue: _Optional[str] = ..., answered: _Optional[bool] = ..., asked_at_ns: _Optional[int] = ..., answered_at_ns: _Optional[int] = ..., open_orders: _Optional[_Iterable[_Union[Order, _Mapping]]] = ..., trouble: _Optional[str] = ..., known_open_orders: _Optional[_Iterable[_Union[Order, _Mapping]]] = ...) -> None: ...

class ConfigurationVersion(_message.Message):
    __slots__ = ("version", "digest")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    version: int
    digest: str
    def __init__(self, version: _Optional[int] = ..., digest: _Optional[str] = ...) -> None: ...

class Digest(_message.Message):
    __slots__ = ("digest",)
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    digest: str
    def __init__(self, digest: _Optional[str] = ...) -> None: ...

class Publication(_message.Message):
    __slots__ = ("seq", "ts_ns", "status", "event")
    SEQ_FIELD_NUMBER: _ClassVar[int]
    TS_NS_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    EVENT_FIELD_NUMBER: _ClassVar[int]
    seq: int
    ts_ns: int
    status: Status
    event: EventRecord
    def __init__(self, seq: _Optional[int] = ..., ts_ns: _Optional[int] = ..., status: _Optional[_Union[Status, _Mapping]] = ..., event: _Optional[_Union[EventRecord, _Mapping]] = ...) -> None: ...

class EventRecord(_message.Message):
    __slots__ = ("origin", "type", "json")
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    JSON_FIELD_NUMBER: _ClassVar[int]
    origin: str
    type: str
    json: str
    def __init__(self, origin: _Optional[str] = ..., type: _Optional[str] = ..., json: _Optional[str] = ...) -> None: ...
