"""The check of keys: over real sockets, alive, dead and mended."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
import zmq

from livestack.control.allow_list import AllowList
from livestack.control.authentication import Authenticator
from livestack.control.commands import Role
from livestack.control.keys import Client, revoke
from livestack.wire import control_pb2 as wire
from tests.control.support import NOT_LET_IN, SECOND_NS, HandClock, Node, request, running, until

Keys = tuple[bytes, bytes, bytes]


def test_a_listed_key_comes_in_as_itself(tmp_path: Path) -> None:
    """With its name, its role and its address."""
    with running(tmp_path, tcp=True) as node, node.remote(node.key("anna", Role.OPERATOR)) as client:
        pong = client.ask(request()).pong
        assert ("anna", "operator") == (pong.who, pong.role)
        assert "127.0.0.1" == node.desk.served[0][1].address
        assert 1 == node.server.counts["let_in"]


def strangers(node: Node) -> list[Keys | None]:
    """No keys; a pair of its own; a listed key that takes another node for this one; a listed one that was revoked."""
    server = node.key("anna", Role.ADMIN)[2]
    public, secret = zmq.curve_keypair()
    known = node.key("ben", Role.ADMIN)
    other, _ = zmq.curve_keypair()
    gone = node.key("cleo", Role.ADMIN)
    revoke(node.keys, "cleo")
    return [None, (public, secret, server), (known[0], known[1], other), gone]


@pytest.mark.parametrize("number", range(4))
def test_a_stranger_gets_no_byte_past_the_handshake(tmp_path: Path, number: int) -> None:
    """Nothing reaches the server's requests; on the kill lane neither."""
    for kill_only in (False, True):
        path = tmp_path / str(kill_only)
        with running(path, tcp=True, kill_only=kill_only) as node:
            with node.remote(strangers(node)[number]) as client:
                client.socket.send(request(kill=wire.Kill()).SerializeToString(), zmq.DONTWAIT)
                client.event(*NOT_LET_IN)
            with node.local() as local:
                assert wire.DONE == local.ask(request(kill=wire.Kill())).outcome
            assert 1 == node.server.counts["requests"]
            assert ["kill"] == node.desk.commands()
            assert "local" == node.desk.served[0][1].name


def test_who_was_not_let_in_is_told_for_the_audit(tmp_path: Path) -> None:
    """With the address; the name is not known."""
    with running(tmp_path, tcp=True) as node, node.remote(strangers(node)[1]) as client:
        client.event(*NOT_LET_IN)
        node.desk.wait(lambda: bool(node.desk.refusals))
        _, command, sender, code = node.desk.refusals[0]
        assert ("handshake", "unlisted", wire.PERMISSION_DENIED) == (command, sender.name, code)
        assert "127.0.0.1" == sender.address


def test_an_expired_key_does_not_come_in(tmp_path: Path) -> None:
    """Nor may it go on once it is in."""
    clock = HandClock()
    with running(tmp_path, tcp=True, clock=clock) as node:
        keys = node.key("anna", Role.VIEWER, clock.wall_ns() + SECOND_NS)
        with node.remote(keys) as client:
            assert wire.DONE == client.ask(request(clock)).outcome
            clock.forward(1)
            reply = client.ask(request(clock))
            assert wire.PERMISSION_DENIED == reply.code
            assert "expired" in reply.message
        assert ["anna"] == [sender.name for _, _, sender, _ in node.desk.refusals]
        with node.remote(keys) as client:
            client.event(*NOT_LET_IN)


def test_an_expired_key_is_told_by_its_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """At the handshake too: counted and audited each time, logged once; one that is on no list has no name."""
    clock = HandClock()
    with running(tmp_path, tcp=True, clock=clock) as node:
        keys = node.key("anna", Role.VIEWER, clock.wall_ns() + SECOND_NS)
        clock.forward(1)
        for _ in range(2):
            with node.remote(keys) as client:
                client.event(*NOT_LET_IN)
        node.desk.wait(lambda: len(node.desk.refusals) >= 2)
        counts = node.server.counts
        until(lambda: counts["expired_keys"] == counts["not_let_in"])
        assert 2 <= counts["expired_keys"]
        assert {("handshake", "anna", "127.0.0.1")} == {
            (command, sender.name, sender.address) for _, command, sender, _ in node.desk.refusals
        }
        revoke(node.keys, "anna")
        known = counts["expired_keys"]
        with node.remote(keys) as client:
            client.event(*NOT_LET_IN)
        node.desk.wait(lambda: "unlisted" == node.desk.refusals[-1][2].name)
        assert known <= counts["expired_keys"] < counts["not_let_in"]
    output = capsys.readouterr()
    assert 1 == (output.out + output.err).count("key_expired")


def test_a_damaged_list_lets_nobody_in(tmp_path: Path) -> None:
    """The local socket goes on; mended, it lets in again."""
    with running(tmp_path, tcp=True) as node:
        keys = node.key("anna", Role.VIEWER)
        path = node.keys / "clients.toml"
        whole = path.read_text()
        path.write_text("[")
        with node.remote(keys) as client, node.local() as local:
            client.event(*NOT_LET_IN)
            assert wire.DONE == local.ask(request()).outcome
        assert "TOML" in node.server.health().trouble
        path.write_text(whole)
        with node.remote(keys) as client:
            assert wire.DONE == client.ask(request()).outcome


