"""A part of the node that hangs: the node sees it, or its guard does."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from livestack.core.events import IncidentClosed, IncidentOpened
from tests.live.guarded_support import latched, until_flat, write
from tests.live.operated import of
from tests.live.test_guarded_node import KILLED
from tests.support import Process, Venue, start_node


@pytest.fixture
def venue(tmp_path: Path) -> Iterator[Venue]:
    with Venue(tmp_path, "--seed", "7", "--rate", "200", "--allowance", "1000") as running:
        yield running


def started(directory: Path, venue: Venue, point: str) -> tuple[Process, Path]:
    """A guarded node that blocks at ``point`` until somebody opens and closes the pipe."""
    path = write(directory, venue.symbols[:1], limit="1s")
    pipe = directory / "held"
    os.mkfifo(pipe)
    environment = {**venue.environment(), "LIVESTACK_FAILPOINTS": point.format(pipe=pipe)}
    return start_node(directory, path, environment), pipe


def until_told(node: Process, text: str) -> None:
    while text not in node.stderr():
        assert not node.ended(0.05), node.stderr()


def test_a_recorder_that_hangs_is_the_guards_business(venue: Venue, tmp_path: Path) -> None:
    """A commit that never returns: the guard kills the node and clears the venue."""
    node, pipe = started(tmp_path, venue, "recorder.before_commit=block:{pipe}@300")
    with node, pipe.open("wb"):
        until_told(node, "journal_stuck")
        guards = psutil.Process(node.pid).children()
        try:
            assert KILLED == node.finish()[0], node.stderr()
            until_flat(venue)
            assert ["guard"] == latched(tmp_path / "data")
        finally:
            for guard in guards:  # it would look after a venue that is gone for half an hour
                guard.kill()


def test_a_connector_that_hangs_is_held_until_it_returns(venue: Venue, tmp_path: Path) -> None:
    """Its venue is held and an operator told; then it trades on."""
    node, pipe = started(tmp_path, venue, "connector.before_ack=block:{pipe}@30")
    with node:
        with pipe.open("wb"):
            until_told(node, "connector_stuck")
        until_told(node, "returned")
        before = len(venue.look("orders"))
        while len(venue.look("orders")) < before + 5:
            assert not node.ended(0.05), node.stderr()
        node.signal()
        code, _ = node.finish()
        assert 0 == code, node.stderr()
    for kind in (IncidentOpened, IncidentClosed):
        assert ["connector_stuck"] == [one.name for one in of(tmp_path, kind)]
