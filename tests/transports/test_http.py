"""HTTP requests: one answer each, whatever the peer does."""

from __future__ import annotations

import queue
import socket
import threading
from collections.abc import Callable

import pytest

from livestack.transports.base import HttpRequest, HttpResponse
from livestack.transports.clock import SystemClock
from livestack.transports.http import RequestsTransport
from tests.transports.server import WAIT_S, Peer, hold, read_head


def ask(url: str, **options: object) -> HttpResponse:
    """One request and its answer."""
    transport = RequestsTransport(SystemClock(), **options)  # type: ignore[arg-type]
    answers: queue.SimpleQueue[HttpResponse] = queue.SimpleQueue()
    try:
        transport.submit(HttpRequest("GET", url, (("X-MBX-APIKEY", "key"),)), answers.put)
        return answers.get(timeout=WAIT_S)
    finally:
        transport.close()


def answering(data: bytes) -> Callable[[socket.socket], None]:
    def behave(connection: socket.socket) -> None:
        while True:
            heads.put(read_head(connection))
            connection.sendall(data)

    return behave


heads: queue.SimpleQueue[bytes] = queue.SimpleQueue()


def test_an_answer_with_status_headers_body_and_times() -> None:
    """Also one that is not 200; header names in lower case."""
    data = b"HTTP/1.1 429 Too Many\r\nRetry-After: 7\r\nContent-Length: 2\r\n\r\n{}"
    with Peer(answering(data), "http") as peer:
        answer = ask(peer.url)
    assert (answer.status, answer.body, answer.error) == (429, b"{}", "")
    assert ("retry-after", "7") in answer.headers
    assert 0 < answer.begun_ns <= answer.recv_ns
    assert b"X-MBX-APIKEY: key" in heads.get(timeout=WAIT_S)


def test_a_redirect_is_an_answer_and_not_followed() -> None:
    """A signed request must not go where somebody else points."""
    data = b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"
    with Peer(answering(data), "http") as peer:
        assert ask(peer.url).status == 302


def test_replies_come_in_order_on_the_worker_thread() -> None:
    """One thread, one queue."""
    data = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx"
    with Peer(answering(data), "http") as peer:
        transport = RequestsTransport(SystemClock(), name="http of test")
        got: queue.SimpleQueue[tuple[int, str]] = queue.SimpleQueue()
        for number in range(20):
            transport.submit(
                HttpRequest("GET", peer.url, ()),
                lambda answer, number=number: got.put((number, threading.current_thread().name)),
            )
        assert [got.get(timeout=WAIT_S) for _ in range(20)] == [
            (number, "http of test") for number in range(20)
        ]
        transport.close()


@pytest.mark.parametrize(
    "behave",
    [
        lambda connection: None,
        lambda connection: connection.sendall(b"garbage\r\n\r\n"),
        lambda connection: connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"),
        hold,
    ],
    ids=["cut", "garbage", "half a body", "silent"],
)
def test_no_answer_is_status_0_with_the_cause(behave: Callable[[socket.socket], None]) -> None:
    """Unknown, not failed."""
    with Peer(behave, "http") as peer:
        answer = ask(peer.url, timeouts_s=(5.0, 0.2))
    assert answer.status == 0
    assert answer.error


def test_a_body_without_end_is_given_up() -> None:
    """At the limit of bytes, and at the limit of time for one that drips."""

    def flood(connection: socket.socket) -> None:
        read_head(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            connection.sendall(b"x" * 10_000)

    def drip(connection: socket.socket) -> None:
        read_head(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while not threading.Event().wait(0.02):
            connection.sendall(b"x")

    with Peer(flood, "http") as peer:
        assert "more than 100000 bytes" in ask(peer.url, body_bytes_max=100_000).error
    with Peer(drip, "http") as peer:
        assert "drips" in ask(peer.url, total_timeout_s=0.2).error


def test_a_refused_port_and_an_address_that_is_none() -> None:
    """Answers, not exceptions."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    assert "refused" in ask(f"http://127.0.0.1:{port}/").error
    assert ask("nonsense").status == 0


SIGNED = "/api/v3/account?timestamp=1&signature=dead%2BBEEF"


def test_a_cause_holds_neither_query_nor_key() -> None:
    """What the libraries say of a failure names the whole address, and a header that cannot be sent."""
    cases: list[tuple[str, tuple[tuple[str, str], ...]]] = [
        (f"nonsense{SIGNED}", ()),
        (f"http://{SIGNED}", ()),
        (f"http://127.0.0.1:1{SIGNED}", (("X-MBX-APIKEY", "THE-KEY\n"),)),
        (f"http://127.0.0.1:99999{SIGNED}", ()),
    ]
    transport = RequestsTransport(SystemClock())
    answers: queue.SimpleQueue[HttpResponse] = queue.SimpleQueue()
    for url, headers in cases:
        transport.submit(HttpRequest("GET", url, headers), answers.put)
        answer = answers.get(timeout=WAIT_S)
        assert 0 == answer.status
        assert answer.error
        assert not {word for word in ("dead", "BEEF", "timestamp", "THE-KEY") if word in answer.error}
    transport.close()


def test_a_server_that_takes_no_connection_is_named_without_the_query() -> None:
    """Nobody accepts and the queue is full: the time-out is said by its kind."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listening:
        address = listening.getsockname()
        waiting = [socket.socket() for _ in range(8)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(address)
        answer = ask(f"http://127.0.0.1:{address[1]}{SIGNED}", timeouts_s=(0.2, 0.2))
        for one in waiting:
            one.close()
    assert (0, True) == (answer.status, "Timeout" in answer.error)
    assert not {word for word in ("signature", "account") if word in answer.error}


def test_a_closed_transport_still_answers() -> None:
    """Every request gets exactly one answer, also after the end."""
    transport = RequestsTransport(SystemClock())
    transport.close()
    transport.close()
    answers: queue.SimpleQueue[HttpResponse] = queue.SimpleQueue()
    transport.submit(HttpRequest("GET", "http://127.0.0.1:1/", ()), answers.put)
    assert answers.get(timeout=WAIT_S).error == "closed"
