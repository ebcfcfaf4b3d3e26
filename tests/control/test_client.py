"""The client of a node: every command as a request, replies that get lost, refusals, and nodes that are not there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from livestack.client import ControlClient
from livestack.control.commands import COMMANDS, fault, is_request_id
from livestack.control.endpoints import endpoints
from livestack.exceptions import (
    NodeUnreachableError,
    PermissionDeniedError,
    RefusedError,
    UsageError,
)
from livestack.wire import control_pb2 as wire
from tests.control.fake_node import KILLED, STATUS, FakeNode, answer, refuse

SHORT_S = 0.5
"""A limit that a test waits out."""

COMMANDS_GIVEN: dict[str, Callable[[ControlClient], object]] = {
    "ping": lambda node: node.ping(),
    "status": lambda node: node.status(),
    "orders": lambda node: node.orders(),
    "positions": lambda node: node.positions(),
    "fills": lambda node: node.fills(5),
    "feeds": lambda node: node.feeds(),
    "venues": lambda node: node.venues(),
    "risk": lambda node: node.risk(),
    "configuration": lambda node: node.configuration(2),
    "metrics": lambda node: node.metrics(),
    "kill_receipt": lambda node: node.kill_receipt(),
    "session_start": lambda node: node.session_start("why"),
    "session_stop": lambda node: node.session_stop("why"),
    "trading": lambda node: node.trading("reducing", "why", venue="v"),
    "kill": lambda node: node.kill("why", instrument="v:i"),
    "kill_reset": lambda node: node.kill_reset("why", accept_unknown=True),
    "cancel": lambda node: node.cancel(7, "why"),
    "cancel_all": lambda node: node.cancel_all("why", venue="v"),
    "strategy": lambda node: node.strategy(False, "why"),
    "configuration_set": lambda node: node.configuration_set({"a.b": "1"}, "why", expected_version=3),
    "configuration_roll_back": lambda node: node.configuration_roll_back(2, "why"),
    "checkpoint": lambda node: node.checkpoint("why"),
    "confirm": lambda node: node.confirm("abc", "why"),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_a_method(tmp_path: Path, command: str) -> None:
    """The request is whole: the server's own checks of its fields find nothing, and what changes has its reason."""
    with FakeNode(tmp_path) as fake, ControlClient.of_data_dir(tmp_path) as node:
        COMMANDS_GIVEN[command](node)
    ((_, request),) = fake.requests
    assert command == request.WhichOneof("command")
    assert "" == fault(request, COMMANDS[command])
    assert COMMANDS[command].changes == (request.reason == "why")
    assert 1 == request.protocol
    assert 32 == len(request.request_id)
    assert 0 < request.issued_at_ns


def test_arguments_arrive(tmp_path: Path) -> None:
    """Each where the message has it."""
    with FakeNode(tmp_path) as fake, ControlClient.of_data_dir(tmp_path) as node:
        for give in COMMANDS_GIVEN.values():
            give(node)
    requests = {one.WhichOneof("command"): one for _, one in fake.requests}
    assert wire.SetTradingState(state=wire.REDUCING, venue="v") == requests["trading"].trading
    assert wire.Kill(instrument="v:i") == requests["kill"].kill
    assert requests["kill_reset"].kill_reset.accept_unknown
    assert 7 == requests["cancel"].cancel.order_id
    assert "v" == requests["cancel_all"].cancel_all.venue
    assert [wire.Setting(key="a.b", json_value="1")] == list(
        requests["configuration_set"].configuration_set.settings
    )
    assert 3 == requests["configuration_set"].expected_version
    assert 2 == requests["configuration_roll_back"].configuration_roll_back.version
    assert 5 == requests["fills"].fills.last
    assert "abc" == requests["confirm"].confirm.request_id


def test_one_client_asks_again_and_again(tmp_path: Path) -> None:
    """Over one connection; a query returns its message, a command its reply with the position of its effect."""
    with FakeNode(tmp_path), ControlClient.of_data_dir(tmp_path) as node:
        assert [STATUS] * 3 == [node.status() for _ in range(3)]
        assert 52 == node.trading("active", "why").seq


@pytest.mark.parametrize(
    ("code", "kind", "exit_code"),
    [
        (wire.REFUSED_BY_CORE, RefusedError, 2),
        (wire.PERMISSION_DENIED, PermissionDeniedError, 7),
    ],
)
def test_a_refusal_is_an_error_with_code_and_sentence(
    tmp_path: Path, code: wire.ErrorCode, kind: type[RefusedError], exit_code: int
) -> None:
    """Nothing is asked twice: the node has said no."""
    with (
        FakeNode(tmp_path, refuse(code, "not now")) as fake,
        ControlClient.of_data_dir(tmp_path) as node,
        pytest.raises(kind) as refused,
    ):
        node.trading("active", "why")
    assert exit_code == refused.value.exit_code
    assert "not now" == refused.value.sentence
    assert wire.ErrorCode.Name(code) == refused.value.code
    assert 1 == len(fake.requests)


