"""Incidents that take minutes, on virtual time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from livestack import failpoints
from livestack.core.events import Command, IncidentClosed, IncidentOpened, OperatorCommand, SetTradingState
from livestack.core.types import TradingState
from livestack.simulator.faults import rule
from tests.core import support
from tests.simulation.test_node import make_world
from tests.simulation.world import World

ACTOR = "connector binance_spot"


@pytest.fixture(autouse=True)
def _disarmed() -> Iterator[None]:
    yield
    failpoints.disarm_all()


def shown(world: World) -> list[tuple[str, str, str]]:
    return [(one.name, one.scope, one.grade) for one in world.board.status().incidents]


def test_an_actor_that_fails_again_and_again(tmp_path: Path) -> None:
    """actor_failing: open from the fourth failure on, shown, trading halted; closed once it has lasted for a minute."""
    world = make_world(3, tmp_path, rate=8)
    world.run(5)

    def fail() -> None:
        raise failpoints.FailpointError("connector.before_ack")

    failpoints.arm("connector.before_ack", fail)
    world.run(25)
    assert ("actor_failing", ACTOR, "halting") in shown(world)
    assert "halted" == world.board.status().trading_state
    failpoints.disarm_all()
    world.run(100)
    assert [] == shown(world)
    assert "active" == world.board.status().trading_state
    assert {ACTOR} == {one.partition(":")[0] for one in world.launcher.failed}
    orders = len(world.venue.log)
    world.run(20)
    assert len(world.venue.log) > orders
    assert 0 == world.stop(), world.node.supervisor.reason
    with world.reader() as reader:
        told = [record.event for record in reader.records()]
    for kind in (IncidentOpened, IncidentClosed):
        assert 1 == len([one for one in told if isinstance(one, kind) and one.name == "actor_failing"])


def test_what_nobody_told_of(tmp_path: Path) -> None:
    """reconciliation_difference: somebody else's order opens it at the next look, and the one after it closes."""
    world = make_world(4, tmp_path, rate=8)
    world.run(10)
    unheard = [rule("event_lost"), rule("external_order", symbols="BTCUSDT")]
    world.venue.inject(unheard, world.scheduler.now_ns())
    world.run(2)
    world.venue.clear_faults()
    for _ in range(70):
        if shown(world):
            break
        world.run(1)
    assert [("reconciliation_difference", "binance_spot", "warning")] == shown(world)
    (incident,) = world.board.status().incidents
    assert "was not known here" in incident.detail
    world.run(70)
    assert [] == shown(world)
    assert 0 == world.stop(), world.node.supervisor.reason


def asked(world: World, command: Command) -> None:
    """An operator's command."""
    made = OperatorCommand(request_id="r", command=command, who="anna", why="looked", base_version=0)
    world.node.harness.tell_control([made])
    world.run(1)


def test_an_instrument_of_which_nothing_adds_up(tmp_path: Path) -> None:
    """trading_halted: a fill of nothing halts its instrument, which is shown with its reason; an operator ends it."""
    world = make_world(5, tmp_path, rate=8)
    world.run(10)
    assert [] == shown(world)
    instrument = "binance_spot:BTCUSDT"
    client_id = next(iter(world.node.runtime.state.execution.orders.values())).client_id
    bad = support.fill(1, 0, 1, price=1, venue="binance_spot", instrument=instrument, client_id=client_id)
    world.node.harness.tell_execution([bad])
    world.run(2)
    status = world.board.status()
    assert ("active", "anomaly: bad_fill: 0 at 1") == (status.trading_state, status.trading[0].why)
    assert [(instrument, "halted")] == [(one.scope, one.value) for one in status.trading]
    assert [("trading_halted", instrument, "critical")] == shown(world)
    asked(world, SetTradingState(TradingState.ACTIVE, "", instrument))
    assert [] == shown(world)
    assert 0 == world.stop(), world.node.supervisor.reason
