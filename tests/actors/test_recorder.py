"""The recorder: durable first, then released; a failed commit releases nothing and closes the gate."""

from __future__ import annotations

from pathlib import Path

import pytest

from livestack import failpoints
from livestack.actors.gate import DispatchGate, Hold, Passage
from livestack.actors.mailbox import HarnessMailbox, Mailbox, Told
from livestack.actors.measures import Measures
from livestack.actors.messages import Committed, RecordBatch, Release, SessionEnded
from livestack.actors.progress import Progress
from livestack.actors.recorder import RecorderActor
from livestack.core.events import Recorded, SessionStopping
from livestack.core.types import Origin
from livestack.exceptions import JournalError
from livestack.failpoints import FailpointError
from livestack.journal.quarantine import quarantined
from livestack.journal.reader import JournalReader
from livestack.journal.segment import segment_path
from livestack.journal_settings import JournalSettings
from tests.actors.fakes import BrokenWriter, FakeClock, FakeTimers, dispatched, messages
from tests.journal_support import writer


class Room:
    """A disk with as much room as the test says."""

    def __init__(self) -> None:
        self.bytes_free = 1_000
        self.ballast = True

    def free(self) -> int:
        return self.bytes_free

    def is_low(self) -> bool:
        return self.bytes_free < 500

    def has_returned(self) -> bool:
        return self.bytes_free >= 600

    def release_ballast(self) -> None:
        self.ballast = False

    def restore_ballast(self) -> None:
        if self.bytes_free < 900:
            raise OSError("no room for it")
        self.ballast = True


class Bench:
    """A recorder without a thread."""

    def __init__(
        self, journal, settings: JournalSettings | None = None, measures: Measures | None = None
    ) -> None:
        self.mailbox = Mailbox()
        self.supervisor = Mailbox()
        self.connector = Mailbox()
        self.control = Mailbox()
        self.harness = HarnessMailbox()
        self.progress = Progress()
        self.gate = DispatchGate(["v"])
        self.timers = FakeTimers()
        self.room = Room()
        self.actor = RecorderActor(
            mailbox=self.mailbox,
            supervisor=self.supervisor,
            writer=journal,
            gate=self.gate,
            connectors={"v": self.connector},
            harness=self.harness,
            control=self.control,
            progress=self.progress,
            space=self.room,
            settings=settings or JournalSettings(),
            clock=FakeClock(),
            timers=self.timers,
            measures=measures,
        )
        self.actor.on_start()

    def look(self, bytes_free: int) -> None:
        """A second later the disk has this much room."""
        self.room.bytes_free = bytes_free
        self.timers.fire()
        self.actor.on_receive(messages(self.mailbox))

    def told(self) -> list[str]:
        """What the harness was told, by type and name."""
        return [
            f"{type(event).__name__} {getattr(event, 'name', '')}".strip() for event in messages(self.harness)
        ]


def plain(seq: int) -> Recorded:
    return Recorded(seq, seq, Origin.INPUT, SessionStopping(by="test", reason=""))


def test_commits_what_gathered_then_releases_in_journal_order(tmp_path: Path) -> None:
    """Several batches become one commit; dispatches leave in the order of ``seq``."""
    bench = Bench(writer(tmp_path, "s"))
    bench.actor.on_receive(
        [RecordBatch([plain(1), dispatched(2)]), RecordBatch([plain(3), dispatched(4), dispatched(5)])]
    )
    (release,) = messages(bench.connector)
    assert isinstance(release, Release)
    assert [2, 4, 5] == [dispatch.seq for dispatch in release.dispatches]
    assert 5 == bench.progress.committed
    bench.actor.on_stop()
    stored = list(JournalReader.open(tmp_path / "sessions", "s").records())
    assert [plain(1), dispatched(2), plain(3), dispatched(4), dispatched(5)] == stored


def test_nothing_is_released_before_the_commit(tmp_path: Path) -> None:
    """At the point before the commit no connector has heard of the dispatch."""
    bench = Bench(writer(tmp_path))
    failpoints.arm_from_text("recorder.before_commit=raise")
    try:
        with pytest.raises(FailpointError):
            bench.actor.on_receive([RecordBatch([dispatched(1)])])
    finally:
        failpoints.disarm_all()
    assert [] == messages(bench.connector)
    bench.actor.on_stop()


