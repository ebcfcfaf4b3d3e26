"""Signatures as the venue checks them: the published vectors, and what must not pass."""

from __future__ import annotations

import pytest

from livestack.simulator.binance_spot.signing import ApiKey, make_keys, rest_payload, websocket_payload
from tests.simulator.client import Client, sign

SECRET = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"
API_KEY = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A"
HMAC = ApiKey("docs", "hmac", API_KEY, SECRET)
ED25519 = ApiKey(
    "docs",
    "ed25519",
    API_KEY,
    "-----BEGIN PRIVATE KEY-----\n"
    "MC4CAQAwBQYDK2VwBCIEIIJEYWtGBrhACmb9Dvy+qa8WEf0lQOl1s4CLIAB9m89u\n"
    "-----END PRIVATE KEY-----\n",
)
REST = "symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1&recvWindow=5000&timestamp=1499827319559"
WS = (
    f"apiKey={API_KEY}&price=52000.00&quantity=0.01000000&recvWindow=100&side=SELL&symbol=BTCUSDT&timeInForce=GTC"
    "&timestamp=1645423376532&type=LIMIT"
)
WS_UNICODE = (
    f"apiKey={API_KEY}&price=0.10000000&quantity=1.00000000&recvWindow=5000&side=BUY&symbol=１２３４５６&timeInForce=GTC"
    "&timestamp=1645423376532&type=LIMIT"
)


@pytest.mark.parametrize(
    ("payload", "signature"),
    [
        (REST, "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71"),
        (
            REST.replace("LTCBTC", "%EF%BC%91%EF%BC%92%EF%BC%93%EF%BC%94%EF%BC%95%EF%BC%96"),
            "e1353ec6b14d888f1164ae9af8228a3dbd508bc82eb867db8ab6046442f33ef3",
        ),
        (WS, "aa1b5712c094bc4e57c05a1a5c1fd8d88dcd628338ea863fec7b88e59fe2db24"),
        (WS_UNICODE, "b33892ae8e687c939f4468c6268ddd4c40ac1af18ad19a064864c47bae0752cd"),
    ],
)
def test_published_hmac_vectors(payload: str, signature: str) -> None:
    """In lower and upper case, and not one character otherwise."""
    assert HMAC.verifies(payload, signature)
    assert HMAC.verifies(payload, signature.upper())
    assert not HMAC.verifies(payload + " ", signature)
    assert not HMAC.verifies(payload, signature[:-1] + ("0" if signature[-1] != "0" else "1"))


@pytest.mark.parametrize(
    ("payload", "signature"),
    [
        (REST, "WfzGnDebxAC6/SQQ8IgxO2A8zV0I3v3OTWs0IkFAqkrVzaUtwtzJI7VQf3QCKbPbYawE7LohsWhJm55b7ZPBAQ=="),
        (WS, "4uzyWT4sbxdrYDNhDFKVBzUlK70Dhzn+0JlWdDwy9UHLkIsHhFzntwxGYCH3Bc5ltBqibkFFsIXuem9+4MU2Bw=="),
    ],
)
def test_ed25519_vectors(payload: str, signature: str) -> None:
    """Base 64, and exact."""
    assert ED25519.verifies(payload, signature)
    assert not ED25519.verifies(payload + "x", signature)
    assert not ED25519.verifies(payload, "not base64!")


def test_what_is_signed_differs_by_interface() -> None:
    """REST: query and body one behind the other, without the signature; WebSocket: sorted by name, raw."""
    assert "a=1b=2" == rest_payload("a=1&signature=x", "b=2")
    assert "apiKey=k&b=２&c=3" == websocket_payload({"c": "3", "apiKey": "k", "signature": "x", "b": "２"})


def test_keys_come_from_the_seed_and_are_never_shown() -> None:
    """The same seed, the same keys; no secret in a text form."""
    assert make_keys(3) == make_keys(3)
    assert make_keys(3) != make_keys(4)
    assert all(key.secret not in repr(key) for key in make_keys(3))


@pytest.mark.parametrize("kind", ["hmac", "ed25519"])
def test_a_wrong_signature_is_refused_with_its_code(kind: str) -> None:
    """-1022, and nothing is executed; the right one passes."""
    client = Client(kind=kind)
    params = client.signed({})
    assert 200 == client.ask("account.status")["status"]
    wrong = {**params, "signature": sign(client.key, "something else")}
    answer = client.ask("account.status", signed=False, **wrong)
    assert -1022 == answer["error"]["code"]
