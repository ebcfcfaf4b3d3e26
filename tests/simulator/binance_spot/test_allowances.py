"""What the venue allows, counted exactly: weight, orders, connections, messages, streams; what too much earns."""

from __future__ import annotations

from typing import Any

import pytest

from livestack.simulator.binance_spot import VenueSettings, make_keys
from livestack.simulator.binance_spot.limits import Attempts, LimitSizes, Window
from tests.simulator.client import SECOND_NS, Client

MINUTE_NS = 60 * SECOND_NS


def made(**limits: int) -> Client:
    return Client(VenueSettings(symbols=1, rate=1, limits=LimitSizes(**limits)))


def weight(client: Client) -> int:
    return int(client.rest("GET", "ping")[1]["X-MBX-USED-WEIGHT-1M"])


@pytest.mark.parametrize(
    ("path", "params", "cost"),
    [
        ("time", {}, 1),
        ("exchangeInfo", {}, 20),
        ("depth", {"symbol": "BTCUSDT", "limit": 100}, 5),
        ("depth", {"symbol": "BTCUSDT", "limit": 500}, 25),
        ("depth", {"symbol": "BTCUSDT", "limit": 1000}, 50),
        ("depth", {"symbol": "BTCUSDT", "limit": 5000}, 250),
        ("trades", {"symbol": "BTCUSDT"}, 25),
        ("ticker/bookTicker", {"symbol": "BTCUSDT"}, 2),
        ("ticker/bookTicker", {}, 4),
    ],
)
def test_what_a_public_request_weighs(path: str, params: dict[str, Any], cost: int) -> None:
    """The table of the venue; the ping that reads it weighs one itself."""
    client = made()
    before = weight(client)
    client.rest("GET", path, **params)
    assert before + cost + 1 == weight(client)


def test_both_ways_in_share_an_address() -> None:
    """A connection weighs two, a subscription two, an order that is accepted nothing, one that is refused one."""
    client = made()
    assert 2 + 1 == weight(client)
    client.subscribe()
    assert 3 + 2 + 1 == weight(client)
    assert 200 == client.limit("BUY", "50000", "0.01")["status"]
    assert 6 + 1 == weight(client)
    assert 400 == client.limit("BUY", "50000", "0.0000001")["status"]
    assert 7 + 1 + 1 == weight(client)
    client.ask("account.status")
    assert 9 + 20 + 1 == weight(client)


