"""What a node does about its follower: a difference holds trading, an absence is an incident, a snapshot frees room."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from livestack.actors.gate import DispatchGate, Hold, Passage
from livestack.core.events import Event
from livestack.core.incidents import FOLLOWER_AWAY, REPLAY_DIFFERS
from livestack.journal.segment import first_seq_of, segments_of
from livestack.journal.snapshots import snapshot_path
from livestack.node.following import Following, OnFollower, _retention
from livestack.settings import Settings, load
from tests.actors.fakes import FakeClock, FakeTimers
from tests.journal.test_segment import rotated
from tests.live import configuration
from tests.live.strategies import market_maker
from tests.node.test_snapshotting import folded, session
from tests.research.sessions import ENVIRONMENT, header, rules, store

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


def seams(wall_ns: int = 0) -> Any:
    """The machine as far as the follower needs it."""
    clock = FakeClock()
    clock.time_ns = wall_ns
    return SimpleNamespace(clock=clock, timers=FakeTimers(), random=None)


def following(directory: Path, chosen: Settings, node: FakeNode) -> Following:
    return Following(chosen, directory / "sessions", "s", node, seams(), {}, {})  # type: ignore[arg-type]


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
    assert [REPLAY_DIFFERS.opened("follower", detail)] == node.harness.told


def test_an_absence_is_an_incident_and_no_hold() -> None:
    """Trading goes on unverified; the same incident is closed when it is back."""
    node = FakeNode()
    told = on_follower(node)
    told.on_away("it says nothing")
    told.on_back()
    assert [
        FOLLOWER_AWAY.opened("follower", "it says nothing"),
        FOLLOWER_AWAY.closed("follower", "it has caught up"),
    ] == node.harness.told
    assert not node.gate.standing()


def test_a_snapshot_goes_to_whoever_wants_it() -> None:
    """Its position, and nothing else happens."""
    heard: list[int] = []
    OnFollower(FakeNode(), heard.append).on_snapshot(5)  # type: ignore[arg-type]
    assert [5] == heard


@pytest.mark.parametrize(("retain_ns", "left"), [(None, [1, 4, 6]), (10**9, [6]), (LONG_AFTER_NS, [1, 4, 6])])
def test_a_snapshot_lets_old_segments_go(tmp_path: Path, retain_ns: int | None, left: list[int]) -> None:
    """Those behind it that were sealed longer than ``retain`` ago; without one none."""
    rotated(tmp_path).close()
    chosen = settings(tmp_path, retain_ns)
    hook = _retention(chosen, tmp_path / "sessions", "s", seams(LONG_AFTER_NS), {})
    kept = snapshot_path(tmp_path / "sessions", "s", 5)
    kept.parent.mkdir()
    kept.touch()
    hook(5)
    assert 3 == len(segments_of(tmp_path / "sessions", "s"))  # a single snapshot may turn out bad
    kept.with_name(f"{6:020d}").touch()
    hook(6)
    assert left == [first_seq_of(path) for path in segments_of(tmp_path / "sessions", "s")]


def test_a_disk_that_refuses_ends_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The hook runs on the follower's thread, which has to go on hearing."""
    rotated(tmp_path).close()

    def refuse(path: Path, target: Path) -> Path:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "rename", refuse)
    _retention(settings(tmp_path, 10**9), tmp_path / "sessions", "s", seams(LONG_AFTER_NS), {})(5)
    assert 3 == len(segments_of(tmp_path / "sessions", "s"))


def stored(directory: Path) -> tuple[FakeNode, int]:
    """A session that stopped, and the node that wrote it; its last position."""
    records = session(directory)
    store(directory, header("s", rules(directory)), records)
    return FakeNode(folded(directory, records)), len(records)


def test_the_follower_is_told_which_sinks_are_in_use(tmp_path: Path) -> None:
    """As its node knows them: name and address."""
    told = Following(
        settings(tmp_path),
        tmp_path / "sessions",
        "s",
        FakeNode(),
        seams(),
        {},
        {"local": "a place"},  # type: ignore[arg-type]
    )
    assert told._child is not None
    assert "--sink=local=a place" in told._child._command


def test_without_a_follower_the_stop_writes_a_snapshot(tmp_path: Path) -> None:
    """Where the journal ends."""
    node, last_seq = stored(tmp_path)
    alone = following(tmp_path, settings(tmp_path, follower=False), node)
    alone.start()
    alone.stop(leaked=False)
    assert snapshot_path(tmp_path / "sessions", "s", last_seq).is_file()


def test_beside_a_recorder_that_did_not_stop_none_is_written(tmp_path: Path) -> None:
    """It may still have the journal open, which one process can do once."""
    node, last_seq = stored(tmp_path)
    following(tmp_path, settings(tmp_path, follower=False), node).stop(leaked=True)
    assert not snapshot_path(tmp_path / "sessions", "s", last_seq).exists()


def test_a_snapshot_that_cannot_be_written_does_not_spoil_the_stop(tmp_path: Path) -> None:
    """The next start reads a little more."""
    node, last_seq = stored(tmp_path)
    (tmp_path / "sessions" / "s" / "snapshots").write_text("a file is in the way")
    following(tmp_path, settings(tmp_path, follower=False), node).stop(leaked=False)
    assert not snapshot_path(tmp_path / "sessions", "s", last_seq).exists()


def test_a_follower_that_was_never_started_is_stopped_all_the_same(tmp_path: Path) -> None:
    """A node that dies while it starts comes by here; the follower's snapshot is not ours to write."""
    node, last_seq = stored(tmp_path)
    following(tmp_path, settings(tmp_path), node).stop(leaked=False)
    assert not snapshot_path(tmp_path / "sessions", "s", last_seq).exists()
