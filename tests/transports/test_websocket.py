"""WebSocket connections against a real socket that behaves, misbehaves, stalls and vanishes."""

from __future__ import annotations

import queue
import socket
import threading
from collections.abc import Callable

import pytest

from livestack.exceptions import NotSentError, TransportError
from livestack.transports.base import FRAME_BYTES_MAX
from livestack.transports.clock import SystemClock
from livestack.transports.websocket import WebSocketClientTransport, WebSocketConnection
from tests.transports.server import WAIT_S, Heard, Peer, frame, hold, read_frame, upgrade


class FakeClock:
    """Time that a test moves; the transport's limits are far away until then."""

    def __init__(self) -> None:
        self.value_ns = 1_000

    def now_ns(self) -> int:
        return self.value_ns

    def wall_ns(self) -> int:
        return self.value_ns


def connect(peer: Peer, heard: Heard, **options: object) -> WebSocketConnection:
    clock = options.pop("clock", None) or SystemClock()
    transport = WebSocketClientTransport(clock, name="test", **options)  # type: ignore[arg-type]
    return transport.connect(peer.url, heard)


def open_to(behave: Callable[[socket.socket], None]) -> Peer:
    def all_of_it(connection: socket.socket) -> None:
        upgrade(connection)
        behave(connection)

    return Peer(all_of_it)


def test_frames_both_ways_on_a_reader_thread_of_its_own() -> None:
    """Text out and in, in order, more than one in a read; every call on the named reader thread; one last call."""
    got: queue.SimpleQueue[tuple[int, bytes]] = queue.SimpleQueue()

    def behave(connection: socket.socket) -> None:
        got.put(read_frame(connection))
        connection.sendall(b"".join(frame(b"%d" % number) for number in range(1_000)))
        hold(connection)

    with open_to(behave) as peer:
        heard = Heard()
        connection = connect(peer, heard)
        heard.next("open")
        connection.send("größer")
        assert got.get(timeout=WAIT_S) == (1, "größer".encode())
        assert [heard.next("frame") for _ in range(1_000)] == [b"%d" % number for number in range(1_000)]
        connection.close()
        connection.close()
        assert heard.next("close") == "closed by us"
    assert heard.threads == {"test reader"}


def test_wake_reaches_the_reader_thread_and_never_blocks() -> None:
    """Any number of ``wake`` calls while the reader is busy are one ``on_wake``; after the end they do nothing."""
    gate = threading.Event()
    with open_to(hold) as peer:
        heard = Heard(on_wake=lambda: gate.wait(WAIT_S) and None)
        connection = connect(peer, heard)
        heard.next("open")
        for _ in range(100_000):
            connection.wake()
        gate.set()
        heard.next("wake")
        connection.close()
        heard.next("close")
        connection.wake()


@pytest.mark.parametrize("data", [b"", b"\x81", frame(b"x" * 500)[:100]])
def test_a_cut_in_the_middle_of_a_frame_is_a_close(data: bytes) -> None:
    """Half a frame is never delivered."""

    def behave(connection: socket.socket) -> None:
        connection.sendall(frame(b"whole") + data)

    with open_to(behave) as peer:
        heard = Heard()
        connect(peer, heard)
        heard.next("open")
        assert heard.next("frame") == b"whole"
        assert heard.next("close") == "cut by the peer"


def test_an_oversized_frame_closes_with_1009() -> None:
    """The peer is told why; the bytes are not waited for."""
    got: queue.SimpleQueue[tuple[int, bytes]] = queue.SimpleQueue()

    def behave(connection: socket.socket) -> None:
        connection.sendall(bytes([0x81, 127]) + (FRAME_BYTES_MAX + 1).to_bytes(8, "big"))
        got.put(read_frame(connection))

    with open_to(behave) as peer:
        heard = Heard()
        connect(peer, heard)
        heard.next("open")
        assert "(1009)" in str(heard.next("close"))
        assert got.get(timeout=WAIT_S) == (8, (1009).to_bytes(2, "big"))


def test_pings_are_answered_with_their_payload() -> None:
    """Without the receiver hearing of it."""
    got: queue.SimpleQueue[tuple[int, bytes]] = queue.SimpleQueue()

    def behave(connection: socket.socket) -> None:
        connection.sendall(frame(b"1499405658658", 0x89))
        got.put(read_frame(connection))
        hold(connection)

    with open_to(behave) as peer:
        heard = Heard()
        connection = connect(peer, heard)
        heard.next("open")
        assert got.get(timeout=WAIT_S) == (0xA, b"1499405658658")
        connection.close()
        heard.next("close")


