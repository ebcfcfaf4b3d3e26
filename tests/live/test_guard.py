"""The guard with real processes and the simulated venue: a node that hangs or dies leaves nothing open behind it."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from livestack.node.guard_report import read_report
from tests.live.guarded_support import (
    StandIn,
    is_running,
    latched,
    place,
    until_flat,
    until_gone,
    write,
)
from tests.support import Venue

KILLED = -signal.SIGKILL


@pytest.fixture
def venue(tmp_path: Path) -> Iterator[Venue]:
    (tmp_path / "venue").mkdir()
    with Venue(tmp_path / "venue", "--seed", "23", "--allowance", "100") as running:
        yield running


def start(venue: Venue, directory: Path, kind: str = "hmac") -> StandIn:
    path = write(directory, ["BTCUSDT", "ETHUSDT"], kind)
    return StandIn(path, directory / "data", venue.environment(kind))


@pytest.mark.parametrize("word", ["silent", "hold"])
def test_a_node_without_progress_is_ended(venue: Venue, tmp_path: Path, word: str) -> None:
    """No beat, or an interpreter that is held in C code: killed, latched, and every order gone at the venue."""
    place(venue)
    place(venue, "ETHUSDT", "1500")
    with start(venue, tmp_path) as node:
        node.begin()
        node.tell(word)
        assert KILLED == node.ended()
        until_flat(venue)
        assert ["guard"] == latched(node.data_dir)
        report = node.report()
        assert (True, True, "stand-in") == (report.killed, report.latched, report.session)
        assert "made no progress for" in report.reason


def test_a_stopped_node_is_ended(venue: Venue, tmp_path: Path) -> None:
    """SIGSTOP: a process that nobody can talk to is killed all the same."""
    place(venue)
    with start(venue, tmp_path) as node:
        node.begin()
        node.process.send_signal(signal.SIGSTOP)
        assert KILLED == node.ended()
        until_flat(venue)
        assert node.report().killed


def test_a_killed_node_is_cleared_up_behind(venue: Venue, tmp_path: Path) -> None:
    """Orders of a symbol that is not configured too; flat, recorded, and no secret in it."""
    place(venue)
    place(venue, "ETHBTC", "0.04")
    with start(venue, tmp_path, kind := "ed25519") as node:
        node.begin()
        node.process.kill()
        until_flat(venue)
        while not ((report := read_report(node.data_dir)) and report.flat):
            pass  # what follows, proof and end, is test_guarded_node's
        assert (False, True, True) == (report.killed, report.node_ended, report.flat)
        told = report.venues["binance_spot"]
        assert (2, ()) == (told.cancelled, told.open)
        assert told.flat_ns > 0
        assert ["guard"] == latched(node.data_dir)
    key = venue.key(kind)
    for path in (node.data_dir / "guard-report.json", node.stderr_path):
        assert key["api_key"] not in path.read_text()
        assert key["secret"] not in path.read_text()


def test_a_node_that_ends_in_order_is_left_alone(venue: Venue, tmp_path: Path) -> None:
    """The guard ends with it and touches nothing: what is open then was left on purpose."""
    place(venue)
    with start(venue, tmp_path) as node:
        guard = node.begin()
        node.tell("stop")
        assert 0 == node.ended()
        until_gone(guard)
        assert [] == latched(node.data_dir)
        assert not (node.data_dir / "guard-report.json").exists()
    assert 1 == len(venue.look("open"))


@pytest.mark.parametrize("word", ["leave", "linger"])
def test_a_node_that_fails_is_cleared_up_behind(venue: Venue, tmp_path: Path, word: str) -> None:
    """It ends by itself but not in order: with its own exit code, in its own time, and the guard does the rest."""
    place(venue)
    with start(venue, tmp_path) as node:
        node.begin()
        node.tell(word)
        assert 4 == node.ended()
        until_flat(venue)
        assert "without a clean stop" in node.report().reason


def test_what_ends_the_node_does_not_end_its_guard(venue: Venue, tmp_path: Path) -> None:
    """SIGTERM to the guard is ignored, SIGKILL to the whole process group does not reach it."""
    place(venue)
    with start(venue, tmp_path) as node:
        guard = node.begin()
        os.kill(guard, signal.SIGTERM)
        os.kill(guard, signal.SIGINT)
        os.killpg(node.process.pid, signal.SIGKILL)
        assert KILLED == node.ended()
        until_flat(venue)


def test_a_venue_that_is_down_is_tried_again(tmp_path: Path) -> None:
    """Nothing answers when the node dies; once the venue is back, its orders go."""
    (tmp_path / "venue").mkdir()
    with Venue(tmp_path / "venue", "--seed", "23") as venue:
        port = venue.urls["rest"].rpartition(":")[2]
        node = start(venue, tmp_path)
        with node:
            node.begin()
            venue.kill()
            node.process.kill()
            while (
                not (node.data_dir / "guard-report.json").exists()
                or not node.report().venues["binance_spot"].cause
            ):
                pass
            assert not node.report().flat
            with Venue(tmp_path / "venue", "--seed", "23", "--port", port) as again:
                place(again)
                until_flat(again)
                while not node.report().flat:
                    pass


def test_a_lost_guard_is_missed_and_replaced(venue: Venue, tmp_path: Path) -> None:
    """The node hears of it at once, and again when the next one watches; that one does its work."""
    place(venue)
    with start(venue, tmp_path) as node:
        first = node.begin()
        os.kill(first, signal.SIGKILL)
        assert "lost" == node.line()
        assert node.line().startswith("regained")
        assert first != node.guards[-1]
        node.process.kill()
        until_flat(venue)


def test_a_stopped_guard_is_missed_and_replaced(venue: Venue, tmp_path: Path) -> None:
    """One that says nothing guards nobody; and it must not wake up one day and kill."""
    with start(venue, tmp_path) as node:
        first = node.begin()
        os.kill(first, signal.SIGSTOP)
        assert "lost" == node.line()
        assert node.line().startswith("regained")
        assert not is_running(first)


def test_nobody_starts_beside_an_acting_guard(venue: Venue, tmp_path: Path) -> None:
    """Until the dead node's venues are flat its data directory is the guard's."""
    with start(venue, tmp_path) as node:
        guard = node.begin()
        venue.kill()
        node.process.kill()
        node.process.wait()
        while not (node.data_dir / "guard-report.json").exists():
            pass
        with start(venue, tmp_path) as other:
            assert "" == other.line()
            assert 0 != other.ended()
            assert "the guard, process" in other.stderr_path.read_text()
        assert is_running(guard)


def test_a_guard_that_cannot_work_stops_the_start(venue: Venue, tmp_path: Path) -> None:
    """A secret that is no key: the node hears the sentence before it connects anywhere."""
    path = write(tmp_path, ["BTCUSDT"], "ed25519")
    environment = {**venue.environment("ed25519"), "VENUE_SECRET": "no-key"}
    with StandIn(path, tmp_path / "data", environment) as node:
        line = node.line()
        assert line.startswith("failed cannot reach the guard: the secret is not a PKCS#8")
        assert 3 == node.ended()
