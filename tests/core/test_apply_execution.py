"""Execution Events: the realities of live venues, one row each."""

from __future__ import annotations

from typing import Any

import pytest

from livestack.core import events
from livestack.core.intents import Cancel, New, Replace
from livestack.core.obligations import QueryFills, QueryOrder
from livestack.core.types import (
    Amount,
    FailureReason,
    OrderStatus,
    OrderType,
    PositionBaseline,
    RateUsage,
    RequestKind,
    Side,
    TimeInForce,
    TradingState,
)
from tests.core import support
from tests.core.support import INSTRUMENT, SECOND, VENUE, Bench, configuration


def opened(qty: int = 10) -> tuple[Bench, int]:
    bench = Bench().start()
    order_id = bench.buy(qty=qty)
    bench.feed(support.accepted(order_id))
    return bench, order_id


def kinds(bench: Bench) -> list[str]:
    return [one.kind for one in bench.derived if isinstance(one, events.AnomalyDetected)]


def test_expiry_without_acknowledgement() -> None:
    """An IOC order may go from SUBMITTED to CANCELLED, with the expiry's reason."""
    bench = Bench().start()
    order_id = bench.buy()
    bench.feed(support.expired(order_id))
    assert (OrderStatus.CANCELLED, "expired: ioc") == (
        bench.order(order_id).status,
        bench.order(order_id).reason,
    )


def test_the_same_fill_twice_is_dropped() -> None:
    """Seven may come after nine, but each only once, also after the floor has moved."""
    bench, order_id = opened()
    for fill_id in (9, 7, 9, 7):
        bench.feed(support.fill(order_id, 1, fill_id))
    assert 2 == bench.execution.positions[INSTRUMENT].qty
    bench.feed(events.FillsReconciled(recv_ns=0, venue=VENUE, instrument=INSTRUMENT, through=9))
    bench.feed(support.fill(order_id, 1, 8))
    bench.feed(support.fill(order_id, 1, 10))
    assert (3, 3, {10: Side.BUY}, 3) == (
        bench.execution.positions[INSTRUMENT].qty,
        bench.execution.session_fills,
        bench.execution.ledgers[INSTRUMENT].seen,
        bench.execution.ledgers[INSTRUMENT].duplicates,
    )


def test_late_and_over_fills_are_real() -> None:
    """Position follows, the Order keeps its status and is anomalous, and nothing halts."""
    bench, order_id = opened()
    bench.feed(support.cancelled(order_id))
    bench.feed(support.fill(order_id, 4, 1))
    assert (4, OrderStatus.CANCELLED, True) == (
        bench.execution.positions[INSTRUMENT].qty,
        bench.order(order_id).status,
        bench.order(order_id).anomalous,
    )
    second = bench.buy(price=9_980)
    bench.feed(support.fill(second, 11, 2))
    assert (15, OrderStatus.FILLED) == (bench.execution.positions[INSTRUMENT].qty, bench.order(second).status)
    assert ["late_fill", "over_fill"] == kinds(bench)
    assert TradingState.ACTIVE is bench.state.control.trading_state(VENUE, INSTRUMENT)


@pytest.mark.parametrize(
    "event",
    [
        support.rejected,
        support.dispatch_failed,
        lambda order_id: support.report(order_id, OrderStatus.REJECTED),
    ],
)
def test_contradictions_halt_the_instrument(event: Any) -> None:
    """An accepted Order cannot be rejected, nor never have been sent."""
    bench, order_id = opened()
    step = bench.feed(event(order_id))
    assert ["AnomalyDetected", "TradingStateChanged"] == bench.names(step)
    assert TradingState.HALTED is bench.state.control.trading_state(VENUE, INSTRUMENT)
    assert OrderStatus.ACCEPTED is bench.order(order_id).status


@pytest.mark.parametrize("reason", [FailureReason.NOT_SENT, FailureReason.JOURNAL])
def test_a_new_that_was_never_sent(reason: FailureReason) -> None:
    """Submitted becomes Rejected with the reason."""
    bench = Bench().start()
    order_id = bench.buy()
    bench.feed(support.dispatch_failed(order_id, reason=reason))
    assert (OrderStatus.REJECTED, "never_sent") == (
        bench.order(order_id).status,
        bench.order(order_id).reason,
    )


