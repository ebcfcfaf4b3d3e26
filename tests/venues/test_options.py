"""What an adapter is told when nobody says otherwise is what the file means when it says nothing."""

from __future__ import annotations

import msgspec

from livestack.node.adapters import options_of
from livestack.venue_settings import VenueSettings
from livestack.venues.options import VenueOptions

PLAIN = VenueSettings(
    adapter="binance_spot",
    rest_url="https://api.example",
    stream_url="wss://stream.example",
    ws_api_url="wss://ws.example",
    symbols=("BTCUSDT",),
    key_kind="hmac",
    api_key_env="KEY",
    secret_env="SECRET",
)


def test_defaults_are_the_same_in_both_places() -> None:
    """A file without any of these keys, and an adapter made by a test, behave alike."""
    assert VenueOptions() == options_of(PLAIN)


def test_every_option_comes_from_the_settings() -> None:
    """None is forgotten on the way."""
    changed = msgspec.structs.replace(
        PLAIN,
        streams=("trade",),
        depth_levels=500,
        market_data="poll",
        poll_every_ns=2_000_000_000,
        poll_after_ns=3_000_000_000,
        renew_after_ns=600_000_000_000,
        rest_orders=False,
        rest_after_ns=4_000_000_000,
        reconcile_every_ns=30_000_000_000,
        instruments_every_ns=31_000_000_000,
        clock_skew_max_ns=700_000_000,
    )
    before, after = VenueOptions(), options_of(changed)
    assert [] == [
        name for name in VenueOptions.__struct_fields__ if getattr(before, name) == getattr(after, name)
    ]
