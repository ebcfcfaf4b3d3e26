"""The recorder: durable first, then released; a failed commit releases nothing and closes the gate."""

from __future__ import annotations

from pathlib import Path

import pytest

from livestack import failpoints
from livestack.actors.gate import DispatchGate, Hold, Passage
from livestack.actors.mailbox import HarnessMailbox, Mailbox
from livestack.actors.messages import RecordBatch, Release, SessionEnded
from livestack.actors.progress import Progress
from livestack.actors.recorder import RecorderActor
from livestack.core.events import Recorded, SessionStopping
from livestack.core.types import Origin
from livestack.exceptions import JournalError
from livestack.failpoints import FailpointError
from livestack.journal.reader import JournalReader
from tests.actors.fakes import BrokenWriter, dispatched, messages
from tests.journal_support import writer


class Bench:
    """A recorder without a thread."""

    def __init__(self, journal) -> None:
        self.mailbox = Mailbox()
        self.supervisor = Mailbox()
        self.connector = Mailbox()
        self.harness = HarnessMailbox()
        self.progress = Progress()
        self.gate = DispatchGate(["v"])
        self.actor = RecorderActor(
            mailbox=self.mailbox,
            supervisor=self.supervisor,
            writer=journal,
            gate=self.gate,
            connectors={"v": self.connector},
            harness=self.harness,
            progress=self.progress,
        )


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