def test_a_replace_that_was_never_sent_only_leaves_inflight() -> None:
    """The Order stands as it was, and another Replace may go; a failure of another revision is not taken for it."""
    bench, order_id = opened()
    bench.want(Replace(order_id=order_id, qty=5, price=9_980))
    bench.feed(support.dispatch_failed(order_id, RequestKind.REPLACE, revision=9))
    assert order_id in bench.execution.requests
    bench.feed(support.dispatch_failed(order_id, RequestKind.REPLACE, revision=2))
    assert (10, 9_990, {}) == (
        bench.order(order_id).qty,
        bench.order(order_id).price,
        bench.execution.requests,
    )
    bench.want(Replace(order_id=order_id, qty=5, price=9_980))
    bench.feed(support.replace_rejected(order_id, revision=3))
    assert {} == bench.execution.requests


def test_fills_that_the_venue_counts_and_we_lack_are_fetched() -> None:
    """A cancel that says 6 filled while we know 2: the worst case stands, the fills are asked for, then it closes."""
    bench, order_id = opened()
    bench.feed(support.fill(order_id, 2, 1))
    bench.feed(support.cancelled(order_id, filled_qty=6))
    assert (OrderStatus.PARTIALLY_FILLED, 8) == (
        bench.order(order_id).status,
        bench.order(order_id).leaves_qty,
    )
    assert [
        QueryFills(scope=f"fills {INSTRUMENT} {bench.ts}", venue=VENUE, instrument=INSTRUMENT, after=0)
    ] == list(bench.runtime.obligations())
    bench.feed(support.fill(order_id, 4, 2))
    bench.feed(support.reconciled(2, bench.ts))
    assert (OrderStatus.CANCELLED, False) == (bench.order(order_id).status, bench.order(order_id).anomalous)
    assert () == bench.runtime.obligations()


def test_claimed_fills_that_do_not_exist_are_a_contradiction() -> None:
    """Nothing is invented: after the reconciliation the Order ends, anomalous, and the instrument halts."""
    bench, order_id = opened()
    bench.feed(support.report(order_id, OrderStatus.FILLED, filled_qty=10))
    assert not bench.order(order_id).is_terminal
    bench.feed(support.reconciled(2, bench.ts))
    assert (OrderStatus.CANCELLED, True, ["illegal_transition"]) == (
        bench.order(order_id).status,
        bench.order(order_id).anomalous,
        kinds(bench),
    )


def test_reports_confirm_close_or_are_stale() -> None:
    """An open report confirms an unresolved New; a closed one closes; an old one is ignored."""
    bench = Bench().start()
    order_id = bench.buy()
    bench.feed(events.ControlTime(scope="timeout", deadline_ns=0), wait_ns=10 * SECOND)
    assert isinstance(bench.runtime.obligations()[0], QueryOrder)
    bench.feed(support.report(order_id, OrderStatus.ACCEPTED))
    assert (OrderStatus.ACCEPTED, {}) == (bench.order(order_id).status, bench.execution.unresolved)
    bench.feed(support.fill(order_id, 3, 1))
    bench.feed(support.report(order_id, OrderStatus.ACCEPTED))
    assert OrderStatus.PARTIALLY_FILLED is bench.order(order_id).status
    bench.feed(support.report(order_id, OrderStatus.CANCELLED, filled_qty=3))
    bench.feed(support.report(order_id, OrderStatus.PARTIALLY_FILLED, filled_qty=3))
    assert OrderStatus.CANCELLED is bench.order(order_id).status
    assert [] == kinds(bench)


def test_a_rejected_cancel_of_an_open_order_asks_the_venue() -> None:
    """The request is over, the Order is in doubt until the venue has said what became of it."""
    bench, order_id = opened()
    bench.want(Cancel(order_id=order_id))
    bench.feed(support.cancel_rejected(order_id, revision=2))
    assert [f"order {order_id}-2"] == [one.scope for one in bench.runtime.obligations()]
    bench.feed(support.report(order_id, OrderStatus.ACCEPTED))
    assert () == bench.runtime.obligations()


def test_events_of_others_leave_us_alone() -> None:
    """A foreign order is shown while it is open and its fills are not ours; an unknown one of ours halts."""
    bench = Bench(support.configuration(execution={"orphan_orders": "ignore"})).start()
    foreign: dict[str, Any] = {"client_id": "web_123"}
    bench.feed(support.report(0, OrderStatus.ACCEPTED, **foreign))
    bench.feed(support.fill(0, 1, 1, **foreign))
    assert ([("sim", "web_123")], {}) == (list(bench.execution.external), bench.execution.positions)
    bench.feed(support.report(0, OrderStatus.CANCELLED, **foreign))
    bench.feed(support.report(0, OrderStatus.ACCEPTED, client_id="ZZZZZZZZZ-1-1"))
    assert [("ZZZZZZZZZ-1-1", True)] == [
        (one.client_id, one.ours) for one in bench.execution.external.values()
    ]
    bench.feed(support.accepted(77))
    assert ["external_order", "orphan_order", "unknown_order"] == kinds(bench)
    assert TradingState.HALTED is bench.state.control.trading_state(VENUE, INSTRUMENT)


