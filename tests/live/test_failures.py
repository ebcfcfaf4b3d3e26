"""What becomes of a real node when a part of it fails: another one takes its place, or nothing more leaves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from livestack.core.events import IncidentClosed, IncidentOpened, StrategyDisabled, StrategyFailed
from livestack.node.watchdog import STACKS_NAME
from tests.campaigns import agreement
from tests.live import operated
from tests.live.guarded_support import latched
from tests.live.operated import Pause, client, of, replayed, session, until
from tests.support import Process, Venue

LOST = "reader.in_feed_frame=raise@300"
"""Has the feed hear of a lost connection once the node is at work: its first message may come before it has started."""

SURVIVED = [
    ("feed.before_message", f"raise@2,{LOST}", "actor='feed binance_spot'"),
    ("feed.before_message", f"exit@2,{LOST}", "actor='feed binance_spot'"),
    ("reader.in_feed_frame", "raise@300", "feed binance_spot reader"),
    ("reader.in_feed_frame", "exit@300", "feed binance_spot reader"),
    ("connector.before_ack", "raise@40", "actor='connector binance_spot'"),
    ("connector.after_send", "exit@10", "actor='connector binance_spot'"),
    ("reader.in_connector_frame", "raise@40", "connector binance_spot reader"),
    ("reader.in_connector_frame", "exit@40", "connector binance_spot reader"),
    ("control.before_message", "raise@8", "actor=control"),
    ("control.before_message", "exit@8", "actor=control"),
]
"""Where it fails, how, and who is said to have failed."""

FATAL = [
    ("harness.before_step", "exit@900", "harness"),
    ("recorder.before_commit", "raise@60", "recorder"),
    ("recorder.after_commit", "exit@60", "recorder"),
    ("control.before_message", "raise@8+", "control"),
]


@pytest.fixture
def venue(tmp_path: Path) -> Iterator[Venue]:
    """One for each node: in the end their books are compared."""
    (tmp_path / "venue").mkdir()
    with Venue(tmp_path / "venue", "--seed", "61", *operated.VENUE_ARGUMENTS) as running:
        yield running


def ends_in_agreement(node: Process, directory: Path, venue: Venue) -> None:
    """Exit 0 and no traceback; positions, balances, orders, fills as the venue has them, and an identical replay."""
    node.signal()
    code, _ = node.finish()
    assert 0 == code, node.stderr()
    assert "Traceback" not in node.stderr()
    assert [] == venue.look("open")
    assert [] == agreement.check(directory / "data", venue)


def trades_on(node: Process, directory: Path, venue: Venue) -> None:
    operated.until_heard(node, directory)
    operated.until_trading(venue, node)


@pytest.mark.parametrize(("point", "how", "who"), SURVIVED, ids=[f"{one[0]}={one[1]}" for one in SURVIVED])
def test_survived(venue: Venue, tmp_path: Path, point: str, how: str, who: str) -> None:
    """It is said in one line who failed; another one trades on, and agrees with the venue to the last fill."""
    path = operated.write(tmp_path, venue, operated.RESTLESS)
    with operated.start(tmp_path, path, venue, failpoints=f"{point}={how}") as node:
        until(node, lambda: who in node.stderr())
        trades_on(node, tmp_path, venue)
        ends_in_agreement(node, tmp_path, venue)
        (line,) = [one for one in node.stderr().splitlines() if "failed" in one and who in one]
        assert "FailpointError" in line or "SystemExit" in line
    assert [] == latched(tmp_path / "data")


@pytest.mark.parametrize(("point", "how", "who"), FATAL, ids=[f"{one[0]}={one[1]}" for one in FATAL])
def test_fatal(venue: Venue, tmp_path: Path, point: str, how: str, who: str) -> None:
    """Exit 4 and a sentence; nothing open at the venue, the kill-switch latched, and what is recorded replays."""
    path = operated.write(tmp_path, venue, operated.RESTLESS)
    with operated.start(tmp_path, path, venue, failpoints=f"{point}={how}") as node:
        code, _ = node.finish()
        assert 4 == code, node.stderr()
        assert f"livestack: {who} failed: " in node.stderr()
        assert "Traceback" not in node.stderr()
    assert [] == venue.look("open")
    assert ["fail_safe"] == latched(tmp_path / "data")
    replayed(tmp_path)
    if who == "harness":
        assert list((tmp_path / "data" / "sessions" / session(tmp_path)).glob("poison-*.json"))


def test_a_strategy_that_raises(venue: Venue, tmp_path: Path) -> None:
    """It is disabled, and that is recorded; an operator enables it, and it trades again."""
    path = operated.write(tmp_path, venue, operated.MISBEHAVING.format(how="raise", pipe=""))
    with operated.start(tmp_path, path, venue) as node, client(tmp_path) as control:
        until(node, lambda: (found := control.status()).seq and not found.strategy_enabled)
        control.strategy(True, "once more")
        trades_on(node, tmp_path, venue)
        ends_in_agreement(node, tmp_path, venue)
    assert ["ValueError"] == [event.error for event in of(tmp_path, StrategyFailed)]
    assert ["core"] == [event.by for event in of(tmp_path, StrategyDisabled)]


def test_a_strategy_that_does_not_return(venue: Venue, tmp_path: Path) -> None:
    """The gate closes and whoever asks is told; the stacks show where it is; when it returns the gate opens again."""
    pipe = tmp_path / "held"
    strategy = operated.MISBEHAVING.format(how="wait", pipe=pipe)
    path = operated.write(tmp_path, venue, strategy, operated.SHORT_STALL)
    with (
        Pause(pipe) as held,
        operated.start(tmp_path, path, venue) as node,
        client(tmp_path) as control,
    ):
        held.wait(node)
        until(node, lambda: "stall" in [hold.name for hold in control.status().holds])
        stacks = tmp_path / "data" / "sessions" / session(tmp_path) / STACKS_NAME
        until(node, lambda: stacks.exists() and "_misbehave" in stacks.read_text())
        held.end()
        until(node, lambda: "stall" not in [hold.name for hold in control.status().holds])
        trades_on(node, tmp_path, venue)
        ends_in_agreement(node, tmp_path, venue)
    assert ["stall"] == [event.name for event in of(tmp_path, IncidentOpened)]
    assert ["stall"] == [event.name for event in of(tmp_path, IncidentClosed)]
