"""The one snapshot of a session without a follower: where its journal ends, or not at all."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from livestack.core.events import CheckpointRequested, Recorded
from livestack.core.runtime import CoreRuntime
from livestack.core.state import State
from livestack.core.types import Origin
from livestack.exceptions import JournalError
from livestack.journal.reader import JournalReader
from livestack.journal.restoring import begin
from livestack.node.snapshotting import snapshot_at_stop, snapshot_of
from livestack.strategies.loading import load_strategy
from tests.node.forgetful import Remembering
from tests.research.sessions import CLOSING, WALL_NS, header, opening, quotes, record, rules, store


def folded(directory: Path, records: list[Recorded]) -> CoreRuntime:
    """A Core as the harness leaves it behind ``records``."""
    configuration = rules(directory)
    runtime = CoreRuntime(
        configuration, load_strategy(configuration.strategy.path, configuration.strategy.parameters)
    )
    for one in records:
        if one.origin is Origin.INPUT:
            runtime.step(one.seq, one.ts, one.event)  # type: ignore[arg-type]
    return runtime


def session(directory: Path) -> list[Recorded]:
    return record(rules(directory), [*opening("s"), *quotes(300), *CLOSING])


def test_the_next_look_begins_there(tmp_path: Path) -> None:
    """What is derived from the last input is covered: nothing is left to fold."""
    records = session(tmp_path)
    store(tmp_path, header("s", rules(tmp_path)), records)
    runtime = folded(tmp_path, records)
    assert Origin.DERIVED is records[-1].origin
    assert len(records) == snapshot_at_stop(tmp_path / "sessions", "s", runtime)
    with JournalReader.open(tmp_path / "sessions", "s") as reader:
        fold, seq = begin(
            tmp_path / "sessions",
            reader.header,
            reader.last_seq(),
            rules(tmp_path),
            lambda one: load_strategy(one.strategy.path, one.strategy.parameters),
        )
        assert [] == list(reader.records(fold.last_seq + 1))
    assert len(records) == seq
    assert runtime.state.digest() == fold.runtime.state.digest()


def test_what_was_not_committed_is_not_written_down(tmp_path: Path) -> None:
    """A Core that is ahead of its journal is not what the journal says."""
    records = session(tmp_path)
    store(tmp_path, header("s", rules(tmp_path)), records)
    runtime = folded(tmp_path, records)
    runtime.step(len(records) + 1, WALL_NS * 2, CheckpointRequested(by="test"))
    assert 0 == snapshot_at_stop(tmp_path / "sessions", "s", runtime)
    assert not (tmp_path / "sessions" / "s" / "snapshots").exists()


def test_a_core_that_is_behind_is_not_written_down(tmp_path: Path) -> None:
    """Or Events would be folded twice."""
    records = session(tmp_path)
    store(tmp_path, header("s", rules(tmp_path)), records)
    inputs = [one for one in records if one.origin is Origin.INPUT]
    assert 0 == snapshot_at_stop(tmp_path / "sessions", "s", folded(tmp_path, inputs[:50]))


def test_nothing_happened_yet(tmp_path: Path) -> None:
    """A Core without an Event has nothing to be kept."""
    store(tmp_path, header("s", rules(tmp_path)), session(tmp_path))
    assert 0 == snapshot_at_stop(tmp_path / "sessions", "s", folded(tmp_path, []))


def test_a_memory_without_a_form_is_refused(tmp_path: Path) -> None:
    """With a sentence that says where."""
    strategy = Remembering(msgspec.Struct)
    state: State = CoreRuntime(rules(tmp_path), strategy).state
    state.control.memory.seen = 0.5
    with pytest.raises(JournalError, match="State after seq 7 cannot be written down: TypeError"):
        snapshot_of(state, header("s", rules(tmp_path)), 7)
