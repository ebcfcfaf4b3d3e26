"""The venue's official client over REST, unmodified: orders, and what becomes of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from binance_sdk_spot import BadRequestError, ClientError, TooManyRequestsError

from livestack.simulator.binance_spot import VenueSettings
from livestack.simulator.binance_spot.instruments import TEST_SYMBOL
from livestack.simulator.binance_spot.limits import LimitSizes
from livestack.simulator.binance_spot.numbers import SCALE
from tests.simulator.hosting import FREE, Hosted, hosted
from tests.simulator.official import OF_ACK, OF_ORDERS, ask, no_complaints, refused, rest_client

pytestmark = pytest.mark.usefixtures("no_complaints")
__all__ = ["no_complaints"]

BTC = "BTCUSDT"
TRADES_WANTED = 50
BUY_LIMIT = {"symbol": BTC, "side": "BUY", "type": "LIMIT", "time_in_force": "GTC"}
BELOW, QUANTITY = 50_000, 0.002
NO_FILLS = frozenset({"fills"})


@pytest.fixture(scope="module")
def venue() -> Iterator[Hosted]:
    """One venue for all: three symbols and the one with the name that is not ASCII, some trades in each."""
    with hosted(VenueSettings(symbols=3, rate=2000, test_symbol=True, limits=FREE)) as running:
        running.venue.until(lambda: min(map(running.venue.traded, (BTC, TEST_SYMBOL))) >= TRADES_WANTED)
        yield running


@pytest.fixture
def client(venue: Hosted) -> Any:
    return rest_client(venue)


def placed(venue: Hosted, client: Any, **arguments: Any) -> Any:
    """A limit order far from the market."""
    full = {**BUY_LIMIT, "price": BELOW, "quantity": QUANTITY, **arguments}
    return ask(venue, client, "new_order", **full)


def test_order_test(venue: Hosted, client: Any) -> None:
    """Nothing is placed; with ``computeCommissionRates`` the rates come back."""
    empty = frozenset({"standardCommissionForOrder", "specialCommissionForOrder", "taxCommissionForOrder"})
    before = len(venue.venue.orders)
    ask(venue, client, "order_test", empty | {"discount"}, **BUY_LIMIT, price=BELOW, quantity=QUANTITY)
    rates = ask(
        venue,
        client,
        "order_test",
        symbol=BTC,
        side="SELL",
        type="MARKET",
        quantity=1,
        compute_commission_rates=True,
    )
    assert "0.00100000" == rates.standard_commission_for_order.maker
    assert before == len(venue.venue.orders)


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        ({"type": "LIMIT", "time_in_force": "GTC", "price": BELOW}, "NEW"),
        ({"type": "LIMIT", "time_in_force": "IOC", "price": BELOW}, "EXPIRED"),
        ({"type": "LIMIT", "time_in_force": "FOK", "price": BELOW}, "EXPIRED"),
        ({"type": "LIMIT", "time_in_force": "IOC", "price": 80_000}, "FILLED"),
        ({"type": "LIMIT_MAKER", "price": BELOW}, "NEW"),
        ({"type": "MARKET"}, "FILLED"),
        ({"type": "STOP_LOSS", "stop_price": 80_000}, "NEW"),
        ({"type": "STOP_LOSS_LIMIT", "time_in_force": "GTC", "stop_price": 80_000, "price": 80_000}, "NEW"),
        ({"type": "TAKE_PROFIT", "stop_price": 40_000}, "NEW"),
        ({"type": "TAKE_PROFIT_LIMIT", "time_in_force": "GTC", "stop_price": 40_000, "price": 40_000}, "NEW"),
    ],
)
def test_every_order_type(venue: Hosted, client: Any, arguments: dict[str, Any], status: str) -> None:
    """ACK, RESULT and FULL of each, and the same order by its id afterwards."""
    order = {"symbol": BTC, "side": "BUY", "quantity": QUANTITY, "strategy_id": 7, "strategy_type": 1_000_000}
    for form, unset in (("ACK", OF_ACK), ("RESULT", NO_FILLS), ("FULL", frozenset[str]())):
        answer = ask(venue, client, "new_order", unset, **order, **arguments, new_order_resp_type=form)
        known = ask(venue, client, "get_order", OF_ORDERS, symbol=BTC, order_id=answer.order_id)
        assert (status, answer.client_order_id, 7) == (known.status, known.client_order_id, known.strategy_id)
        assert ("expiryReason" in venue.raw()) is (status == "EXPIRED")
        if form == "FULL":
            assert known.executed_qty == f"{sum(float(fill.qty) for fill in answer.fills):.8f}"
    if status == "NEW":
        client.delete_open_orders(symbol=BTC)


def test_market_order_over_an_amount(venue: Hosted, client: Any) -> None:
    """``quoteOrderQty``: the fills stay within it; each is among ``myTrades``."""
    answer = ask(venue, client, "new_order", symbol=BTC, side="BUY", type="MARKET", quote_order_qty=250)
    assert 200 < float(answer.cummulative_quote_qty) <= 250
    trades = ask(venue, client, "my_trades", symbol=BTC, order_id=answer.order_id)
    assert [fill.trade_id for fill in answer.fills] == [trade.id for trade in trades]
    assert [fill.commission for fill in answer.fills] == [trade.commission for trade in trades]
    assert not any(trade.is_maker for trade in trades)


def test_order_in_a_symbol_that_is_not_ascii(venue: Hosted, client: Any) -> None:
    """Signed percent-encoded, as REST wants it; told again by its own name."""
    answer = ask(venue, client, "new_order", symbol=TEST_SYMBOL, side="BUY", type="MARKET", quantity=10)
    assert TEST_SYMBOL == answer.symbol
    assert TEST_SYMBOL == ask(venue, client, "my_trades", symbol=TEST_SYMBOL)[-1].symbol


def test_refusals(venue: Hosted, client: Any) -> None:
    """The client's own error, with the venue's code and text."""
    order = {**BUY_LIMIT, "quantity": QUANTITY}
    assert "Filter failure: PRICE_FILTER" == refused(-1013, client, "new_order", **order, price=0.001)
    assert "Filter failure: NOTIONAL" == refused(
        -1013, client, "new_order", **{**order, "quantity": 0.0001}, price=20_000
    )
    refused(-1111, client, "new_order", **order, price="50000.123456789")
    refused(-1116, client, "new_order", **{**order, "type": "GUESS"}, price=BELOW)
    refused(-1100, client, "new_order", **order, price="5e4")
    maker = {"symbol": BTC, "side": "BUY", "type": "LIMIT_MAKER", "quantity": QUANTITY, "price": 80_000}
    assert "Order would immediately match and take." == refused(-2010, client, "new_order", **maker)
    stop = {"symbol": BTC, "side": "BUY", "type": "STOP_LOSS", "quantity": QUANTITY, "stop_price": 20_000}
    assert "Order would trigger immediately." == refused(-2010, client, "new_order", **stop)
    poor = {**BUY_LIMIT, "symbol": "ETHBTC", "side": "SELL", "price": 0.04, "quantity": 3700}
    with hosted(VenueSettings(symbols=3, limits=FREE)) as other:
        other.venue.account.balance("ETH").free = 3_000 * SCALE
        text = refused(-2010, rest_client(other), "new_order", **poor)
    assert "Account has insufficient balance for requested action." == text
    assert "Order does not exist." == refused(-2013, client, "get_order", symbol=BTC, order_id=1)
    assert "Unknown order sent." == refused(-2011, client, "delete_order", symbol=BTC, order_id=1)
    twice = placed(venue, client, new_client_order_id="twice")
    assert "Duplicate order sent." == refused(
        -2010, client, "new_order", **order, price=BELOW, new_client_order_id="twice"
    )
    refused(-2039, client, "get_order", symbol=BTC, order_id=twice.order_id, orig_client_order_id="other")
    client.delete_open_orders(symbol=BTC)


def test_queries_and_cancels(venue: Hosted, client: Any) -> None:
    """Open and all orders; a cancel renames; the mass cancel names each."""
    first, second = placed(venue, client), placed(venue, client, symbol="ETHUSDT", price=2000, quantity=1)
    both = {order.order_id for order in ask(venue, client, "get_open_orders", OF_ORDERS)}
    assert {first.order_id, second.order_id} <= both
    assert 1 == len(ask(venue, client, "get_open_orders", OF_ORDERS, symbol=BTC))
    cancelled = ask(
        venue,
        client,
        "delete_order",
        OF_ORDERS,
        symbol=BTC,
        order_id=first.order_id,
        new_client_order_id="the-cancel",
    )
    assert ("the-cancel", first.client_order_id, "CANCELED") == (
        cancelled.client_order_id,
        cancelled.orig_client_order_id,
        cancelled.status,
    )
    answer = client.delete_open_orders(symbol="ETHUSDT").data()
    assert [second.order_id] == [one.order_id for one in answer]
    everything = ask(venue, client, "all_orders", OF_ORDERS, symbol=BTC)
    assert ("the-cancel", "CANCELED") == (everything[-1].client_order_id, everything[-1].status)


def test_amend_keeps_the_order(venue: Hosted, client: Any) -> None:
    """Less is the same order; ``order/amendments`` remembers; more is refused."""
    order = placed(venue, client)
    amended = ask(
        venue,
        client,
        "order_amend_keep_priority",
        OF_ORDERS,
        symbol=BTC,
        order_id=order.order_id,
        new_qty=0.001,
    )
    assert (order.order_id, "0.00100000") == (amended.amended_order.order_id, amended.amended_order.qty)
    (kept,) = ask(venue, client, "order_amendments", symbol=BTC, order_id=order.order_id)
    assert (amended.execution_id, "0.00200000", "0.00100000") == (
        kept.execution_id,
        kept.orig_qty,
        kept.new_qty,
    )
    assert (order.client_order_id, amended.amended_order.client_order_id) == (
        kept.orig_client_order_id,
        kept.new_client_order_id,
    )
    text = refused(-2038, client, "order_amend_keep_priority", symbol=BTC, order_id=order.order_id, new_qty=1)
    assert "Order amend (quantity increase) is not supported." == text
    client.delete_open_orders(symbol=BTC)


def test_prevented_matches() -> None:
    """Two orders of one account that would meet: no trade, and both sides' loss is told."""
    with hosted(VenueSettings(symbols=1, rate=1)) as venue:
        client = rest_client(venue)
        price = round(float(client.ticker_book_ticker(symbol=BTC).data().actual_instance.ask_price) - 0.01, 2)
        resting = placed(venue, client, side="SELL", price=price, quantity=0.001)
        taking = ask(
            venue,
            client,
            "new_order",
            **{**BUY_LIMIT, "price": price, "quantity": 0.003, "self_trade_prevention_mode": "DECREMENT"},
        )
        assert ("NEW", "0.00000000") == (taking.status, taking.executed_qty)
        (match,) = ask(venue, client, "my_prevented_matches", symbol=BTC, order_id=resting.order_id)
        assert (taking.order_id, resting.order_id, "DECREMENT", "0.00100000") == (
            match.taker_order_id,
            match.maker_order_id,
            match.self_trade_prevention_mode,
            match.maker_prevented_quantity,
        )
        expired = ask(venue, client, "get_order", OF_ORDERS, symbol=BTC, order_id=resting.order_id)
        assert ("EXPIRED_IN_MATCH", match.prevented_match_id) == (expired.status, expired.prevented_match_id)


