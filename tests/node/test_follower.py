"""The follower on real journals: it agrees with what was done, writes State down, and finds what is not so."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec
import pytest

from livestack.core.configuration import Configuration
from livestack.core.events import InputEvent, IntentDispatched, Recorded
from livestack.core.types import Origin
from livestack.exceptions import UsageError
from livestack.follower_settings import FollowerSettings
from livestack.journal.reader import JournalReader
from livestack.journal.restoring import begin_at, snapshot_positions
from livestack.journal.retention import prune_segments
from livestack.journal.snapshots import snapshot_path
from livestack.journal.writer import JournalWriter
from livestack.node.follower import (
    EXIT_DIFFERENT,
    EXIT_OVER,
    DifferenceFound,
    Follower,
    PositionReached,
    Report,
    SnapshotWritten,
    Told,
    Trouble,
    fresh_strategy,
)
from livestack.research.replay import replay
from livestack.settings import load
from livestack.storage.cursor import Mark, write_mark
from tests.live import configuration
from tests.node import forgetful
from tests.research.sessions import (
    CLOSING,
    ENVIRONMENT,
    header,
    keep_snapshots,
    opening,
    quotes,
    record,
    rules,
    store,
    store_segments,
)

EVERY_SECOND = FollowerSettings(snapshot_every_ns=1_000_000_000, keep=100)
"""Of session time; the Events of these sessions are a millisecond apart."""

SESSION = [*opening("s"), *quotes(4_000), *CLOSING]


class Following:
    """A Follower on session ``s`` below ``directory``, and all that it said."""

    def __init__(
        self,
        directory: Path,
        settings: FollowerSettings = EVERY_SECOND,
        sinks: Mapping[str, str] | None = None,
    ) -> None:
        self.said: list[Report] = []
        self.follower = Follower(
            directory / "sessions",
            "s",
            settings,
            self.said.append,
            sinks=sinks,
            now_ns=lambda: 0,  # nothing takes time, so that it never has to rest
        )

    def run(self, told: Told = Told.GO_ON) -> int:
        try:
            return self.follower.run(lambda _: told)
        finally:
            self.follower.close()

    def snapshots(self) -> list[SnapshotWritten]:
        return [one for one in self.said if isinstance(one, SnapshotWritten)]

    def differences(self) -> list[DifferenceFound]:
        return [one for one in self.said if isinstance(one, DifferenceFound)]

    def troubles(self) -> list[str]:
        return [one.text for one in self.said if isinstance(one, Trouble)]


@pytest.fixture
def maker(tmp_path: Path) -> Configuration:
    return rules(tmp_path)


def journalled(directory: Path) -> list[Recorded]:
    with JournalReader.open(directory / "sessions", "s") as reader:
        return list(reader.records())


def test_a_whole_session_is_verified_and_written_down(tmp_path: Path, maker: Configuration) -> None:
    """A snapshot each second of the session and one at its end, with the digest that a replay has there."""
    records = record(maker, SESSION)
    store(tmp_path, header("s", maker), records)
    following = Following(tmp_path)
    assert EXIT_OVER == following.run()
    written = following.snapshots()
    assert 5 == len(written)
    assert records[-1].seq == written[-1].seq
    with JournalReader.open(tmp_path / "sessions", "s") as reader:
        assert written[-1].digest == replay(reader).digest
    assert PositionReached(records[-1].seq, records[-1].ts, 0) == following.said[-1]


@pytest.mark.parametrize(
    ("sinks", "stays"), [(None, True), ({}, False), ({"pg": "there"}, True), ({"local": "here"}, False)]
)
def test_what_a_sink_goes_on_from_stays(
    tmp_path: Path, maker: Configuration, sinks: dict[str, str] | None, stays: bool
) -> None:
    """Of a journal without its beginning: where sinks are not known, or one has no mark, it needs the first snapshot;
    one that is further, or none at all, needs no old one."""
    records, head = record(maker, SESSION), header("s", maker)
    store_segments(tmp_path, head, records, 1_000)
    (first,) = keep_snapshots(tmp_path, head, maker, records, [1_500])
    prune_segments(tmp_path / "sessions", "s", first, 1 << 62)
    write_mark(tmp_path / "sessions", "s", Mark(name="local", address="here", through=len(records)))
    write_mark(tmp_path / "sessions", "s", Mark(name="gone", address="nowhere", through=first))
    following = Following(tmp_path, FollowerSettings(snapshot_every_events=1_000, keep=1), sinks)
    assert EXIT_OVER == following.run()
    expected = [first, len(records)] if stays else [len(records)]
    assert expected == snapshot_positions(tmp_path / "sessions", "s")


def test_snapshots_stand_behind_whole_steps(tmp_path: Path, maker: Configuration) -> None:
    """Nothing derived follows one: the next record is an input."""
    store(tmp_path, header("s", maker), record(maker, SESSION))
    following = Following(tmp_path, FollowerSettings(snapshot_every_events=100, keep=100))
    following.run()
    records = journalled(tmp_path)
    positions = [one.seq for one in following.snapshots()]
    assert len(positions) > 30
    assert {Origin.INPUT} == {records[seq].origin for seq in positions if seq < len(records)}


def test_every_snapshot_leads_to_the_same_end(tmp_path: Path, maker: Configuration) -> None:
    """Restored, with the rest replayed: the digest of the whole session."""
    store(tmp_path, header("s", maker), record(maker, SESSION))
    following = Following(tmp_path)
    following.run()
    end = following.snapshots()[-1].digest
    with JournalReader.open(tmp_path / "sessions", "s") as reader:
        for written in following.snapshots():
            fold = begin_at(
                tmp_path / "sessions",
                reader.header,
                written.seq + 1,
                maker,
                lambda rules_: fresh_strategy(reader.header, rules_),
            )
            assert fold is not None
            assert all(fold.take(one) for one in reader.records(written.seq + 1))
            assert fold.ends_whole()
            assert end == fold.runtime.state.digest()


def test_the_newest_stay(tmp_path: Path, maker: Configuration) -> None:
    """So many as the settings say."""
    store(tmp_path, header("s", maker), record(maker, SESSION))
    following = Following(tmp_path, FollowerSettings(snapshot_every_ns=1_000_000_000, keep=2))
    following.run()
    kept = sorted(int(path.name) for path in (tmp_path / "sessions" / "s" / "snapshots").iterdir())
    assert [one.seq for one in following.snapshots()][-2:] == kept


def test_it_goes_on_from_the_newest_usable_snapshot(tmp_path: Path, maker: Configuration) -> None:
    """A damaged one is passed over; nothing before the one that is used is read again."""
    store(tmp_path, header("s", maker), record(maker, SESSION))
    first = Following(tmp_path)
    first.run()
    *_, third, second, last = first.snapshots()
    snapshot_path(tmp_path / "sessions", "s", last.seq).write_bytes(b"torn")
    again = Following(tmp_path)
    assert second.seq == again.follower.snapshot_seq == again.follower.seq
    assert EXIT_OVER == again.run()
    assert [last.digest] == [one.digest for one in again.snapshots()][-1:]
    assert third.seq < second.seq


def test_a_changed_decision_is_a_difference(tmp_path: Path) -> None:
    """Told with its position and both sides; exit code 6, and no snapshot behind it."""
    configured, records = strategy_session(tmp_path, "Remembering")
    index = [index for index, one in enumerate(records) if isinstance(one.event, IntentDispatched)][10]
    changed = records[index].event
    assert isinstance(changed, IntentDispatched)
    request = msgspec.structs.replace(changed.request, price=changed.request.price + 1)
    event = msgspec.structs.replace(changed, request=request)
    records[index] = msgspec.structs.replace(records[index], event=event)
    store(tmp_path, header("s", configured), records)
    following = Following(tmp_path, SOON)
    assert EXIT_DIFFERENT == following.run()
    assert [DifferenceFound(index + 1, "IntentDispatched", "IntentDispatched")] == following.differences()
    assert following.snapshots()
    assert all(one.seq <= index for one in following.snapshots())


def without(records: list[Recorded], index: int) -> list[Recorded]:
    """The stream as if ``records[index]`` had never been, without a gap."""
    rest = records[:index] + records[index + 1 :]
    return [msgspec.structs.replace(one, seq=seq) for seq, one in enumerate(rest, 1)]


@pytest.mark.parametrize("where", ["middle", "end"])
def test_a_decision_that_was_not_recorded_is_a_difference(
    tmp_path: Path, maker: Configuration, where: str
) -> None:
    """Also as the very last record: an input and its derived Events are never apart in a commit."""
    records = record(maker, SESSION)
    derived = [index for index, one in enumerate(records) if one.origin is Origin.DERIVED]
    index = derived[len(derived) // 2] if where == "middle" else len(records) - 1
    following_event = type(records[index + 1].event).__name__ if where == "middle" else ""
    store(tmp_path, header("s", maker), without(records, index))
    following = Following(tmp_path)
    assert EXIT_DIFFERENT == following.run()
    expected = DifferenceFound(index + 1, following_event, type(records[index].event).__name__)
    assert [expected] == following.differences()


def strategy_session(directory: Path, name: str) -> tuple[Configuration, list[Recorded]]:
    """1 500 quotes, decided by ``tests.node.forgetful:<name>`` as in a live node."""
    forgetful.seen_by_module.clear()
    forgetful.InClass.seen = 0
    path = configuration.write(directory, ["BTCUSDT"], f'[strategy]\npath = "tests.node.forgetful:{name}"\n')
    configured = load(path, ENVIRONMENT)[1]
    events: list[InputEvent] = [*opening("s"), *quotes(1_500), *CLOSING]
    return configured, record(configured, events)


SOON = FollowerSettings(snapshot_every_events=150, keep=100)


@pytest.mark.parametrize("name", ["InAttribute", "InClass", "InModule"])
def test_a_strategy_that_remembers_elsewhere_is_found(tmp_path: Path, name: str) -> None:
    """Behind the first snapshot it no longer knows what it knew: an order is missing, or one too many."""
    configured, records = strategy_session(tmp_path, name)
    store(tmp_path, header("s", configured), records)
    following = Following(tmp_path, SOON)
    assert EXIT_DIFFERENT == following.run()
    (found,) = following.differences()
    first = following.snapshots()[0].seq
    decisions = [one.seq for one in records if isinstance(one.event, IntentDispatched) and one.seq > first]
    assert decisions[0] == found.seq
    assert "IntentDispatched" == found.journalled


def test_a_strategy_that_remembers_in_its_memory_is_not(tmp_path: Path) -> None:
    """The same decisions, and every one comes out again behind every snapshot."""
    configured, records = strategy_session(tmp_path, "Remembering")
    store(tmp_path, header("s", configured), records)
    following = Following(tmp_path, SOON)
    assert EXIT_OVER == following.run()
    assert [] == following.differences()
    assert len(following.snapshots()) > 5


def test_a_memory_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """No snapshot there, and the next one when it can be again; what was decided is verified all the same."""
    configured, records = strategy_session(tmp_path, "Unwritable")
    store(tmp_path, header("s", configured), records)
    following = Following(tmp_path, FollowerSettings(snapshot_every_ns=10**12, snapshot_every_events=30))
    assert EXIT_OVER == following.run()
    (trouble,) = following.troubles()
    assert "State after seq 30 cannot be written down" in trouble
    assert following.snapshots()


def test_a_disk_that_refuses_is_told(tmp_path: Path, maker: Configuration) -> None:
    """It goes on verifying."""
    store(tmp_path, header("s", maker), record(maker, SESSION))
    (tmp_path / "sessions" / "s" / "snapshots").write_text("in the way")
    following = Following(tmp_path)
    assert EXIT_OVER == following.run()
    assert 5 == len(following.troubles())
    assert "cannot be kept" in following.troubles()[0]


def test_other_semantics_are_refused(tmp_path: Path, maker: Configuration) -> None:
    """What another version of the Core decided cannot be compared."""
    store(tmp_path, header("s", maker, semantics_version=1), record(maker, opening("s")))
    with pytest.raises(UsageError, match="version 1 of the Core's semantics"):
        Following(tmp_path)
    assert [] == open_segments(tmp_path)


def test_the_last_snapshot_is_for_who_asks(tmp_path: Path, maker: Configuration) -> None:
    """A stop writes one where the journal ends now; a node that is gone gets none and no delay."""
    store(tmp_path, header("s", maker), record(maker, SESSION[:500]))
    gone = Following(tmp_path)
    assert EXIT_OVER == gone.run(Told.GONE)
    assert [] == gone.snapshots()
    stopped = Following(tmp_path)
    assert EXIT_OVER == stopped.run(Told.STOP)
    assert [len(journalled(tmp_path))] == [one.seq for one in stopped.snapshots()]


def test_a_node_that_died_beside_it_ends_it_behind_the_last_event(
    tmp_path: Path, maker: Configuration
) -> None:
    """For one that nobody's stdin holds: everything there is read and written down."""
    store(tmp_path, header("s", maker), record(maker, SESSION[:500]))
    following = Following(tmp_path)
    assert EXIT_OVER == following.follower.run(lambda _: Told.GO_ON, lambda: False)
    following.follower.close()
    assert [len(journalled(tmp_path))] == [one.seq for one in following.snapshots()]


