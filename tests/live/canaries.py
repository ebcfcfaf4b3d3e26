"""What the search for canaries looks through besides files, and a server that refuses the password it was told."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
from pyarrow import parquet

from livestack.client import ControlClient
from livestack.control.keys import load_client_keys, load_server
from tests.live import operated
from tests.support import Process

PUBLICATIONS = 200


def key_secrets(directory: Path, client: Path) -> list[str]:
    """The secret halves of the node's and an operator's pair."""
    _, secret, _ = load_client_keys(client)
    return [load_server(directory).secret, secret.decode()]


def answers(control: ControlClient) -> bytes:
    """All that a node tells whoever asks, and some of what it publishes."""
    asked = (
        control.ping, control.status, control.orders, control.positions, control.fills, control.feeds,
        control.venues, control.risk, control.configuration, control.metrics,
    )  # fmt: skip
    told = [ask().SerializeToString() for ask in asked]
    published = control.subscribe(("status", "event"))
    told += [next(published).SerializeToString() for _ in range(PUBLICATIONS)]
    return b"\n".join(told)


def arguments(processes: list[psutil.Process]) -> bytes:
    """What ``ps`` shows of them to everybody on the machine."""
    return "\n".join(" ".join(one.cmdline()) for one in processes).encode()


def decoded(directory: Path) -> bytes:
    """The newest session's journal as Events, and every file of records as rows: on disk both may be packed."""
    records = [str(one) for one in operated.journal(directory)]
    rows = [str(parquet.read_table(path).to_pylist()) for path in directory.rglob("*.parquet")]
    assert records
    assert rows
    return "\n".join([*records, *rows]).encode()


def unread(receiver: socket.socket) -> bytes:
    """Every datagram that waits, one a line."""
    receiver.setblocking(False)
    got = []
    while True:
        try:
            got.append(receiver.recv(65_536))
        except BlockingIOError:
            assert got
            return b"\n".join(got)


@contextmanager
def refusing_postgres(heard: list[bytes]) -> Iterator[int]:
    """The port of a server that has itself told the password, and then says that it is wrong."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=_refuse, args=(server, heard), daemon=True).start()
        yield server.getsockname()[1]


def _refuse(server: socket.socket, heard: list[bytes]) -> None:
    while True:
        try:
            connection, _ = server.accept()
        except OSError:
            return  # closed
        with connection:
            asked = connection.recv(10_000)
            while len(asked) == 8:  # for encryption, of one kind or another
                connection.sendall(b"N")
                asked = connection.recv(10_000)
            connection.sendall(b"R\0\0\0\x08\0\0\0\x03")
            heard.append(connection.recv(10_000))
            fields = b"SFATAL\0VFATAL\0C28P01\0Mpassword authentication failed\0\0"
            connection.sendall(b"E" + (4 + len(fields)).to_bytes(4, "big") + fields)


def children(node: Process) -> dict[str, psutil.Process]:
    """The node's own processes by what they are."""
    found = {}
    for one in psutil.Process(node.pid).children(recursive=True):
        words = one.cmdline()
        found.update({name: one for name in ("guard", "follower", "records") if name in words})
    return found
