"""A request as bytes, and an answer off a socket, without any connection of the sender's."""

from __future__ import annotations

import socket

import pytest

from livestack.exceptions import NotSentError
from livestack.transports.base import HttpRequest
from livestack.transports.clock import SystemClock
from livestack.transports.http_messages import read_answer, request_bytes, server_of

CLOCK = SystemClock()


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("https://api.venue.com/x", ("https", "api.venue.com", 443)),
        ("http://127.0.0.1:81", ("http", "127.0.0.1", 81)),
        ("https://api.venue.com:9443/", ("https", "api.venue.com", 9443)),
    ],
)
def test_where_an_address_leads(url: str, server: tuple[str, str, int]) -> None:
    """Scheme, host and port, with each scheme's own port."""
    assert server == server_of(url)


def test_a_request_is_one_piece() -> None:
    """Line, host, length, headers, and an empty line: nothing behind it."""
    data = request_bytes(HttpRequest("DELETE", "https://venue:1/a/b?c=%20d", (("X-MBX-APIKEY", "k"),)))
    head = data.split(b"\r\n")
    assert b"DELETE /a/b?c=%20d HTTP/1.1" == head[0]
    assert {b"Host: venue:1", b"Content-Length: 0", b"X-MBX-APIKEY: k"} <= set(head)
    assert data.endswith(b"\r\n\r\n")
    assert 1 == data.count(b"\r\n\r\n")


def test_a_header_with_a_line_of_its_own_is_refused() -> None:
    """Nobody smuggles in another request."""
    with pytest.raises(NotSentError):
        request_bytes(HttpRequest("GET", "http://venue/", (("X", "a\r\n\r\nGET / HTTP/1.1"),)))


def answer(data: bytes, method: str = "POST") -> tuple[int, bytes, bool]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(data)
        theirs.shutdown(socket.SHUT_WR)
        ours.setblocking(False)
        status, _, body, can_go_on = read_answer(ours, method, CLOCK, CLOCK.now_ns() + 10**10)
        return status, body, can_go_on


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", (200, b"{}", True)),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", (200, b"{}", True)),
        (b"HTTP/1.1 400 No\r\nContent-Length: 0\r\n\r\n", (400, b"", True)),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx", (200, b"x", True)),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx", (200, b"x", False)),
        (b"HTTP/1.0 200 OK\r\n\r\nx", (200, b"x", False)),
    ],
)
def test_every_way_to_say_where_an_answer_ends(data: bytes, expected: tuple[int, bytes, bool]) -> None:
    """And whether the connection can be used again."""
    assert expected == answer(data)
