"""What happens to orders while there is no private stream is found out by asking."""

from __future__ import annotations

from livestack.core.events import OrderFill, OrderReport
from livestack.core.types import ConnectionStatus, OrderStatus
from tests.venues.binance_spot.test_paths import over_rest, paths

LIVE, SYNCHRONISING = ConnectionStatus.LIVE, ConnectionStatus.SYNCHRONISING


def test_fills_and_endings_are_found_by_asking() -> None:
    """There is no stream: filled in part, filled, or cancelled by somebody else, it becomes Events within seconds."""
    desk = over_rest()
    order = desk.send(desk.new(desk.best, 2 * desk.lot))
    desk.hit(desk.best - 100 * desk.instrument.price_tick, desk.lot)
    assert [] == desk.of(OrderFill)
    desk.wait(3)
    (fill,) = desk.of(OrderFill)
    assert (order.client_id, desk.lot) == (fill.client_id, fill.qty)
    assert OrderStatus.PARTIALLY_FILLED is desk.of(OrderReport)[-1].status
    desk.venue.exchange.cancel(desk.venue.open_orders[0], "web_1")
    desk.wait(3)
    report = desk.of(OrderReport)[-1]
    assert (OrderStatus.CANCELLED, desk.lot) == (report.status, report.filled_qty)


def test_asking_is_paced_by_the_budget() -> None:
    """For ten minutes with orders on ten symbols: never beyond the share of what can wait, and never without rounds."""
    desk = over_rest(symbols=10)
    for name in desk.adapter._instruments:  # as the connector's dispatches would
        desk.adapter._opening.touch(name)
    before = len(desk.fetches)
    highest, quietest, last = 0, 0.0, before
    for _ in range(60):
        desk.wait(1)
        highest = max(highest, desk.budget.used(desk.now_ns))
        quietest = 0.0 if len(desk.fetches) > last else quietest + 1
        last = len(desk.fetches)
        assert quietest < 20
    assert highest <= desk.budget.weight_max * 60 // 100
    assert paths(desk, before).count("GET myTrades") >= 40


def test_rest_that_falls_silent_is_not_believed_any_more() -> None:
    """Three rounds without an answer: SYNCHRONISING until everything is known again."""
    desk = over_rest()
    desk.reach = lambda fetch: False
    desk.wait(8)
    assert SYNCHRONISING is desk.adapter.status
    desk.reach = lambda fetch: True
    desk.wait(5)
    assert LIVE is desk.adapter.status