def open_segments(directory: Path) -> list[str]:
    """Segments below ``directory`` whose file this process has open."""
    found = set()
    for handle in Path("/proc/self/fd").iterdir():
        try:
            target = os.readlink(handle)
        except OSError:
            continue  # the listing's own
        if target.startswith(str(directory)) and target.endswith("data.mdb"):
            found.add(int(Path(target).parent.name))
    return sorted(found)


def segments(directory: Path, maker: Configuration, records: list[Recorded], size: int) -> Iterator[int]:
    """``records`` in segments of ``size``, each closed before the next pass may look; yields each one's beginning."""
    head, chain = header("s", maker), header("s", maker).previous_chain
    for first in range(0, len(records), size):
        head = msgspec.structs.replace(head, first_seq=first + 1, previous_chain=chain)
        writer = JournalWriter.create(directory / "sessions", head, "relaxed")
        writer.commit(records[first : first + size])
        chain = writer.chain
        writer.close()
        yield first + 1


def test_it_follows_from_segment_to_segment(tmp_path: Path, maker: Configuration) -> None:
    """As they come; a segment that is behind it is let go, so that its space can be freed."""
    records = record(maker, SESSION)
    growing = segments(tmp_path, maker, records, 700)
    next(growing)
    following = Following(tmp_path)
    assert Told.GO_ON is following.follower.advance()
    assert [1] == open_segments(tmp_path)
    for first in growing:
        following.follower.advance()
        assert min(first + 699, len(records)) == following.follower.seq
        assert [first] == open_segments(tmp_path)
    assert following.follower.ended
    following.follower.close()
    assert [] == following.differences()


