"""The whole venue on virtual time: lifecycles, conservation, determinism, a public market that agrees with itself."""

from __future__ import annotations

import hashlib
import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from livestack.simulator.binance_spot import VenueSettings
from livestack.simulator.binance_spot.limits import LimitSizes
from livestack.simulator.binance_spot.numbers import SCALE
from livestack.simulator.binance_spot.venue import BALANCE
from tests.simulator.client import SECOND_NS, START_NS, Book, Client

FREE = LimitSizes(10**9, 10**9, 10**9, 10**9)


def test_same_seed_same_frames() -> None:
    """The same seed and the same calls give the same frames; another seed gives others."""

    def run(seed: int) -> str:
        client = Client(seed=seed)
        client.venue.open(2, "stream", "/stream?streams=btcusdt@depth@100ms/ethbtc@trade", client.now_ns)
        client.subscribe()
        client.limit("BUY", "59900.00", "0.01")
        client.advance(5 * SECOND_NS)
        return hashlib.sha256(repr((client.frames, client.events)).encode()).hexdigest()

    assert run(3) == run(3)
    assert run(3) != run(4)


def test_public_market_agrees_with_itself() -> None:
    """Diffs on a snapshot give bookTicker's best prices and REST's book; ids are contiguous; never crossed."""
    client = Client(VenueSettings(symbols=3, rate=2000))
    symbols = ("btcusdt", "ethusdt", "ethbtc")
    names = "/".join(f"{symbol}@{kind}" for symbol in symbols for kind in ("depth@100ms", "bookTicker"))
    client.venue.open(2, "stream", f"/stream?streams={names}", client.now_ns)
    client.advance(SECOND_NS // 3)
    books = {symbol: Book() for symbol in symbols}
    for symbol, book in books.items():
        assert book.snapshot(client.rest("GET", "depth", symbol=symbol.upper(), limit=5000)[2])
    client.advance(3 * SECOND_NS)
    tickers: dict[str, list[Any]] = {symbol: [] for symbol in symbols}
    compared = 0
    for _, frame in client.frames:
        symbol, _, kind = frame["stream"].partition("@")
        if kind == "bookTicker":
            tickers[symbol].append(frame["data"])
        elif books[symbol].diff(frame["data"]):
            known = [one for one in tickers[symbol] if one["u"] <= frame["data"]["u"]]
            assert books[symbol].best() == tuple(known[-1][key] for key in "bBaA")
            compared += 1
    assert compared > 80
    client.advance(SECOND_NS // 10)
    for connection, frame in client.frames[-20:]:
        assert connection == 2
        if frame["stream"].endswith("100ms"):
            books[frame["stream"].partition("@")[0]].diff(frame["data"])


def test_own_orders_are_public_in_a_synthetic_market() -> None:
    """An order that rests shows in the book, and its trade in the trade stream."""
    client = Client(VenueSettings(rate=1))
    _, ask = client.best()
    price = str(Decimal(ask) - Decimal("0.01"))
    assert client.limit("SELL", price, "0.01", newOrderRespType="ACK")["status"] == 200
    _, _, ticker = client.rest("GET", "ticker/bookTicker", symbol="BTCUSDT")
    assert (f"{Decimal(price):.8f}", "0.01000000") == (ticker["askPrice"], ticker["askQty"])
    client.place(type="MARKET", quantity="0.004", selfTradePreventionMode="NONE")
    _, _, trades = client.rest("GET", "trades", symbol="BTCUSDT")
    assert ("0.00400000", False) == (trades[-1]["qty"], trades[-1]["isBuyerMaker"])


def test_resting_orders_fill_from_the_market() -> None:
    """A quote at the touch is met by the market's own orders; the reports tell it as maker."""
    client = Client(VenueSettings(symbols=1, rate=2000))
    client.subscribe()
    for side, price in zip(("BUY", "SELL"), client.best(), strict=True):
        client.limit(side, price, "0.001")
    client.advance(20 * SECOND_NS)
    trades = [event for event in client.events if event.get("x") == "TRADE"]
    assert trades
    assert all(event["m"] for event in trades)
    assert {fill.client_id for fill in client.venue.fills} == {event["c"] for event in trades}


@settings(max_examples=30)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(
                ["limit", "maker", "ioc", "fok", "market", "budget", "stop", "cancel", "amend", "wait"]
            ),
            st.sampled_from(["BUY", "SELL"]),
            st.integers(-400, 400),
            st.integers(1, 200),
            st.sampled_from(["NONE", "EXPIRE_MAKER", "EXPIRE_TAKER", "EXPIRE_BOTH", "DECREMENT"]),
        ),
        max_size=40,
    ),
    st.integers(0, 1000),
)
def test_nothing_is_created_or_lost(operations: list[tuple[str, str, int, int, str]], seed: int) -> None:
    """Whatever is done: balances are what the fills made of them, locked is what open orders need, reports agree."""
    client = Client(VenueSettings(symbols=1, rate=400, limits=FREE), seed=seed)
    client.subscribe()
    for kind, side, offset, lots, stp in operations:
        _act(client, kind, side, offset, lots, stp)
        client.collect()
    base = quote = fees_base = fees_quote = 0
    for fill in client.venue.fills:
        sign = 1 if fill.side == 0 else -1
        base += sign * fill.qty
        quote -= sign * fill.quote_qty
        fees_base += fill.commission if sign == 1 else 0
        fees_quote += fill.commission if sign == -1 else 0
        assert fill.quote_qty * SCALE == fill.price * fill.qty
    account = client.venue.account
    btc, usdt = account.balance("BTC"), account.balance("USDT")
    assert BALANCE + base - fees_base == btc.free + btc.locked
    assert BALANCE + quote - fees_quote == usdt.free + usdt.locked
    opened = client.venue.open_orders
    assert sum(order.remaining for order in opened if order.side == 1) == btc.locked
    assert usdt.locked == sum(
        (order.price or order.stop_price) * order.remaining // SCALE for order in opened if order.side == 0
    )
    _assert_reports_agree(client)


