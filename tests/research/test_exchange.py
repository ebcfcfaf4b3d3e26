"""The venue of a backtest: every order type, queue model, replacement and refusal, with numbers worked out by hand."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from livestack.core.events import (
    BalanceReport,
    CancelRejected,
    DispatchFailed,
    FillsReconciled,
    OrderCancelled,
    OrderExpired,
    OrderFill,
    OrderRejected,
    OrderReplaced,
    OrderReport,
    ReplaceRejected,
)
from livestack.core.obligations import CancelAllAtVenue, QueryFills, QueryOpenOrders, QueryOrder
from livestack.core.types import (
    InstrumentStatus,
    Liquidity,
    OrderStatus,
    OrderType,
    RequestKind,
    SelfTradePrevention,
    Side,
    TimeInForce,
)
from livestack.simulator.book import QueueModel
from tests.research.venue import DEFINED, INSTRUMENT, LATENCY_NS, UNIT, Bench

BUY, SELL = Side.BUY, Side.SELL
BOOK = (((100, 10), (99, 20)), ((102, 10), (103, 20)))


def bench(**settings: Any) -> Bench:
    return Bench(**settings).book(*BOOK)


# -- order types --------------------------------------------------------------------------------------------------


def test_a_limit_order_rests_and_is_cancelled() -> None:
    """Accepted, then cancelled with nothing filled."""
    venue = bench()
    venue.new(1, BUY, 5, 99)
    assert ["OrderAccepted"] == venue.kinds()
    venue.send(RequestKind.CANCEL, 1)
    (event,) = venue.told()
    assert isinstance(event, OrderCancelled)
    assert ("AAAAAAAAA-1-1", 0) == (event.client_id, event.filled_qty)


def test_a_limit_order_takes_what_it_crosses_and_rests_with_the_remainder() -> None:
    """Buy 15 at 102: 10 trade at 102, 5 stand first at 102."""
    venue = bench()
    venue.new(1, BUY, 15, 102)
    _, fill = venue.told()
    assert isinstance(fill, OrderFill)
    assert (102, 10, Liquidity.TAKER) == (fill.price, fill.qty, fill.liquidity)
    venue.trade(SELL, 102, 3)
    assert 3 == venue.filled()


def test_a_market_order_walks_the_book_and_the_rest_expires() -> None:
    """Buy 35 of the 30 there are: 10 at 102, 20 at 103, and an expiry that says 30."""
    venue = bench()
    venue.new(1, BUY, 35)
    _, first, second, expired = venue.told()
    assert isinstance(first, OrderFill)
    assert isinstance(second, OrderFill)
    assert isinstance(expired, OrderExpired)
    assert [(102, 10), (103, 20)] == [(first.price, first.qty), (second.price, second.qty)]
    assert 30 == expired.filled_qty


def test_a_market_order_by_quote_quantity() -> None:
    """A budget of 1 226 buys 10 at 102 (1 020) and 2 at 103 (206); nothing is left over."""
    venue = bench()
    venue.new(1, BUY, 0, quote_qty=1_226)
    fills = [event for event in venue.told() if isinstance(event, OrderFill)]
    assert [(102, 10), (103, 2)] == [(fill.price, fill.qty) for fill in fills]


@pytest.mark.parametrize(
    ("tif", "filled", "ends"),
    [(TimeInForce.IOC, 10, "OrderExpired"), (TimeInForce.FOK, 0, "OrderExpired")],
)
def test_immediate_orders(tif: TimeInForce, filled: int, ends: str) -> None:
    """Buy 15 at 102 where 10 are: IOC fills 10 and expires, FOK fills nothing and expires."""
    venue = bench()
    venue.new(1, BUY, 15, 102, tif=tif)
    events = venue.told()
    assert filled == sum(event.qty for event in events if isinstance(event, OrderFill))
    assert ends == type(events[-1]).__name__
    assert [] == venue.exchange.open_orders


def test_fill_or_kill_fills_what_is_there() -> None:
    """Buy 30 at 103: everything there is, at once."""
    venue = bench()
    venue.new(1, BUY, 30, 103, tif=TimeInForce.FOK)
    assert 30 == venue.filled()


def test_a_post_only_order_that_would_trade_is_refused() -> None:
    """At 102 it would; at 101 it rests."""
    venue = bench()
    venue.new(1, BUY, 5, 102, post_only=True)
    (event,) = venue.told()
    assert isinstance(event, OrderRejected)
    assert "would_match" == event.code
    venue.new(2, BUY, 5, 101, post_only=True)
    assert ["OrderAccepted"] == venue.kinds()


@pytest.mark.parametrize(
    ("kind", "price", "stop_price", "trigger"),
    [
        (OrderType.STOP_LOSS, 0, 103, 103),
        (OrderType.STOP_LOSS_LIMIT, 104, 103, 103),
        (OrderType.TAKE_PROFIT, 0, 99, 99),
        (OrderType.TAKE_PROFIT_LIMIT, 102, 99, 99),
    ],
)
def test_stop_orders_wait_for_their_trigger(
    kind: OrderType, price: int, stop_price: int, trigger: int
) -> None:
    """A trade at 101 does nothing; the one at the stop price sends the order into the book."""
    venue = bench()
    venue.new(1, BUY, 5, price, type=kind, stop_price=stop_price)
    venue.trade(BUY, 101, 1)
    assert ["OrderAccepted"] == venue.kinds()
    venue.trade(BUY, trigger, 1)
    assert 5 == venue.filled()


def test_a_stop_that_would_trigger_at_once_is_refused() -> None:
    """The last trade was at 103 already."""
    venue = bench()
    venue.trade(BUY, 103, 1)
    venue.new(1, BUY, 5, type=OrderType.STOP_LOSS, stop_price=103)
    (event,) = venue.told()
    assert isinstance(event, OrderRejected)
    assert "would_trigger" == event.code


@pytest.mark.parametrize(
    ("mode", "open_ids"),
    [
        (SelfTradePrevention.EXPIRE_MAKER, [2]),
        (SelfTradePrevention.EXPIRE_TAKER, [1]),
        (SelfTradePrevention.EXPIRE_BOTH, []),
    ],
)
def test_self_trade_prevention(mode: SelfTradePrevention, open_ids: list[int]) -> None:
    """Our sell at 101 meets our buy at 101: whom the taker's mode names expires, and nothing trades."""
    venue = bench()
    venue.new(1, SELL, 5, 101)
    venue.new(2, BUY, 5, 101, stp=mode)
    assert 0 == venue.filled()
    assert open_ids == [order.order_id for order in venue.exchange.open_orders]


