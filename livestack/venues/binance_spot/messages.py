"""What Binance Spot sends, as typed structs: only the fields that are used, names spelt out, limits checked.

Pure. A field that does not fit its type is a ``msgspec.ValidationError`` for the caller; unknown fields are ignored,
because the venue adds some every few months. Times are milliseconds (venues.md 1.2, 1.4, 1.6, 1.7).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, field

Millis = Annotated[int, Meta(ge=0, le=9_223_372_036_853)]
"""Milliseconds whose nanoseconds fit 63 bits."""

Id = Annotated[int, Meta(ge=0, le=2**63 - 2)]
"""A venue's counter; one less than 63 bits hold, so that the next one fits too."""

SignedId = Annotated[int, Meta(ge=-1, le=2**63 - 2)]
"""A counter where -1 says that there is none."""

Count = Annotated[int, Meta(ge=0, le=2**62)]

Level = tuple[str, str]
"""Price and quantity as decimal strings."""


class Message(msgspec.Struct, gc=False):
    """Configuration of every struct here: the garbage collector need not look at them, they live for one call."""


# -- Market streams ----------------------------------------------------------------------------------------------


class DepthUpdate(Message):
    event: Literal["depthUpdate"] = field(name="e")
    event_ms: Millis = field(name="E")
    symbol: str = field(name="s")
    first_update_id: Id = field(name="U")
    last_update_id: Id = field(name="u")
    bids: list[Level] = field(name="b")
    asks: list[Level] = field(name="a")


class BookTicker(Message):
    update_id: Id = field(name="u")
    symbol: str = field(name="s")
    bid: str = field(name="b")
    bid_qty: str = field(name="B")
    ask: str = field(name="a")
    ask_qty: str = field(name="A")


class Trade(Message):
    event: Literal["trade"] = field(name="e")
    symbol: str = field(name="s")
    trade_id: Id = field(name="t")
    price: str = field(name="p")
    qty: str = field(name="q")
    trade_ms: Millis = field(name="T")
    buyer_is_maker: bool = field(name="m")


class AggregateTrade(Message):
    event: Literal["aggTrade"] = field(name="e")
    symbol: str = field(name="s")
    trade_id: Id = field(name="a")
    price: str = field(name="p")
    qty: str = field(name="q")
    trade_ms: Millis = field(name="T")
    buyer_is_maker: bool = field(name="m")


class DepthFrame(Message):
    stream: str
    data: DepthUpdate


class BookTickerFrame(Message):
    stream: str
    data: BookTicker


class TradeFrame(Message):
    stream: str
    data: Trade


class AggregateTradeFrame(Message):
    stream: str
    data: AggregateTrade


class AnyData(Message):
    """What any stream's payload may say about itself, to judge one that nobody asked for."""

    event: Any = field(name="e", default=None)
    symbol: Any = field(name="s", default=None)


class AnyFrame(Message):
    """A frame of the streams' connection that no subscription explains: a reply, an error, or unknown."""

    stream: str = ""
    data: AnyData | None = None
    id: int | str | None = None
    result: Any = msgspec.UNSET
    code: int | None = None
    msg: str = ""
    event: Any = field(name="e", default="")


class DepthSnapshot(Message):
    last_update_id: Id = field(name="lastUpdateId")
    bids: list[Level]
    asks: list[Level]


class RestTicker(Message):
    """``ticker/bookTicker`` over REST. Nothing in it says of when it is."""

    symbol: str
    bid: str = field(name="bidPrice")
    bid_qty: str = field(name="bidQty")
    ask: str = field(name="askPrice")
    ask_qty: str = field(name="askQty")


class RestTrade(Message):
    """One of ``trades`` over REST."""

    trade_id: Id = field(name="id")
    price: str
    qty: str
    trade_ms: Millis = field(name="time")
    buyer_is_maker: bool = field(name="isBuyerMaker")


class RestAggregateTrade(Message):
    """One of ``aggTrades`` over REST: the stream's names."""

    trade_id: Id = field(name="a")
    price: str = field(name="p")
    qty: str = field(name="q")
    trade_ms: Millis = field(name="T")
    buyer_is_maker: bool = field(name="m")


# -- Instruments -------------------------------------------------------------------------------------------------


class Filter(Message, rename="camel"):
    """Any filter: the fields of those that are used. The texts are decimal numbers."""

    filter_type: str
    min_price: str = "0"
    max_price: str = "0"
    tick_size: str = "0"
    min_qty: str = "0"
    max_qty: str = "0"
    step_size: str = "0"
    min_notional: str = "0"
    max_notional: str = "0"
    apply_to_market: bool = False
    apply_min_to_market: bool = False
    max_num_orders: Annotated[int, Meta(ge=-1, le=2**62)] = 0


class SymbolInfo(Message):
    symbol: str
    status: str
    base: str = field(name="baseAsset")
    quote: str = field(name="quoteAsset")
    base_precision: Annotated[int, Meta(ge=0, le=18)] = field(name="baseAssetPrecision", default=8)
    quote_precision: Annotated[int, Meta(ge=0, le=18)] = field(name="quotePrecision", default=8)
    order_types: list[str] = field(name="orderTypes", default_factory=list)
    amend_allowed: bool = field(name="amendAllowed", default=False)
    filters: list[Filter] = field(default_factory=list)


class ExchangeInfo(Message):
    symbols: list[SymbolInfo]


class ApiError(Message):
    """``data`` is there on a partly failed cancelReplace and on 418/429 of the WebSocket API."""

    code: int
    msg: str = ""
    data: msgspec.Raw = msgspec.Raw(b"null")