def test_the_peer_s_close_frame_is_the_reason() -> None:
    """Code and text of it."""

    def behave(connection: socket.socket) -> None:
        connection.sendall(frame((1008).to_bytes(2, "big") + b"Too many requests", 0x88))
        hold(connection)

    with open_to(behave) as peer:
        heard = Heard()
        connect(peer, heard)
        heard.next("open")
        assert heard.next("close") == "closed by the peer: 1008 Too many requests"


def test_silence_is_pinged_and_then_closed() -> None:
    """Nothing for longer than the idle limit: a ping. Nothing for longer than the silence limit: half-open, closed."""
    got: queue.SimpleQueue[tuple[int, bytes]] = queue.SimpleQueue()

    def behave(connection: socket.socket) -> None:
        got.put(read_frame(connection))
        hold(connection)

    clock = FakeClock()
    with open_to(behave) as peer:
        heard = Heard()
        connection = connect(peer, heard, clock=clock)
        heard.next("open")
        clock.value_ns += 10_500_000_000
        connection.wake()
        assert got.get(timeout=WAIT_S) == (9, b"")
        clock.value_ns += 10_000_000_000
        connection.wake()
        assert heard.next("close") == "silent for 20 s"


def test_a_peer_that_does_not_read_is_shut_after_the_limit() -> None:
    """The write that began is of unknown outcome; the next one is certainly not sent."""
    stop = threading.Event()
    with open_to(lambda connection: stop.wait(WAIT_S) and None) as peer:
        heard = Heard()
        connection = connect(peer, heard, send_timeout_s=0.2)
        heard.next("open")
        with pytest.raises(TransportError) as caught:
            connection.send("x" * (FRAME_BYTES_MAX * 4))
        assert not isinstance(caught.value, NotSentError)
        with pytest.raises(NotSentError):
            connection.send("next")
        heard.next("close")
        stop.set()


def test_nothing_is_sent_before_it_is_open_and_after_it_is_closed() -> None:
    """NotSentError: a definite no."""
    go = threading.Event()

    def behave(connection: socket.socket) -> None:
        go.wait(WAIT_S)
        upgrade(connection)
        hold(connection)

    with Peer(behave) as peer:
        heard = Heard()
        connection = connect(peer, heard)
        with pytest.raises(NotSentError, match="not connected"):
            connection.send("early")
        go.set()
        heard.next("open")
        connection.close()
        heard.next("close")
        with pytest.raises(NotSentError, match="closed by us"):
            connection.send("late")


def test_closing_while_connecting_ends_without_on_open() -> None:
    """The handshake finishes, or not; nobody hears of it but by the last call."""
    go = threading.Event()

    def behave(connection: socket.socket) -> None:
        go.wait(WAIT_S)
        upgrade(connection)

    with Peer(behave) as peer:
        heard = Heard()
        connection = connect(peer, heard)
        connection.close()
        go.set()
        assert heard.next("close") == "closed by us"


def test_many_threads_may_send() -> None:
    """Frames are never mixed: every one arrives whole."""
    got: queue.SimpleQueue[bytes] = queue.SimpleQueue()

    def behave(connection: socket.socket) -> None:
        while True:
            got.put(read_frame(connection)[1])

    with open_to(behave) as peer:
        heard = Heard()
        connection = connect(peer, heard)
        heard.next("open")

        def send(letter: str) -> None:
            for _ in range(50):
                connection.send(letter * 2_000)

        threads = [threading.Thread(target=send, args=(letter,)) for letter in "abcd"]
        for thread in threads:
            thread.start()
        payloads = [got.get(timeout=WAIT_S) for _ in range(200)]
        for thread in threads:
            thread.join(WAIT_S)
        assert all(payload == payload[:1] * 2_000 for payload in payloads)
        connection.close()
        heard.next("close")


def test_a_receiver_that_raises_ends_its_connection_and_nothing_else(
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Whatever it raises, a thread's death too: the last call comes with the reason, and no traceback is printed."""
    for error in (ValueError("odd frame"), SystemExit("gone")):

        def fail(error: BaseException = error) -> None:
            raise error

        with open_to(hold) as peer:
            heard = Heard(on_wake=fail)
            connection = connect(peer, heard)
            heard.next("open")
            connection.wake()
            reason = heard.next("close")
        assert str(reason).startswith(
            f"the reader failed: {type(error).__name__}: {error} at test_websocket.py:"
        )
    assert "Traceback" not in capfd.readouterr().err
