"""``livestack kill``: engaged at once, told with its moments, and the wait for a proof."""

from __future__ import annotations

import pytest

from livestack.wire import control_pb2 as wire
from tests.cli.support import Shell
from tests.control.fake_node import KILLED, FakeNode, Say, answer, receipt, refuse

KEYS = {
    "outcome", "durable", "seq", "gate_closed_at", "last_new_sent_at", "open_orders_at_venue", "unknown_orders",
}  # fmt: skip


def flat_after(rounds: int) -> Say:
    """A node whose receipt is flat when it was asked for the so many-th time."""
    asked = 0

    def say(lane: str, request: wire.Request) -> wire.Reply:
        nonlocal asked
        reply = answer(lane, request)
        if request.WhichOneof("command") == "kill_receipt":
            asked += 1
            reply.kill_receipt.CopyFrom(receipt(flat=asked >= rounds))
        return reply

    return say


def test_kill_answers_at_once(shell: Shell, node: FakeNode) -> None:
    """Both moments, to the nanosecond; what nobody asked yet is null."""
    done = shell("kill", "--reason", "r", "--json")
    assert 0 == done.code
    assert KEYS < done.json.keys()
    assert ("done", True, None) == (done.json["outcome"], done.json["durable"], done.json["seq"])
    assert "2026-01-02T03:04:06.999999999Z" == done.json["last_new_sent_at"]
    assert "2026-01-02T03:04:07.000000001Z" == done.json["gate_closed_at"]
    assert done.json["open_orders_at_venue"] is done.json["unknown_orders"] is None
    assert ["kill"] == node.asked()


def test_people_are_told_what_is_certain(shell: Shell, node: FakeNode) -> None:
    """Scope and moments."""
    text = shell("kill", "--reason", "r", "--venue", "binance_spot").out
    assert "kill-switch engaged for binance_spot" in text
    assert "gate closed at 03:04:07.000 UTC" in text
    assert "last new order sent at 03:04:06.999 UTC" in text
    assert wire.Kill(venue="binance_spot") == node.requests[0][1].kill


def test_what_is_not_on_disk_is_said(shell: Shell, node: FakeNode) -> None:
    """A restart would forget it; and a node that never sent an order has no such moment."""
    node.say = lambda _lane, request: wire.Reply(
        request_id=request.request_id, outcome=wire.DONE, killed=wire.Killed(gate_closed_at_ns=1)
    )
    done = shell("kill", "--reason", "r")
    assert "NOT ON DISK" in done.err
    assert "no time: there was none" in done.out
    assert shell("kill", "--reason", "r", "--json").json["last_new_sent_at"] is None


def test_the_proof_is_waited_for(shell: Shell, node: FakeNode) -> None:
    """Asked for until it is there; then nothing is open, and the exit code is 0."""
    node.say = flat_after(3)
    done = shell("kill", "--reason", "r", "--wait-flat", "30s", "--json")
    assert 0 == done.code
    assert (0, 0, True) == (
        done.json["open_orders_at_venue"],
        done.json["unknown_orders"],
        done.json["flat"],
    )
    assert 2 == done.json["receipt"]["rounds"]
    assert 3 == node.asked().count("kill_receipt")
    assert "flat: every venue has answered" in shell("kill", "--reason", "r", "--wait-flat", "30s").out


def test_no_proof_in_time_is_exit_code_4(shell: Shell, node: FakeNode) -> None:
    """What is left is listed."""
    node.say = flat_after(10**9)
    done = shell("kill", "--reason", "r", "--wait-flat", "50ms", "--json")
    assert (4, 1, 1) == (done.code, done.json["open_orders_at_venue"], done.json["unknown_orders"])
    assert "not flat: binance_spot: 1 open, 1 of unknown fate after 0.05 s" in done.err
    people = shell("kill", "--reason", "r", "--wait-flat", "50ms")
    assert "Still open" in people.out
    assert "Of unknown fate" in people.out


def test_the_receipt_of_an_earlier_kill_proves_nothing(shell: Shell, node: FakeNode) -> None:
    """The node still shows it for a moment when the kill-switch is engaged again."""

    def say(lane: str, request: wire.Request) -> wire.Reply:
        reply = answer(lane, request)
        if request.WhichOneof("command") == "kill_receipt":
            reply.kill_receipt.gate_closed_at_ns -= 1
        return reply

    node.say = say
    done = shell("kill", "--reason", "r", "--wait-flat", "50ms", "--json")
    assert (4, None, False) == (done.code, done.json["open_orders_at_venue"], done.json["flat"])
    assert "no venue was asked yet" in done.err


