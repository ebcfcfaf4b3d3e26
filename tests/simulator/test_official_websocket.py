"""The venue's official client of the WebSocket API, unmodified: sessions, orders, the user data stream."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from binance_sdk_spot import TimeUnit

from livestack.simulator.binance_spot import VenueSettings
from livestack.simulator.binance_spot.instruments import TEST_SYMBOL
from tests.simulator.hosting import FREE, Hosted, hosted
from tests.simulator.official import (
    OF_CANCELLED,
    OF_INFO,
    OF_ORDERS,
    OF_REPORTS,
    Arrivals,
    assert_read,
    no_complaints,
    websocket_client,
)

pytestmark = [
    pytest.mark.usefixtures("no_complaints"),
    # The client gives its timeout in a way that its own transport is about to give up.
    pytest.mark.filterwarnings("ignore:parameter 'timeout' of type 'float':DeprecationWarning"),
]
__all__ = ["no_complaints"]

BTC = "BTCUSDT"
BUY_LIMIT = {
    "symbol": BTC,
    "side": "BUY",
    "type": "LIMIT",
    "time_in_force": "GTC",
    "price": 50_000,
    "quantity": 0.002,
}
TRADES_WANTED = 50
# This version of the client reads these two as if they came without the envelope.
WITHOUT_ENVELOPE = frozenset({"exchange_info", "my_filters"})
ids = itertools.count(1)


@pytest.fixture(scope="module")
def venue() -> Iterator[Hosted]:
    """One venue for all, with a second of trades."""
    with hosted(VenueSettings(symbols=3, rate=2000, test_symbol=True, limits=FREE)) as running:
        running.venue.until(lambda: running.venue.traded(BTC) >= TRADES_WANTED)
        yield running


class Session:
    """One connection of the official client, and what the user data stream told it."""

    def __init__(self, venue: Hosted, api: Any) -> None:
        self.venue = venue
        self.api = api
        self.arrivals = Arrivals()
        self._first_raw = len(venue.venue.frames)

    async def ask(self, name: str, unset: frozenset[str] = frozenset(), **arguments: Any) -> Any:
        """One request; what came is what was sent. Returns the result."""
        request_id = f"request-{next(ids)}"
        response = await getattr(self.api, name)(id=request_id, **arguments)
        if name.startswith("user_data_stream_subscribe"):
            response.stream.on("message", self.arrivals.of("user"))
            response = response.response
        raw = self.venue.raw_answer(request_id)
        assert 200 == raw["status"], raw
        model = response.data()
        model = getattr(model, "actual_instance", None) or model
        if name in WITHOUT_ENVELOPE:
            return raw["result"]
        assert request_id == model.id
        assert_read(model.result, raw["result"], unset, name)
        assert ["REQUEST_WEIGHT"] == [limit.rateLimitType for limit in response.rate_limits][-1:]
        return model.result

    async def refused(self, code: int, name: str, **arguments: Any) -> dict[str, Any]:
        """The error where the venue refuses with that code."""
        response = await getattr(self.api, name)(id=f"request-{next(ids)}", **arguments)
        error: dict[str, Any] = response.data()["error"]
        assert code == error["code"]
        return error

    async def told(self, count: int) -> list[Any]:
        """The first ``count`` user events, as soon as they are there."""
        events = self.arrivals["user"]
        await self.arrivals.until(lambda: len(events) >= count)
        return [event.actual_instance for event in events]

    def raw_events(self) -> list[dict[str, Any]]:
        """The same as they were sent."""
        frames = self.venue.venue.frames[self._first_raw :]
        return [frame["event"] for frame in frames if "subscriptionId" in frame]


@asynccontextmanager
async def connected(venue: Hosted, kind: str, **more: Any) -> AsyncIterator[Session]:
    api = websocket_client(venue, kind, **more)
    await api.create_connection()
    try:
        yield Session(venue, api)
    finally:
        await api.close_connection()


def run(venue: Hosted, kind: str, scenario: Callable[[Session], Awaitable[None]], **more: Any) -> None:
    async def whole() -> None:
        async with connected(venue, kind, **more) as session:
            await scenario(session)

    asyncio.run(whole())


def test_session_of_an_ed25519_key(venue: Hosted) -> None:
    """Log on, subscribe, order without a signature, log out; the subscription ends with the session."""

    async def scenario(session: Session) -> None:
        opened = await session.ask("session_logon")
        assert (venue.venue.key("ed25519").api_key, False) == (opened.api_key, opened.user_data_stream)
        await session.ask("user_data_stream_subscribe")
        assert (await session.ask("session_status")).user_data_stream
        assert 1 == len(await session.ask("session_subscriptions"))
        order = await session.ask("order_place", OF_ORDERS, **BUY_LIMIT)
        report = (await session.told(1))[0]
        assert (order.order_id, "NEW") == (report.i, report.x)
        await session.ask("open_orders_cancel_all", OF_CANCELLED, symbol=BTC)
        count = len(await session.told(4))
        await session.ask("session_logout", frozenset({"apiKey", "authorizedSince"}))
        assert "EventStreamTerminated" == type((await session.told(count + 1))[-1]).__name__

    run(venue, "ed25519", scenario)


def test_hmac_keys_sign_every_request(venue: Hosted) -> None:
    """No log-on for them; a signed subscription, and unsubscribing from it."""

    async def scenario(session: Session) -> None:
        await session.refused(-4056, "session_logon")
        subscription = await session.ask("user_data_stream_subscribe_signature")
        order = await session.ask("order_place", OF_ORDERS, **BUY_LIMIT)
        await session.ask("order_cancel", OF_CANCELLED, symbol=BTC, order_id=order.order_id)
        reports = [event for event in await session.told(4) if type(event).__name__ == "ExecutionReport"]
        assert ["NEW", "CANCELED"] == [report.x for report in reports]
        await session.ask("user_data_stream_unsubscribe", subscription_id=subscription.subscription_id)
        assert "EventStreamTerminated" == type((await session.told(5))[-1]).__name__

    run(venue, "hmac", scenario)


def test_market_requests(venue: Hosted) -> None:
    """Everything that needs no key, in the client's types."""

    async def scenario(session: Session) -> None:
        await session.ask("ping")
        assert abs((await session.ask("time")).server_time - time.time() * 1000) < 5000
        assert 4 == len((await session.ask("exchange_info", OF_INFO))["symbols"])
        assert 2 == len((await session.ask("exchange_info", OF_INFO, symbols=[BTC, TEST_SYMBOL]))["symbols"])
        for name in (
            "depth",
            "trades_recent",
            "trades_historical",
            "trades_aggregate",
            "avg_price",
            "ticker_price",
        ):
            await session.ask(name, symbol=BTC)
        for name in ("ticker24hr", "ticker_trading_day", "ticker", "ticker_book"):
            await session.ask(name, symbol=BTC)
            await session.ask(name, symbols=[BTC, "ETHUSDT"])
        for name in ("klines", "ui_klines"):
            assert 12 == len((await session.ask(name, symbol=BTC, interval="1m"))[0])
        assert [] == (await session.ask("execution_rules", symbol=BTC)).symbol_rules
        await session.refused(-2043, "reference_price", symbol=BTC)
        await session.refused(-1121, "depth", symbol="NOBODY")

    run(venue, "hmac", scenario)


