"""Records of positions and balances: every number exact, at any scale."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal, localcontext

from hypothesis import given
from hypothesis import strategies as st

from livestack.core import events
from livestack.core.positions import Position
from livestack.core.types import Amount, AssetBalance, PositionBaseline
from livestack.storage.record_positions import average_price
from tests.core import support
from tests.core.support import INSTRUMENT, VENUE, Bench, configuration, definition
from tests.storage.folding import Stream, check, rows


def session(*definitions: events.InstrumentDefined, **changes: object) -> tuple[Bench, Stream]:
    """A running session whose stream is kept from its first Event."""
    bench = Bench(configuration(**changes))  # type: ignore[arg-type]
    stream = Stream(bench.runtime, every=3)
    bench.start(*definitions)
    return bench, stream


@given(st.integers(0, 10**40), st.integers(1, 10**25), st.integers(0, 18), st.booleans())
def test_the_average_price_is_rounded_half_to_even(cost: int, qty: int, decimals: int, short: bool) -> None:
    """As an arithmetic of unlimited precision rounds it."""
    position = Position(qty=-qty if short else qty, cost=cost)
    with localcontext(prec=120):
        exact = Decimal(cost) / Decimal(qty) / 10**decimals
        expected = exact.quantize(Decimal("1e-12"), rounding=ROUND_HALF_EVEN)
        assert expected == Decimal(average_price(position, decimals) or "")


def test_a_half_goes_to_the_even_neighbour() -> None:
    """1/2 and 3/2 of the last decimal."""
    assert "0.000000000000" == average_price(Position(qty=2, cost=1), 12)
    assert "0.000000000002" == average_price(Position(qty=2, cost=3), 12)
    assert "0.000000000000" == average_price(Position(qty=1, cost=5), 13)
    assert None is average_price(Position(), 12)


def test_two_fills() -> None:
    """Cost, average, profit, fees by asset and the value at the touch, as they are after each fill."""
    bench, stream = session()
    order_id = bench.buy(10)
    bench.feed(support.fill(order_id, 10, 1, 9_990, fee=Amount.of(25), fee_asset="USDT", fee_decimals=4))
    again = bench.buy(4)
    bench.feed(support.fill(again, 4, 2, 10_000, fee=Amount.of(-3), fee_asset="BNB", fee_decimals=8))
    first, second = rows(check(stream), "positions")
    assert ("0.010", "0.99900", "99.900000000000") == (first.qty, first.cost, first.average_price)
    assert ('{"USDT":"0.0025"}', "0.0025", "0.000000000000000000") == (
        first.fees,
        first.quote_fees,
        first.marked_fees,
    )
    assert ("100.00", "100.10", "0.00100", "USDT") == (
        first.bid,
        first.ask,
        first.unrealised,
        first.quote_asset,
    )
    assert ("0.014", "1.39900", "0.014", "0.000") == (
        second.qty,
        second.cost,
        second.bought_qty,
        second.sold_qty,
    )
    assert '{"USDT":"0.0025","BNB":"-0.00000003"}' == second.fees
    assert "99.928571428571" == second.average_price


def test_a_rebate_and_a_marked_fee() -> None:
    """Fees are negative where they are rebates; those in third assets have their mark's price."""
    bnb = definition("sim:BNBUSDT", base="BNB")
    bench, stream = session(definition(), bnb, valuation={"fee_marks": {"BNB": "sim:BNBUSDT"}})
    order_id = bench.buy(10)
    bench.feed(support.fill(order_id, 10, 1, fee=Amount.of(-200), fee_asset="BNB", fee_decimals=4))
    (one,) = rows(check(stream), "positions")
    assert ('{"BNB":"-0.0200"}', "0") == (one.fees, one.quote_fees)
    assert "-2.002000000000000000" == one.marked_fees


def test_no_price_no_touch() -> None:
    """Best prices that are not known are absent, and what is open is worth what it cost."""
    bench, stream = session()
    order_id = bench.buy(10)
    bench.feed(empty_quote())
    bench.feed(support.fill(order_id, 10, 1))
    (one,) = rows(check(stream), "positions")
    assert (False, False, "0.00000") == (one.HasField("bid"), one.HasField("ask"), one.unrealised)


def empty_quote() -> events.QuoteTick:
    """A quote whose both sides are empty."""
    return events.QuoteTick(
        recv_ns=0, instrument=INSTRUMENT, event_ns=0, update_id=0, bid=0, bid_qty=0, ask=0, ask_qty=0
    )


def test_the_finest_scales_and_the_largest_numbers() -> None:
    """18 decimals of price and 18 of quantity: amounts have 36, and 76 digits are kept."""
    fine = definition(price_decimals=18, qty_decimals=18)
    bench, stream = session(fine)
    large = 9 * 10**18
    order_id = bench.buy(large, price=9_990)
    bench.feed(support.fill(order_id, large, 1, large, fee=Amount.of(-(10**24)), fee_decimals=18))
    records = check(stream)
    (position,), (fill,) = rows(records, "positions"), rows(records, "fills")
    assert f"81.{'0' * 36}" == fill.notional == position.cost
    assert "9.000000000000" == position.average_price
    assert f"-1000000.{'0' * 18}" == fill.fee


def test_odd_assets_are_kept() -> None:
    """An asset's name may be anything; the fees stay a JSON object."""
    bench, stream = session()
    for number, asset in enumerate(('a"b', "NUL\0", "é", "")):
        order_id = bench.buy(10)
        bench.feed(support.fill(order_id, 1, number + 1, fee=Amount.of(1), fee_asset=asset))
    last = rows(stream.fold(), "positions")[-1]
    assert '{"a\\"b":"0.00000001","NUL\ufffd":"0.00000001","é":"0.00000001","":"0.00000001"}' == last.fees


def test_a_baseline_is_a_position() -> None:
    """Inventory that a session starts from; what is flat changes nothing."""
    bench = Bench()
    stream = Stream(bench.runtime)
    bench.feed(support.session_started())
    bench.feed(definition())
    bench.feed(definition("sim:ETHUSDT", base="ETH"))
    held = (
        PositionBaseline(INSTRUMENT, -20, Amount.of(200_000)),
        PositionBaseline("sim:ETHUSDT", 0, Amount.of(0)),
    )
    bench.feed(support.baseline(positions=held))
    bench.feed(support.baseline(positions=held))
    records = check(stream)
    (one,) = rows(records, "positions")
    assert ("AccountBaseline", "-0.020", "2.00000", "100.000000000000") == (
        one.event,
        one.qty,
        one.cost,
        one.average_price,
    )
    assert [(0, "AccountBaseline"), (1, "AccountBaseline"), (2, "AccountBaseline")] == [
        (record.trace.ordinal, record.event)  # type: ignore[attr-defined]
        for record in records
        if record.trace.seq == one.trace.seq  # type: ignore[attr-defined]
    ]
    assert 2 == len(rows(records, "balances")), "the second baseline was refused"


def test_balances_are_as_reported() -> None:
    """One row per asset; what a complete report does not name is gone, what has no scale was not taken."""
    bench, stream = session()
    bench.feed(
        support.balances(
            AssetBalance("USDT", 2, Amount.of(10**30), Amount.of(5)),
            AssetBalance("BAD", 99, Amount.of(1), Amount.of(1)),
            complete=True,
        )
    )
    told = [
        (one.asset, one.free, one.locked, one.trace.venue)
        for one in rows(check(stream), "balances", event="BalanceReport")
    ]
    assert [("USDT", f"{10**28}.00", "0.05", VENUE), ("BTC", "0.00000000", "0.00000000", VENUE)] == told
