"""A connection of a client to one socket of a node: opened with a proof that somebody is there, or the reason why not.

A ZeroMQ socket connects to nothing at all and says nothing about it. So every socket here has its monitor, and opening
waits for the handshake: a node that is not there, one that does not answer and one that refuses the key are three
different sentences. Used by one thread at a time, as every ZeroMQ socket; nothing lingers when it is closed.
"""

from __future__ import annotations

import socket
import time
from pathlib import Path
from types import TracebackType
from typing import NamedTuple
from urllib.parse import urlsplit

import zmq
from zmq.utils.monitor import parse_monitor_message

from livestack.control.endpoints import stranger
from livestack.exceptions import NodeUnreachableError, PermissionDeniedError, UsageError

OPEN_LIMIT_S = 2.0
"""A node answers a handshake in a millisecond, also under load: its threads for that need no interpreter."""

RECEIVE_QUEUE = 100_000
"""Publications that wait for a slow subscriber before the newest are lost; about 100 MB at the most."""

HELLO_S = 1
"""Silence on a connection after which it is probed, in seconds; three probes without an answer end it."""

_IPC = "ipc://"
_EVENTS = (
    zmq.EVENT_CONNECT_RETRIED
    | zmq.EVENT_DISCONNECTED
    | zmq.EVENT_HANDSHAKE_SUCCEEDED
    | zmq.EVENT_HANDSHAKE_FAILED_AUTH
    | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
    | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
)


class CurveKeys(NamedTuple):
    """z85 texts: the client's pair, and the public key by which it knows the node."""

    public: bytes
    secret: bytes
    server: bytes


class Place(NamedTuple):
    """Where a socket is. ``keys`` None: no CURVE, ipc only.

    ``advice``: what to do when there is no node; ``stuck``: when there is one that does not answer.
    """

    address: str
    advice: str
    keys: CurveKeys | None = None
    stuck: str = ""


class Channel:
    """``kind`` is ``zmq.DEALER`` or ``zmq.SUB``; the latter hears ``topics``."""

    def __init__(
        self, context: zmq.Context[zmq.Socket[bytes]], place: Place, kind: int, topics: tuple[str, ...] = ()
    ) -> None:
        self.place = place
        self._lost = False
        self.socket = context.socket(kind)
        self.socket.linger = 0
        self.socket.rcvhwm = RECEIVE_QUEUE
        self.socket.immediate = True
        self.socket.heartbeat_ivl = HELLO_S * 1_000
        self.socket.heartbeat_timeout = 3 * HELLO_S * 1_000
        if place.keys is not None:
            self.socket.curve_publickey, self.socket.curve_secretkey, self.socket.curve_serverkey = place.keys
        for topic in topics:
            self.socket.subscribe(topic)
        self._monitor = self.socket.get_monitor_socket(_EVENTS)

    def open(self, limit_s: float = OPEN_LIMIT_S) -> Channel:
        """Connect, and return when the handshake is done.

        ``NodeUnreachableError`` where there is no node or it does not answer within ``limit_s``,
        ``PermissionDeniedError`` where it refuses the key.
        """
        path = self.place.address.removeprefix(_IPC)
        if path != self.place.address and (cause := stranger(Path(path))):
            raise NodeUnreachableError(self.place.address, cause)
        if path != self.place.address and not Path(path).exists():
            raise self._unreachable("no node runs there (there is no such socket)")
        try:
            self.socket.connect(self.place.address)
        except zmq.ZMQError as error:
            raise UsageError(
                f"{self.place.address} is no address of a node ({error}); it would be tcp://HOST:PORT or ipc://PATH"
            ) from None
        deadline = time.monotonic() + limit_s
        while (left := deadline - time.monotonic()) > 0 and self._monitor.poll(int(left * 1_000) + 1):
            if self._is_open(parse_monitor_message(self._monitor.recv_multipart())["event"]):
                return self
        self._check_name()
        cause = f"something is there and does not answer within {limit_s:g} s: it is stopped or stuck"
        raise NodeUnreachableError(self.place.address, cause, self.place.stuck)

    def _is_open(self, event: int) -> bool:
        match event:
            case zmq.EVENT_HANDSHAKE_SUCCEEDED:
                return True
            case zmq.EVENT_HANDSHAKE_FAILED_AUTH:
                raise PermissionDeniedError(
                    "PERMISSION_DENIED",
                    f"the node at {self.place.address} does not take this key: unknown, revoked or expired; "
                    "an admin makes one with livestack keys new NAME --role ROLE",
                )
            case zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL:
                raise self._unreachable("what is there does not speak as a node does, or has another key")
            case zmq.EVENT_DISCONNECTED:
                raise self._unreachable(
                    "the handshake was broken off: the node has another key, or is ending"
                )
            case zmq.EVENT_CONNECT_RETRIED:
                self._check_name()
                raise self._unreachable("nobody listens there: the node that was there is dead or gone")
        return False

    def has_lost(self) -> bool:
        """Whether the connection has ended since it was opened."""
        while self._monitor.poll(0):
            parse_monitor_message(self._monitor.recv_multipart())
            self._lost = True  # nothing but bad news comes after the handshake
        return self._lost

    def receive(self, limit_s: float | None) -> list[bytes] | None:
        """The next message's frames; None after ``limit_s`` seconds (None: for ever) or when the node is gone."""
        deadline = None if limit_s is None else time.monotonic() + limit_s
        while True:
            wait_ms = None if deadline is None else max(int((deadline - time.monotonic()) * 1_000) + 1, 0)
            ready = wait([self], wait_ms)
            if self.socket in ready:
                return self.socket.recv_multipart()
            if not ready or self.has_lost():
                return None

    def monitors(self) -> zmq.Socket[bytes]:
        """Readable when something happens to the connection."""
        return self._monitor

    def close(self) -> None:
        self.socket.disable_monitor()
        self._monitor.close(0)
        self.socket.close(0)

    def _check_name(self) -> None:
        """ZeroMQ goes on trying to look up a name that nobody knows, and does not say so."""
        if not self.place.address.startswith("tcp://"):
            return
        host = urlsplit(self.place.address).hostname or ""
        try:
            socket.getaddrinfo(host, None)
        except OSError as error:
            cause = f"the name {host} cannot be resolved ({error.strerror or error})"
            raise NodeUnreachableError(self.place.address, cause, "is it written right?") from None

    def _unreachable(self, cause: str) -> NodeUnreachableError:
        return NodeUnreachableError(self.place.address, cause, self.place.advice)

    def __enter__(self) -> Channel:
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _value: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self.close()


def wait(channels: list[Channel], limit_ms: int | None) -> set[zmq.Socket[bytes]]:
    """Sockets and monitors of ``channels`` that have something to read; empty when the time is over."""
    poller = zmq.Poller()
    for channel in channels:
        poller.register(channel.socket, zmq.POLLIN)
        poller.register(channel.monitors(), zmq.POLLIN)
    return {socket for socket, _ in poller.poll(limit_ms)}
