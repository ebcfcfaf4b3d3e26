"""HTTP requests that are written on the caller's thread, over connections that are open already; answers come later.

Imports exceptions and this package. ``send``, ``keep``, ``shut`` and ``close`` come from any thread. Each connection
has a thread of its own that opens it, watches it while it is idle, reads the answer and hands it on. One request at a
time on a connection; one that was idle for long, or that the server has ended, is replaced before it is used: a request
written into a connection that is closing would be of unknown outcome. No proxy is used, and TLS is always verified.
"""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import threading
from collections.abc import Callable
from enum import IntEnum
from typing import Final

from livestack.exceptions import NotSentError, TransportError
from livestack.transports.base import HttpRequest, HttpResponse
from livestack.transports.clock import Clock
from livestack.transports.http_messages import (
    WOULD_BLOCK,
    Server,
    read_answer,
    request_bytes,
    server_of,
    wait_for,
)

CONNECTIONS: Final = 3
"""Side by side: one request is being answered while the next ones are written."""

KEEP_NS: Final = 30_000_000_000
"""Connections are held open for so long after they were last wanted."""

IDLE_NS: Final = 10_000_000_000
"""A connection that carried nothing for so long is replaced: servers end them without a word."""

CONNECT_TIMEOUT_S: Final = 5.0
SEND_TIMEOUT_S: Final = 2.0
ANSWER_TIMEOUT_S: Final = 15.0
"""From the request to the last byte of its answer: longer than the venue gives its own engine."""

RETRY_S: Final = 0.25
"""Between two attempts to connect; doubled up to :data:`RETRY_S_MAX`."""

RETRY_S_MAX: Final = 5.0
WATCH_S: Final = 0.25

Reply = Callable[[HttpResponse], None]


