"""``livestack replay --follow`` from another process than the node's."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from livestack.core.events import IntentDispatched
from livestack.journal.directory import DataDirectory
from tests.live import configuration
from tests.live.strategies import market_maker
from tests.research.orders import filled
from tests.research.sessions import header, rules, store
from tests.support import Process, Venue, run_livestack, start_node


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Venue]:
    """One simulated venue for all sessions."""
    with Venue(tmp_path_factory.mktemp("venue"), "--seed", "3", "--rate", "500") as running:
        yield running


@pytest.fixture
def node(venue: Venue, tmp_path: Path) -> Iterator[Process]:
    """A node that has begun to trade."""
    path = configuration.write(tmp_path, venue.symbols[:1], market_maker(venue.symbols[0]))
    seen = len(venue.look("orders"))
    with start_node(tmp_path, path, venue.environment()) as running:
        while running.running() and len(venue.look("orders")) < seen + 3:
            pass
        yield running


def follow(directory: Path, *options: str) -> Process:
    return Process(["replay", "latest", "--follow", "--json", "--data-dir", "data", *options], directory)


def test_to_the_end_of_the_session(node: Process, tmp_path: Path) -> None:
    """It tells how far it is while the node runs, and ends with it: the whole session, identical."""
    with follow(tmp_path) as following:
        first = json.loads(following.line())
        node.signal()
        code, summary = node.finish()
        assert 0 == code, node.stderr()
        code, output = following.finish()
    last = json.loads(output.splitlines()[-1])
    assert (True, False, None, None) == (
        first["identical"],
        first["ended"],
        first["digest"],
        first["chain_ok"],
    )
    assert (0, True, True, True) == (code, last["identical"], last["complete"], last["chain_ok"])
    assert json.loads(summary)["digest"] == last["digest"]
    assert first.keys() >= last.keys()


def test_ctrl_c_ends_it_in_order(node: Process, tmp_path: Path) -> None:
    """What was read is compared and said; exit 0, and the node goes on."""
    with follow(tmp_path) as following:
        following.line()
        following.signal(signal.SIGINT)
        code, output = following.finish()
        assert "Traceback" not in following.stderr()
    last = json.loads(output.splitlines()[-1])
    assert (0, True, False) == (code, last["identical"], last["complete"])
    assert last["events"] > 0
    assert node.running()


def test_a_node_that_dies_ends_it(node: Process, tmp_path: Path) -> None:
    """Everything that it left behind was compared."""
    with follow(tmp_path) as following:
        following.line()
        node.kill()
        code, output = following.finish()
    last = json.loads(output.splitlines()[-1])
    assert (0, True, False) == (code, last["identical"], last["complete"])


def test_the_first_difference_ends_it(tmp_path: Path) -> None:
    """Exit 6 at once, although the session goes on."""
    (tmp_path / "made").mkdir()
    records = filled(tmp_path / "made")
    index = next(number for number, one in enumerate(records) if isinstance(one.event, IntentDispatched))
    event = records[index].event
    assert isinstance(event, IntentDispatched)
    forged = IntentDispatched(
        request=msgspec.structs.replace(event.request, qty=7), admitted_ts=event.admitted_ts
    )
    records[index] = msgspec.structs.replace(records[index], event=forged)
    store(tmp_path / "data", header("s", rules(tmp_path)), records[:-3])
    with DataDirectory(tmp_path / "data").acquire(), follow(tmp_path) as following:
        code, output = following.finish()
    assert (6, index + 1) == (code, json.loads(output.splitlines()[-1])["first_difference"]["seq"])


def test_a_session_that_ended_is_replayed_to_its_end(tmp_path: Path) -> None:
    """There is nothing to wait for."""
    filled(tmp_path)
    code, output = run_livestack(tmp_path, "replay", "--follow", "--json", "--data-dir", ".")
    assert (0, True) == (code, json.loads(output.splitlines()[-1])["complete"])
