"""The control server on real sockets."""

from __future__ import annotations

import socket as system
import struct
import threading
from pathlib import Path
from typing import Any

import pytest
import zmq

from livestack.control import lanes, publisher
from livestack.control import server as module
from livestack.control.commands import COMMANDS, Role
from livestack.control.endpoints import endpoints
from livestack.control.keys import load_server, revoke
from livestack.control.lanes import ServerKeys
from livestack.control.reception import REQUEST_BYTES_MAX
from livestack.control.server import ControlServer
from livestack.exceptions import HeldError
from livestack.wire import control_pb2 as wire
from tests.control.support import (
    LIMIT_S,
    SECOND_NS,
    FakeDesk,
    HandClock,
    Node,
    request,
    running,
    sockets,
    until,
)
from tests.control.test_reception import GOOD_FIELDS

GREETING = b"\xff\x00\x00\x00\x00\x00\x00\x00\x01\x7f"  # ZMTP 3, as far as any peer says it unasked


@pytest.mark.parametrize("kind", [zmq.REQ, zmq.DEALER])
def test_both_kinds_of_client_are_served(tmp_path: Path, kind: int) -> None:
    """On the local socket, whoever can open it is an administrator named local."""
    with running(tmp_path) as node, node.local(kind) as client:
        for _ in range(3):
            asked = request()
            reply = client.ask(asked)
            assert (1, asked.request_id, wire.DONE) == (reply.protocol, reply.request_id, reply.outcome)
            assert ("local", "admin") == (reply.pong.who, reply.pong.role)


@pytest.mark.parametrize("role", Role)
def test_roles_over_tcp(tmp_path: Path, role: Role) -> None:
    """Every command by a key of each role, as the table has it."""
    with running(tmp_path, tcp=True, rate=1_000) as node, node.remote(node.key("anna", role)) as client:
        for field, row in COMMANDS.items():
            reply = client.ask(request(**{field: GOOD_FIELDS.get(field, {})}))
            if role < row.role:
                assert wire.PERMISSION_DENIED == reply.code
            else:
                assert (wire.CONFIRMATION_REFUSED if field == "confirm" else wire.NONE) == reply.code
        assert {role} == {sender.role for _, sender in node.desk.served}


def test_what_is_no_request_is_answered_with_a_code(tmp_path: Path) -> None:
    """On every form of it the connection goes on, and so does the server."""
    with running(tmp_path) as node, node.local() as client:
        for code, payload in (
            (wire.MALFORMED, b"\xff\xff"),
            (wire.MALFORMED, request(kill=wire.Kill()).SerializeToString()[:-1]),
            (wire.UNSUPPORTED_PROTOCOL, b""),
            (wire.TOO_LARGE, b"a" * (REQUEST_BYTES_MAX + 1)),
        ):
            assert code == client.ask(payload).code
        client.socket.send_multipart([b"a", b"b", b"c"])
        assert wire.MALFORMED == client.receive().code
        assert wire.DONE == client.ask(request()).outcome


def test_a_message_beyond_all_bounds_ends_its_connection(tmp_path: Path) -> None:
    """Others do not notice; nothing of it is kept."""
    with running(tmp_path) as node, node.local() as client, node.local() as other:
        client.ask(request())
        client.send(b"a" * 1_000_000)
        client.event(zmq.EVENT_DISCONNECTED)
        assert wire.DONE == other.ask(request()).outcome
        assert wire.DONE == client.ask(request()).outcome  # it came back by itself
        assert 3 == node.server.counts["requests"]


