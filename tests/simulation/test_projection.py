"""The record of a whole node with a venue of every fault: what it says of State is what the Core decided by."""

from __future__ import annotations

from pathlib import Path

import pytest

from livestack.core.events import InputEvent, Recorded
from livestack.core.projection import Projection
from livestack.core.runtime import CoreRuntime
from livestack.core.types import Origin
from livestack.journal.format import SegmentHeader
from livestack.journal.reader import JournalReader
from livestack.journal.restoring import begin_projection
from livestack.journal.snapshots import write_snapshot
from livestack.node.snapshotting import snapshot_of
from livestack.research.replay import configuration_of, strategy_of
from tests.core.projecting import different
from tests.simulation.chaos import Chaos

EVERY = 50
"""Market Events between two comparisons; behind any other Event there is one."""


def compared(sessions: Path, header: SegmentHeader, stream: list[Recorded]) -> CoreRuntime:
    """A Core fed once more, and a projection beside it; a snapshot of the middle is kept."""
    configuration = configuration_of(header)
    runtime = CoreRuntime(configuration, strategy_of(header, configuration))
    projection = begin_projection(sessions, header, 0)
    for at, record in enumerate(stream):
        if record.origin is Origin.INPUT:
            event: InputEvent = record.event  # type: ignore[assignment]
            derived = runtime.step(record.seq, record.ts, event).derived
        projection.take(record)
        ends = at + 1 == len(stream) or stream[at + 1].origin is Origin.INPUT
        if ends and (derived or record.seq % EVERY == 0 or "instrument" not in event.__struct_fields__):
            assert {} == different(runtime.state, projection.state), f"behind {record}"
        if ends and at < len(stream) // 2 <= at + 40:
            write_snapshot(sessions, snapshot_of(runtime.state, header, record.seq))
    return runtime


@pytest.mark.parametrize("seed", range(500, 504))
def test_the_record_says_what_the_core_knew(seed: int, tmp_path: Path) -> None:
    """After whole positions of it, and at its end from a snapshot in the middle: the same digest as from the start."""
    chaos = Chaos(seed, tmp_path)
    chaos.run()
    with JournalReader.open(chaos.world.sessions, chaos.world.session) as reader:
        header, stream = reader.header, list(reader.records())
    runtime = compared(chaos.world.sessions, header, stream)
    ends: list[Projection] = []
    for seq in (0, len(stream)):
        projection = begin_projection(chaos.world.sessions, header, seq)
        assert (seq == 0) is (projection.last_seq == 0)
        for record in stream[projection.last_seq :]:
            projection.take(record)
        assert {} == different(runtime.state, projection.state)
        ends.append(projection)
    assert ends[0].state.digest() == ends[1].state.digest()