def _act(client: Client, kind: str, side: str, offset: int, lots: int, stp: str) -> None:
    bid, ask = (Decimal(price) for price in client.best())
    price = (bid if side == "BUY" else ask) + Decimal(offset) / 100
    quantity = f"{Decimal(lots) / 1000:.5f}"
    own = client.venue.open_orders
    common = {"side": side, "selfTradePreventionMode": stp}
    if kind in ("limit", "ioc", "fok"):
        tif = {"limit": "GTC", "ioc": "IOC", "fok": "FOK"}[kind]
        client.place(timeInForce=tif, price=f"{price:.2f}", quantity=quantity, **common)
    elif kind == "maker":
        client.place(type="LIMIT_MAKER", price=f"{price:.2f}", quantity=quantity, **common)
    elif kind == "market":
        client.place(type="MARKET", quantity=quantity, **common)
    elif kind == "budget":
        client.place(type="MARKET", quoteOrderQty=str(lots * 7), **common)
    elif kind == "stop":
        name = ("STOP_LOSS", "STOP_LOSS_LIMIT", "TAKE_PROFIT", "TAKE_PROFIT_LIMIT")[lots % 4]
        more = {"timeInForce": "GTC", "price": f"{price:.2f}"} if name.endswith("LIMIT") else {}
        client.place(type=name, quantity=quantity, stopPrice=f"{price:.2f}", **common, **more)
    elif kind == "wait":
        client.advance(lots * 10_000_000)
    elif own and kind == "cancel":
        client.ask("order.cancel", symbol="BTCUSDT", orderId=own[lots % len(own)].order_id)
    elif own:
        order = own[lots % len(own)]
        smaller = f"{Decimal(max(order.qty // 2000, 1)) * 1000 / SCALE:.5f}"
        client.ask("order.amend.keepPriority", symbol="BTCUSDT", orderId=order.order_id, newQty=smaller)


def _assert_reports_agree(client: Client) -> None:
    """Each order's last report is its state; its TRADE reports are its fills; execution ids only grow."""
    last: dict[int, dict[str, Any]] = {}
    reports = [event for event in client.events if event["e"] == "executionReport"]
    assert [report["I"] for report in reports] == sorted({report["I"] for report in reports})
    for report in reports:
        last[report["i"]] = report
    for order in client.venue.orders:
        report = last[order.order_id]
        assert (order.status, f"{Decimal(order.executed) / SCALE:.8f}") == (report["X"], report["z"])
    assert [fill.trade_id for fill in client.venue.fills] == [r["t"] for r in reports if r["x"] == "TRADE"]


def test_connection_ends_after_its_life() -> None:
    """The venue hangs up after a day, whoever is there."""
    client = Client(VenueSettings(symbols=1, rate=1, connection_life_ns=5 * SECOND_NS))
    client.venue.open(2, "stream", "/ws/btcusdt@trade", client.now_ns)
    client.advance(4 * SECOND_NS)
    assert [] == client.venue.hang_ups()
    client.advance(2 * SECOND_NS)
    assert {1, 2} == {connection for connection, _, _ in client.venue.hang_ups()}


@pytest.mark.parametrize("reports_first", [False, True])
def test_answer_and_reports_come_in_either_order(reports_first: bool) -> None:
    """An order's reports may be made to precede its answer: the venue promises neither."""
    client = Client(VenueSettings(rate=1, reports_first=reports_first))
    client.subscribe()
    order = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC"}
    order |= {"price": "50000", "quantity": "0.01"}
    request = {"id": 9, "method": "order.place", "params": client.signed(order)}
    client.venue.message(1, json.dumps(request), client.now_ns)
    kinds = ["answer" if '"status"' in text else "event" for _, text in client.venue.drain()]
    assert (["event", "event", "answer"] if reports_first else ["answer", "event", "event"]) == kinds


def test_requests_are_logged() -> None:
    """Every order request with a good signature is in the log, refused ones with their code."""
    client = Client(VenueSettings(rate=1))
    client.limit("BUY", "50000", "0.01", newClientOrderId="one")
    client.limit("BUY", "50000", "0.000001", newClientOrderId="two")
    client.ask("order.cancel", symbol="BTCUSDT", origClientOrderId="one", newClientOrderId="three")
    client.ask("openOrders.status", symbol="BTCUSDT")
    seen = [(one.kind, one.client_id, one.target, one.code) for one in client.venue.log]
    expected = [
        ("order.place", "one", "", 0),
        ("order.place", "two", "", -1013),
        ("order.cancel", "three", "one", 0),
    ]
    assert expected == seen
    assert {START_NS} == {one.time_ns for one in client.venue.log}
