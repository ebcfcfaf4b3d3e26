"""Requests and replies between which something is lost, late, odd or dead; and a subscription."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from livestack.client import ControlClient
from livestack.control import reception
from livestack.control.exchange import REQUEST_BYTES_MAX
from livestack.exceptions import NodeUnreachableError, OutcomeUnknownError, RefusedError
from livestack.wire import control_pb2 as wire
from tests.control.fake_node import KILLED, STATUS, FakeNode, answer

SHORT_S = 0.5
"""A limit that a test waits out."""


def test_a_lost_reply_is_asked_for_under_the_same_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The node sees one request twice, to the byte, and the caller one reply."""
    monkeypatch.setattr("livestack.control.exchange.ASK_AGAIN_S", 0.1)
    fake = FakeNode(tmp_path)
    fake.say = lambda lane, request: answer(lane, request) if len(fake.requests) > 1 else None
    with fake, ControlClient.of_data_dir(tmp_path) as node:
        assert wire.DONE == node.cancel(7, "why").outcome
    (_, first), (_, second) = fake.requests
    assert first == second


def test_an_outcome_that_the_node_does_not_know_is_asked_about_again(tmp_path: Path) -> None:
    """UNKNOWN is no reply to a caller who can still wait."""
    fake = FakeNode(tmp_path)

    def say(lane: str, request: wire.Request) -> wire.Reply:
        if len(fake.requests) > 1:
            return answer(lane, request)
        return wire.Reply(request_id=request.request_id, outcome=wire.UNKNOWN, code=wire.TIMED_OUT)

    fake.say = say
    with fake, ControlClient.of_data_dir(tmp_path) as node:
        assert 52 == node.cancel(7, "why").seq
    assert 1 == len({request.request_id for _, request in fake.requests})


def test_a_reply_to_another_request_is_none(tmp_path: Path) -> None:
    """One that came too late for the request before it is passed over."""

    def say(lane: str, request: wire.Request) -> wire.Reply:
        reply = answer(lane, request)
        reply.request_id = "another"
        return reply

    with (
        FakeNode(tmp_path, say),
        ControlClient.of_data_dir(tmp_path, SHORT_S) as node,
        pytest.raises(NodeUnreachableError),
    ):
        node.ping()


def test_no_reply_to_a_command_is_an_unknown_outcome(tmp_path: Path) -> None:
    """It names the id under which to ask again; a query that is not answered is a node that cannot be reached."""
    with (
        FakeNode(tmp_path, lambda _lane, _request: None) as fake,
        ControlClient.of_data_dir(tmp_path, SHORT_S) as node,
    ):
        with pytest.raises(OutcomeUnknownError, match=r"cancel all was sent to .* not known") as unknown:
            node.cancel_all("why", request_id="mine")
        assert "mine" == unknown.value.request_id
        with pytest.raises(NodeUnreachableError, match=r"does not answer within 0\.5 s"):
            node.status()
    assert "mine" == fake.requests[0][1].request_id


def test_a_request_that_is_too_long_is_not_sent(tmp_path: Path) -> None:
    """By the node's own limit: it would end the connection, and that would look like a lost reply."""
    assert REQUEST_BYTES_MAX == reception.REQUEST_BYTES_MAX
    with (
        FakeNode(tmp_path) as fake,
        ControlClient.of_data_dir(tmp_path) as node,
        pytest.raises(RefusedError, match="at most 60000 bytes"),
    ):
        node.configuration_set({"a": "x" * REQUEST_BYTES_MAX}, "why")
    assert [] == fake.requests


def test_what_is_no_reply_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Something else listens there."""
    monkeypatch.setattr(wire.Reply, "SerializeToString", lambda _self: b"\xff\xff", raising=False)
    with (
        FakeNode(tmp_path),
        ControlClient.of_data_dir(tmp_path) as node,
        pytest.raises(NodeUnreachableError, match="does not speak as a node does"),
    ):
        node.status()


def test_kill_is_also_asked_of_the_main_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nobody answers on kill's own, or it is not there; under the same id."""
    monkeypatch.setattr("livestack.control.exchange.KILL_LANE_S", 0.1)
    silent = FakeNode(tmp_path / "a", lambda lane, one: answer(lane, one) if lane == "control" else None)
    with silent, ControlClient.of_data_dir(tmp_path / "a") as node:
        assert KILLED == node.kill("why").killed
    assert ["kill", "control"] == [lane for lane, _ in silent.requests]
    assert silent.requests[0][1] == silent.requests[1][1]
    with (
        FakeNode(tmp_path / "b", lanes=("control",)),
        ControlClient.of_data_dir(tmp_path / "b") as node,
    ):
        assert KILLED == node.kill("why").killed


def test_a_node_that_dies_meanwhile(tmp_path: Path) -> None:
    """A query says that it is gone, a command that was sent that its outcome is unknown."""
    for command, kind in (
        (lambda node: node.status(), NodeUnreachableError),
        (lambda node: node.cancel(7, "why"), OutcomeUnknownError),
    ):
        fake = FakeNode(tmp_path)
        fake.say = lambda _lane, _request, fake=fake: fake._stopped.set()  # type: ignore[misc]
        with fake, ControlClient.of_data_dir(tmp_path) as node, pytest.raises(kind):
            command(node)


def test_a_client_finds_the_node_that_was_started_again(tmp_path: Path) -> None:
    """The connection of the old one is given up."""
    with ControlClient.of_data_dir(tmp_path) as node:
        for _ in range(2):
            with FakeNode(tmp_path):
                assert STATUS == node.status()


def test_publications_come_until_the_node_is_gone(tmp_path: Path) -> None:
    """Only those of the topics asked for; then it is said that no more will come."""
    with ControlClient.of_data_dir(tmp_path) as node, FakeNode(tmp_path) as fake:
        threading.Thread(target=_publish, args=(fake,)).start()
        heard = node.subscribe(("event",))
        assert [1, 2] == [next(heard).seq, next(heard).seq]
        fake.stop()
        with pytest.raises(NodeUnreachableError, match="dead or gone"):
            next(heard)


def _publish(fake: FakeNode) -> None:
    assert fake.subscribed.wait(30)
    for seq in (1, 2):
        fake.publish(b"status", wire.Publication(seq=seq, status=STATUS))
        fake.publish(b"event", wire.Publication(seq=seq, event=wire.EventRecord(type="X")))
