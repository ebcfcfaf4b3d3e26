"""The control server: one thread that owns the sockets of a lane, from opening to closing them.

The main lane takes every command and publishes; the kill lane is a server of its own that takes kill and ping alone, so
nothing that the main one does can hold a kill up. Each has a ZeroMQ context of its own, and its own check of keys.

Theory of operation. The loop waits for requests, handshakes, subscriptions and a byte on a pair of sockets that other
threads write to wake it. Requests come first; one pass takes so many, and a lane takes only so many a second: the rest
stays in bounded queues and then with its sender, so a flood costs the trading threads next to nothing. What fails in a
pass is counted and logged, and all sockets are opened anew; the loop ends with :meth:`ControlServer.stop` alone.
"""

from __future__ import annotations

import socket as system
import threading
from collections import Counter, deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

import msgspec
import structlog
import zmq

from livestack.control import lanes
from livestack.control.authentication import Authenticator
from livestack.control.commands import Role, Sender
from livestack.control.keys import LOCAL_NAME
from livestack.control.lanes import Received, ServerKeys
from livestack.control.limits import Bucket
from livestack.control.publisher import Publisher
from livestack.control.reception import Answer, Desk, Origin, Reception
from livestack.exceptions import LivestackError
from livestack.wire import control_pb2

if TYPE_CHECKING:
    from livestack.transports.clock import Clock

REQUESTS_AT_ONCE = 64
"""Requests of one socket that a pass of the loop takes before it looks at the others."""

LANE_RATE = 2_000
"""Messages a second that the main lane takes in, of all keys together: a tenth of a core, whatever is sent. More where
one key's rate asks for it. The kill lane has no such limit."""

PASS_MS = 250
"""Longest wait of a pass: so soon a revoked key, a dead authenticator and an expired confirmation are noticed."""

MENDING_MS = 10
STOP_LIMIT_S = 10.0

UNLISTED = "unlisted"


class Health(msgspec.Struct, frozen=True):
    """``passed_ns``: session time of the loop's last pass, at most a quarter of a second ago where all is well; of
    starting, before the first one. A loop that cannot open its sockets does not pass.
    ``is_guarded``: handshakes over tcp are answered; None: there is no tcp. ``is_whole``: every socket is bound.
    ``trouble``: why the list of clients lets nobody in, or empty."""

    is_alive: bool
    passed_ns: int
    is_guarded: bool | None
    is_whole: bool
    counts: dict[str, int]
    trouble: str


