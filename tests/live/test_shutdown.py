"""How a real node ends: on a signal under load, twice, by a client, before it has begun; and with which exit code."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from livestack.core.events import OperatorCommand, SessionStopped, SessionStopping, StopSession
from tests.campaigns import agreement
from tests.live import operated
from tests.live.operated import Pause, client, of, replayed, until
from tests.support import Process, Venue, run_livestack


@pytest.fixture
def venue(tmp_path: Path) -> Iterator[Venue]:
    (tmp_path / "venue").mkdir()
    with Venue(tmp_path / "venue", "--seed", "71", *operated.VENUE_ARGUMENTS) as running:
        yield running


def finished(node: Process) -> tuple[int, str]:
    code, output = node.finish()
    assert "Traceback" not in node.stderr()
    return code, output


def test_under_load(venue: Venue, tmp_path: Path) -> None:
    """Everything open is cancelled, every outcome awaited and recorded, exit 0; the books agree with the venue's."""
    path = operated.write(tmp_path, venue, operated.RESTLESS)
    with operated.start(tmp_path, path, venue) as node:
        operated.until_trading(venue, node)
        node.signal()
        code, output = finished(node)
        assert 0 == code, node.stderr()
    assert [] == venue.look("open")
    assert [] == agreement.check(tmp_path / "data", venue)
    told = json.loads(output)
    assert (0, replayed(tmp_path).digest) == (told["exit"], told["digest"])


def test_orders_are_left_where_the_configuration_says_so(venue: Venue, tmp_path: Path) -> None:
    """``on_stop = "leave"``: what rests stays at the venue, every one of it known to the journal; exit 0."""
    changes = {"[[execution.venue": '[execution]\non_stop = "leave"\n[[execution.venue'}
    path = operated.write(tmp_path, venue, changes=changes)
    with operated.start(tmp_path, path, venue) as node:
        operated.until_trading(venue, node)
        node.signal()
        code, _ = finished(node)
        assert 0 == code, node.stderr()
    assert [] != venue.look("open")
    assert [] == agreement.check(tmp_path / "data", venue)


def test_a_second_signal_does_not_wait(venue: Venue, tmp_path: Path) -> None:
    """Outcomes never come, as the venue stands still: the second signal ends it, 130, with a journal that replays; the
    next start settles what was open."""
    path = operated.write(tmp_path, venue, operated.RESTLESS)
    with operated.start(tmp_path, path, venue) as node, client(tmp_path) as control:
        operated.until_trading(venue, node)
        venue.signal(signal.SIGSTOP)
        try:
            node.signal()
            until(node, lambda: control.status().phase == "stopping")
            while not node.ended(0.2):
                node.signal()  # what comes right behind the first one counts as the same
            code, _ = finished(node)
            assert 130 == code, node.stderr()
        finally:
            venue.signal(signal.SIGCONT)
    with operated.start(tmp_path, path, venue) as node:
        assert 0 == finished(node)[0], node.stderr()
    assert [] == venue.look("open")
    assert [] == agreement.check(tmp_path / "data", venue)


def test_by_a_client_and_what_others_are_told_meanwhile(venue: Venue, tmp_path: Path) -> None:
    """``session stop``: as a signal, with who and why on record. Before: 8 where its health is not good, 5 for a second
    node; after: 3, as there is none any more. 2: nonsense in the file."""
    path = operated.write(tmp_path, venue, operated.RESTLESS)
    with operated.start(tmp_path, path, venue) as node, client(tmp_path) as control:
        operated.until_trading(venue, node)
        assert 0 == run_livestack(tmp_path, "status", "--check", "--data-dir", "data")[0]
        control.trading("halted", "look at me")
        until(node, lambda: control.status().trading_state == "halted")
        assert 8 == run_livestack(tmp_path, "status", "--check", "--data-dir", "data")[0]
        control.trading("active", "seen")
        with operated.start(tmp_path, path, venue) as second:
            assert 5 == finished(second)[0]
        assert control.session_stop("home time").seq
        code, _ = finished(node)
        assert 0 == code, node.stderr()
    assert 3 == run_livestack(tmp_path, "status", "--data-dir", "data")[0]
    path.write_text(path.read_text().replace("strategy_stall", "strategy_tall"))
    with operated.start(tmp_path, path, venue) as wrong:
        assert 2 == finished(wrong)[0]
        assert "strategy_stall" in wrong.stderr()
    (command,) = [one for one in of(tmp_path, OperatorCommand) if isinstance(one.command, StopSession)]
    (stopping,) = of(tmp_path, SessionStopping)
    assert ("local", "home time") == (command.who, command.why) == (stopping.by, stopping.reason)
    assert 1 == len(of(tmp_path, SessionStopped))
    assert [] == venue.look("open")
    assert [] == agreement.check(tmp_path / "data", venue)


def test_before_it_has_begun(venue: Venue, tmp_path: Path) -> None:
    """SIGTERM while it stands by, and while it recovers: 130, nothing lost, and the next start goes on."""
    path = operated.write(tmp_path, venue)
    with operated.start(tmp_path, path, venue, "--standby") as node, client(tmp_path) as control:
        until(node, lambda: control.status().phase == "standby")
        node.signal()
        assert 130 == finished(node)[0]
    with operated.start(tmp_path, path, venue) as node:
        operated.until_trading(venue, node)
        node.kill()
    points = f"recovery.in_fold=block:{tmp_path / 'held'}@3"
    with Pause(tmp_path / "held") as held, operated.start(tmp_path, path, venue, failpoints=points) as node:
        held.wait(node)
        node.signal()
        assert 130 == finished(node)[0]
    with operated.start(tmp_path, path, venue) as node:
        operated.until_trading(venue, node)
        node.signal()
        assert 0 == finished(node)[0], node.stderr()
    assert [] == venue.look("open")
    assert [] == agreement.check(tmp_path / "data", venue)
