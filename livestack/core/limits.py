"""Configured risk limits as integers in one instrument's scale.

Pure; a derivation of Configuration and instrument, never State. A maximum that is finer than the scale is cut down,
which changes nothing: no quantity lies between. ``None``: written nowhere, so Risk denies and names the key.
"""

from __future__ import annotations

from typing import Final

import msgspec

from livestack.core.configuration import Configuration, RiskLimits
from livestack.core.events import InstrumentDefined
from livestack.core.types import POWERS_OF_TEN, parse_decimal

UNLIMITED: Final = 10**60
"""Above every amount: 64 bits times 64 bits is below 10**39."""

NOTIONAL_DECIMALS: Final = 18
"""Scale of amounts that are summed over instruments."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """One instrument's limits. Durations in nanoseconds; amounts in price + quantity decimals, unless ``_total``:
    those are per quote currency over all instruments, in ``NOTIONAL_DECIMALS``."""

    version: int
    definition: InstrumentDefined
    trade: bool | None
    max_order_qty: int | None
    max_order_notional: int | None
    price_collar_bps: int | None
    max_position: int | None
    max_gross_notional_total: int | None
    max_open_orders: int | None
    max_intents_per_second: int | None
    max_session_orders: int | None
    max_session_notional_total: int | None
    max_session_loss_total: int | None
    max_consecutive_rejects: int | None
    max_unattended_fills: int | None
    max_data_age: int | None
    max_resting_data_age: int | None
    duplicate_window: int | None
    allow_self_trade: bool | None
    check_balance: bool | None


def resolve(configuration: Configuration, definition: InstrumentDefined) -> Limits:
    """The limits of ``definition``: instrument before venue before defaults, key by key."""
    risk = configuration.risk
    scopes = (risk.instrument.get(definition.instrument), risk.venue.get(definition.venue), risk.defaults)
    merged = merge(*(scope for scope in scopes if scope is not None))
    amount = definition.price_decimals + definition.qty_decimals
    quote = definition.quote
    return Limits(
        version=configuration.version,
        definition=definition,
        trade=merged.trade,
        max_order_qty=_decimal(merged.max_order_qty, definition.qty_decimals),
        max_order_notional=_per_currency(merged.max_order_notional, quote, amount),
        price_collar_bps=_number(merged.price_collar_bps),
        max_position=_decimal(merged.max_position, definition.qty_decimals),
        max_gross_notional_total=_per_currency(merged.max_gross_notional, quote, NOTIONAL_DECIMALS),
        max_open_orders=_number(merged.max_open_orders),
        max_intents_per_second=_number(merged.max_intents_per_second),
        max_session_orders=_number(merged.max_session_orders),
        max_session_notional_total=_per_currency(merged.max_session_notional, quote, NOTIONAL_DECIMALS),
        max_session_loss_total=_per_currency(merged.max_session_loss, quote, NOTIONAL_DECIMALS),
        max_consecutive_rejects=_number(merged.max_consecutive_rejects),
        max_unattended_fills=_number(merged.max_unattended_fills),
        max_data_age=_number(merged.max_data_age),
        max_resting_data_age=_number(merged.max_resting_data_age),
        duplicate_window=0 if merged.duplicate_window == "unlimited" else _number(merged.duplicate_window),
        allow_self_trade=None if merged.self_trade is None else merged.self_trade == "allow",
        check_balance=None if merged.balance is None else merged.balance == "check",
    )


def to_common(amount: int, decimals: int) -> int:
    """An amount in ``decimals`` as one in ``NOTIONAL_DECIMALS``, rounded up."""
    if decimals <= NOTIONAL_DECIMALS:
        return int(amount * 10 ** (NOTIONAL_DECIMALS - decimals))
    return -int(-amount // 10 ** (decimals - NOTIONAL_DECIMALS))


def merge(*scopes: RiskLimits) -> RiskLimits:
    """Key by key the first that is written, narrowest scope first."""
    values = {}
    for name in RiskLimits.__struct_fields__:
        values[name] = next((value for scope in scopes if (value := getattr(scope, name)) is not None), None)
    return RiskLimits(**values)


def _number(value: int | str | None) -> int | None:
    return UNLIMITED if isinstance(value, str) else value


def _decimal(value: str | None, decimals: int) -> int | None:
    """A decimal text cut down to ``decimals``."""
    if value is None or value == "unlimited":
        return None if value is None else UNLIMITED
    fine = parse_decimal(value, 18)
    return int(fine * 10 ** (decimals - 18)) if decimals >= 18 else fine // POWERS_OF_TEN[18 - decimals]


def _per_currency(value: dict[str, str] | str | None, quote: str, decimals: int) -> int | None:
    return _decimal(value.get(quote) if isinstance(value, dict) else value, decimals)
