"""A control server on real sockets for tests: a desk that answers at once or when told, and clients of both kinds."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Self

import zmq
from zmq.utils.monitor import recv_monitor_message

from livestack.control.allow_list import AllowList
from livestack.control.commands import Role, Sender
from livestack.control.endpoints import prepare
from livestack.control.keys import load_client_keys, load_server, new_client
from livestack.control.reception import Answer
from livestack.control.server import ControlServer, ServerKeys
from livestack.transports.clock import Clock, SystemClock
from livestack.wire import control_pb2

LIMIT_S = 20
"""How long anything is waited for before a test fails."""

SECOND_NS = 1_000_000_000
_numbers = itertools.count(1)


class FakeDesk:
    """Records what reaches it and answers DONE at once; of commands in ``held`` the test calls ``answers`` itself."""

    def __init__(self, held: tuple[str, ...] = ()) -> None:
        self.held = held
        self.served: list[tuple[control_pb2.Request, Sender]] = []
        self.refusals: list[tuple[str, str, Sender, int]] = []
        self.answers: list[Answer] = []
        self.changed = threading.Condition()

    def serve(self, request: control_pb2.Request, sender: Sender, answer: Answer) -> None:
        with self.changed:
            self.served.append((request, sender))
            self.answers.append(answer)
            self.changed.notify_all()
        if request.WhichOneof("command") not in self.held:
            answer(self.reply(sender))

    def refused(self, request_id: str, command: str, sender: Sender, code: int) -> None:
        with self.changed:
            self.refusals.append((request_id, command, sender, code))
            self.changed.notify_all()

    def reply(self, sender: Sender) -> control_pb2.Reply:
        pong = control_pb2.Pong(node="test", who=sender.by, role=sender.role.name.lower())
        return control_pb2.Reply(outcome=control_pb2.DONE, seq=len(self.served), pong=pong)

    def wait(self, condition: Callable[[], bool]) -> None:
        with self.changed:
            assert self.changed.wait_for(condition, LIMIT_S)

    def commands(self) -> list[str]:
        return [request.WhichOneof("command") or "" for request, _ in self.served]


class HandClock:
    """Both clocks, moved by hand."""

    def __init__(self, now_ns: int = 1_700_000_000 * SECOND_NS) -> None:
        self.ns = now_ns

    def now_ns(self) -> int:
        return self.ns

    def wall_ns(self) -> int:
        return self.ns

    def forward(self, seconds: float) -> None:
        self.ns += int(seconds * SECOND_NS)


def request(clock: Clock | None = None, /, **fields: Any) -> control_pb2.Request:
    """A request that is in order; without a command it is a ping."""
    made = control_pb2.Request(
        protocol=1,
        request_id=f"r{next(_numbers)}",
        issued_at_ns=(clock or SystemClock()).wall_ns(),
        reason="a test",
    )
    made.MergeFrom(control_pb2.Request(**fields))
    if made.WhichOneof("command") is None:
        made.ping.SetInParent()
    return made


class Client:
    """A DEALER (or REQ) on one address; with ``keys`` (public, secret, server) over CURVE."""

    def __init__(
        self, address: str, keys: tuple[bytes, bytes, bytes] | None = None, kind: int = zmq.DEALER
    ) -> None:
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.socket = self.context.socket(kind)
        self.socket.linger = 0
        self.socket.sndtimeo = self.socket.rcvtimeo = LIMIT_S * 1_000
        if keys is not None:
            self.socket.curve_publickey, self.socket.curve_secretkey, self.socket.curve_serverkey = keys
        self.monitor = self.socket.get_monitor_socket()
        self.socket.connect(address)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.socket.disable_monitor()
        self.context.destroy(linger=0)

    def send(self, asked: control_pb2.Request | bytes) -> None:
        self.socket.send(asked if isinstance(asked, bytes) else asked.SerializeToString())

    def receive(self) -> control_pb2.Reply:
        return control_pb2.Reply.FromString(self.socket.recv())

    def ask(self, asked: control_pb2.Request | bytes) -> control_pb2.Reply:
        self.send(asked)
        return self.receive()

    def event(self, *kinds: int) -> int:
        """Wait for one of these events of the connection."""
        self.monitor.rcvtimeo = LIMIT_S * 1_000
        while True:
            kind = int(recv_monitor_message(self.monitor)["event"])
            if kind in kinds:
                return kind


NOT_LET_IN = (
    zmq.EVENT_HANDSHAKE_FAILED_AUTH,
    zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL,
    zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL,
    zmq.EVENT_DISCONNECTED,
)


class Node:
    """A data directory with keys, a desk and a main lane; ``kill`` lane on request."""

    def __init__(self, path: Path, *, held: tuple[str, ...] = (), **options: Any) -> None:
        self.path = path
        self.keys = path / "keys"
        self.clock: Clock = options.pop("clock", None) or SystemClock()
        self.desk = FakeDesk(held)
        self.endpoints = prepare(path)
        self.allow_list = AllowList(self.keys, self.clock)
        if options.pop("tcp", False):
            self.key("first", Role.VIEWER)
            server_keys = ServerKeys(load_server(self.keys), self.allow_list)
            options |= {"keys": server_keys, "tcp": "tcp://127.0.0.1:0"}
            if not options.get("kill_only"):
                options["publish_tcp"] = "tcp://127.0.0.1:0"
        is_kill = options.get("kill_only", False)
        local = self.endpoints.kill if is_kill else self.endpoints.control
        publish = "" if is_kill else self.endpoints.publish
        self.server = ControlServer(desk=self.desk, clock=self.clock, local=local, publish=publish, **options)

    def key(self, name: str, role: Role, expires_ns: int | None = None) -> tuple[bytes, bytes, bytes]:
        return load_client_keys(new_client(self.keys, name, role, expires_ns)[1])

    def local(self, kind: int = zmq.DEALER) -> Client:
        return Client(self.server._addresses[0], kind=kind)

    def remote(self, keys: tuple[bytes, bytes, bytes] | None) -> Client:
        return Client(self.server.tcp_address, keys)


class KeptContext(zmq.Context[zmq.Socket[bytes]]):
    """Its sockets live until it is destroyed, whatever a test forgets."""

    kept: ClassVar[list[Any]] = []

    def socket(self, *arguments: Any, **options: Any) -> Any:
        made = super().socket(*arguments, **options)
        self.kept.append(made)
        return made


@contextmanager
def sockets() -> Iterator[zmq.Context[zmq.Socket[bytes]]]:
    context = KeptContext()
    try:
        yield context
    finally:
        context.destroy(linger=0)
        context.kept.clear()


@contextmanager
def running(path: Path, **options: Any) -> Iterator[Node]:
    node = Node(path, **options)
    node.server.start()
    try:
        yield node
    finally:
        node.server.stop()
        assert not node.server.is_alive()


def until(condition: Callable[[], bool]) -> None:
    """Wait for what nothing tells of."""
    deadline = time.monotonic() + LIMIT_S
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < deadline
        pause.wait(0.005)
