"""Requests and answers over REST, in the words of the WebSocket API: same methods, same replies (venues.md 1.4).

Pure; belongs to the order-entry adapter's thread. The percent-encoded query is signed exactly as it is sent. An answer
that is not the venue's own JSON says nothing: what became of the request is unknown.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from livestack.venues.adapter import Fetch, Fetched
from livestack.venues.binance_spot.fetches import retry_after_ns
from livestack.venues.binance_spot.messages import ApiError
from livestack.venues.binance_spot.private_messages import Reply, decode
from livestack.venues.binance_spot.requests import RECV_WINDOW_MS
from livestack.venues.binance_spot.routes import Value
from livestack.venues.binance_spot.signing import Signer

TOLD_TO_WAIT = (418, 429)

_UNRESERVED: Final = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~")
_raw = msgspec.json.Decoder(msgspec.Raw).decode


def query_of(parameters: Mapping[str, Value]) -> str:
    """``parameters`` percent-encoded, in their order."""
    return "&".join(f"{name}={encoded(_text(value))}" for name, value in parameters.items())


def encoded(text: str) -> str:
    """``text`` for a query: UTF-8, everything but RFC 3986's unreserved characters as ``%XX``."""
    return "".join(chr(byte) if byte in _UNRESERVED else f"%{byte:02X}" for byte in text.encode())


def _text(value: Value) -> str:
    if isinstance(value, str | int):
        return str(value)
    return msgspec.json.encode(list(value)).decode()


class RestRequests:
    """Writes requests as :class:`Fetch`, reads their answers as :class:`Reply`. Knows the key."""

    def __init__(self, api_key: str, signer: Signer) -> None:
        self._headers = (("X-MBX-APIKEY", api_key),)
        self._signer = signer

    def plain(self, number: int, route: tuple[str, str], parameters: Mapping[str, Value], what: str) -> Fetch:
        """A request that needs no key."""
        verb, path = route
        return Fetch(number, verb, path, query_of(parameters), (), what)

    def signed(
        self,
        number: int,
        route: tuple[str, str],
        parameters: Mapping[str, Value],
        timestamp_ms: int,
        what: str,
    ) -> Fetch:
        verb, path = route
        query = query_of({**parameters, "recvWindow": RECV_WINDOW_MS, "timestamp": timestamp_ms})
        signature = encoded(self._signer.sign(query))
        return Fetch(number, verb, path, f"{query}&signature={signature}", self._headers, what)


def read_answer(answer: Fetched) -> Reply:
    """``answer`` as a reply of the WebSocket API. ``status`` 0: none came, or it is not the venue's."""
    reply = Reply(0, answer.recv_ns, answer.body)
    if answer.status == 0:
        reply.text = answer.error or "no answer"
        return reply
    try:
        if answer.status == 200:
            reply.result = _raw(answer.body)
        else:
            error: ApiError = decode(answer.body, ApiError)
            reply.code, reply.text, reply.error = error.code, error.msg, error.data
        reply.status = answer.status
    except (msgspec.MsgspecError, ValueError, RecursionError):
        reply.text = f"HTTP status {answer.status} with a body that is not the venue's"
    return reply


def wait_ns(answer: Fetched) -> int:
    """How long the venue, or what stands before it, wants silence; 0: not at all. Seconds here, unlike elsewhere."""
    return retry_after_ns(answer.headers) if answer.status in TOLD_TO_WAIT else 0