def test_a_trade_with_ourselves_is_two_fills() -> None:
    """Where nothing prevents it: two fills, each with an id of its own, and the money stays."""
    venue = bench(maker_fee_bps="0", taker_fee_bps="0")
    venue.new(1, SELL, 5, 101)
    venue.new(2, BUY, 5, 101)
    fills = [event for event in venue.told() if isinstance(event, OrderFill)]
    assert [(1, Liquidity.MAKER), (2, Liquidity.TAKER)] == [(one.order_id, one.liquidity) for one in fills]
    assert 2 == len({one.fill_id for one in fills})
    assert (100 * UNIT, 10_000_000 * UNIT) == (venue.funds.held("BTC"), venue.funds.held("USDT"))


# -- queue models --------------------------------------------------------------------------------------------------


def test_fifo_what_stood_before_us_trades_first() -> None:
    """10 stand at 100, then our 5, then 4 more: a sale of 12 leaves 2 for us."""
    venue = bench()
    venue.new(1, BUY, 5, 100)
    venue.level(BUY, 100, 14)
    venue.trade(SELL, 100, 12)
    assert 2 == venue.filled()


def test_fifo_cancellations_leave_from_behind_us() -> None:
    """10 before and 4 behind us: of 6 that go, 4 were behind, so 8 stand before us; a sale of 9 leaves 1 for us."""
    venue = bench()
    venue.new(1, BUY, 5, 100)
    venue.level(BUY, 100, 14)
    venue.level(BUY, 100, 8)
    venue.trade(SELL, 100, 9)
    assert 1 == venue.filled()


