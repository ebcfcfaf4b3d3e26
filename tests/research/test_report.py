"""What a report finds in a session's records."""

from __future__ import annotations

from decimal import Decimal

from livestack.research import report
from livestack.research.report import CLOSED_ORDERS_MAX, OTHER_RULES, RULES_MAX, Findings
from livestack.research.report_measures import BUCKETS_MAX, SAMPLE_MAX
from livestack.wire import records_pb2 as wire
from tests.research.report_records import INSTRUMENTS, SECOND, START_NS, Maker, busy, head

BTC = INSTRUMENTS[0]


def test_no_records() -> None:
    """Come to nothing, without an error."""
    found = Findings.of([])
    assert (0, 0, 0, {}) == (found.count, found.fill_count, found.denial_count, found.results)


def test_counts_of_a_whole_session() -> None:
    """Orders, fills, denials, volume, fees and result are those of its records."""
    records = list(busy(300))
    found = Findings.of(records)
    fills = [one for one in records if isinstance(one, wire.FillRecord)]
    denied = [one for one in records if isinstance(one, wire.DenialRecord) and one.outcome == "denied"]
    assert (len(records), 300, 300, len(denied)) == (
        found.count,
        found.orders,
        found.fill_count,
        found.denial_count,
    )
    assert {"USDT": sum(Decimal(one.notional) for one in fills)} == found.volumes()
    assert {"USDT": sum(Decimal(one.fee) for one in fills)} == found.fees()
    last = {one.trace.instrument: one for one in records if isinstance(one, wire.PositionRecord)}.values()
    realised = sum(Decimal(one.realised) for one in last)
    fees = sum(Decimal(one.quote_fees) for one in last)
    unrealised = sum(Decimal(one.unrealised) for one in last)
    assert (realised, realised - fees, realised - fees + unrealised) == found.results["USDT"].last


def test_slippage_is_against_the_quote_of_the_last_request_before_the_fill() -> None:
    """A buy against the ask, a sale against the bid; worse is above 0; a Replace counts, a Cancel does not."""
    maker = Maker()
    buy, sell = Decimal(100), Decimal(50)
    records = [
        maker.dispatch(BTC, 1, "dispatched", decision_bid="98", decision_ask="99"),
        maker.dispatch(BTC, 1, "dispatched", "replace", decision_bid="79", decision_ask="80"),
        maker.dispatch(BTC, 1, "dispatched", "cancel"),
        maker.fill(BTC, 1, "buy", buy, liquidity="taker"),
        maker.dispatch(BTC, 2, "dispatched", decision_bid="40", decision_ask="41"),
        maker.fill(BTC, 2, "sell", sell, liquidity="maker"),
    ]
    found = Findings.of(records)
    taker, made = found.fills[BTC, "taker"], found.fills[BTC, "maker"]
    assert (2_500_000, Decimal("0.02")) == (taker.slippage.high, taker.cost)
    assert (-2_500_000, Decimal("-0.01")) == (made.slippage.high, made.cost)
    assert [2_500_000, -2_500_000] == [one.slippage for one in sorted(found.worst, reverse=True)]


def test_a_fill_that_comes_after_the_end_of_its_order_has_its_quote() -> None:
    """Venues tell late; of orders that ended long ago the quotes are forgotten, and the fill is counted as without."""
    maker = Maker()
    quote = {"decision_bid": "98", "decision_ask": "99"}
    late = [
        maker.dispatch(BTC, 1, "dispatched", **quote),
        maker.order(BTC, 1, "cancelled"),
        maker.fill(BTC, 1, "buy", Decimal(99)),
    ]
    found = Findings.of(late)
    assert (1, 0) == (found.fills[BTC, "maker"].slippage.count, found.without_quote)
    for order_id in range(2, CLOSED_ORDERS_MAX + 2):
        found.take(maker.dispatch(BTC, order_id, "dispatched", **quote))
        found.take(maker.order(BTC, order_id, "filled"))
    found.take(maker.fill(BTC, 1, "buy", Decimal(99)))
    assert (1, 1) == (found.fills[BTC, "maker"].slippage.count, found.without_quote)


def test_a_fill_without_a_quote() -> None:
    """An adopted order, or one from a time whose records are not there: counted, and told."""
    maker = Maker()
    found = Findings.of([maker.fill(BTC, 7, "buy", Decimal(100))])
    assert (1, 1, []) == (found.fill_count, found.without_quote, found.worst)


