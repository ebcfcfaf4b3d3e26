"""What a venue publishes about its market.

Pure. What holds for all Events is said in :mod:`livestack.core.events`.
"""

from __future__ import annotations

import msgspec

from livestack.core.types import Amount, InstrumentStatus, Side

Levels = tuple[tuple[int, int], ...]
"""Price levels as ``(price, quantity)`` in the instrument's scale; quantity 0 removes the level."""


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
