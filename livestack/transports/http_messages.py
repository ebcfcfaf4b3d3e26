"""HTTP/1.1 by hand: a request as bytes, an answer off a socket that does not block, with one deadline for all of it.

Imports exceptions and this package. Any thread.
"""

from __future__ import annotations

import http.client
import io
import select
import socket
import ssl
from typing import Final
from urllib.parse import urlsplit

from livestack.exceptions import NotSentError
from livestack.transports.base import HttpRequest
from livestack.transports.clock import Clock

BODY_BYTES_MAX: Final = 1 << 20
"""The answer to an order with a thousand fills is below 200 KiB."""

WOULD_BLOCK: Final = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class Server(tuple[str, str, int]):
    """Scheme, host and port."""

    __slots__ = ()


def server_of(url: str) -> Server:
    parts = urlsplit(url)
    scheme = "https" if parts.scheme == "https" else "http"
    return Server((scheme, parts.hostname or "", parts.port or (443 if scheme == "https" else 80)))


def request_bytes(request: HttpRequest) -> bytes:
    """``request`` as it goes out. What has to be percent-encoded and is not makes no request: ``NotSentError``."""
    parts = urlsplit(request.url)
    target = parts.path or "/"
    target += f"?{parts.query}" if parts.query else ""
    lines = [f"{request.method} {target} HTTP/1.1", f"Host: {parts.netloc}", "Content-Length: 0"]
    lines += [f"{name}: {value}" for name, value in request.headers]
    if " " in target or any(not line.isascii() or not line.isprintable() for line in lines):
        raise NotSentError("the request holds characters that no request may have")
    text = "\r\n".join([*lines, "Accept: application/json", "Accept-Encoding: identity", "", ""])
    return text.encode()


Answer = tuple[int, tuple[tuple[str, str], ...], bytes, bool]


def read_answer(connected: socket.socket, method: str, clock: Clock, deadline_ns: int) -> Answer:
    """Status, headers with lower-case names, body, and whether the connection can carry another request.

    Raises whatever a peer can provoke in here; an answer that is cut is none.
    """
    source = _Source(connected, clock, deadline_ns)
    answer = http.client.HTTPResponse(source, method=method)  # type: ignore[arg-type]
    answer.begin()
    body = answer.read(BODY_BYTES_MAX + 1)
    if len(body) > BODY_BYTES_MAX:
        raise ValueError(f"body of more than {BODY_BYTES_MAX} bytes")
    if answer.length:
        raise ConnectionError(f"cut, {answer.length} bytes of the answer are missing")
    headers = tuple((name.lower(), value) for name, value in answer.getheaders())
    return answer.status, headers, body, answer.isclosed() and not answer.will_close


class _Source(io.RawIOBase):
    """What ``http.client`` is given for a socket."""

    def __init__(self, connected: socket.socket, clock: Clock, deadline_ns: int) -> None:
        super().__init__()
        self._connected = connected
        self._clock = clock
        self._deadline_ns = deadline_ns

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        while True:
            try:
                return self._connected.recv_into(buffer)
            except WOULD_BLOCK:
                left_ms = (self._deadline_ns - self._clock.now_ns()) // 1_000_000
                if left_ms <= 0:
                    raise TimeoutError("no whole answer in time") from None
                wait_for(self._connected, select.POLLIN, left_ms)


def wait_for(one: socket.socket, events: int, milliseconds: int) -> None:
    """Until ``one`` can be read or written, or the time is over."""
    poll = select.poll()
    poll.register(one, events)
    poll.poll(milliseconds)