REPLACE = {**BUY_LIMIT, "quantity": 0.001, "cancel_replace_mode": "STOP_ON_FAILURE"}


def test_cancel_replace_that_succeeds(venue: Hosted, client: Any) -> None:
    """Both halves are told in the client's types."""
    order = placed(venue, client)
    both = ask(
        venue,
        client,
        "order_cancel_replace",
        OF_ORDERS,
        **REPLACE,
        price=BELOW,
        cancel_order_id=order.order_id,
    )
    assert ("SUCCESS", "SUCCESS") == (both.cancel_result, both.new_order_result)
    assert order.client_order_id == both.cancel_response.orig_client_order_id
    assert "NEW" == both.new_order_response.status
    client.delete_open_orders(symbol=BTC)


@pytest.mark.parametrize(
    ("mode", "there", "price", "code", "cancel", "new", "new_code"),
    [
        ("STOP_ON_FAILURE", False, BELOW, -2022, "FAILURE", "NOT_ATTEMPTED", None),
        ("ALLOW_FAILURE", False, 80_000, -2022, "FAILURE", "FAILURE", -2010),
        ("STOP_ON_FAILURE", True, 80_000, -2021, "SUCCESS", "FAILURE", -2010),
        ("ALLOW_FAILURE", False, BELOW, -2021, "FAILURE", "SUCCESS", None),
    ],
)
def test_cancel_replace_that_fails(
    venue: Hosted,
    client: Any,
    mode: str,
    there: bool,
    price: int,
    code: int,
    cancel: str,
    new: str,
    new_code: int | None,
) -> None:
    """Every other row of the outcome table; what the client raises carries the venue's text (409: no code)."""
    order_id = placed(venue, client).order_id if there else 1
    maker = {"symbol": BTC, "side": "BUY", "type": "LIMIT_MAKER", "quantity": 0.001}
    with pytest.raises((BadRequestError, ClientError)):
        client.order_cancel_replace(**maker, cancel_replace_mode=mode, price=price, cancel_order_id=order_id)
    raw = venue.raw()
    assert (code, cancel, new) == (raw["code"], raw["data"]["cancelResult"], raw["data"]["newOrderResult"])
    assert new_code == (raw["data"]["newOrderResponse"] or {}).get("code")
    assert ("code" in raw["data"]["cancelResponse"]) is (cancel == "FAILURE")
    if new == "SUCCESS":
        client.delete_open_orders(symbol=BTC)


@pytest.mark.parametrize(("mode", "code"), [("DO_NOTHING", -1015), ("CANCEL_ONLY", -2021)])
def test_cancel_replace_over_the_order_limit(mode: str, code: int) -> None:
    """429: nothing happens, or only the cancel does."""
    with hosted(VenueSettings(symbols=1, limits=LimitSizes(6000, 1, 1, 1000))) as venue:
        client = rest_client(venue)
        order = placed(venue, client)
        with pytest.raises(TooManyRequestsError) as caught:
            client.order_cancel_replace(
                **REPLACE, price=BELOW, cancel_order_id=order.order_id, order_rate_limit_exceeded_mode=mode
            )
        assert code == caught.value.status_code
        assert (mode == "DO_NOTHING") is bool(venue.venue.open_orders)
        assert -1015 == (venue.raw().get("data", {}).get("newOrderResponse") or venue.raw())["code"]
