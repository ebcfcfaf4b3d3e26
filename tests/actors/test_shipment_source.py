"""The journal as a shipper reads it: whole commits, in one piece, and none that a power loss may take."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest

from livestack.actors.shipment_source import FLUSH_AFTER_NS, JournalSource
from livestack.exceptions import JournalFormatError, RecoveryError
from livestack.journal import reader
from livestack.journal.quarantine import abandon
from livestack.journal.reader import JournalReader
from livestack.journal.segment import segments_of
from livestack.journal.writer import JournalWriter
from tests.actors.fakes import FakeClock
from tests.actors.shipping import Growing, Writing, header, session, stored


@pytest.fixture(scope="module", name="writing")
def _writing() -> Iterator[Writing]:
    process = Writing()
    yield process
    process.end()


def source(directory: Path, live: bool = False, clock: FakeClock | None = None) -> JournalSource:
    return JournalSource(directory / "sessions", "s", live, (clock or FakeClock()).now_ns)


def ends(reading: JournalSource, from_seq: int = 1) -> list[int]:
    """The last position of each commit."""
    return [records[-1].seq for records in reading.commits(from_seq)]


def test_it_hands_out_whole_commits(tmp_path: Path) -> None:
    """From anywhere, each Event once, and every commit ends where a step ends."""
    whole = stored(tmp_path)
    reading = source(tmp_path)
    commits = list(reading.commits(1))
    assert whole.records == [record for records in commits for record in records]
    assert {records[-1].seq for records in commits} <= set(whole.steps)
    middle = commits[3][-1].seq
    assert whole.records[middle:] == [record for records in reading.commits(middle + 1) for record in records]
    assert (True, False) == (reading.has(whole.steps[-1]), reading.has(whole.steps[-1] + 1))
    assert whole.steps[-1] == reading.last_seq()
    reading.close()


def test_a_gap_is_not_passed_over(tmp_path: Path) -> None:
    """A segment that is gone, and was not read yet."""
    stored(tmp_path)
    reading = source(tmp_path)
    shutil.rmtree(segments_of(tmp_path / "sessions", "s")[0])
    assert reading.has(1)
    with pytest.raises(RecoveryError, match="begins later"):
        ends(reading)
    assert int(segments_of(tmp_path / "sessions", "s")[0].name) == reading.header.first_seq
    reading.close()


def test_no_journal_is_said(tmp_path: Path) -> None:
    """Where there is none, or none yet."""
    with pytest.raises(JournalFormatError, match="holds no journal segment"):
        source(tmp_path)


def test_headers_are_those_of_the_segments(tmp_path: Path) -> None:
    """A resumed session may have another one from there on."""
    stored(tmp_path)
    reading = source(tmp_path)
    firsts = [int(segment.name) for segment in segments_of(tmp_path / "sessions", "s")]
    for first, following in pairwise(firsts):
        for seq in (first, following - 1):
            assert first == reading.header_at(seq).first_seq
    assert firsts[-1] == reading.header_at(1 << 40).first_seq
    assert firsts[0] == reading.header_at(1).first_seq
    assert reading.header_at(firsts[1]) is reading.header_at(firsts[1] + 1)
    reading.close()


def test_times_are_those_of_the_events(tmp_path: Path) -> None:
    """Of the first one that is there, where nothing was passed."""
    whole = stored(tmp_path)
    reading = source(tmp_path)
    assert whole.records[0].ts == reading.ts_of(0)
    assert whole.records[50].ts == reading.ts_of(51)
    assert 0 == reading.ts_of(1 << 40)
    reading.close()


def test_in_full_durability_nothing_is_held_back(tmp_path: Path, writing: Writing) -> None:
    """What can be read is on the disk."""
    writing.begin(tmp_path, durability="full").commit(3)
    reading = source(tmp_path, live=True)
    assert [writing.last_seq] == ends(reading)
    reading.close()
    writing.close()


def test_in_relaxed_durability_the_newest_commit_waits(tmp_path: Path, writing: Writing) -> None:
    """For another one behind it, or for a flush from here; a session that does not say counts as such."""
    for place, durability in (("a", "relaxed"), ("b", "")):
        directory, clock = tmp_path / place, FakeClock()
        first = writing.begin(directory, durability=durability).commit(3)
        reading = source(directory, live=True, clock=clock)
        assert [] == ends(reading)
        second = writing.commit(3)
        assert [first] == ends(reading)
        clock.time_ns += FLUSH_AFTER_NS
        assert [first, second] == ends(reading)
        assert [second] == ends(reading, first + 1)
        third = writing.commit(3)
        assert [second] == ends(reading, first + 1)
        reading.finish()
        assert [third] == ends(reading, second + 1)
        reading.close()
        writing.close()


def test_what_is_held_back_was_flushed_when_it_leaves(
    tmp_path: Path, writing: Writing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file that the commit stands in, before it is handed out."""
    last = writing.begin(tmp_path, durability="relaxed").commit(3)
    flushed: list[str] = []
    monkeypatch.setattr(os, "fdatasync", lambda file: flushed.append(os.readlink(f"/proc/self/fd/{file}")))
    clock = FakeClock()
    reading = source(tmp_path, live=True, clock=clock)
    assert [] == ends(reading)
    assert [] == flushed
    clock.time_ns += FLUSH_AFTER_NS
    assert [last] == ends(reading)
    assert [str(segments_of(tmp_path / "sessions", "s")[-1] / "data.mdb")] == flushed
    reading.close()
    writing.close()


