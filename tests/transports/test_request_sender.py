"""Plain requests that are written at once: what is certain of each write, and one answer for each that went out."""

from __future__ import annotations

import contextlib
import queue
import socket
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from livestack.exceptions import NotSentError, TransportError
from livestack.transports.base import HttpRequest, HttpResponse
from livestack.transports.clock import SystemClock
from livestack.transports.request_sender import RequestSender
from tests.transports.server import WAIT_S, Peer, hold, read_head
from tests.transports.test_tls import certificate

__all__ = ["certificate"]

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-MBX-USED-WEIGHT-1M: 7\r\n\r\n{}"
HOUR_NS = 3_600_000_000_000


class ShiftedClock(SystemClock):
    """The machine's, and as much later as a test says."""

    def __init__(self) -> None:
        super().__init__()
        self.later_ns = 0

    def now_ns(self) -> int:
        return super().now_ns() + self.later_ns


@contextlib.contextmanager
def sending(peer: Peer, **options: object) -> Iterator[RequestSender]:
    """A sender with connections that are ready, none of them reserved unless a test says so."""
    clock = options.pop("clock", None) or SystemClock()
    sender = RequestSender(clock, **{"reserved": 0, **options})  # type: ignore[arg-type]
    try:
        sender.keep(peer.url)
        assert sender.wait_ready(1, WAIT_S)
        yield sender
    finally:
        sender.close()


def order(peer: Peer, number: int = 1) -> HttpRequest:
    return HttpRequest("POST", f"{peer.url}?number={number}", (("X-MBX-APIKEY", "key"),))


def send(sender: RequestSender, request: HttpRequest) -> HttpResponse:
    answers: queue.SimpleQueue[HttpResponse] = queue.SimpleQueue()
    sender.send(request, answers.put)
    return answers.get(timeout=WAIT_S)


def serving(heads: queue.SimpleQueue[bytes], data: bytes = OK) -> Callable[[socket.socket], None]:
    def behave(connection: socket.socket) -> None:
        while True:
            heads.put(read_head(connection))
            connection.sendall(data)

    return behave


def test_a_request_and_its_answer() -> None:
    """Written with verb, query and key; the answer has status, headers in lower case, body and times."""
    heads: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    with Peer(serving(heads), "http") as peer, sending(peer) as sender:
        answer = send(sender, order(peer))
    assert (200, b"{}", "") == (answer.status, answer.body, answer.error)
    assert ("x-mbx-used-weight-1m", "7") in answer.headers
    assert 0 < answer.begun_ns <= answer.recv_ns
    head = heads.get(timeout=WAIT_S)
    assert head.startswith(b"POST /stream?number=1 HTTP/1.1\r\n")
    assert b"\r\nX-MBX-APIKEY: key\r\n" in head
    assert b"\r\nContent-Length: 0\r\n" in head


def test_a_connection_carries_one_request_after_the_other() -> None:
    """Kept alive: a hundred requests over at most three connections."""
    heads: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    with Peer(serving(heads), "http") as peer, sending(peer) as sender:
        for number in range(100):
            assert 200 == send(sender, order(peer, number)).status
            assert sender.wait_ready(1, WAIT_S)
        assert 3 >= len(peer._connections)


def test_without_a_ready_connection_not_one_byte_is_written() -> None:
    """Nothing was kept, another server is kept, or all are busy: ``NotSentError``, at once."""
    heads: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    silent: queue.SimpleQueue[bytes] = queue.SimpleQueue()

    def behave(connection: socket.socket) -> None:
        silent.put(read_head(connection))
        hold(connection)

    with Peer(serving(heads), "http") as other, Peer(behave, "http") as peer:
        never = RequestSender(SystemClock())
        with pytest.raises(NotSentError):
            never.send(order(peer), lambda answer: None)
        never.close()
        with sending(peer, connections=1) as sender:
            with pytest.raises(NotSentError):
                sender.send(order(other), lambda answer: None)
            answers: queue.SimpleQueue[HttpResponse] = queue.SimpleQueue()
            sender.send(order(peer), answers.put)
            with pytest.raises(NotSentError):
                sender.send(order(peer), lambda answer: None)
            silent.get(timeout=WAIT_S)
        assert 0 == answers.get(timeout=WAIT_S).status
    assert heads.empty()


