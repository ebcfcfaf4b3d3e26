"""What passes through the matching engine: orders of our accounts, and trades. The caller fixes the integers' scales.

Pure; imports nothing. Runs on the thread of whoever calls the engine.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

BUY: Final = 0
SELL: Final = 1


class OrderType(StrEnum):
    LIMIT = "LIMIT"
    LIMIT_MAKER = "LIMIT_MAKER"
    MARKET = "MARKET"
    STOP_LOSS = "STOP_LOSS"
    STOP_LOSS_LIMIT = "STOP_LOSS_LIMIT"
    TAKE_PROFIT = "TAKE_PROFIT"
    TAKE_PROFIT_LIMIT = "TAKE_PROFIT_LIMIT"


class Expiry(StrEnum):
    """Why the engine closed an order that nobody cancelled."""

    UNFILLED_IOC = "UNFILLED_IOC_QUANTITY_EXPIRED"
    UNFILLED_FOK = "UNFILLED_FOK_ORDER_EXPIRED"
    LIQUIDITY = "INSUFFICIENT_LIQUIDITY"
    BALANCE = "REJECTED"
    SELF_TRADE = "NONE"


STOP_TYPES = frozenset(
    {OrderType.STOP_LOSS, OrderType.STOP_LOSS_LIMIT, OrderType.TAKE_PROFIT, OrderType.TAKE_PROFIT_LIMIT}
)
MARKET_TYPES = frozenset({OrderType.MARKET, OrderType.STOP_LOSS, OrderType.TAKE_PROFIT})
LOSS_TYPES = frozenset({OrderType.STOP_LOSS, OrderType.STOP_LOSS_LIMIT})


@dataclass(slots=True, eq=False, kw_only=True)
class Order:
    """One order of one account. The engine writes the second half of it; everything else belongs to the venue."""

    order_id: int
    account: str
    symbol: str
    client_id: str
    side: int
    type: OrderType
    tif: str = "GTC"
    price: int = 0
    qty: int = 0
    quote_qty: int = 0
    stop_price: int = 0
    stp: str = "NONE"
    strategy_id: int | None = None
    strategy_type: int | None = None
    created_ns: int = 0

    executed: int = 0
    """Traded so far."""
    prevented: int = 0
    """Taken off by self-trade prevention."""
    executed_quote: int = 0
    """Sum of price * qty of the trades, in the product of both scales."""
    status: str = "NEW"
    expiry: Expiry | None = None
    ahead: int = 0
    """The market's quantity that stands before it in its level."""
    resting: bool = False
    triggered: bool = False
    updated_ns: int = 0
    working_ns: int = 0
    locked: int = 0
    """What of the account's balance is locked for it, in the asset that it gives."""
    original_client_id: str = ""
    amends: int = 0
    prevented_match: int = 0
    """Which match was prevented last; 0: none."""

    @property
    def remaining(self) -> int:
        return self.qty - self.executed - self.prevented

    @property
    def open(self) -> bool:
        return self.status in ("NEW", "PARTIALLY_FILLED")

    @property
    def is_stop(self) -> bool:
        """Waits for its trigger."""
        return self.type in STOP_TYPES and not self.triggered


@dataclass(slots=True, frozen=True)
class Trade:
    """One match. ``maker`` and ``taker`` are our orders; None is the market."""

    trade_id: int
    price: int
    qty: int
    taker_side: int
    maker: Order | None
    taker: Order | None