@pytest.mark.parametrize(
    "changes", [{"qty": 0}, {"price": -1}, {"fee_decimals": 99}, {"instrument": "sim:NONE"}]
)
def test_impossible_fills_halt(changes: dict[str, Any]) -> None:
    """A fill without sense changes no position and halts what it names."""
    bench, order_id = opened()
    bench.feed(support.fill(order_id, **{"qty": 1, "fill_id": 1, **changes}))
    assert (["bad_fill"], {}) == (kinds(bench), bench.execution.positions)


def test_baseline_sets_inventory_once() -> None:
    """Balances and positions of the first baseline count; a later one is an anomaly."""
    bench = Bench()
    bench.feed(support.session_started())
    bench.feed(support.definition())
    held = PositionBaseline(INSTRUMENT, 5, Amount.of(40_000))
    bench.feed(support.baseline(positions=(held,)))
    bench.feed(support.baseline(positions=()))
    assert (5, 40_000) == (
        bench.execution.positions[INSTRUMENT].qty,
        bench.execution.positions[INSTRUMENT].cost,
    )
    assert ["second_baseline"] == kinds(bench)


def test_balances_partly_and_whole() -> None:
    """A partial report keeps other assets, a complete one replaces all."""
    bench = Bench().start()
    one = (support.balance("ETH", 3),)
    bench.feed(events.BalanceReport(recv_ns=0, venue=VENUE, event_ns=0, balances=one, complete=False))
    assert ["USDT", "BTC", "ETH"] == list(bench.execution.balances[VENUE])
    bench.feed(events.BalanceReport(recv_ns=0, venue=VENUE, event_ns=0, balances=one, complete=True))
    assert ["ETH"] == list(bench.execution.balances[VENUE])


def test_venue_counters_and_backoff_hold_the_queue() -> None:
    """The venue says that we have used everything, or to be silent: nothing goes."""
    rates = [{"kind": "ORDERS", "interval": "10s", "limit": 5, "guard_band": "1ms"}]
    bench = Bench(configuration(rate_limits=rates)).start()
    order_id = bench.buy(price=9_981)
    usage = (RateUsage("ORDERS", 10 * SECOND, 5, 5),)
    bench.feed(events.RateLimitReport(recv_ns=0, venue=VENUE, order_id=order_id, revision=1, usage=usage))
    assert bench.buy(price=9_982) in bench.execution.queue.pending
    fresh = Bench().start()
    fresh.feed(events.VenueBackoff(recv_ns=0, venue=VENUE, retry_after_ns=SECOND, reason="429"))
    waits = fresh.buy()
    assert waits in fresh.execution.queue.pending
    fresh.feed(events.ControlTime(scope="queue", deadline_ns=0), wait_ns=SECOND)
    assert waits in fresh.execution.requests


def test_fees_reach_the_position() -> None:
    """A base fee lowers inventory, another asset is a line of its own."""
    bench, order_id = opened()
    bench.feed(support.fill(order_id, 5, 1, fee=Amount.of(100_000), fee_asset="BTC"))
    bench.feed(support.fill(order_id, 5, 2, fee=Amount.of(7), fee_asset="BNB", side=Side.BUY))
    position = bench.execution.positions[INSTRUMENT]
    assert (9, 100_000, 7) == (position.qty, position.fees["BTC"].amount, position.fees["BNB"].amount)


def test_rejects_are_counted_in_a_row() -> None:
    """An accepted order ends the row."""
    bench = Bench().start()
    for price in (9_981, 9_982):
        bench.feed(support.rejected(bench.buy(price=price)))
    assert 2 == bench.execution.consecutive_rejects
    bench.feed(support.accepted(bench.buy()))
    assert 0 == bench.execution.consecutive_rejects


def test_the_floor_never_moves_back() -> None:
    """An earlier reconciliation that is told later opens no door for fills that were counted."""
    bench, order_id = opened()
    bench.feed(support.fill(order_id, 1, 8))
    for through in (9, 5):
        bench.feed(events.FillsReconciled(recv_ns=0, venue=VENUE, instrument=INSTRUMENT, through=through))
        bench.feed(support.fill(order_id, 1, 8))
    assert (1, 9) == (bench.execution.positions[INSTRUMENT].qty, bench.execution.ledgers[INSTRUMENT].floor)


