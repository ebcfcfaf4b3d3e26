"""What the WebSocket API sends: replies, user-data events and the objects inside them (venues.md 1.4, 1.6, 1.7).

Pure. Same rules as in ``messages``: only what is used, names spelt out, limits checked, unknown fields ignored.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, field

from livestack.core.types import Side
from livestack.venues.binance_spot.messages import ApiError, Count, Id, Message, Millis, SignedId

_NULL = msgspec.Raw(b"null")

IntervalNumber = Annotated[int, Meta(ge=0, le=10_000)]
"""So many of an interval make a window: a day times this is still a number that a journal can hold."""


class RateLimit(Message, rename="camel"):
    """One counter of the venue, as it came back with a reply."""

    rate_limit_type: str
    interval: str
    interval_num: IntervalNumber
    limit: Count
    count: Count


class SocketMessage(Message):
    """Either a reply (``id``, ``status``) or an event (``event``)."""

    id: int | str | None = None
    status: int = 0
    result: msgspec.Raw = _NULL
    error: ApiError | None = None
    rate_limits: list[RateLimit] = field(name="rateLimits", default_factory=list)
    event: msgspec.Raw = _NULL


class EventHead(Message):
    event: str = field(name="e")


class ExecutionReport(Message):
    """What every report has is required: a fee or a side that was lost must not become another one."""

    event_ms: Millis = field(name="E")
    symbol: str = field(name="s")
    client_id: str = field(name="c")
    side: str = field(name="S")
    type: str = field(name="o")
    tif: str = field(name="f")
    qty: str = field(name="q")
    price: str = field(name="p")
    execution: str = field(name="x")
    status: str = field(name="X")
    venue_order_id: Id = field(name="i")
    last_qty: str = field(name="l")
    filled_qty: str = field(name="z")
    last_price: str = field(name="L")
    transact_ms: Millis = field(name="T")
    commission: str | None = field(name="n")
    commission_asset: str | None = field(name="N")
    trade_id: SignedId = field(name="t")
    is_maker: bool = field(name="m")
    original_client_id: str = field(name="C", default="")
    reject_reason: str = field(name="r", default="NONE")
    expiry_reason: str = field(name="eR", default="")
    prevented_qty: str = field(name="A", default="0")
    quote_order_qty: str = field(name="Q", default="0")


class AssetUpdate(Message):
    asset: str = field(name="a")
    free: str = field(name="f")
    locked: str = field(name="l")


class AccountPosition(Message):
    event_ms: Millis = field(name="E")
    balances: list[AssetUpdate] = field(name="B")
    update_ms: Millis = field(name="u", default=0)


class ServerTime(Message):
    server_ms: Millis = field(name="serverTime")


class Balance(Message):
    asset: str
    free: str
    locked: str


class Account(Message):
    balances: list[Balance]
    update_ms: Millis = field(name="updateTime", default=0)


class ImmediateFill(Message, rename="camel"):
    """A fill inside a FULL response: always the taker's."""

    price: str
    qty: str
    commission: str
    commission_asset: str
    trade_id: Id


class OrderResult(Message):
    """An order as responses, cancels, amendments and queries print it; each leaves out what it does not have. What an
    order never lacks is empty where it was lost, which nothing can be made of.

    What it traded in quote is not read: the venue has two spellings of it, and a negative number for "not known".
    """

    symbol: str
    venue_order_id: Id = field(name="orderId")
    client_id: str = field(name="clientOrderId", default="")
    original_client_id: str = field(name="origClientOrderId", default="")
    transact_ms: Millis = field(name="transactTime", default=0)
    update_ms: Millis = field(name="updateTime", default=0)
    created_ms: Millis = field(name="time", default=0)
    price: str = ""
    stop_price: str = field(name="stopPrice", default="0")
    quote_order_qty: str = field(name="origQuoteOrderQty", default="0")
    qty: str = field(name="origQty", default="")
    amended_qty: str = field(name="qty", default="")
    amended_prevented_qty: str = field(name="preventedQty", default="0")
    filled_qty: str = field(name="executedQty", default="")
    prevented_qty: str = field(name="preventedQuantity", default="0")
    status: str = ""
    type: str = ""
    side: str = ""
    tif: str = field(name="timeInForce", default="")
    expiry_reason: str = field(name="expiryReason", default="")
    fills: list[ImmediateFill] = field(default_factory=list)


