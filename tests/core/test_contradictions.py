"""What venues say late, twice, of an earlier incarnation or from the wrong place: exposure is never undercounted."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from livestack.core import events
from livestack.core.intents import Cancel, New, Replace
from livestack.core.proposal import exposures
from livestack.core.types import (
    Amount,
    FailureReason,
    OrderStatus,
    OrderType,
    PositionBaseline,
    RequestKind,
    SessionPhase,
    Side,
    TradingState,
)
from tests.core import support
from tests.core.support import INSTRUMENT, SECOND, VENUE, Bench, configuration, definition, named

ADOPT = {"external_orders": "adopt"}


def working(bench: Bench, qty: int = 10) -> int:
    """An accepted order to buy."""
    order_id = bench.buy(qty=qty)
    bench.feed(support.accepted(order_id))
    return order_id


def test_a_late_answer_to_a_replace_settles_no_other_one() -> None:
    """A fill proved revision 2; its real answer comes while revision 3 is in flight, which goes on counting."""
    bench = Bench().start()
    order_id = working(bench)
    bench.want(Replace(order_id=order_id, qty=20, price=9_980))
    bench.feed(msgspec.structs.replace(support.fill(order_id, 1, 1), **named(order_id, 2)))
    bench.want(Replace(order_id=order_id, qty=500, price=9_970))
    before = exposures(bench.execution)
    bench.feed(support.replaced(order_id, 2, 20, 9_980))
    assert before == exposures(bench.execution) == {INSTRUMENT: [19 + 499, 0]}
    assert [3] == [one.revision for one in bench.execution.requests.values()]


def test_a_repeated_replacement_brings_no_old_terms_back() -> None:
    """Revision 2 is told again after revision 3."""
    bench = Bench().start()
    order_id = working(bench)
    for revision, qty in ((2, 20), (3, 500), (2, 20)):
        if revision > bench.order(order_id).revision:
            bench.want(Replace(order_id=order_id, qty=qty, price=9_980))
        bench.feed(support.replaced(order_id, revision, qty, 9_980))
    order = bench.order(order_id)
    assert (500, f"{support.EPOCH}-{order_id}-3") == (order.qty, order.client_id)


def test_the_end_of_an_earlier_incarnation_is_no_end() -> None:
    """A report about revision 1 after revision 2 has taken its place."""
    bench = Bench().start()
    order_id = working(bench)
    bench.want(Replace(order_id=order_id, qty=20, price=9_980))
    bench.feed(support.replaced(order_id, 2, 20, 9_980))
    bench.feed(support.report(order_id, OrderStatus.CANCELLED))
    assert (OrderStatus.ACCEPTED, {INSTRUMENT: [20, 0]}) == (
        bench.order(order_id).status,
        exposures(bench.execution),
    )


def test_nothing_is_over_while_a_replace_has_no_outcome() -> None:
    """What is reported as cancelled may be what the Replace replaced; once that is proven absent it is asked again."""
    bench = Bench().start()
    order_id = working(bench)
    bench.want(Replace(order_id=order_id, qty=20, price=9_980))
    bench.quote(wait_ns=11 * SECOND)
    bench.feed(support.report(order_id, OrderStatus.CANCELLED))
    assert (OrderStatus.ACCEPTED, 1) == (bench.order(order_id).status, len(bench.execution.unresolved))
    bench.feed(support.killed())
    assert f"cancel all {INSTRUMENT}" in [one.scope for one in bench.runtime.obligations()]
    bench.feed(support.dispatch_failed(order_id, RequestKind.REPLACE, 2, FailureReason.NOT_AT_VENUE))
    bench.feed(support.dispatch_failed(order_id, RequestKind.CANCEL, 3))
    assert f"order {order_id} in doubt" in [one.scope for one in bench.runtime.obligations()]
    bench.feed(support.report(order_id, OrderStatus.CANCELLED))
    assert OrderStatus.CANCELLED is bench.order(order_id).status


@pytest.mark.parametrize("news", [support.accepted, lambda one: support.report(one, OrderStatus.ACCEPTED)])
def test_an_order_that_is_there_after_its_absence_was_proven_is_taken_back(news: Any) -> None:
    """What is final stays final; what is open goes on under an id of its own, counts, and is cancelled."""
    bench = Bench().start()
    order_id = bench.buy(qty=10)
    bench.quote(wait_ns=11 * SECOND)
    bench.feed(support.dispatch_failed(order_id, reason=FailureReason.NOT_AT_VENUE))
    step = bench.feed(news(order_id))
    (request,) = step.dispatches
    assert (RequestKind.CANCEL, bench.order(order_id).client_id) == (request.kind, request.target_client_id)
    assert (OrderStatus.REJECTED, {INSTRUMENT: [10, 0]}) == (
        bench.order(order_id).status,
        exposures(bench.execution),
    )
    assert TradingState.HALTED is bench.state.control.trading_state(VENUE, INSTRUMENT)
    bench.feed(news(order_id))
    assert 1 == len(bench.execution.orders)
    bench.feed(support.cancelled(order_id))
    assert ({}, ()) == (exposures(bench.execution), bench.runtime.obligations())


def test_a_claim_leaves_a_cancel_in_flight() -> None:
    """A report of more fills on an open order says nothing about the Cancel: still one request per order."""
    bench = Bench().start()
    order_id = working(bench)
    bench.want(Cancel(order_id=order_id))
    bench.feed(support.report(order_id, OrderStatus.PARTIALLY_FILLED, 3))
    assert () == bench.want(Replace(order_id=order_id, qty=20, price=9_980)).dispatches
    assert [RequestKind.CANCEL] == [one.kind for one in bench.execution.requests.values()]


def test_an_older_claim_does_not_take_the_place_of_a_newer_one() -> None:
    """Cancelled with 5 filled, then an old report of 3 filled and open: it ends as cancelled."""
    bench = Bench().start()
    order_id = working(bench)
    bench.feed(support.cancelled(order_id, 5))
    bench.feed(support.report(order_id, OrderStatus.PARTIALLY_FILLED, 3))
    for fill_id, qty in ((1, 3), (2, 2)):
        bench.feed(support.fill(order_id, qty, fill_id))
    assert (OrderStatus.CANCELLED, {}) == (bench.order(order_id).status, exposures(bench.execution))


def test_reducing_counts_a_replacement_in_flight() -> None:
    """Long 10, 10 offered and on the way to 30: it could sell through flat, so it is cancelled."""
    bench = Bench().start()
    bench.feed(support.fill(working(bench), 10, 1))
    order_id = bench.new_id()
    bench.want(New(order_id=order_id, instrument=INSTRUMENT, side=Side.SELL, qty=10, price=11_000))
    bench.feed(support.accepted(order_id))
    bench.want(Replace(order_id=order_id, qty=30, price=11_000))
    bench.feed(support.command(events.SetTradingState(TradingState.REDUCING)))
    assert [order_id] == list(bench.execution.closing)


def test_fills_before_an_adoption_are_not_ours_when_they_are_told_again() -> None:
    """They were seen as somebody else's; asked for once more they are known."""
    bench = Bench(configuration(execution=ADOPT)).start()
    foreign: dict[str, Any] = {"client_id": "web_1"}
    bench.feed(support.fill(0, 4, 7, **foreign))
    bench.feed(support.report(0, OrderStatus.PARTIALLY_FILLED, 4, **foreign))
    bench.feed(support.fill(0, 4, 7, **foreign))
    (order,) = bench.execution.orders.values()
    assert (0, 4, 6) == (bench.execution.position(INSTRUMENT).qty, order.filled_qty, order.leaves_qty)


