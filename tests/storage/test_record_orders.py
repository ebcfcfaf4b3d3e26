"""Records of Orders, fills and requests, one case at a time."""

from __future__ import annotations

from typing import Any

import msgspec

from livestack.core import events
from livestack.core.intents import Cancel, New, Replace
from livestack.core.types import (
    Amount,
    FailureReason,
    OrderStatus,
    OrderType,
    RequestKind,
    Side,
    TimeInForce,
)
from tests.core import support
from tests.core.support import EPOCH, INSTRUMENT, SECOND, VENUE, Bench, configuration, definition
from tests.storage.folding import Stream, check, folded, rows


def session(**execution: Any) -> tuple[Bench, Stream]:
    """A running session whose stream is kept from its first Event."""
    bench = Bench(configuration(execution=execution))
    stream = Stream(bench.runtime, every=2)
    bench.start()
    return bench, stream


def sent(order_id: int, kind: RequestKind, revision: int, at: int) -> events.RequestSent:
    return events.RequestSent(
        venue=VENUE,
        instrument=INSTRUMENT,
        kind=kind,
        order_id=order_id,
        revision=revision,
        gate_ns=at,
        send_ns=at + 7,
    )


def foreign(event: Any, client_id: str) -> Any:
    """``event`` about an order that somebody else made."""
    return msgspec.structs.replace(event, client_id=client_id, order_id=0)


def told(stream: Stream, table: str = "dispatches") -> list[tuple[str, ...]]:
    """What the rows of a table say became of it."""
    if table == "dispatches":
        return [(one.stage, one.kind, one.outcome) for one in rows(check(stream), table)]
    return [(one.event, one.status) for one in rows(check(stream), table)]


def test_the_life_of_an_order() -> None:
    """Each change with the Order as it is afterwards, and what became of its New."""
    bench, stream = session()
    order_id = bench.buy(10, tif=TimeInForce.GTC, post_only=True)
    bench.feed(sent(order_id, RequestKind.NEW, 1, bench.ts + 1))
    bench.feed(msgspec.structs.replace(support.accepted(order_id), recv_ns=bench.ts + 20, event_ns=77))
    bench.feed(support.accepted(order_id))
    bench.feed(support.fill(order_id, 4, 1, 9_980))
    bench.feed(support.fill(order_id, 6, 2, 9_990))
    records = check(stream)
    orders = rows(records, "orders")
    assert [
        ("IntentDispatched", "submitted", "0.000", "0.00000"),
        ("OrderAccepted", "accepted", "0.000", "0.00000"),
        ("OrderFill", "partially_filled", "0.004", "0.39920"),
        ("OrderFill", "filled", "0.010", "0.99860"),
    ] == [(one.event, one.status, one.filled_qty, one.filled_notional) for one in orders]
    first = orders[0]
    assert ("buy", "limit", "gtc", "strategy", "0.010", "99.90", True, False) == (
        first.side,
        first.type,
        first.tif,
        first.source,
        first.qty,
        first.price,
        first.post_only,
        first.reduce_only,
    )
    assert (order_id, f"{EPOCH}-1-1", INSTRUMENT) == (
        first.trace.order_id,
        first.trace.request_id,
        first.trace.instrument,
    )
    absent = ("quote_qty", "stop_price", "venue_order_id", "reason")
    assert not any(first.HasField(name) for name in absent)
    assert 77 == orders[1].trace.event_ns
    assert "v1" == orders[1].venue_order_id


