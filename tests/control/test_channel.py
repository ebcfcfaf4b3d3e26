"""Connections of a client: what is there, what is not, who is not let in, each with its sentence; over real CURVE."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import zmq

from livestack.client import ControlClient
from livestack.control.channel import Channel, CurveKeys, Place
from livestack.control.commands import Role
from livestack.control.keys import new_client, revoke
from livestack.exceptions import NodeUnreachableError, PermissionDeniedError, RefusedError, UsageError
from livestack.wire import control_pb2 as wire
from tests.control.support import LIMIT_S, running, until

SHORT_S = 0.2
"""A limit that a test waits out."""


@contextmanager
def channel(place: Place) -> Iterator[Channel]:
    with zmq.Context() as context, Channel(context, place, zmq.DEALER) as one:
        yield one


@contextmanager
def listening(path: Path, says: bytes | None) -> Iterator[str]:
    """Something that accepts connections, sends ``says`` and hears nothing."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        taken = []

        def accept() -> None:
            connection, _ = listener.accept()
            taken.append(connection)
            if says is not None:
                connection.sendall(says)

        thread = threading.Thread(target=accept)
        thread.start()
        yield f"ipc://{path}"
        thread.join(LIMIT_S)
        taken[0].close()


def test_it_is_open_when_somebody_is_there(tmp_path: Path) -> None:
    """And knows when they have gone."""
    with running(tmp_path) as node, channel(Place(node.endpoints.control, "")) as one:
        one.open()
        assert not one.has_lost()
        node.server.stop()
        until(one.has_lost)
        assert one.receive(LIMIT_S) is None


def test_nothing_is_received_in_time(tmp_path: Path) -> None:
    """None, and the connection stands."""
    with running(tmp_path) as node, channel(Place(node.endpoints.control, "")) as one:
        assert one.open().receive(SHORT_S) is None
        assert not one.has_lost()


def test_what_does_not_answer_is_told_from_what_is_not_there(tmp_path: Path) -> None:
    """A node that is stopped still accepts connections: the kernel does."""
    with (
        listening(tmp_path / "a", None) as address,
        channel(Place(address, "start one", stuck="do this")) as one,
        pytest.raises(
            NodeUnreachableError, match=r"does not answer within 0\.2 s: it is stopped or stuck; do this"
        ),
    ):
        one.open(SHORT_S)


def test_a_socket_that_others_could_have_made_is_not_spoken_to(tmp_path: Path) -> None:
    """Not one byte: what is there may be anybody's."""
    place = tmp_path / "place"
    place.mkdir()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(place / "a"))
        listener.listen()
        listener.setblocking(False)
        place.chmod(0o777)
        with (
            channel(Place(f"ipc://{place}/a", "start one")) as one,
            pytest.raises(NodeUnreachableError, match=r"not to be trusted: .*chmod 700"),
        ):
            one.open(SHORT_S)
        with pytest.raises(BlockingIOError):
            listener.accept()


def test_what_is_no_node_is_said_to_be_none(tmp_path: Path) -> None:
    """It speaks another protocol."""
    with (
        listening(tmp_path / "a", b"SSH-2.0-OpenSSH\r\n" + b"x" * 100) as address,
        channel(Place(address, "")) as one,
        pytest.raises(NodeUnreachableError),
    ):
        one.open()


def test_a_port_where_nobody_listens(tmp_path: Path) -> None:
    """Is said at once."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with (
            channel(Place(f"tcp://127.0.0.1:{port}", "")) as one,
            pytest.raises(NodeUnreachableError, match="nobody listens there"),
        ):
            one.open(LIMIT_S)


def test_an_address_that_is_none() -> None:
    """A usage error that says what one looks like."""
    with channel(Place("nonsense", "")) as one, pytest.raises(UsageError, match="tcp://HOST:PORT"):
        one.open()


def test_over_curve_everything_works(tmp_path: Path) -> None:
    """The node knows who it is; commands, publications and kill's own socket."""
    with (
        running(tmp_path, tcp=True) as node,
        ControlClient.at(
            node.server.tcp_address,
            key_file=_key(node.keys, "anna"),
            publish_endpoint=node.server.publish_tcp_address,
        ) as client,
    ):
        assert ("anna", "operator") == (client.ping().who, client.ping().role)
        assert wire.DONE == client.kill("why").outcome
        heard = client.subscribe(("event",))
        threading.Thread(target=_publish, args=(node,)).start()
        assert 7 == next(heard).seq
        heard.close()  # type: ignore[attr-defined]


def _publish(node) -> None:  # type: ignore[no-untyped-def]
    until(lambda: node.server.is_subscribed("event"))
    node.server.publish("event", wire.Publication(seq=7).SerializeToString())


def test_a_key_that_is_not_listed_is_a_matter_of_rights(tmp_path: Path) -> None:
    """Exit code 7; what an admin would do is said."""
    with running(tmp_path, tcp=True) as node:
        public, secret = zmq.curve_keypair()
        _, _, server = node.key("known", Role.ADMIN)
        with (
            channel(Place(node.server.tcp_address, "", CurveKeys(public, secret, server))) as one,
            pytest.raises(PermissionDeniedError, match="livestack keys new NAME") as refused,
        ):
            one.open()
    assert 7 == refused.value.exit_code


def test_a_revoked_key_is_refused_in_the_middle(tmp_path: Path) -> None:
    """Also on a connection that stands."""
    with running(tmp_path, tcp=True) as node:
        path = _key(node.keys, "anna")
        with ControlClient.at(node.server.tcp_address, key_file=path) as client:
            client.ping()
            revoke(node.keys, "anna")
            with pytest.raises(RefusedError, match="no longer") as refused:
                client.ping()
    assert 7 == refused.value.exit_code


@pytest.mark.parametrize("wrong", ["another server", "no key"])
def test_a_node_with_another_key_is_not_this_one(tmp_path: Path, wrong: str) -> None:
    """Nor is one that wants a key where none is shown."""
    with running(tmp_path, tcp=True) as node:
        mine = CurveKeys(*node.key("anna", Role.ADMIN))
        keys = mine._replace(server=zmq.curve_keypair()[0]) if wrong == "another server" else None
        with (
            channel(Place(node.server.tcp_address, "", keys)) as one,
            pytest.raises(NodeUnreachableError),
        ):
            one.open()


def _key(keys: Path, name: str) -> Path:
    return new_client(keys, name, Role.OPERATOR)[1]
