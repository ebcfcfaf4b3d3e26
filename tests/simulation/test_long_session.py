"""An hour of trading on virtual time: segments, snapshots, retention; then a crash, and a way back from everywhere."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest

from livestack.core.configuration import Configuration
from livestack.core.events import IntentDispatched, OrderFill
from livestack.journal.format import source_digest
from livestack.journal.reader import JournalReader
from livestack.journal.restoring import snapshot_positions
from livestack.journal.retention import prune_segments
from livestack.journal.segment import first_seq_of, segments_of
from livestack.journal.snapshots import snapshot_path
from livestack.node.recovery import Recovered, recover
from livestack.research.replay import replay
from livestack.settings import load
from livestack.simulator.binance_spot.signing import make_keys
from livestack.simulator.binance_spot.venue import BinanceSpotVenue, VenueSettings
from livestack.strategies.loading import load_strategy, strategy_source
from tests.live import configuration
from tests.live.strategies import market_maker
from tests.simulation.scheduler import START_NS
from tests.simulation.test_node import ENVIRONMENT, SYMBOL
from tests.simulation.world import World
from tests.support import Process

HOUR_S = 3_600
PART_S = 400
"""Of session time between two runs of the follower; a segment is sealed after nine minutes."""

KEPT = 4
"""Snapshots that stay."""

LONG_AFTER_NS = 1 << 62
"""Every segment is old enough: files know the machine's time and not the session's."""


class Hour:
    """The session's end, and what happened on the way: ``first_seqs`` of every segment, of those that ``went``."""

    def __init__(self, directory: Path) -> None:
        path = configuration.write(directory, [SYMBOL], market_maker(SYMBOL), durability="relaxed")
        path.write_text(path.read_text().replace("[journal]\n", '[journal]\nsegment_age = "9m"\n'))
        settings, self.rules = load(path, ENVIRONMENT)
        venue = BinanceSpotVenue(make_keys(1), random.Random(1), START_NS, VenueSettings(symbols=1, rate=1))
        self.world = World(1, directory, settings, self.rules, venue)
        self.directory = directory
        self.session = self.world.session
        self.first_seqs: set[int] = set()
        self.went: list[int] = []
        self.snapshots: set[int] = set()
        for _ in range(HOUR_S // PART_S):
            self.world.run(PART_S)
            self._follow()
        self.world.run(7)
        self.world.launcher.actor("recorder")._writer.close()  # the process is gone between two steps

    def _follow(self) -> None:
        """The follower, in its own process, up to here, where it leaves a snapshot; then retention."""
        sessions = self.world.sessions
        self.first_seqs |= {first_seq_of(path) for path in segments_of(sessions, self.session)}
        options = ["--data-dir", str(self.directory), "--snapshot-every", "24h", "--keep", str(KEPT)]
        with Process(["follower", self.session, *options], self.directory) as process:
            assert 0 == process.finish(60)[0], process.stderr()
        self.snapshots |= set(snapshot_positions(sessions, self.session))
        oldest = snapshot_positions(sessions, self.session)[0]
        self.went += prune_segments(sessions, self.session, oldest, LONG_AFTER_NS)


@pytest.fixture(scope="module")
def hour(tmp_path_factory: pytest.TempPathFactory) -> Hour:
    return Hour(tmp_path_factory.mktemp("hour"))


def strategy(rules: Configuration) -> object:
    return load_strategy(rules.strategy.path, rules.strategy.parameters)


def recovered(hour: Hour, directory: Path, snapshot_seq: int) -> Recovered:
    """From a copy of the data directory with this one snapshot."""
    shutil.copytree(hour.world.sessions, directory / "sessions")
    for seq in snapshot_positions(directory / "sessions", hour.session):
        if seq != snapshot_seq:
            snapshot_path(directory / "sessions", hour.session, seq).unlink()
    digest = source_digest(strategy_source(hour.rules.strategy.path))
    found = recover(directory / "sessions", hour.session, hour.rules, digest, strategy)  # type: ignore[arg-type]
    assert found is not None
    return found


def test_it_rotates_and_prunes_and_writes_itself_down(hour: Hour) -> None:
    """At least five rotations, a snapshot at each look, and old segments gone, in order; the session traded."""
    assert 6 <= len(hour.first_seqs)
    assert HOUR_S // PART_S == len(hour.snapshots)
    # Beside the newest ones stays the one behind which the journal's beginning goes on.
    assert KEPT + 1 == len(snapshot_positions(hour.world.sessions, hour.session))
    assert hour.went
    assert sorted(hour.first_seqs)[: len(hour.went)] == hour.went
    left = segments_of(hour.world.sessions, hour.session)
    assert 2 <= len(left)
    with JournalReader.open(hour.world.sessions, hour.session) as reader:
        kinds = {type(record.event) for record in reader.records()}
    assert {IntentDispatched, OrderFill} <= kinds


def test_every_snapshot_leads_to_the_same_state(hour: Hour, tmp_path: Path) -> None:
    """Whichever of them is the only one left."""
    positions = snapshot_positions(hour.world.sessions, hour.session)
    digests = set()
    for position in positions:
        found = recovered(hour, tmp_path / str(position), position)
        assert (position, found.last_seq - position) == (found.snapshot_seq, found.events)
        digests.add((found.last_seq, found.last_ts, found.chain, found.runtime.state.digest()))
    assert 1 == len(digests)


def test_what_is_left_replays_identically(hour: Hour, tmp_path: Path) -> None:
    """From behind the first snapshot that the journal still reaches, and it says that this is not the whole session."""
    shutil.copytree(hour.world.sessions, tmp_path / "sessions")
    with JournalReader.open(tmp_path / "sessions", hour.session) as reader:
        last_seq = reader.last_seq()
        result = replay(reader)
    oldest = snapshot_positions(hour.world.sessions, hour.session)[0]
    assert (True, False, True) == (result.identical, result.complete, result.chain_ok)
    assert oldest + 1 == result.from_seq
    assert [(oldest + 1, last_seq)] == result.replayed
    assert [(1, oldest)] == result.not_replayed
    assert recovered(hour, tmp_path / "again", oldest).runtime.state.digest() == result.digest
