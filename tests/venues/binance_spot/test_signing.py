"""Golden signature vectors of venues.md section 5, and secrets that stay secret."""

from __future__ import annotations

import pytest

from livestack.venues.adapter import Credentials
from livestack.venues.binance_spot.signing import make_signer, payload_of

KEY = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A"
SECRET = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"
PEM = """-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIIJEYWtGBrhACmb9Dvy+qa8WEf0lQOl1s4CLIAB9m89u
-----END PRIVATE KEY-----
"""
ASCII: dict[str, str | int] = {
    "type": "LIMIT", "timestamp": 1645423376532, "timeInForce": "GTC", "symbol": "BTCUSDT", "side": "SELL",
    "recvWindow": 100, "quantity": "0.01000000", "price": "52000.00", "apiKey": KEY,
}  # fmt: skip
UNICODE: dict[str, str | int] = {**ASCII, "symbol": "１２３４５６", "side": "BUY", "recvWindow": 5000,
                                 "quantity": "1.00000000", "price": "0.10000000"}  # fmt: skip


@pytest.mark.parametrize(
    ("parameters", "signature"),
    [
        (ASCII, "aa1b5712c094bc4e57c05a1a5c1fd8d88dcd628338ea863fec7b88e59fe2db24"),
        (UNICODE, "b33892ae8e687c939f4468c6268ddd4c40ac1af18ad19a064864c47bae0752cd"),
    ],
)
def test_hmac_vectors(parameters: dict[str, str | int], signature: str) -> None:
    """Sorted by name, raw UTF-8, the signature itself left out."""
    signer = make_signer(Credentials(KEY, "hmac", SECRET))
    assert signer.sign(payload_of({**parameters, "signature": "ignored"})) == signature
    assert signer.sign(payload_of(parameters)) == signature  # a signer can be used again


@pytest.mark.parametrize(
    ("payload", "signature"),
    [
        (
            payload_of(ASCII),
            "4uzyWT4sbxdrYDNhDFKVBzUlK70Dhzn+0JlWdDwy9UHLkIsHhFzntwxGYCH3Bc5ltBqibkFFsIXuem9+4MU2Bw==",
        ),
        (
            f"apiKey={KEY}&timestamp=1649729878532",
            "PdyZthZkWH6iRM43rd8+UBP8CPxkW5TJq6Wxsjy8vl5St2O54RDvgGcqRWskW7xWLdftHLxCKA0PDzjLt26eDg==",
        ),
    ],
)
def test_ed25519_vectors(payload: str, signature: str) -> None:
    """order.place and session.logon, in base64."""
    assert make_signer(Credentials(KEY, "ed25519", PEM)).sign(payload) == signature


@pytest.mark.parametrize(
    ("kind", "secret"),
    [("rsa", SECRET), ("ed25519", SECRET), ("ed25519", ""), ("ed25519", PEM.replace("MC4C", "MC4D"))],
)
def test_unusable_credentials_are_refused_without_showing_them(kind: str, secret: str) -> None:
    """A ValueError whose sentence holds nothing of the secret."""
    with pytest.raises(ValueError, match=r"key") as caught:
        make_signer(Credentials(KEY, kind, secret))
    assert not secret or secret not in str(caught.value)


def test_a_signer_does_not_print_its_secret() -> None:
    """repr of whatever holds a secret."""
    credentials = Credentials(KEY, "hmac", SECRET)
    assert SECRET not in repr(credentials) + repr(make_signer(credentials))
