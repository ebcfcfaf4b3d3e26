"""Limits in an instrument's scale: which scope wins, what is cut down, what is missing."""

from __future__ import annotations

from livestack.core.configuration import Configuration
from livestack.core.limits import UNLIMITED, resolve
from tests.core.support import definition


def test_narrower_scopes_win_key_by_key() -> None:
    """Instrument before venue before defaults; what none of them writes is None."""
    configuration = Configuration.from_plain(
        {
            "strategy": {"path": "x:Y"},
            "risk": {
                "defaults": {"max_order_qty": "5", "max_open_orders": 3, "trade": True},
                "venue": {"sim": {"max_order_qty": "2", "max_position": "unlimited"}},
                "instrument": {
                    "sim:BTCUSDT": {"max_order_qty": "1", "max_order_notional": {"USDT": "12.345678"}}
                },
            },
        }
    )
    limits = resolve(configuration, definition())
    assert (1_000, 3, True, UNLIMITED) == (
        limits.max_order_qty,
        limits.max_open_orders,
        limits.trade,
        limits.max_position,
    )
    missing = (limits.max_gross_notional_total, limits.price_collar_bps)
    assert (1_234_567, (None, None)) == (limits.max_order_notional, missing)
    other = resolve(configuration, definition("sim:ETHUSDT"))
    assert (2_000, None) == (other.max_order_qty, other.max_order_notional)


def test_another_currency_has_no_limit_written() -> None:
    """A limit in USDT says nothing about EUR."""
    configuration = Configuration.from_plain(
        {"strategy": {"path": "x:Y"}, "risk": {"defaults": {"max_session_loss": {"USDT": "1"}}}}
    )
    assert (10**18, None) == (
        resolve(configuration, definition()).max_session_loss_total,
        resolve(configuration, definition(quote="EUR")).max_session_loss_total,
    )
