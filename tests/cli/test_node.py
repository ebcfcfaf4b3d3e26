"""What all commands on a running node share: finding it, giving a reason, telling what became of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from livestack.cli.main import main
from livestack.control.commands import Role
from livestack.control.endpoints import endpoints
from livestack.control.keys import new_client
from livestack.wire import control_pb2 as wire
from tests.cli.support import Shell
from tests.control.fake_node import FakeNode, answer, refuse

ON_A_NODE = (
    "status", "orders", "positions", "fills", "feeds", "venues", "risk", "metrics", "config show", "kill receipt",
    "trading enable --reason r", "kill --reason r", "kill reset --reason r", "cancel 7 --reason r",
    "cancel --all --reason r", "strategy disable --reason r", "session start", "session stop --reason r",
    "checkpoint", "config set a=1 --reason r", "config roll-back 1 --reason r", "confirm abc", "events --follow",
)  # fmt: skip
NEEDS_A_REASON = (
    "trading enable", "trading disable", "trading reduce", "kill reset", "cancel 7", "strategy enable",
    "strategy disable", "session stop", "config set a=1", "config roll-back 1",
)  # fmt: skip


def test_a_reason_becomes_one_line(shell: Shell, node: FakeNode) -> None:
    """The node takes nothing else, and no odd character may keep a kill from going out."""
    assert 0 == shell("kill", "--reason", " too\nodd\x1b[2J \udcff").code
    assert "too odd [2J \\udcff" == node.requests[0][1].reason


def test_names_that_are_no_text_are_a_usage_error(shell: Shell, node: FakeNode) -> None:
    """There can be no such venue."""
    done = shell("cancel", "--all", "--reason", "r", "--venue", "\udcff")
    assert (2, []) == (done.code, node.requests)
    assert "UTF-8" in done.err


@pytest.mark.parametrize("command", ON_A_NODE)
def test_without_a_node_it_is_said_where_it_was_looked_for(
    shell: Shell, tmp_path: Path, command: str
) -> None:
    """Exit code 3, the address, and what to do; for tools on stdout too."""
    done = shell(*command.split())
    assert 3 == done.code
    assert str(tmp_path / "run") in done.err
    is_kill = command.startswith("kill --")
    assert ("KILL" if is_kill else "livestack start -c FILE") in done.err
    assert "" == done.out
    (tmp_path / "KILL").unlink(missing_ok=True)
    told = shell(*command.split(), "--json").json
    assert ("unconfirmed" if is_kill else "unreachable") == told["outcome"]
    assert f"livestack: {told['message']}\n" == done.err


@pytest.mark.parametrize("command", NEEDS_A_REASON)
def test_what_changes_something_needs_a_reason(shell: Shell, node: FakeNode, command: str) -> None:
    """A usage error that asks for one; nothing is sent."""
    done = shell(*command.split())
    assert 2 == done.code
    assert "say why with --reason TEXT" in done.err
    assert [] == node.requests


def test_a_reason_has_a_limit(shell: Shell, node: FakeNode) -> None:
    """It is said how long it is, and how long it may be."""
    done = shell("session", "stop", "--reason", "x" * 501)
    assert 2 == done.code
    assert "501 characters; it may have 500" in done.err
    assert [] == node.requests


@pytest.mark.parametrize("command", [one for one in ON_A_NODE if not one.startswith("events")])
def test_a_refusal_has_an_exit_code_and_a_sentence(shell: Shell, node: FakeNode, command: str) -> None:
    """2, or 3 where it is too early, or 7 where it is a matter of rights. Of a kill it is said that there was none."""
    first = "NOTHING WAS KILLED: " if command.startswith("kill --") else ""
    node.say = refuse(wire.INVALID, "there is none")
    done = shell(*command.split())
    assert (2, f"livestack: {first}refused (invalid): there is none\n") == (done.code, done.err)
    node.say = refuse(wire.BUSY, "the node is starting")
    done = shell(*command.split())
    assert (3, f"livestack: {first}not now: the node is starting\n") == (done.code, done.err)
    node.say = refuse(wire.PERMISSION_DENIED, "it needs the role admin")
    assert 7 == shell(*command.split()).code


def test_tools_are_told_of_a_refusal_too(shell: Shell, node: FakeNode) -> None:
    """The same keys as of a success."""
    good = shell("trading", "enable", "--reason", "r", "--json").json
    node.say = refuse(wire.REFUSED_BY_CORE, "the loss limit is reached")
    done = shell("trading", "enable", "--reason", "r", "--json")
    assert good.keys() == done.json.keys()
    assert ("done", 52, "none") == (good["outcome"], good["seq"], good["code"])
    assert ("refused", None, "refused_by_core") == (done.json["outcome"], done.json["seq"], done.json["code"])
    assert "the loss limit is reached" == done.json["message"]
    assert 2 == done.code


def test_what_waits_for_a_second_key_is_told(shell: Shell, node: FakeNode) -> None:
    """With the words that the second one has to say."""

    def say(lane: str, request: wire.Request) -> wire.Reply:
        return wire.Reply(request_id=request.request_id, outcome=wire.AWAITING, message="within 60 s")

    node.say = say
    done = shell("kill", "reset", "--reason", "r", "--request-id", "mine")
    assert "livestack confirm mine" in done.out
    assert "within 60 s" in done.err
    assert "awaiting" == shell("kill", "reset", "--reason", "r", "--json").json["outcome"]


def test_an_unknown_outcome_can_be_asked_about(
    shell: Shell, node: FakeNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 3 and the id; the same command with it asks again."""
    monkeypatch.setattr("livestack.cli.node.REPLY_LIMIT_S", 0.3)
    node.say = lambda _lane, _request: None
    done = shell("cancel", "--all", "--reason", "r", "--json")
    assert (3, "unknown") == (done.code, done.json["outcome"])
    name = done.json["request_id"]
    assert f"--request-id {name}" in done.err
    node.say = answer
    assert (
        name == shell("cancel", "--all", "--reason", "r", "--json", "--request-id", name).json["request_id"]
    )


