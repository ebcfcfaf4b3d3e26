"""WebSocket connections over ``websocket-client``: it makes the handshake and masks what is sent; reading is ours.

Imports exceptions and this package. Each connection has one reader thread that connects, reads and calls the
:class:`~livestack.transports.base.Receiver`; ``send``, ``wake`` and ``close`` come from any thread. The socket never
blocks: the reader waits for it or for a wake-up, a sender for room in it, both for a limited time.

One read of the socket brings as many frames as have arrived, and they share one ``recv_ns``: the time of that read.
"""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import threading
import traceback
from urllib.parse import urlsplit

import structlog
import websocket

from livestack.exceptions import NotSentError, TransportError
from livestack.transports.base import FRAME_BYTES_MAX, Receiver, Refusal
from livestack.transports.clock import Clock
from livestack.transports.frames import FrameReader
from livestack.transports.handshake import UpgradeRefusedError, open_websocket

WAKE_MS = 250
"""How often ``on_wake`` is called when nobody asks for it: a quarter of the shortest time-out above."""

READ_BYTES = 1 << 16
"""One read of the socket: about 300 small frames."""

SEND_TIMEOUT_S = 2.0
"""A peer that takes nothing for so long is gone; the gate waits for a writer no longer than this."""

CONNECT_TIMEOUT_S = 10.0
"""Address, TCP, TLS and upgrade together; a venue does it in well below one second."""

IDLE_NS = 10_000_000_000
"""Nothing came for so long: ping. The venue pings every 20 s itself (venues.md 1.2)."""

SILENCE_NS = 20_000_000_000
"""Nothing came for so long, our ping's answer included: the connection is dead, half-open TCP."""

