"""What every WebSocket connection of this process has written, below everything that could forget to say it.

The transport's last method before the socket is wrapped: each frame is unmasked, and if it places or replaces an order
it is noted when its first byte was about to be written and when its last one was.
"""

from __future__ import annotations

import json
import threading
import time
from typing import Any, NamedTuple

from livestack.transports import websocket

ORDER_METHODS = {"order.place", "order.cancelReplace", "order.amend.keepPriority"}


class Written(NamedTuple):
    """Times are wall-clock nanoseconds."""

    began_ns: int
    ended_ns: int
    method: str
    client_id: str


class SocketSpy:
    """As a context: spies on all connections inside. ``written`` grows; any thread reads it."""

    def __init__(self) -> None:
        self.written: list[Written] = []
        self._lock = threading.Lock()
        self._connection: Any = websocket.WebSocketConnection
        self._before = self._connection._write_locked

    def __enter__(self) -> SocketSpy:
        spy = self

        def write(connection: Any, connected: Any, frame: bytes, deadline_ns: int) -> None:
            order = order_of(frame)
            began_ns = time.time_ns()
            try:
                spy._before(connection, connected, frame, deadline_ns)
            finally:
                if order is not None:
                    with spy._lock:
                        spy.written.append(Written(began_ns, time.time_ns(), *order))

        self._connection._write_locked = write
        return self

    def __exit__(self, *_error: object) -> None:
        self._connection._write_locked = self._before

    def count(self) -> int:
        return len(self.written)


def order_of(frame: bytes) -> tuple[str, str] | None:
    """Method and client id of a masked text frame that can open or enlarge a position; None: any other frame."""
    if frame[0] & 0x0F != 1:
        return None
    size, start = frame[1] & 0x7F, 2
    if size == 126:
        start = 4
    elif size == 127:
        start = 10
    mask, body = frame[start : start + 4], frame[start + 4 :]
    key = (mask * (len(body) // 4 + 1))[: len(body)]
    plain = (int.from_bytes(body, "big") ^ int.from_bytes(key, "big")).to_bytes(len(body), "big")
    message = json.loads(plain)
    if message.get("method") not in ORDER_METHODS:
        return None
    parameters = message.get("params", {})
    return message["method"], parameters.get("newClientOrderId", "")
