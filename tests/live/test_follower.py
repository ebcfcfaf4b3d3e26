"""A follower beside a real node that trades: verified while it runs, and a recovery that has little to fold."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from livestack.core.runtime import SEMANTICS_VERSION
from livestack.journal.snapshots import snapshots
from tests.live import configuration
from tests.live.strategies import market_maker
from tests.support import Process, Venue, run_livestack, start_node


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Venue]:
    with Venue(tmp_path_factory.mktemp("venue"), "--seed", "5", "--rate", "1000") as running:
        yield running


def node_of(venue: Venue, directory: Path) -> Process:
    path = configuration.write(directory, venue.symbols[:3], market_maker(venue.symbols[0]))
    return start_node(directory, path, venue.environment())


def until_trading(venue: Venue, node: Process, more: int) -> None:
    """Wait until the venue has seen so many more requests; only a node that runs makes any."""
    requests = len(venue.look("orders"))
    while node.running() and len(venue.look("orders")) < requests + more:
        pass


def follow(directory: Path) -> Process:
    return Process(["follower", "latest", "--data-dir", "data", "--snapshot-every-events", "300"], directory)


def until_snapshot(follower: Process) -> dict[str, Any]:
    """Its next snapshot."""
    while line := follower.line():
        said = json.loads(line)
        assert said["report"] in ("position", "snapshot"), said
        if said["report"] == "snapshot":
            return said
    raise AssertionError(f"it ended: {follower.stderr()}")


def last_of(output: str, report: str) -> dict[str, Any]:
    return [said for said in map(json.loads, output.splitlines()) if said["report"] == report][-1]


def test_a_trading_session_is_verified_while_it_runs(venue: Venue, tmp_path: Path) -> None:
    """Every decision comes out again; the last snapshot is the session's end, as the node and a replay have it."""
    with node_of(venue, tmp_path) as node:
        until_trading(venue, node, 3)
        with follow(tmp_path) as follower:
            until_snapshot(follower)
            until_trading(venue, node, 6)
            until_snapshot(follower)
            node.signal()
            node_code, summary = node.finish()
            code, output = follower.finish()
    assert (0, 0) == (node_code, code), node.stderr() + follower.stderr()
    ended, written = json.loads(summary), last_of(output, "snapshot")
    assert ended["last_seq"] == last_of(output, "position")["seq"]
    assert (ended["last_seq"], ended["digest"]) == (written["seq"], written["digest"]), output
    replayed, found = run_livestack(tmp_path, "replay", "latest", "--json", "--data-dir", "data")
    assert (0, json.loads(summary)["digest"]) == (replayed, json.loads(found)["digest"])


def test_a_killed_node_resumes_from_the_followers_snapshot(venue: Venue, tmp_path: Path) -> None:
    """kill -9: the follower ends behind the last Event; the next run folds nothing that it had, and is followed too."""
    with node_of(venue, tmp_path) as node:
        until_trading(venue, node, 3)
        with follow(tmp_path) as follower:
            until_snapshot(follower)
            node.kill()
            code, output = follower.finish()
    assert 0 == code, follower.stderr()
    before = last_of(output, "snapshot")["seq"]
    sessions = tmp_path / "data" / "sessions"
    (session,) = [path.name for path in sessions.iterdir() if path.is_dir()]
    assert before == next(snapshots(sessions, session, 2**62, SEMANTICS_VERSION)).seq
    with node_of(venue, tmp_path) as node:
        until_trading(venue, node, 3)
        with follow(tmp_path) as follower:
            assert until_snapshot(follower)["seq"] > before
            node.signal()
            node_code, summary = node.finish()
            code, output = follower.finish()
    assert (0, 0) == (node_code, code), node.stderr() + follower.stderr()
    assert json.loads(summary)["recovered"]
    assert json.loads(summary)["digest"] == last_of(output, "snapshot")["digest"]


def test_a_nodes_own_follower_writes_snapshots_and_ends_with_it(venue: Venue, tmp_path: Path) -> None:
    """Nobody starts it by hand; at the end of the session its last snapshot is where the journal ends."""
    path = configuration.write(
        tmp_path,
        venue.symbols[:3],
        market_maker(venue.symbols[0]),
        follower="snapshot_every_events = 300",
    )
    with start_node(tmp_path, path, venue.environment()) as node:
        sessions = tmp_path / "data" / "sessions"
        while node.running() and len(list(sessions.glob("*/snapshots/[0-9]*[0-9]"))) < 2:
            pass
        node.signal()
        code, summary = node.finish()
    assert 0 == code, node.stderr()
    told = json.loads(summary)
    newest = next(snapshots(sessions, told["session"], 2**62, SEMANTICS_VERSION))
    assert (told["last_seq"], told["digest"]) == (newest.seq, newest.digest)
