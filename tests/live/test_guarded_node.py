"""A real node with its guard against the simulated venue: what is left of it, and how it starts again."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from livestack.client import ControlClient
from livestack.node.guard_report import read_report
from tests.live.guarded_support import guard_of, is_running, latched, until_flat, until_gone, write
from tests.live.operated import client, until, until_heard
from tests.support import Process, Venue, start_node

LOOK_S = 0.05
KILLED = -signal.SIGKILL


@pytest.fixture
def venue(tmp_path: Path) -> Iterator[Venue]:
    (tmp_path / "venue").mkdir()
    with Venue(tmp_path / "venue", "--seed", "31", "--rate", "300", "--allowance", "1000") as running:
        yield running


@pytest.fixture
def path(venue: Venue, tmp_path: Path) -> Path:
    return write(tmp_path, venue.symbols[:1], limit="2s")


def until_trading(venue: Venue, node: Process) -> None:
    while not (venue.look("open") and len(venue.look("orders")) > 4):
        assert not node.ended(LOOK_S), node.stderr()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_nothing_stays_open_behind_a_node(
    venue: Venue, tmp_path: Path, path: Path, number: signal.Signals
) -> None:
    """Dead or stopped in the middle of trading; then it cannot be started beside the guard, and later it is killed."""
    with start_node(tmp_path, path, venue.environment()) as node:
        until_trading(venue, node)
        guard = guard_of(node)
        try:
            node.signal(number)
            assert KILLED == node.finish()[0]
            until_flat(venue)
            assert ["guard"] == latched(tmp_path / "data")
            with start_node(tmp_path, path, venue.environment()) as early:
                assert 5 == early.finish()[0]
                assert "the guard, process" in early.stderr()
            while not ((report := read_report(tmp_path / "data")) and report.flat):
                assert is_running(guard)
            if number == signal.SIGKILL:  # the proof takes the venue's settling time: once is enough
                until_gone(guard)
        finally:
            if is_running(guard):
                os.kill(guard, signal.SIGKILL)
                until_gone(guard)
    report = read_report(tmp_path / "data")
    assert report is not None
    assert report.venues["binance_spot"].proven or number != signal.SIGKILL
    seen = [one for one in venue.look("orders") if one["kind"] == "order.place"]
    with start_node(tmp_path, path, venue.environment()) as again, client(tmp_path) as control:
        until(again, lambda: ["guard_acted"] == acted(control))
        until(again, lambda: "live" in {one.status for one in control.status().venues})
        until_heard(again, tmp_path)
        assert seen == [one for one in venue.look("orders") if one["kind"] == "order.place"]
        assert [] == venue.look("open")
        control.kill_reset("looked at", accept_unknown=True)
        until(again, lambda: acted(control) == [])
        again.signal()
        again.finish()
    assert [] == venue.look("open")


def acted(control: ControlClient) -> list[str]:
    """The incident that tells what a guard did, while it is shown."""
    return [one.name for one in control.status().incidents if one.name == "guard_acted"]


def test_an_orderly_end_is_nobodys_business(venue: Venue, tmp_path: Path, path: Path) -> None:
    """Exit 0, nothing latched, no guard left."""
    with start_node(tmp_path, path, venue.environment()) as node:
        until_trading(venue, node)
        guard = guard_of(node)
        node.signal()
        code, output = node.finish()
        assert 0 == code, node.stderr()
    assert 0 == json.loads(output)["exit"]
    until_gone(guard)
    assert [] == latched(tmp_path / "data")
    assert read_report(tmp_path / "data") is None


def test_by_hand_beside_a_node(venue: Venue, tmp_path: Path, path: Path) -> None:
    """``guard cancel-all`` has the running node engage its kill-switch: what it cancels stays away."""
    with start_node(tmp_path, path, venue.environment()) as node:
        until_trading(venue, node)
        command = [
            "guard",
            "cancel-all",
            "-c",
            str(path),
            "--data-dir",
            "data",
            "--reason",
            "enough",
            "--json",
        ]
        with Process(command, tmp_path, venue.environment()) as by_hand:
            code, output = by_hand.finish()
            assert 0 == code, by_hand.stderr()
        assert json.loads(output)["flat"]
        until_flat(venue)
        seen = len(venue.look("orders"))
        assert not node.ended(2.0), node.stderr()
        assert [] == [one for one in venue.look("orders")[seen:] if one["kind"] == "order.place"]
        assert [] == venue.look("open")
        node.signal()
        node.finish()
