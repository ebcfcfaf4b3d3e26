from google.protobuf import descriptor_pb2 as _descriptor_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor
DECIMAL_FIELD_NUMBER: _ClassVar[int]
decimal: _descriptor.FieldDescriptor

class Trace(_message.Message):
    __slots__ = ("node", "session", "seq", "ordinal", "ts", "event_ns", "strategy", "strategy_digest", "configuration_version", "configuration_digest", "venue", "account", "instrument", "order_id", "request_id")
    NODE_FIELD_NUMBER: _ClassVar[int]
    SESSION_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    ORDINAL_FIELD_NUMBER: _ClassVar[int]
    TS_FIELD_NUMBER: _ClassVar[int]
    EVENT_NS_FIELD_NUMBER: _ClassVar[int]
    STRATEGY_FIELD_NUMBER: _ClassVar[int]
    STRATEGY_DIGEST_FIELD_NUMBER: _ClassVar[int]
    CONFIGURATION_VERSION_FIELD_NUMBER: _ClassVar[int]
    CONFIGURATION_DIGEST_FIELD_NUMBER: _ClassVar[int]
    VENUE_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    INSTRUMENT_FIELD_NUMBER: _ClassVar[int]
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    node: str
    session: str
    seq: int
    ordinal: int
    ts: int
    event_ns: int
    strategy: str
    strategy_digest: str
    configuration_version: int
    configuration_digest: str
    venue: str
    account: str
    instrument: str
    order_id: int
    request_id: str
    def __init__(self, node: _Optional[str] = ..., session: _Optional[str] = ..., seq: _Optional[int] = ..., ordinal: _Optional[int] = ..., ts: _Optional[int] = ..., event_ns: _Optional[int] = ..., strategy: _Optional[str] = ..., strategy_digest: _Optional[str] = ..., configuration_version: _Optional[int] = ..., configuration_digest: _Optional[str] = ..., venue: _Optional[str] = ..., account: _Optional[str] = ..., instrument: _Optional[str] = ..., order_id: _Optional[int] = ..., request_id: _Optional[str] = ...) -> None: ...

class OrderRecord(_message.Message):
    __slots__ = ("trace", "event", "status", "source", "side", "type", "tif", "qty", "quote_qty", "price", "stop_price", "filled_qty", "filled_notional", "post_only", "reduce_only", "revision", "venue_order_id", "reason", "anomalous", "adopted")
    TRACE_FIELD_NUMBER: _ClassVar[int]
    EVENT_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    SIDE_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    TIF_FIELD_NUMBER: _ClassVar[int]
    QTY_FIELD_NUMBER: _ClassVar[int]
    QUOTE_QTY_FIELD_NUMBER: _ClassVar[int]
    PRICE_FIELD_NUMBER: _ClassVar[int]
    STOP_PRICE_FIELD_NUMBER: _ClassVar[int]
    FILLED_QTY_FIELD_NUMBER: _ClassVar[int]
    FILLED_NOTIONAL_FIELD_NUMBER: _ClassVar[int]
    POST_ONLY_FIELD_NUMBER: _ClassVar[int]
    REDUCE_ONLY_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    VENUE_ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    ANOMALOUS_FIELD_NUMBER: _ClassVar[int]
    ADOPTED_FIELD_NUMBER: _ClassVar[int]
    trace: Trace
    event: str
    status: str
    source: str
    side: str
    type: str
    tif: str
    qty: str
    quote_qty: str
    price: str
    stop_price: str
    filled_qty: str
    filled_notional: str
    post_only: bool
    reduce_only: bool
    revision: int
    venue_order_id: str
    reason: str
    anomalous: bool
    adopted: bool
    def __init__(self, trace: _Optional[_Union[Trace, _Mapping]] = ..., event: _Optional[str] = ..., status: _Optional[str] = ..., source: _Optional[str] = ..., side: _Optional[str] = ..., type: _Optional[str] = ..., tif: _Optional[str] = ..., qty: _Optional[str] = ..., quote_qty: _Optional[str] = ..., price: _Optional[str] = ..., stop_price: _Optional[str] = ..., filled_qty: _Optional[str] = ..., filled_notional: _Optional[str] = ..., post_only: _Optional[bool] = ..., reduce_only: _Optional[bool] = ..., revision: _Optional[int] = ..., venue_order_id: _Optional[str] = ..., reason: _Optional[str] = ..., anomalous: _Optional[bool] = ..., adopted: _Optional[bool] = ...) -> None: ...

