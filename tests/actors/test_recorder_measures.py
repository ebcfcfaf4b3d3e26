"""What is measured at the recorder."""

from __future__ import annotations

from pathlib import Path

from livestack import failpoints
from livestack.actors.measures import Measures
from livestack.actors.messages import RecordBatch
from livestack.telemetry.instruments import Registry
from tests.actors.fakes import FakeClock
from tests.actors.test_feed_measures import values
from tests.actors.test_recorder import Bench, plain
from tests.journal_support import writer


def test_a_commit_is_timed_and_weighed(tmp_path: Path) -> None:
    """However many batches are in it; the room that is left is read."""
    journal, registry = writer(tmp_path, "s"), Registry()
    bench = Bench(journal, measures=Measures(registry, FakeClock()))
    bench.actor.on_receive([RecordBatch([plain(1), plain(2)]), RecordBatch([plain(3)])])
    bench.actor.on_receive([RecordBatch([plain(4)])])
    (size,) = values(registry, "journal.batch").values()
    assert (2, 4, 3) == (size.count, size.total, size.most)
    assert [2] == [commit.count for commit in values(registry, "journal.commit").values()]
    assert {(): 4} == values(registry, "journal.records")
    assert {(): journal.segment_bytes} == values(registry, "journal.bytes")
    assert ({(): 1_000}, {(): 0}) == (values(registry, "journal.free"), values(registry, "journal.failures"))


def test_a_commit_that_the_disk_refused_is_counted(tmp_path: Path) -> None:
    """What was written again into a new segment is written once."""
    journal, registry = writer(tmp_path, "s"), Registry()
    bench = Bench(journal, measures=Measures(registry, FakeClock()))
    bench.actor.on_receive([RecordBatch([plain(1)])])
    before = journal.segment_bytes
    failpoints.arm_from_text("journal.after_append=raise@1")
    try:
        bench.actor.on_receive([RecordBatch([plain(2)])])
    finally:
        failpoints.disarm_all()
    assert {(): 2} == values(registry, "journal.records")
    assert {(): before + journal.segment_bytes} == values(registry, "journal.bytes")
    assert {(): 1} == values(registry, "journal.failures")
