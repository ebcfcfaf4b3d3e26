"""``livestack kill``: engaged at once, told with its moments, and the wait for a proof."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from google.protobuf.json_format import MessageToJson

from livestack.control.latch import Latch, LatchEntry
from livestack.node.guard_report import GuardReport, VenueReport, write_report
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
    """Scope, as the node has it, and moments with their day."""
    text = shell("kill", "--reason", "r", "--venue", "binance_spot").out
    assert "kill-switch engaged for binance_spot" in text
    assert "gate closed at 2026-01-02 03:04:07.000 UTC" in text
    assert "last New or Replace sent: 2026-01-02 03:04:06.999 UTC" in text
    assert wire.Kill(venue="binance_spot") == node.requests[0][1].kill


def test_what_is_not_on_disk_is_said(shell: Shell, node: FakeNode) -> None:
    """A restart would forget it; and a node that never sent an order has no such moment."""
    node.say = lambda _lane, request: wire.Reply(
        request_id=request.request_id, outcome=wire.DONE, killed=wire.Killed(gate_closed_at_ns=1)
    )
    done = shell("kill", "--reason", "r")
    assert "NOT ON DISK" in done.err
    assert "sent: none by this process" in done.out
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
            reply.kill_receipt.venues[0].asked_at_ns = KILLED.gate_closed_at_ns - 1
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
    """What it acknowledged is told; the exit code says that there is no proof in time."""

    def say(lane: str, request: wire.Request) -> wire.Reply:
        if request.WhichOneof("command") == "kill":
            return answer(lane, request)
        return refuse(wire.BUSY, "the node is stopping")(lane, request) or wire.Reply()

    node.say = say
    done = shell("kill", "--reason", "r", "--wait-flat", "50ms", "--json")
    assert (4, "done", False) == (done.code, done.json["outcome"], done.json["flat"])
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
    assert "KILL is written" in done.err


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
    assert "the kill-switch is not engaged;" in shell("kill", "receipt").out


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


def keep(data_dir: Path, found: wire.KillReceipt) -> Path:
    """As the node writes it."""
    path = data_dir / "kill-receipts" / f"{found.gate_closed_at_ns}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(MessageToJson(found, preserving_proto_field_name=True))
    return path


def test_a_kill_without_a_node_waits_in_a_file(shell: Shell, tmp_path: Path) -> None:
    """The node reads it as soon as it runs; how to cancel what is open now is said."""
    done = shell("kill", "--reason", "odd\nmarket", "--venue", "binance_spot")
    assert (3, "") == (done.code, done.out)
    assert "odd market" == (tmp_path / "KILL").read_text()
    assert f"NOT CONFIRMED: the node does not answer (ipc://{tmp_path}" in done.err
    assert f"{tmp_path}/KILL is written: it is killed as soon as it runs" in done.err
    assert f"livestack guard cancel-all -c FILE --data-dir {tmp_path}" in done.err
    told = shell("kill", "--json")
    assert (3, "unconfirmed") == (told.code, told.json["outcome"])
    assert "no reason given" == (tmp_path / "KILL").read_text()


def test_a_file_that_cannot_be_written_is_said(shell: Shell, tmp_path: Path) -> None:
    """A directory of that name is as good: it is there."""
    (tmp_path / f"KILL.{os.getpid()}").mkdir()
    assert f"{tmp_path}/KILL cannot be written: Is a directory" in shell("kill").err
    (tmp_path / "KILL").mkdir()
    assert "KILL is written" in shell("kill").err


def test_no_directory_is_made_for_a_kill(shell: Shell, tmp_path: Path) -> None:
    """It is most likely the wrong one."""
    done = shell("kill", "--reason", "r", data_dir=tmp_path / "elsewhere")
    assert 3 == done.code
    assert done.err.startswith("livestack: NOTHING WAS KILLED: there is no data directory")
    assert [] == list(tmp_path.iterdir())


def test_a_kill_behind_the_guard(shell: Shell, tmp_path: Path) -> None:
    """It has latched and cancelled: that is said, and no file is left that would have to be removed."""
    Latch(tmp_path).engage(LatchEntry(trigger="guard", by="guard", reason="dead"))
    began_ns = KILLED.gate_closed_at_ns
    report = GuardReport(
        trigger="guard",
        by="g",
        reason="dead",
        began_ns=began_ns,
        ended_ns=1,
        venues={"v": VenueReport(flat=True)},
    )
    write_report(tmp_path, report)
    done = shell("kill", "--reason", "r", "--json")
    assert (3, "unconfirmed") == (done.code, done.json["outcome"])
    assert "its guard has acted at 2026-01-02 03:04:07.000 UTC: all venues flat" in done.err
    assert not (tmp_path / "KILL").exists()


def test_a_kill_elsewhere_leaves_nothing_here(shell: Shell, tmp_path: Path) -> None:
    """With an endpoint there is no data directory."""
    done = shell("kill", "--endpoint", f"ipc://{tmp_path}/none", "--reason", "r")
    assert 3 == done.code
    assert "NOTHING WAS KILLED: cannot reach a node" in done.err
    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ((), "no reason given"),
        (("--reason", " "), "no reason given"),
        (("--reason", "x" * 501), "x" * 500),
        (("--reason", "r", "--request-id", "bad id"), "r"),
        (("--reason", "r", "--venue", "\udcff\n"), "r"),
        (("--reason", "r", "--instrument", " v:I "), "r"),
    ],
)
def test_nothing_is_refused_for_its_form(
    shell: Shell, node: FakeNode, arguments: tuple[str, ...], reason: str
) -> None:
    """It goes out, once."""
    assert 0 == shell("kill", *arguments).code
    assert [reason] == [request.reason for _, request in node.requests]
    assert node.requests[0][1].kill.instrument in ("", "v:I")


@pytest.mark.parametrize(("text", "is_one"), [("10", True), ("2 s", True), ("soon", False), ("1.5s", False)])
def test_how_long_to_wait_keeps_it_from_nothing(
    shell: Shell, node: FakeNode, text: str, is_one: bool
) -> None:
    """A number is seconds; what is no duration is ten of them, and that is said."""
    done = shell("kill", "--wait-flat", text)
    assert (0, is_one) == (done.code, "is not a duration" not in done.err)


def test_no_wait_is_none(shell: Shell, node: FakeNode) -> None:
    """Nobody asks for a receipt."""
    assert 0 == shell("kill", "--wait-flat", "0s").code
    assert ["kill"] == node.asked()


@pytest.mark.parametrize(
    "arguments", [("--what",), ("rest",), ("--endpoint", "tcp://127.0.0.1:1"), ("--venue", "v", "reset")]
)
def test_what_cannot_be_understood_is_no_kill(
    shell: Shell, node: FakeNode, arguments: tuple[str, ...]
) -> None:
    """The first words say so."""
    done = shell("kill", *arguments)
    assert (2, []) == (done.code, node.requests)
    assert "NOTHING WAS KILLED: " in done.err or "options go behind reset" in done.err


def test_a_scope_that_nobody_knows_is_everything(shell: Shell, node: FakeNode) -> None:
    """The node says so, and it is shown as it is in force."""
    node.say = lambda _lane, request: wire.Reply(
        request_id=request.request_id, outcome=wire.DONE, killed=KILLED, message="v is no venue of this node"
    )
    text = shell("kill", "--venue", "v").out
    assert "kill-switch engaged for everything\nv is no venue of this node\n" in text


def test_a_proof_says_what_it_is_for(shell: Shell, node: FakeNode) -> None:
    """Flat for one instrument is not flat."""

    def say(lane: str, request: wire.Request) -> wire.Reply:
        reply = answer(lane, request)
        if request.WhichOneof("command") == "kill_receipt":
            reply.kill_receipt.scopes[0].scope = "v:I"
        return reply

    node.say = say
    text = shell("kill", "--instrument", "v:I", "--wait-flat", "30s").out
    assert "flat for v:I: every venue has answered" in text
    assert "flat: " not in text


def test_a_node_that_stops_meanwhile(shell: Shell, node: FakeNode, tmp_path: Path) -> None:
    """In order: its last receipt is the proof, or there is none."""
    path = keep(tmp_path, receipt(flat=True))

    def say(lane: str, request: wire.Request) -> wire.Reply | None:
        if request.WhichOneof("command") == "kill":
            return answer(lane, request)
        node.end()
        return None

    node.say = say
    done = shell("kill", "--reason", "r", "--wait-flat", "30s", "--json")
    assert (0, True) == (done.code, done.json["flat"])
    assert f"the node has stopped meanwhile; its receipt is {path}" in done.json["message"]


def test_kept_receipts_need_no_node(shell: Shell, tmp_path: Path) -> None:
    """The newest is shown, and said to be from its file; all are listed."""
    assert 3 == shell("kill", "receipt").code
    assert "Kill receipts in" in shell("kill", "receipt", "--all").out
    first = receipt(flat=False)
    first.gate_closed_at_ns -= 1_000_000_000
    keep(tmp_path, first)
    path = keep(tmp_path, receipt(flat=True))
    (tmp_path / "kill-receipts" / "0.json").write_text("{")
    assert f"as {path} has it" in shell("kill", "receipt").out
    assert (str(path), True) == tuple(
        shell("kill", "receipt", "--json").json[key] for key in ("file", "flat")
    )
    text = shell("kill", "receipt", "--all").out
    assert text.index("cannot be read") < text.index("NOT FLAT") < text.index(path.name)
    assert [False, False, True] == [one["flat"] for one in shell("kill", "receipt", "--all", "--json").json]
