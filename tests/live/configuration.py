"""Configurations for nodes that tests start."""

from __future__ import annotations

from pathlib import Path

VENUE = """
[node]
name = "test"
[log]
level = "warning"
[lease]
directory = "{lease}"
[watchdog]
strategy_stall = "30s"
[follower]
{follower}
[records]
{records}
[journal]
durability = "{durability}"
[venues.binance_spot]
adapter = "binance_spot"
rest_url = "${{VENUE_REST}}"
stream_url = "${{VENUE_STREAM}}"
ws_api_url = "${{VENUE_WS_API}}"
account = "test"
symbols = {symbols}
streams = ["depth", "bookTicker", "aggTrade"]
key_kind = "{key_kind}"
api_key_env = "VENUE_KEY"
secret_env = "VENUE_SECRET"
"""

UNLIMITED = """
[risk.defaults]
trade = true
max_order_qty = "unlimited"
max_order_notional = "unlimited"
price_collar_bps = "unlimited"
max_position = "unlimited"
max_gross_notional = "unlimited"
max_open_orders = "unlimited"
max_intents_per_second = "unlimited"
max_session_orders = "unlimited"
max_session_notional = "unlimited"
max_session_loss = "unlimited"
max_consecutive_rejects = "unlimited"
max_unattended_fills = "unlimited"
max_resting_data_age = "unlimited"
max_data_age = "unlimited"
duplicate_window = "unlimited"
self_trade = "allow"
balance = "ignore"
[[execution.venue.binance_spot.rate_limits]]
kind = "ORDERS"
interval = "10s"
limit = 50
cancel_reserve = 0
"""


def write(
    directory: Path,
    symbols: list[str],
    strategy: str,
    *,
    durability: str = "full",
    key_kind: str = "hmac",
    rules: str = UNLIMITED,
    follower: str = "enabled = false",
    records: str = "enabled = false",
) -> Path:
    """A configuration file in ``directory`` for ``symbols``, with ``strategy`` as TOML text.

    Without a follower and without sinks, unless the test is about them: each is another process for each node.
    """
    path = directory / "node.toml"
    names = "[" + ", ".join(f'"{symbol}"' for symbol in symbols) + "]"
    venue = VENUE.format(
        durability=durability, symbols=names, key_kind=key_kind, lease=directory, follower=follower,
        records=records,
    )  # fmt: skip
    path.write_text(venue + strategy + rules)
    return path