class RequestSender:
    """Implements :class:`~livestack.transports.base.RequestTransport`. ``name`` begins its threads' names.

    ``tls``: the context for ``https``, the machine's defaults where it is None. Times as the constants above.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        name: str = "requests",
        connections: int = CONNECTIONS,
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
        self._count = connections
        self._tls = tls
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._lines: list[_Line] = []
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
            while len(self._lines) < self._count:
                self._lines.append(_Line(self, server, len(self._lines) + 1))

    def send(self, request: HttpRequest, reply: Reply) -> None:
        """Write ``request`` over a connection that is ready; see the protocol for what it raises."""
        data = request_bytes(request)
        server = server_of(request.url)
        with self._lock:
            lines = [] if self._closed or server != self._server else list(self._lines)
            self._keep_until_ns = max(self._keep_until_ns, self.clock.now_ns() + self._keep_ns)
        for line in lines:
            if line.take():
                line.write(data, request.method, reply)
                return
        raise NotSentError("no connection is ready for a request")

    def wait_ready(self, count: int, timeout_s: float) -> bool:
        """Until so many connections could carry a request; whether that is so."""
        with self._changed:
            return self._changed.wait_for(
                lambda: sum(line.is_ready for line in self._lines) >= count, timeout_s
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

    def wait(self, line: _Line, seconds: float) -> None:
        """For so long, or until ``line`` is wanted no more."""
        with self._lock:
            self._changed.wait_for(lambda: line.is_retired, seconds)

    def give_up(self, line: _Line) -> bool:
        """Whether ``line`` is wanted no more and was taken off the list."""
        with self._lock:
            if self.is_wanted() and not line.is_retired:
                return False
            if line in self._lines:
                self._lines.remove(line)
            return True

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


class _State(IntEnum):
    CLOSED = 1
    READY = 2
    TAKEN = 3
    """A sender has it; the thread keeps away."""
    ANSWERING = 4


class _Line:
    """One connection and its thread."""

    def __init__(self, sender: RequestSender, server: Server, number: int) -> None:
        self._sender = sender
        self._clock = sender.clock
        self._server = server
        self._lock = threading.Lock()
        self._state = _State.CLOSED
        self._socket: socket.socket | None = None
        self._used_ns = 0
        self._begun_ns = 0
        self._method = ""
        self._reply: Reply | None = None
        self.is_retired = False
        self._wakes, self._waker = socket.socketpair()
        self._thread = threading.Thread(target=self._run, name=f"{sender.name} request {number}", daemon=True)
        self._thread.start()

    # -- Any thread ------------------------------------------------------------------------------------------------

    @property
    def is_ready(self) -> bool:
        return self._state is _State.READY and self._clock.now_ns() - self._used_ns < self._sender.idle_ns

    def take(self) -> bool:
        """Whether the caller has it now, to write one request. A server that has ended it is found out here."""
        with self._lock:
            if not self.is_ready or not self._is_quiet():
                return False
            self._state = _State.TAKEN
            return True

    def write(self, data: bytes, method: str, reply: Reply) -> None:
        """Behind :meth:`take`: the whole of ``data`` within the time limit."""
        connected = self._socket
        self._method, self._reply = method, reply
        self._begun_ns = self._clock.now_ns()
        written = 0
        try:
            if connected is None:
                raise OSError("cut")
            deadline_ns = self._begun_ns + int(self._sender.send_timeout_s * 1e9)
            view = memoryview(data)
            while written < len(data):
                try:
                    written += connected.send(view[written:])
                except WOULD_BLOCK:
                    wait_ms = (deadline_ns - self._clock.now_ns()) // 1_000_000
                    if wait_ms <= 0:
                        raise TimeoutError("the server takes no more") from None
                    wait_for(connected, select.POLLOUT, wait_ms)
        except OSError as error:
            self._reply = None
            self._end_taken(_State.CLOSED)
            # A TLS record may be half out although the library says that nothing was taken: then it is unknown.
            if written == 0 and not isinstance(connected, ssl.SSLSocket):
                raise NotSentError(f"write failed: {error}") from error
            raise TransportError(f"write failed: {error}, after {written} of {len(data)} bytes") from error
        self._end_taken(_State.ANSWERING)

    def cut(self) -> None:
        """Break the connection, whatever it is doing."""
        connected = self._socket
        if connected is not None:
            with contextlib.suppress(OSError):
                socket.socket.shutdown(connected, socket.SHUT_RDWR)

    def retire(self) -> None:
        """Cut it, and end its thread."""
        self.is_retired = True
        self.cut()
        self._wake()

    def _end_taken(self, state: _State) -> None:
        with self._lock:
            self._state = state
        self._wake()

    def _wake(self) -> None:
        with contextlib.suppress(OSError):
            self._waker.send(b"w")

    def _is_quiet(self) -> bool:
        """Nothing arrived on an idle connection: neither its end nor anything else (lock held). TLS may have something
        to say to itself."""
        connected = self._socket
        if connected is None:
            return False
        try:
            connected.recv(1)
        except WOULD_BLOCK:
            return True
        except OSError:
            pass
        self._state = _State.CLOSED
        return False

    # -- Its thread --------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        retry_s = RETRY_S
        try:
            while not self._sender.give_up(self):
                if self._open():
                    retry_s = RETRY_S
                    self._serve()
                    self._release()
                else:
                    self._sender.wait(self, retry_s)
                    retry_s = min(retry_s * 2, RETRY_S_MAX)
        finally:
            self._release()
            self._wakes.close()
            self._waker.close()

    def _open(self) -> bool:
        try:
            connected = self._sender.open_socket(self._server)
        except (OSError, ValueError):
            return False
        connected.setblocking(False)
        with self._lock:
            self._socket = connected
            self._used_ns = self._clock.now_ns()
            self._state = _State.READY
        self._sender.became_ready()
        return not self.is_retired

    def _serve(self) -> None:
        """Until the connection is of no use any more."""
        while True:
            with self._lock:
                state = self._state
                if state is _State.READY:
                    is_old = self._clock.now_ns() - self._used_ns >= self._sender.idle_ns
                    if self.is_retired or is_old or not self._sender.is_wanted() or not self._is_quiet():
                        self._state = state = _State.CLOSED
            if state is _State.CLOSED:
                return
            if state is _State.ANSWERING:
                if not self._answer():
                    return
                continue
            wait_for(self._wakes, select.POLLIN, int(WATCH_S * 1_000))
            with contextlib.suppress(BlockingIOError):
                self._wakes.setblocking(False)
                self._wakes.recv(64)

    def _answer(self) -> bool:
        """Read the answer and hand it on; whether the connection can carry another request."""
        connected, reply = self._socket, self._reply
        self._reply = None
        assert connected is not None
        can_go_on = False
        try:
            deadline_ns = self._begun_ns + int(self._sender.answer_timeout_s * 1e9)
            status, headers, body, can_go_on = read_answer(connected, self._method, self._clock, deadline_ns)
            response = HttpResponse(status, headers, body, "", self._begun_ns, self._clock.now_ns())
        except Exception as error:  # noqa: BLE001 - whatever a peer can provoke in there: the outcome is unknown
            cause = str(error) or type(error).__name__
            response = HttpResponse(0, (), b"", cause, self._begun_ns, self._clock.now_ns())
        with self._lock:
            self._used_ns = self._clock.now_ns()
            self._state = _State.READY if can_go_on else _State.CLOSED
        self._sender.became_ready()
        if reply is not None:
            reply(response)
        return can_go_on

    def _release(self) -> None:
        with self._lock:
            connected, self._socket = self._socket, None
            self._state = _State.CLOSED
            reply, self._reply = self._reply, None
        if connected is not None:
            connected.close()
        if reply is not None:
            reply(HttpResponse(0, (), b"", "cut", self._begun_ns, self._clock.now_ns()))
