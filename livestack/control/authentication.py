"""Who may come in over tcp: the node's own answer to ZeroMQ's authentication requests (ZAP). Server's thread.

It fails closed. Secured sockets name the domain ``control`` and insist on it (``ZAP_ENFORCE_DOMAIN``), so without an
answer from here no handshake ends; only CURVE with a listed key gets a yes, and every message then carries the key as
its ``User-Id``, which the server demands. There is no thread that could die unseen: the server's loop polls this socket
with its own, and one that is gone is opened again in the next pass of the loop.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

import structlog
import zmq
from zmq.utils import z85

if TYPE_CHECKING:
    from livestack.control.allow_list import AllowList

DOMAIN = b"control"

_ADDRESS = "inproc://zeromq.zap.01"  # ZeroMQ RFC 27
_VERSION = b"1.0"
KEY_BYTES = 32
_AT_ONCE = 32
"""Handshakes answered in one pass of the loop."""


class Authenticator:
    """One for each context. ``refused`` hears the address of who was not let in, and the name if it is known."""

    def __init__(
        self,
        context: zmq.Context[zmq.Socket[bytes]],
        allow_list: AllowList,
        counts: Counter[str],
        refused: Callable[[str, str], None],
    ) -> None:
        self._context = context
        self._allow_list = allow_list
        self._counts = counts
        self._refused = refused
        self.socket: zmq.Socket[bytes] | None = None

    def start(self) -> None:
        """Open it; raises ``ZMQError`` where that cannot be."""
        socket = self._context.socket(zmq.ROUTER)
        try:
            socket.linger = 0
            socket.bind(_ADDRESS)
        except zmq.ZMQError:
            socket.close()
            raise
        self.socket = socket

    def stop(self) -> None:
        socket, self.socket = self.socket, None
        if socket is not None:
            socket.close()

    def is_alive(self) -> bool:
        return self.socket is not None and not self.socket.closed

    def serve(self) -> None:
        """Answer what is waiting. A failure of any kind closes the socket: until it is open again nobody comes in."""
        try:
            for _ in range(_AT_ONCE):
                if self.socket is None or not self.socket.poll(0):
                    return
                self._answer(self.socket, self.socket.recv_multipart(zmq.DONTWAIT))
        except Exception as error:  # noqa: BLE001 - whatever it was: closed is the safe state
            self._counts["authenticator_failed"] += 1
            structlog.get_logger("control").error("authenticator_failed", error=type(error).__name__)
            self.stop()

    def _answer(self, socket: zmq.Socket[bytes], frames: list[bytes]) -> None:
        """Frames: route, empty, version, request, domain, address, routing id, mechanism, credentials."""
        if len(frames) < 8:
            return
        route, _, version, request, domain, address, _, mechanism = frames[:8]
        credentials = frames[8:]
        key = ""
        is_curve = (version, domain, mechanism) == (_VERSION, DOMAIN, b"CURVE")
        if is_curve and len(credentials) == 1 and len(credentials[0]) == KEY_BYTES:
            key = z85.encode(credentials[0]).decode("ascii")
        if key and self._allow_list.find(key) is not None:
            self._counts["let_in"] += 1
            status, text = b"200", b"OK"
        else:
            self._counts["not_let_in"] += 1
            name = self._allow_list.expired(key) if key else ""
            text = b"this key has expired" if name else b"this key is not on the list"
            status, key = b"400", ""
            self._refused(address.decode("ascii", "replace"), name)
        socket.send_multipart(
            [route, b"", _VERSION, request, status, text, key.encode("ascii"), b""], zmq.DONTWAIT
        )