def test_the_stages_of_a_request_tell_all_times() -> None:
    """Allowed, dispatched, written, answered: the last one has them all, and the prices that the Strategy saw."""
    bench, stream = session()
    order_id = bench.buy(10)
    began = bench.ts
    bench.feed(sent(order_id, RequestKind.NEW, 1, began + 1))
    bench.feed(msgspec.structs.replace(support.accepted(order_id), recv_ns=began + 20))
    dispatched, written, answered = rows(check(stream), "dispatches")
    assert ["dispatched", "sent", "answered"] == [dispatched.stage, written.stage, answered.stage]
    assert not any(dispatched.HasField(name) for name in ("gate_ns", "send_ns", "answered_ns", "outcome"))
    for one in (written, answered):
        assert (began, began, began + 1, began + 8) == (
            one.admitted_ns,
            one.dispatched_ns,
            one.gate_ns,
            one.send_ns,
        )
    assert (began + 20, "OrderAccepted") == (answered.answered_ns, answered.outcome)
    for one in (dispatched, written, answered):
        assert ("new", 1, "strategy", "buy", "limit", "gtc", "0.010", "99.90") == (
            one.kind,
            one.revision,
            one.source,
            one.side,
            one.type,
            one.tif,
            one.qty,
            one.price,
        )
        assert ("100.00", "100.10") == (one.decision_bid, one.decision_ask)


def test_time_in_the_queue_is_seen() -> None:
    """What had to wait was allowed earlier than it was dispatched, and at other prices."""
    rate = [{"kind": "ORDERS", "interval": "10s", "limit": 1}]
    bench = Bench(configuration(execution={"max_queue_age": "1m"}, rate_limits=rate))
    stream = Stream(bench.runtime)
    bench.start()
    bench.buy(10)
    began = bench.ts
    waits = bench.new_id()
    bench.want(New(order_id=waits, instrument=INSTRUMENT, side=Side.BUY, qty=10, price=9_980))
    bench.quote(9_000, 9_100)
    bench.feed(events.ControlTime(scope="queue", deadline_ns=0), wait_ns=20 * SECOND)
    (one,) = rows(check(stream), "dispatches", order_id=waits)
    assert (began, began + 20 * SECOND) == (one.admitted_ns, one.dispatched_ns)
    assert ("100.00", "100.10") == (one.decision_bid, one.decision_ask)


def test_a_refusal_is_in_the_venues_words() -> None:
    """Code and reason with the answer and the Order."""
    bench, stream = session()
    order_id = bench.buy(10)
    bench.feed(support.rejected(order_id))
    records = check(stream)
    answer, order = rows(records, "dispatches")[-1], rows(records, "orders")[-1]
    assert ("answered", "OrderRejected", "-2010", "no") == (
        answer.stage,
        answer.outcome,
        answer.code,
        answer.reason,
    )
    assert ("rejected", "-2010 no") == (order.status, order.reason)


def test_a_replace_changes_the_order_when_it_is_answered() -> None:
    """Its dispatch is no change of the Order; its terms are the new ones."""
    bench, stream = session()
    order_id = bench.buy(10)
    bench.feed(support.accepted(order_id))
    bench.want(Replace(order_id=order_id, qty=12, price=9_980))
    bench.feed(support.replaced(order_id, 2, 12, 9_980))
    bench.want(Replace(order_id=order_id, qty=13, price=9_970))
    bench.feed(support.replace_rejected(order_id, 3))
    assert [
        ("IntentDispatched", "submitted"),
        ("OrderAccepted", "accepted"),
        ("OrderReplaced", "accepted"),
    ] == told(stream, "orders")
    records = check(stream)
    last = rows(records, "orders")[-1]
    assert ("0.012", "99.80", f"{EPOCH}-1-2") == (last.qty, last.price, last.trace.request_id)
    second, answer, third, refused = rows(records, "dispatches", order_id=order_id)[2:]
    assert ("dispatched", "0.012", "99.80", 2) == (second.stage, second.qty, second.price, second.revision)
    assert "OrderReplaced" == answer.outcome
    assert ("dispatched", "0.013", "99.70", 3) == (third.stage, third.qty, third.price, third.revision)
    assert ("ReplaceRejected", "-2022", "no") == (refused.outcome, refused.code, refused.reason)