class FillRecord(_message.Message):
    __slots__ = ("trace", "fill_id", "venue_order_id", "side", "price", "qty", "notional", "fee", "fee_asset", "liquidity", "recv_ns")
    TRACE_FIELD_NUMBER: _ClassVar[int]
    FILL_ID_FIELD_NUMBER: _ClassVar[int]
    VENUE_ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    SIDE_FIELD_NUMBER: _ClassVar[int]
    PRICE_FIELD_NUMBER: _ClassVar[int]
    QTY_FIELD_NUMBER: _ClassVar[int]
    NOTIONAL_FIELD_NUMBER: _ClassVar[int]
    FEE_FIELD_NUMBER: _ClassVar[int]
    FEE_ASSET_FIELD_NUMBER: _ClassVar[int]
    LIQUIDITY_FIELD_NUMBER: _ClassVar[int]
    RECV_NS_FIELD_NUMBER: _ClassVar[int]
    trace: Trace
    fill_id: int
    venue_order_id: str
    side: str
    price: str
    qty: str
    notional: str
    fee: str
    fee_asset: str
    liquidity: str
    recv_ns: int
    def __init__(self, trace: _Optional[_Union[Trace, _Mapping]] = ..., fill_id: _Optional[int] = ..., venue_order_id: _Optional[str] = ..., side: _Optional[str] = ..., price: _Optional[str] = ..., qty: _Optional[str] = ..., notional: _Optional[str] = ..., fee: _Optional[str] = ..., fee_asset: _Optional[str] = ..., liquidity: _Optional[str] = ..., recv_ns: _Optional[int] = ...) -> None: ...

class PositionRecord(_message.Message):
    __slots__ = ("trace", "event", "qty", "cost", "average_price", "realised", "bought_qty", "sold_qty", "fees", "quote_fees", "marked_fees", "bid", "ask", "unrealised", "quote_asset")
    TRACE_FIELD_NUMBER: _ClassVar[int]
    EVENT_FIELD_NUMBER: _ClassVar[int]
    QTY_FIELD_NUMBER: _ClassVar[int]
    COST_FIELD_NUMBER: _ClassVar[int]
    AVERAGE_PRICE_FIELD_NUMBER: _ClassVar[int]
    REALISED_FIELD_NUMBER: _ClassVar[int]
    BOUGHT_QTY_FIELD_NUMBER: _ClassVar[int]
    SOLD_QTY_FIELD_NUMBER: _ClassVar[int]
    FEES_FIELD_NUMBER: _ClassVar[int]
    QUOTE_FEES_FIELD_NUMBER: _ClassVar[int]
    MARKED_FEES_FIELD_NUMBER: _ClassVar[int]
    BID_FIELD_NUMBER: _ClassVar[int]
    ASK_FIELD_NUMBER: _ClassVar[int]
    UNREALISED_FIELD_NUMBER: _ClassVar[int]
    QUOTE_ASSET_FIELD_NUMBER: _ClassVar[int]
    trace: Trace
    event: str
    qty: str
    cost: str
    average_price: str
    realised: str
    bought_qty: str
    sold_qty: str
    fees: str
    quote_fees: str
    marked_fees: str
    bid: str
    ask: str
    unrealised: str
    quote_asset: str
    def __init__(self, trace: _Optional[_Union[Trace, _Mapping]] = ..., event: _Optional[str] = ..., qty: _Optional[str] = ..., cost: _Optional[str] = ..., average_price: _Optional[str] = ..., realised: _Optional[str] = ..., bought_qty: _Optional[str] = ..., sold_qty: _Optional[str] = ..., fees: _Optional[str] = ..., quote_fees: _Optional[str] = ..., marked_fees: _Optional[str] = ..., bid: _Optional[str] = ..., ask: _Optional[str] = ..., unrealised: _Optional[str] = ..., quote_asset: _Optional[str] = ...) -> None: ...

