"""From a snapshot to a fold that goes on from it."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from livestack.core.configuration import Configuration
from livestack.core.events import Recorded
from livestack.core.strategy import Strategy
from livestack.exceptions import RecoveryError
from livestack.journal.format import SegmentHeader
from livestack.journal.restoring import begin, begin_at, begin_projection, restored, snapshot_positions
from livestack.journal.snapshots import read_snapshot, snapshot_path, write_snapshot
from livestack.strategies.loading import load_strategy
from tests.core.projecting import different
from tests.research.sessions import CLOSING, header, keep_snapshots, opening, quotes, record, rules

Session = tuple[Path, Configuration, SegmentHeader, list[Recorded], list[int]]


def strategy(configuration: Configuration) -> Strategy:
    return load_strategy(configuration.strategy.path, configuration.strategy.parameters)


@pytest.fixture
def session(tmp_path: Path) -> Session:
    """A session's records, and snapshots at two of its positions."""
    configuration = rules(tmp_path)
    head = header("s", configuration)
    records = record(configuration, [*opening("s"), *quotes(100), *CLOSING])
    kept = keep_snapshots(tmp_path, head, configuration, records, [40, 80])
    return tmp_path / "sessions", configuration, head, records, kept


def test_folds_on_from_the_newest(session: Session) -> None:
    """Not newer than where the journal ends; the rest comes out as it was recorded."""
    sessions, configuration, head, records, kept = session
    assert kept == snapshot_positions(sessions, "s")
    for last_seq, expected in [(len(records), kept[1]), (kept[1] - 1, kept[0]), (kept[0] - 1, 0)]:
        fold, seq = begin(sessions, head, last_seq, configuration, strategy)
        assert (expected, expected) == (seq, fold.last_seq)
        assert all(fold.take(one) for one in records[seq:])
        assert fold.ends_whole()


def test_goes_on_at_exactly_one_position(session: Session) -> None:
    """The start, or right behind a snapshot; nowhere else."""
    sessions, configuration, head, _, kept = session
    found = {
        seq: begin_at(sessions, head, seq, configuration, strategy) is not None
        for seq in (1, 2, kept[0], kept[0] + 1)
    }
    assert {1: True, 2: False, kept[0]: False, kept[0] + 1: True} == found


@pytest.mark.parametrize("changes", [{"digest": "other"}, {"strategy_digest": "other"}, {"state": b"other"}])
def test_what_is_not_what_it_says_is_passed_over(session: Session, changes: dict[str, object]) -> None:
    """Another digest, another strategy, bytes of something else: the older one takes its place."""
    sessions, configuration, head, records, kept = session
    newest = read_snapshot(snapshot_path(sessions, "s", kept[1]))
    assert newest is not None
    changed = msgspec.structs.replace(newest, **changes)
    write_snapshot(sessions, changed)
    assert restored(changed, head, strategy(configuration).memory_type) is None
    assert kept[0] == begin(sessions, head, len(records), configuration, strategy)[1]
    assert begin_at(sessions, head, kept[1] + 1, configuration, strategy) is None


def test_a_journal_that_begins_later_than_every_snapshot_is_refused(session: Session) -> None:
    """What lies between is gone; nothing is guessed."""
    sessions, configuration, head, records, kept = session
    later = msgspec.structs.replace(head, first_seq=kept[1] + 10)
    with pytest.raises(RecoveryError, match="begins later"):
        begin(sessions, later, len(records), configuration, strategy)


def test_a_projection_needs_no_strategy(session: Session) -> None:
    """From the newest snapshot at or before a position, or the start, State is as of whoever decides it."""
    sessions, configuration, head, records, kept = session
    fold, _ = begin(sessions, head, kept[0] - 1, configuration, strategy)
    for one in records:
        fold.take(one)
    for seq, expected in [(len(records), kept[1]), (kept[1] - 1, kept[0]), (kept[0], kept[0]), (1, 0)]:
        projection = begin_projection(sessions, head, seq)
        assert (expected, None) == (projection.last_seq, projection.state.control.memory)
        for one in records[expected:]:
            projection.take(one)
        assert {} == different(fold.runtime.state, projection.state)


@pytest.mark.parametrize("changes", [{"digest": "other"}, {"strategy_digest": "other"}, {"state": b"other"}])
def test_a_projection_believes_no_other_snapshot_either(session: Session, changes: dict[str, object]) -> None:
    """Its digest covers a memory whose type nobody has to know."""
    sessions, _, head, records, kept = session
    newest = read_snapshot(snapshot_path(sessions, "s", kept[1]))
    assert newest is not None
    write_snapshot(sessions, msgspec.structs.replace(newest, **changes))
    assert kept[0] == begin_projection(sessions, head, len(records)).last_seq


def test_a_projection_of_a_journal_that_begins_later_is_refused(session: Session) -> None:
    """As any other fold is."""
    sessions, _, head, records, kept = session
    with pytest.raises(RecoveryError, match="begins later"):
        begin_projection(sessions, msgspec.structs.replace(head, first_seq=kept[1] + 10), len(records))


def test_no_snapshots_are_no_positions(tmp_path: Path) -> None:
    """Nor is a session without that directory."""
    assert [] == snapshot_positions(tmp_path, "s")
