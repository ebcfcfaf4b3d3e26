"""Opening a WebSocket: one close with the cause, whatever answers, and in a limited time."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable

import pytest

from livestack.transports.base import Refusal
from livestack.transports.clock import SystemClock
from livestack.transports.websocket import WebSocketClientTransport
from tests.transports.server import Heard, Peer, hold, read_head
from tests.transports.test_websocket import connect


def _not_found(connection: socket.socket) -> None:
    read_head(connection)
    connection.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")


def _elsewhere(connection: socket.socket) -> None:
    read_head(connection)
    connection.sendall(b"HTTP/1.1 302 Found\r\nLocation: ws://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n")


def _wrong_accept(connection: socket.socket) -> None:
    read_head(connection)
    connection.sendall(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: bm90IHRoaXM=\r\n\r\n"
    )


@pytest.mark.parametrize(
    "behave",
    [
        _not_found,
        _elsewhere,
        _wrong_accept,
        lambda connection: connection.sendall(b"\x00\xff garbage \r\n\r\n" * 10),
        lambda connection: connection.sendall(b"SSH-2.0-OpenSSH_9.0\r\n"),
        lambda connection: connection.sendall(b"x" * 500_000),
        lambda connection: None,
    ],
    ids=["404", "redirect", "wrong accept", "garbage", "ssh", "endless", "cut"],
)
def test_a_handshake_that_fails_is_one_close(behave: Callable[[socket.socket], None]) -> None:
    """No ``on_open``; the reason says what happened."""
    with Peer(behave) as peer:
        heard = Heard()
        connect(peer, heard)
        assert "cannot connect" in str(heard.next("close"))


HALF_A_TEXT = b"HTTP/1.1 418 I\r\nRetry-After: 9\r\nContent-Length: 99\r\n\r\nx"


def refusing(data: bytes, cut: bool = False) -> Callable[[socket.socket], None]:
    def behave(connection: socket.socket) -> None:
        read_head(connection)
        connection.sendall(data)
        if not cut:
            hold(connection)

    return behave


@pytest.mark.parametrize(
    ("behave", "refusal", "meaning"),
    [
        (
            refusing(b"HTTP/1.1 418 Teapot\r\nRetry-After: 600\r\nContent-Length: 2\r\n\r\n{}"),
            Refusal(418, 600),
            "banned",
        ),
        (
            refusing(b"HTTP/1.1 429 Too Many\r\nretry-after:  7\r\nContent-Length: 0\r\n\r\n"),
            Refusal(429, 7),
            "too often",
        ),
        (refusing(b"HTTP/1.1 429 No\r\nRetry-After: Sat, 21 Nov 2026\r\n\r\n"), Refusal(429, -1), "too often"),
        (refusing(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"), Refusal(403), "firewall"),
        (refusing(b"HTTP/1.1 401 Who\r\nContent-Length: 0\r\n\r\n"), Refusal(401), "who asks"),
        (refusing(b"HTTP/1.1 503\r\n\r\n"), Refusal(503), "nobody"),
        (refusing(HALF_A_TEXT, cut=True), Refusal(418, 9), "banned"),
        (refusing(HALF_A_TEXT), Refusal(418, 9), "banned"),
    ],
    ids=["ban", "limit", "date", "firewall", "key", "broken", "text is cut", "text does not come"],
)  # fmt: skip
def test_a_refusal_is_said_with_its_status(
    behave: Callable[[socket.socket], None], refusal: Refusal, meaning: str
) -> None:
    """For how long to be silent is known also where the text behind it never comes; people read a sentence."""
    with Peer(behave) as peer:
        heard = Heard()
        connect(peer, heard, connect_timeout_s=0.5)
        reason = str(heard.next("close"))
    assert refusal == heard.refusal
    assert f"HTTP status {refusal.status}" in reason
    assert meaning in reason


@pytest.mark.parametrize(
    "data",
    [b"HTTP/1.1 418 I\r\nRetry-After: 1", b"SSH-2.0-OpenSSH_9.0 418\r\n\r\n", b"HTTP/1.1 41\r\n\r\n"],
    ids=["half a head", "ssh", "no status"],
)
def test_what_is_no_answer_refuses_nothing(data: bytes) -> None:
    """It is a failure like any other."""
    with Peer(refusing(data, cut=True)) as peer:
        heard = Heard()
        connect(peer, heard)
        assert "cannot connect" in str(heard.next("close"))
    assert heard.refusal is None


def test_a_handshake_that_drips_ends_at_the_limit() -> None:
    """One byte now and then does not keep it open: the limit is on the whole."""

    def behave(connection: socket.socket) -> None:
        stop = threading.Event()
        while not stop.wait(0.02):
            connection.sendall(b"H")

    with Peer(behave) as peer:
        heard = Heard()
        connect(peer, heard, connect_timeout_s=0.3)
        assert "cannot connect" in str(heard.next("close"))


def test_a_refused_port_is_one_close() -> None:
    """Address refused: the cause is in the reason."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    heard = Heard()
    WebSocketClientTransport(SystemClock()).connect(f"ws://127.0.0.1:{port}/", heard)
    assert "refused" in str(heard.next("close"))


@pytest.mark.parametrize("url", ["http://127.0.0.1/", "ws://", "nonsense", "ws://127.0.0.1:99999/"])
def test_an_address_that_is_none_is_one_close(url: str) -> None:
    """No exception out of ``connect``."""
    heard = Heard()
    WebSocketClientTransport(SystemClock()).connect(url, heard)
    assert "cannot connect" in str(heard.next("close"))