def test_time_to_acknowledgement() -> None:
    """From the last byte written to the answer, by venue and kind; a fill that ends a Replace is no answer to it."""
    maker = Maker()
    sent = {"send_ns": START_NS, "answered_ns": START_NS + 5_000_000}
    records = [
        maker.dispatch(BTC, 1, "dispatched"),
        maker.dispatch(BTC, 1, "answered", outcome="OrderAccepted", **sent),
        maker.dispatch(BTC, 1, "answered", "replace", outcome="OrderFill", **sent),
        maker.dispatch(BTC, 1, "failed", "cancel", outcome="DispatchFailed"),
        maker.dispatch(BTC, 2, "answered", outcome="OrderAccepted", answered_ns=1),
        maker.dispatch(BTC, 3, "answered", outcome="OrderFill", send_ns=START_NS, answered_ns=START_NS - 9),
    ]
    answers = Findings.of(records).answers
    new, replace, cancel = (answers["binance_spot", kind] for kind in ("new", "replace", "cancel"))
    assert (1, 2, 0, 5_000_000) == (new.dispatched, new.latency.count, new.latency.low, new.latency.high)
    assert (0, 1) == (replace.latency.count, replace.overtaken)
    assert 1 == cancel.failed


def test_curves_begin_at_zero_where_the_session_does() -> None:
    """And only there: of a journal whose beginning is gone nobody knows what was before."""
    maker = Maker()
    records = [
        *head(maker),
        maker.fill(BTC, 1, "buy", Decimal(100)),
        maker.position(BTC, qty="1", realised="5"),
    ]
    found = Findings.of(records)
    assert [Decimal(0), Decimal(5)] == [value for _, value in found.results["USDT"].realised.points()]
    found = Findings.of(records[1:])
    assert [Decimal(5)] == [value for _, value in found.results["USDT"].realised.points()]
    assert [Decimal(1)] == [value for _, value in found.holdings[BTC].curve.points()]


def test_a_result_is_over_all_instruments_of_its_asset() -> None:
    """And of each asset its own."""
    maker = Maker()
    found = Findings.of(
        [
            maker.position("v:AB", realised="1", quote_asset="B"),
            maker.position("v:CB", realised="2", quote_fees="0.5", quote_asset="B"),
            maker.position("v:AE", realised="-7", marked_fees="1", quote_asset="E"),
            maker.position("v:AB", realised="4", unrealised="10", quote_asset="B"),
        ]
    )
    assert (Decimal(6), Decimal("5.5"), Decimal("15.5")) == found.results["B"].last
    assert (Decimal(-7), Decimal(-8), Decimal(-8)) == found.results["E"].last


def test_how_it_ended() -> None:
    """A stop that was followed by a resumption is none."""
    maker = Maker()
    records = [*head(maker), maker.session_record("stopped", reason="asked to")]
    found = Findings.of(records)
    assert found.ended is not None
    assert "asked to" == found.ended.reason
    found.take(maker.session_record("resumed"))
    assert (None, 1) == (found.ended, found.resumed)


def test_very_many_rules_become_one() -> None:
    """A name that is made up each time does not fill the memory."""
    maker = Maker()
    found = Findings.of(maker.denial(f"rule {number}") for number in range(RULES_MAX + 5))
    assert (RULES_MAX + 1, 5) == (len(found.denials), found.denials[OTHER_RULES].denied)
    assert RULES_MAX + 5 == found.denial_count


def test_memory_does_not_depend_on_the_length() -> None:
    """A session that goes on for twenty times as long keeps no more points, marks, orders or moments than allowed."""
    records, found = list(busy(500)), Findings()
    length, seconds = records[-1].trace.seq, 501 * SECOND
    for _ in range(20):
        for record in records:
            found.take(record)
            trace = record.trace
            trace.seq, trace.ts = trace.seq + length, trace.ts + seconds
            if trace.HasField("order_id"):
                trace.order_id += 500
    assert (20 * len(records), 10_000) == (found.count, found.fill_count)
    holding, result = found.holdings[BTC], found.results["USDT"]
    assert SAMPLE_MAX > len(holding.marks.kept)
    assert all(
        4 * BUCKETS_MAX >= len(curve.points())
        for curve in (holding.curve, result.realised, result.net, result.total)
    )
    assert {} == found._quotes
    assert CLOSED_ORDERS_MAX >= len(found._closed)
    assert report.WORST_FILLS == len(found.worst)
