"""Queue Processing: validity, gates, order, selection."""

from __future__ import annotations

from typing import Any

import pytest

from livestack.core import events
from livestack.core.execution_control import held, retry_at, withdraw_reason
from livestack.core.intents import Cancel, New, Replace
from livestack.core.rates import NEVER
from livestack.core.types import (
    ConnectionStatus,
    OrderStatus,
    RequestKind,
    Side,
    TradingState,
    WithdrawReason,
)
from tests.core import support
from tests.core.support import INSTRUMENT, SECOND, Bench, configuration

ONE: list[dict[str, Any]] = [
    {"kind": "ORDERS", "interval": "10s", "limit": 3, "guard_band": "1ms", "cancel_reserve": 1, "cancel": 1}
]


def full(bench: Bench) -> tuple[int, int]:
    """Two accepted orders that leave room for one Cancel only."""
    ids = (bench.buy(price=9_981), bench.buy(price=9_982))
    for order_id in ids:
        bench.feed(support.accepted(order_id))
    return ids


def new(bench: Bench, price: int) -> New:
    return New(order_id=bench.new_id(), instrument=INSTRUMENT, side=Side.BUY, qty=1, price=price)


def test_cancels_go_before_everything_and_use_their_reserve() -> None:
    """With the rest of the window used up New waits, a Cancel goes; then it is Cancel, Replace, New."""
    bench = Bench(configuration(rate_limits=ONE, execution={"max_queue_age": "1m"})).start()
    first, second = full(bench)
    step = bench.want(new(bench, 9_983), Replace(order_id=second, qty=9, price=9_984), Cancel(order_id=first))
    assert [(RequestKind.CANCEL, first)] == [(one.kind, one.order_id) for one in step.dispatches]
    bench.ts = retry_at(bench.state)
    step = bench.feed(events.ControlTime(scope="queue", deadline_ns=bench.ts))
    assert [RequestKind.REPLACE, RequestKind.NEW] == [one.kind for one in step.dispatches]
    assert NEVER == retry_at(bench.state)


def test_the_order_of_kinds_is_configurable() -> None:
    """New before Replace, where so configured."""
    wide = configuration(execution={"order": ["cancel", "new", "replace"]})
    bench = Bench(wide).start()
    order_id = bench.buy()
    bench.feed(support.accepted(order_id))
    step = bench.want(Replace(order_id=order_id, qty=9, price=9_984), new(bench, 9_983))
    assert [RequestKind.NEW, RequestKind.REPLACE] == [one.kind for one in step.dispatches]


def test_selection_is_a_prefix() -> None:
    """A Replace that does not fit is not overtaken by a lighter New behind it."""
    rates: list[dict[str, Any]] = [
        {"kind": "W", "interval": "10s", "limit": 6, "guard_band": "1ms", "replace": 4}
    ]
    bench = Bench(configuration(rate_limits=rates, execution={"max_queue_age": "1m"})).start()
    first, _ = full(bench)
    bench.feed(support.accepted(bench.buy(price=9_983)))
    assert () == bench.want(Replace(order_id=first, qty=9, price=9_984), new(bench, 9_985)).dispatches
    assert 2 == len(bench.execution.queue.pending)


def test_what_the_inflight_gate_holds_stands_aside() -> None:
    """A held command does not block those behind it."""
    bench = Bench().start()
    flying = bench.buy()
    step = bench.want(Replace(order_id=flying, qty=9, price=9_984), new(bench, 9_983))
    assert [RequestKind.NEW] == [one.kind for one in step.dispatches]
    assert "inflight" == held(bench.execution.queue.pending[flying], bench.state)


def test_an_order_in_doubt_is_not_replaced_until_the_venue_has_told_of_it() -> None:
    """After a crash it may be gone: a Replace waits for the answer, a Cancel does not."""
    bench = Bench().start()
    first, second = (bench.buy(price=price) for price in (9_981, 9_982))
    for order_id in (first, second):
        bench.feed(support.accepted(order_id))
    bench.feed(events.SessionResumed(epoch="BBBBBBBBB", wall_ns=0))
    bench.feed(support.feed_status(ConnectionStatus.LIVE))
    bench.feed(support.venue_status(ConnectionStatus.LIVE))
    bench.quote()
    step = bench.want(Replace(order_id=first, qty=9, price=9_984), Cancel(order_id=second))
    assert [RequestKind.CANCEL] == [one.kind for one in step.dispatches]
    assert "unresolved" == held(bench.execution.queue.pending[first], bench.state)
    bench.feed(support.report(first, OrderStatus.ACCEPTED))
    assert "" == held(
        bench.execution.queue.pending[first], bench.state
    )  # now only the full rate window has it wait


