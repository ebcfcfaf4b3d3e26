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

ANSWER_BYTES_MAX: Final = BODY_BYTES_MAX + (1 << 20)
"""With everything around the body: headers, and interim answers that are passed over."""

INTERIM_MAX: Final = 8
"""Interim answers (1xx) before the one that counts: nobody sends more than one or two."""

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

    Interim answers are passed over: what counts is the one behind them. Where more has arrived than that answer, or it
    says in two ways where it ends, the connection carries nothing more: the next request would get what is left.
    Raises whatever a peer can provoke in here; an answer that is cut is none.
    """
    arriving = _Arriving(_Source(connected, clock, deadline_ns))
    answer = _final_answer(arriving, method)
    body = answer.read(BODY_BYTES_MAX + 1)
    if len(body) > BODY_BYTES_MAX:
        raise ValueError(f"body of more than {BODY_BYTES_MAX} bytes")
    if answer.length:
        raise ConnectionError(f"cut, {answer.length} bytes of the answer are missing")
    headers = tuple((name.lower(), value) for name, value in answer.getheaders())
    lengths = {value.strip() for name, value in headers if name == "content-length"}
    is_plain = len(lengths) + bool(answer.chunked) <= 1
    can_go_on = is_plain and answer.isclosed() and not answer.will_close and arriving.is_empty()
    return answer.status, headers, body, can_go_on


def _final_answer(arriving: _Arriving, method: str) -> http.client.HTTPResponse:
    """The first answer that is no interim one, with its headers."""
    for _ in range(INTERIM_MAX + 1):
        answer = http.client.HTTPResponse(arriving, method=method)  # type: ignore[arg-type]
        answer.begin()
        if answer.status >= http.client.OK:
            return answer
        if answer.status == http.client.SWITCHING_PROTOCOLS:
            raise ConnectionError("the server speaks another protocol from here on")
    raise ConnectionError("interim answers do not end")


class _Source(io.RawIOBase):
    """The socket, read with one deadline. ``is_patient``: wait for what has not arrived yet."""

    def __init__(self, connected: socket.socket, clock: Clock, deadline_ns: int) -> None:
        super().__init__()
        self._connected = connected
        self._clock = clock
        self._deadline_ns = deadline_ns
        self._read = 0
        self.is_patient = True
        self.is_ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int | None:  # type: ignore[override]
        while True:
            try:
                size = self._connected.recv_into(buffer)
            except WOULD_BLOCK:
                if not self.is_patient:
                    return None
                left_ms = (self._deadline_ns - self._clock.now_ns()) // 1_000_000
                if left_ms <= 0:
                    raise TimeoutError("no whole answer in time") from None
                wait_for(self._connected, select.POLLIN, left_ms)
                continue
            self.is_ended = not size
            self._read += size
            if self._read > ANSWER_BYTES_MAX:
                raise ValueError(f"an answer of more than {ANSWER_BYTES_MAX} bytes")
            return size


class _Buffer(io.BufferedReader):
    """An answer closes it at its end; it is wanted a moment longer."""

    def close(self) -> None:
        """The socket is another's to close."""


class _Arriving:
    """What ``http.client`` is given for a socket. One buffer for all answers: what one of them leaves is seen."""

    def __init__(self, source: _Source) -> None:
        self._source = source
        self._buffer = _Buffer(source)

    def makefile(self, _mode: str) -> io.BufferedReader:
        return self._buffer

    def is_empty(self) -> bool:
        """Whether nothing more has arrived, nor the connection's end."""
        self._source.is_patient = False
        return not self._buffer.peek(1) and not self._source.is_ended


def wait_for(one: socket.socket, events: int, milliseconds: int) -> None:
    """Until ``one`` can be read or written, or the time is over."""
    poll = select.poll()
    poll.register(one, events)
    poll.poll(milliseconds)
