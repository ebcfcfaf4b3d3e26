"""What a node does about its follower: a difference holds trading, an absence is an incident, a snapshot frees room."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from livestack.actors.gate import DispatchGate, Hold, Passage
from livestack.core.control_events import HALTING
from livestack.core.events import Event, IncidentClosed, IncidentOpened
from livestack.core.types import TradingState
from livestack.journal.segment import first_seq_of, segments_of
from livestack.journal.snapshots import snapshot_path
from livestack.node.composition import Seams
from livestack.node.following import AWAY, DIFFERS, Following, OnFollower
from livestack.settings import Settings, load
from tests.actors.fakes import FakeClock, FakeTimers
from tests.journal.test_segment import rotated
from tests.live import configuration
from tests.live.strategies import market_maker
from tests.node.test_snapshotting import folded, session
from tests.research.sessions import ENVIRONMENT, header, opening, quotes, record, rules, store

LONG_AFTER_NS = 1 << 62


class ToldHarness:
    """Keeps the control Events that it is told."""

    def __init__(self) -> None:
        self.told: list[Event] = []

    def tell_control(self, events: list[Event]) -> None:
        self.told += events


class FakeNode:
    """As much of a node as its follower's news concerns."""

    def __init__(self, runtime: Any = None) -> None:
        self.gate = DispatchGate(["v"])
        self.harness = ToldHarness()
        self.runtime = runtime


def settings(directory: Path, retain_ns: int | None = None, follower: bool = True) -> Settings:
    path = configuration.write(directory, ["BTCUSDT"], market_maker("BTCUSDT"))
    loaded = load(path, ENVIRONMENT)[0]
    return msgspec.structs.replace(
        loaded,
        journal=msgspec.structs.replace(loaded.journal, retain_ns=retain_ns),
        follower=msgspec.structs.replace(loaded.follower, enabled=follower),
    )


def following(directory: Path, chosen: Settings, node: FakeNode, wall_ns: int = LONG_AFTER_NS) -> Following:
    clock = FakeClock()
    clock.time_ns = wall_ns
    seams = SimpleNamespace(clock=clock, timers=FakeTimers(), random=None)
    return Following(chosen, directory / "sessions", "s", node, seams, {})  # type: ignore[arg-type]


def on_follower(node: FakeNode) -> OnFollower:
    return OnFollower(node, lambda seq: None)  # type: ignore[arg-type]


def test_a_difference_holds_trading_at_once() -> None:
    """The gate is closed before anybody else hears of it, and the halting incident says where."""
    node = FakeNode()
    on_follower(node).on_difference(7, "the journal has nothing")
    with node.gate.passage("v", "v:S", Passage.NEW) as admitted:
        assert not admitted
    with node.gate.passage("v", "v:S", Passage.CANCEL) as admitted:
        assert admitted
    assert [Hold.FOLLOWER] == [standing.hold for standing in node.gate.standing()]
    detail = "seq 7: the journal has nothing"
    assert [IncidentOpened(name=DIFFERS, scope="follower", grade=HALTING, detail=detail)] == node.harness.told


def test_an_absence_is_an_incident_and_no_hold() -> None:
    """Trading goes on unverified; the same incident is closed when it is back."""
    node = FakeNode()
    told = on_follower(node)
    told.on_away("it says nothing")
    told.on_back()
    assert [
        IncidentOpened(name=AWAY, scope="follower", grade="warning", detail="it says nothing"),
        IncidentClosed(name=AWAY, scope="follower", detail=""),
    ] == node.harness.told
    assert not node.gate.standing()


def test_a_snapshot_goes_to_whoever_wants_it() -> None:
    """Its position, and nothing else happens."""
    heard: list[int] = []
    OnFollower(FakeNode(), heard.append).on_snapshot(5)  # type: ignore[arg-type]
    assert [5] == heard