def test_too_much_weight_is_held_against_the_client() -> None:
    """429 with Retry-After to the end of the minute; ignored often enough 418; both are counted, the peak is told."""
    client = made(weight_per_minute=30)
    status = [client.rest("GET", "exchangeInfo")[0] for _ in range(3)]
    assert [200, 429, 429] == status
    _, headers, _ = client.rest("GET", "exchangeInfo")
    assert int(headers["Retry-After"]) == -(-(MINUTE_NS - client.now_ns % MINUTE_NS) // SECOND_NS)
    for _ in range(10):
        client.rest("GET", "exchangeInfo")
    assert 418 == client.rest("GET", "ping")[0]
    assert {"429", "418"} == set(client.venue.violations)
    assert 22 == client.venue.busiest["REQUEST_WEIGHT 1M"]


def test_too_many_orders_are_held_against_the_client() -> None:
    """-1015, counted; a fill gives an order back."""
    client = made(orders_per_10_seconds=2)
    for _ in range(2):
        assert 200 == client.limit("BUY", "50000", "0.01")["status"]
    assert -1015 == client.limit("BUY", "50000", "0.01")["error"]["code"]
    assert ({"-1015": 1}, 2) == (client.venue.violations, client.venue.busiest["ORDERS 10S"])


def test_raw_requests_are_limited() -> None:
    """Whatever they weigh."""
    client = made(raw_requests_per_5_minutes=5)
    assert [200] * 5 + [429] == [client.rest("GET", "ping")[0] for _ in range(6)]


def test_more_than_five_messages_a_second_are_hung_up_on() -> None:
    """Pongs count; it is counted once."""
    client = made()
    client.venue.open(2, "stream", "/ws/btcusdt@trade", client.now_ns)
    for _ in range(4):
        client.venue.pong(2, client.now_ns)
    client.venue.message(2, '{"method":"LIST_SUBSCRIPTIONS","id":1}', client.now_ns)
    assert [] == client.venue.hang_ups()
    client.venue.message(2, '{"method":"LIST_SUBSCRIPTIONS","id":2}', client.now_ns)
    assert [2] == [connection for connection, _, _ in client.venue.hang_ups()]
    assert {"messages": 1} == client.venue.violations


def test_more_than_1024_streams_are_refused() -> None:
    """On a connection; streams that it has already are not counted twice."""
    client = made()
    client.venue.open(2, "stream", "/ws", client.now_ns)

    def subscribe(first: int, last: int) -> dict[str, Any]:
        names = [f"s{number}@trade" for number in range(first, last)]
        client.venue.message(2, client.text({"method": "SUBSCRIBE", "params": names, "id": 1}), client.now_ns)
        client.collect()
        return client.frames[-1][1]

    assert {"result": None, "id": 1} == subscribe(0, 1024)
    assert {"result": None, "id": 1} == subscribe(0, 10)
    assert 2 == subscribe(1024, 1025)["code"]
    assert {"streams": 1} == client.venue.violations


def test_300_connections_in_five_minutes() -> None:
    """One more is refused with 429, and counts as well; five minutes later there is room."""
    client = made()
    admitted = [client.venue.admit("stream", client.now_ns + number) for number in range(302)]
    assert [101] * 300 + [429] * 2 == admitted
    assert {"connections": 2} == client.venue.violations
    client.wait(5 * MINUTE_NS + 1000)
    assert 101 == client.venue.admit("ws_api", client.now_ns)


def test_attempts_are_those_of_any_five_minutes() -> None:
    """Not of windows by the clock."""
    attempts = Attempts(2)
    assert [True, True, False] == [attempts.add(now * MINUTE_NS) for now in (4, 4, 6)]
    assert attempts.add(12 * MINUTE_NS)


def test_a_window_survives_a_clock_that_goes_back_a_little() -> None:
    """The window before the present one is not opened again; one long ago is a new one."""
    window = Window("REQUEST_WEIGHT", "MINUTE", 1, 100)
    window.add(7, 10 * MINUTE_NS)
    assert 7 == window.at(10 * MINUTE_NS - SECOND_NS)
    assert 0 == window.at(5 * MINUTE_NS)
    assert 7 == window.peak


def test_what_a_key_may_do() -> None:
    """As the wallet tells it, weight one, signed; the test network does not know the question."""
    path = "/sapi/v1/account/apiRestrictions"
    client = made()
    before = weight(client)
    told = client.rest("GET", path, signed=True)[2]
    assert before + 1 + 1 == weight(client)
    assert {
        "enableReading": True,
        "enableWithdrawals": False,
        "enableSpotAndMarginTrading": True,
    }.items() <= told.items()
    client.key = next(key for key in client.venue.keys if key.withdraw)
    assert client.rest("GET", path, signed=True)[2]["enableWithdrawals"]
    assert -2014 == client.rest("GET", path)[2]["code"]
    testnet = Client(VenueSettings(symbols=1, rate=1, sapi=False))
    assert 404 == testnet.rest("GET", path, signed=True)[0]


def test_the_first_keys_are_those_that_may_trade_only() -> None:
    """One of each kind, then the one that nobody should accept."""
    keys = make_keys(3)
    assert [("hmac", False), ("ed25519", False), ("hmac", True)] == [(key.kind, key.withdraw) for key in keys]
    assert 3 == len({key.api_key for key in keys})