def test_what_is_not_even_zeromq_is_nothing(tmp_path: Path) -> None:
    """Silent, broken and rude connections, to both sockets, by the dozen."""
    with running(tmp_path, tcp=True) as node:
        port = int(node.server.tcp_address.rpartition(":")[2])
        path = node.endpoints.control.removeprefix("ipc://")
        raw = []
        for number in range(60):
            is_tcp = bool(number % 2)
            one = system.socket(system.AF_INET if is_tcp else system.AF_UNIX)
            one.connect(("127.0.0.1", port) if is_tcp else path)
            one.sendall((b"", b"GET / HTTP/1.1\r\n\r\n", GREETING, b"\x00" * 100)[number // 2 % 4])
            raw.append(one)
        with node.local() as local, node.remote(node.key("anna", Role.VIEWER)) as client:
            assert wire.DONE == local.ask(request()).outcome
            assert wire.DONE == client.ask(request()).outcome
        assert 2 == node.server.counts["requests"]
        for one in raw:
            one.setsockopt(system.SOL_SOCKET, system.SO_LINGER, struct.pack("ii", 1, 0))
            one.close()


def test_a_flood_holds_nobody_up(tmp_path: Path) -> None:
    """Thousands of requests of one key: it is throttled, another is served meanwhile, and kills pass on their lane."""
    kill_lane = ControlServer(
        desk=FakeDesk(), clock=HandClock(), local=f"ipc://{tmp_path}/run/kill", kill_only=True, rate=1
    )
    with running(tmp_path, tcp=True) as node:
        kill_lane.start()
        flooding, served, codes = threading.Event(), threading.Event(), []

        def flood(keys: tuple[bytes, bytes, bytes]) -> None:
            with node.remote(keys) as client:
                for number in range(4_000):
                    client.send(request())
                    codes.extend([client.receive().code] if number >= 500 else [])
                    if number == 1_000:
                        flooding.set()
                served.wait(LIMIT_S)

        thread = threading.Thread(target=flood, args=(node.key("anna", Role.OPERATOR),))
        thread.start()
        try:
            assert flooding.wait(LIMIT_S)
            with node.remote(node.key("ben", Role.OPERATOR)) as client, node.local() as local:
                assert wire.DONE == client.ask(request()).outcome
                assert wire.DONE == client.ask(request(kill=wire.Kill())).outcome
                assert wire.DONE == local.ask(request()).outcome
            with Node(tmp_path, kill_only=True).local() as killer:
                outcomes = {killer.ask(request(kill=wire.Kill())).outcome for _ in range(100)}
                assert {wire.DONE} == outcomes
        finally:
            served.set()
            thread.join()
            kill_lane.stop()
        assert codes.count(wire.RATE_LIMITED) > codes.count(wire.NONE)
        assert {wire.RATE_LIMITED, wire.NONE} == set(codes)


def test_a_lane_takes_only_so_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is sent, by however many; what is left waits in the socket until there is room, and is answered then."""
    monkeypatch.setattr(module, "LANE_RATE", 10)
    clock = HandClock()
    with running(tmp_path, clock=clock, rate=5) as node, node.local() as client:
        for _ in range(30):
            client.send(request(clock, kill=wire.Kill()))
        until(lambda: node.server.counts["requests"] == 10)
        clock.forward(1)
        until(lambda: node.server.counts["requests"] == 20)
        clock.forward(1)
        assert [wire.DONE] * 30 == [client.receive().outcome for _ in range(30)]


def test_the_kill_lane_takes_all(tmp_path: Path) -> None:
    """Its clock stands still, and every kill passes."""
    clock = HandClock()
    with running(tmp_path, clock=clock, kill_only=True, rate=1) as node, node.local() as client:
        for _ in range(3_000):
            assert wire.DONE == client.ask(request(clock, kill=wire.Kill())).outcome
        assert wire.INVALID == client.ask(request(clock, status=wire.GetStatus())).code
        assert 3_000 == len(node.desk.served)


def test_who_does_not_read_holds_nobody_up(tmp_path: Path) -> None:
    """Its replies are dropped once its queue is full."""
    with running(tmp_path) as node, node.local() as deaf, node.local() as other:
        deaf.socket.rcvhwm = 1
        for _ in range(3_000):
            deaf.send(request(kill=wire.Kill()))
        assert wire.DONE == other.ask(request()).outcome
        node.desk.wait(lambda: len(node.desk.served) == 3_001)


def test_who_is_gone_before_the_answer_holds_nobody_up(tmp_path: Path) -> None:
    """It asks again, on a new connection, and gets what was answered; the command was carried out once."""
    with running(tmp_path, held=("kill_reset",)) as node:
        asked = request(kill_reset=wire.ResetKill())
        with node.local() as client:
            client.send(asked)
            node.desk.wait(lambda: bool(node.desk.answers))
        with node.local() as other:
            assert wire.DONE == other.ask(request()).outcome
            node.desk.answers[0](wire.Reply(outcome=wire.DONE, seq=9))
            assert 9 == other.ask(asked).seq
        assert 1 == node.desk.commands().count("kill_reset")


def test_the_same_request_twice_before_the_answer(tmp_path: Path) -> None:
    """From two connections at once: one command, two replies, given from another thread."""
    with running(tmp_path, held=("checkpoint",)) as node, node.local() as one, node.local() as other:
        asked = request(checkpoint=wire.Checkpoint())
        one.send(asked)
        node.desk.wait(lambda: bool(node.desk.answers))
        other.send(asked)
        until(lambda: node.server.counts["repeated"] == 1)
        node.desk.answers[0](wire.Reply(outcome=wire.DONE, seq=5))
        assert [5, 5] == [one.receive().seq, other.receive().seq]
        assert 1 == len(node.desk.served)


def test_answers_of_many_threads_all_come(tmp_path: Path) -> None:
    """Each to who asked."""
    with running(tmp_path, held=("orders",), rate=10_000) as node, node.local() as client:
        asked = [request(orders=wire.GetOrders()) for _ in range(200)]
        for one in asked:
            client.send(one)
        node.desk.wait(lambda: len(node.desk.answers) == len(asked))
        threads = [
            threading.Thread(target=answer, args=(wire.Reply(outcome=wire.DONE, seq=number),))
            for number, answer in enumerate(node.desk.answers)
        ]
        for thread in threads:
            thread.start()
        replies = {(reply.request_id, reply.seq) for reply in (client.receive() for _ in asked)}
        assert {(one.request_id, number) for number, one in enumerate(asked)} == replies
        for thread in threads:
            thread.join()


def test_a_revoked_key_may_do_nothing_from_that_moment(tmp_path: Path) -> None:
    """While it is connected, without a restart: its commands are denied, it follows no longer; others go on."""
    with running(tmp_path, tcp=True) as node, sockets() as context:
        keys = {name: node.key(name, Role.ADMIN) for name in ("anna", "ben")}
        heard = {}
        for name, (public, secret, server) in keys.items():
            one = heard[name] = context.socket(zmq.SUB)
            one.curve_publickey, one.curve_secretkey, one.curve_serverkey = public, secret, server
            one.rcvtimeo = LIMIT_S * 1_000
            one.subscribe(name)
            one.connect(node.server.publish_tcp_address)
            until(lambda name=name: node.server.is_subscribed(name))  # type: ignore[misc]
        node.server.publish("anna", b"1")
        assert [b"anna", b"1"] == heard["anna"].recv_multipart()
        with node.remote(keys["anna"]) as anna, node.remote(keys["ben"]) as ben:
            assert wire.DONE == anna.ask(request()).outcome
            revoke(node.keys, "anna")
            reply = anna.ask(request(kill=wire.Kill()))
            assert wire.PERMISSION_DENIED == reply.code
            assert "no longer" in reply.message
            assert wire.DONE == ben.ask(request()).outcome
        until(lambda: node.server.counts["subscribers_dropped"] == 1)
        # It comes back by itself, as soon as it reads.
        until(lambda: (heard["ben"].poll(0), node.server.is_subscribed("ben"))[1])
        assert not heard["anna"].poll(0)
        assert not node.server.is_subscribed("anna")
        node.server.publish("ben", b"2")
        assert [b"ben", b"2"] == heard["ben"].recv_multipart()
        assert "anna" not in {sender.name for sent, sender in node.desk.served if sent.HasField("kill")}


def test_a_role_that_was_lowered_counts_at_once(tmp_path: Path) -> None:
    """Each command looks it up."""
    with running(tmp_path, tcp=True) as node, node.remote(node.key("anna", Role.ADMIN)) as client:
        assert wire.DONE == client.ask(request(kill_reset=wire.ResetKill())).outcome
        path = node.keys / "clients.toml"
        path.write_text(path.read_text().replace('"admin"', '"operator"'))
        assert wire.PERMISSION_DENIED == client.ask(request(kill_reset=wire.ResetKill())).code
        assert wire.DONE == client.ask(request(kill=wire.Kill())).outcome


def test_four_eyes_over_the_wire(tmp_path: Path) -> None:
    """A key over tcp confirms what was asked locally; both names reach the desk."""
    with running(tmp_path, tcp=True, four_eyes=("kill.reset",)) as node, node.local() as local:
        asked = request(kill_reset=wire.ResetKill())
        assert wire.AWAITING == local.ask(asked).outcome
        confirm = wire.Confirm(request_id=asked.request_id)
        assert wire.CONFIRMATION_REFUSED == local.ask(request(confirm=confirm)).code
        with node.remote(node.key("ben", Role.ADMIN)) as ben:
            assert "local, confirmed by ben" == ben.ask(request(confirm=confirm)).pong.who
        assert wire.DONE == local.ask(asked).outcome
        assert 1 == len(node.desk.served)


def test_a_confirmation_expires_without_traffic(tmp_path: Path) -> None:
    """The loop notices by itself."""
    clock = HandClock()
    with running(tmp_path, clock=clock, four_eyes=("kill.reset",)) as node, node.local() as client:
        asked = request(clock, kill_reset=wire.ResetKill())
        client.ask(asked)
        clock.forward(60)
        node.desk.wait(lambda: bool(node.desk.refusals))
        assert wire.CONFIRMATION_REFUSED == client.ask(asked).code


def test_publications_come_from_any_thread(tmp_path: Path) -> None:
    """In order, to who subscribed; for nobody nothing is kept."""
    with running(tmp_path) as node, sockets() as context:
        node.server.publish("event", b"lost")
        subscriber = context.socket(zmq.SUB)
        subscriber.rcvtimeo = LIMIT_S * 1_000
        subscriber.subscribe("event")
        subscriber.connect(endpoints(tmp_path).publish)
        until(lambda: node.server.is_subscribed("event"))
        assert not node.server.is_subscribed("status")
        for number in range(100):
            node.server.publish("event", str(number).encode())
        assert [str(number).encode() for number in range(100)] == [
            subscriber.recv_multipart()[1] for _ in range(100)
        ]


def test_endless_subscriptions_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever subscribes to more than there can be has to come in again, over tcp."""
    monkeypatch.setattr(publisher, "TOPICS_MAX", 5)
    with running(tmp_path, tcp=True) as node, sockets() as context:
        subscriber = context.socket(zmq.SUB)
        public, secret, server = node.key("anna", Role.VIEWER)
        subscriber.curve_publickey, subscriber.curve_secretkey, subscriber.curve_serverkey = (
            public,
            secret,
            server,
        )
        subscriber.connect(node.server.publish_tcp_address)
        for number in range(5):
            subscriber.subscribe(str(number))
        until(lambda: node.server.is_subscribed("4"))
        subscriber.subscribe("5")
        until(lambda: not node.server.is_subscribed("4"))
        subscriber.unsubscribe("5")
        until(lambda: (subscriber.poll(0), node.server.is_subscribed("4"))[1])


def test_its_files_go_with_it(tmp_path: Path) -> None:
    """And one that a dead node left is no obstacle."""
    left = Path(endpoints(tmp_path).control.removeprefix("ipc://"))
    with running(tmp_path):
        assert left.exists()
    assert [] == list(left.parent.iterdir())
    with system.socket(system.AF_UNIX) as dead:
        dead.bind(str(left))
    with running(tmp_path) as node, node.local() as client:
        assert wire.DONE == client.ask(request()).outcome


def test_an_address_that_is_taken_is_said_at_start(tmp_path: Path) -> None:
    """Local or tcp; nothing stays behind, and what is there goes on."""
    with running(tmp_path, tcp=True) as node:
        with pytest.raises(HeldError, match="another process answers"):
            Node(tmp_path).server.start()
        with node.local() as client:
            assert wire.DONE == client.ask(request()).outcome
        keys = ServerKeys(load_server(node.keys), node.allow_list)
        second = ControlServer(
            desk=FakeDesk(),
            clock=node.clock,
            local=node.endpoints.kill,
            tcp=node.server.tcp_address,
            keys=keys,
        )
        with pytest.raises(HeldError, match="in use"):
            second.start()
        assert not second.is_alive()
        assert not Path(node.endpoints.kill.removeprefix("ipc://")).exists()


def test_tcp_without_keys_is_refused(tmp_path: Path) -> None:
    """Never open without CURVE."""
    node = Node(tmp_path)
    server = ControlServer(
        desk=node.desk, clock=node.clock, local=node.endpoints.control, tcp="tcp://127.0.0.1:0"
    )
    with pytest.raises(HeldError, match="needs keys"):
        server.start()


def test_a_failure_in_the_loop_opens_the_sockets_anew(tmp_path: Path) -> None:
    """At the same addresses; clients come back by themselves."""
    with running(tmp_path, tcp=True) as node, node.local() as local:
        keys = node.key("anna", Role.VIEWER)
        address = node.server.tcp_address
        with node.remote(keys) as client:
            client.ask(request())

            def fail() -> None:
                raise RuntimeError("a bug")

            node.server._post(fail)
            until(lambda: node.server.counts["failed_passes"] >= 1 and node.server.health().is_whole)
            assert address == node.server.tcp_address
            assert wire.DONE == local.ask(request()).outcome
            assert wire.DONE == client.ask(request()).outcome


def test_sockets_closed_under_it_are_opened_anew(tmp_path: Path) -> None:
    """Whatever closed them."""
    with running(tmp_path) as node, node.local() as local:
        local.ask(request())
        node.server._post(node.server._routers[0][0].close)
        until(lambda: node.server.counts["failed_passes"] >= 1 and node.server.health().is_whole)
        assert wire.DONE == local.ask(request()).outcome


def test_a_lane_that_cannot_open_does_not_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Alive, and of no use to anybody: that is what ``passed_ns`` tells; mended, it passes again."""
    clock = HandClock()
    with running(tmp_path, clock=clock) as node:
        counts = node.server.counts
        with monkeypatch.context() as patched:
            patched.setattr(lanes, "open_router", lambda *_: 1 // 0)
            node.server._post(lambda: 1 // 0)
            until(lambda: counts["failed_passes"] >= 2)
            clock.forward(10)
            before = counts["failed_passes"]
            until(lambda: counts["failed_passes"] >= before + 2)
            health = node.server.health()
            assert (True, 10 * SECOND_NS) == (health.is_alive, clock.now_ns() - health.passed_ns)
        until(lambda: node.server.health().passed_ns == clock.now_ns())


def test_a_lane_passes_when_it_begins(tmp_path: Path) -> None:
    """Nobody takes the time before it for silence."""
    clock = HandClock()
    node = Node(tmp_path, clock=clock)
    clock.forward(100)
    node.server.start()
    assert clock.now_ns() == node.server.health().passed_ns
    node.server.stop()


def test_health_says_how_it_is(tmp_path: Path) -> None:
    """Before, while it runs, and after."""
    clock = HandClock()
    node = Node(tmp_path, clock=clock)
    assert not node.server.health().is_alive
    node.server.start()
    until(lambda: node.server.health().passed_ns == clock.now_ns())
    health = node.server.health()
    assert (True, None, True) == (health.is_alive, health.is_guarded, health.is_whole)
    clock.forward(1)
    until(lambda: node.server.health().passed_ns == clock.now_ns())
    node.server.stop()
    assert not node.server.is_alive()
    node.server.publish("event", b"nobody")
    node.server._post(lambda: None)


def test_one_that_was_never_started_stops(tmp_path: Path) -> None:
    """Nothing was opened."""
    server = Node(tmp_path).server
    server.stop()
    assert not server.is_alive()


def test_an_answer_after_the_end_is_nothing(tmp_path: Path) -> None:
    """The desk may be late."""
    with running(tmp_path, held=("ping",)) as node, node.local() as client:
        client.send(request())
        node.desk.wait(lambda: bool(node.desk.answers))
    node.desk.answers[0](wire.Reply(outcome=wire.DONE))


def test_a_message_without_its_key_is_dropped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It cannot be, and is not answered if it is."""
    real: Any = module.lanes.receive

    def without_key(socket: Any, *, is_secured: bool) -> Any:
        found = real(socket, is_secured=is_secured)
        return None if found is None else type(found)(found.route, found.payload)

    with running(tmp_path, tcp=True) as node, node.remote(node.key("anna", Role.ADMIN)) as client:
        client.ask(request())
        monkeypatch.setattr(module.lanes, "receive", without_key)
        client.send(request(kill=wire.Kill()))
        until(lambda: node.server.counts["without_key"] == 1)
        assert ["ping"] == node.desk.commands()
