"""What is published, and to whom."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import zmq

from livestack.control import lanes, publisher
from livestack.control.endpoints import prepare
from livestack.control.publisher import Publisher
from tests.control.support import LIMIT_S, sockets, until


@pytest.fixture
def context() -> Iterator[lanes.Context]:
    with sockets() as made:
        yield made


@pytest.fixture
def made(context: lanes.Context, tmp_path: Path) -> Publisher:
    one = Publisher(prepare(tmp_path).publish, "", None, Counter())
    one.open(context)
    return one


def subscriber(context: lanes.Context, tmp_path: Path, *topics: str) -> lanes.Socket:
    socket = context.socket(zmq.SUB)
    socket.rcvtimeo = LIMIT_S * 1_000
    for topic in topics:
        socket.subscribe(topic)
    socket.connect(prepare(tmp_path).publish)
    return socket


def heard(made: Publisher, condition: Callable[[], bool]) -> None:
    def hears() -> bool:
        made.hear()
        return condition()

    until(hears)


def test_only_what_is_subscribed_is_sent(context: lanes.Context, made: Publisher, tmp_path: Path) -> None:
    """Nothing waits for nobody; who is gone is no subscriber any more."""
    assert not made.publish("event", b"lost")
    socket = subscriber(context, tmp_path, "event")
    heard(made, lambda: made.is_subscribed("event"))
    assert not made.is_subscribed("status")
    assert not made.publish("status", b"lost")
    assert made.publish("event", b"1")
    made.send()
    assert [b"event", b"1"] == socket.recv_multipart()
    socket.close()
    heard(made, lambda: not made.is_subscribed("event"))


def test_an_empty_subscription_is_one_to_all(context: lanes.Context, made: Publisher, tmp_path: Path) -> None:
    """As ZeroMQ has it."""
    subscriber(context, tmp_path, "")
    heard(made, lambda: made.is_subscribed("event") and made.is_subscribed("status"))


def test_the_oldest_are_dropped(
    context: lanes.Context, made: Publisher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the server's thread does not come to send; it is counted."""
    monkeypatch.setattr(publisher, "WAITING_MAX", 5)
    subscriber(context, tmp_path, "event")
    heard(made, lambda: made.is_subscribed("event"))
    for number in range(7):
        made.publish("event", bytes([number]))
    assert 2 == made._counts["publications_dropped"]


def test_what_is_no_subscription_is_dropped(context: lanes.Context, made: Publisher, tmp_path: Path) -> None:
    """Messages of a subscriber, of one frame or many; a subscription among them is heard."""
    socket = context.socket(zmq.XSUB)
    socket.connect(prepare(tmp_path).publish)
    socket.send(b"hello")
    socket.send(b"")
    socket.send_multipart([b"many", b"\x01frames"])
    socket.send(b"\x01event")
    heard(made, lambda: made.is_subscribed("event"))
    assert not made.is_subscribed("frames")
    assert (b"event",) == made._topics


def test_what_cannot_be_bound_is_tried_again(context: lanes.Context, tmp_path: Path) -> None:
    """Until the address is free."""
    address = prepare(tmp_path).publish
    holder = lanes.open_publisher(context, address, None)
    made = Publisher(address, "", None, Counter())
    made.mend(context)
    assert not made.is_whole()
    assert [] == made.sockets()
    assert 1 == made._counts["bind_failed"]
    holder.close()

    def mended() -> bool:
        made.mend(context)
        return made.is_whole()

    until(mended)