def test_a_server_that_cannot_be_reached_gives_nothing_to_write_to() -> None:
    """The next attempt comes later; nothing is raised but that."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    sender = RequestSender(SystemClock())
    sender.keep(f"http://127.0.0.1:{port}/")
    with pytest.raises(NotSentError):
        sender.send(HttpRequest("POST", f"http://127.0.0.1:{port}/", ()), lambda answer: None)
    sender.close()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"garbage\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9999999\r\n\r\n" + b"x" * ((1 << 20) + 2),
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n",
    ],
    ids=["nothing", "garbage", "cut", "cut in a chunk", "too large", "too many headers"],
)
def test_what_is_no_answer_is_told_once(data: bytes) -> None:
    """Status 0 with a cause: what became of the request is unknown. Then there is another connection."""

    def behave(connection: socket.socket) -> None:
        read_head(connection)
        connection.sendall(data)

    with Peer(behave, "http") as peer, sending(peer, connections=1) as sender:
        answer = send(sender, order(peer))
        assert (0, b"") == (answer.status, answer.body)
        assert answer.error
        assert sender.wait_ready(1, WAIT_S)
        assert 0 == send(sender, order(peer)).status


def test_an_answer_that_never_ends_is_given_up() -> None:
    """The clock passes the limit while the server drips."""
    clock = ShiftedClock()

    def behave(connection: socket.socket) -> None:
        read_head(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{")
        clock.later_ns = HOUR_NS
        hold(connection)

    with Peer(behave, "http") as peer, sending(peer, clock=clock, answer_timeout_s=0.5) as sender:
        answer = send(sender, order(peer))
    assert (0, "no whole answer in time") == (answer.status, answer.error)


def test_a_connection_that_the_server_ended_is_not_written_to() -> None:
    """Found out before the first byte: the request goes over another one, or certainly does not go."""
    ended: queue.SimpleQueue[int] = queue.SimpleQueue()
    heads: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    opened = [0]

    def behave(connection: socket.socket) -> None:
        opened[0] += 1
        if opened[0] == 1:
            connection.shutdown(socket.SHUT_RDWR)
            ended.put(1)
            return
        serving(heads)(connection)

    with Peer(behave, "http") as peer, sending(peer, connections=1) as sender:
        ended.get(timeout=WAIT_S)
        sent = 0
        while not sent:
            sender.wait_ready(1, WAIT_S)
            try:
                assert 200 == send(sender, order(peer)).status
                sent = 1
            except NotSentError:
                pass
    assert 1 == heads.qsize()


def test_a_connection_that_was_idle_for_long_is_replaced_before_it_is_used() -> None:
    """A server may have forgotten it without a word."""
    heads: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    clock = ShiftedClock()
    with Peer(serving(heads), "http") as peer, sending(peer, clock=clock, connections=1) as sender:
        clock.later_ns = 11_000_000_000
        with pytest.raises(NotSentError):
            sender.send(order(peer), lambda answer: None)
        sender.keep(peer.url)
        assert sender.wait_ready(1, WAIT_S)
        assert 200 == send(sender, order(peer)).status
        assert 2 == len(peer._connections)


def test_cutting_tells_those_that_wait() -> None:
    """``shut``: status 0 for what was written; then other connections are there."""
    waiting: queue.SimpleQueue[bytes] = queue.SimpleQueue()

    def behave(connection: socket.socket) -> None:
        waiting.put(read_head(connection))
        hold(connection)

    with Peer(behave, "http") as peer, sending(peer, connections=1) as sender:
        answers: queue.SimpleQueue[HttpResponse] = queue.SimpleQueue()
        sender.send(order(peer), answers.put)
        waiting.get(timeout=WAIT_S)
        sender.shut()
        assert 0 == answers.get(timeout=WAIT_S).status
        assert sender.wait_ready(1, WAIT_S)


def test_a_write_that_does_not_end_is_of_unknown_outcome() -> None:
    """The server takes no more: bounded in time, and the connection is given up."""
    release: queue.SimpleQueue[int] = queue.SimpleQueue()

    def behave(connection: socket.socket) -> None:
        release.get(timeout=WAIT_S)

    long = "x" * (16 << 20)
    with Peer(behave, "http") as peer, sending(peer, connections=1, send_timeout_s=0.2) as sender:
        request = HttpRequest("POST", f"{peer.url}?{long}", ())
        with pytest.raises(TransportError) as caught:
            sender.send(request, lambda answer: None)
        assert not isinstance(caught.value, NotSentError)
        release.put(1)
        release.put(1)


@pytest.mark.parametrize("bad", ["a b", "a\r\nX: y", "é"])
def test_what_is_not_percent_encoded_is_never_written(bad: str) -> None:
    """No header of its own, no second request."""
    heads: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    with Peer(serving(heads), "http") as peer, sending(peer) as sender:
        for request in (
            HttpRequest("POST", peer.url, (("X-MBX-APIKEY", f"k{bad}"),)) if bad != "a b" else None,
            HttpRequest("POST", f"{peer.url}?{bad}", ()) if "\r" not in bad else None,
        ):
            if request is not None:
                with pytest.raises(NotSentError):
                    sender.send(request, lambda answer: None)
    assert heads.empty()


def test_an_answer_that_ends_the_connection_is_one_all_the_same() -> None:
    """``Connection: close``: the next request goes over another connection."""
    heads: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    data = b"HTTP/1.1 429 Too Many\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}"
    with Peer(serving(heads, data), "http") as peer, sending(peer, connections=1) as sender:
        for _ in range(2):
            assert sender.wait_ready(1, WAIT_S)
            answer = send(sender, order(peer))
            assert (429, b"{}") == (answer.status, answer.body)


def secure(certificate: Path, heads: queue.SimpleQueue[bytes]) -> Peer:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    def behave(connection: socket.socket) -> None:
        try:
            secured = context.wrap_socket(connection, server_side=True)
        except ssl.SSLError as error:
            heads.put(str(error.reason).encode())
            return
        with secured:
            serving(heads)(secured)

    return Peer(behave, "https")


def test_over_tls(certificate: Path) -> None:
    """Verified, kept alive, also across what the TLS layer sends by itself."""
    heads: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    trust = ssl.create_default_context(cafile=str(certificate))
    with secure(certificate, heads) as peer, sending(peer, tls=trust, connections=1) as sender:
        for number in range(20):
            assert sender.wait_ready(1, WAIT_S)
            assert 200 == send(sender, order(peer, number)).status
        assert 1 == len(peer._connections)


def test_a_certificate_that_nobody_vouches_for_is_refused(certificate: Path) -> None:
    """By the machine's own trust, which is the default: nothing is ever ready, nothing is written."""
    heads: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    with secure(certificate, heads) as peer:
        sender = RequestSender(SystemClock())
        sender.keep(peer.url)
        assert b"ALERT" in heads.get(timeout=WAIT_S)
        with pytest.raises(NotSentError):
            sender.send(order(peer), lambda answer: None)
        sender.close()


