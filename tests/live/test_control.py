"""Every command to a real node, with its effect: in the journal, at the venue, and for whoever asks next."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from livestack.client import ControlClient
from livestack.control.commands import Role
from livestack.control.keys import new_client, revoke
from livestack.core.events import (
    CancelAll,
    CancelOrder,
    Checkpoint,
    ConfigurationChanged,
    EngageKillSwitch,
    OperatorCommand,
    ResetKillSwitch,
    RollBackConfiguration,
    SetConfiguration,
    SetStrategyEnabled,
    SetTradingState,
    StartSession,
    StopSession,
    TakeCheckpoint,
)
from livestack.exceptions import NodeUnreachableError, PermissionDeniedError, RefusedError
from livestack.journal.reader import JournalReader
from livestack.research.replay import Replay
from livestack.wire import control_pb2 as wire
from tests.live import operated
from tests.live.operated import Pause, client, journal, of, placements, replayed, session, until
from tests.support import Process, Venue

WHY = "because of a test"
LIMIT = "risk.defaults.max_order_qty"


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Venue]:
    arguments = ("--seed", "81", *operated.VENUE_ARGUMENTS)
    with Venue(tmp_path_factory.mktemp("venue"), *arguments) as running:
        yield running


def stop(node: Process) -> None:
    node.signal()
    code, _ = node.finish()
    assert 0 == code, node.stderr()
    assert "Traceback" not in node.stderr()


def commands(directory: Path) -> list[type]:
    """What the journal says that operators have asked for, each with its reason."""
    found = of(directory, OperatorCommand)
    assert {WHY} == {one.why for one in found}
    return [type(one.command) for one in found]


def more_placements(venue: Venue, node: Process) -> None:
    seen = len(placements(venue))
    until(node, lambda: len(placements(venue)) > seen)


def no_placements(venue: Venue, node: Process, directory: Path) -> None:
    """None that was decided after now: what was on its way first arrives, with whatever answers an Event of before."""
    operated.until_heard(node, directory, 50)
    seen = len(placements(venue))
    operated.until_heard(node, directory)
    assert seen == len(placements(venue))


def follow(directory: Path, heard: list[int], begun: threading.Event) -> None:
    """Note the position of every Event that is published, until the node is gone."""
    with client(directory) as control:
        try:
            for publication in control.subscribe(("event",)):
                heard.append(publication.seq)
                begun.set()
        except NodeUnreachableError:
            pass


def test_every_command(venue: Venue, tmp_path: Path) -> None:
    """From standby to ``session stop``: each once, done, seen where it has its effect, and on record with its reason;
    whoever follows sees every Event from then on."""
    path = operated.write(tmp_path, venue, changes={"half_spread_bps = 1": "half_spread_bps = 50"})
    with (
        operated.start(tmp_path, path, venue, "--standby") as node,
        client(tmp_path) as control,
    ):
        until(node, lambda: control.status().phase == "standby")
        control.session_start(WHY)
        until(node, lambda: control.status().phase == "running")
        heard: list[int] = []
        begun = threading.Event()
        follower = threading.Thread(target=follow, args=(tmp_path, heard, begun))
        follower.start()
        steer(venue, node, control, tmp_path)
        tune(venue, node, control)
        digest = control.checkpoint(WHY)
        assert begun.wait(operated.LIMIT_S)
        control.session_stop(WHY)
        code, _ = node.finish()
        assert 0 == code, node.stderr()
        follower.join()
    assert [
        StartSession,
        *[SetTradingState] * 3,
        SetStrategyEnabled,
        CancelOrder,
        CancelAll,
        SetStrategyEnabled,
        EngageKillSwitch,
        ResetKillSwitch,
        *[SetConfiguration] * 2,
        RollBackConfiguration,
        TakeCheckpoint,
        StopSession,
    ] == commands(tmp_path)
    assert {"local"} == {one.who for one in of(tmp_path, OperatorCommand)}
    assert digest.digest.digest in [one.digest for one in of(tmp_path, Checkpoint)]
    assert digest.digest.digest == digest_at(tmp_path, digest.seq)
    last = journal(tmp_path)[-1].seq
    assert list(range(heard[0], last + 1)) == heard
    replayed(tmp_path)


def steer(venue: Venue, node: Process, control: ControlClient, directory: Path) -> None:
    """Trading states, the strategy, orders, the kill-switch."""
    more_placements(venue, node)
    control.trading("halted", WHY)
    no_placements(venue, node, directory)
    control.trading("reducing", WHY)
    until(node, lambda: control.status().trading_state == "reducing")
    control.trading("active", WHY)
    more_placements(venue, node)
    until(node, lambda: venue.look("open"))
    control.strategy(False, WHY)
    until(node, lambda: not control.status().strategy_enabled)
    no_placements(venue, node, directory)
    until(node, lambda: control.status().open_orders == len(venue.look("open")))
    resting = [one.order_id for one in control.orders().orders]
    assert resting
    control.cancel(resting[0], WHY)
    until(node, lambda: resting[0] not in [one.order_id for one in control.orders().orders])
    control.cancel_all(WHY)
    until(node, lambda: not venue.look("open"))
    control.strategy(True, WHY)
    more_placements(venue, node)
    control.kill(WHY)
    operated.until_flat(node, directory)
    control.kill_reset(WHY)
    more_placements(venue, node)


def tune(venue: Venue, node: Process, control: ControlClient) -> None:
    """A limit that denies everything, refused with one wrong key of five; set; and rolled back."""
    before = control.configuration()
    wrong = {LIMIT: '"0.0001"', "risk.defaults.max_open_order": "3"} | {
        f"risk.defaults.{name}": '"unlimited"'
        for name in ("max_gross_notional", "max_session_orders", "max_session_loss")
    }
    with pytest.raises(RefusedError, match="nothing was changed") as refused:
        control.configuration_set(wrong, WHY)
    assert "risk.defaults.max_open_order" in refused.value.sentence
    assert before.digest == control.configuration().digest
    denied = control.status().denied
    reply = control.configuration_set({LIMIT: '"0.0001"'}, WHY, expected_version=before.version)
    assert before.version + 1 == reply.configuration_version.version
    until(node, lambda: control.status().denied > denied + 5)
    rolled = control.configuration_roll_back(before.version, WHY)
    assert before.version + 2 == rolled.configuration_version.version
    more_placements(venue, node)
    until(node, lambda: control.configuration().version == before.version + 2)
    assert json.loads(before.json)["risk"] == json.loads(control.configuration().json)["risk"]


def digest_at(directory: Path, seq: int) -> str:
    """State's, by a replay up to ``seq``."""
    with JournalReader.open(directory / "data" / "sessions", session(directory)) as reader:
        return Replay(reader).run(seq).digest