@pytest.mark.parametrize("what", ["kill", "stop", "reduce"])
def test_an_order_found_while_orders_are_being_cancelled_is_no_exception(what: str) -> None:
    """Adopted under the kill-switch, while stopping, or while REDUCING: it is cancelled like the others."""
    bench = Bench(configuration(execution=ADOPT)).start()
    cause: dict[str, events.InputEvent] = {
        "kill": support.killed(),
        "stop": events.SessionStopping(by="x", reason=""),
        "reduce": support.command(events.SetTradingState(TradingState.REDUCING)),
    }
    bench.feed(cause[what])
    step = bench.feed(support.report(0, OrderStatus.ACCEPTED, client_id="web_1"))
    assert [RequestKind.CANCEL] == [one.kind for one in step.dispatches]


def test_an_order_that_is_being_cancelled_is_not_replaced() -> None:
    """Neither by a new Intent, nor by one that waited when the operator cancelled it."""
    bench = Bench().start()
    order_id = working(bench)
    bench.want(Cancel(order_id=order_id))
    bench.feed(support.cancel_rejected(order_id, 2))
    bench.feed(support.report(order_id, OrderStatus.ACCEPTED))
    bench.want(Cancel(order_id=order_id))
    bench.want(Replace(order_id=order_id, qty=9, price=9_980))
    bench.feed(support.command(events.CancelAll("", "")))
    bench.feed(support.dispatch_failed(order_id, RequestKind.CANCEL, 3))
    step = bench.want(Replace(order_id=order_id, qty=500, price=9_980), wait_ns=SECOND)
    assert [RequestKind.CANCEL] == [one.kind for one in step.dispatches]
    assert "order_id" == next(one.rule for one in step.derived if isinstance(one, events.IntentDenied))