def test_a_failed_commit_releases_nothing_and_holds_the_gate() -> None:
    """The disk refuses: hold ``journal``, the error goes on, no dispatch is let out."""
    bench = Bench(BrokenWriter())
    with pytest.raises(JournalError):
        bench.actor.on_receive([RecordBatch([dispatched(1)])])
    assert [] == messages(bench.connector)
    assert Hold.JOURNAL is bench.gate.refusal("v", "v:S", Passage.NEW)
    assert 0 == bench.progress.committed


def test_a_failed_commit_is_written_again_elsewhere(tmp_path: Path) -> None:
    """Nothing of the batch leaves, all of it is recorded, its dispatches are told to have failed, and it goes on."""
    bench = Bench(writer(tmp_path, "s"))
    bench.actor.on_receive([RecordBatch([plain(1)])])
    failpoints.arm_from_text("journal.before_append=raise")
    try:
        bench.actor.on_receive([RecordBatch([plain(2), dispatched(3)])])
    finally:
        failpoints.disarm_all()
    assert [] == messages(bench.connector)
    assert ["IncidentOpened journal_write", "DispatchFailed"] == bench.told()
    assert (3, None) == (bench.progress.committed, bench.gate.refusal("v", "v:S", Passage.NEW))
    bench.actor.on_receive([RecordBatch([dispatched(4)])])
    assert [4] == [dispatch.seq for dispatch in messages(bench.connector)[0].dispatches]
    bench.actor.on_stop()
    with JournalReader.open(tmp_path / "sessions", "s") as reader:
        assert (4, 2) == (reader.verify_chain(), len(reader.segments))


def test_a_commit_of_unknown_fate_is_written_again_too(tmp_path: Path) -> None:
    """It stands in the old segment as well; the journal has it once."""
    bench = Bench(writer(tmp_path, "s"))
    failpoints.arm_from_text("journal.after_append=raise@2")
    try:
        bench.actor.on_receive([RecordBatch([plain(1)])])
        bench.actor.on_receive([RecordBatch([plain(2), dispatched(3)])])
    finally:
        failpoints.disarm_all()
    assert [] == messages(bench.connector)
    bench.actor.on_receive([RecordBatch([plain(4)])])
    bench.actor.on_stop()
    with JournalReader.open(tmp_path / "sessions", "s") as reader:
        assert (4, [1, 2, 3, 4]) == (reader.verify_chain(), [record.seq for record in reader.records()])


def test_the_first_commit_of_a_segment_may_fail(tmp_path: Path) -> None:
    """The new segment takes the name; the old one is kept aside with the reason."""
    bench = Bench(writer(tmp_path, "s"))
    failpoints.arm_from_text("journal.after_append=raise")
    try:
        bench.actor.on_receive([RecordBatch([plain(1)])])
    finally:
        failpoints.disarm_all()
    bench.actor.on_stop()
    assert [("00000000000000000001-1", "its first commit failed")] == quarantined(tmp_path / "sessions", "s")
    with JournalReader.open(tmp_path / "sessions", "s") as reader:
        assert 1 == reader.verify_chain()


def test_the_first_commit_of_a_later_segment_may_fail(tmp_path: Path) -> None:
    """The one that takes its place continues the chain of the one before."""
    bench = Bench(writer(tmp_path, "s"), JournalSettings(segment_age_ns=10**9))
    for seq in (1, 2):
        bench.actor.on_receive([RecordBatch([Recorded(seq, seq * 10**9, Origin.INPUT, plain(seq).event)])])
    failpoints.arm_from_text("journal.before_append=raise")
    try:
        bench.actor.on_receive([RecordBatch([Recorded(3, 3 * 10**9, Origin.INPUT, plain(3).event)])])
    finally:
        failpoints.disarm_all()
    bench.actor.on_stop()
    with JournalReader.open(tmp_path / "sessions", "s") as reader:
        assert 3 == reader.verify_chain()