def test_an_endpoint_of_this_machine_needs_no_key(shell: Shell, node: FakeNode, tmp_path: Path) -> None:
    """A node is found by its address too."""
    assert 0 == shell("status", "--endpoint", node.endpoints.control, data_dir=tmp_path / "elsewhere").code


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--endpoint", "tcp://127.0.0.1:1"], "needs --keys FILE"),
        (["--keys", "x.key"], "--keys goes with --endpoint"),
        (["--endpoint", "nonsense"], "it would be tcp://HOST:PORT"),
        (["--endpoint", "tcp://127.0.0.1:1", "--keys", "no.key"], "no.key is missing"),
    ],
)
def test_addresses_and_keys_that_cannot_be(shell: Shell, arguments: list[str], sentence: str) -> None:
    """A usage error each, with what would be right."""
    done = shell("status", *arguments)
    assert 2 == done.code
    assert sentence in done.err


def test_what_a_node_adds_to_it_is_said(shell: Shell, node: FakeNode) -> None:
    """Behind the sentence that it is done, which may not be all."""

    def say(lane: str, request: wire.Request) -> wire.Reply:
        reply = answer(lane, request)
        reply.message = "trading is still HALTED"
        return reply

    node.say = say
    assert (
        "trading is enabled (seq 52)\ntrading is still HALTED\n"
        == shell("trading", "enable", "--reason", "r").out
    )
    assert "trading is still HALTED" == shell("trading", "enable", "--reason", "r", "--json").json["message"]


@pytest.mark.parametrize("command", ["trading enable", "confirm", "cancel 7"])
def test_an_id_that_the_node_would_not_take_is_not_sent(shell: Shell, node: FakeNode, command: str) -> None:
    """A usage error that says what one looks like, for tools too."""
    arguments = ["bad id"] if command == "confirm" else ["--request-id", "bad id"]
    done = shell(*command.split(), *arguments, "--reason", "r", "--json")
    assert (2, []) == (done.code, node.requests)
    assert "1 to 64 of the characters" in done.err
    assert ("refused", "usage") == (done.json["outcome"], done.json["code"])


@pytest.mark.parametrize("arguments", [("cancel",), ("trading", "enable"), ("trading", "enable", "--what")])
def test_tools_are_told_of_wrong_usage(shell: Shell, node: FakeNode, arguments: tuple[str, ...]) -> None:
    """Exit code 2, with an object on stdout and the sentence on stderr."""
    done = shell(*arguments, "--json")
    assert (2, "refused", "usage", []) == (done.code, done.json["outcome"], done.json["code"], node.requests)
    assert done.json["message"] in done.err


@pytest.mark.parametrize("command", [one for one in ON_A_NODE if not one.startswith("events")])
def test_every_command_takes_every_address(
    shell: Shell, node: FakeNode, tmp_path: Path, command: str
) -> None:
    """Those that it does not need, too."""
    at = node.endpoints
    words = [*command.split(), "--endpoint", at.control, "--kill-endpoint", at.kill]
    words += ["--publish-endpoint", at.publish, "--keys", "no.key"]
    assert 0 == shell(*words, data_dir=tmp_path / "elsewhere").code


def test_the_address_can_be_in_the_environment(
    shell: Shell, node: FakeNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A directory on the command line counts more; a key is for addresses that need one."""
    monkeypatch.setenv("LIVESTACK_KEYS", "no.key")
    assert 0 == shell("status").code
    monkeypatch.setenv("LIVESTACK_ENDPOINT", node.endpoints.control)
    assert 3 == shell("status", data_dir=tmp_path / "elsewhere").code
    with pytest.raises(SystemExit) as ended:
        main(["status"])
    assert 0 == ended.value.code


def test_a_host_that_nobody_knows(shell: Shell, tmp_path: Path) -> None:
    """Is not said to be a dead node."""
    new_client(tmp_path / "keys", "anna", Role.OPERATOR)
    key = str(tmp_path / "keys" / "anna.key")
    done = shell("status", "--endpoint", "tcp://node.invalid:17501", "--keys", key)
    assert 3 == done.code
    assert "the name node.invalid cannot be resolved" in done.err


def test_options_in_front_of_a_sub_command_are_not_lost(shell: Shell, node: FakeNode) -> None:
    """They are refused."""
    done = shell("kill", "--venue", "v", "reset", "--reason", "r")
    assert (2, []) == (done.code, node.requests)
    assert "options go behind reset" in done.err


def test_the_data_directory_can_be_deep(shell: Shell, tmp_path: Path) -> None:
    """Sockets have short names; the node is found all the same."""
    deep = tmp_path / ("deep" * 30)
    with FakeNode(deep):
        assert 0 == shell("status", data_dir=deep).code
    assert endpoints(deep).control != endpoints(tmp_path).control