def test_front_the_first_trade_is_ours() -> None:
    """10 stand at 100 when our 5 come: a sale of 3 is ours."""
    venue = bench(queue=QueueModel.FRONT)
    venue.new(1, BUY, 5, 100)
    venue.trade(SELL, 100, 3)
    assert 3 == venue.filled()


def test_back_everything_goes_before_us() -> None:
    """10 stand at 100, our 5, then 4 more: a sale of 13 gives us nothing, one of 3 more gives us 2."""
    venue = bench(queue=QueueModel.BACK)
    venue.new(1, BUY, 5, 100)
    venue.level(BUY, 100, 14)
    venue.trade(SELL, 100, 13)
    assert 0 == venue.filled()
    venue.trade(SELL, 100, 3)
    assert 2 == venue.filled()


@pytest.mark.parametrize("queue", list(QueueModel))
def test_a_trade_beyond_our_price_fills_us_in_every_model(queue: QueueModel) -> None:
    """A sale at 99 must have met our bid at 100 first: at our price."""
    venue = bench(queue=queue)
    venue.new(1, BUY, 5, 100)
    venue.trade(SELL, 99, 30)
    fills = [event for event in venue.told() if isinstance(event, OrderFill)]
    assert [(100, 5)] == [(fill.price, fill.qty) for fill in fills]


@pytest.mark.parametrize("queue", list(QueueModel))
def test_a_quote_that_crosses_us_fills_us(queue: QueueModel) -> None:
    """An ask of 3 at 100 against our bid of 5 at 101: 3 at 101."""
    venue = bench(queue=queue)
    venue.new(1, BUY, 5, 101)
    venue.quote(bid=98, ask=100, ask_qty=3)
    fills = [event for event in venue.told() if isinstance(event, OrderFill)]
    assert [(101, 3)] == [(fill.price, fill.qty) for fill in fills]


# -- replacing -----------------------------------------------------------------------------------------------------


def test_a_replace_that_only_lowers_the_quantity_keeps_its_place() -> None:
    """Ours stand first, 9 come behind; 5 become 3 at the same price: the next sale of 3 is still ours."""
    venue = bench()
    venue.new(1, BUY, 5, 101)
    venue.level(BUY, 101, 9)
    venue.send(RequestKind.REPLACE, 1, price=101, qty=3)
    _, replaced = venue.told()
    assert isinstance(replaced, OrderReplaced)
    assert ("1", 3, "AAAAAAAAA-1-2") == (replaced.venue_order_id, replaced.qty, replaced.client_id)
    venue.trade(SELL, 101, 3)
    assert 3 == venue.filled()


@pytest.mark.parametrize(("qty", "price"), [(6, 101), (5, 100)])
def test_any_other_replace_is_a_new_order_and_goes_last(qty: int, price: int) -> None:
    """More quantity, or another price: a new venue id, behind what stands there."""
    venue = bench()
    venue.new(1, BUY, 5, 101)
    venue.level(BUY, 101, 9)
    venue.send(RequestKind.REPLACE, 1, price=price, qty=qty)
    _, replaced = venue.told()
    assert isinstance(replaced, OrderReplaced)
    assert ("2", qty) == (replaced.venue_order_id, replaced.qty)
    venue.trade(SELL, price, 9)
    assert 0 == venue.filled()


def test_a_fill_that_overtakes_a_replace_adds_to_its_total() -> None:
    """2 of 5 filled while "5 at 100, none filled yet" was on its way: 5 are open again, 7 in total."""
    venue = bench()
    venue.new(1, BUY, 5, 101)
    venue.trade(SELL, 101, 2)
    venue.send(RequestKind.REPLACE, 1, price=100, qty=5)
    replaced = venue.told()[-1]
    assert isinstance(replaced, OrderReplaced)
    assert 7 == replaced.qty


