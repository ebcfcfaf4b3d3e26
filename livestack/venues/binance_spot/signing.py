"""Signatures of the WebSocket API: HMAC-SHA256 and Ed25519 over the sorted parameters (venues.md 1.4 and 1.7).

Pure; no library but hashes and ``cryptography``. The WebSocket API signs raw UTF-8, not percent-encoded text; numbers
are signed as the very strings that are sent. Keys are checked when the signer is made, never printed.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from livestack.secret import Secret
from livestack.venues.adapter import Credentials


class Signer(Protocol):
    """Makes the ``signature`` parameter."""

    def sign(self, payload: str) -> str: ...


class HmacSigner:
    """Hexadecimal HMAC-SHA256 with a shared secret."""

    def __init__(self, secret: Secret) -> None:
        self._base = hmac.new(secret.reveal().encode(), digestmod=hashlib.sha256)

    def sign(self, payload: str) -> str:
        # A copy of the keyed state: hashing the key anew would cost as much as signing.
        mac = self._base.copy()
        mac.update(payload.encode())
        return mac.hexdigest()


class Ed25519Signer:
    """Base64 Ed25519 with a PKCS#8 PEM private key."""

    def __init__(self, pem: Secret) -> None:
        key = load_pem_private_key(pem.reveal().encode(), password=None)
        if not isinstance(key, Ed25519PrivateKey):
            raise TypeError("not an Ed25519 key")
        self._key = key

    def sign(self, payload: str) -> str:
        return base64.b64encode(self._key.sign(payload.encode())).decode()


def make_signer(credentials: Credentials) -> Signer:
    """The signer for ``credentials``; ``ValueError`` says what is wrong with them without showing them."""
    if credentials.kind == "hmac":
        return HmacSigner(credentials.secret)
    if credentials.kind == "ed25519":
        try:
            return Ed25519Signer(credentials.secret)
        except (ValueError, TypeError):
            # The library's own text may quote what it was given.
            raise ValueError("the secret is not a PKCS#8 PEM Ed25519 private key") from None
    raise ValueError(f"key kind {credentials.kind!r} is not one of hmac, ed25519")


def payload_of(parameters: Mapping[str, object]) -> str:
    """What is signed: ``name=value`` joined by ``&``, sorted by name, without ``signature``."""
    return "&".join(f"{name}={parameters[name]}" for name in sorted(parameters) if name != "signature")
