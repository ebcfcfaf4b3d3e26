"""Connections for requests, held ready: replaced one after the other, some of them for what reduces alone."""

from __future__ import annotations

import queue
import socket

import pytest

from livestack.exceptions import NotSentError
from livestack.transports.base import HttpRequest
from livestack.transports.clock import SystemClock
from livestack.transports.http_messages import Server
from livestack.transports.request_line import RequestLine
from livestack.transports.request_sender import RequestSender
from tests.transports.server import WAIT_S, Peer, hold, read_head
from tests.transports.test_request_sender import ShiftedClock, order, send, sending, serving


def test_what_reduces_never_waits_behind_what_does_not() -> None:
    """All connections carry orders without an answer: a cancel leaves all the same, an order does not."""
    heads: queue.SimpleQueue[bytes] = queue.SimpleQueue()

    def behave(connection: socket.socket) -> None:
        heads.put(read_head(connection))
        hold(connection)

    with Peer(behave, "http") as peer, sending(peer, connections=2, reserved=1) as sender:
        assert sender.wait_ready(2, WAIT_S)
        while sum(line.is_ready for line in sender._lines) < 3:
            sender.wait_ready(3, 0.01)
        for number in range(2):
            sender.send(order(peer, number), lambda answer: None)
        with pytest.raises(NotSentError):
            sender.send(order(peer, 2), lambda answer: None)
        sender.send(HttpRequest("DELETE", f"{peer.url}?all", ()), lambda answer: None, reduces=True)
        got = [heads.get(timeout=WAIT_S).split(b"\r\n")[0] for _ in range(3)]
        assert b"DELETE /stream?all HTTP/1.1" in got
        with pytest.raises(NotSentError):
            sender.send(HttpRequest("DELETE", f"{peer.url}?all", ()), lambda answer: None, reduces=True)


class Counted(RequestSender):
    """One that notes which of its connections it replaces, and how many are ready whenever one is opened."""

    def __init__(self, clock: SystemClock, **options: object) -> None:
        super().__init__(clock, **options)  # type: ignore[arg-type]
        self.ready_at_opening: list[int] = []
        self.replaced: list[int] = []

    def open_socket(self, server: Server) -> socket.socket:
        self.ready_at_opening.append(sum(line.is_ready for line in self._lines))
        return super().open_socket(server)

    def replace(self, line: RequestLine) -> bool:
        was_replaced = super().replace(line)
        if was_replaced:
            self.replaced.append(line.number)
        return was_replaced


def test_connections_do_not_grow_old_together() -> None:
    """Each is replaced at an age of its own, and only while another one is ready: there is always one."""
    heads: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    clock = ShiftedClock()
    sender = Counted(clock, reserved=0, connections=3)
    with Peer(serving(heads), "http") as peer:
        sender.keep(peer.url)
        assert sender.wait_ready(3, WAIT_S)
        sender.ready_at_opening.clear()
        clock.later_ns = 5_500_000_000
        while len(sender.replaced) < 1:
            sender.wait_ready(4, 0.01)
        assert sender.wait_ready(3, WAIT_S)
        clock.later_ns = 9_000_000_000
        while len(sender.replaced) < 3:
            sender.wait_ready(4, 0.01)
        assert sender.wait_ready(3, WAIT_S)
        sender.close()
    assert {1, 2, 3} == set(sender.replaced)
    assert 3 == sender.replaced[0]
    assert all(sender.ready_at_opening)


def test_the_last_that_is_ready_is_not_replaced() -> None:
    """It is of use until it is really old."""
    heads: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    clock = ShiftedClock()
    with Peer(serving(heads), "http") as peer, sending(peer, clock=clock, connections=1) as sender:
        (line,) = sender._lines
        clock.later_ns = 9_500_000_000
        assert not sender.replace(line)
        assert 200 == send(sender, order(peer)).status
        assert 1 == len(peer._connections)