def test_a_replace_whose_new_order_is_refused_is_a_cancel() -> None:
    """A post-only order replaced to a price that would trade: the old one is gone, with the reason."""
    venue = bench()
    venue.new(1, BUY, 5, 100, post_only=True)
    venue.send(RequestKind.REPLACE, 1, price=102, qty=5)
    cancelled = venue.told()[-1]
    assert isinstance(cancelled, OrderCancelled)
    assert "post-only" in cancelled.reason
    assert [] == venue.exchange.open_orders


def test_what_is_not_open_can_be_neither_cancelled_nor_replaced() -> None:
    """A filled order, one that never was, and an id that the order has no more."""
    venue = bench()
    venue.new(1, BUY, 5, 102)
    venue.told()
    venue.send(RequestKind.CANCEL, 1)
    venue.send(RequestKind.REPLACE, 2, price=100, qty=1)
    venue.new(3, BUY, 5, 100)
    venue.send(RequestKind.CANCEL, 3, target_client_id="AAAAAAAAA-3-9")
    first, second, _, third = venue.told()
    assert isinstance(first, CancelRejected)
    assert isinstance(second, ReplaceRejected)
    assert isinstance(third, CancelRejected)
    assert {"unknown_order"} == {first.code, second.code, third.code}


def test_a_replace_must_leave_something() -> None:
    """A total that the Core knew to be filled."""
    venue = bench()
    venue.new(1, BUY, 5, 101)
    venue.trade(SELL, 101, 2)
    venue.send(RequestKind.REPLACE, 1, price=100, qty=2, filled_qty=2)
    assert isinstance(venue.told()[-1], ReplaceRejected)


# -- fees, balances, refusals --------------------------------------------------------------------------------------


def test_fees_are_exact_and_come_from_what_is_received() -> None:
    """Buying 0.00010 at 1.02 as taker at 7.5 bps takes 7.5e-8 BTC; selling takes 7.5e-4 of the USDT."""
    venue = bench(taker_fee_bps="7.5")
    venue.new(1, BUY, 10, 102)
    venue.new(2, SELL, 10, 100)
    bought, sold = (event for event in venue.told() if isinstance(event, OrderFill))
    assert ("BTC", 75_000_000_000, 18) == (bought.fee_asset, bought.fee.value, bought.fee_decimals)
    assert ("USDT", 75_000_000_000, 18) == (sold.fee_asset, sold.fee.value, sold.fee_decimals)
    usdt = 10_000_000 * UNIT - 102 * 10**12 + 100 * 10**12 - 75_000_000_000
    assert (100 * UNIT - 75_000_000_000, usdt) == (venue.funds.held("BTC"), venue.funds.held("USDT"))


def test_fees_from_the_quote_asset_and_rebates() -> None:
    """A maker who gets 1 bp: a negative fee in USDT, on a purchase too; decimals as few as are exact."""
    venue = bench(maker_fee_bps="-1", fee_asset="quote")
    venue.new(1, BUY, 10, 101)
    venue.trade(SELL, 101, 10)
    (fill,) = (event for event in venue.told() if isinstance(event, OrderFill))
    assert ("USDT", -101 * 10**8, 18) == (fill.fee_asset, fill.fee.value, fill.fee_decimals)
    assert 10_000_000 * UNIT - 101 * 10**13 // 10 + 101 * 10**8 == venue.funds.held("USDT")