def test_a_segment_that_was_begun_anew_is_read_anew(tmp_path: Path, maker: Configuration) -> None:
    """Its first commit failed and it was set aside: another one stands under the same name."""
    records = record(maker, SESSION)
    writer = JournalWriter.create(tmp_path / "sessions", header("s", maker), "relaxed")
    writer.commit(records[:100])
    writer.rotate()
    writer.close()
    following = Following(tmp_path)
    following.follower.advance()
    assert 100 == following.follower.seq
    begun = tmp_path / "sessions" / "s" / "journal" / f"{101:020d}"
    begun.rename(begun.with_name("failed"))
    head = msgspec.structs.replace(header("s", maker), first_seq=101, previous_chain=writer.chain)
    again = JournalWriter.create(tmp_path / "sessions", head, "relaxed")
    again.commit(records[100:])
    again.close()
    assert EXIT_OVER == following.run()
    assert len(records) == following.follower.seq


def test_it_looks_up_while_there_is_much_to_read(tmp_path: Path, maker: Configuration) -> None:
    """A node that is gone does not have to wait until everything was read."""
    records = record(maker, SESSION)
    store(tmp_path, header("s", maker), records)
    following = Following(tmp_path)
    assert Told.GONE is following.follower.advance(lambda _: Told.GONE)
    following.follower.close()
    assert 0 < following.follower.seq < len(records)
    assert any(isinstance(one, PositionReached) and one.behind for one in following.said)
