"""The venue's official client of the market streams, unmodified: every stream, and what it says of the tape."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import pytest
from binance_sdk_spot import TimeUnit

from livestack.simulator.binance_spot import VenueSettings
from tests.simulator.hosting import FREE, Hosted, hosted
from tests.simulator.official import Arrivals, assert_read, no_complaints, streams_client

pytestmark = pytest.mark.usefixtures("no_complaints")
__all__ = ["no_complaints"]

LOWER = "btcusdt"
PER_CONNECTION = 4  # of the five messages that a connection may send in a second
STREAMS: list[tuple[str, dict[str, Any], str]] = [
    ("trade", {"symbol": LOWER}, "btcusdt@trade"),
    ("agg_trade", {"symbol": LOWER}, "btcusdt@aggTrade"),
    ("book_ticker", {"symbol": LOWER}, "btcusdt@bookTicker"),
    ("diff_book_depth", {"symbol": LOWER}, "btcusdt@depth"),
    ("diff_book_depth", {"symbol": LOWER, "update_speed": "100ms"}, "btcusdt@depth@100ms"),
    ("partial_book_depth", {"symbol": LOWER, "levels": "5"}, "btcusdt@depth5"),
    (
        "partial_book_depth",
        {"symbol": LOWER, "levels": "20", "update_speed": "100ms"},
        "btcusdt@depth20@100ms",
    ),
    ("kline", {"symbol": LOWER, "interval": "1s"}, "btcusdt@kline_1s"),
    ("kline", {"symbol": LOWER, "interval": "1h"}, "btcusdt@kline_1h"),
    ("kline_offset", {"symbol": LOWER, "interval": "1d"}, "btcusdt@kline_1d@+08:00"),
    ("mini_ticker", {"symbol": LOWER}, "btcusdt@miniTicker"),
    ("ticker", {"symbol": LOWER}, "btcusdt@ticker"),
    ("rolling_window_ticker", {"symbol": LOWER, "window_size": "1h"}, "btcusdt@ticker_1h"),
    ("avg_price", {"symbol": LOWER}, "btcusdt@avgPrice"),
    ("all_mini_ticker", {}, "!miniTicker@arr"),
    ("all_market_rolling_window_ticker", {"window_size": "4h"}, "!ticker_4h@arr"),
    ("reference_price", {"symbol": LOWER}, "btcusdt@referencePrice"),
]
NULL_REFERENCE = frozenset({"r"})


@pytest.fixture(scope="module")
def venue() -> Iterator[Hosted]:
    """A lively market of three symbols."""
    with hosted(VenueSettings(symbols=3, rate=1000, limits=FREE)) as running:
        yield running


async def collect(venue: Hosted, **more: Any) -> dict[str, list[Any]]:
    """Subscribe to everything through the client, a connection for four of them, until each has said something."""
    arrivals = Arrivals()
    clients = [streams_client(venue, **more) for _ in range(0, len(STREAMS), PER_CONNECTION)]
    try:
        for client in clients:
            await client.create_connection()
        shares = [STREAMS[start : start + PER_CONNECTION] for start in range(0, len(STREAMS), PER_CONNECTION)]
        await asyncio.gather(*(listen(*both, arrivals) for both in zip(clients, shares, strict=True)))
        await arrivals.until(lambda: all(arrivals.messages.values()))
    finally:
        for client in clients:
            await client.close_connection()
    return arrivals.messages


async def listen(client: Any, streams: list[tuple[str, dict[str, Any], str]], arrivals: Arrivals) -> None:
    for name, arguments, stream in streams:
        handle = await getattr(client, name)(**arguments)
        handle.on("message", arrivals.of(stream))
    listed = await client.list_subscribe()
    assert [stream for *_, stream in streams] == listed["result"]


def test_every_stream_is_read(venue: Hosted) -> None:
    """Each message in the client's type for it, with nothing lost, and every field set."""
    first = len(venue.venue.frames)
    heard = asyncio.run(collect(venue))
    sent: dict[str, list[Any]] = {}
    for frame in venue.venue.frames[first:]:
        if "stream" in frame:
            sent.setdefault(frame["stream"], []).append(frame["data"])
    for stream, models in heard.items():
        unset = NULL_REFERENCE if stream.endswith("@referencePrice") else frozenset[str]()
        raw_messages = [
            message for whole in sent[stream] for message in (whole if isinstance(whole, list) else [whole])
        ]
        flat = [model for whole in models for model in (whole if isinstance(whole, list) else [whole])]
        assert flat
        offset = next(index for index, raw in enumerate(raw_messages) if _same(flat[0], raw))
        for model, raw in zip(flat, raw_messages[offset:], strict=False):
            assert_read(model, raw, unset, stream)