def test_an_order_that_is_not_covered_is_refused() -> None:
    """0.00010 at 1.00 need 0.0001 USDT: with as much it is taken, a second one is not, after a cancel it is."""
    venue = bench(balances={"BTC": 0, "USDT": UNIT // 10_000})
    venue.new(1, BUY, 10, 100)
    venue.new(2, BUY, 10, 100)
    venue.send(RequestKind.CANCEL, 1)
    venue.new(3, BUY, 10, 100)
    venue.new(4, SELL, 1, 105)
    kinds = venue.kinds()
    assert ["OrderAccepted", "OrderRejected", "OrderCancelled", "OrderAccepted", "OrderRejected"] == kinds


def test_a_fee_from_the_quote_asset_has_to_be_covered_too() -> None:
    """The price alone is not enough where the fee comes on top."""
    venue = bench(balances={"BTC": 0, "USDT": UNIT // 10_000}, fee_asset="quote")
    venue.new(1, BUY, 10, 100)
    assert ["OrderRejected"] == venue.kinds()


@pytest.mark.parametrize(
    ("changes", "fields", "code"),
    [
        ({"status": InstrumentStatus.HALTED}, {}, "not_trading"),
        ({"price_tick": 5}, {"price": 99}, "price_filter"),
        ({"qty_step": 10}, {"qty": 5}, "lot_size"),
        ({"max_open_orders": 1}, {}, "max_open_orders"),
    ],
)
def test_the_instruments_own_rules(changes: dict[str, Any], fields: dict[str, Any], code: str) -> None:
    """Each refusal by its name."""
    venue = Bench(defined=msgspec.structs.replace(DEFINED, **changes)).book(*BOOK)
    values = {"price": 95, "qty": 10, **fields}
    for order_id in (1, 2):
        venue.new(order_id, BUY, values["qty"], values["price"])
    refused = venue.told()[-1]
    assert isinstance(refused, OrderRejected)
    assert code == refused.code


# -- time and questions --------------------------------------------------------------------------------------------


def test_answers_keep_their_order_and_take_their_time() -> None:
    """Accepted, fill, balances: in this order, each ``response_latency`` after it happened."""
    venue = bench()
    venue.new(1, BUY, 5, 101)
    venue.trade(SELL, 101, 5)
    answers = list(venue.exchange.replies.answers)
    kinds = [type(event).__name__ for _, event in answers]
    assert ["OrderAccepted", "BalanceReport", "OrderFill", "BalanceReport"] == kinds
    sent_ns = venue.now_ns - 1
    assert [sent_ns + LATENCY_NS] * 2 + [sent_ns + 1 + LATENCY_NS] * 2 == [due_ns for due_ns, _ in answers]


def test_balances_say_what_is_locked() -> None:
    """0.00010 at 1.00 lock 0.0001 USDT until the order is gone."""
    venue = bench()
    venue.new(1, BUY, 10, 100)
    report = venue.exchange.replies.answers[-1][1]
    assert isinstance(report, BalanceReport)
    usdt = next(one for one in report.balances if one.asset == "USDT")
    assert (8, 10_000) == (usdt.decimals, usdt.locked.value)


def test_questions_are_answered() -> None:
    """An open, a closed and an unknown order; fills; all open ones; everything cancelled."""
    venue = bench()
    venue.new(1, BUY, 5, 102)
    venue.new(2, BUY, 5, 100)
    venue.told()
    for order_id in (1, 2, 3):
        venue.exchange.request(
            venue.now_ns,
            QueryOrder(
                scope="",
                venue="binance_spot",
                instrument=INSTRUMENT,
                order_id=order_id,
                client_id=f"AAAAAAAAA-{order_id}-1",
            ),
        )
    filled, open_, unknown = venue.told()
    assert isinstance(filled, OrderReport)
    assert isinstance(open_, OrderReport)
    assert isinstance(unknown, DispatchFailed)
    assert [OrderStatus.FILLED, OrderStatus.ACCEPTED] == [filled.status, open_.status]
    assert 5 == filled.filled_qty
    for question in (
        QueryFills(scope="", venue="binance_spot", instrument=INSTRUMENT, after=0),
        QueryOpenOrders(scope="", venue="binance_spot"),
        CancelAllAtVenue(scope="", venue="binance_spot", instrument=""),
    ):
        venue.exchange.request(venue.now_ns, question)
    reconciled, report, cancelled = venue.told()
    assert isinstance(reconciled, FillsReconciled)
    assert isinstance(report, OrderReport)
    assert isinstance(cancelled, OrderCancelled)
    assert (1, 2, 2) == (reconciled.through, report.order_id, cancelled.order_id)