class DispatchRecord(_message.Message):
    __slots__ = ("trace", "stage", "kind", "revision", "source", "side", "type", "tif", "qty", "quote_qty", "price", "stop_price", "decision_bid", "decision_ask", "admitted_ns", "dispatched_ns", "gate_ns", "send_ns", "answered_ns", "outcome", "code", "reason")
    TRACE_FIELD_NUMBER: _ClassVar[int]
    STAGE_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    SIDE_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    TIF_FIELD_NUMBER: _ClassVar[int]
    QTY_FIELD_NUMBER: _ClassVar[int]
    QUOTE_QTY_FIELD_NUMBER: _ClassVar[int]
    PRICE_FIELD_NUMBER: _ClassVar[int]
    STOP_PRICE_FIELD_NUMBER: _ClassVar[int]
    DECISION_BID_FIELD_NUMBER: _ClassVar[int]
    DECISION_ASK_FIELD_NUMBER: _ClassVar[int]
    ADMITTED_NS_FIELD_NUMBER: _ClassVar[int]
    DISPATCHED_NS_FIELD_NUMBER: _ClassVar[int]
    GATE_NS_FIELD_NUMBER: _ClassVar[int]
    SEND_NS_FIELD_NUMBER: _ClassVar[int]
    ANSWERED_NS_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    trace: Trace
    stage: str
    kind: str
    revision: int
    source: str
    side: str
    type: str
    tif: str
    qty: str
    quote_qty: str
    price: str
    stop_price: str
    decision_bid: str
    decision_ask: str
    admitted_ns: int
    dispatched_ns: int
    gate_ns: int
    send_ns: int
    answered_ns: int
    outcome: str
    code: str
    reason: str
    def __init__(self, trace: _Optional[_Union[Trace, _Mapping]] = ..., stage: _Optional[str] = ..., kind: _Optional[str] = ..., revision: _Optional[int] = ..., source: _Optional[str] = ..., side: _Optional[str] = ..., type: _Optional[str] = ..., tif: _Optional[str] = ..., qty: _Optional[str] = ..., quote_qty: _Optional[str] = ..., price: _Optional[str] = ..., stop_price: _Optional[str] = ..., decision_bid: _Optional[str] = ..., decision_ask: _Optional[str] = ..., admitted_ns: _Optional[int] = ..., dispatched_ns: _Optional[int] = ..., gate_ns: _Optional[int] = ..., send_ns: _Optional[int] = ..., answered_ns: _Optional[int] = ..., outcome: _Optional[str] = ..., code: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class DenialRecord(_message.Message):
    __slots__ = ("trace", "kind", "outcome", "source", "rule", "inputs", "detail")
    TRACE_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    RULE_FIELD_NUMBER: _ClassVar[int]
    INPUTS_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    trace: Trace
    kind: str
    outcome: str
    source: str
    rule: str
    inputs: str
    detail: str
    def __init__(self, trace: _Optional[_Union[Trace, _Mapping]] = ..., kind: _Optional[str] = ..., outcome: _Optional[str] = ..., source: _Optional[str] = ..., rule: _Optional[str] = ..., inputs: _Optional[str] = ..., detail: _Optional[str] = ...) -> None: ...

class ControlRecord(_message.Message):
    __slots__ = ("trace", "event", "actor", "reason", "state", "grade", "detail")
    TRACE_FIELD_NUMBER: _ClassVar[int]
    EVENT_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    GRADE_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    trace: Trace
    event: str
    actor: str
    reason: str
    state: str
    grade: str
    detail: str
    def __init__(self, trace: _Optional[_Union[Trace, _Mapping]] = ..., event: _Optional[str] = ..., actor: _Optional[str] = ..., reason: _Optional[str] = ..., state: _Optional[str] = ..., grade: _Optional[str] = ..., detail: _Optional[str] = ...) -> None: ...

class BalanceRecord(_message.Message):
    __slots__ = ("trace", "event", "asset", "free", "locked")
    TRACE_FIELD_NUMBER: _ClassVar[int]
    EVENT_FIELD_NUMBER: _ClassVar[int]
    ASSET_FIELD_NUMBER: _ClassVar[int]
    FREE_FIELD_NUMBER: _ClassVar[int]
    LOCKED_FIELD_NUMBER: _ClassVar[int]
    trace: Trace
    event: str
    asset: str
    free: str
    locked: str
    def __init__(self, trace: _Optional[_Union[Trace, _Mapping]] = ..., event: _Optional[str] = ..., asset: _Optional[str] = ..., free: _Optional[str] = ..., locked: _Optional[str] = ...) -> None: ...

class SessionRecord(_message.Message):
    __slots__ = ("trace", "event", "epoch", "wall_ns", "semantics_version", "package_version", "digest", "actor", "reason", "configuration")
    TRACE_FIELD_NUMBER: _ClassVar[int]
    EVENT_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    WALL_NS_FIELD_NUMBER: _ClassVar[int]
    SEMANTICS_VERSION_FIELD_NUMBER: _ClassVar[int]
    PACKAGE_VERSION_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    CONFIGURATION_FIELD_NUMBER: _ClassVar[int]
    trace: Trace
    event: str
    epoch: str
    wall_ns: int
    semantics_version: int
    package_version: str
    digest: str
    actor: str
    reason: str
    configuration: str
    def __init__(self, trace: _Optional[_Union[Trace, _Mapping]] = ..., event: _Optional[str] = ..., epoch: _Optional[str] = ..., wall_ns: _Optional[int] = ..., semantics_version: _Optional[int] = ..., package_version: _Optional[str] = ..., digest: _Optional[str] = ..., actor: _Optional[str] = ..., reason: _Optional[str] = ..., configuration: _Optional[str] = ...) -> None: ...

class DeadLetterRecord(_message.Message):
    __slots__ = ("trace", "table", "error", "record")
    TRACE_FIELD_NUMBER: _ClassVar[int]
    TABLE_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    RECORD_FIELD_NUMBER: _ClassVar[int]
    trace: Trace
    table: str
    error: str
    record: str
    def __init__(self, trace: _Optional[_Union[Trace, _Mapping]] = ..., table: _Optional[str] = ..., error: _Optional[str] = ..., record: _Optional[str] = ...) -> None: ...
