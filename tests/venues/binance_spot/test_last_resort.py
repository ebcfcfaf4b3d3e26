"""The last resort over REST: what is signed and how, and what every kind of answer means."""

from __future__ import annotations

import json
from typing import Any

import pytest

from livestack.venues.adapter import Credentials, Fetched, OpenOrder, Setback
from livestack.venues.binance_spot.last_resort import BinanceLastResort
from tests.venues.binance_spot.test_signing import KEY, PEM, SECRET

RESORT = BinanceLastResort(Credentials(KEY, "hmac", SECRET))
ORDER = {
    "symbol": "BTCUSDT",
    "orderId": 7,
    "clientOrderId": "abc",
    "price": "30000.00000000",
    "origQty": "0.01000000",
    "executedQty": "0.00400000",
    "status": "PARTIALLY_FILLED",
    "side": "SELL",
}


def answer(content: Any, status: int = 200, headers: tuple[tuple[str, str], ...] = ()) -> Fetched:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return Fetched(0, status, headers, body, "", 0, 0)


def refusal(code: int, text: str = "said", status: int = 400) -> Fetched:
    return answer({"code": code, "msg": text}, status)


def test_requests_look_or_reduce() -> None:
    """The whole account without a symbol, a cancel with its own, percent-encoded and signed as it is sent."""
    fetch = RESORT.open_orders(1_499_827_319_559)
    assert ("GET", "/api/v3/openOrders") == (fetch.method, fetch.path)
    assert fetch.query.startswith("recvWindow=5000&timestamp=1499827319559&signature=")
    assert (("X-MBX-APIKEY", KEY),) == fetch.headers
    fetch = RESORT.cancel_all("这是测试币456", 1_499_827_319_559)
    assert ("DELETE", "/api/v3/openOrders") == (fetch.method, fetch.path)
    signed, _, signature = fetch.query.rpartition("&signature=")
    assert "symbol=%E8%BF%99" in signed
    assert RESORT._signer.sign(signed) == signature
    fetch = RESORT.time()
    assert ("GET", "/api/v3/time", "", ()) == (fetch.method, fetch.path, fetch.query, fetch.headers)


def test_an_ed25519_signature_is_fit_for_a_url() -> None:
    """Base64 has signs that mean something else in a query."""
    fetch = BinanceLastResort(Credentials(KEY, "ed25519", PEM)).open_orders(1)
    signature = fetch.query.rpartition("&signature=")[2]
    assert signature.endswith("%3D%3D")
    assert set() == set("+/=") & set(signature)


def test_a_key_that_cannot_be_is_refused() -> None:
    """Without showing it."""
    with pytest.raises(ValueError, match="not a PKCS#8") as caught:
        BinanceLastResort(Credentials(KEY, "ed25519", "geheim"))
    assert "geheim" not in str(caught.value)


def test_open_orders_as_the_venue_prints_them() -> None:
    """Its own texts, exactly; none is an answer too."""
    assert () == RESORT.read_open_orders(answer([]))
    expected = OpenOrder("BTCUSDT", "SELL", "30000.00000000", "0.01000000", "0.00400000", "abc", "7")
    assert (expected,) == RESORT.read_open_orders(answer([ORDER]))


def test_cancelled_orders_are_counted() -> None:
    """Those of a list one by one; that nothing was open is no setback."""
    orders = {"symbol": "BTCUSDT", "orderListId": 1, "orderReports": [ORDER, ORDER]}
    assert 3 == RESORT.read_cancelled(answer([ORDER, orders]))
    assert 0 == RESORT.read_cancelled(refusal(-2011, "Unknown order sent."))


def test_the_venue_tells_its_time() -> None:
    """In milliseconds."""
    assert 123 == RESORT.read_time(answer({"serverTime": 123}))


@pytest.mark.parametrize("status", [429, 418])
def test_a_venue_that_wants_silence_gets_it(status: int) -> None:
    """``Retry-After`` is in seconds; without it a minute."""
    told = RESORT.read_cancelled(answer({"code": -1003, "msg": "m"}, status, (("Retry-After", "7"),)))
    assert isinstance(told, Setback)
    assert 7_000_000_000 == told.wait_ns
    told = RESORT.read_open_orders(answer(b"<html>", status))
    assert isinstance(told, Setback)
    assert 60_000_000_000 == told.wait_ns


def test_what_helps_is_said() -> None:
    """A wrong clock can be measured again, a wrong key cannot."""
    told = RESORT.read_open_orders(refusal(-1021))
    assert Setback("HTTP status 400: said (-1021)", is_clock=True) == told
    told = RESORT.read_cancelled(refusal(-2015, status=401))
    assert Setback("HTTP status 401: said (-2015)", is_refused=True) == told


@pytest.mark.parametrize("read", [RESORT.read_time, RESORT.read_open_orders, RESORT.read_cancelled])
def test_what_is_no_answer_is_a_setback(read: Any) -> None:
    """No connection, a broken venue, a firewall, nonsense: a sentence each, never an exception."""
    lost = Fetched(0, 0, (), b"", "Connection refused", 0, 0)
    assert "no answer: Connection refused" == read(lost).text
    assert "HTTP status 503: no reason given" == read(answer(b"<html>", 503)).text
    assert "HTTP status 403: no reason given" == read(answer(b"", 403)).text
    for nonsense in (b"", b"{", b"[1]", b'{"serverTime":-1}', b'[{"orderId":"x"}]'):
        assert "cannot be read" in read(answer(nonsense)).text