@pytest.mark.parametrize("kind", ["hmac", "ed25519"])
def test_orders(venue: Hosted, kind: str) -> None:
    """Place, ask, amend, replace, cancel, ask about the account: the same as over REST."""

    async def scenario(session: Session) -> None:
        if kind == "ed25519":
            await session.ask("session_logon")
        order = await session.ask("order_place", OF_ORDERS, **BUY_LIMIT)
        named = {"symbol": BTC, "order_id": order.order_id}
        assert "NEW" == (await session.ask("order_status", OF_ORDERS, **named)).status
        amended = await session.ask("order_amend_keep_priority", OF_ORDERS, **named, new_qty=0.001)
        (kept,) = await session.ask("order_amendments", **named)
        assert amended.execution_id == kept.execution_id
        replace = {**BUY_LIMIT, "cancel_replace_mode": "STOP_ON_FAILURE", "cancel_order_id": order.order_id}
        both = await session.ask("order_cancel_replace", OF_ORDERS, **replace)
        assert ("SUCCESS", "SUCCESS") == (both.cancel_result, both.new_order_result)
        error = await session.refused(-2022, "order_cancel_replace", **replace)
        assert ("FAILURE", "NOT_ATTEMPTED", -2011) == (
            error["data"]["cancelResult"],
            error["data"]["newOrderResult"],
            error["data"]["cancelResponse"]["code"],
        )
        partly = await session.refused(
            -2021, "order_cancel_replace", **{**replace, "cancel_replace_mode": "ALLOW_FAILURE"}
        )
        assert "SUCCESS" == partly["data"]["newOrderResult"]
        assert 2 == len(await session.ask("open_orders_status", OF_ORDERS, symbol=BTC))
        assert 2 == len(await session.ask("open_orders_cancel_all", OF_CANCELLED, symbol=BTC))
        filled = await session.ask(
            "order_place", OF_ORDERS, symbol=BTC, side="BUY", type="MARKET", quantity=0.002
        )
        trades = await session.ask("my_trades", symbol=BTC, order_id=filled.order_id)
        assert [fill.trade_id for fill in filled.fills] == [trade.id for trade in trades]
        await session.ask("all_orders", OF_ORDERS, symbol=BTC)
        await session.ask(
            "order_test", symbol=BTC, side="BUY", type="MARKET", quantity=1, compute_commission_rates=True
        )
        for name in (
            "account_status",
            "account_rate_limits_orders",
            "all_order_lists",
            "open_order_lists_status",
        ):
            await session.ask(name)
        for name in ("account_commission", "my_filters", "my_allocations"):
            await session.ask(name, symbol=BTC)
        await session.ask("my_prevented_matches", symbol=BTC, order_id=filled.order_id)
        oco = {"quantity": 1, "above_type": "LIMIT_MAKER", "below_type": "STOP_LOSS"}
        await session.refused(-1013, "order_list_place_oco", symbol=BTC, side="SELL", **oco)
        await session.refused(-2011, "order_cancel", symbol=BTC, order_id=1)
        await session.refused(
            -2010, "order_place", symbol=BTC, side="BUY", type="LIMIT_MAKER", price=80_000, quantity=1
        )

    run(venue, kind, scenario)


