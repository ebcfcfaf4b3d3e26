"""The composition: a node on virtual time whose feed, connector or control actor fails, and what is left afterwards."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from livestack.actors.base import NodeActor
from livestack.actors.messages import ConnectorWanted, Unreachable
from livestack.actors.telemetry import TelemetryActor
from livestack.core.events import FeedStatusChanged
from livestack.core.types import ConnectionStatus
from livestack.exceptions import LivestackError
from livestack.node.supervisor import Phase
from tests.simulation.test_node import check_agreement, check_invariants, make_world
from tests.simulation.world import World

VENUE = "binance_spot"


def break_down(world: World, actor: str) -> None:
    """Have it fail, as at a message that it does not know how to handle."""
    broken = world.launcher.actor(actor)
    world.launcher.dead.add(actor)
    try:
        raise RuntimeError("broken by the test")
    except RuntimeError as error:
        broken.on_failure(type(error), error, error.__traceback__)


@pytest.mark.parametrize("actor", [f"feed {VENUE}", f"connector {VENUE}", "control"])
def test_a_failed_actor_has_one_successor_and_trading_goes_on(actor: str, tmp_path: Path) -> None:
    """However many fail one after the other; both sides agree in the end and the session ends in order."""
    world = make_world(31, tmp_path)
    world.run(3)
    for _ in range(2):
        before = world.launcher.actor(actor)
        break_down(world, actor)
        world.run(5)
        after = world.launcher.actor(actor)
        assert after.number > before.number
        assert actor not in world.launcher.dead
    fills = len(world.venue.fills)
    world.run(15)
    assert len(world.venue.fills) > fills
    assert 0 == world.stop(), world.node.supervisor.reason
    assert world.node.supervisor.leaves_nothing
    check_invariants(world)
    check_agreement(world)


def test_a_failed_feed_is_gone_once(tmp_path: Path) -> None:
    """DISCONNECTED at the failure, and behind that nothing but what its successor says."""
    world = make_world(32, tmp_path)
    world.run(3)
    break_down(world, f"feed {VENUE}")
    world.run(5)
    world.stop()
    with world.reader() as reader:
        events = [one.event for one in reader.records() if isinstance(one.event, FeedStatusChanged)]
    reasons = [one.reason for one in events if one.status is ConnectionStatus.DISCONNECTED]
    assert ["the feed failed"] == reasons
    assert ConnectionStatus.LIVE is events[-1].status


def test_a_question_that_is_lost_is_asked_again(tmp_path: Path) -> None:
    """A connector's successor does not depend on one answer of the harness."""
    world = make_world(33, tmp_path)
    world.run(3)
    questions: list[tuple[str, int]] = []
    ask = world.node.supervisor._ask_for_connector
    world.node.supervisor._ask_for_connector = lambda *question: questions.append(question)
    break_down(world, f"connector {VENUE}")
    world.run(3)
    assert [(VENUE, 1)] == questions
    world.node.supervisor._ask_for_connector = ask
    world.run(5)
    assert f"connector {VENUE}" not in world.launcher.dead


def test_an_answer_that_nobody_waits_for_starts_nothing(tmp_path: Path) -> None:
    """The connector lives: what the Core says twice is no reason for a second one."""
    world = make_world(34, tmp_path)
    world.run(2)
    before = world.launcher.actor(f"connector {VENUE}")
    world.node._ask_for_connector(VENUE, 0)
    world.run(2)
    assert before is world.launcher.actor(f"connector {VENUE}")
    assert ConnectorWanted is not type(world.node.supervisor.mailbox.take())


def test_a_fail_safe_is_shown(tmp_path: Path) -> None:
    """The status says so while the venues are asked to cancel."""
    world = make_world(35, tmp_path)
    world.run(2)
    world.node.supervisor.fail_safe("by the test")
    assert "failing" == world.board.phase
    assert "failing" == world.board.status().phase


def test_what_was_sent_is_something_that_may_be_open(tmp_path: Path) -> None:
    """Before the first order nothing can be left; from then on only a quiescent session leaves nothing."""
    world = make_world(36, tmp_path)
    assert world.node.supervisor.leaves_nothing
    world.run(10)
    assert not world.node.supervisor.leaves_nothing
    world.node.supervisor.handle(Unreachable("ws://x", "refused"))
    assert Phase.STOPPING is world.node.supervisor.phase
    assert not world.node.supervisor.leaves_nothing
    world.stop()
    assert world.node.supervisor.leaves_nothing


STATSD = '[telemetry]\nstatsd = "statsd.test:8125"\n'


def sum_of(world: World, metric: str) -> int:
    """What was sent of a counter altogether."""
    lines = [line for line in world.statsd.lines() if f".{metric}:" in line]
    return sum(int(line.partition(":")[2].partition("|")[0]) for line in lines)


def test_metrics_are_sent_each_second_and_once_more_at_the_end(tmp_path: Path) -> None:
    """What the board shows at last was sent, whatever became of the actor: its successor counts nothing twice."""
    world = make_world(37, tmp_path, more=STATSD)
    world.run(2.5)
    named = f"livestack.test.{world.session}."
    assert all(line.startswith(named) for line in world.statsd.lines())
    assert 2 == len([line for line in world.statsd.lines() if line.startswith(f"{named}session.phase:2|g")])
    break_down(world, "telemetry")
    world.run(2)
    assert "telemetry" not in world.launcher.dead
    world.stop()
    assert world.statsd.is_closed
    assert f"{named}session.phase:4|g" in world.statsd.lines()
    assert world.board.view is not None
    assert world.board.view.dispatches == sum_of(world, "runtime.dispatches") > 0
    assert world.node.progress.committed == sum_of(world, "journal.records")


def test_without_telemetry_there_is_no_actor_and_nothing_to_show(tmp_path: Path) -> None:
    """``telemetry.enabled = false``: the node runs all the same."""
    world = make_world(39, tmp_path, more=STATSD + "enabled = false\n")
    world.run(2)
    assert "telemetry" not in [actor.name for actor in world.launcher.actors]
    assert ([], None) == (world.statsd.sent, world.board.metrics)
    assert [] == world.node.registry.read()
    assert 0 == world.stop()


def test_a_telemetry_actor_that_cannot_start_keeps_no_session(tmp_path: Path) -> None:
    """It is tried again, and works once it can."""
    world = make_world(40, tmp_path)
    start, broken = world.launcher.start, True

    def refusing(actor_class: type[NodeActor], **arguments: Any) -> int:
        if broken and actor_class is TelemetryActor:
            raise LivestackError("no thread for it")
        return start(actor_class, **arguments)

    world.launcher.start = refusing  # type: ignore[method-assign]
    world.node._begin_telemetry()
    break_down(world, "telemetry")
    world.run(0.2)
    assert ["telemetry"] == sorted(world.launcher.dead)
    broken = False
    world.run(1)
    assert set() == world.launcher.dead
    assert 0 == world.stop()


def test_who_does_not_stop_is_told_but_for_telemetry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An exit code says that something is left undone; by a telemetry actor that hangs nothing is."""
    world = make_world(35, tmp_path)
    monkeypatch.setattr(world.launcher, "stop_all", lambda: ["TelemetryActor", "RecorderActor"])
    assert ["RecorderActor"] == world.node.stop()
