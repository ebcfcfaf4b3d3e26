"""Candles and tickers as they are asked for: what is named, what is refused, what it weighs."""

from __future__ import annotations

from typing import Any

import pytest

from livestack.simulator.binance_spot import VenueSettings
from livestack.simulator.binance_spot.operations import BY_METHOD
from livestack.simulator.binance_spot.params import Params
from tests.simulator.client import SECOND_NS, START_NS, Client

BEGIN_MS = START_NS // 60_000_000_000 * 60_000


@pytest.fixture(scope="module")
def client() -> Client:
    """Five minutes of a market."""
    client = Client(VenueSettings(symbols=3, rate=50))
    client.advance(300 * SECOND_NS)
    return client


@pytest.mark.parametrize(
    ("arguments", "starts"),
    [
        ({"limit": 2}, [240, 300]),
        ({"startTime": BEGIN_MS + 60_000, "limit": 2}, [60, 120]),
        ({"startTime": (BEGIN_MS + 60_000) * 1000, "limit": 1}, [60]),
        ({"endTime": BEGIN_MS + 130_000, "limit": 2}, [60, 120]),
        ({"startTime": BEGIN_MS + 60_000, "endTime": BEGIN_MS + 120_000}, [60, 120]),
        ({"startTime": BEGIN_MS + 900_000}, []),
    ],
)
def test_which_candles(client: Client, arguments: dict[str, Any], starts: list[int]) -> None:
    """From the start where one is named, otherwise the last ones; times in either unit."""
    _, _, rows = client.rest("GET", "klines", symbol="BTCUSDT", interval="1m", **arguments)
    assert [BEGIN_MS + seconds * 1000 for seconds in starts] == [row[0] for row in rows]


@pytest.mark.parametrize(
    ("path", "arguments", "code"),
    [
        ("klines", {"symbol": "BTCUSDT"}, -1102),
        ("klines", {"symbol": "BTCUSDT", "interval": "2m"}, -1120),
        ("klines", {"symbol": "NOBODY", "interval": "1m"}, -1121),
        ("klines", {"symbol": "BTCUSDT", "interval": "1m", "startTime": 9, "endTime": 8}, -1023),
        ("klines", {"symbol": "BTCUSDT", "interval": "1m", "limit": 0}, -1130),
        ("klines", {"symbol": "BTCUSDT", "interval": "1m", "timeZone": "+15"}, -1130),
        ("ticker", {}, -1102),
        ("ticker", {"symbol": "BTCUSDT", "windowSize": "8d"}, -1130),
        ("ticker", {"symbol": "BTCUSDT", "type": "TINY"}, -1130),
        ("ticker/tradingDay", {}, -1102),
        ("ticker/24hr", {"symbol": "BTCUSDT", "symbols": '["ETHUSDT"]'}, -1128),
        ("ticker/24hr", {"symbol": "BTCUSDT", "symbolStatus": "HALT"}, -1220),
        ("ticker/24hr", {"symbol": "BTCUSDT", "guess": 1}, -1104),
    ],
)
def test_refusals(client: Client, path: str, arguments: dict[str, Any], code: int) -> None:
    """Each with the venue's code."""
    status, _, answer = client.rest("GET", path, **arguments)
    assert (400, code) == (status, answer["code"])


def test_a_status_filters_an_array(client: Client) -> None:
    """All that trade; none that are halted."""
    assert 3 == len(client.rest("GET", "ticker/24hr", symbolStatus="TRADING")[2])
    assert [] == client.rest("GET", "ticker/24hr", symbolStatus="HALT")[2]


@pytest.mark.parametrize(
    ("method", "arguments", "weight"),
    [
        ("klines", {"symbol": "BTCUSDT"}, 2),
        ("ticker.24hr", {"symbol": "BTCUSDT"}, 2),
        ("ticker.24hr", {}, 80),
        ("ticker.24hr", {"symbols": "[" + ",".join(f'"S{n}"' for n in range(21)) + "]"}, 40),
        ("ticker", {"symbol": "BTCUSDT"}, 4),
        ("ticker", {"symbols": "[" + ",".join(f'"S{n}"' for n in range(99)) + "]"}, 200),
    ],
)
def test_weights(method: str, arguments: dict[str, str], weight: int) -> None:
    """By the number of symbols, up to the venue's cap."""
    assert weight == BY_METHOD[method].weight_of(Params(arguments))


def test_windows_begin_where_they_say(client: Client) -> None:
    """Two minutes hold less than an hour, whose trades are all there are; a trading day is the calendar's."""
    short = client.rest("GET", "ticker", symbol="BTCUSDT", windowSize="2m")[2]
    long = client.rest("GET", "ticker", symbol="BTCUSDT", windowSize="1h")[2]
    assert 0 < short["count"] < long["count"] == client.venue.exchange.listings["BTCUSDT"].feed.history.trades
    assert 60_000 <= short["closeTime"] - short["openTime"] <= 120_000
    day = client.rest("GET", "ticker/tradingDay", symbol="BTCUSDT", timeZone="5:45")[2]
    assert 0 == (day["openTime"] + (5 * 60 + 45) * 60_000) % 86_400_000
    assert 86_399_999 == day["closeTime"] - day["openTime"]
