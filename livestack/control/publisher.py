"""What the node publishes, to whoever subscribed, on the local socket and over tcp. Server's thread, but two methods.

A subscriber that does not read misses publications; nobody waits for it. When a key is revoked or expires, the socket
over tcp is bound anew: every subscriber has to come in again, and that one cannot.
"""

from __future__ import annotations

from collections import Counter, deque

import structlog
import zmq

from livestack.control import lanes
from livestack.control.keys import KeyPair
from livestack.exceptions import HeldError

TOPICS_MAX = 1_000
"""Different subscriptions over tcp; beyond that all have to come in again."""

WAITING_MAX = 10_000
"""Publications that wait for the server's thread; the oldest go first."""

_AT_ONCE = 500
_SUBSCRIBE, _UNSUBSCRIBE = 1, 0


class _Side:
    """One socket and what is subscribed on it."""

    def __init__(self, address: str, pair: KeyPair | None) -> None:
        self.address = address
        self.pair = pair
        self.socket: lanes.Socket | None = None
        self.topics: set[bytes] = set()

    def open(self, context: lanes.Context) -> None:
        self.socket = lanes.open_publisher(context, self.address, self.pair)
        self.address = lanes.bound_address(self.socket)

    def close(self) -> None:
        socket, self.socket = self.socket, None
        self.topics.clear()
        if socket is not None:
            socket.close()


class Publisher:
    """``local`` and ``tcp`` are addresses, empty: there is none. Any thread may :meth:`publish`."""

    def __init__(self, local: str, tcp: str, pair: KeyPair | None, counts: Counter[str]) -> None:
        self._local = _Side(local, None) if local else None
        self._tcp = _Side(tcp, pair) if tcp else None
        self._sides = [one for one in (self._local, self._tcp) if one is not None]
        self._waiting: deque[tuple[bytes, bytes]] = deque(maxlen=WAITING_MAX)
        self._topics: tuple[bytes, ...] = ()
        self._counts = counts

    @property
    def tcp_address(self) -> str:
        return self._tcp.address if self._tcp is not None else ""

    def publish(self, topic: str, payload: bytes) -> bool:
        """Whether it is worth waking the server's thread. Any thread."""
        if not self.is_subscribed(topic):
            return False
        if len(self._waiting) >= WAITING_MAX:
            self._counts["publications_dropped"] += 1
        self._waiting.append((topic.encode(), payload))
        return True

    def is_subscribed(self, topic: str) -> bool:
        """Whether anybody wants it. Any thread."""
        name = topic.encode()
        return any(name.startswith(one) for one in self._topics)

    def open(self, context: lanes.Context) -> None:
        for side in self._sides:
            side.open(context)

    def close(self) -> None:
        for side in self._sides:
            side.close()
        self._topics = ()

    def sockets(self) -> list[lanes.Socket]:
        return [one.socket for one in self._sides if one.socket is not None and not one.socket.closed]

    def local_address(self) -> str:
        """Of the local socket, while it is bound."""
        return self._local.address if self._local is not None and self._local.socket is not None else ""

    def is_whole(self) -> bool:
        """Whether every socket is bound."""
        return len(self.sockets()) == len(self._sides)

    def end_tcp(self) -> None:
        """Drop every subscriber over tcp; :meth:`mend` lets in again those that may."""
        if self._tcp is not None:
            self._tcp.close()
            self._collect()

    def mend(self, context: lanes.Context) -> None:
        """Bind what is not bound; the address is free once ZeroMQ's own thread has let it go."""
        for side in self._sides:
            if side.socket is None or side.socket.closed:
                try:
                    side.open(context)
                except HeldError:
                    self._counts["bind_failed"] += 1

    def hear(self) -> None:
        """Take subscriptions in."""
        for side in self._sides:
            for _ in range(_AT_ONCE):
                message = _message(side.socket)
                if message is None:
                    break
                if message[:1] == bytes([_SUBSCRIBE]):
                    side.topics.add(message[1:])
                elif message[:1] == bytes([_UNSUBSCRIBE]):
                    side.topics.discard(message[1:])
        if self._tcp is not None and len(self._tcp.topics) > TOPICS_MAX:
            structlog.get_logger("control").warning("too_many_subscriptions", topics=len(self._tcp.topics))
            self._tcp.close()
        self._collect()

    def send(self) -> None:
        """Send what waits."""
        for _ in range(len(self._waiting)):
            frames = self._waiting.popleft()
            for side in self._sides:
                if side.socket is not None and not lanes.send(side.socket, frames):
                    self._counts["publications_dropped"] += 1

    def _collect(self) -> None:
        self._topics = tuple({topic for one in self._sides for topic in one.topics})


def _message(socket: lanes.Socket | None) -> bytes | None:
    """The next message's first frame: that is all a subscription has. Those behind it are taken in and dropped."""
    if socket is None:
        return None
    try:
        first = socket.recv(zmq.DONTWAIT)
    except zmq.Again:
        return None
    while socket.getsockopt(zmq.RCVMORE):
        socket.recv(zmq.DONTWAIT)
    return first