def test_a_command_is_done_once(venue: Venue, tmp_path: Path) -> None:
    """Its sender dies before the answer, and asks again under the same id: done once; so also across a SIGKILL of the
    node. Another content under that id is refused."""
    path = operated.write(tmp_path, venue)
    points = f"harness.before_step=block:{tmp_path / 'held'}@300"
    settings = {LIMIT: '"7"'}
    with (
        Pause(tmp_path / "held") as held,
        operated.start(tmp_path, path, venue, failpoints=points) as node,
    ):
        held.wait(node)
        setting = wire.SetConfiguration(settings=[wire.Setting(key=LIMIT, json_value=settings[LIMIT])])
        operated.hand_in(tmp_path, [wire.Request(request_id="mine", reason=WHY, configuration_set=setting)])
        held.end()
        with client(tmp_path) as control:
            first = control.configuration_set(settings, WHY, request_id="mine")
            again = control.configuration_set(settings, WHY, request_id="mine")
            assert first.configuration_version.version == again.configuration_version.version
        node.kill()
    with operated.start(tmp_path, path, venue) as node:
        with client(tmp_path) as control:
            until(node, lambda: control.status().phase == "running")
            control.configuration_set(settings, WHY, request_id="mine")
            with pytest.raises(RefusedError):
                control.configuration_set({LIMIT: '"8"'}, WHY, request_id="mine")
            assert first.configuration_version.version == control.configuration().version
        stop(node)
    assert 1 == len(of(tmp_path, ConfigurationChanged))
    replayed(tmp_path)


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def test_over_tcp_each_in_their_role(venue: Venue, tmp_path: Path) -> None:
    """CURVE on every lane: a viewer looks, an operator trades and kills, an admin's change waits for another admin; a
    revoked and an unknown key are let in nowhere. Who it was is on record."""
    main, kill, publish = (f"tcp://127.0.0.1:{port}" for port in free_ports(3))
    control_section = (
        f'[control]\nlisten = "{main}"\nlisten_kill = "{kill}"\nlisten_publish = "{publish}"\n'
        'four_eyes = ["config.set"]\n[log]'
    )
    path = operated.write(tmp_path, venue, operated.RESTLESS, {"[log]": control_section})
    keys, others = tmp_path / "data" / "keys", tmp_path / "elsewhere" / "keys"
    roles = {"vera": Role.VIEWER, "otto": Role.OPERATOR, "anna": Role.ADMIN, "ben": Role.ADMIN}
    files = {name: new_client(keys, name, role)[1] for name, role in roles.items()}
    files["eve"] = others / "eve.key"
    new_client(others, "eve", Role.ADMIN)
    strange, own = ((place / "server.pub").read_text().strip() for place in (others, keys))
    files["eve"].write_text(files["eve"].read_text().replace(strange, own))

    def at(name: str) -> ControlClient:
        return ControlClient.at(main, kill, files[name], publish, operated.LIMIT_S)

    with (
        operated.start(tmp_path, path, venue) as node,
        at("vera") as vera,
        at("otto") as otto,
        at("anna") as anna,
        at("ben") as ben,
        at("eve") as eve,
    ):
        until(node, lambda: vera.status().phase == "running")
        assert ("vera", "viewer") == ((pong := vera.ping()).who, pong.role)
        assert next(iter(vera.subscribe(("event",)))).seq
        with pytest.raises(PermissionDeniedError):
            vera.trading("halted", WHY)
        otto.trading("halted", WHY)
        with pytest.raises(PermissionDeniedError):
            otto.configuration_set({LIMIT: '"7"'}, WHY)
        with pytest.raises(PermissionDeniedError):
            eve.status()
        waiting = anna.configuration_set({LIMIT: '"7"'}, WHY, request_id="both")
        assert wire.AWAITING == waiting.outcome
        with pytest.raises(RefusedError, match="another key"):
            anna.confirm("both", WHY)
        assert wire.DONE == ben.confirm("both", WHY).outcome
        assert otto.kill(WHY).killed.durable
        operated.until_flat(node, tmp_path)
        revoke(keys, "ben")
        with pytest.raises((PermissionDeniedError, RefusedError)):
            ben.kill_reset(WHY)
        with pytest.raises(PermissionDeniedError):
            otto.kill_reset(WHY)
        anna.kill_reset(WHY)
        anna.trading("active", WHY)
        more_placements(venue, node)
        stop(node)
    assert ["otto", "anna, confirmed by ben", "otto", "anna", "anna"] == [
        one.who for one in of(tmp_path, OperatorCommand)
    ]
    replayed(tmp_path)