class Unwilling(Authenticator):
    """Cannot be started while the test says so."""

    is_unwilling = True

    def start(self) -> None:
        if self.is_unwilling:
            raise zmq.ZMQError(zmq.EADDRINUSE)
        super().start()


@pytest.mark.parametrize("kill_only", [False, True])
def test_without_the_check_nobody_comes_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kill_only: bool
) -> None:
    """Never started: not even a listed key; the local socket and kill work. Once it can be, it is, and lets in."""
    monkeypatch.setattr("livestack.control.server.Authenticator", Unwilling)
    with running(tmp_path, tcp=True, kill_only=kill_only) as node:
        keys = node.key("anna", Role.ADMIN)
        assert node.server.health().is_guarded is False
        with node.remote(keys) as client, node.remote(None) as naked, node.local() as local:
            client.event(*NOT_LET_IN)
            naked.event(*NOT_LET_IN)
            assert wire.DONE == local.ask(request(kill=wire.Kill())).outcome
        assert 1 == node.server.counts["requests"]
        monkeypatch.setattr(Unwilling, "is_unwilling", False)
        until(lambda: node.server.health().is_guarded is True)
        with node.remote(keys) as client:
            assert wire.DONE == client.ask(request()).outcome


def test_a_check_that_was_stopped_is_started_again(tmp_path: Path) -> None:
    """Its socket closed under it; whoever was in stays in."""
    with running(tmp_path, tcp=True) as node:
        keys = node.key("anna", Role.ADMIN)
        with node.remote(keys) as before:
            before.ask(request())
            authenticator = node.server._authenticator
            assert authenticator is not None
            node.server._post(authenticator.stop)
            until(lambda: node.server.counts["authenticator_started"] == 2)
            with node.remote(keys) as client:
                assert wire.DONE == client.ask(request()).outcome
            assert wire.DONE == before.ask(request()).outcome


class Dying(AllowList):
    """Raises what nobody expects, so often."""

    deaths = 1

    def find(self, public_key: str) -> Client | None:
        if self.deaths:
            self.deaths -= 1
            raise RuntimeError("a bug")
        return super().find(public_key)


def test_a_check_that_died_is_started_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A failure lets nobody in; the next handshakes are answered."""
    monkeypatch.setattr("tests.control.support.AllowList", Dying)
    with running(tmp_path, tcp=True) as node:
        keys = node.key("anna", Role.ADMIN)
        for _ in range(Dying.deaths):
            with node.remote(keys) as client, node.local() as local:
                client.event(*NOT_LET_IN)
                assert wire.DONE == local.ask(request()).outcome
        assert {"local"} == {sender.name for _, sender in node.desk.served}
        assert Dying.deaths == node.server.counts["authenticator_failed"]
        with node.remote(keys) as client:
            assert wire.DONE == client.ask(request()).outcome


@pytest.mark.parametrize(
    "frames",
    [
        [b"", b"1.0", b"1", b"control", b"address", b"", b"NULL"],
        [b"", b"1.0", b"1", b"control", b"address", b"", b"PLAIN", b"a", b"b"],
        [b"", b"1.0", b"1", b"other", b"address", b"", b"CURVE", b"KEY"],
        [b"", b"1.0", b"1", b"", b"address", b"", b"CURVE", b"KEY"],
        [b"", b"2.0", b"1", b"control", b"address", b"", b"CURVE", b"KEY"],
        [b"", b"1.0", b"1", b"control", b"address", b"", b"CURVE", b"KEY", b"KEY"],
        [b"", b"1.0", b"1", b"control", b"address", b"", b"CURVE", b"short"],
        [b"", b"1.0", b"1", b"control", b"\xff", b"", b"CURVE"],
    ],
)
def test_only_curve_of_our_domain_gets_a_yes(tmp_path: Path, frames: list[bytes]) -> None:
    """Asked directly, as ZeroMQ would ask, in every wrong way; and in the right one."""
    node = Node(tmp_path)
    key = zmq.utils.z85.decode(node.key("anna", Role.VIEWER)[0])
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    refused: list[tuple[str, str]] = []
    authenticator = Authenticator(context, node.allow_list, Counter(), lambda *one: refused.append(one))
    authenticator.start()
    asking = context.socket(zmq.DEALER)
    asking.connect("inproc://zeromq.zap.01")

    def ask(question: list[bytes]) -> list[bytes]:
        asking.send_multipart([key if frame == b"KEY" else frame for frame in question])
        until(lambda: (authenticator.serve(), asking.poll(0))[1] > 0)
        return asking.recv_multipart()

    assert b"400" == ask(frames)[3]
    assert 1 == len(refused)
    yes = ask([b"", b"1.0", b"2", b"control", b"address", b"", b"CURVE", b"KEY"])
    assert (b"2", b"200", zmq.utils.z85.encode(key)) == (yes[2], yes[3], yes[5])
    asking.send_multipart([b"", b"too", b"few"])
    assert b"200" == ask([b"", b"1.0", b"3", b"control", b"address", b"", b"CURVE", b"KEY"])[3]
    node.server.stop()
    context.destroy(linger=0)
