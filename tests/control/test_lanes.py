"""Sockets: how they are opened, and what is taken from them."""

from __future__ import annotations

import socket as system
from collections.abc import Iterator
from pathlib import Path

import pytest
import zmq

from livestack.control import lanes
from livestack.control.endpoints import prepare
from livestack.control.lanes import Received
from livestack.exceptions import HeldError
from tests.control.support import LIMIT_S, sockets


@pytest.fixture
def context() -> Iterator[lanes.Context]:
    with sockets() as made:
        yield made


def received(socket: lanes.Socket) -> Received:
    assert socket.poll(LIMIT_S * 1_000)
    found = lanes.receive(socket, is_secured=False)
    assert found is not None
    return found


def test_frames_of_both_kinds_of_client(context: lanes.Context, tmp_path: Path) -> None:
    """A REQ puts an empty frame before its request, a DEALER may; the reply takes the same way back."""
    address = prepare(tmp_path).control
    server = lanes.open_router(context, address, None)
    request, dealer = context.socket(zmq.REQ), context.socket(zmq.DEALER)
    for client, frames, length in ((request, [b"a"], 2), (dealer, [b"a"], 1), (dealer, [b"", b"a"], 2)):
        client.connect(address)
        client.send_multipart(frames)
        got = received(server)
        assert (b"a", length, "") == (got.payload, len(got.route), got.key)
        assert lanes.send(server, (*got.route, b"b"))
        assert b"b" == client.recv_multipart()[-1]
        client.disconnect(address)
    assert lanes.receive(server, is_secured=False) is None


def test_what_is_no_request_has_no_payload(context: lanes.Context, tmp_path: Path) -> None:
    """Any number of frames is taken in, and few of them kept."""
    address = prepare(tmp_path).control
    server = lanes.open_router(context, address, None)
    client = context.socket(zmq.DEALER)
    client.connect(address)
    for frames in ([b"a", b"b"], [b"", b"a", b"b"], [b"a"] * 5_000):
        client.send_multipart(frames)
        assert received(server).payload is None
    client.send(b"next")
    assert b"next" == received(server).payload


def test_who_is_gone_is_not_waited_for(context: lanes.Context, tmp_path: Path) -> None:
    """A reply to nobody is dropped; one on a closed socket is said to be."""
    server = lanes.open_router(context, prepare(tmp_path).control, None)
    assert lanes.send(server, (b"nobody", b"a"))
    server.close()
    assert not lanes.send(server, (b"nobody", b"a"))


def test_the_file_of_a_dead_node_is_replaced(context: lanes.Context, tmp_path: Path) -> None:
    """That of a living one is not."""
    address = prepare(tmp_path).control
    path = Path(address.removeprefix("ipc://"))
    with system.socket(system.AF_UNIX) as dead:
        dead.bind(str(path))
        dead.listen()
        with pytest.raises(HeldError, match="another process answers"):
            lanes.open_router(context, address, None)
    assert path.exists()
    lanes.open_router(context, address, None)
    with pytest.raises(HeldError, match="another process answers"):
        lanes.open_router(context, address, None)


def test_a_directory_of_others_holds_no_socket(context: lanes.Context, tmp_path: Path) -> None:
    """Whoever may open it is an administrator."""
    (tmp_path / "run").mkdir()
    (tmp_path / "run").chmod(0o755)
    with pytest.raises(HeldError, match="chmod 700"):
        lanes.open_router(context, f"ipc://{tmp_path}/run/control", None)


def test_tcp_is_never_open_without_keys(context: lanes.Context) -> None:
    """For either kind of socket."""
    for opened in (lanes.open_router, lanes.open_publisher):
        with pytest.raises(HeldError, match="needs keys"):
            opened(context, "tcp://127.0.0.1:0", None)


def test_every_limit_is_set(context: lanes.Context, tmp_path: Path) -> None:
    """On the main lane and on what is published."""
    addresses = prepare(tmp_path)
    for socket in (
        lanes.open_router(context, addresses.control, None),
        lanes.open_publisher(context, addresses.publish, None),
    ):
        assert 65_536 == socket.maxmsgsize
        assert 1_000 == socket.handshake_ivl
        assert 0 == socket.linger
        assert 0 < socket.rcvhwm <= 1_000
        assert 0 < socket.sndhwm <= 10_000
        assert 0 < socket.heartbeat_ivl
