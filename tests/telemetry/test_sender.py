"""The sender over real sockets: who refuses, is silent, cannot be found, floods or comes back: nothing ever waits."""

from __future__ import annotations

import errno
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import pytest

from livestack.telemetry import sender as module
from livestack.telemetry.sender import Outcome, UdpSender
from livestack.telemetry.statsd import Datagram
from tests.control.support import until

ONE = Datagram(b"a:1|c", 1)
PAIR = Datagram(b"a:1|c\nb:2|c", 2)


class Receiver:
    """A bound UDP socket."""

    def __init__(self, port: int = 0, family: socket.AddressFamily = socket.AF_INET) -> None:
        self.socket = socket.socket(family, socket.SOCK_DGRAM)
        self.socket.settimeout(10)
        self.socket.bind(("127.0.0.1" if family == socket.AF_INET else "::1", port))
        self.port: int = self.socket.getsockname()[1]

    def take(self) -> bytes:
        return self.socket.recv(65_535)

    def close(self) -> None:
        self.socket.close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    one = Receiver()
    yield one
    one.close()


@pytest.fixture
def opened() -> Iterator[Callable[[str, int], UdpSender]]:
    """Makes senders, and closes them."""
    made: list[UdpSender] = []

    def make(host: str, port: int) -> UdpSender:
        made.append(UdpSender(host, port))
        return made[-1]

    yield make
    for one in made:
        one.close()


Opened = Callable[[str, int], UdpSender]


def told(outcome: Outcome) -> tuple[int, int, dict[str, int]]:
    return outcome.datagrams, outcome.size, dict(outcome.lost)


def test_datagrams_arrive_as_they_are(receiver: Receiver, opened: Opened) -> None:
    """One by one, counted with their bytes."""
    assert (2, 16, {}) == told(opened("127.0.0.1", receiver.port).send([ONE, PAIR]))
    assert [ONE.payload, PAIR.payload] == [receiver.take(), receiver.take()]


def test_an_address_of_the_other_kind(opened: Opened) -> None:
    """IPv6 works the same."""
    receiver = Receiver(family=socket.AF_INET6)
    assert (1, 5, {}) == told(opened("::1", receiver.port).send([ONE]))
    assert ONE.payload == receiver.take()
    receiver.close()


def test_a_name_is_looked_up_beside(receiver: Receiver, opened: Opened) -> None:
    """Until it is known values are lost as unresolved; then they arrive, whichever of its addresses listens."""
    sender = opened("localhost", receiver.port)
    outcomes: list[Outcome] = []
    until(lambda: outcomes.append(sender.send([ONE])) or outcomes[-1].datagrams == 1)  # type: ignore[func-returns-value]
    assert set() == {reason for one in outcomes for reason in one.lost} - {"unresolved", "refused"}
    until(lambda: sender.send([PAIR]).datagrams == 1)
    assert receiver.take() in (ONE.payload, PAIR.payload)


def test_a_port_that_refuses_is_told_of(receiver: Receiver, opened: Opened) -> None:
    """The network says it of the datagram before: that one's values are lost, and the next is tried all the same."""
    sender = opened("127.0.0.1", receiver.port)
    receiver.close()
    assert (1, 5, {}) == told(sender.send([ONE]))
    assert (2, 16, {"refused": 3}) == told(sender.send([PAIR, ONE]))
    assert (1, 5, {"refused": 1}) == told(sender.send([ONE]))


def test_a_receiver_that_comes_back_is_found(receiver: Receiver, opened: Opened) -> None:
    """On the same port: nothing has to be started again, and nothing is lost from then on."""
    sender = opened("127.0.0.1", receiver.port)
    receiver.close()
    assert {"refused": 1} == told(sender.send([ONE, ONE]))[2]
    again = Receiver(receiver.port)
    assert {"refused": 1} == told(sender.send([PAIR]))[2]
    assert {} == told(sender.send([ONE]))[2]
    assert [PAIR.payload, ONE.payload] == [again.take(), again.take()]
    again.close()