def test_a_fill_of_the_other_side_is_a_contradiction() -> None:
    """It is real for the position, but the Order has not been filled by it, and the instrument halts."""
    bench, order_id = opened()
    bench.feed(support.fill(order_id, 4, 1, side=Side.SELL))
    assert (-4, 0) == (bench.execution.positions[INSTRUMENT].qty, bench.order(order_id).filled_qty)
    assert (True, ["illegal_transition"]) == (bench.order(order_id).anomalous, kinds(bench))
    assert TradingState.HALTED is bench.state.control.trading_state(VENUE, INSTRUMENT)


def test_the_end_of_an_earlier_incarnation_ends_nothing() -> None:
    """A cancel-replace ends the old id at the venue: told late, it does not close the Order that took its place."""
    bench, order_id = opened()
    bench.want(Replace(order_id=order_id, qty=8, price=9_980))
    bench.feed(support.replaced(order_id, 2, 8, 9_980))
    bench.feed(support.cancelled(order_id, revision=1))
    assert OrderStatus.ACCEPTED is bench.order(order_id).status
    bench.feed(support.cancelled(order_id, revision=2))
    assert OrderStatus.CANCELLED is bench.order(order_id).status


def test_what_ends_before_it_is_accepted_has_its_name() -> None:
    """The report of the end may overtake the acceptance."""
    bench = Bench().start()
    order_id = bench.buy()
    bench.feed(support.cancelled(order_id))
    assert f"v{order_id}" == bench.execution.closed[order_id].venue_order_id


def test_an_order_by_quote_quantity_is_filled_when_the_venue_says_so() -> None:
    """What is left of its quote quantity buys nothing more at a price that only the venue knows."""
    bench = Bench().start()
    levels = {"bids": ((9_990, 50),), "asks": ((9_995, 50),)}
    bench.feed(events.BookSnapshot(recv_ns=0, instrument=INSTRUMENT, event_ns=0, last_update_id=1, **levels))
    order_id = bench.new_id()
    terms: dict[str, Any] = {"type": OrderType.MARKET, "tif": TimeInForce.IOC, "quote_qty": 100_100}
    bench.want(New(order_id=order_id, instrument=INSTRUMENT, side=Side.BUY, **terms))
    bench.feed(support.accepted(order_id))
    bench.feed(support.fill(order_id, 9, 1))
    assert OrderStatus.PARTIALLY_FILLED is bench.execution.orders[order_id].status
    bench.feed(support.report(order_id, OrderStatus.FILLED, 9, order_type=OrderType.MARKET, qty=9))
    assert OrderStatus.FILLED is bench.execution.closed[order_id].status


def test_filled_is_filled_where_the_quantity_shrank_behind_the_fills() -> None:
    """An amendment of unknown fate is told after what it left was filled."""
    bench, order_id = opened()
    bench.want(Replace(order_id=order_id, qty=4, price=9_990))
    bench.feed(support.fill(order_id, 4, 1))
    bench.feed(support.replaced(order_id, 2, 4, 9_990))
    client_id = support.named(order_id, 2)["client_id"]
    bench.feed(support.report(order_id, OrderStatus.FILLED, 4, client_id=client_id, qty=4))
    assert OrderStatus.FILLED is bench.execution.closed[order_id].status


def test_both_sides_of_a_trade_with_ourselves_count() -> None:
    """One trade id, two fills of ours, in either order, each once."""
    bench = Bench().start()
    buy, sell = bench.buy(price=9_990), bench.new_id()
    bench.want(New(order_id=sell, instrument=INSTRUMENT, side=Side.SELL, qty=10, price=9_995))
    for order_id in (buy, sell):
        bench.feed(support.accepted(order_id))
    for order_id, side in ((sell, Side.SELL), (buy, Side.BUY), (sell, Side.SELL)):
        bench.feed(support.fill(order_id, 4, 7, side=side))
    position = bench.execution.positions[INSTRUMENT]
    assert (4, 4, 1) == (
        position.bought_qty,
        position.sold_qty,
        bench.execution.ledgers[INSTRUMENT].duplicates,
    )


def test_a_repeated_fill_of_a_forgotten_order_is_dropped() -> None:
    """Asked again after a reconnect, the venue tells of fills whose Orders have left State: nothing halts."""
    bench = Bench(support.configuration(execution={"terminal_orders_max": 1})).start()
    for number, price in ((1, 9_990), (2, 9_980)):
        order_id = bench.buy(price=price)
        bench.feed(support.accepted(order_id))
        bench.feed(support.fill(order_id, 10, number))
    before = bench.execution.positions[INSTRUMENT].qty
    assert () == bench.feed(support.fill(1, 10, 1)).derived
    assert (before, 1) == (
        bench.execution.positions[INSTRUMENT].qty,
        bench.execution.ledgers[INSTRUMENT].duplicates,
    )
