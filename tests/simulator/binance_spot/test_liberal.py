"""What clients of the venue do in more than one way: paths, encodings, places of parameters, units of time."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from livestack.simulator.binance_spot import VenueSettings
from livestack.simulator.binance_spot.instruments import TEST_SYMBOL
from tests.simulator.client import SECOND_NS, Client, sign

ORDER = {
    "symbol": "BTCUSDT",
    "side": "BUY",
    "type": "LIMIT",
    "timeInForce": "GTC",
    "price": "50000",
    "quantity": "0.002",
}


def post(client: Client, query: str, body: str, **headers: str) -> tuple[int, Any]:
    """An order over REST: ``query`` and ``body`` as they are, signed as they are."""
    signature = quote(sign(client.key, query + body), safe="")
    separator = "&" if query else ""
    status, _, content = client.venue.rest(
        "POST",
        "/api/v3/order",
        f"{query}{separator}signature={signature}",
        {"X-MBX-APIKEY": client.key.api_key, **headers},
        body.encode(),
        client.now_ns,
    )
    return status, json.loads(content)


def stamped(client: Client, **params: Any) -> str:
    return urlencode({**params, "timestamp": client.now_ns // 1_000_000})


# -- streams -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["/ws", "/ws/0", "/ws/btcusdt@bookTicker/whatever", "/stream", "/stream?streams=nobody@trade"]
)
def test_any_path_then_subscribe(path: str) -> None:
    """Whatever stands behind ``/ws``: SUBSCRIBE is answered and its stream comes."""
    client = Client()
    client.venue.open(2, "stream", path, client.now_ns)
    request_id = "879c0c9c-b4e7-40f0-8f51-9e574830276e"
    message = {"method": "SUBSCRIBE", "params": ["btcusdt@aggTrade"], "id": request_id}
    client.venue.message(2, json.dumps(message), client.now_ns)
    client.advance(5 * SECOND_NS)
    answers = [frame for _, frame in client.frames if "result" in frame]
    assert [{"result": None, "id": request_id}] == answers
    wrapped = path.startswith("/stream")
    trades = [frame.get("data", {}) if wrapped else frame for _, frame in client.frames]
    assert any(trade.get("e") == "aggTrade" for trade in trades)


def test_two_streams_in_a_raw_path() -> None:
    """``/ws/<s1>/<s2>``: both come, unwrapped."""
    client = Client()
    client.venue.open(2, "stream", "/ws/btcusdt@aggTrade/ethusdt@aggTrade", client.now_ns)
    client.advance(10 * SECOND_NS)
    assert {"BTCUSDT", "ETHUSDT"} == {frame["s"] for _, frame in client.frames}


def test_a_stream_name_that_is_not_ascii() -> None:
    """Percent-encoded in the path, raw in a message: the same stream."""
    client = Client(VenueSettings(symbols=1, test_symbol=True))
    lower = f"{TEST_SYMBOL.lower()}@aggTrade"
    client.venue.open(2, "stream", "/ws/" + quote(lower), client.now_ns)
    client.venue.open(3, "stream", "/stream?streams=" + quote(lower), client.now_ns)
    client.venue.open(4, "stream", "/ws", client.now_ns)
    client.venue.message(4, json.dumps({"method": "SUBSCRIBE", "params": [lower], "id": 1}), client.now_ns)
    client.advance(10 * SECOND_NS)
    heard = {connection for connection, frame in client.frames if "result" not in frame}
    assert {2, 3, 4} == heard
    assert TEST_SYMBOL == client.frames[-1][1].get("data", client.frames[-1][1])["s"]


# -- REST ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("change", [str.upper, str.lower])
def test_hmac_hex_in_either_case(change: Any) -> None:
    """The signature's hex digits may be in upper case."""
    client = Client()
    query = stamped(client)
    signature = change(sign(client.key, query))
    headers = {"X-MBX-APIKEY": client.key.api_key}
    answer = client.venue.rest(
        "GET", "/api/v3/account", f"{query}&signature={signature}", headers, b"", client.now_ns
    )
    assert 200 == answer[0]


def test_parameters_in_query_body_or_both() -> None:
    """All three; the payload is query and body with nothing between; the query wins."""
    client = Client()
    assert 200 == post(client, stamped(client, **ORDER), "")[0]
    assert 200 == post(client, "", stamped(client, **ORDER))[0]
    status, answer = post(client, stamped(client, price="50001"), urlencode(ORDER))
    assert (200, "50001.00000000") == (status, answer["price"])


@pytest.mark.parametrize("kind", ["hmac", "ed25519"])
def test_a_symbol_is_signed_as_it_is_sent(kind: str) -> None:
    """Percent-encoded and signed so: accepted. Signed raw but sent encoded: -1022."""
    client = Client(VenueSettings(symbols=1, test_symbol=True), kind=kind)
    order = {**ORDER, "symbol": TEST_SYMBOL, "price": "1.500", "quantity": "20"}
    status, answer = post(client, stamped(client, **order), "")
    assert (200, TEST_SYMBOL) == (status, answer["symbol"])
    encoded = stamped(client, **order)
    raw = encoded.replace(quote(TEST_SYMBOL), TEST_SYMBOL)
    assert raw != encoded
    signature = quote(sign(client.key, raw), safe="")
    headers = {"X-MBX-APIKEY": client.key.api_key}
    status, _, content = client.venue.rest(
        "POST", "/api/v3/order", f"{encoded}&signature={signature}", headers, b"", client.now_ns
    )
    assert (400, -1022) == (status, json.loads(content)["code"])