def test_a_black_hole_keeps_nobody(receiver: Receiver, opened: Opened) -> None:
    """Whoever never reads: everything is handed to the network, which may drop it, and nothing waits."""
    sender = opened("127.0.0.1", receiver.port)
    datagrams = [Datagram(b"x" * 1_400, 20)] * 5_000
    assert (5_000, 7_000_000, {}) == told(sender.send(datagrams))


def test_a_peer_that_floods_back_costs_nothing(receiver: Receiver, opened: Opened) -> None:
    """What it sends fills the smallest buffer there is and goes no further; ours arrive."""
    sender = opened("127.0.0.1", receiver.port)
    sender.send([ONE])
    _, peer = receiver.socket.recvfrom(100)
    for _ in range(2_000):
        receiver.socket.sendto(b"y" * 1_400, peer)
    assert (1, 11, {}) == told(sender.send([PAIR]))
    assert PAIR.payload == receiver.take()
    held = sender._socket
    assert held is not None
    assert 8_192 >= held.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)


def test_a_name_that_nobody_knows(monkeypatch: pytest.MonkeyPatch, opened: Opened) -> None:
    """Every value is counted; the name is asked for again after a while, and then they leave."""
    asked = threading.Semaphore(0)
    receiver, known = Receiver(), threading.Event()

    def look_up(host: str, port: int, flags: int = 0) -> Any:
        asked.release()
        if not known.is_set():
            raise socket.gaierror(socket.EAI_NONAME, "not known")
        return ((socket.AF_INET, ("127.0.0.1", port)),)

    monkeypatch.setattr(module, "look_up", look_up)
    monkeypatch.setattr(module, "LOOK_UP_AGAIN_S", 0.001)
    sender = opened("nobody.invalid", receiver.port)
    for _ in range(3):
        assert asked.acquire(timeout=10)
    assert (0, 0, {"unresolved": 3}) == told(sender.send([ONE, PAIR]))
    known.set()
    until(lambda: sender.send([ONE]).datagrams == 1)
    assert ONE.payload == receiver.take()
    receiver.close()


@pytest.mark.parametrize("host", ["a" * 64 + ".test", "..", "xn--\ud800"])
def test_a_name_that_cannot_be_one_is_lost_like_any_other(host: str, opened: Opened) -> None:
    """Whatever the machine makes of it, neither starting nor sending fails."""
    sender = opened(host, 8_125)
    assert {"unresolved": 1} == told(sender.send([ONE]))[2]


def test_a_look_up_that_hangs_keeps_nobody(monkeypatch: pytest.MonkeyPatch, receiver: Receiver) -> None:
    """Neither a start, nor a reading, nor the end; what it finds too late is of no use to anybody."""
    release, asked = threading.Event(), threading.Event()

    def look_up(host: str, port: int, flags: int = 0) -> Any:
        if flags:
            raise socket.gaierror(socket.EAI_NONAME, "not an address")
        asked.set()
        release.wait()
        return ((socket.AF_INET, ("127.0.0.1", port)),)

    monkeypatch.setattr(module, "look_up", look_up)
    sender = UdpSender("slow.test", receiver.port)
    assert asked.wait(10)
    assert {"unresolved": 1} == told(sender.send([ONE]))[2]
    sender.close()
    assert sender._thread is not None
    assert (True, True) == (sender._thread.is_alive(), sender._thread.daemon)
    release.set()
    sender._thread.join(10)
    assert not sender._thread.is_alive()


def test_the_next_address_is_tried_where_one_refuses(
    monkeypatch: pytest.MonkeyPatch, receiver: Receiver, opened: Opened
) -> None:
    """A name of both kinds, and a server that listens on one of them."""
    both = ((socket.AF_INET6, ("::1", receiver.port)), (socket.AF_INET, ("127.0.0.1", receiver.port)))
    monkeypatch.setattr(module, "look_up", lambda host, port, flags=0: both)
    sender = opened("both.test", receiver.port)
    lost = [told(sender.send([ONE]))[2] for _ in range(4)]
    assert {} == lost[-1]
    assert ONE.payload == receiver.take()
    assert 2 >= sum(sum(one.values()) for one in lost)


