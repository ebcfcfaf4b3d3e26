"""Decoded market messages to canonical Events, in one instrument's scale.

Pure. Belongs to the market-data adapter's thread. ``ValueError`` for a number that does not fit the scale, before
anything has changed.
"""

from __future__ import annotations

import msgspec

from livestack.core.events import BookDelta, BookSnapshot, InstrumentDefined, QuoteTick, TradeTick
from livestack.core.types import Side
from livestack.venues.binance_spot import messages
from livestack.venues.binance_spot.book_sync import BookSync
from livestack.venues.binance_spot.numbers import DecimalReader

_MILLI = 1_000_000

_decode_snapshot = msgspec.json.Decoder(messages.DepthSnapshot).decode


class MarketInstrument:
    """One symbol of the feed: its readers of numbers, its book, and whether that was last reported LIVE."""

    __slots__ = ("_price", "_qty", "book", "is_live", "name", "symbol")

    def __init__(self, defined: InstrumentDefined) -> None:
        self.name = defined.instrument
        self.symbol = defined.symbol
        self.book = BookSync()
        self.is_live = False
        self._price = DecimalReader(defined.price_decimals)
        self._qty = DecimalReader(defined.qty_decimals)

    def delta(self, data: messages.DepthUpdate, recv_ns: int) -> BookDelta:
        price, qty = self._price, self._qty
        return BookDelta(
            recv_ns=recv_ns,
            instrument=self.name,
            event_ns=data.event_ms * _MILLI,
            first_update_id=data.first_update_id,
            last_update_id=data.last_update_id,
            bids=tuple([(price[text], qty[size]) for text, size in data.bids]),
            asks=tuple([(price[text], qty[size]) for text, size in data.asks]),
        )

    def snapshot(self, body: bytes, recv_ns: int) -> BookSnapshot:
        """The answer to a depth request; also raises what ``msgspec`` raises for a body that is none."""
        data = _decode_snapshot(body)
        price, qty = self._price, self._qty
        bids = {price[text]: size for text, number in data.bids if (size := qty[number])}
        asks = {price[text]: size for text, number in data.asks if (size := qty[number])}
        return BookSnapshot(
            recv_ns=recv_ns,
            instrument=self.name,
            event_ns=0,
            last_update_id=data.last_update_id,
            bids=tuple(sorted(bids.items(), reverse=True)),
            asks=tuple(sorted(asks.items())),
        )

    def quote(self, data: messages.BookTicker, recv_ns: int) -> QuoteTick:
        price, qty = self._price, self._qty
        return QuoteTick(
            recv_ns=recv_ns,
            instrument=self.name,
            event_ns=0,
            update_id=data.update_id,
            bid=price[data.bid],
            bid_qty=qty[data.bid_qty],
            ask=price[data.ask],
            ask_qty=qty[data.ask_qty],
        )

    def trade(self, data: messages.Trade | messages.AggregateTrade, recv_ns: int) -> TradeTick:
        return TradeTick(
            recv_ns=recv_ns,
            instrument=self.name,
            event_ns=data.trade_ms * _MILLI,
            trade_id=data.trade_id,
            price=self._price[data.price],
            qty=self._qty[data.qty],
            aggressor=Side.SELL if data.buyer_is_maker else Side.BUY,
        )
