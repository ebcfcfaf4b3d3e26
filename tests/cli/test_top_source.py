"""Where the screen gets what it shows: answers and publications of a node, through all that happens to one."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from livestack.cli.node import Target
from livestack.cli.top_picture import Picture
from livestack.cli.top_source import NodeKilling, NodeSource
from livestack.wire import control_pb2 as wire
from tests.cli.top_support import event
from tests.control.fake_node import STATUS, FakeNode, answer, receipt, refuse

LIMIT_S = 60.0


def target(data_dir: Path) -> Target:
    return Target(data_dir, "", "", "", None, False)


@pytest.fixture
def source(tmp_path: Path) -> Iterator[NodeSource]:
    found = NodeSource(target(tmp_path))
    found.start()
    yield found
    found.stop()


def until(condition: Callable[[], bool]) -> None:
    """Other threads have to get there; nothing here depends on how soon."""
    deadline = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < deadline
        os.sched_yield()


def gathered(source: NodeSource, condition: Callable[[Picture], bool]) -> Picture:
    picture = Picture(time.monotonic())

    def look() -> bool:
        picture.take(source.inbox.take())
        return condition(picture)

    until(look)
    return picture


def killed(killing: NodeKilling) -> NodeKilling:
    until(lambda: not killing._thread.is_alive())
    return killing


def test_everything_is_asked_for(node: FakeNode, source: NodeSource) -> None:
    """Each second, all that there is; and a ping, by which the node knows that somebody is there."""
    picture = gathered(source, lambda one: bool(one.metrics or one.metrics_trouble == ""))
    assert "demo" == picture.status.node
    for found in (picture.orders, picture.positions, picture.fills, picture.risk):
        assert found is not None
    assert {"ping", "status", "orders", "positions", "fills", "risk", "metrics"} <= set(node.asked())


def test_what_is_published(node: FakeNode, source: NodeSource) -> None:
    """Status and Events come without being asked for."""
    until(node.subscribed.is_set)
    node.publish(b"status", wire.Publication(seq=9, status=STATUS))
    node.publish(b"notable", event("OrderAccepted", 1, order_id=3))
    picture = gathered(source, lambda one: bool(one.happenings.lines))
    assert ["OrderAccepted"] == [one.kind for one in picture.happenings.lines]


def test_a_node_that_has_nothing_to_show_yet(node: FakeNode, source: NodeSource) -> None:
    """While it starts it refuses most questions: no trouble."""
    busy = refuse(wire.BUSY, "the node is starting")
    node.say = lambda lane, one: (answer if one.WhichOneof("command") == "status" else busy)(lane, one)
    picture = gathered(source, lambda one: one.metrics_trouble == "the node is starting")
    assert "" == picture.trouble


def test_a_node_that_comes_and_goes(tmp_path: Path, source: NodeSource) -> None:
    """No node: why. One that comes: its answers. Gone again: why. Another one: its answers."""
    gathered(source, lambda one: "no such socket" in one.trouble)
    for _ in range(2):
        with FakeNode(tmp_path):
            gathered(source, lambda one: one.status.node == "demo" and not one.trouble)
        gathered(source, lambda one: bool(one.trouble))


def test_a_node_that_does_not_let_us_in(node: FakeNode, source: NodeSource) -> None:
    """Is told apart from one that does not answer."""
    node.say = refuse(wire.PERMISSION_DENIED, "who are you?")
    picture = gathered(source, lambda one: one.denied is not None)
    assert "who are you?" in str(picture.denied)


def test_a_kill(node: FakeNode) -> None:
    """On its own socket, with the reason; what is told, and then the proof."""
    told = killed(NodeKilling(target(node.data_dir), "news"))
    assert "killed" == told.state
    text = "\n".join(told.lines)
    for part in (
        "kill-switch engaged for everything",
        "on disk",
        "gate closed at 2026-01-02 03:04:07.000 UTC",
        "last New or Replace sent: 2026-01-02 03:04:06.999 UTC",
        "flat: every venue has answered",
    ):
        assert part in text
    assert ["kill"] == node.asked("kill")
    assert "news" == next(one.reason for lane, one in node.requests if lane == "kill")


def test_a_kill_that_is_not_flat_yet(node: FakeNode) -> None:
    """What is open is said, and it ends when nobody looks any more."""

    def say(lane: str, request: wire.Request) -> wire.Reply:
        reply = answer(lane, request)
        if request.WhichOneof("command") == "kill_receipt":
            reply.kill_receipt.CopyFrom(receipt(flat=False))
        return reply

    node.say = say
    killing = NodeKilling(target(node.data_dir), "")
    until(lambda: any("not flat" in line for line in killing.lines))
    killing.stop()
    assert "1 open" in killed(killing).lines[-1]


def test_a_kill_while_everything_else_hangs(tmp_path: Path) -> None:
    """Its own socket is enough; that nothing can be proven then is said."""

    def say(lane: str, request: wire.Request) -> wire.Reply | None:
        return answer(lane, request) if lane == "kill" else None

    with FakeNode(tmp_path, say) as node:
        killing = NodeKilling(target(tmp_path), "hangs")
        until(lambda: killing.state == "killed")
        killing.stop()
        assert "kill-switch engaged for everything" == killing.lines[0]
        assert "kill" in node.asked("kill")
    killed(killing)


def test_a_kill_that_the_disk_refused(node: FakeNode) -> None:
    """Is said as loudly as by the command."""
    node.say = lambda _lane, one: wire.Reply(
        request_id=one.request_id,
        outcome=wire.DONE,
        message="look out",
        killed=wire.Killed(gate_closed_at_ns=1),
    )
    killing = NodeKilling(target(node.data_dir), "")
    until(lambda: killing.state == "killed")
    killing.stop()
    assert ("look out", "NOT ON DISK: a restart of the node would forget it") == killed(killing).lines[1:3]


def test_a_kill_without_a_node(tmp_path: Path) -> None:
    """Does what the command does: the file that kills a node as soon as it runs."""
    told = killed(NodeKilling(target(tmp_path), "nobody there"))
    assert "failed" == told.state
    assert "NOT CONFIRMED" in told.lines[0]
    assert (tmp_path / "KILL").exists()


def test_a_kill_that_is_not_allowed(node: FakeNode) -> None:
    """A viewer's: nothing was killed, and that comes first."""
    node.say = refuse(wire.PERMISSION_DENIED, "a viewer may only look")
    told = killed(NodeKilling(target(node.data_dir), ""))
    assert "failed" == told.state
    assert told.lines[0].startswith("NOTHING WAS KILLED:")
    assert "a viewer may only look" in told.lines[0]