class ControlServer:
    """``local`` is an ``ipc://`` address in a private directory, ``tcp`` needs ``keys``; so for ``publish`` (local) and
    ``publish_tcp``, which the kill lane has not. ``rate``: requests a second of one key, kill not counted."""

    def __init__(
        self,
        *,
        desk: Desk,
        clock: Clock,
        local: str,
        tcp: str = "",
        publish: str = "",
        publish_tcp: str = "",
        keys: ServerKeys | None = None,
        kill_only: bool = False,
        rate: int = 50,
        four_eyes: tuple[str, ...] = (),
        confirm_within_ns: int = 60_000_000_000,
    ) -> None:
        self._clock = clock
        self._keys = keys
        self._addresses = [one for one in (local, tcp) if one]
        self._kill_only = kill_only
        self._routers: list[tuple[lanes.Socket, bool]] = []
        self._context: lanes.Context | None = None
        self._authenticator: Authenticator | None = None
        self._usable: frozenset[str] = frozenset()
        self._told_expired: set[str] = set()
        self._posted: deque[Callable[[], None]] = deque()
        self._wake_in: system.socket | None = None
        self._is_woken = False
        self._stopping = False
        self._passed_ns = clock.now_ns()
        self._ready = threading.Event()
        self._failure: Exception | None = None
        self._log = structlog.get_logger("control")
        self._reception = Reception(
            desk,
            clock,
            post=self._post,
            current=self._current,
            kill_only=kill_only,
            rate=rate,
            four_eyes=four_eyes,
            confirm_within_ns=confirm_within_ns,
        )
        self.counts: Counter[str] = self._reception.counts
        pair = keys.pair if keys is not None else None
        self._publisher = Publisher(publish, publish_tcp, pair, self.counts)
        self._bucket = None if kill_only else Bucket(max(LANE_RATE, 2 * rate), clock.now_ns())
        self._pause_ms = 0
        self._thread = threading.Thread(
            target=self._run, name="control-kill" if kill_only else "control", daemon=True
        )

    # -- any thread ---------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Returns once every socket is bound, or raises why that cannot be."""
        self._wake_in, self._wake_out = system.socketpair()
        self._wake_in.setblocking(False)
        self._passed_ns = self._clock.now_ns()
        self._thread.start()
        self._ready.wait()
        if self._failure is not None:
            self._thread.join()
            raise self._failure

    def stop(self) -> None:
        """Close the sockets and end the thread."""
        self._stopping = True
        if self._thread.ident is not None:
            self._wake()
            self._thread.join(STOP_LIMIT_S)

    def publish(self, topic: str, payload: bytes) -> None:
        if self._publisher.publish(topic, payload):
            self._wake()

    def is_subscribed(self, topic: str) -> bool:
        return self._publisher.is_subscribed(topic)

    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def health(self) -> Health:
        authenticator = self._authenticator
        return Health(
            self.is_alive(),
            self._passed_ns,
            authenticator.is_alive() if authenticator is not None else None,
            len(self._routers) == len(self._addresses) and self._publisher.is_whole(),
            dict(self.counts),
            self._keys.allow_list.trouble if authenticator is not None and self._keys is not None else "",
        )

    @property
    def tcp_address(self) -> str:
        """Where it is bound, with the port that it was given; empty: nowhere."""
        return next((one for one in self._addresses if not one.startswith(lanes.IPC)), "")

    @property
    def publish_tcp_address(self) -> str:
        return self._publisher.tcp_address

    def _post(self, function: Callable[[], None]) -> None:
        """Run it on the server's thread."""
        self._posted.append(function)
        self._wake()

    def _wake(self) -> None:
        if not self._is_woken and self._wake_in is not None:
            self._is_woken = True
            with suppress(OSError):  # full: it is awake; closed: there is nobody to wake
                self._wake_in.send(b"\0")

    # -- the server's thread ------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            self._open()
        except Exception as error:  # noqa: BLE001 - start() raises it
            self._failure = error
        else:
            self._ready.set()
            while not self._stopping:
                self._guarded_pass()
        self._close()
        for one in (self._wake_in, self._wake_out):
            if one is not None:
                one.close()
        self._ready.set()

    def _guarded_pass(self) -> None:
        try:
            if self._context is None:
                self._open()
            self._pass()
        except Exception as error:  # noqa: BLE001 - whatever it was, operators must get in again
            self.counts["failed_passes"] += 1
            text = str(error) if isinstance(error, LivestackError | zmq.ZMQError) else ""
            self._log.error("control_lane_failed", error=type(error).__name__, text=text)
            self._close()
            self._wait(MENDING_MS * 10)

    def _open(self) -> None:
        context = self._context = zmq.Context()
        pair = self._keys.pair if self._keys is not None else None
        if self._keys is not None and (self.tcp_address or self.publish_tcp_address):
            allow_list = self._keys.allow_list
            self._usable = allow_list.usable()
            self._authenticator = Authenticator(context, allow_list, self.counts, self._not_let_in)
            self._guard()  # before the first socket is bound
        for number, address in enumerate(self._addresses):
            socket = lanes.open_router(context, address, pair)
            self._routers.append((socket, not address.startswith(lanes.IPC)))
            self._addresses[number] = lanes.bound_address(socket)
        self._publisher.open(context)

    def _close(self) -> None:
        """Only what this server has bound is removed: another file there may be another node's."""
        files = [*self._addresses[: len(self._routers)], self._publisher.local_address()]
        for socket, _ in self._routers:
            socket.close()
        self._routers.clear()
        self._publisher.close()
        if self._authenticator is not None:
            self._authenticator.stop()
        context, self._context = self._context, None
        if context is not None:
            context.destroy(linger=0)
        for address in files:
            lanes.remove_file(address)

    def _pass(self) -> None:
        ready = self._wait(self._pause_ms or (PASS_MS if self._publisher.is_whole() else MENDING_MS))
        self._passed_ns = self._clock.now_ns()
        self._pause_ms = 0
        for socket, is_secured in self._routers:
            if socket.closed:  # polling it would not tell
                raise zmq.ZMQError(zmq.ENOTSOCK)
            if socket in ready:
                self._requests(socket, is_secured=is_secured)
        while self._posted:
            self._posted.popleft()()
        self._publisher.hear()
        self._publisher.send()
        self._guard()
        self._reception.tick()

    def _wait(self, wait_ms: int) -> set[object]:
        """What can be read. While the lane has taken enough, requests are left where they are."""
        poller = zmq.Poller()
        poller.register(self._wake_out.fileno(), zmq.POLLIN)
        if not self._pause_ms:
            for socket, _ in self._routers:
                poller.register(socket, zmq.POLLIN)
        for socket in self._publisher.sockets():
            poller.register(socket, zmq.POLLIN)
        if self._authenticator is not None and self._authenticator.socket is not None:
            poller.register(self._authenticator.socket, zmq.POLLIN)
        ready = {one for one, _ in poller.poll(wait_ms)}
        if self._wake_out.fileno() in ready:
            self._wake_out.recv(4_096)
        self._is_woken = False  # what is posted from now on wakes the next wait
        return ready

    def _requests(self, socket: lanes.Socket, *, is_secured: bool) -> None:
        for _ in range(REQUESTS_AT_ONCE):
            if self._bucket is not None:
                wait_ns = self._bucket.wait_ns(self._clock.now_ns())
                if wait_ns:
                    self._pause_ms = wait_ns // 1_000_000 + 1
                    return
            received = lanes.receive(socket, is_secured=is_secured)
            if received is None:
                return
            if self._bucket is not None:
                self._bucket.take(self._clock.now_ns())
            if is_secured and not received.key:
                self.counts["without_key"] += (
                    1  # cannot be: no handshake ends without one; so it is not even answered
                )
                continue
            origin = self._origin(received, is_secured=is_secured)
            self._reception.take(received.payload, origin, partial(_give, socket, received.route))

    def _origin(self, received: Received, *, is_secured: bool) -> Origin:
        if not is_secured:
            return Origin(Sender(LOCAL_NAME, Role.ADMIN, received.address), "", received.route[0])
        assert self._keys is not None  # a secured socket was not opened without
        client = self._keys.allow_list.find(received.key)
        source = received.key.encode("ascii", "replace")
        if client is None:
            name = self._keys.allow_list.expired(received.key) or UNLISTED
            unlisted = Sender(name, Role.VIEWER, received.address)
            return Origin(unlisted, received.key, source, self._keys.allow_list.refusal(received.key))
        return Origin(Sender(client.name, client.role, received.address), received.key, source)

    def _current(self, sender: Sender, key: str) -> Sender | None:
        """What the sender of an earlier command may do by now."""
        if not key:
            return sender
        client = self._keys.allow_list.find(key) if self._keys is not None else None
        return None if client is None else Sender(client.name, client.role, sender.address)

    def _guard(self) -> None:
        """Keep the check of keys going, drop subscribers whose key may not be used any more, bind what is not bound."""
        if self._keys is not None and self._authenticator is not None:
            if not self._authenticator.is_alive():
                self._restart_authenticator(self._authenticator)
            self._authenticator.serve()
            usable = self._keys.allow_list.usable()
            if self._usable - usable:
                self.counts["subscribers_dropped"] += 1
                self._publisher.end_tcp()
            self._usable = usable
        if self._context is not None and not self._publisher.is_whole() and self._routers:
            self._publisher.mend(self._context)

    def _restart_authenticator(self, authenticator: Authenticator) -> None:
        try:
            authenticator.start()
            self.counts["authenticator_started"] += 1
        except Exception as error:  # noqa: BLE001 - nobody gets in over tcp until it works; the local lanes go on
            self.counts["authenticator_failed"] += 1
            self._log.error("authenticator_cannot_start", error=type(error).__name__)

    def _not_let_in(self, address: str, expired: str) -> None:
        """``expired``: whose key it is, where that is known. Who asks for the key has proven by then to have it."""
        if expired:
            self.counts["expired_keys"] += 1
            if expired not in self._told_expired:  # a client tries ten times a second
                self._told_expired.add(expired)
                self._log.warning("key_expired", name=expired, address=address)
        sender = Sender(expired or UNLISTED, Role.VIEWER, address)
        self._reception.note(sender, control_pb2.PERMISSION_DENIED, "", "handshake")


def _give(socket: lanes.Socket, route: tuple[bytes, ...], reply: bytes) -> None:
    lanes.send(socket, (*route, reply))


__all__ = ["Answer", "ControlServer", "Desk", "Health", "Role", "Sender", "ServerKeys"]
