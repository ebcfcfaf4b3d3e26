"""Which frame belongs to which symbol and how it is read: the names of the streams, and how they share connections.

Pure. Used by the market-data adapter, on its thread.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from livestack.venues.binance_spot import messages
from livestack.venues.binance_spot.feed_links import Slot
from livestack.venues.binance_spot.market_events import MarketInstrument
from livestack.venues.binance_spot.subscriptions import STREAMS_MAX

DEPTH = "depth@100ms"
STREAM_NAMES = {"depth": DEPTH, "bookTicker": "bookTicker", "trade": "trade", "aggTrade": "aggTrade"}

_DECODERS: dict[str, Callable[[bytes], Any]] = {
    "depth": msgspec.json.Decoder(messages.DepthFrame).decode,
    "bookTicker": msgspec.json.Decoder(messages.BookTickerFrame).decode,
    "trade": msgspec.json.Decoder(messages.TradeFrame).decode,
    "aggTrade": msgspec.json.Decoder(messages.AggregateTradeFrame).decode,
}

Take = Callable[[MarketInstrument, Any, int, bool], None]
"""Instrument, payload, time of receipt, and whether its connection is about to take over."""


class Route:
    """Where frames of one ``stream`` go. ``is_book``: a lost one makes a book wrong; ``is_quote``: a quote."""

    __slots__ = ("decode", "instrument", "is_book", "is_quote", "take")

    def __init__(self, instrument: MarketInstrument, stream: str, take: Take) -> None:
        self.instrument = instrument
        self.decode = _DECODERS[stream]
        self.take = take
        self.is_book = stream == "depth"
        self.is_quote = stream == "bookTicker"


def stream_name(symbol: str, stream: str) -> str:
    """As the venue spells it: ``btcusdt@depth@100ms``."""
    return f"{symbol.lower()}@{STREAM_NAMES[stream]}"


def make_routes(
    streams: Sequence[str], instruments: Sequence[MarketInstrument], takes: dict[str, Take]
) -> dict[bytes, Route]:
    """By the stream's name; ``ValueError`` for a stream that nobody serves."""
    unknown = [stream for stream in streams if stream not in takes]
    if unknown:
        raise ValueError(f"streams: {', '.join(unknown)} is not one of {', '.join(takes)}")
    return {
        stream_name(one.symbol, stream).encode(): Route(one, stream, takes[stream])
        for stream in streams
        for one in instruments
    }


def make_slots(streams: Sequence[str], instruments: Sequence[MarketInstrument]) -> list[Slot]:
    """As few connections as carry all streams, each with about as many symbols, a symbol's streams in one."""
    most = STREAMS_MAX // max(len(streams), 1)
    count = -(-len(instruments) // most)
    slots = []
    for number in range(count):
        share = instruments[number * len(instruments) // count : (number + 1) * len(instruments) // count]
        for one in share:
            one.slot = number
        names = [stream_name(one.symbol, stream) for stream in streams for one in share]
        slots.append(Slot(number, share, names))
    return slots