def test_durability_is_that_of_the_commits_own_segment(tmp_path: Path) -> None:
    """A session that was resumed with another one, whether anything before it was read or not."""
    growing = Growing(tmp_path, durability="full")
    middle = growing.commit(10)
    resumed = msgspec.structs.replace(
        header(), first_seq=middle + 1, previous_chain=growing.writer.chain, durability="relaxed"
    )
    growing.writer.close()
    writer = JournalWriter.create(tmp_path / "sessions", resumed, "relaxed")
    last = growing.whole.steps[12]
    writer.commit(growing.whole.records[middle:last])
    writer.close()
    for from_seq in (1, middle + 1):
        clock = FakeClock()
        reading = source(tmp_path, live=True, clock=clock)
        assert last not in ends(reading, from_seq)
        clock.time_ns += FLUSH_AFTER_NS
        assert last == ends(reading, from_seq)[-1]
        reading.close()


def test_links_are_those_of_the_chain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of every commit, in every segment, while others are handed out; of what has left the last link is known."""
    whole = stored(tmp_path)
    monkeypatch.setattr(reader, "COPY_MAX", 5)
    links: dict[int, str] = {}
    for segment in segments_of(tmp_path / "sessions", "s"):
        with JournalReader([segment], live=False) as one:
            seq, link = one.tail()
            links[seq] = link.hex()
    first, middle, last = links
    reading = source(tmp_path)
    for records in reading.commits(1):
        assert records == whole.records[records[0].seq - 1 : records[-1].seq]
        assert reading.link_at(records[-1].seq)
        assert links[first] == reading.link_at(first)
    assert links == {seq: reading.link_at(seq) for seq in links}
    assert links[last] == reading.link_at(last + 7)
    inside = reading.link_at(first + 1)
    assert links[first] == inside  # the commit behind it ends later
    shutil.rmtree(segments_of(tmp_path / "sessions", "s")[0])
    assert reading.has(middle)
    assert (links[first], "") == (reading.link_at(first), reading.link_at(first - 1))
    for segment in segments_of(tmp_path / "sessions", "s"):
        (segment / "data.mdb").write_bytes(b"\xff" * 65_536)
    reading.close()
    assert "" == reading.link_at(middle)


def test_it_follows_into_new_segments(tmp_path: Path, writing: Writing) -> None:
    """And lets the old one go, so that its space can be freed."""
    first = writing.begin(tmp_path).commit(5)
    reading = source(tmp_path, live=True)
    assert [first] == ends(reading)
    writing.rotate()
    second = writing.commit(5)
    assert reading.has(first + 1)
    assert [second] == ends(reading, first + 1)
    assert first + 1 == reading.header_at(second).first_seq
    reading.close()
    writing.close()


def test_whether_more_can_come(tmp_path: Path) -> None:
    """Not to a session that stopped in order, nor to one that was given up; to an interrupted one it can."""
    stored(tmp_path)
    reading = source(tmp_path)
    assert reading.has_ended()
    reading.close()
    Growing(tmp_path / "other", session(1, 60, False)).close()
    reading = source(tmp_path / "other")
    assert not reading.has_ended()
    abandon(tmp_path / "other" / "sessions", "s", "nobody wants it")
    assert reading.has_ended()
    reading.close()
