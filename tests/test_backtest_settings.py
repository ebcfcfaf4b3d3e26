"""The ``[backtest]`` table: defaults, units, and what is refused with its key."""

from __future__ import annotations

import pytest

from livestack.backtest_settings import BacktestSettings
from livestack.core.validation import Faults, convert


def test_defaults_are_those_of_the_documents() -> None:
    """Ten milliseconds either way, ten basis points from what is received, last in the queue."""
    faults: Faults = []
    assert BacktestSettings() == convert({}, BacktestSettings, "backtest", faults)
    settings = BacktestSettings()
    assert (10_000_000, 10_000_000, 0) == (
        settings.order_latency_ns,
        settings.response_latency_ns,
        settings.feed_latency_ns,
    )
    assert ("10", "10", "received", "fifo", {}) == (
        settings.maker_fee_bps,
        settings.taker_fee_bps,
        settings.fee_asset,
        settings.queue,
        settings.balances,
    )


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        ({"order_latency": "61s"}, "order_latency must be at most 60s"),
        ({"feed_latency": 5}, "duration"),
        ({"maker_fee_bps": "0.0000001"}, "maker_fee_bps must have at most 6 decimals"),
        ({"taker_fee_bps": "1000.1"}, "taker_fee_bps must be from -1000 to 1000"),
        ({"balances": {"BTC": "-1"}}, "balances.BTC must not be negative"),
        ({"queue": "middle"}, "fifo"),
        ({"fee_asset": "BNB"}, "received"),
        ({"latency": "1ms"}, "latency"),
    ],
)
def test_faults_say_what_would_be_right(table: dict[str, object], sentence: str) -> None:
    """One fault, with a sentence."""
    faults: Faults = []
    assert convert(table, BacktestSettings, "backtest", faults) is None
    assert sentence in " ".join(" ".join(fault) for fault in faults)