def test_the_end_of_an_order_answers_all_its_requests() -> None:
    """A New without an answer and a Cancel: both know their outcome now."""
    bench, stream = session(request_timeout="1s")
    order_id = bench.buy(10)
    bench.feed(events.ControlTime(scope="x", deadline_ns=0), wait_ns=2 * SECOND)
    bench.want(Cancel(order_id=order_id))
    bench.feed(support.cancelled(order_id))
    assert [
        ("dispatched", "new", ""),
        ("dispatched", "cancel", ""),
        ("answered", "new", "OrderCancelled"),
        ("answered", "cancel", "OrderCancelled"),
    ] == told(stream)


def test_a_refused_cancel_is_answered_once() -> None:
    """The refusal is its answer, though the venue is asked afterwards what became of the Order."""
    bench, stream = session()
    order_id = bench.buy(10)
    bench.feed(support.accepted(order_id))
    bench.want(Cancel(order_id=order_id))
    bench.feed(support.cancel_rejected(order_id, 2))
    bench.feed(sent(order_id, RequestKind.CANCEL, 2, bench.ts))
    bench.feed(support.cancelled(order_id))
    assert [
        ("dispatched", "new", ""),
        ("answered", "new", "OrderAccepted"),
        ("dispatched", "cancel", ""),
        ("answered", "cancel", "CancelRejected"),
    ] == told(stream)


def test_a_cancel_that_ran_out_of_time_behind_another_request_has_no_answer() -> None:
    """It was dropped when its time was over, by an Event that has nothing to do with it."""
    bench, stream = session(request_timeout="1s")
    order_id = bench.buy(10)
    bench.feed(events.ControlTime(scope="x", deadline_ns=0), wait_ns=2 * SECOND)
    bench.want(Cancel(order_id=order_id))
    bench.feed(foreign(support.fill(order_id, 1, 1), "somebody"), wait_ns=2 * SECOND)
    assert [("dispatched", "new", ""), ("dispatched", "cancel", "")] == told(stream)


def test_a_cancel_that_nothing_answered_has_its_orders_end() -> None:
    """Time alone is no answer; what ends the Order is."""
    bench, stream = session(request_timeout="1s")
    order_id = bench.buy(10)
    bench.feed(support.accepted(order_id))
    bench.want(Cancel(order_id=order_id))
    bench.feed(events.ControlTime(scope="x", deadline_ns=0), wait_ns=2 * SECOND)
    bench.feed(support.fill(order_id, 10, 1))
    assert ("answered", "cancel", "OrderFill") == told(stream)[-1]


def test_a_request_that_was_never_sent_failed() -> None:
    """With the reason; an answer it has none."""
    bench, stream = session()
    order_id = bench.buy(10)
    bench.feed(
        msgspec.structs.replace(
            support.dispatch_failed(order_id, reason=FailureReason.NOT_AT_VENUE), detail="asked twice"
        )
    )
    records = check(stream)
    one = rows(records, "dispatches")[-1]
    assert ("failed", "DispatchFailed", "not_at_venue", "asked twice") == (
        one.stage,
        one.outcome,
        one.code,
        one.reason,
    )
    assert not one.HasField("answered_ns")
    assert ("rejected", "not_at_venue") == (
        rows(records, "orders")[-1].status,
        rows(records, "orders")[-1].reason,
    )


def test_a_failed_new_answers_a_cancel() -> None:
    """Of an Order that is not there, nothing is to be cancelled."""
    bench, stream = session(request_timeout="1s")
    order_id = bench.buy(10)
    bench.feed(events.ControlTime(scope="x", deadline_ns=0), wait_ns=2 * SECOND)
    bench.want(Cancel(order_id=order_id))
    bench.feed(support.dispatch_failed(order_id))
    assert [("failed", "new", "DispatchFailed"), ("answered", "cancel", "DispatchFailed")] == told(stream)[2:]