def _same(model: Any, raw: dict[str, Any]) -> bool:
    """Whether this may be the message that the model was made of: the client may have missed those before."""
    return all(
        getattr(model, name, raw.get(name)) == raw.get(name) for name in ("E", "t", "a", "u", "U", "r")
    )


def test_the_streams_agree(venue: Hosted) -> None:
    """Candles, tickers and aggregates are made of the very trades."""
    heard = asyncio.run(collect(venue))
    trades = {trade.t: trade for trade in heard["btcusdt@trade"]}
    compared = 0
    for aggregate in heard["btcusdt@aggTrade"]:
        parts = [trades.get(number) for number in range(aggregate.f, aggregate.l + 1)]
        if all(parts):
            assert {aggregate.p} == {part.p for part in parts if part is not None}
            assert aggregate.q == f"{sum(float(part.q) for part in parts if part is not None):.8f}"
            compared += 1
    assert compared
    for event in heard["btcusdt@kline_1s"]:
        assert event.k.x
        assert (event.k.t + 999, event.k.n) == (event.k.T, event.k.L - event.k.f + 1 if event.k.n else 0)
    for event in heard["btcusdt@kline_1h"]:
        assert event.k.t % 3_600_000 == 0
        assert float(event.k.l) <= float(event.k.o) <= float(event.k.h)
    ticker = heard["btcusdt@ticker"][-1]
    assert ticker.n == ticker.L - ticker.F + 1
    assert float(ticker.b) < float(ticker.a)
    arrays = [one if isinstance(one, list) else [one] for one in heard["!miniTicker@arr"]]
    assert {one.s for whole in arrays for one in whole} <= set(venue.venue.symbols)


def test_times_in_microseconds(venue: Hosted) -> None:
    """``timeUnit=MICROSECOND``: every time in a message, and no id."""

    async def whole() -> dict[str, list[Any]]:
        return await collect(venue, time_unit=TimeUnit.MICROSECOND)

    heard = asyncio.run(whole())
    now_us = time.time() * 1_000_000
    day_us = 86_400_000_000
    trade = heard["btcusdt@trade"][-1]
    assert abs(trade.E - now_us) < 30_000_000
    assert trade.T == trade.E
    assert trade.t < 10**9
    kline = heard["btcusdt@kline_1h"][-1].k
    assert abs(kline.t - now_us) < day_us
    assert abs(kline.T - now_us) < day_us
    ticker = heard["btcusdt@ticker"][-1]
    assert abs(ticker.C - now_us) < 30_000_000
    assert abs(ticker.O + day_us - now_us) < 30_000_000
    assert abs(heard["btcusdt@avgPrice"][-1].T - now_us) < 30_000_000


def test_unsubscribed_streams_are_silent(venue: Hosted) -> None:
    """After UNSUBSCRIBE the list is without the stream, and nothing of it comes any more."""

    async def scenario() -> None:
        client = streams_client(venue)
        await client.create_connection()
        try:
            arrivals = Arrivals()
            handle = await client.trade(symbol=LOWER)
            handle.on("message", arrivals.of("trade"))
            quotes = await client.book_ticker(symbol=LOWER)
            quotes.on("message", arrivals.of("quote"))
            await arrivals.until(lambda: bool(arrivals["trade"]))
            await handle.unsubscribe()
            assert ["btcusdt@bookTicker"] == (await client.list_subscribe())["result"]
            trades, quoted = len(venue.raw_stream("btcusdt@trade")), len(arrivals["quote"])
            await arrivals.until(lambda: len(arrivals["quote"]) >= quoted + 20)
            assert trades == len(venue.raw_stream("btcusdt@trade"))
        finally:
            await client.close_connection()

    asyncio.run(scenario())
