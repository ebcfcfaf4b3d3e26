"""HTTP requests that are written on the caller's thread, over connections that are open already; answers come later.

Imports exceptions and this package. ``send``, ``keep``, ``shut`` and ``close`` come from any thread. The connections
(:mod:`livestack.transports.request_line`) are replaced one after the other, so that some are ready at any time; a few
carry nothing but what reduces, so that a cancel never waits behind an order without an answer. No proxy is used, and
TLS is always verified.
"""

from __future__ import annotations

import socket
import ssl
import threading
from typing import Final

from livestack.exceptions import NotSentError
from livestack.transports.base import HttpRequest
from livestack.transports.clock import Clock
from livestack.transports.http_messages import Server, request_bytes, server_of
from livestack.transports.request_line import Reply, RequestLine

CONNECTIONS: Final = 3
"""Side by side: one request is being answered while the next ones are written."""

RESERVED: Final = 1
"""Beside them, for what reduces alone: orders that get no answer must not be in the way of their own cancelling."""

KEEP_NS: Final = 30_000_000_000
"""Connections are held open for so long after they were last wanted."""

IDLE_NS: Final = 10_000_000_000
"""A connection that carried nothing for so long is replaced: servers end them without a word."""

CONNECT_TIMEOUT_S: Final = 5.0
SEND_TIMEOUT_S: Final = 2.0
ANSWER_TIMEOUT_S: Final = 15.0
"""From the request to the last byte of its answer: longer than the venue gives its own engine."""


class RequestSender:
    """Implements :class:`~livestack.transports.base.RequestTransport`. ``name`` begins its threads' names.

    ``connections`` are for everything, ``reserved`` more for what reduces.
    ``tls``: the context for ``https``, the machine's defaults where it is None. Times as the constants above.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        name: str = "requests",
        connections: int = CONNECTIONS,
        reserved: int = RESERVED,
        send_timeout_s: float = SEND_TIMEOUT_S,
        answer_timeout_s: float = ANSWER_TIMEOUT_S,
        idle_ns: int = IDLE_NS,
        keep_ns: int = KEEP_NS,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.clock = clock
        self.name = name
        self.send_timeout_s = send_timeout_s
        self.answer_timeout_s = answer_timeout_s
        self.idle_ns = idle_ns
        self._keep_ns = keep_ns
        self._count = reserved + connections
        self._reserved = reserved
        self._tls = tls
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._lines: list[RequestLine] = []
        self._server: Server | None = None
        self._keep_until_ns = 0
        self._closed = False

    def keep(self, url: str) -> None:
        """Have connections to ``url``'s server for :data:`KEEP_NS` from now."""
        server = server_of(url)
        with self._lock:
            if self._closed:
                return
            self._keep_until_ns = self.clock.now_ns() + self._keep_ns
            if server != self._server:
                self._server = server
                for line in self._lines:
                    line.retire()
                self._lines = []
                self._changed.notify_all()
            there = {line.number for line in self._lines}
            for number in range(1, self._count + 1):
                if number not in there:
                    self._lines.append(self._made(server, number))
            self._lines.sort(key=lambda line: line.number)

    def _made(self, server: Server, number: int) -> RequestLine:
        """The first ones are the reserved. Each has another age at which it is replaced while there is time."""
        renew_ns = self.idle_ns - self.idle_ns * number // (2 * self._count)
        return RequestLine(self, server, number, number <= self._reserved, renew_ns)

    def send(self, request: HttpRequest, reply: Reply, *, reduces: bool = False) -> None:
        """Write ``request`` over a connection that is ready; see the protocol for what it raises."""
        data = request_bytes(request)
        server = server_of(request.url)
        with self._lock:
            lines = [] if self._closed or server != self._server else list(self._lines)
            self._keep_until_ns = max(self._keep_until_ns, self.clock.now_ns() + self._keep_ns)
        for line in lines:  # the reserved ones come first: what reduces leaves the others to the rest
            if (reduces or not line.is_reserved) and line.take():
                line.write(data, request.method, reply)
                return
        raise NotSentError("no connection is ready for a request")

    def wait_ready(self, count: int, timeout_s: float) -> bool:
        """Until so many connections could carry any request; whether that is so."""
        with self._changed:
            return self._changed.wait_for(
                lambda: sum(line.is_ready and not line.is_reserved for line in self._lines) >= count,
                timeout_s,
            )

    def became_ready(self) -> None:
        """One more connection could carry a request."""
        with self._changed:
            self._changed.notify_all()

    def shut(self) -> None:
        """Cut every connection; other ones are opened in their place."""
        for line in list(self._lines):
            line.cut()

    def close(self) -> None:
        """Cut every connection and end the threads. Idempotent, waits for nobody."""
        with self._lock:
            self._closed = True
            lines, self._lines = self._lines, []
            for line in lines:
                line.retire()
            self._changed.notify_all()

    def is_wanted(self) -> bool:
        return not self._closed and self.clock.now_ns() < self._keep_until_ns

    def wait(self, line: RequestLine, seconds: float) -> None:
        """For so long, or until ``line`` is wanted no more."""
        with self._lock:
            self._changed.wait_for(lambda: line.is_retired, seconds)

    def give_up(self, line: RequestLine) -> bool:
        """Whether ``line`` is wanted no more and was taken off the list."""
        with self._lock:
            if self.is_wanted() and not line.is_retired:
                return False
            if line in self._lines:
                self._lines.remove(line)
            return True

    def replace(self, line: RequestLine) -> bool:
        """Whether ``line`` was ended to be opened anew: only while another one could carry any request."""
        with self._lock:
            if not any(
                other.is_ready for other in self._lines if other is not line and not other.is_reserved
            ):
                return False
            return line.end()

    def open_socket(self, server: Server) -> socket.socket:
        """TCP, and TLS where the address asks for it; ``OSError`` says why not."""
        scheme, host, port = server
        connected = socket.create_connection((host, port), CONNECT_TIMEOUT_S)
        try:
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if scheme == "https":
                context = self._tls or ssl.create_default_context()
                connected = context.wrap_socket(connected, server_hostname=host)
        except BaseException:
            connected.close()
            raise
        return connected
