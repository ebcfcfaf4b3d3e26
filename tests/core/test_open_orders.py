"""The open Orders' index and sums are always what the Orders themselves say."""

from __future__ import annotations

import random

from livestack.core import events
from livestack.core.intents import Cancel, New, Replace
from livestack.core.open_orders import OpenOrders
from livestack.core.state import ExecutionState, State
from livestack.core.strategy import NoMemory
from livestack.core.types import OrderStatus, RequestKind, Side, TradingState
from tests.core import support
from tests.core.support import INSTRUMENT, Bench, configuration, definition

OTHER = "sim:ETHUSDT"


def recomputed(orders: OpenOrders, instrument: str) -> tuple[list[int], tuple[int, int]]:
    """Ids and sums by looking at every Order."""
    same = [order for order in orders.values() if order.instrument == instrument]
    sums = [sum(order.leaves_qty for order in same if order.side is side) for side in (Side.BUY, Side.SELL)]
    return [order.order_id for order in same], (sums[0], sums[1])


def seen(orders: OpenOrders, instrument: str) -> tuple[list[int], tuple[int, int]]:
    return [order.order_id for order in orders.of(instrument)], orders.leaves(instrument)


def test_index_and_sums_follow_every_change() -> None:
    """Through orders, fills, replacements, refusals, late answers and adoptions, looked at after each Event."""
    source = random.Random(3)
    bench = Bench(configuration(execution={"external_orders": "adopt"}))
    bench.start(definition(), definition(OTHER, base="ETH"))
    for number in range(2_000):
        _something(bench, source, number)
        if bench.state.control.trading:
            bench.feed(support.command(events.SetTradingState(TradingState.ACTIVE)))
        for instrument in (INSTRUMENT, OTHER):
            assert recomputed(bench.execution.orders, instrument) == seen(bench.execution.orders, instrument)
        names = {order.instrument for order in bench.execution.orders.values()}
        assert names == set(bench.execution.orders.instruments())
    assert bench.execution.counts.dispatched > 300


def _something(bench: Bench, source: random.Random, number: int) -> None:
    """One Event, chosen at random."""
    kind = source.randrange(10)
    order_id = source.choice(list(bench.execution.orders) or [0])
    instrument = bench.order(order_id).instrument if order_id else INSTRUMENT
    named = {"instrument": instrument}
    if kind < 3 or not order_id:
        where, side = source.choice((INSTRUMENT, OTHER)), source.choice((Side.BUY, Side.SELL))
        bench.want(
            New(order_id=bench.new_id(), instrument=where, side=side, qty=source.randrange(1, 9), price=9_000)
        )
    elif kind == 3:
        bench.feed(support.accepted(order_id))
    elif kind == 4:
        side = bench.order(order_id).side
        bench.feed(support.fill(order_id, source.randrange(1, 5), number, side=side, **named))
    elif kind == 5:
        bench.want(Replace(order_id=order_id, qty=source.randrange(1, 12), price=9_001))
    elif kind == 6:
        revision = bench.order(order_id).revision
        bench.feed(support.replaced(order_id, revision, source.randrange(1, 12), 9_002))
    elif kind == 7:
        bench.want(Cancel(order_id=order_id))
        bench.feed(support.cancelled(order_id))
    elif kind == 8:
        bench.feed(support.dispatch_failed(order_id, source.choice(list(RequestKind))))
    else:
        bench.feed(support.report(0, OrderStatus.ACCEPTED, client_id=f"web_{number}", qty=number % 7))


def test_a_restored_container_has_its_index_again() -> None:
    """It is not encoded, and built again from the Orders."""
    bench = Bench().start()
    order_id = bench.buy(qty=7)
    restored = State.restore(bench.state.snapshot(), NoMemory).execution
    assert isinstance(restored, ExecutionState)
    assert ([order_id], (7, 0)) == seen(restored.orders, INSTRUMENT)
    assert restored.orders.pop(order_id) is not None
    assert ([], (0, 0), None) == (*seen(restored.orders, INSTRUMENT), restored.orders.pop(order_id))
