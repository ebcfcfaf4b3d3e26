"""Opening a WebSocket: address, TCP, TLS and HTTP upgrade under one deadline.

Imports exceptions and this package. Runs on the thread that opens, a connection's reader thread. ``websocket-client``
does the upgrade, over a socket whose every call has only what is left of the time and of the bytes.
"""

from __future__ import annotations

import socket
import ssl
from typing import Any, Final
from urllib.parse import urlsplit

import websocket

from livestack.exceptions import TransportError
from livestack.transports.base import Refusal
from livestack.transports.clock import Clock

HEADER_BYTES_MAX = 1 << 16
"""An upgrade's answer is below 2 KiB; a peer that sends more speaks something else."""

_PROVOKED: Final = (UnicodeError, ValueError, IndexError, KeyError)

REFUSALS: Final = {
    401: "it does not know who asks",
    403: "it, or a firewall in front of it, lets nobody in from this address",
    418: "this address is banned for a while",
    429: "this address asks too often",
}
"""What a status means that a server, or what stands in front of it, gives instead of an upgrade."""


class UpgradeRefusedError(TransportError):
    """The server is there and gave no WebSocket."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal)
        self.refusal = refusal

    def __str__(self) -> str:
        status = self.refusal.status
        other = "it serves nobody now" if status >= 500 else "there may be nothing of that kind at this path"
        return f"the server refuses a WebSocket with HTTP status {status}: {REFUSALS.get(status, other)}"


def open_websocket(url: str, clock: Clock, timeout_s: float, context: ssl.SSLContext | None) -> socket.socket:
    """A socket that has just been upgraded. TransportError or OSError say why there is none, and
    :class:`UpgradeRefusedError` that the server said so.

    ``context`` is the TLS to use, None for none. No proxy is used: an order must not take a detour that nobody chose.
    """
    parts = urlsplit(url)
    host = parts.hostname
    if not host or parts.scheme not in ("ws", "wss"):
        raise TransportError(f"{url!r} is not a WebSocket address")
    deadline_ns = clock.now_ns() + int(timeout_s * 1e9)
    connected = socket.create_connection((host, parts.port or (443 if context else 80)), timeout_s)
    guarded: _Guarded | None = None
    try:
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if context is not None:
            connected.settimeout(_left_s(clock, deadline_ns))
            connected = context.wrap_socket(connected, server_hostname=host)
        guarded = _Guarded(connected, clock, deadline_ns)
        websocket.WebSocket(enable_multithread=False).connect(  # type: ignore[no-untyped-call]
            url, socket=guarded, timeout=timeout_s, redirect_limit=0, suppress_origin=True
        )
    except (websocket.WebSocketException, OSError, TransportError, *_PROVOKED) as error:
        connected.close()
        refusal = _refusal_in(guarded.head) if guarded is not None else None
        if refusal is not None:
            raise UpgradeRefusedError(refusal) from error
        if isinstance(error, OSError | TransportError):
            raise
        raise TransportError(f"handshake failed: {error}") from error
    except BaseException:
        connected.close()
        raise
    return connected


def _refusal_in(head: bytearray) -> Refusal | None:
    """What the answer says as far as it came, if that is no: the text behind it may drip, or be cut."""
    said, is_whole, _ = head.decode("latin-1").replace("\r\n", "\n").partition("\n\n")
    lines = said.split("\n")
    protocol, status = (*lines[0].split(" ", 2), "")[:2]
    if not is_whole or not protocol.startswith("HTTP/") or not status.isascii() or not status.isdigit():
        return None
    if len(status) != 3 or status == "101":
        return None
    fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
    wait = fields.get("retry-after", "")
    is_number = wait.isascii() and wait.isdigit() and len(wait) < 10
    return Refusal(int(status), int(wait) if is_number else -1)


def _left_s(clock: Clock, deadline_ns: int) -> float:
    left_ns = deadline_ns - clock.now_ns()
    if left_ns <= 0:
        raise TimeoutError("the handshake takes too long")
    return left_ns / 1e9


class _Guarded:
    """What ``websocket-client`` is given for a socket during the upgrade: bounded in time and in bytes."""

    def __init__(self, connected: socket.socket, clock: Clock, deadline_ns: int) -> None:
        self._connected = connected
        self._clock = clock
        self._deadline_ns = deadline_ns
        self.head = bytearray()

    def recv(self, size: int) -> bytes:
        self._connected.settimeout(_left_s(self._clock, self._deadline_ns))
        data = self._connected.recv(size)
        self.head += data
        if len(self.head) > HEADER_BYTES_MAX:
            raise TransportError("the answer to the upgrade does not end")
        return data

    def send(self, data: bytes) -> int:
        self._connected.settimeout(_left_s(self._clock, self._deadline_ns))
        return self._connected.send(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connected, name)