def test_news_of_a_request_that_is_over_or_was_never_made() -> None:
    """Changes nothing, so there is no record."""
    bench, stream = session()
    order_id = bench.buy(10)
    bench.feed(support.accepted(order_id))
    count = len(stream.fold())
    bench.feed(sent(order_id, RequestKind.NEW, 1, bench.ts))
    bench.feed(sent(99, RequestKind.NEW, 1, bench.ts))
    bench.feed(support.accepted(order_id))
    assert count == len(check(stream))


def test_a_duplicate_and_a_strangers_fill_are_none_of_ours() -> None:
    """A FillRecord is a fill that moved our position."""
    bench, stream = session()
    order_id = bench.buy(10)
    bench.feed(support.fill(order_id, 4, 1))
    bench.feed(support.fill(order_id, 4, 1))
    bench.feed(foreign(support.fill(order_id, 4, 2), "somebody"))
    bench.feed(support.fill(order_id, 0, 3))
    (one,) = rows(check(stream), "fills")
    assert (1, "buy", "99.90", "0.004", "0.39960", "0.00000000", "BNB", "maker") == (
        one.fill_id,
        one.side,
        one.price,
        one.qty,
        one.notional,
        one.fee,
        one.fee_asset,
        one.liquidity,
    )


def test_a_fill_of_an_order_that_is_not_known() -> None:
    """It moved the position, so it is recorded, under the id that it names."""
    bench, stream = session()
    bench.feed(support.fill(50, 4, 1))
    records = check(stream)
    (one,) = rows(records, "fills")
    assert 50 == one.trace.order_id
    assert [] == rows(records, "orders")
    assert ["unknown_order"] == [row.state for row in rows(records, "controls", event="AnomalyDetected")]


def test_several_orders_end_with_one_reconciliation() -> None:
    """Each has its record, with ordinals of its own."""
    bench, stream = session()
    ids = [bench.buy(10, 9_990 - number) for number in range(3)]
    for order_id in ids:
        bench.feed(support.accepted(order_id))
    for order_id in ids[:2]:
        bench.feed(support.cancelled(order_id, 5))
    bench.feed(support.reconciled(10, bench.ts + 1), wait_ns=SECOND)
    ended = rows(check(stream), "orders", event="FillsReconciled")
    assert [(0, ids[0]), (1, ids[1])] == [(one.trace.ordinal, one.trace.order_id) for one in ended]
    assert [("cancelled", True)] * 2 == [(one.status, one.anomalous) for one in ended]


def test_an_order_of_somebody_else_that_was_taken_over() -> None:
    """It begins as it was found, and is told apart from our own."""
    bench, stream = session(external_orders="adopt")
    found = foreign(support.report(1, OrderStatus.PARTIALLY_FILLED, 4), "web_1")
    bench.feed(found)
    bench.feed(foreign(support.fill(1, 6, 9), "web_1"))
    records = check(stream)
    first, last = rows(records, "orders")
    assert ("OrderAdopted", "partially_filled", "web_1", True, "0.004", "operator") == (
        first.event,
        first.status,
        first.trace.request_id,
        first.adopted,
        first.filled_qty,
        first.source,
    )
    assert ("OrderFill", "filled", True) == (last.event, last.status, last.adopted)
    (fill,) = rows(records, "fills")
    assert (first.trace.order_id, "web_1") == (fill.trace.order_id, fill.trace.request_id)


def test_an_order_that_is_there_after_all() -> None:
    """What was over stays so, marked; what is open goes on under another Order ID."""
    bench, stream = session()
    order_id = bench.buy(10)
    bench.feed(support.dispatch_failed(order_id, reason=FailureReason.NOT_AT_VENUE))
    bench.feed(support.accepted(order_id))
    records = check(stream)
    marked = rows(records, "orders", order_id=order_id)[-1]
    again = rows(records, "orders", event="OrderAdopted")
    assert ("rejected", True) == (marked.status, marked.anomalous)
    assert [("accepted", True)] == [(one.status, one.adopted) for one in again]
    assert order_id != again[0].trace.order_id


