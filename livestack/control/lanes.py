"""The sockets of a control server: how each is opened, and how a message is taken from it. Server's thread.

A local one (``ipc``) relies on its directory, which is its owner's alone; one over ``tcp`` on CURVE. All are bounded:
the size of a message, the queues, the time for a handshake; and none waits for a peer, neither to send nor to close.
"""

from __future__ import annotations

import socket as system
from pathlib import Path

import msgspec
import zmq

from livestack.control.allow_list import AllowList
from livestack.control.authentication import DOMAIN
from livestack.control.endpoints import check_private
from livestack.control.keys import KeyPair
from livestack.exceptions import HeldError

MESSAGE_BYTES_MAX = 65_536
"""Of one frame; a peer that sends a longer one is disconnected."""

FRAMES_MAX = 4
"""Frames of a message that are looked at; a request is one or two."""

HANDSHAKE_MS_MAX = 1_000
QUEUE_MAX = 1_000
"""Messages that wait in a socket: whatever a peer sends beyond that stays with it."""

REPLIES_QUEUE_MAX = 1_000
PUBLICATIONS_QUEUE_MAX = 10_000
"""Per subscriber: about ten seconds of a busy node's Events. Beyond that it misses some, and sees that in ``seq``."""

HEARTBEAT_MS, HEARTBEAT_LIMIT_MS = 2_000, 6_000
BACKLOG = 100

IPC = "ipc://"

Context = zmq.Context[zmq.Socket[bytes]]
Socket = zmq.Socket[bytes]


class ServerKeys(msgspec.Struct, frozen=True):
    """What a server needs for tcp: its own pair, and who may come in."""

    pair: KeyPair
    allow_list: AllowList


class Received(msgspec.Struct, frozen=True):
    """``route``: the frames that lead back to the sender. ``payload`` None: the frames are not those of a request.
    ``key``: Z85, of a secured socket; empty where it did not say."""

    route: tuple[bytes, ...]
    payload: bytes | None
    key: str = ""
    address: str = "ipc"


def open_router(context: Context, address: str, pair: KeyPair | None) -> Socket:
    """A bound ``ROUTER``; ``HeldError`` says why not."""
    socket = context.socket(zmq.ROUTER)
    socket.rcvhwm, socket.sndhwm = QUEUE_MAX, REPLIES_QUEUE_MAX
    return _opened(socket, address, pair)


def open_publisher(context: Context, address: str, pair: KeyPair | None) -> Socket:
    """A bound ``XPUB``; ``HeldError`` says why not."""
    socket = context.socket(zmq.XPUB)
    socket.rcvhwm, socket.sndhwm = QUEUE_MAX, PUBLICATIONS_QUEUE_MAX
    return _opened(socket, address, pair)


def bound_address(socket: Socket) -> str:
    """Where it really is: ``tcp://HOST:0`` has a port of its own by now."""
    return socket.getsockopt_string(zmq.LAST_ENDPOINT)


def receive(socket: Socket, *, is_secured: bool) -> Received | None:
    """The next message, or None. Never more than a few frames of it, however many there are."""
    try:
        route = socket.recv(zmq.DONTWAIT)
    except zmq.Again:
        return None
    frames: list[bytes] = []
    key, address = "", "ipc"
    while socket.getsockopt(zmq.RCVMORE):
        if is_secured:
            frame = socket.recv(zmq.DONTWAIT, copy=False)
            key, address = _property(frame, "User-Id"), _property(frame, "Peer-Address")
            content = frame.bytes
        else:
            content = socket.recv(zmq.DONTWAIT)
        if len(frames) < FRAMES_MAX:
            frames.append(content)
    if len(frames) == 1:
        return Received((route,), frames[0], key, address)
    if len(frames) == 2 and not frames[0]:  # a REQ socket, or a DEALER that does as one
        return Received((route, b""), frames[1], key, address)
    has_delimiter = bool(frames) and not frames[0]
    return Received((route, b"") if has_delimiter else (route,), None, key, address)


def send(socket: Socket, frames: tuple[bytes, ...]) -> bool:
    """Whether it was taken: who is gone, or does not read, is not waited for."""
    try:
        socket.send_multipart(frames, zmq.DONTWAIT)
    except zmq.ZMQError:
        return False
    return True


def remove_file(address: str) -> None:
    """The file of a local socket that is closed."""
    if address.startswith(IPC):
        Path(address.removeprefix(IPC)).unlink(missing_ok=True)


def _opened(socket: Socket, address: str, pair: KeyPair | None) -> Socket:
    try:
        socket.linger = 0
        socket.maxmsgsize = MESSAGE_BYTES_MAX
        socket.handshake_ivl = HANDSHAKE_MS_MAX
        socket.backlog = BACKLOG
        socket.heartbeat_ivl, socket.heartbeat_timeout = HEARTBEAT_MS, HEARTBEAT_LIMIT_MS
        if address.startswith(IPC):
            _check_file(Path(address.removeprefix(IPC)))
        else:
            if pair is None:  # never open without CURVE
                raise HeldError(address, "a control socket over tcp needs keys (livestack keys new)")
            socket.setsockopt(zmq.ZAP_DOMAIN, DOMAIN)
            socket.setsockopt(zmq.ZAP_ENFORCE_DOMAIN, 1)
            socket.ipv6 = "[" in address
            socket.curve_server = True
            socket.curve_publickey = pair.public.encode("ascii")
            socket.curve_secretkey = pair.secret.encode("ascii")
        socket.bind(address)
    except zmq.ZMQError as error:
        socket.close()
        raise HeldError(address, error.strerror or str(error)) from error
    except BaseException:
        socket.close()
        raise
    return socket


def _check_file(path: Path) -> None:
    """The file of a node that is gone may be replaced, that of a running one may not."""
    check_private(path.parent)
    if path.exists():
        with system.socket(system.AF_UNIX, system.SOCK_STREAM) as probe:
            probe.setblocking(False)
            try:
                probe.connect(str(path))
            except (ConnectionRefusedError, FileNotFoundError):
                path.unlink(missing_ok=True)
                return
            except OSError:
                pass
        raise HeldError(str(path), "another process answers there")


def _property(frame: zmq.Frame, name: str) -> str:
    try:
        return str(frame.get(name))
    except (zmq.ZMQError, KeyError, UnicodeDecodeError):
        return ""
