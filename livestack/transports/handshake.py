"""Opening a WebSocket: address, TCP, TLS and HTTP upgrade under one deadline.

Imports exceptions and this package. Runs on the thread that opens, a connection's reader thread. ``websocket-client``
does the upgrade, over a socket whose every call has only what is left of the time and of the bytes.
"""

from __future__ import annotations

import socket
import ssl
from typing import Any
from urllib.parse import urlsplit

import websocket

from livestack.exceptions import TransportError
from livestack.transports.clock import Clock

HEADER_BYTES_MAX = 1 << 16
"""An upgrade's answer is below 2 KiB; a peer that sends more speaks something else."""


def open_websocket(url: str, clock: Clock, timeout_s: float, context: ssl.SSLContext | None) -> socket.socket:
    """A socket that has just been upgraded. TransportError or OSError say why there is none.

    ``context`` is the TLS to use, None for none. No proxy is used: an order must not take a detour that nobody chose.
    """
    parts = urlsplit(url)
    host = parts.hostname
    if not host or parts.scheme not in ("ws", "wss"):
        raise TransportError(f"{url!r} is not a WebSocket address")
    deadline_ns = clock.now_ns() + int(timeout_s * 1e9)
    connected = socket.create_connection((host, parts.port or (443 if context else 80)), timeout_s)
    try:
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if context is not None:
            connected.settimeout(_left_s(clock, deadline_ns))
            connected = context.wrap_socket(connected, server_hostname=host)
        guarded = _Guarded(connected, clock, deadline_ns)
        websocket.WebSocket(enable_multithread=False).connect(  # type: ignore[no-untyped-call]
            url, socket=guarded, timeout=timeout_s, redirect_limit=0, suppress_origin=True
        )
    except (websocket.WebSocketException, UnicodeError, ValueError, IndexError, KeyError) as error:
        connected.close()
        raise TransportError(f"handshake failed: {error}") from error
    except BaseException:
        connected.close()
        raise
    return connected


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
        self._read = 0

    def recv(self, size: int) -> bytes:
        self._connected.settimeout(_left_s(self._clock, self._deadline_ns))
        data = self._connected.recv(size)
        self._read += len(data)
        if self._read > HEADER_BYTES_MAX:
            raise TransportError("the answer to the upgrade does not end")
        return data

    def send(self, data: bytes) -> int:
        self._connected.settimeout(_left_s(self._clock, self._deadline_ns))
        return self._connected.send(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connected, name)
