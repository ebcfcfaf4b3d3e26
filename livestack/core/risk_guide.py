"""What each risk rule denies and each monitor does, in one sentence, and the Configuration keys that it needs.

Pure; for people, decides nothing. Listed by ``livestack risk rules``; a test holds it to the rules themselves. Any
thread.
"""

from __future__ import annotations

from typing import Final

import msgspec

RATE_LIMITS: Final = "execution.venue.NAME.rate_limits"
"""The one key that a rule needs and that is no risk limit."""


class Guide(msgspec.Struct, frozen=True):
    """``keys`` are fields of ``RiskLimits``, or :data:`RATE_LIMITS`; one that is not written denies."""

    sentence: str
    keys: tuple[str, ...] = ()


MONITORED: Final = (
    "max_session_loss",
    "max_consecutive_rejects",
    "max_unattended_fills",
    "max_resting_data_age",
)

RULE_GUIDE: Final[dict[str, Guide]] = {
    "session_phase": Guide("Any order while the session is not RUNNING."),
    "monitored_limits": Guide("Any order while a limit that a monitor watches is not written.", MONITORED),
    "kill_switch": Guide("Any order under an engaged kill-switch."),
    "trading_state": Guide("Any order while HALTED; one that does not only reduce while REDUCING."),
    "instrument_tradable": Guide(
        "An instrument that trade does not allow, or that its venue does not trade now.", ("trade",)
    ),
    "venue_connected": Guide("A venue whose order entry is not LIVE.", (RATE_LIMITS,)),
    "feed_fresh": Guide("A feed that is not LIVE, or data older than max_data_age.", ("max_data_age",)),
    "book_valid": Guide("An invalid book, where the feed has one or the order type needs one."),
    "order_terms": Guide("A price, stop price or quantity that does not go with the order type."),
    "price_filter": Guide("A price off the tick or outside the venue's range."),
    "lot_size": Guide("A quantity off the lot step or outside the venue's range."),
    "notional_filter": Guide("A value below or above what the venue takes."),
    "max_order_qty": Guide("A quantity above max_order_qty.", ("max_order_qty",)),
    "max_order_notional": Guide("A worst-case value above max_order_notional.", ("max_order_notional",)),
    "price_collar": Guide(
        "A price further than price_collar_bps from the opposite best.", ("price_collar_bps",)
    ),
    "max_position": Guide("A worst-case position above max_position.", ("max_position",)),
    "max_gross_notional": Guide(
        "Worst-case positions of one quote currency worth more than max_gross_notional.",
        ("max_gross_notional",),
    ),
    "max_open_orders": Guide(
        "More open orders of the instrument than max_open_orders, or than the venue takes.",
        ("max_open_orders",),
    ),
    "max_intents_per_second": Guide(
        "More New and Replace in a second than max_intents_per_second.", ("max_intents_per_second",)
    ),
    "max_session_orders": Guide(
        "More orders in the session than max_session_orders.", ("max_session_orders",)
    ),
    "max_session_notional": Guide(
        "Orders of the session worth more than max_session_notional.", ("max_session_notional",)
    ),
    "self_trade": Guide("A price that would meet an order of our own.", ("self_trade",)),
    "duplicate_order": Guide(
        "The same instrument, side, price and quantity again within duplicate_window.", ("duplicate_window",)
    ),
    "balance": Guide("More than the free balance.", ("balance",)),
    "reduce_only": Guide("A reduce-only order that would not only reduce."),
}
"""By rule, what it denies; in the order of ``risk_rules.RULES``."""

MONITOR_GUIDE: Final[dict[str, Guide]] = {
    "max_session_loss": Guide(
        "Halts trading when a quote currency lost more than this.", ("max_session_loss",)
    ),
    "max_consecutive_rejects": Guide(
        "Disables the strategy after so many rejected orders in a row.", ("max_consecutive_rejects",)
    ),
    "max_unattended_fills": Guide(
        "Halts trading after more fills than this since the last operator's command.",
        ("max_unattended_fills",),
    ),
    "max_resting_data_age": Guide(
        "Makes an instrument with open orders REDUCING while its data is older than this.",
        ("max_resting_data_age",),
    ),
}
"""By monitor, what it does after an Event."""
