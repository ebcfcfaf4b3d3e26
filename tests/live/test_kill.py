"""The kill-switch of a real node, pulled in every way and at every bad moment, seen at the venue and on the disk."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from livestack.client import ControlClient
from livestack.control.latch import LATCH_NAME
from livestack.core.events import (
    KillReceipt,
    KillSwitchEngaged,
    KillSwitchReset,
    OperatorCommand,
    RequestSent,
)
from livestack.exceptions import RefusedError
from livestack.node.triggers import KILL_NAME
from livestack.wire import control_pb2 as wire
from tests.live import operated
from tests.live.guarded_support import latched, place
from tests.live.operated import Pause, client, of, placements, replayed, until
from tests.support import Process, Venue, run_livestack

KILLED = -signal.SIGKILL
REASON = "enough is enough"


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Venue]:
    arguments = ("--seed", "51", *operated.VENUE_ARGUMENTS)
    with Venue(tmp_path_factory.mktemp("venue"), *arguments) as running:
        yield running


def by_client(directory: Path, node: Process) -> None:
    with client(directory) as control:
        assert control.kill(REASON).killed.durable


def by_command_line(directory: Path, node: Process) -> None:
    code, _ = run_livestack(directory, "kill", "--data-dir", "data", "--reason", REASON, "--wait-flat", "60s")
    assert 0 == code


def by_signal(directory: Path, node: Process) -> None:
    node.signal(signal.SIGUSR1)


def by_file(directory: Path, node: Process) -> None:
    (directory / "data" / KILL_NAME).write_text(REASON)


TRIGGERS = [
    (by_client, "operator"),
    (by_command_line, "operator"),
    (by_signal, "signal"),
    (by_file, "file"),
]


def stays_killed(venue: Venue, node: Process, directory: Path) -> None:
    """However many Events there are to act on: no New and no Replace, nothing open, and whoever asks is told."""
    before = placements(venue)
    operated.until_heard(node, directory)
    with client(directory) as control:
        status = until(node, lambda: (found := control.status()).kill_switch and found)
    assert "kill" in [hold.name for hold in status.holds]
    assert before == placements(venue)
    assert [] == venue.look("open")


def stop(node: Process) -> None:
    node.signal()
    code, _ = node.finish()
    assert 0 == code, node.stderr()
    assert "Traceback" not in node.stderr()


@pytest.mark.parametrize(("pull", "trigger"), TRIGGERS, ids=[pull.__name__ for pull, _ in TRIGGERS])
def test_every_trigger(
    venue: Venue, tmp_path: Path, pull: Callable[[Path, Process], None], trigger: str
) -> None:
    """Nothing open, a flat receipt, both recorded; engaged still after an ordered restart, and after SIGKILL."""
    path = operated.write(tmp_path, venue)
    with operated.start(tmp_path, path, venue) as node:
        operated.until_trading(venue, node)
        pull(tmp_path, node)
        receipt = operated.until_flat(node, tmp_path)
        assert receipt.engaged
        assert [trigger] == [scope.trigger for scope in receipt.scopes]
        stays_killed(venue, node, tmp_path)
        stop(node)
    assert [trigger] == [event.trigger for event in of(tmp_path, KillSwitchEngaged)]
    flat = of(tmp_path, KillReceipt)[-1]
    assert (True, 0, 0) == (flat.flat, flat.open_orders, flat.unknown_orders)
    replayed(tmp_path)
    with operated.start(tmp_path, path, venue) as node:
        stays_killed(venue, node, tmp_path)
        node.kill()
    with operated.start(tmp_path, path, venue) as node:
        stays_killed(venue, node, tmp_path)
        stop(node)
    assert [trigger] == latched(tmp_path / "data")[:1]
    replayed(tmp_path)


def test_nobody_who_could_stop_it(venue: Venue, tmp_path: Path) -> None:
    """An operator who is heard keeps it trading; then nobody is, and it is killed; who comes back may release it."""
    path = operated.write(tmp_path, venue)
    path.write_text(f'{path.read_text()}\n[control]\ndead_man = "5s"\n')
    latch = tmp_path / "data" / LATCH_NAME
    with operated.start(tmp_path, path, venue) as node:
        before = len(placements(venue))
        with client(tmp_path) as control:
            until(node, lambda: control.ping() and len(placements(venue)) > before)
            assert 5_000 == control.status().dead_man_ms
            until(node, lambda: control.status() and latch.exists())  # who only looks could be a monitor
        operated.until_flat(node, tmp_path)
        stays_killed(venue, node, tmp_path)
        with client(tmp_path) as control:
            assert ["dead_man"] == [one.trigger for one in control.status().kill_switch]
            control.kill_reset("somebody is back")
            seen = len(placements(venue))
            until(node, lambda: control.ping() and len(placements(venue)) > seen)
        stop(node)
    assert ["dead_man"] == [event.trigger for event in of(tmp_path, KillSwitchEngaged)]
    replayed(tmp_path)


def test_the_fail_safe(venue: Venue, tmp_path: Path) -> None:
    """Exit 4 with a sentence, nothing open, latched; the resumed session stays killed."""
    path = operated.write(tmp_path, venue)
    with operated.start(tmp_path, path, venue, failpoints="harness.before_step=raise@900") as node:
        code, _ = node.finish()
        assert 4 == code
        assert "harness failed" in node.stderr()
        assert "Traceback" not in node.stderr()
    assert [] == venue.look("open")
    assert ["fail_safe"] == latched(tmp_path / "data")
    with operated.start(tmp_path, path, venue) as node:
        stays_killed(venue, node, tmp_path)
        stop(node)
    assert ["fail_safe"] == latched(tmp_path / "data")
    replayed(tmp_path)


def test_a_venue_that_does_not_answer(venue: Venue, tmp_path: Path) -> None:
    """The gate is closed at once and nobody claims that it is flat. No reset while orders are of unknown fate, unless
    that is accepted; none beside a KILL file. When the venue is back everything is cancelled."""
    path = operated.write(tmp_path, venue, changes={"half_spread_bps = 1": "half_spread_bps = 50"})
    points = f"connector.before_gate=block:{tmp_path / 'held'}@6"
    with (
        Pause(tmp_path / "held") as held,
        operated.start(tmp_path, path, venue, failpoints=points) as node,
        client(tmp_path) as control,
    ):
        held.wait(node)
        venue.signal(signal.SIGSTOP)
        try:
            sent = len(of(tmp_path, RequestSent))
            held.end()
            until(node, lambda: len(of(tmp_path, RequestSent)) > sent)
            assert control.kill(REASON).killed.durable
            receipt = until(node, lambda: (found := control.kill_receipt()).unknown_orders and found)
            assert (False, False) == (receipt.flat, receipt.venues[0].answered)
            with pytest.raises(RefusedError, match="of unknown fate"):
                control.kill_reset("too early")
            (tmp_path / "data" / KILL_NAME).touch()
            with pytest.raises(RefusedError, match="remove that file first"):
                control.kill_reset("too early", accept_unknown=True)
            (tmp_path / "data" / KILL_NAME).unlink()
            control.kill_reset("I know", accept_unknown=True)
            until(node, lambda: not control.status().kill_switch)
            assert [] == latched(tmp_path / "data")
            control.kill(REASON)
        finally:
            venue.signal(signal.SIGCONT)
        operated.until_flat(node, tmp_path)
        stays_killed(venue, node, tmp_path)
        stop(node)
    assert [True] == [event.accept_unknown for event in of(tmp_path, KillSwitchReset)]
    replayed(tmp_path)


def test_scopes_and_a_reset(venue: Venue, tmp_path: Path) -> None:
    """One instrument is killed, the other one trades on; then both; after the reset both trade again."""
    dead, alive = venue.symbols[:2]
    path = operated.write(tmp_path, venue, operated.RESTLESS)
    with operated.start(tmp_path, path, venue) as node, client(tmp_path) as control:
        until(node, lambda: control.status().phase == "running")
        for symbol in (dead, alive):
            seen = len(placements(venue, symbol))
            until(node, lambda symbol=symbol, seen=seen: len(placements(venue, symbol)) > seen + 4)
        control.kill(REASON, instrument=f"binance_spot:{dead}")
        at_dead, at_alive = len(placements(venue, dead)), len(placements(venue, alive))
        operated.until_flat(node, tmp_path)
        until(node, lambda: len(placements(venue, alive)) > at_alive + 10)
        assert at_dead == len(placements(venue, dead))
        assert [] == [one for one in venue.look("open") if one["symbol"] == dead]
        control.kill(REASON)
        until(node, lambda: len((found := control.kill_receipt()).scopes) == 2 and found.flat)
        stays_killed(venue, node, tmp_path)
        control.kill_reset("it is over")
        for symbol in (dead, alive):
            seen = len(placements(venue, symbol))
            until(node, lambda symbol=symbol, seen=seen: len(placements(venue, symbol)) > seen)
        stop(node)
    assert [] == latched(tmp_path / "data")
    replayed(tmp_path)


def test_a_strategy_that_never_returns(venue: Venue, tmp_path: Path) -> None:
    """``while True``: the kill is answered, latched, and the venue emptied, though the Core cannot say a word; the
    receipt does not claim to be flat."""
    path = operated.write(
        tmp_path, venue, operated.MISBEHAVING.format(how="loop", pipe=""), operated.SHORT_STALL
    )
    with operated.start(tmp_path, path, venue) as node, client(tmp_path) as control:
        until(node, lambda: "stall" in [hold.name for hold in control.status().holds])
        place(venue, venue.symbols[0])
        assert [] != venue.look("open")
        assert control.kill(REASON).killed.durable
        until(node, lambda: not venue.look("open"))
        receipt = until(
            node, lambda: (found := control.kill_receipt()).venues and found.venues[0].answered and found
        )
        assert not receipt.flat
        node.kill()
    assert ["operator"] == latched(tmp_path / "data")


def test_a_core_that_is_held_behind_a_full_control_lane(venue: Venue, tmp_path: Path) -> None:
    """The harness stands still and thousands of commands wait for it: the kill is answered and the venue emptied
    meanwhile. Afterwards the Core has them all, and the kill where it came."""
    commands = 2_000
    path = operated.write(tmp_path, venue, operated.RESTLESS, {"[log]": "[control]\nrate = 10000\n[log]"})
    points = f"harness.before_step=block:{tmp_path / 'held'}@1500"
    with (
        Pause(tmp_path / "held") as held,
        operated.start(tmp_path, path, venue, failpoints=points) as node,
        client(tmp_path) as control,
    ):
        held.wait(node)
        operated.hand_in(
            tmp_path,
            (
                wire.Request(
                    request_id=f"flood-{number}", reason="flood", cancel=wire.CancelOrder(order_id=1 << 40)
                )
                for number in range(commands)
            ),
        )
        assert control.kill(REASON).killed.durable
        sent = placements(venue)
        until(node, lambda: not venue.look("open"))
        assert not control.kill_receipt().flat
        held.end()
        operated.until_flat(node, tmp_path)
        assert sent == placements(venue)
        stop(node)
    assert commands == sum(event.why == "flood" for event in of(tmp_path, OperatorCommand))
    assert 1 == len(of(tmp_path, KillSwitchEngaged))
    replayed(tmp_path)


def test_who_pulled_it_dies_before_the_answer(venue: Venue, tmp_path: Path) -> None:
    """The command has arrived, its sender is killed: it is carried out all the same."""
    path = operated.write(tmp_path, venue)
    points = f"kill.before_latch=block:{tmp_path / 'held'}"
    with (
        Pause(tmp_path / "held") as held,
        operated.start(tmp_path, path, venue, failpoints=points) as node,
    ):
        operated.until_trading(venue, node)
        with Process(["kill", "--data-dir", "data", "--reason", REASON], tmp_path) as sender:
            held.wait(node)
            sender.kill()
        held.end()
        operated.until_flat(node, tmp_path)
        stays_killed(venue, node, tmp_path)
        assert ["operator"] == latched(tmp_path / "data")
        stop(node)
    replayed(tmp_path)


@pytest.mark.parametrize("arguments", [("--standby",), ()], ids=["standing-by", "starting"])
def test_before_there_is_a_session(venue: Venue, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """Killed while it stands by, or starts: the session begins killed, and not one order is sent in it."""
    path = operated.write(tmp_path, venue)
    points = "" if arguments else f"recovery.before_segment=block:{tmp_path / 'held'}"
    seen = placements(venue)
    with (
        Pause(tmp_path / "held") as held,
        operated.start(tmp_path, path, venue, *arguments, failpoints=points) as node,
        client(tmp_path) as control,
    ):
        if arguments:
            until(node, lambda: control.status().phase == "standby")
        else:
            held.wait(node)
        assert control.kill(REASON).killed.durable
        assert "kill" in [hold.name for hold in control.status().holds]
        if arguments:
            control.session_start("all the same")
        held.end()
        stays_killed(venue, node, tmp_path)
        with client(tmp_path) as other:
            other.kill_reset("go")
            until(node, lambda: len(placements(venue)) > len(seen))
        stop(node)
    replayed(tmp_path)


def test_a_disk_that_refuses_the_latch(venue: Venue, tmp_path: Path) -> None:
    """It is said that a restart would not know of it; nothing leaves all the same, and there is no reset either."""
    path = operated.write(tmp_path, venue)
    with operated.start(tmp_path, path, venue) as node, client(tmp_path) as control:
        operated.until_trading(venue, node)
        obstacle = tmp_path / "data" / LATCH_NAME
        obstacle.mkdir()
        reply = control.kill(REASON)
        assert not reply.killed.durable
        assert "the disk refused the latch" in reply.message
        receipt = operated.until_flat(node, tmp_path)
        assert not receipt.durable
        stays_killed(venue, node, tmp_path)
        with pytest.raises(RefusedError, match="its latch could not be removed"):
            control.kill_reset("too early")
        obstacle.rmdir()
        until(node, lambda: resets(control))
        seen = len(placements(venue))
        until(node, lambda: len(placements(venue)) > seen)
        stop(node)
    replayed(tmp_path)


def resets(control: ControlClient) -> bool:
    """Whether a reset is accepted by now: nothing may be of unknown fate, and the Core follows a moment behind a latch
    that was in the way."""
    try:
        control.kill_reset("now")
    except RefusedError as error:
        if "is not engaged" not in error.sentence and "of unknown fate" not in error.sentence:
            raise
        return False
    return True
