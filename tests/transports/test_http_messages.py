"""A request as bytes, and an answer off a socket, without any connection of the sender's."""

from __future__ import annotations

import contextlib
import socket
import threading

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


def answer(data: bytes, method: str = "POST", is_cut: bool = False) -> tuple[int, bytes, bool]:
    """What is read of ``data``. ``is_cut``: the connection ends behind it."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(data)
        if is_cut:
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
        (b"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx", (200, b"x", False)),
        (b"HTTP/1.1 204 None\r\n\r\n", (204, b"", True)),
    ],
)
def test_every_way_to_say_where_an_answer_ends(data: bytes, expected: tuple[int, bytes, bool]) -> None:
    """And whether the connection can be used again."""
    assert expected == answer(data)


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx"


def test_an_answer_up_to_the_end_of_the_connection() -> None:
    """Without a length there is no other way to say so; nothing follows it."""
    assert (200, b"x", False) == answer(b"HTTP/1.1 200 OK\r\n\r\nx", is_cut=True)


@pytest.mark.parametrize("interim", [b"100 Continue", b"102 Processing", b"103 Early Hints\r\nLink: </a>"])
def test_an_interim_answer_is_passed_over(interim: bytes) -> None:
    """Whatever its number: the answer is the one behind it, and the connection stays in step."""
    assert (200, b"x", True) == answer(b"HTTP/1.1 " + interim + b"\r\n\r\n" + OK)


@pytest.mark.parametrize(
    "data", [b"HTTP/1.1 101 Switching Protocols\r\n\r\n" + OK, b"HTTP/1.1 103 Hints\r\n\r\n" * 100 + OK]
)
def test_what_is_no_answer_however_long_one_waits(data: bytes) -> None:
    """Another protocol, and interim answers without end."""
    with pytest.raises(ConnectionError):
        answer(data)


def test_interim_answers_that_flood_are_given_up() -> None:
    """A hundred megabytes of them are not waited for, whoever passes them over."""
    ours, theirs = socket.socketpair()
    flood = threading.Thread(target=pour, args=(theirs,))
    flood.start()
    ours.setblocking(False)
    with ours, pytest.raises(ValueError, match="more than"):
        read_answer(ours, "POST", CLOCK, CLOCK.now_ns() + 10**10)
    flood.join()
    theirs.close()


def pour(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        for _ in range(1_000):
            connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n" * 4_000)


@pytest.mark.parametrize(
    "data",
    [
        OK + OK,
        OK + b"y",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx",
    ],
    ids=["a second answer", "one byte more", "chunks and a length", "two lengths"],
)
def test_where_the_next_answer_begins_has_to_be_certain(data: bytes) -> None:
    """Otherwise the next request would get what is left of this one: the connection is not used again."""
    assert (200, b"x", False) == answer(data)


def test_an_answer_with_the_connection_s_end_behind_it_is_the_last() -> None:
    """Nothing is written into a connection that has ended."""
    assert (200, b"x", False) == answer(OK, is_cut=True)
