"""The market maker quotes, follows, leans against its inventory, and never passes its limit."""

from __future__ import annotations

from livestack.core import events
from livestack.core.types import RequestKind, Side
from tests.strategies.market import Market

PATH = "livestack.strategies.market_maker:MarketMaker"
PARAMETERS: dict[str, object] = {
    "qty": "0.010",
    "inventory_max": "0.050",
    "half_spread_bps": 5,
    "skew_bps": 10,
}


def test_it_quotes_both_sides_and_follows_the_price() -> None:
    """One post-only order a side around the mid price; when that moves far enough, they are replaced,
    the one in the way of the other first."""
    market = Market(PATH, PARAMETERS, 1)
    market.answer(market.bench.quote(10_000, 10_002))
    assert [(Side.BUY, 9_996, True), (Side.SELL, 10_006, True)] == [
        (one.side, one.price, one.post_only) for one in market.dispatches
    ]
    market.answer(market.bench.quote(10_001, 10_003))
    assert 2 == len(market.dispatches)
    market.answer(market.bench.quote(10_050, 10_052))
    assert [(RequestKind.REPLACE, 10_056), (RequestKind.REPLACE, 10_046)] == [
        (one.kind, one.price) for one in market.dispatches[2:]
    ]


def test_it_really_trades() -> None:
    """In a wandering market it buys and sells, stays within its inventory, and nothing about it is anomalous."""
    market = Market(PATH, PARAMETERS, 7)
    for _ in range(40):
        market.run(50)
        assert 50 >= abs(market.bench.execution.position("sim:BTCUSDT").qty)
        assert 2 >= len(market.bench.execution.orders)
    position = market.bench.execution.position("sim:BTCUSDT")
    assert market.fills > 50
    assert min(position.bought_qty, position.sold_qty) > 0
    bad = (events.AnomalyDetected, events.StrategyFailed, events.IntentDenied)
    assert [] == [one for one in market.bench.derived if isinstance(one, bad)]


def test_inventory_shifts_its_quotes_and_ends_one_side() -> None:
    """Long, both quotes are lower; full, it no longer bids."""
    market = Market(PATH, PARAMETERS, 1)
    market.answer(market.bench.quote(10_000, 10_002))
    for _ in range(5):
        buying = next(one for one, request in market.open.items() if request.side is Side.BUY)
        market.fill(buying, market.open[buying].price)
        market.answer(market.bench.quote(10_000, 10_002))
    assert 50 == market.bench.execution.position("sim:BTCUSDT").qty
    assert [Side.SELL] == [request.side for request in market.open.values()]
    assert [10_002] == [request.price for request in market.open.values()]