def test_a_segment_that_cannot_be_flushed_takes_no_more(tmp_path: Path) -> None:
    """Found at a rotation: it goes on in a fresh one, with an incident, and trades on."""
    bench = Bench(writer(tmp_path, "s"), JournalSettings(segment_age_ns=10**9))
    bench.actor.on_receive([RecordBatch([plain(1)])])
    failpoints.arm_from_text("journal.before_sync=raise")
    try:
        bench.actor.on_receive([RecordBatch([Recorded(2, 2 * 10**9, Origin.INPUT, plain(2).event)])])
    finally:
        failpoints.disarm_all()
    assert ["IncidentOpened journal_write"] == bench.told()
    assert bench.gate.refusal("v", "v:S", Passage.NEW) is None
    bench.actor.on_receive([RecordBatch([plain(3)])])
    bench.actor.on_stop()
    with JournalReader.open(tmp_path / "sessions", "s") as reader:
        assert (3, [1, 3]) == (reader.verify_chain(), [int(path.name) for path in reader.segments])


def test_a_segment_is_sealed_at_its_size(tmp_path: Path) -> None:
    """The commit that fills it is its last."""
    bench = Bench(writer(tmp_path, "s"), JournalSettings(segment_bytes=65_536))
    for seq in range(1, 4_001):
        bench.actor.on_receive([RecordBatch([plain(seq)])])
    bench.actor.on_stop()
    with JournalReader.open(tmp_path / "sessions", "s") as reader:
        assert 4_000 == reader.verify_chain()
        assert len(reader.segments) in range(2, 6)


def test_a_segment_is_sealed_at_its_age(tmp_path: Path) -> None:
    """By the Events' own time."""
    bench = Bench(writer(tmp_path, "s"), JournalSettings(segment_age_ns=10**9))
    for seq, ts in ((1, 1), (2, 10**9), (3, 10**9 + 1), (4, 10**9 + 2)):
        bench.actor.on_receive([RecordBatch([Recorded(seq, ts, Origin.INPUT, plain(seq).event)])])
    bench.actor.on_stop()
    with JournalReader.open(tmp_path / "sessions", "s") as reader:
        assert [1, 4] == [int(path.name) for path in reader.segments]


def test_what_the_disk_refused_once_is_over_with_the_next_whole_segment(tmp_path: Path) -> None:
    """Until then the incident stays open; it is closed once."""
    bench = Bench(writer(tmp_path, "s"), JournalSettings(segment_age_ns=10**9))
    bench.actor.on_receive([RecordBatch([plain(1)])])
    failpoints.arm_from_text("journal.before_append=raise")
    try:
        bench.actor.on_receive([RecordBatch([plain(2)])])
    finally:
        failpoints.disarm_all()
    assert ["IncidentOpened journal_write"] == bench.told()
    bench.actor.on_receive([RecordBatch([plain(3)])])
    assert [] == bench.told()
    late = Recorded(4, 100 * 10**9, Origin.INPUT, plain(4).event)
    bench.actor.on_receive([RecordBatch([late])])
    assert ["IncidentClosed journal_write"] == bench.told()
    later = Recorded(5, 200 * 10**9, Origin.INPUT, plain(5).event)
    bench.actor.on_receive([RecordBatch([later])])
    assert [] == bench.told()
    bench.actor.on_stop()


def test_a_rotation_that_fails_waits_a_minute(tmp_path: Path) -> None:
    """The present segment goes on meanwhile."""
    bench = Bench(writer(tmp_path, "s"), JournalSettings(segment_age_ns=10**9))
    (segment_path(tmp_path / "sessions", "s", 3)).mkdir()
    for seq in (1, 2, 3, 4):
        bench.actor.on_receive([RecordBatch([Recorded(seq, seq * 10**9, Origin.INPUT, plain(seq).event)])])
    assert 4 == bench.progress.committed
    late = Recorded(5, 100 * 10**9, Origin.INPUT, plain(5).event)
    bench.actor.on_receive([RecordBatch([late])])
    bench.actor.on_stop()
    segment_path(tmp_path / "sessions", "s", 3).rmdir()
    with JournalReader.open(tmp_path / "sessions", "s") as reader:
        assert [1, 6] == [int(path.name) for path in reader.segments]