def test_a_baseline_that_makes_no_sense_halts_what_it_is_about() -> None:
    """Inventory of what is not defined halts the venue, of another venue's instrument that instrument."""
    bench = Bench(
        configuration(
            execution={"venue": {one: {"rate_limits": [support.WIDE_RATE]} for one in (VENUE, "b")}}
        )
    )
    bench.feed(support.session_started())
    bench.feed(definition())
    bench.feed(definition("b:BTCUSDT"))
    bench.feed(support.baseline("b", (PositionBaseline(INSTRUMENT, 3, Amount.of(1)),)))
    assert (0, TradingState.HALTED) == (
        bench.execution.position(INSTRUMENT).qty,
        bench.state.control.trading_state(VENUE, INSTRUMENT),
    )
    bench.feed(support.baseline(VENUE, (PositionBaseline("sim:NONE", 3, Amount.of(1)),)))
    assert TradingState.HALTED is bench.state.control.trading[VENUE]


def test_what_comes_from_elsewhere_closes_nothing() -> None:
    """Our id under another venue's name: told, halted, and the Order is as it was."""
    bench = Bench().start()
    order_id = working(bench)
    bench.feed(msgspec.structs.replace(support.cancelled(order_id), venue="other", instrument="other:X"))
    assert (OrderStatus.ACCEPTED, True) == (bench.order(order_id).status, bench.order(order_id).anomalous)


def test_strangers_fills_halt_nothing() -> None:
    """Of instruments that are not ours: ignored, and State does not grow with them."""
    bench = Bench().start()
    for number in range(50):
        bench.feed(support.fill(0, 4, number, client_id="web_1", instrument=f"sim:X{number}"))
    assert ({}, []) == (bench.state.control.trading, bench.derived)


def test_session_notional_counts_the_queue_and_replacements() -> None:
    """One Intent of 0.999 fits a limit of 1, five in one decision do not; a Replace counts what it adds."""
    bench = Bench(configuration({"max_session_notional": {"USDT": "1"}})).start()
    ids = [bench.new_id() for _ in range(5)]
    bench.want(*[New(order_id=one, instrument=INSTRUMENT, side=Side.BUY, qty=10, price=9_990) for one in ids])
    assert (1, 4) == (bench.execution.counts.dispatched, bench.execution.counts.denied)
    bench = Bench(configuration({"max_session_notional": {"USDT": "1"}})).start()
    order_id = working(bench, qty=5)
    assert ["IntentDispatched"] == bench.names(bench.want(Replace(order_id=order_id, qty=10, price=9_990)))
    bench.feed(support.replaced(order_id, 2, 10, 9_990))
    assert {"USDT": 999 * 10**15} == bench.execution.session_notional
    assert ["IntentDenied"] == bench.names(bench.want(Replace(order_id=order_id, qty=11, price=9_990)))


def test_a_stop_is_worth_at_least_its_trigger() -> None:
    """Without a collar: the end of the book, or the trigger where that is further."""
    bench = Bench(configuration({"max_order_notional": {"USDT": "2"}})).start()
    asks = ((10_010, 50), (10_100, 50))
    bench.feed(
        events.BookSnapshot(
            recv_ns=bench.ts, instrument=INSTRUMENT, event_ns=0, last_update_id=1, bids=(), asks=asks
        )
    )
    stop = New(
        order_id=bench.new_id(),
        instrument=INSTRUMENT,
        side=Side.BUY,
        type=OrderType.STOP_LOSS,
        qty=15,
        stop_price=20_000,
    )
    assert ["IntentDenied"] == bench.names(bench.want(stop))


def test_data_is_looked_at_again_when_trading_goes_on() -> None:
    """Old data under HALTED is nobody's concern; with ACTIVE it is at once."""
    bench = Bench(configuration({"max_resting_data_age": "60s"})).start()
    working(bench)
    bench.feed(support.command(events.SetTradingState(TradingState.HALTED)))
    bench.feed(events.ControlTime(scope="", deadline_ns=0), wait_ns=61 * SECOND)
    bench.feed(support.command(events.SetTradingState(TradingState.ACTIVE)))
    assert TradingState.REDUCING is bench.state.control.trading_state(VENUE, INSTRUMENT)


