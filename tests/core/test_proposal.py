"""Proposals: the worst case of everything that may still fill."""

from __future__ import annotations

from livestack.core.intents import New, Replace
from livestack.core.limits import resolve
from livestack.core.proposal import (
    exposures,
    propose,
    total_notional,
    unsettled,
    working,
    worst_price,
    worst_quantity,
)
from livestack.core.types import OrderType, RequestSource, Side
from tests.core import support
from tests.core.support import INSTRUMENT, Bench, configuration, definition


def test_queued_inflight_working_and_unresolved_count() -> None:
    """Each once, a Replace in flight with its new rest beside the old leaves, a queued Cancel not at all."""
    rates = [{"kind": "O", "interval": "10s", "limit": 3, "guard_band": "1ms"}]
    bench = Bench(configuration(rate_limits=rates)).start()
    resting, flying = bench.buy(qty=10, price=9_981), bench.buy(qty=20, price=9_982)
    bench.feed(support.accepted(resting))
    bench.feed(support.fill(resting, 4, 1))
    bench.want(Replace(order_id=resting, qty=12, price=9_983))
    queued = bench.buy(qty=7, price=9_984)
    assert [(resting, 6, 9_981), (flying, 20, 9_982), (resting, 8, 9_983), (queued, 7, 9_984)] == [
        (one.order_id, one.qty, one.price) for one in working(bench.execution, INSTRUMENT)
    ]
    assert [resting, flying, resting, queued] == [one.order_id for one in unsettled(bench.execution)]
    bench.feed(support.balances())
    assert [flying, resting, queued] == [one.order_id for one in unsettled(bench.execution)]
    assert ({INSTRUMENT: [41, 0]}, []) == (
        exposures(bench.execution),
        list(working(bench.execution, "sim:ETHUSDT")),
    )
    market = bench.state.market.instruments[INSTRUMENT]
    intent = New(order_id=bench.new_id(), instrument=INSTRUMENT, side=Side.BUY, qty=1, price=9_990)
    limits = resolve(bench.state.configuration, definition())
    made = propose(intent, RequestSource.STRATEGY, bench.state, market, limits)
    assert (42, 0, 9_990) == (made.buying, made.selling, made.notional)


def test_worst_prices() -> None:
    """A limit is its own worst; MARKET and stops are beyond the collar."""
    bench = Bench(configuration(risk={"price_collar_bps": 10})).start()
    market = bench.state.market.instruments[INSTRUMENT]
    limits = resolve(bench.state.configuration, definition())
    base = New(order_id=1, instrument=INSTRUMENT, side=Side.BUY, qty=1)
    cases = (
        (OrderType.LIMIT, Side.BUY, 9_000, 0, 9_000),
        (OrderType.MARKET, Side.BUY, 0, 0, 10_021),
        (OrderType.MARKET, Side.SELL, 0, 0, 9_990),
        (OrderType.STOP_LOSS, Side.SELL, 0, 5_000, 4_995),
    )
    for type_, side, price, stop, expected in cases:
        terms = New(
            order_id=1, instrument=INSTRUMENT, side=side, type=type_, qty=1, price=price, stop_price=stop
        )
        assert expected == worst_price(terms, market, limits)
    by_quote = New(order_id=1, instrument=INSTRUMENT, side=Side.BUY, type=OrderType.MARKET, quote_qty=100_101)
    assert (11, 1) == (worst_quantity(by_quote, market), worst_quantity(base, market))
    assert 10**13 == total_notional(1, market)


def test_a_replacement_counts_the_one_that_is_in_flight() -> None:
    """10 open, 60 on its way: another one for 80 could end in 140 and more, which is above 100."""
    bench = Bench(configuration({"max_position": "0.100"})).start()
    order_id = bench.buy(qty=10)
    bench.feed(support.accepted(order_id))
    assert ["IntentDispatched"] == bench.names(bench.want(Replace(order_id=order_id, qty=60, price=9_990)))
    assert ["IntentDenied"] == bench.names(bench.want(Replace(order_id=order_id, qty=80, price=9_990)))