def test_an_operators_cancel_is_the_operators() -> None:
    """Who asked for a request is kept through all its stages."""
    bench, stream = session()
    order_id = bench.buy(10)
    bench.feed(support.accepted(order_id))
    bench.feed(support.command(events.CancelOrder(order_id)))
    bench.feed(sent(order_id, RequestKind.CANCEL, 2, bench.ts))
    bench.feed(support.cancelled(order_id))
    cancels = rows(check(stream), "dispatches", kind="cancel")
    assert ["operator"] * 3 == [one.source for one in cancels]


def test_orders_by_quote_quantity_and_without_a_price() -> None:
    """The one has no quantity, the other no price; a stop has both prices."""
    bench, stream = session()
    levels: dict[str, Any] = {"bids": ((10_000, 5_000),), "asks": ((10_010, 5_000),)}
    bench.feed(events.BookSnapshot(recv_ns=0, instrument=INSTRUMENT, event_ns=0, last_update_id=1, **levels))
    for terms in (
        {"quote_qty": 100_000, "type": OrderType.MARKET},
        {"qty": 10, "type": OrderType.MARKET},
        {"qty": 10, "type": OrderType.STOP_LOSS_LIMIT, "price": 9_000, "stop_price": 9_100},
    ):
        order_id = bench.new_id()
        bench.want(New(order_id=order_id, instrument=INSTRUMENT, side=Side.SELL, **terms))  # type: ignore[arg-type]
    records = check(stream)
    names = ("qty", "quote_qty", "price", "stop_price")
    for table in ("orders", "dispatches"):
        shown = [[getattr(one, name) for name in names if one.HasField(name)] for one in rows(records, table)]
        assert [["1.00000"], ["0.010"], ["0.010", "90.00", "91.00"]] == shown


def test_odd_texts_and_numbers_of_the_venue() -> None:
    """No Event of the venue can make a record fail."""
    bench = Bench()
    stream = Stream(bench.runtime, every=10**9)  # a State with half a pair in it has no snapshot
    bench.start()
    order_id = bench.buy(10)
    odd = {"event_ns": 2**63 + 5, "recv_ns": 2**64 - 1}
    bench.feed(msgspec.structs.replace(support.accepted(order_id), venue_order_id="\0\udcff😀", **odd))
    bench.feed(
        support.fill(
            order_id,
            1,
            2**64 - 1,
            fee=Amount.of(-(10**30)),
            fee_asset="\ud800",
            venue_order_id="\0",
            **odd,
        )
    )
    bench.feed(msgspec.structs.replace(support.cancelled(order_id), reason="why\0\ud800", venue_order_id=""))
    records = folded(stream.runtime.state.initial(stream.configuration, None), stream.records)
    assert [one.FromString(one.SerializeToString()) for one in records] == records
    (fill,) = rows(records, "fills")
    assert (2**63 - 1, "\ufffd", "\ufffd") == (fill.fill_id, fill.fee_asset, fill.venue_order_id)
    assert f"-{10**22}.00000000" == fill.fee
    assert "why\ufffd\ufffd" == rows(records, "orders")[-1].reason
    assert "\ufffd\ufffd😀" == rows(records, "orders")[-1].venue_order_id


def test_another_instruments_scale() -> None:
    """Each instrument has its own decimals, 0 included."""
    bench = Bench(configuration())
    stream = Stream(bench.runtime)
    bench.start(definition(), definition("sim:X", price_decimals=0, qty_decimals=0, base="X"))
    order_id = bench.new_id()
    bench.want(New(order_id=order_id, instrument="sim:X", side=Side.SELL, qty=10, price=10_020))
    (one,) = rows(check(stream), "orders")
    assert ("10", "10020", "0", "0") == (one.qty, one.price, one.filled_qty, one.filled_notional)
