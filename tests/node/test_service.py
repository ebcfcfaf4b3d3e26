"""The control surface of a node, on real sockets: there before a session, and gone behind it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from livestack.actors.gate import Hold
from livestack.client import ControlClient
from livestack.control.endpoints import endpoints
from livestack.core.events import OperatorCommand, StartSession
from livestack.exceptions import RefusedError, StoppedEarly
from livestack.node.service import ControlService
from livestack.settings import Settings, load
from livestack.transports.clock import SystemClock
from tests.control.support import LIMIT_S, until
from tests.live import configuration
from tests.live.strategies import market_maker
from tests.research.sessions import ENVIRONMENT


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    path = configuration.write(tmp_path, ["BTCUSDT"], market_maker("BTCUSDT"))
    return load(path, ENVIRONMENT)[0]


def service_of(settings: Settings) -> ControlService:
    Path(settings.data_dir).mkdir(parents=True, exist_ok=True)
    return ControlService(settings, SystemClock())


def client_of(settings: Settings) -> ControlClient:
    return ControlClient.of_data_dir(Path(settings.data_dir), limit_s=LIMIT_S)


def files(settings: Settings) -> list[Path]:
    places = endpoints(Path(settings.data_dir))
    return [Path(one.removeprefix("ipc://")) for one in (places.control, places.kill, places.publish)]


def test_before_a_session_it_answers_and_can_be_killed(settings: Settings) -> None:
    """Ping, status and kill; whatever else is asked for is refused in words. Its sockets are gone behind it."""
    with service_of(settings) as service, client_of(settings) as client:
        assert all(path.exists() for path in files(settings))
        assert settings.node.name == client.ping().node
        assert "starting" == client.status().phase
        with pytest.raises(RefusedError, match="has nothing to show yet"):
            client.orders()
        assert client.kill("enough").killed.durable
        assert service.kill_switch.is_engaged
        assert ["kill"] == [one.name for one in client.status().holds]
    assert [] == [path for path in files(settings) if path.exists()]
    assert set() == {"control", "control-kill", "triggers"} & {one.name for one in threading.enumerate()}
    with service_of(settings) as again:
        assert again.kill_switch.is_engaged  # the latch
        assert Hold.KILL in {one.hold for one in again.surface.gate.standing()}


def meanwhile(
    settings: Settings, service: ControlService, act: Callable[[ControlClient], object]
) -> threading.Thread:
    """Have ``act`` done by a client as soon as the node stands by."""

    def run() -> None:
        with client_of(settings) as client:
            until(lambda: "standby" == client.status().phase)
            act(client)

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_it_stands_by_until_a_session_is_begun(settings: Settings) -> None:
    """Ready once somebody would be heard, and it beats meanwhile. Who did it, and why, is what is recorded; from then
    on the node is starting."""
    standing: list[object] = []
    with service_of(settings) as service:
        beats = threading.Event()

        def begin(client: ControlClient) -> None:
            assert beats.wait(LIMIT_S)
            client.session_start("the market opens")

        thread = meanwhile(settings, service, begin)
        order = service.stand_by(ready=lambda: standing.append(service.desk.standing_by), beat=beats.set)
        thread.join(LIMIT_S)
        assert isinstance(order, OperatorCommand)
        assert (StartSession(), "local", "the market opens") == (order.command, order.who, order.why)
        assert ("starting", None) == (service.board.phase, service.desk.standing_by)
        assert [False] == [one is None for one in standing]


def test_in_standby_it_can_be_given_up(settings: Settings) -> None:
    """No session was begun, and it is said who wanted that."""
    with service_of(settings) as service:
        thread = meanwhile(settings, service, lambda client: client.session_stop("not today"))
        with pytest.raises(StoppedEarly, match="stopped by local while standing by"):
            service.stand_by()
        thread.join(LIMIT_S)


@pytest.mark.parametrize("lane", ["main", "kill_lane"])
def test_a_dead_socket_thread_is_told(settings: Settings, lane: str) -> None:
    """By its name: a node that cannot be stopped any more must not go on."""
    with service_of(settings) as service:
        assert "" == service.look_after()
        getattr(service, lane).stop()
        assert f"the thread of the {'control' if lane == 'main' else 'kill'} socket has ended" == (
            service.look_after()
        )


def test_a_socket_that_cannot_be_bound_leaves_nothing_behind(settings: Settings) -> None:
    """Another node has the directory: neither thread nor signal handler stays."""
    with service_of(settings), pytest.raises(Exception, match="run"), service_of(settings):
        pass
    assert set() == {"control", "control-kill", "triggers"} & {one.name for one in threading.enumerate()}
