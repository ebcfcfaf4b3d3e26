"""How far sinks are, and that retention never takes from them what they have not got, whatever comes in which order."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from livestack.journal.format import SegmentHeader
from livestack.journal.reader import JournalReader
from livestack.journal.restoring import begin_projection, snapshot_positions
from livestack.journal.retention import goes_on_behind, prune_segments, prune_sessions, spare_through
from livestack.journal.segment import first_seq_of, segments_of
from livestack.journal.snapshots import prune_snapshots, snapshot_path
from livestack.node.shipped import is_shipped, shipped_to_all
from livestack.storage.cursor import SHIPPED_NAME, Mark, write_mark
from tests.journal.test_retention import LATER_NS, stopped
from tests.research.sessions import (
    CLOSING,
    header,
    keep_snapshots,
    opening,
    quotes,
    record,
    rules,
    store_segments,
)

SINKS = {"local": "here", "pg": "there", "bucket": "elsewhere"}
KEEP = 2


def mark(
    sessions: Path, session: str, name: str, through: int, ended: bool = False, address: str = ""
) -> None:
    write_mark(
        sessions, session, Mark(name=name, address=address or SINKS[name], through=through, ended=ended)
    )


@pytest.mark.parametrize(
    ("through", "expected"),
    [
        ({}, 0),
        ({"local": 5, "pg": 7}, 0),
        ({"local": 5, "pg": 7, "bucket": 6}, 5),
        ({"local": 5, "pg": 7, "bucket": 6, "gone": 1}, 5),
    ],
)
def test_the_slowest_sink_counts(tmp_path: Path, through: dict[str, int], expected: int) -> None:
    """One without a mark has nothing; one that is configured no more holds nothing."""
    (tmp_path / "s").mkdir()
    for name, seq in through.items():
        mark(tmp_path, "s", name, seq, address=SINKS.get(name, "x"))
    assert expected == shipped_to_all(tmp_path, "s", SINKS)
    assert shipped_to_all(tmp_path, "s", {}) is None


def test_a_mark_of_another_place_counts_for_nothing(tmp_path: Path) -> None:
    """The name stayed, the URL did not: the new place has nothing yet."""
    (tmp_path / "s").mkdir()
    mark(tmp_path, "s", "local", 9, ended=True, address="where it was before")
    assert 0 == shipped_to_all(tmp_path, "s", {"local": "here"})
    assert not is_shipped(tmp_path, "s", {"local": "here"})


def test_a_session_goes_when_every_sink_has_its_end(tmp_path: Path) -> None:
    """Not when one of them has no mark, or not the end; without sinks nobody is waited for."""
    sinks = {"local": "here", "pg": "there"}
    sessions = tmp_path / "sessions"
    for name in ("a", "b", "c"):
        stopped(tmp_path, name)
        mark(sessions, name, "local", 1, ended=True)
    mark(sessions, "b", "pg", 1)
    mark(sessions, "c", "pg", 1, ended=True)
    assert ["c"] == prune_sessions(sessions, "x", LATER_NS, lambda name: is_shipped(sessions, name, sinks))
    assert ["a", "b"] == prune_sessions(sessions, "x", LATER_NS, lambda name: is_shipped(sessions, name, {}))


class Whole(NamedTuple):
    """A session of which nothing has gone yet: many segments, and a snapshot every few Events."""

    directory: Path
    head: SegmentHeader
    snapshots: list[int]
    last_seq: int


@pytest.fixture(scope="module")
def whole() -> Iterator[Whole]:
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        chosen = rules(directory)
        head = header("s", chosen)
        records = record(chosen, [*opening("s"), *quotes(60), *CLOSING])
        store_segments(directory, head, records, 10)
        made = keep_snapshots(directory, head, chosen, records, list(range(1, len(records), 7)))
        yield Whole(directory, head, made, len(records))


class World:
    """A copy of it in which the follower comes to one snapshot after another, and sinks get on."""

    def __init__(self, whole: Whole, directory: Path) -> None:
        self.whole = whole
        self.sessions = directory / "sessions"
        shutil.copytree(whole.directory / "sessions" / "s" / "journal", self.sessions / "s" / "journal")
        self.position = dict.fromkeys(SINKS, 0)
        self.waiting = list(whole.snapshots)

    def snapshot(self, _sink: str, _by: int) -> None:
        """The follower's next one, and what it lets go for it."""
        self._snapshot(shipped_to_all(self.sessions, "s", SINKS))

    def by_hand(self, _sink: str, _by: int) -> None:
        """The same of a follower that knows of no sinks."""
        self._snapshot(0)

    def _snapshot(self, shipped: int | None) -> None:
        if self.waiting:
            seq = self.waiting.pop(0)
            path = snapshot_path(self.sessions, "s", seq)
            path.parent.mkdir(exist_ok=True)
            shutil.copy(snapshot_path(self.whole.directory / "sessions", "s", seq), path)
            prune_snapshots(self.sessions, "s", KEEP, goes_on_behind(self.sessions, "s", shipped))

    def ship(self, sink: str, by: int) -> None:
        """The sink has more; its mark does not say so yet."""
        self.position[sink] = min(self.position[sink] + by, self.whole.last_seq)

    def mark(self, sink: str, _by: int) -> None:
        mark(self.sessions, "s", sink, self.position[sink])

    def all_get_on(self, _sink: str, by: int) -> None:
        """As on most days: every sink has more, and says so."""
        for sink in SINKS:
            self.ship(sink, by)
            self.mark(sink, 0)

    def stray(self, sink: str, by: int) -> None:
        """Somebody ships by hand to a place that is not in use, and once only."""
        mark(self.sessions, "s", f"sink-{sink}", by, address="a place of its own")

    def rename(self, sink: str, _by: int) -> None:
        """The same place has another name from now on: no mark says how far it is."""
        (self.sessions / "s" / SHIPPED_NAME / f"{sink}.json").unlink(missing_ok=True)

    def prune(self, _sink: str, _by: int) -> None:
        """The node's part."""
        spare = spare_through(self.sessions, "s", KEEP, shipped_to_all(self.sessions, "s", SINKS))
        prune_segments(self.sessions, "s", spare, LATER_NS)

    def check(self) -> None:
        """Every sink can begin, and has everything that is gone."""
        oldest = segments_of(self.sessions, "s")[0]
        with JournalReader.open(self.sessions, "s") as reader:
            first = reader.header.first_seq
            for position in self.position.values():
                fold = begin_projection(self.sessions, reader.header, position)
                assert first - 1 <= fold.last_seq <= position
        assert first_seq_of(oldest) - 1 <= min(self.position.values())

    def catch_up(self) -> None:
        """Every sink has everything, and its mark says so."""
        self.all_get_on("", 1_000)

    def check_pruned(self) -> None:
        """All has gone but what is worth keeping: the newest snapshots are, and what stands behind the oldest."""
        there = snapshot_positions(self.sessions, "s")
        kept = there[-KEEP:][0] if len(there) >= KEEP else 0
        oldest, following = segments_of(self.sessions, "s")[:2]
        assert first_seq_of(oldest) <= kept + 1
        assert kept < first_seq_of(following) - 1


STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            [
                *(World.snapshot, World.ship, World.ship, World.mark, World.prune),
                *(World.all_get_on, World.all_get_on, World.snapshot, World.prune),
                *(World.by_hand, World.stray, World.rename),
            ]
        ),
        st.sampled_from(sorted(SINKS)),
        st.integers(1, 40),
    ),
    min_size=10,
    max_size=60,
)


@settings(max_examples=30, deadline=None)
@given(steps=STEPS)
def test_every_sink_can_begin_at_any_time(whole: Whole, steps: list[tuple[object, str, int]]) -> None:
    """Whatever order snapshots, shipping, marks and retention take; and no mark of a sink that is not in use keeps
    anything, once those in use are there."""
    with tempfile.TemporaryDirectory() as name:
        world = World(whole, Path(name))
        for step, sink, by in steps:
            step(world, sink, by)  # type: ignore[operator]
            world.check()
        world.catch_up()
        world.prune("", 0)
        world.check_pruned()
        world.check()


def test_retention_gets_on_with_the_sinks(whole: Whole, tmp_path: Path) -> None:
    """Nothing goes while one has nothing; when all are there, all goes but what is worth keeping."""
    world = World(whole, tmp_path)
    for _ in whole.snapshots:
        world.snapshot("", 0)
        world.ship("local", 1_000)
        world.mark("local", 0)
        world.prune("", 0)
    assert 1 == first_seq_of(segments_of(world.sessions, "s")[0])
    world.catch_up()
    world.prune("", 0)
    assert whole.snapshots[-KEEP] == snapshot_positions(world.sessions, "s")[-KEEP]
    world.check_pruned()
    world.check()


def test_a_sink_under_another_name_goes_on(whole: Whole, tmp_path: Path) -> None:
    """It has what is gone, and no mark that says so: what it needs stays until it has one."""
    world = World(whole, tmp_path)
    for _ in range(3 * KEEP):
        world.snapshot("", 0)
    world.all_get_on("", world.waiting[0])
    world.prune("", 0)
    assert 1 < first_seq_of(segments_of(world.sessions, "s")[0])
    world.rename("pg", 0)
    for _ in range(2 * KEEP):
        world.snapshot("", 0)
    world.check()


def test_a_mark_of_a_sink_that_is_not_in_use_holds_nothing(whole: Whole, tmp_path: Path) -> None:
    """One shipped by hand, a year ago: not even a snapshot stays for it."""
    world = World(whole, tmp_path)
    for count, _ in enumerate(whole.snapshots):
        if count == 1:
            world.stray("pg", whole.snapshots[0] + 1)
        world.snapshot("", 0)
        world.catch_up()
    world.prune("", 0)
    assert whole.snapshots[-KEEP:] == snapshot_positions(world.sessions, "s")
    world.check_pruned()
