"""What the slow model is told: the limits of a Configuration in integers, and what the Strategy does."""

from __future__ import annotations

from dataclasses import dataclass

from livestack.core.intents import Intent
from livestack.core.types import TradingState
from tests.core.model_rates import Rule

UNLIMITED = 10**60


@dataclass(frozen=True)
class Rules:
    """The part of a Configuration that the model knows, in integers. ``None``: not configured."""

    version: int = 1
    trade: bool = True
    max_order_qty: int | None = UNLIMITED
    max_position: int = UNLIMITED
    max_open_orders: int = UNLIMITED
    max_data_age: int = UNLIMITED
    max_consecutive_rejects: int = UNLIMITED
    max_queue_age: int = 2_000_000_000
    request_timeout: int = 10_000_000_000
    cancel_retry: int = 1_000_000_000
    order: tuple[str, ...] = ("cancel", "replace", "new")
    on_stop: str = "cancel"
    terminal_orders_max: int = 1_000
    terminal_order_age: int = 3_600_000_000_000
    events: tuple[str, ...] = ("quote", "trade", "book", "execution")
    instruments: tuple[str, ...] = ()
    every_nth: int = 1
    recovery: TradingState = TradingState.ACTIVE
    cancel_open_orders: bool = True
    on_failure: str = "disable"
    rates: tuple[Rule, ...] = (Rule(10_000_000_000, 1_000_000),)


@dataclass(frozen=True)
class Plan:
    """What the Strategy does the first time it is asked in a step: draw, set deadlines, then raise or want."""

    draws: int = 0
    wakes: tuple[tuple[str, int], ...] = ()
    intents: tuple[Intent, ...] = ()
    error: str = ""