def test_a_code_of_a_newer_node_is_told(tmp_path: Path) -> None:
    """Its number, where this program knows no name."""
    with (
        FakeNode(tmp_path, refuse(99, "new")),  # type: ignore[arg-type]
        ControlClient.of_data_dir(tmp_path) as node,
        pytest.raises(RefusedError, match=r"refused \(code_99\): new"),
    ):
        node.status()


def test_what_waits_for_a_second_key_is_no_error(tmp_path: Path) -> None:
    """The reply says AWAITING."""

    def say(lane: str, request: wire.Request) -> wire.Reply:
        reply = answer(lane, request)
        reply.outcome = wire.AWAITING
        return reply

    with FakeNode(tmp_path, say), ControlClient.of_data_dir(tmp_path) as node:
        assert wire.AWAITING == node.kill_reset("why").outcome


def test_kill_has_its_own_socket(tmp_path: Path) -> None:
    """Nothing goes to the main one where kill's answers."""
    with FakeNode(tmp_path) as fake, ControlClient.of_data_dir(tmp_path) as node:
        assert KILLED == node.kill("why").killed
    assert ["kill"] == [lane for lane, _ in fake.requests]


def test_no_form_keeps_a_kill_back(tmp_path: Path) -> None:
    """What the node would refuse is made into what it takes; another id, where that one was used."""
    with FakeNode(tmp_path) as fake, ControlClient.of_data_dir(tmp_path) as node:
        node.kill("", " binance_spot\n")
        node.kill("a\u2028b" * 300, instrument="i" * 300, request_id="bad id")
        refused = refuse(wire.REQUEST_ID_REUSED, "used")
        fake.say = lambda lane, request: (refused if request.request_id == "mine" else answer)(lane, request)
        assert wire.DONE == node.kill("why", request_id="mine").outcome
    for _, request in fake.requests:
        assert "" == fault(request, COMMANDS["kill"])
        assert is_request_id(request.request_id)
    (_, first), (_, second) = fake.requests[:2]
    assert ("no reason given", "binance_spot") == (first.reason, first.kill.venue)
    assert (499, 200) == (len(second.reason), len(second.kill.instrument))


@pytest.mark.parametrize("state", ["", "enabled", "TRADING_STATE_UNSPECIFIED"])
def test_a_trading_state_has_three_words(tmp_path: Path, state: str) -> None:
    """Anything else is a usage error that names them."""
    with (
        ControlClient.of_data_dir(tmp_path) as node,
        pytest.raises(UsageError, match="ACTIVE, REDUCING or HALTED"),
    ):
        node.trading(state, "why")  # type: ignore[arg-type]


def test_what_the_node_cannot_take_is_not_sent(tmp_path: Path) -> None:
    """Numbers beyond its own, and ids that are none."""
    with ControlClient.of_data_dir(tmp_path) as node:
        with pytest.raises(UsageError, match="order_id has to be from 1"):
            node.cancel(10**30, "why")
        with pytest.raises(UsageError, match="is no request id"):
            node.cancel(1, "why", request_id="bad id")
        with pytest.raises(UsageError, match="is no request id"):
            node.confirm("bad id", "why")


def test_a_kill_that_reaches_nobody_says_what_is_left(tmp_path: Path) -> None:
    """The file, and the guard."""
    with (
        ControlClient.of_data_dir(tmp_path) as node,
        pytest.raises(NodeUnreachableError, match=r"KILL in .* guard cancel-all"),
    ):
        node.kill("why")


def test_no_node_is_said_at_once(tmp_path: Path) -> None:
    """Where it was looked for, and how to start one."""
    with ControlClient.of_data_dir(tmp_path) as node, pytest.raises(NodeUnreachableError) as missing:
        node.status()
    assert endpoints(tmp_path).control in str(missing.value)
    assert "livestack start -c FILE --data-dir" in str(missing.value)


def test_a_dead_node_is_told_from_none(tmp_path: Path) -> None:
    """Its socket is there and nobody listens."""
    with FakeNode(tmp_path):
        pass
    with (
        ControlClient.of_data_dir(tmp_path) as node,
        pytest.raises(NodeUnreachableError, match=r"dead or gone; livestack guard status"),
    ):
        node.status()


def test_where_it_publishes_has_to_be_known(tmp_path: Path) -> None:
    """Of a node elsewhere nobody can guess it."""
    with (
        ControlClient.at(endpoints(tmp_path).control) as node,
        pytest.raises(NodeUnreachableError, match="name that endpoint"),
    ):
        next(node.subscribe())