_POLL_IN = select.POLLIN | select.POLLERR | select.POLLHUP
_WOULD_BLOCK = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class WebSocketClientTransport:
    """Makes connections. ``name`` begins the names of their reader threads; times are in seconds or nanoseconds.

    ``idle_ns`` and ``silence_ns``: see :data:`IDLE_NS` and :data:`SILENCE_NS`; 0 switches pings off. ``wake_ms``: see
    :data:`WAKE_MS`.
    ``tls``: the context for ``wss``, the machine's defaults where it is None.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        name: str = "websocket",
        send_timeout_s: float = SEND_TIMEOUT_S,
        connect_timeout_s: float = CONNECT_TIMEOUT_S,
        idle_ns: int = IDLE_NS,
        silence_ns: int = SILENCE_NS,
        wake_ms: int = WAKE_MS,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.clock = clock
        self.name = name
        self.send_timeout_s = send_timeout_s
        self.connect_timeout_s = connect_timeout_s
        self.idle_ns = idle_ns
        self.silence_ns = silence_ns
        self.wake_ms = wake_ms
        self._tls = tls

    def connect(self, url: str, receiver: Receiver) -> WebSocketConnection:
        """Begin to connect to ``url`` (``ws:`` or ``wss:``); returns at once."""
        return WebSocketConnection(self, url, receiver)

    def open_socket(self, url: str) -> socket.socket:
        """A socket behind the upgrade; TransportError or OSError. Blocks, for ``connect_timeout_s`` at most."""
        context = None
        if urlsplit(url).scheme == "wss":
            context = self._tls or ssl.create_default_context()
        return open_websocket(url, self.clock, self.connect_timeout_s, context)


class WebSocketConnection:
    """One connection and its reader thread."""

    def __init__(self, transport: WebSocketClientTransport, url: str, receiver: Receiver) -> None:
        self._transport = transport
        self._clock = transport.clock
        self._url = url
        self._receiver = receiver
        self._socket: socket.socket | None = None
        self._reason = ""
        self._refusal: Refusal | None = None
        # TLS state is shared by reading and writing; a plain socket needs no lock for reading.
        self._writing = threading.Lock()
        self._tls: contextlib.AbstractContextManager[object] = contextlib.nullcontext()
        self._frames = FrameReader(FRAME_BYTES_MAX)
        self._wakes, self._waker = socket.socketpair()
        self._wakes.setblocking(False)
        self._waker.setblocking(False)
        self._waking = threading.Lock()
        self._wake_asked = False
        self._heard_ns = 0
        self._pinged = False
        self._thread = threading.Thread(target=self._run, name=f"{transport.name} reader", daemon=True)
        self._thread.start()

    def send(self, text: str) -> None:
        """Write one text frame. NotSentError: not one byte was written. TransportError: unknown, and shut."""
        self._write(websocket.ABNF.create_frame(text, websocket.ABNF.OPCODE_TEXT).format())

    def wake(self) -> None:
        """Have ``on_wake`` called soon."""
        with self._waking:
            if not self._wake_asked:
                self._wake_asked = True
                with contextlib.suppress(OSError):
                    self._waker.send(b"w")

    def close(self) -> None:
        """Begin to close. What a blocked sender writes is cut off."""
        self._shut("closed by us", 1000)

    def _write(self, frame: bytes) -> None:
        """Write the whole of ``frame`` within the time limit."""
        limit_s = self._transport.send_timeout_s
        if not self._writing.acquire(timeout=limit_s):
            raise NotSentError("another write to this connection does not end")
        try:
            connected = self._socket
            if connected is None or self._reason:
                raise NotSentError(self._reason or "not connected")
            self._write_locked(connected, frame, self._clock.now_ns() + int(limit_s * 1e9))
        finally:
            self._writing.release()

    def _write_locked(self, connected: socket.socket, frame: bytes, deadline_ns: int) -> None:
        view = memoryview(frame)
        written = 0
        # A TLS record may be half out although the library says that nothing was taken: then it is unknown.
        is_plain = not isinstance(connected, ssl.SSLSocket)
        try:
            while True:
                try:
                    with self._tls:
                        written += connected.send(view[written:])
                except _WOULD_BLOCK:
                    wait_ms = (deadline_ns - self._clock.now_ns()) // 1_000_000
                    if wait_ms <= 0 or self._reason:
                        raise TimeoutError("the peer takes no more") from None
                    _wait_writable(connected, wait_ms)
                if written == len(frame):
                    return
        except OSError as error:
            cause = self._reason or f"write failed: {error}"
            self._shut(cause, 0)
            if written == 0 and is_plain:
                raise NotSentError(cause) from error
            raise TransportError(f"{cause}, after {written} of {len(frame)} bytes") from error

    def _shut(self, reason: str, code: int) -> None:
        """Keep the first reason, tell the peer if that is possible at once, and cut the connection."""
        if self._reason:
            return
        self._reason = reason
        connected = self._socket
        if connected is not None:
            if code and self._writing.acquire(blocking=False):
                try:
                    farewell = websocket.ABNF.create_frame(
                        code.to_bytes(2, "big"), websocket.ABNF.OPCODE_CLOSE
                    )
                    with contextlib.suppress(OSError, ValueError), self._tls:
                        connected.send(farewell.format())
                finally:
                    self._writing.release()
            with contextlib.suppress(OSError):
                # Not SSLSocket's own: that drops the TLS layer under the reader's feet.
                socket.socket.shutdown(connected, socket.SHUT_RDWR)
        self.wake()

    def _run(self) -> None:
        """The reader thread. What its receiver raises ends this connection, and nothing else."""
        try:
            if self._connect():
                self._read()
        except BaseException as error:  # noqa: BLE001 - or nobody would hear that the connection is gone
            self._shut(self._failed("reader_failed", error), 0)
        self._release()
        try:
            self._receiver.on_close(self._reason, self._clock.now_ns(), self._refusal)
        except BaseException as error:  # noqa: BLE001 - a log line, not a traceback on the operator's terminal
            self._failed("receiver_failed_at_close", error)

    def _failed(self, event: str, error: BaseException) -> str:
        """Log what the receiver raised, with its place; returns it as a reason."""
        place = traceback.extract_tb(error.__traceback__)[-1]
        text = f"{type(error).__name__}: {error} at {place.filename.rpartition('/')[2]}:{place.lineno}"
        structlog.get_logger("websocket").error(event, connection=self._thread.name, error=text)
        return f"the reader failed: {text}"

    def _release(self) -> None:
        with self._writing:  # the descriptor must not be another file's while a sender is still leaving
            connected, self._socket = self._socket, None
            if connected is not None:
                connected.close()
        with self._waking:
            self._wake_asked = True
            self._wakes.close()
            self._waker.close()

    def _connect(self) -> bool:
        try:
            connected = self._transport.open_socket(self._url)
        except (OSError, ValueError, TransportError) as error:
            if isinstance(error, UpgradeRefusedError):
                self._refusal = error.refusal
            self._reason = self._reason or f"cannot connect: {str(error) or type(error).__name__}"
            return False
        connected.setblocking(False)
        if isinstance(connected, ssl.SSLSocket):
            self._tls = threading.Lock()
        self._heard_ns = self._clock.now_ns()
        self._socket = connected
        if self._reason:
            return False
        self._receiver.on_open(self._heard_ns)
        return True

    def _read(self) -> None:
        connected = self._socket
        assert connected is not None
        poll = select.poll()
        poll.register(connected, _POLL_IN)
        poll.register(self._wakes, _POLL_IN)
        clock, wakes = self._clock, self._wakes.fileno()
        wake_ms = self._transport.wake_ms
        wake_ns = wake_ms * 1_000_000
        last_wake_ns = self._heard_ns
        while not self._reason:
            asked = False
            for descriptor, _ in poll.poll(wake_ms):
                if descriptor == wakes:
                    asked = True
                else:
                    self._drain(connected)
            now_ns = clock.now_ns()
            if (asked or now_ns - last_wake_ns >= wake_ns) and not self._reason:
                last_wake_ns = now_ns
                if asked:
                    self._take_wakes()
                self._receiver.on_wake(now_ns)
                self._watch_silence(now_ns)

    def _take_wakes(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self._wakes.recv(64)
        self._wake_asked = False

    def _drain(self, connected: socket.socket) -> None:
        """Read what has arrived; with TLS more than once, because the layer keeps what ``poll`` cannot see."""
        while not self._reason:
            try:
                with self._tls:
                    data = connected.recv(READ_BYTES)
            except _WOULD_BLOCK:
                return
            except OSError as error:
                self._shut(f"read failed: {error}", 0)
                return
            if not data:
                self._shut("cut by the peer", 0)
                return
            self._take(data)
            if not isinstance(connected, ssl.SSLSocket):
                return

    def _take(self, data: bytes) -> None:
        recv_ns = self._heard_ns = self._clock.now_ns()
        self._pinged = False
        frames = self._frames
        on_frame = self._receiver.on_frame
        for message in frames.feed(data):
            on_frame(message, recv_ns)
            if self._reason:
                return
        if frames.error is not None:
            self._shut(str(frames.error), frames.error.code)
        elif frames.closed is not None:
            self._shut(frames.closed, 1000)
        elif frames.ping is not None:
            payload, frames.ping = frames.ping, None
            self._answer(payload, websocket.ABNF.OPCODE_PONG)

    def _watch_silence(self, now_ns: int) -> None:
        transport = self._transport
        silent_ns = now_ns - self._heard_ns
        if not transport.idle_ns or silent_ns <= transport.idle_ns:
            return
        if silent_ns > transport.silence_ns:
            self._shut(f"silent for {silent_ns // 1_000_000_000} s", 1001)
        elif not self._pinged:
            self._pinged = True
            self._answer(b"", websocket.ABNF.OPCODE_PING)

    def _answer(self, payload: bytes, opcode: int) -> None:
        """A control frame of our own; a failure shuts the connection, which the loop sees."""
        with contextlib.suppress(TransportError):
            self._write(websocket.ABNF.create_frame(payload, opcode).format())


def _wait_writable(connected: socket.socket, wait_ms: int) -> None:
    poll = select.poll()
    poll.register(connected, select.POLLOUT)
    poll.poll(wait_ms)
