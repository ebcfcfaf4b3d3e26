"""Commands that steer a node: what each asks of it, and what it refuses to ask."""

from __future__ import annotations

import pytest

from livestack.wire import control_pb2 as wire
from tests.cli.support import Shell
from tests.control.fake_node import FakeNode

ASKED: dict[str, tuple[str, object]] = {
    "trading enable": ("trading", wire.SetTradingState(state=wire.ACTIVE)),
    "trading disable --venue v": ("trading", wire.SetTradingState(state=wire.HALTED, venue="v")),
    "trading reduce --instrument v:i": (
        "trading",
        wire.SetTradingState(state=wire.REDUCING, instrument="v:i"),
    ),
    "strategy enable": ("strategy", wire.SetStrategy(enabled=True)),
    "strategy disable": ("strategy", wire.SetStrategy(enabled=False)),
    "session start": ("session_start", wire.StartSession()),
    "session stop": ("session_stop", wire.StopSession()),
    "cancel 7": ("cancel", wire.CancelOrder(order_id=7)),
    "cancel --all --venue v": ("cancel_all", wire.CancelAll(venue="v")),
    "checkpoint": ("checkpoint", wire.Checkpoint()),
    "confirm abc": ("confirm", wire.Confirm(request_id="abc")),
}


@pytest.mark.parametrize("command", ASKED)
def test_a_command_is_asked_and_told(shell: Shell, node: FakeNode, command: str) -> None:
    """Once, with its reason; people and tools hear at which position it stands."""
    done = shell(*command.split(), "--reason", "because")
    assert (0, "") == (done.code, done.err)
    assert "(seq 5" in done.out
    ((_, request),) = node.requests
    name, content = ASKED[command]
    assert content == getattr(request, name)
    assert "because" == request.reason
    assert {"outcome", "seq"} <= shell(*command.split(), "--reason", "because", "--json").json.keys()


@pytest.mark.parametrize("command", ["session start", "checkpoint", "confirm abc"])
def test_what_speaks_for_itself_needs_no_reason(shell: Shell, node: FakeNode, command: str) -> None:
    """The node gets one all the same."""
    assert 0 == shell(*command.split()).code
    assert "" != node.requests[0][1].reason


def test_what_was_confirmed_is_named(shell: Shell, node: FakeNode) -> None:
    """As far as the answer tells it."""
    node.say = lambda _lane, request: wire.Reply(
        request_id=request.request_id,
        outcome=wire.DONE,
        configuration_version=wire.ConfigurationVersion(version=4),
    )
    assert "abc is confirmed: the configuration is version 4\n" == shell("confirm", "abc").out


def test_a_checkpoint_tells_its_digest(shell: Shell, node: FakeNode) -> None:
    """For tools."""
    assert "01" * 32 == shell("checkpoint", "--json").json["digest"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((), "say which: an ORDER_ID as in livestack orders, or --all"),
        (("7", "--all"), "say which"),
        (("7", "--venue", "v"), "--venue and --instrument go with --all"),
        (("0",), "0 cannot be an order"),
        (("9" * 23,), "ORDER_ID is a number as in livestack orders"),
        (("seven",), "seven cannot be an order"),
    ],
)
def test_what_to_cancel_has_to_be_said(
    shell: Shell, node: FakeNode, arguments: tuple[str, ...], sentence: str
) -> None:
    """One order, or all of some; anything else asks nothing."""
    done = shell("cancel", *arguments, "--reason", "r")
    assert (2, []) == (done.code, node.requests)
    assert sentence in done.err
