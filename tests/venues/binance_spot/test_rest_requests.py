"""Requests over REST: signed as they are sent, read as replies of the WebSocket API; golden vectors of venues.md."""

from __future__ import annotations

import json
from urllib.parse import parse_qsl

import pytest

from livestack.venues.adapter import Credentials, Fetched
from livestack.venues.binance_spot.outcomes import Verdict, verdict
from livestack.venues.binance_spot.private_messages import OrderResult
from livestack.venues.binance_spot.rest_requests import RestRequests, query_of, read_answer, wait_ns
from livestack.venues.binance_spot.routes import ORDERS, QUESTIONS
from livestack.venues.binance_spot.signing import make_signer
from tests.venues.binance_spot.test_signing import KEY, PEM, SECRET

ASCII_QUERY = (
    "symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1"
    "&recvWindow=5000&timestamp=1499827319559"
)
UNICODE_QUERY = ASCII_QUERY.replace("LTCBTC", "%EF%BC%91%EF%BC%92%EF%BC%93%EF%BC%94%EF%BC%95%EF%BC%96")
TERMS = {"side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "1", "price": "0.1"}


def order_query(kind: str, secret: str, symbol: str) -> str:
    requests = RestRequests(KEY, make_signer(Credentials(KEY, kind, secret)))
    fetch = requests.signed(
        1, ORDERS["order.place"], {"symbol": symbol, **TERMS}, 1499827319559, "order.place"
    )
    assert ("POST", "/api/v3/order", (("X-MBX-APIKEY", KEY),)) == (fetch.method, fetch.path, fetch.headers)
    return fetch.query


@pytest.mark.parametrize(
    ("symbol", "query", "signature"),
    [
        ("LTCBTC", ASCII_QUERY, "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71"),
        ("１２３４５６", UNICODE_QUERY, "e1353ec6b14d888f1164ae9af8228a3dbd508bc82eb867db8ab6046442f33ef3"),
    ],
)
def test_hmac_vectors(symbol: str, query: str, signature: str) -> None:
    """The percent-encoded query is what is signed, and what is sent, with the signature last."""
    assert f"{query}&signature={signature}" == order_query("hmac", SECRET, symbol)


def test_ed25519_vector() -> None:
    """Base64, percent-encoded behind the query that it signs."""
    signature = "WfzGnDebxAC6/SQQ8IgxO2A8zV0I3v3OTWs0IkFAqkrVzaUtwtzJI7VQf3QCKbPbYawE7LohsWhJm55b7ZPBAQ=="
    query, _, sent = order_query("ed25519", PEM, "LTCBTC").partition("&signature=")
    assert (ASCII_QUERY, signature) == (query, dict(parse_qsl(f"s={sent}"))["s"])
    assert not set("/+=") & set(sent)


def test_a_list_is_json_in_the_query() -> None:
    """``symbols`` of several: JSON, percent-encoded."""
    assert "symbols=%5B%22A%22%2C%22B%22%5D&limit=1" == query_of({"symbols": ["A", "B"], "limit": 1})


def test_a_question_that_needs_no_key_has_none() -> None:
    """Neither header nor signature on what is public."""
    requests = RestRequests(KEY, make_signer(Credentials(KEY, "hmac", SECRET)))
    fetch = requests.plain(4, QUESTIONS["time"], {}, "time")
    assert ("GET", "/api/v3/time", "", ()) == (fetch.method, fetch.path, fetch.query, fetch.headers)


def fetched(status: int, body: bytes, *headers: tuple[str, str], error: str = "") -> Fetched:
    return Fetched(1, status, headers, body, error, 5, 9)


def test_an_answer_reads_as_a_reply() -> None:
    """The body is the result; of an error, code, text and data."""
    reply = read_answer(fetched(200, b'{"symbol":"A","orderId":7}'))
    assert (True, 7, 9) == (reply.is_ok, reply.read(OrderResult).venue_order_id, reply.recv_ns)
    body = {"code": -2022, "msg": "Order cancel-replace failed.", "data": {"cancelResult": "FAILURE"}}
    reply = read_answer(fetched(400, json.dumps(body).encode()))
    assert (400, -2022, "Order cancel-replace failed.") == (reply.status, reply.code, reply.text)
    assert {"cancelResult": "FAILURE"} == json.loads(bytes(reply.error))


@pytest.mark.parametrize(
    "answer",
    [
        fetched(0, b"", error="timed out"),
        fetched(200, b"<html>"),
        fetched(200, b""),
        fetched(403, b"<html>blocked</html>"),
        fetched(400, b"[1]"),
        fetched(400, b"\xff\xfe"),
        fetched(502, b"<html>bad gateway</html>"),
        fetched(503, b'{"code":-1008,"msg":"Server is overloaded"}'),
        fetched(400, b'{"code":-1007,"msg":"Timeout"}'),
        fetched(200, b"[" * 100_000),
    ],
    ids=lambda one: f"{one.status} {one.body[:12]!r}",
)
def test_what_is_not_the_venue_s_certain_word_leaves_it_unknown(answer: Fetched) -> None:
    """No crash, no guess, whoever in between it comes from."""
    assert Verdict.UNKNOWN is verdict(read_answer(answer))


def test_silence_is_in_seconds_here() -> None:
    """``Retry-After`` of 429 and 418, in JSON or not; of nothing else."""
    header = ("Retry-After", "7")
    assert 7_000_000_000 == wait_ns(fetched(429, b"<html>", header))
    assert 7_000_000_000 == wait_ns(fetched(418, b"{}", header))
    assert 60_000_000_000 == wait_ns(fetched(418, b"{}"))
    assert 0 == wait_ns(fetched(503, b"{}", header))


@pytest.mark.parametrize("status", [200, 400])
@pytest.mark.parametrize("body", [b'{"orderId":1,"fills":[{"price":"1.5"}]}', b'[{"orderId":12},{}]'])
def test_an_answer_that_is_cut_anywhere_is_none(status: int, body: bytes) -> None:
    """One without a length ends where the connection does: only what is whole says what became of a request."""
    assert {0} == {read_answer(fetched(status, body[:size])).status for size in range(len(body))}
