"""Intents: a Strategy's commands. Not Events, never stored; only their outcomes appear in the Event Stream.

Pure. The key of everything is the Order ID, drawn by the Strategy with ``view.next_order_id()`` so that it can name
its own pending order (core-runtime.md section 6).
"""

from __future__ import annotations

import msgspec

from livestack.core.types import OrderType, SelfTradePrevention, Side, TimeInForce


class New(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Open an order. ``qty`` in the instrument's quantity scale, or ``quote_qty`` in price + quantity decimals.

    ``price`` is 0 for MARKET, ``stop_price`` 0 unless a stop or take-profit type. ``instrument`` is ``venue:symbol``.
    """

    order_id: int
    instrument: str
    side: Side
    type: OrderType = OrderType.LIMIT
    tif: TimeInForce = TimeInForce.GTC
    qty: int = 0
    quote_qty: int = 0
    price: int = 0
    stop_price: int = 0
    post_only: bool = False
    reduce_only: bool = False
    stp: SelfTradePrevention = SelfTradePrevention.NONE


class Replace(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Change price and total quantity of an order. ``qty`` is the new total, filled part included."""

    order_id: int
    qty: int
    price: int


class Cancel(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Take an order out of the market. Always admissible."""

    order_id: int


Intent = New | Replace | Cancel
