"""One connection that carries HTTP requests, one at a time, and the thread that opens it, watches it while it is idle,
reads the answer and hands it on.

Imports exceptions and this package. One that was idle for long, that the server has ended, or on which something came
that nobody asked for is replaced before it is used: a request written into a connection that is closing would be of
unknown outcome, and what is left of one answer would be taken for the next.
"""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import threading
from collections.abc import Callable
from enum import IntEnum
from typing import Final, Protocol

from livestack.exceptions import NotSentError, TransportError
from livestack.transports.base import HttpResponse
from livestack.transports.clock import Clock
from livestack.transports.http_messages import WOULD_BLOCK, Server, read_answer, wait_for

RETRY_S: Final = 0.25
"""Between two attempts to connect; doubled up to :data:`RETRY_S_MAX`."""

RETRY_S_MAX: Final = 5.0
WATCH_S: Final = 0.25

Reply = Callable[[HttpResponse], None]


class Owner(Protocol):
    """Who has the connections. Any thread."""

    clock: Clock
    name: str
    send_timeout_s: float
    answer_timeout_s: float
    idle_ns: int
    """A connection that carried nothing for so long is not used any more."""

    def open_socket(self, server: Server) -> socket.socket: ...

    def became_ready(self) -> None: ...

    def is_wanted(self) -> bool:
        """Whether connections are to be held open now."""

    def give_up(self, line: RequestLine) -> bool:
        """Whether ``line`` is to end for good."""

    def replace(self, line: RequestLine) -> bool:
        """Whether ``line``, which is idle, was ended to be opened anew."""

    def wait(self, line: RequestLine, seconds: float) -> None: ...


class _State(IntEnum):
    CLOSED = 1
    READY = 2
    TAKEN = 3
    """A sender has it; the thread keeps away."""
    ANSWERING = 4


class RequestLine:
    """One connection and its thread. ``renew_ns``: from this age on it is replaced, if the owner can do without it."""

    def __init__(self, sender: Owner, server: Server, number: int, is_reserved: bool, renew_ns: int) -> None:
        self.number = number
        self.is_reserved = is_reserved
        self._renew_ns = renew_ns
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

    def end(self) -> bool:
        """End it if it is idle; whether it was."""
        with self._lock:
            was_idle = self._state is _State.READY
            if was_idle:
                self._state = _State.CLOSED
            return was_idle

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
            state = self._look()
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

    def _look(self) -> _State:
        """Its state, behind a look at it if it is idle."""
        with self._lock:
            state = self._state
            if state is not _State.READY:
                return state
            idle_ns = self._clock.now_ns() - self._used_ns
            is_old = idle_ns >= self._sender.idle_ns
            if self.is_retired or is_old or not self._sender.is_wanted() or not self._is_quiet():
                self._state = _State.CLOSED
                return self._state
        if idle_ns >= self._renew_ns and self._sender.replace(self):
            return _State.CLOSED
        return state

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