def test_what_is_wanted_no_more_ends() -> None:
    """Nobody asked for a while: its connections are closed and its threads end; asked again, there are others."""
    heads: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    clock = ShiftedClock()
    with Peer(serving(heads), "http") as peer, sending(peer, clock=clock, connections=1) as sender:
        (line,) = sender._lines
        clock.later_ns = HOUR_NS
        line._thread.join(WAIT_S)
        assert [] == sender._lines
        sender.keep(peer.url)
        assert sender.wait_ready(1, WAIT_S)
        assert 200 == send(sender, order(peer)).status


def test_an_answer_to_nothing_ends_the_connection() -> None:
    """A second answer that comes late is not the next request's, which goes over another connection."""
    again: queue.SimpleQueue[int] = queue.SimpleQueue()
    done: queue.SimpleQueue[int] = queue.SimpleQueue()
    opened = [0]

    def behave(connection: socket.socket) -> None:
        opened[0] += 1
        number = opened[0]
        read_head(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n%d" % number)
        if number == 1:
            again.get(timeout=WAIT_S)
            connection.sendall(OK)
            done.put(1)
        hold(connection)

    with Peer(behave, "http") as peer, sending(peer, connections=1) as sender:
        assert b"1" == send(sender, order(peer)).body
        assert sender.wait_ready(1, WAIT_S)
        again.put(1)
        done.get(timeout=WAIT_S)
        answer = None
        while answer is None:
            with contextlib.suppress(NotSentError):
                answer = send(sender, order(peer))
            sender.wait_ready(1, WAIT_S)
    assert b"2" == answer.body


def test_an_interim_answer_is_not_the_answer() -> None:
    """Each of two requests over one connection gets its own."""
    answers = iter([b"1", b"2"])

    def behave(connection: socket.socket) -> None:
        while True:
            read_head(connection)
            connection.sendall(b"HTTP/1.1 103 Early Hints\r\n\r\n")
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n" + next(answers))

    with Peer(behave, "http") as peer, sending(peer, connections=1) as sender:
        assert b"1" == send(sender, order(peer)).body
        assert sender.wait_ready(1, WAIT_S)
        assert b"2" == send(sender, order(peer)).body
        assert 1 == len(peer._connections)
