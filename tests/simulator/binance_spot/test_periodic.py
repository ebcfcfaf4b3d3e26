"""Streams that tell a state every second: candles that close, arrays of what changed."""

from __future__ import annotations

from livestack.simulator.binance_spot import VenueSettings
from tests.simulator.client import SECOND_NS, Client


def test_a_candle_is_closed_once() -> None:
    """Every other second the running candle; when its minute is over once more with ``x`` true, and never again."""
    client = Client(VenueSettings(symbols=1, rate=20))
    client.venue.open(2, "stream", "/ws/btcusdt@kline_1m", client.now_ns)
    client.advance(185 * SECOND_NS)
    candles = [frame["k"] for _, frame in client.frames]
    closed = [candle["t"] for candle in candles if candle["x"]]
    assert 3 == len(closed) == len(set(closed))
    for start in closed:
        last = [candle for candle in candles if candle["t"] == start][-1]
        assert last["x"]
        _, _, rows = client.rest("GET", "klines", symbol="BTCUSDT", interval="1m", startTime=start, limit=1)
        assert (rows[0][4], rows[0][8]) == (last["c"], last["n"])


def test_arrays_hold_only_what_traded() -> None:
    """``!miniTicker@arr``: a symbol is told in the second after it traded, by its newest price."""
    client = Client(VenueSettings(symbols=20, rate=20))
    client.venue.open(2, "stream", "/ws/!miniTicker@arr", client.now_ns)
    client.advance(20 * SECOND_NS)
    arrays = [frame for _, frame in client.frames]
    assert arrays
    told: dict[str, str] = {}
    for array in arrays:
        assert 0 < len(array) < 20
        told.update({ticker["s"]: ticker["c"] for ticker in array})
    for symbol, price in told.items():
        listing = client.venue.exchange.listings[symbol]
        before = [
            trade for trade in listing.feed.history.recent if trade.time_ns <= array[0]["E"] * 1_000_000
        ]
        assert before[-1].price == round(float(price) * 10**8)


def test_streams_of_no_kind_are_silent() -> None:
    """Unknown intervals, windows, symbols and the retired ``!ticker@arr``: subscribed, never delivered."""
    names = (
        "btcusdt@kline_7m",
        "btcusdt@ticker_2h",
        "nobody@ticker",
        "!ticker@arr",
        "!miniTicker@x",
        "!ticker_9h@arr",
    )
    client = Client(VenueSettings(symbols=1, rate=100))
    client.venue.open(2, "stream", "/ws/" + "/".join(names), client.now_ns)
    client.advance(5 * SECOND_NS)
    assert [] == client.frames


def test_arrays_of_other_names() -> None:
    """``!miniTicker@arr@3000ms``: every third second."""
    client = Client(VenueSettings(symbols=3, rate=200))
    client.venue.open(2, "stream", "/ws/!miniTicker@arr@3000ms", client.now_ns)
    client.advance(10 * SECOND_NS)
    moments = {array[0]["E"] for _, array in client.frames}
    assert 3 <= len(moments) <= 4
    assert {0} == {moment // 1000 % 3 for moment in moments}