def test_a_low_disk_stops_trading_until_there_is_room_again(tmp_path: Path) -> None:
    """New orders and market data wait outside, with an incident; what venues say is still recorded."""
    bench = Bench(writer(tmp_path, "s"))
    bench.look(499)
    assert (Hold.JOURNAL, True) == (bench.gate.refusal("v", "v:S", Passage.NEW), bench.harness.held)
    assert bench.gate.refusal("v", "v:S", Passage.CANCEL) is None
    assert ["IncidentOpened journal_room"] == bench.told()
    bench.actor.on_receive([RecordBatch([plain(1)])])
    assert 1 == bench.progress.committed
    bench.look(550)
    assert bench.harness.held  # a little more is not enough: it would swing
    bench.look(700)
    assert bench.harness.held  # the ballast does not fit yet
    bench.look(1_000)
    assert (None, False) == (bench.gate.refusal("v", "v:S", Passage.NEW), bench.harness.held)
    assert ["IncidentClosed journal_room"] == bench.told()
    bench.actor.on_stop()


def test_a_full_disk_takes_the_ballast(tmp_path: Path) -> None:
    """A commit fails for want of room: the ballast goes, the batch is written, the hold stays."""
    bench = Bench(writer(tmp_path, "s"))
    bench.room.bytes_free = 0
    failpoints.arm_from_text("journal.before_append=raise")
    try:
        bench.actor.on_receive([RecordBatch([dispatched(1)])])
    finally:
        failpoints.disarm_all()
    assert (1, False) == (bench.progress.committed, bench.room.ballast)
    assert Hold.JOURNAL is bench.gate.refusal("v", "v:S", Passage.NEW)
    bench.actor.on_stop()


def test_a_stop_writes_what_was_handed_over_and_releases_nothing(tmp_path: Path) -> None:
    """Events that the Core has seen are kept; their dispatches stay here."""
    bench = Bench(writer(tmp_path, "s"))
    bench.mailbox.tell(RecordBatch([plain(1), dispatched(2)]))
    bench.actor.on_stop()
    assert [] == messages(bench.connector)
    assert 2 == JournalReader.open(tmp_path / "sessions", "s").last_seq()


def test_the_end_of_the_session_is_told_once_durable(tmp_path: Path) -> None:
    """The supervisor hears of it with the last position."""
    bench = Bench(writer(tmp_path))
    bench.actor.on_receive([RecordBatch([plain(1)]), RecordBatch([plain(2)], True)])
    assert [SessionEnded(2)] == messages(bench.supervisor)
    bench.actor.on_stop()


def test_lets_market_data_through_again(tmp_path: Path) -> None:
    """A harness that paused because too much was not durable goes on after the commit."""
    bench = Bench(writer(tmp_path))
    bench.harness.paused = True
    bench.actor.on_receive([RecordBatch([plain(1)])])
    assert not bench.harness.paused
    bench.actor.on_stop()


def test_answers_behind_the_last_event_do_not_hide_the_end(tmp_path: Path) -> None:
    """A view that was asked for at the very end comes in a batch of its own, without Events."""
    bench, somebody = Bench(writer(tmp_path, "s")), Mailbox()
    last = RecordBatch([plain(1)], final=True)
    bench.actor.on_receive([last, RecordBatch([], told=(Told(somebody, "view"),))])
    assert [SessionEnded(1)] == messages(bench.supervisor)
    assert ["view"] == messages(somebody)


def test_what_is_told_is_told_behind_its_commit(tmp_path: Path) -> None:
    """With records or without; never of a batch that is not durable."""
    somebody = Mailbox()
    bench = Bench(writer(tmp_path, "s"))
    bench.actor.on_receive(
        [RecordBatch([plain(1)], told=(Told(somebody, "a"),)), RecordBatch([], told=(Told(somebody, "b"),))]
    )
    assert ["a", "b"] == messages(somebody)
    broken = Bench(BrokenWriter())
    with pytest.raises(JournalError):
        broken.actor.on_receive([RecordBatch([plain(1)], told=(Told(somebody, "c"),))])
    assert [] == messages(somebody)


def test_batches_go_to_control_while_somebody_follows(tmp_path: Path) -> None:
    """Durable ones, and none while nobody does."""
    bench = Bench(writer(tmp_path, "s"))
    bench.actor.on_receive([RecordBatch([plain(1)])])
    bench.progress.followed = True
    bench.actor.on_receive([RecordBatch([plain(2)]), RecordBatch([plain(3)])])
    assert [Committed([plain(2), plain(3)])] == messages(bench.control)