@pytest.mark.parametrize(
    ("event", "wait_ns", "reason"),
    [
        (
            events.IncidentOpened(name="n", scope="", grade="halting", detail=""),
            0,
            WithdrawReason.TRADING_STATE,
        ),
        (events.KillSwitchEngaged(trigger="t", by="b", reason="r"), 0, WithdrawReason.KILL_SWITCH),
        (support.command(events.SetTradingState(TradingState.HALTED)), 0, WithdrawReason.TRADING_STATE),
        (support.command(events.SetTradingState(TradingState.REDUCING)), 0, WithdrawReason.TRADING_STATE),
        (events.ControlTime(scope="queue", deadline_ns=0), 2 * SECOND, WithdrawReason.TOO_OLD),
        (
            support.command(events.SetConfiguration((("risk.defaults.max_open_orders", "3"),)), 1),
            0,
            WithdrawReason.CONFIGURATION,
        ),
        (events.SessionResumed(epoch="BBBBBBBBB", wall_ns=0), 0, WithdrawReason.SESSION_RESUMED),
        (events.SessionStopping(by="b", reason="r"), 0, WithdrawReason.SESSION_STOPPING),
        (events.SessionStopped(reason="r"), 0, WithdrawReason.SESSION_STOPPING),
        (support.command(events.CancelAll("", "")), 0, WithdrawReason.SUPERSEDED),
    ],
)
def test_every_reason_to_withdraw_a_new(event: Any, wait_ns: int, reason: WithdrawReason) -> None:
    """What no longer makes sense leaves the Queue with its reason, and its id is tombstoned."""
    bench = Bench(configuration(rate_limits=ONE)).start()
    full(bench)
    pending = new(bench, 9_983)
    assert () == bench.want(pending).dispatches
    step = bench.feed(event, wait_ns=wait_ns)
    withdrawn = [one for one in step.derived if isinstance(one, events.IntentWithdrawn)]
    assert [(pending.order_id, RequestKind.NEW, reason)] == [
        (one.order_id, one.intent, one.reason) for one in withdrawn
    ]
    assert pending.order_id not in bench.execution.drawn


def test_a_command_for_a_closed_order_is_withdrawn() -> None:
    """Replace and Cancel of an Order that ended meanwhile: ORDER_TERMINAL; of one that is gone: ORDER_UNKNOWN."""
    bench = Bench().start()
    flying = bench.buy()
    bench.want(Cancel(order_id=flying))
    pending = bench.execution.queue.pending[flying]
    step = bench.feed(support.rejected(flying))
    assert [WithdrawReason.ORDER_TERMINAL] == [
        one.reason for one in step.derived if isinstance(one, events.IntentWithdrawn)
    ]
    bench.execution.closed.clear()
    assert WithdrawReason.ORDER_UNKNOWN is withdraw_reason(pending, bench.state)


def test_requests_name_the_order_as_the_venue_knows_it() -> None:
    """Each request has a fresh revision; Replace and Cancel carry the id under which the order stands now."""
    bench = Bench().start()
    order_id = bench.buy(qty=10)
    bench.feed(support.accepted(order_id))
    bench.feed(support.fill(order_id, 2, 1))
    first = bench.want(Replace(order_id=order_id, qty=8, price=9_980)).dispatches[0]
    bench.feed(support.replaced(order_id, 2, 8, 9_980))
    second = bench.want(Cancel(order_id=order_id)).dispatches[0]
    assert ("AAAAAAAAA-1-1", "v1", 8, 2) == (
        first.target_client_id,
        first.venue_order_id,
        first.qty,
        first.filled_qty,
    )
    assert ("AAAAAAAAA-1-3", "AAAAAAAAA-1-2", "v1-2") == (
        second.client_id,
        second.target_client_id,
        second.venue_order_id,
    )


def test_what_was_admitted_first_goes_first() -> None:
    """Of one kind in order of admission; a later command for the same Order ID takes the later place."""
    bench = Bench().start()
    bench.feed(events.VenueBackoff(recv_ns=0, venue=support.VENUE, retry_after_ns=SECOND, reason="429"))
    first, second, third = (new(bench, 9_983), new(bench, 9_982), new(bench, 9_981))
    assert (
        ()
        == bench.want(first, second, third, Replace(order_id=first.order_id, qty=2, price=9_980)).dispatches
    )
    step = bench.feed(events.ControlTime(scope="queue", deadline_ns=0), wait_ns=SECOND)
    assert [second.order_id, third.order_id, first.order_id] == [one.order_id for one in step.dispatches]


def test_a_cancel_waits_for_nobody_but_cancels() -> None:
    """Also where New is configured to go first and does not fit: the Cancel behind it goes."""
    order = {"order": ["new", "replace", "cancel"]}
    bench = Bench(configuration(rate_limits=ONE, execution=order)).start()
    first, _ = full(bench)
    step = bench.want(new(bench, 9_983), Cancel(order_id=first))
    assert [(RequestKind.CANCEL, first)] == [(one.kind, one.order_id) for one in step.dispatches]
    assert 1 == len(bench.execution.queue.pending)
