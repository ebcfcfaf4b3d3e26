"""Decoded market messages to canonical Events, in one instrument's scale.

Pure. Belongs to the market-data adapter's thread. ``ValueError`` for a number that does not fit the scale, before
anything has changed.
"""

from __future__ import annotations

import msgspec

from livestack.core.events import BookDelta, BookSnapshot, InstrumentDefined, QuoteTick, TradeTick
from livestack.core.types import ConnectionStatus, Side
from livestack.venues.binance_spot import messages
from livestack.venues.binance_spot.book_sync import BookSync
from livestack.venues.binance_spot.numbers import DecimalReader
from livestack.venues.binance_spot.trade_lines import TradeLine

_MILLI = 1_000_000

PRICES_REMEMBERED = 512
"""Texts of prices that an instrument remembers: those near the touch. A snapshot's are read and not remembered, or five
hundred instruments would remember more than their books hold."""

AnyTrade = messages.Trade | messages.AggregateTrade | messages.RestTrade | messages.RestAggregateTrade

_decode_snapshot = msgspec.json.Decoder(messages.DepthSnapshot).decode


class Readers:
    """Readers of quantities by their decimals: instruments share them, as they share round lots and the zero."""

    def __init__(self) -> None:
        self._by_decimals: dict[int, DecimalReader] = {}

    def qty(self, decimals: int) -> DecimalReader:
        return self._by_decimals.setdefault(decimals, DecimalReader(decimals))


class MarketInstrument:
    """One symbol of the feed: its readers of numbers, its book, what came last, and what the Core was told of it."""

    __slots__ = (
        "_price",
        "_qty",
        "aggregates",
        "book",
        "is_quote_doubted",
        "name",
        "quote_id",
        "quoted_ns",
        "slot",
        "status",
        "symbol",
        "trades",
    )

    def __init__(self, defined: InstrumentDefined, readers: Readers) -> None:
        self.name = defined.instrument
        self.symbol = defined.symbol
        self.slot = 0
        self.book = BookSync(defined.price_decimals)
        self.status = ConnectionStatus.DISCONNECTED
        self.quote_id = 0
        self.quoted_ns = 0
        """When the stream brought the last quote."""
        self.is_quote_doubted = False
        """Whether the last quote of the stream may not be believed, so that only the next one may."""
        self.trades = TradeLine()
        self.aggregates = TradeLine()
        self._price = DecimalReader(defined.price_decimals, PRICES_REMEMBERED)
        self._qty = readers.qty(defined.qty_decimals)

    @property
    def is_live(self) -> bool:
        return self.status is ConnectionStatus.LIVE

    def restart(self) -> None:
        """The stream begins anew, and perhaps the venue's numbers do. Trades go on behind the last one."""
        self.book.invalidate()
        self.book.disown()
        self.quote_id = 0
        self.is_quote_doubted = False
        self.trades.resume()
        self.aggregates.resume()

    def disown(self) -> None:
        """The successor's connection is gone: what it was ahead by comes over the other one."""
        self.book.disown()
        self.trades.disown()
        self.aggregates.disown()

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
        price, qty = self._price.parse, self._qty.parse
        bids = {price(text): size for text, number in data.bids if (size := qty(number))}
        asks = {price(text): size for text, number in data.asks if (size := qty(number))}
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

    def polled_quote(self, data: messages.RestTicker, recv_ns: int) -> QuoteTick:
        """Update id 0: the venue does not say."""
        price, qty = self._price, self._qty
        return QuoteTick(
            recv_ns=recv_ns,
            instrument=self.name,
            event_ns=0,
            update_id=0,
            bid=price[data.bid],
            bid_qty=qty[data.bid_qty],
            ask=price[data.ask],
            ask_qty=qty[data.ask_qty],
        )

    def trade(self, data: AnyTrade, recv_ns: int) -> TradeTick:
        return TradeTick(
            recv_ns=recv_ns,
            instrument=self.name,
            event_ns=data.trade_ms * _MILLI,
            trade_id=data.trade_id,
            price=self._price[data.price],
            qty=self._qty[data.qty],
            aggressor=Side.SELL if data.buyer_is_maker else Side.BUY,
        )
