"""The ``[backtest]`` table of a session's file: what the simulated venue of a backtest is like.

Pure; imports core only. Live sessions check it with the rest of the file and do not look at it.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from livestack.core.types import parse_decimal
from livestack.core.validation import Decimal, Duration

FEE_BPS_DECIMALS: Final = 6
"""Finest fee: a millionth of a basis point."""

FEE_BPS_MAX: Final = 1_000
"""A tenth of the amount, either way: more is a wrong number."""

LATENCY_NS_MAX: Final = 60_000_000_000
"""Beyond a minute every request is of unknown outcome long before its answer."""


class BacktestSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The venue of a backtest: how far away it is, what it takes, where our orders stand, what the account holds.

    Latencies: of a request to the venue, of its answer to us, of market data to us. Fees are in basis points, a
    negative one is a rebate, taken from what is ``received`` or from the ``quote`` asset. ``balances`` by asset.
    """

    order_latency_ns: Duration = msgspec.field(default=10_000_000, name="order_latency")
    response_latency_ns: Duration = msgspec.field(default=10_000_000, name="response_latency")
    feed_latency_ns: Duration = msgspec.field(default=0, name="feed_latency")
    maker_fee_bps: Decimal = "10"
    taker_fee_bps: Decimal = "10"
    fee_asset: Literal["received", "quote"] = "received"
    queue: Literal["fifo", "front", "back"] = "fifo"
    balances: dict[str, Decimal] = {}

    def __post_init__(self) -> None:
        for name in ("order_latency", "response_latency", "feed_latency"):
            if getattr(self, f"{name}_ns") > LATENCY_NS_MAX:
                raise ValueError(f"{name} must be at most 60s")
        for name in ("maker_fee_bps", "taker_fee_bps"):
            try:
                rate = parse_decimal(getattr(self, name), FEE_BPS_DECIMALS)
            except ValueError:
                raise ValueError(f"{name} must have at most {FEE_BPS_DECIMALS} decimals") from None
            if abs(rate) > FEE_BPS_MAX * 10**FEE_BPS_DECIMALS:
                raise ValueError(f"{name} must be from -{FEE_BPS_MAX} to {FEE_BPS_MAX}")
        for asset, amount in self.balances.items():
            if amount.startswith("-"):
                raise ValueError(f"balances.{asset} must not be negative")