def test_symbol_that_is_not_ascii(venue: Hosted) -> None:
    """Taken in a session; signed by the client percent-encoded, as for REST: -1022, as the real venue would say."""
    order = {"symbol": TEST_SYMBOL, "side": "BUY", "type": "MARKET", "quantity": 10}

    async def vouched(session: Session) -> None:
        await session.ask("session_logon")
        assert TEST_SYMBOL == (await session.ask("order_place", OF_ORDERS, **order)).symbol

    async def signed(session: Session) -> None:
        await session.refused(-1022, "order_place", **order)

    run(venue, "ed25519", vouched)
    run(venue, "hmac", signed)


def test_every_event_is_read(venue: Hosted) -> None:
    """Reports of a life with everything in it, and balances: each event in the client's types, in the order sent."""

    async def scenario(session: Session) -> None:
        await session.ask("session_logon")
        await session.ask("user_data_stream_subscribe")
        strategy = {"strategy_id": 7, "strategy_type": 1_000_000}
        order = await session.ask("order_place", OF_ORDERS, **BUY_LIMIT, **strategy)
        await session.ask(
            "order_amend_keep_priority", OF_ORDERS, symbol=BTC, order_id=order.order_id, new_qty=0.001
        )
        await session.ask("order_cancel", OF_CANCELLED, symbol=BTC, order_id=order.order_id)
        await session.ask("order_place", OF_ORDERS, **{**BUY_LIMIT, "time_in_force": "IOC"})
        await session.ask("order_place", OF_ORDERS, symbol=BTC, side="SELL", type="MARKET", quantity=0.002)
        events = session.arrivals["user"]
        await session.arrivals.until(
            lambda: (
                getattr(events[-1].actual_instance, "B", None) is not None
                and any(getattr(event.actual_instance, "X", "") == "FILLED" for event in events)
            )
        )
        models = await session.told(len(session.raw_events()))
        for model, raw in zip(models, session.raw_events(), strict=True):
            assert_read(model, raw, OF_REPORTS, raw["e"])
        reports = [model for model in models if type(model).__name__ == "ExecutionReport"]
        ends = ["NEW", "REPLACED", "CANCELED", "NEW", "EXPIRED", "NEW"]
        assert ends == [report.x for report in reports][:6]
        assert (7, 1_000_000) == (reports[0].j, reports[0].J)
        assert "UNFILLED_IOC_QUANTITY_EXPIRED" == reports[4].eR
        positions = [model for model in models if type(model).__name__ == "OutboundAccountPosition"]
        assert positions
        fills = [report for report in reports if report.x == "TRADE"]
        assert {True} == {float(fill.n) > 0 and fill.N == "USDT" for fill in fills}

    run(venue, "ed25519", scenario)


def test_times_in_microseconds(venue: Hosted) -> None:
    """``timeUnit=MICROSECOND`` in the URL: answers and events."""

    async def scenario(session: Session) -> None:
        now_us = time.time() * 1_000_000
        assert abs((await session.ask("time")).server_time - now_us) < 5_000_000
        await session.ask("user_data_stream_subscribe_signature")
        order = await session.ask("order_place", OF_ORDERS, **BUY_LIMIT)
        assert abs(order.transact_time - now_us) < 10_000_000
        report = (await session.told(1))[0]
        assert abs(report.E - now_us) < 10_000_000
        assert report.T == report.O == order.working_time
        await session.ask("open_orders_cancel_all", OF_CANCELLED, symbol=BTC)

    run(venue, "hmac", scenario, time_unit=TimeUnit.MICROSECOND)


def test_without_rate_limits(venue: Hosted) -> None:
    """``returnRateLimits`` false: answers come without them."""

    async def scenario(session: Session) -> None:
        await session.api.time(id="plain")
        assert {"id", "status", "result"} == set(venue.raw_answer("plain"))

    run(venue, "hmac", scenario, return_rate_limits=False)
