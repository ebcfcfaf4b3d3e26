"""A small peer on loopback: a listening socket whose behaviour is a function, one thread a connection."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import queue
import socket
import threading
from collections.abc import Callable
from types import TracebackType

from livestack.transports.base import Refusal

WAIT_S = 30
"""Longer than anything here takes; only a failing test ever waits so long."""

Behaviour = Callable[[socket.socket], None]


class Peer:
    """Serves every connection with ``behave`` until the test ends. ``url`` is its address."""

    def __init__(self, behave: Behaviour, scheme: str = "ws") -> None:
        self._behave = behave
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self.url = f"{scheme}://127.0.0.1:{self.port}/stream"
        self._connections: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._accepting = threading.Thread(target=self._accept, name="peer", daemon=True)
        self._accepting.start()

    def __enter__(self) -> Peer:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _value: BaseException | None, _trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._accepting.join(WAIT_S)
        for connection in self._connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(WAIT_S)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listening.accept()
                self._connections.append(connection)
                thread = threading.Thread(
                    target=self._serve, args=(connection,), name="peer connection", daemon=True
                )
                self._threads.append(thread)
                thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            self._behave(connection)


def read_head(connection: socket.socket) -> bytes:
    """An HTTP request up to its empty line."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = connection.recv(1)
        if not byte:
            raise OSError("gone")
        head += byte
    return head


def upgrade(connection: socket.socket) -> None:
    """Answer a WebSocket handshake as a server must."""
    head = read_head(connection).decode()
    fields = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
    key = next(value for name, value in fields.items() if name.lower() == "sec-websocket-key")
    digest = hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()
    accept = base64.b64encode(digest).decode()
    connection.sendall(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Accept: {accept}\r\n\r\n".encode()
    )


def frame(payload: bytes, first: int = 0x81) -> bytes:
    """A server's frame."""
    size = len(payload)
    if size < 126:
        return bytes([first, size]) + payload
    if size < 1 << 16:
        return bytes([first, 126]) + size.to_bytes(2, "big") + payload
    return bytes([first, 127]) + size.to_bytes(8, "big") + payload


def read_frame(connection: socket.socket) -> tuple[int, bytes]:
    """Opcode and payload of a client's frame."""
    first, second = _exactly(connection, 2)
    size = second & 0x7F
    if size >= 126:
        size = int.from_bytes(_exactly(connection, 2 if size == 126 else 8), "big")
    mask = _exactly(connection, 4)
    masked = _exactly(connection, size)
    return first & 0x0F, bytes(byte ^ mask[index % 4] for index, byte in enumerate(masked))


def _exactly(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = connection.recv(size - len(data))
        if not more:
            raise OSError("gone")
        data += more
    return data


def hold(connection: socket.socket) -> None:
    """Stay until the other side goes."""
    while connection.recv(1 << 16):
        pass


class Heard:
    """A Receiver that keeps everything, in the order of the calls."""

    def __init__(self, on_wake: Callable[[], None] = lambda: None) -> None:
        self.calls: queue.SimpleQueue[tuple[str, object]] = queue.SimpleQueue()
        self.threads: set[str] = set()
        self.refusal: Refusal | None = None
        self._on_wake = on_wake

    def on_open(self, now_ns: int) -> None:
        self._note("open", now_ns)

    def on_frame(self, frame: bytes, recv_ns: int) -> None:
        self._note("frame", frame)

    def on_wake(self, now_ns: int) -> None:
        self._on_wake()
        self._note("wake", now_ns)

    def on_close(self, reason: str, now_ns: int, refusal: Refusal | None = None) -> None:
        self.refusal = refusal
        self._note("close", reason)

    def _note(self, name: str, value: object) -> None:
        self.threads.add(threading.current_thread().name)
        self.calls.put((name, value))

    def next(self, name: str) -> object:
        """The next call of that name; wake-ups before it are passed over."""
        while True:
            got, value = self.calls.get(timeout=WAIT_S)
            if got == name:
                return value
            assert got == "wake", f"{got} {value!r} came while waiting for {name}"