def test_a_venue_that_does_not_answer_is_no_proof(shell: Shell, node: FakeNode) -> None:
    """Nobody knows how many orders are open there."""

    def say(lane: str, request: wire.Request) -> wire.Reply:
        reply = answer(lane, request)
        if request.WhichOneof("command") == "kill_receipt":
            venue = wire.VenueAnswer(venue="binance_spot", trouble="not connected")
            closed_at_ns = KILLED.gate_closed_at_ns
            reply.kill_receipt.CopyFrom(
                wire.KillReceipt(engaged=True, gate_closed_at_ns=closed_at_ns, venues=[venue])
            )
        return reply

    node.say = say
    done = shell("kill", "--reason", "r", "--wait-flat", "50ms", "--json")
    assert (4, None) == (done.code, done.json["open_orders_at_venue"])
    assert "no answer yet" in done.err
    assert "not connected" in shell("kill", "receipt").out


def test_asking_too_often_does_not_end_the_wait(shell: Shell, node: FakeNode) -> None:
    """The node may have a low limit on requests."""
    flat = flat_after(1)

    def say(lane: str, request: wire.Request) -> wire.Reply | None:
        if node.asked().count("kill_receipt") == 1:
            return refuse(wire.RATE_LIMITED, "slowly")(lane, request)
        return flat(lane, request)

    node.say = say
    assert shell("kill", "--reason", "r", "--wait-flat", "30s", "--json").json["flat"]


def test_a_node_that_dies_behind_the_kill(shell: Shell, node: FakeNode) -> None:
    """What it acknowledged is told; the exit code says that there is no proof."""

    def say(lane: str, request: wire.Request) -> wire.Reply:
        if request.WhichOneof("command") == "kill":
            return answer(lane, request)
        return refuse(wire.BUSY, "the node is stopping")(lane, request) or wire.Reply()

    node.say = say
    done = shell("kill", "--reason", "r", "--wait-flat", "30s", "--json")
    assert (2, "done", None) == (done.code, done.json["outcome"], done.json["flat"])
    assert done.json["gate_closed_at"]


def test_a_kill_that_is_not_answered_says_what_is_left(
    shell: Shell, node: FakeNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody knows whether it is in force: exit code 3, how to ask again, and the ways that need no answer."""
    monkeypatch.setattr("livestack.cli.node.REPLY_LIMIT_S", 0.3)
    node.say = lambda _lane, _request: None
    done = shell("kill", "--reason", "r")
    assert 3 == done.code
    assert "whether it was carried out is not known" in done.err
    assert "--request-id" in done.err
    assert "file named KILL" in done.err


def test_reset_asks_for_what_it_is_told(shell: Shell, node: FakeNode) -> None:
    """Orders of unknown fate are accepted only in so many words."""
    assert 52 == shell("kill", "reset", "--reason", "r", "--json").json["seq"]
    assert "released" in shell("kill", "reset", "--reason", "r", "--accept-unknown").out
    assert [False, True] == [one.kill_reset.accept_unknown for _, one in node.requests]


def test_the_receipt_can_be_looked_at(shell: Shell, node: FakeNode) -> None:
    """Later, by anybody."""
    assert shell("kill", "receipt", "--json").json["flat"]
    assert "flat: every venue has answered" in shell("kill", "receipt").out
    node.say = lambda _lane, request: wire.Reply(
        request_id=request.request_id, outcome=wire.DONE, kill_receipt=wire.KillReceipt()
    )
    assert "the kill-switch is not engaged\n" == shell("kill", "receipt").out


def test_a_node_that_began_killed_has_no_receipt(shell: Shell, node: FakeNode) -> None:
    """That is not the same as one that is not killed."""

    def say(lane: str, request: wire.Request) -> wire.Reply:
        reply = answer(lane, request)
        if request.WhichOneof("command") == "kill_receipt":
            reply.kill_receipt.Clear()
        else:
            reply.status.kill_switch.append(wire.KillScope(trigger="operator"))
        return reply

    node.say = say
    assert "engaged since before the node started" in shell("kill", "receipt").out
    assert shell("kill", "receipt", "--json").json["engaged"]