class CancelAllItem(OrderResult):
    """An order, or an order list of orders: then only the list's own orders are of interest."""

    venue_order_id: SignedId = field(name="orderId", default=-1)
    reports: list[OrderResult] = field(name="orderReports", default_factory=list)


class AmendResult(Message):
    order: OrderResult = field(name="amendedOrder")
    transact_ms: Millis = field(name="transactTime", default=0)


class Amendment(Message):
    """One line of ``order.amendments``: the name that the order had until then."""

    original_client_id: str = field(name="origClientOrderId", default="")


class CancelReplaceResult(Message, rename="camel"):
    """The result, or the ``data`` of the error, of a cancelReplace; the responses are orders or errors."""

    cancel_result: str
    new_order_result: str
    cancel_response: msgspec.Raw = _NULL
    new_order_response: msgspec.Raw = _NULL


class RetryAfter(Message):
    """``data`` of a 418 or 429. ``retryAfter`` is a time here, in milliseconds since 1970 (venues.md fact 9)."""

    retry_at_ms: Millis = field(name="retryAfter", default=0)
    server_ms: Millis = field(name="serverTime", default=0)


class TradeResult(Message):
    """One line of ``myTrades``."""

    symbol: str
    trade_id: Id = field(name="id")
    venue_order_id: Id = field(name="orderId")
    price: str
    qty: str
    commission: str
    commission_asset: str = field(name="commissionAsset")
    time_ms: Millis = field(name="time")
    is_buyer: bool = field(name="isBuyer")
    is_maker: bool = field(name="isMaker")

    @property
    def side(self) -> Side:
        return Side.BUY if self.is_buyer else Side.SELL


class Reply:
    """A reply to one of our requests, which was written at ``begun_ns`` or a moment later. ``status`` 0: none came in
    time, or the connection broke: unknown."""

    __slots__ = ("begun_ns", "code", "error", "frame", "recv_ns", "result", "status", "text")

    def __init__(self, status: int, recv_ns: int, frame: bytes = b"") -> None:
        self.status = status
        self.begun_ns = recv_ns
        self.recv_ns = recv_ns
        self.frame = frame
        self.result: msgspec.Raw = _NULL
        self.error: msgspec.Raw = _NULL
        self.code = 0
        self.text = "no reply" if status == 0 else ""

    @classmethod
    def of(cls, message: SocketMessage, recv_ns: int, frame: bytes) -> Reply:
        reply = cls(message.status, recv_ns, frame)
        reply.result = message.result
        if message.error is not None:
            reply.code, reply.text, reply.error = message.error.code, message.error.msg, message.error.data
        return reply

    @property
    def is_ok(self) -> bool:
        return self.status == 200

    def read(self, kind: type[Any]) -> Any:
        """The result as ``kind``; raises what ``msgspec`` raises."""
        return decode(self.result, kind)


def decode(text: bytes | msgspec.Raw, kind: type[Any]) -> Any:
    """``text`` as ``kind``, one of :data:`_DECODERS`; raises what ``msgspec`` raises. Any thread."""
    return _DECODERS[kind](text)


# Made while the module is loaded, by one thread: msgspec describes a type to itself when it first meets it, and two
# threads that do so at once crash the interpreter; every venue's connector has its own.
_DECODERS: Final[dict[Any, Any]] = {
    kind: msgspec.json.Decoder(kind).decode
    for kind in (
        Account,
        AccountPosition,
        AmendResult,
        ApiError,
        CancelReplaceResult,
        EventHead,
        ExecutionReport,
        OrderResult,
        RetryAfter,
        ServerTime,
        list[Amendment],
        list[CancelAllItem],
        list[OrderResult],
        list[TradeResult],
    )
}
