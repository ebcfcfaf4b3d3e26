"""API keys and what they sign (venues.md 1.4, 1.7): REST the text as sent, the WebSocket API its sorted values.

Pure. Any thread.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

HMAC = "hmac"
ED25519 = "ed25519"


@dataclass(slots=True, frozen=True)
class ApiKey:
    """A key of one account. ``secret``: the shared secret, or the private key as PKCS#8 PEM.

    ``trade``: may order; ``withdraw``: may move money out.
    """

    name: str
    kind: str
    api_key: str
    secret: str = field(repr=False)
    trade: bool = True
    withdraw: bool = False

    def verifies(self, payload: str, signature: str) -> bool:
        """Whether ``signature`` is this key's over ``payload``."""
        if self.kind == HMAC:
            expected = hmac.new(self.secret.encode(), payload.encode(), hashlib.sha256).hexdigest()
            return hmac.compare_digest(expected.encode(), signature.lower().encode())
        try:
            raw = base64.b64decode(signature, validate=True)
            private_key(self.secret).public_key().verify(raw, payload.encode())
        except (binascii.Error, ValueError, InvalidSignature):
            return False
        return True


@lru_cache(64)  # reading a key costs more than using it
def private_key(pem: str) -> Ed25519PrivateKey:
    """The key in a PKCS#8 PEM text; ``ValueError`` where it is not an Ed25519 one."""
    key = load_pem_private_key(pem.encode(), None)
    if not isinstance(key, Ed25519PrivateKey):
        raise ValueError("not an Ed25519 key")
    return key


def make_keys(seed: int) -> tuple[ApiKey, ...]:
    """The test account's keys, the same for the same seed: fit for a simulated venue and for nothing else.

    One of each kind that may trade; then an HMAC key that may withdraw as well, which nobody should accept.
    """

    def digest(purpose: str) -> bytes:
        return hashlib.sha256(f"livestack simulated venue {seed} {purpose}".encode()).digest()

    pem = Ed25519PrivateKey.from_private_bytes(digest("ed25519")).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    return (
        ApiKey("hmac", HMAC, digest("hmac key").hex(), digest("hmac secret").hex()),
        ApiKey("ed25519", ED25519, digest("ed25519 key").hex(), pem.decode()),
        ApiKey("withdrawing", HMAC, digest("other key").hex(), digest("other secret").hex(), withdraw=True),
    )


def websocket_payload(params: Mapping[str, str]) -> str:
    """What a WebSocket API request signs: every parameter but the signature, by name, raw."""
    return "&".join(f"{name}={params[name]}" for name in sorted(params) if name != "signature")


def rest_payload(query: str, body: str) -> str:
    """What a REST request signs: query and body as sent, nothing between, without the signature."""
    return _without_signature(query) + _without_signature(body)


def _without_signature(text: str) -> str:
    return "&".join(part for part in text.split("&") if not part.startswith("signature="))
