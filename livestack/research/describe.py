"""State in plain values, for ``--json`` and people. Reads only; any one thread."""

from __future__ import annotations

from typing import Any

import msgspec

from livestack.core.state import State
from livestack.core.types import format_decimal


def describe_state(state: State) -> dict[str, Any]:
    """State for people: books by their best prices, open orders, positions, balances, control."""
    market, execution, control = state.market, state.execution, state.control
    return {
        "seq": control.seq,
        "phase": control.phase.name,
        "trading_state": control.trading_state().name,
        "kill_switch": sorted(control.kill),
        "instruments": {
            name: {
                "status": one.status.name,
                "bid": format_decimal(one.bid, one.definition.price_decimals),
                "ask": format_decimal(one.ask, one.definition.price_decimals),
                "levels": len(one.book.bid_keys) + len(one.book.ask_keys),
            }
            for name, one in market.instruments.items()
        },
        "open_orders": [msgspec.to_builtins(order) for order in execution.open_orders()],
        "positions": {
            name: format_decimal(position.qty, market.instruments[name].definition.qty_decimals)
            for name, position in execution.positions.items()
        },
        "balances": {
            venue: {
                asset: {
                    "free": format_decimal(held.free, held.decimals),
                    "locked": format_decimal(held.locked, held.decimals),
                }
                for asset, held in assets.items()
            }
            for venue, assets in execution.balances.items()
        },
        "digest": state.digest(),
    }