def test_a_host_that_moves_is_followed(opened: Opened) -> None:
    """Once another address is found for it, from the next datagram on."""
    old, new = Receiver(), Receiver()
    sender = opened("127.0.0.1", old.port)
    sender.send([ONE])
    sender._addresses = ((socket.AF_INET, ("127.0.0.1", new.port)),)
    sender.send([PAIR])
    assert (ONE.payload, PAIR.payload) == (old.take(), new.take())
    old.close()
    new.close()


class Failing:
    """A socket on which nothing can be sent."""

    def __init__(self, code: int) -> None:
        self.code = code

    def send(self, payload: bytes) -> int:
        raise OSError(self.code, "no")

    def close(self) -> None: ...


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (errno.EAGAIN, "full"),
        (errno.ENOBUFS, "full"),
        (errno.ENETUNREACH, "unreachable"),
        (errno.EHOSTUNREACH, "unreachable"),
        (errno.ENETDOWN, "unreachable"),
        (errno.EMSGSIZE, "too_long"),
        (errno.EPERM, "error"),
        (errno.EIO, "error"),
    ],
)
def test_every_loss_has_a_reason(receiver: Receiver, opened: Opened, code: int, reason: str) -> None:
    """Whatever the machine says; and it goes on when that is over."""
    sender = opened("127.0.0.1", receiver.port)
    sender.send([ONE])
    working = sender._socket
    sender._socket = Failing(code)  # type: ignore[assignment]
    assert (0, 0, {reason: 2}) == told(sender.send([PAIR]))
    assert working is not None
    if reason == "error":  # a socket of which nobody knows what is wrong with it is another one the next time
        working.close()
    else:
        sender._socket = working
    assert (1, 5, {}) == told(sender.send([ONE]))


def test_an_address_that_cannot_be_reached_at_all(monkeypatch: pytest.MonkeyPatch, opened: Opened) -> None:
    """Not even a socket can be opened towards it: counted, again at the next reading, nothing left open."""

    def unconnected(*arguments: Any) -> Any:
        raise OSError(errno.ENETUNREACH, "no route")

    sender = opened("127.0.0.1", 9)
    monkeypatch.setattr(module.socket, "socket", unconnected)
    assert ({"unreachable": 1}, {"unreachable": 2}) == (
        told(sender.send([ONE]))[2],
        told(sender.send([PAIR]))[2],
    )
    assert sender._socket is None


def test_a_datagram_that_the_network_never_takes_is_too_long(receiver: Receiver, opened: Opened) -> None:
    """65 508 bytes are more than UDP has room for; the next one leaves."""
    sender = opened("127.0.0.1", receiver.port)
    assert (1, 5, {"too_long": 4}) == told(sender.send([Datagram(b"x" * 65_508, 4), ONE]))


def test_closing_twice_and_sending_afterwards_is_harmless(receiver: Receiver, opened: Opened) -> None:
    """Nothing is left open behind the end."""
    sender = opened("127.0.0.1", receiver.port)
    sender.send([ONE])
    held = sender._socket
    sender.close()
    sender.close()
    assert held is not None
    assert -1 == held.fileno()


@pytest.mark.parametrize("seed", range(3))
def test_every_value_arrives_or_is_counted(seed: int, opened: Opened) -> None:
    """While somebody listens, while nobody does, and again: none is counted twice, none is forgotten."""
    random, receiver = Random(seed), Receiver()
    sender = opened("127.0.0.1", receiver.port)
    sent, arrived, lost = 0, 0, Counter[str]()
    for is_there in (True, False, True, False, False, True):
        if not is_there:
            receiver.close()
        elif receiver.socket.fileno() < 0:
            receiver = Receiver(receiver.port)
        datagrams = [random.choice([ONE, PAIR]) for _ in range(random.randrange(1, 9))]
        outcome = sender.send(datagrams)
        sent += sum(one.values for one in datagrams)
        lost += outcome.lost
        if is_there:
            arrived += sum(receiver.take().count(b"|") for _ in datagrams)
    assert (sent, {"refused"}) == (arrived + lost.total(), set(lost))
    receiver.close()