def test_a_refused_command_is_no_attention() -> None:
    """The count of fills without an operator goes on."""
    bench = Bench().start()
    bench.feed(support.fill(working(bench), 1, 1))
    bench.feed(support.command(events.CancelOrder(99)))
    assert 1 == bench.execution.unattended_fills


def test_without_a_touch_the_last_trade_says_what_is_lost() -> None:
    """A quote without a bid hides no loss."""
    bench = Bench(configuration({"max_session_loss": {"USDT": "0.1"}})).start()
    bench.feed(support.fill(bench.known(), 1_000, 1, price=10_000))
    trade = events.TradeTick(
        recv_ns=bench.ts,
        instrument=INSTRUMENT,
        event_ns=0,
        trade_id=1,
        price=5_000,
        qty=1,
        aggressor=Side.SELL,
    )
    bench.feed(trade)
    bench.feed(msgspec.structs.replace(support.quote(0, 10_010, recv_ns=bench.ts), bid_qty=0))
    assert TradingState.HALTED is bench.state.control.trading_state()


def test_rejects_are_counted_however_they_are_learned() -> None:
    """By a report too; and a fill ends the row, acknowledged or not."""
    bench = Bench(configuration({"max_consecutive_rejects": 3})).start()
    bench.feed(support.report(bench.buy(price=9_001), OrderStatus.REJECTED))
    bench.feed(support.rejected(bench.buy(price=9_002)))
    assert 2 == bench.execution.consecutive_rejects
    bench.feed(support.fill(bench.buy(qty=5, price=9_003), 5, 1))
    assert 0 == bench.execution.consecutive_rejects


def test_an_order_counts_against_the_balance_until_a_report_contains_it() -> None:
    """Accepted is not yet in any balance; the next report after that is."""
    bench = Bench(configuration({"balance": "check"})).start()
    bench.feed(support.balances(support.balance("USDT", 1)))
    working(bench)
    denied = New(order_id=bench.new_id(), instrument=INSTRUMENT, side=Side.BUY, qty=1, price=9_000)
    assert ["IntentDenied"] == bench.names(bench.want(denied))
    bench.feed(support.balances(support.balance("USDT", 1)))
    allowed = New(order_id=bench.new_id(), instrument=INSTRUMENT, side=Side.BUY, qty=1, price=9_000)
    assert ["IntentDispatched"] == bench.names(bench.want(allowed))


def test_an_orphan_before_the_session_is_only_shown() -> None:
    """There is no epoch yet to name a request by."""
    bench = Bench()
    bench.feed(definition())
    bench.feed(support.report(5, OrderStatus.ACCEPTED, client_id="BBBBBBBBB-5-1"))
    assert ({}, SessionPhase.STARTING) == (bench.execution.orders, bench.state.control.phase)


def test_a_definition_may_make_the_watched_limit_stricter() -> None:
    """A restored Core and one that went on see the same: the loss is beyond the new instrument's limit at once."""
    other = "sim:ETHUSDT"
    limits = {"defaults": {**support.UNLIMITED, "max_session_loss": {"USDT": "100000"}}}
    strict = {**limits, "instrument": {other: {"max_session_loss": {"USDT": "1"}}}}
    bench = Bench(configuration_of(strict)).start()
    bench.feed(support.fill(bench.known(), 1_000, 1, price=9_990))
    bench.quote(5_000, 5_010)
    step = bench.feed(definition(other, base="ETH"))
    assert ["TradingStateChanged"] == bench.names(step)


def configuration_of(risk: dict[str, Any]) -> Any:
    plain = configuration().plain()
    return type(configuration()).from_plain({**plain, "risk": risk})


def test_an_answer_from_before_a_claim_settles_it_not() -> None:
    """Two orders claim fills one after the other: the first question's answer ends the first, the second is asked."""
    bench = Bench().start()
    first, second = working(bench), bench.buy(price=9_000)
    bench.feed(support.accepted(second))
    bench.feed(support.cancelled(first, 5))
    begun_ns = bench.ts
    step = bench.feed(support.cancelled(second, 5), wait_ns=SECOND)
    assert step.obligations_changed
    bench.feed(support.fill(first, 5, 1))
    assert () == bench.feed(support.reconciled(1, begun_ns)).derived
    assert (OrderStatus.CANCELLED, OrderStatus.ACCEPTED) == (
        bench.order(first).status,
        bench.order(second).status,
    )
    assert [f"fills {INSTRUMENT} {bench.ts}"] == [one.scope for one in bench.runtime.obligations()]
    bench.feed(support.fill(second, 5, 2))
    bench.feed(support.reconciled(2, bench.ts))
    assert (OrderStatus.CANCELLED, ()) == (bench.order(second).status, bench.runtime.obligations())