@pytest.mark.parametrize("kind", ["hmac", "ed25519"])
def test_the_websocket_api_signs_symbols_raw(kind: str) -> None:
    """The opposite of REST: raw UTF-8 accepted, percent-encoded refused."""
    client = Client(VenueSettings(symbols=1, test_symbol=True), kind=kind)
    order = {**ORDER, "symbol": TEST_SYMBOL, "price": "1.500", "quantity": "20"}
    assert TEST_SYMBOL == client.ask("order.place", **order)["result"]["symbol"]
    full = {**order, "apiKey": client.key.api_key, "timestamp": client.now_ns // 1_000_000}
    full["signature"] = sign(client.key, urlencode(sorted(full.items())))
    answer = client.send(json.dumps({"id": 1, "method": "order.place", "params": full}))
    assert -1022 == answer["error"]["code"]


@pytest.mark.parametrize(
    ("window", "behind_us", "code"),
    [
        ("5000", 5_000_000, 0),
        ("5000", 5_001_000, -1021),
        ("6000.346", 6_000_346, 0),
        ("6000.346", 6_000_347, -1021),
    ],
)
def test_recv_window_with_decimals(window: str, behind_us: int, code: int) -> None:
    """Up to three decimals of a millisecond, against a timestamp in microseconds."""
    client = Client()
    stamp = client.now_ns // 1000 - behind_us
    status, answer = post(client, urlencode({**ORDER, "recvWindow": window, "timestamp": stamp}), "")
    assert code == answer.get("code", 0)
    assert (200 if not code else 400) == status


@pytest.mark.parametrize("window", ["60000.001", "70000", "abc", "1.1234", "-1"])
def test_recv_windows_that_cannot_be(window: str) -> None:
    """Larger than a minute, or no number with at most three decimals: refused, each with a code of its own."""
    client = Client()
    status, answer = post(client, urlencode({**ORDER, "recvWindow": window}) + "&" + stamped(client), "")
    assert (400, True) == (status, answer["code"] in (-1100, -1131))


def test_time_unit_header() -> None:
    """``X-MBX-TIME-UNIT: MICROSECOND``: every time of an answer, and nothing else; another word is -1194."""
    client = Client()
    now_us = client.now_ns // 1000
    _, plain = post(client, stamped(client, **ORDER), "")
    status, order = post(client, stamped(client, **ORDER), "", **{"X-MBX-TIME-UNIT": "MICROSECOND"})
    assert (200, now_us, now_us) == (status, order["transactTime"], order["workingTime"])
    changed = {name for name, value in order.items() if value != plain[name]}
    assert {"transactTime", "workingTime", "orderId", "clientOrderId"} == changed
    status, answer = post(client, stamped(client, **ORDER), "", **{"x-mbx-time-unit": "NANOSECOND"})
    assert (400, -1194) == (status, answer["code"])
    client.advance(5 * SECOND_NS)
    for path, index in (("klines", 0), ("klines", 6)):
        query = "symbol=BTCUSDT&interval=1m"
        _, _, body = client.venue.rest(
            "GET", f"/api/v3/{path}", query, {"X-MBX-TIME-UNIT": "microsecond"}, b"", client.now_ns
        )
        assert abs(json.loads(body)[-1][index] - now_us) < 120_000_000


def test_unknown_paths_and_methods() -> None:
    """The venue's own errors, as JSON."""
    client = Client()
    status, _, answer = client.rest("GET", "nothing/like/it")
    assert (404, -5000) == (status, answer["code"])
    assert "Path /api/v3/nothing/like/it, Method GET is invalid" == answer["msg"]
    status, _, answer = client.rest("DELETE", "ping")
    assert (404, -5000) == (status, answer["code"])
    answer = client.ask("nothing.like.it", signed=False)
    assert (400, -1130) == (answer["status"], answer["error"]["code"])
    assert 200 == client.ask("v3/ping", signed=False)["status"]


def test_price_filter_is_first() -> None:
    """Clients of the venue look at ``filters[0]`` for the tick."""
    client = Client(VenueSettings(symbols=20, test_symbol=True))
    _, _, info = client.rest("GET", "exchangeInfo")
    assert {"PRICE_FILTER"} == {symbol["filters"][0]["filterType"] for symbol in info["symbols"]}
    assert TEST_SYMBOL in {symbol["symbol"] for symbol in info["symbols"]}


def test_strategy_types_below_a_million_are_the_venues() -> None:
    """-1130; from there on strategy id and type come back."""
    client = Client()
    assert -1130 == client.limit("BUY", "50000", "0.002", strategyType=999_999)["error"]["code"]
    result = client.limit("BUY", "50000", "0.002", strategyId=3, strategyType=1_000_000)["result"]
    assert (3, 1_000_000) == (result["strategyId"], result["strategyType"])
