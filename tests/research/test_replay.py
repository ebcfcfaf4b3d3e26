"""Replay: identical, or the first position that differs; and never a claim that does not hold."""

from __future__ import annotations

import shutil
import tracemalloc
from pathlib import Path

import msgspec
import pytest

from livestack.core.events import IntentDispatched, Recorded
from livestack.core.refold import Refold
from livestack.core.runtime import CoreRuntime
from livestack.core.types import Origin
from livestack.journal.format import CHAIN, key_of
from livestack.journal.reader import JournalReader
from livestack.journal.snapshots import read_snapshot, snapshot_path, write_snapshot
from livestack.journal.writer import JournalWriter
from livestack.research.replay import Replay, ReplayResult, open_replay, replay
from livestack.strategies.loading import load_strategy, strategy_source
from tests.journal.damage import garble, spoil
from tests.journal.test_reader import change
from tests.research.sessions import (
    CLOSING,
    header,
    keep_snapshots,
    opening,
    quotes,
    record,
    rules,
    store,
    store_segments,
)


@pytest.fixture
def stream(tmp_path: Path) -> list[Recorded]:
    """A session in which the market maker quotes and is stopped."""
    records = record(rules(tmp_path), [*opening("s"), *quotes(200), *CLOSING])
    assert any(isinstance(one.event, IntentDispatched) for one in records)
    return records


def open_session(directory: Path, records: list[Recorded], **changes: object) -> JournalReader:
    store(directory, header("s", rules(directory), **changes), records)
    return JournalReader.open(directory / "sessions", "s")


def test_an_untouched_session_is_identical(tmp_path: Path, stream: list[Recorded]) -> None:
    """Every DERIVED Event and Checkpoint digest comes out again."""
    with open_session(tmp_path, stream) as reader:
        result = replay(reader)
    assert (True, True, True, None) == (
        result.identical,
        result.complete,
        result.chain_ok,
        result.first_difference,
    )
    assert (len(stream), sum(one.origin is Origin.DERIVED for one in stream)) == (
        result.events,
        result.derived,
    )


def test_twice_gives_the_same_digest(tmp_path: Path, stream: list[Recorded]) -> None:
    """Replay is a function of the journal."""
    with open_session(tmp_path, stream) as reader:
        assert replay(reader).digest == replay(reader).digest


def test_a_changed_decision_is_named(tmp_path: Path, stream: list[Recorded]) -> None:
    """The position of the first DERIVED Event that does not come out, with both sides."""
    index = next(i for i, one in enumerate(stream) if isinstance(one.event, IntentDispatched))
    event = stream[index].event
    assert isinstance(event, IntentDispatched)
    changed = msgspec.structs.replace(event.request, price=event.request.price + 1)
    forged = IntentDispatched(request=changed, admitted_ts=event.admitted_ts)
    stream[index] = msgspec.structs.replace(stream[index], event=forged)
    with open_session(tmp_path, stream) as reader:
        result = replay(reader)
    assert not result.identical
    assert result.first_difference is not None
    assert (index + 1, forged, event) == (
        result.first_difference.seq,
        result.first_difference.journalled,
        result.first_difference.replayed,
    )


def test_a_decision_that_is_missing_is_named(tmp_path: Path, stream: list[Recorded]) -> None:
    """The Core derives what the journal does not have."""
    index = next(i for i, one in enumerate(stream) if isinstance(one.event, IntentDispatched))
    del stream[index]
    shifted = [msgspec.structs.replace(one, seq=number) for number, one in enumerate(stream, 1)]
    with open_session(tmp_path, shifted) as reader:
        result = replay(reader)
    assert result.first_difference is not None
    assert index + 1 == result.first_difference.seq


def test_other_semantics_are_not_comparable_and_not_a_difference(
    tmp_path: Path, stream: list[Recorded]
) -> None:
    """It says so and claims nothing."""
    with open_session(tmp_path, stream, semantics_version=0) as reader:
        result = replay(reader)
    assert (False, False) == (result.comparable, result.identical)


def test_a_part_is_not_called_complete(tmp_path: Path, stream: list[Recorded]) -> None:
    """State at a position can be looked at."""
    with open_session(tmp_path, stream) as reader:
        running = Replay(reader)
        result = running.run(to_seq=20)
    assert (20, False, True) == (result.events, result.complete, result.identical)
    assert running.last_seq <= 20


def test_the_archived_strategy_decides_when_the_installed_one_changed(
    tmp_path: Path, stream: list[Recorded]
) -> None:
    """The journal's own source is run if it is not the installed one."""
    path = "livestack.strategies.market_maker:MarketMaker"
    with open_session(
        tmp_path, stream, strategy_source=strategy_source(path) + "\n# changed since\n"
    ) as reader:
        assert replay(reader).identical


def test_a_difference_is_not_called_complete(tmp_path: Path, stream: list[Recorded]) -> None:
    """What comes behind it was not looked at."""
    index = next(i for i, one in enumerate(stream) if one.origin is Origin.DERIVED)
    del stream[index]
    shifted = [msgspec.structs.replace(one, seq=number) for number, one in enumerate(stream, 1)]
    with open_session(tmp_path, shifted) as reader:
        assert not replay(reader).complete


def test_other_semantics_that_decide_otherwise_are_no_difference(
    tmp_path: Path, stream: list[Recorded]
) -> None:
    """A decision that does not come out under another Core proves nothing."""
    index = next(i for i, one in enumerate(stream) if one.origin is Origin.DERIVED)
    del stream[index]
    shifted = [msgspec.structs.replace(one, seq=number) for number, one in enumerate(stream, 1)]
    with open_session(tmp_path, shifted, semantics_version=0) as reader:
        result = replay(reader)
    assert (False, False, None) == (result.comparable, result.identical, result.first_difference)


def test_the_chain_of_a_part_is_really_looked_at(tmp_path: Path, stream: list[Recorded]) -> None:
    """A link changed inside the part is found; one behind it is not claimed about."""
    open_session(tmp_path, stream).close()
    change(tmp_path / "sessions", CHAIN, key_of(30), bytes(16))
    with JournalReader.open(tmp_path / "sessions", "s") as reader:
        assert (True, False) == (replay(reader, to_seq=20).chain_ok, replay(reader, to_seq=30).chain_ok)


def test_an_empty_journal_is_replayed_to_nothing(tmp_path: Path) -> None:
    """A node that died before its first commit decided nothing, and did so identically."""
    with open_session(tmp_path, []) as reader:
        result = replay(reader)
    assert (0, True, True) == (result.events, result.identical, result.chain_ok)


class Parts:
    """A session in segments of forty records, with snapshots at ``kept``."""

    def __init__(self, directory: Path, stream: list[Recorded], around: list[int]) -> None:
        configuration = rules(directory)
        head = header("s", configuration)
        self.sessions = directory / "sessions"
        self.segments = store_segments(directory, head, stream, 40)
        self.kept = keep_snapshots(directory, head, configuration, stream, around)
        self.last = len(stream)

    def replay(self, to_seq: int | None = None, **options: bool) -> ReplayResult:
        running = open_replay(self.sessions, "s", to_seq=to_seq, **options)
        with running.reader:
            return running.run(to_seq)


def test_a_pruned_journal_is_replayed_from_its_oldest_usable_snapshot(
    tmp_path: Path, stream: list[Recorded]
) -> None:
    """Not called complete; the range says from where it is identical, to the same State."""
    parts = Parts(tmp_path, stream, [30, 90, 150])
    whole = parts.replay()
    shutil.rmtree(parts.segments[0])
    shutil.rmtree(parts.segments[1])
    result = parts.replay()
    assert (True, False, True, parts.kept[1] + 1) == (
        result.identical,
        result.complete,
        result.chain_ok,
        result.from_seq,
    )
    assert [(parts.kept[1] + 1, parts.last)] == result.replayed
    assert [(1, parts.kept[1])] == result.not_replayed
    assert whole.digest == result.digest


def test_an_unusable_snapshot_is_passed_over(tmp_path: Path, stream: list[Recorded]) -> None:
    """The next one takes its place."""
    parts = Parts(tmp_path, stream, [90, 150])
    shutil.rmtree(parts.segments[0])
    path = snapshot_path(parts.sessions, "s", parts.kept[0])
    path.write_bytes(path.read_bytes()[:-1])
    assert parts.kept[1] + 1 == parts.replay().from_seq


def test_a_pruned_journal_without_a_snapshot_is_not_called_identical(
    tmp_path: Path, stream: list[Recorded]
) -> None:
    """It says that nothing could be replayed; its chain is whole all the same."""
    parts = Parts(tmp_path, stream, [])
    shutil.rmtree(parts.segments[0])
    result = parts.replay()
    assert (False, False, True, 0, 41) == (
        result.identical,
        result.complete,
        result.chain_ok,
        result.events,
        result.from_seq,
    )
    assert "no snapshot" in result.damage


@pytest.mark.parametrize("how", ["missing", "garbled", "spoilt"])
def test_behind_a_hole_it_goes_on_from_the_next_snapshot(
    tmp_path: Path, stream: list[Recorded], how: str
) -> None:
    """What was replayed is said, and what was not; it is not called identical, and its end is the session's."""
    parts = Parts(tmp_path, stream, [30, 130])
    whole = parts.replay()
    if how == "missing":
        shutil.rmtree(parts.segments[1])
    elif how == "garbled":
        garble(parts.segments[1])
    else:
        spoil(parts.segments[1], 41)
    result = parts.replay()
    assert [(1, 40), (parts.kept[1] + 1, parts.last)] == result.replayed
    assert [(41, parts.kept[1])] == result.not_replayed
    assert (False, False, False, None, whole.digest) == (
        result.identical,
        result.complete,
        result.chain_ok,
        result.first_difference,
        result.digest,
    )
    assert "41" in result.damage


def test_without_a_snapshot_behind_a_hole_the_rest_is_not_replayed(
    tmp_path: Path, stream: list[Recorded]
) -> None:
    """And is said not to be."""
    parts = Parts(tmp_path, stream, [])
    garble(parts.segments[1])
    result = parts.replay()
    assert ([(1, 40)], [(41, parts.last)]) == (result.replayed, result.not_replayed)


def test_a_garbled_end_is_a_hole_without_an_end(tmp_path: Path, stream: list[Recorded]) -> None:
    """Nobody knows how much there was."""
    parts = Parts(tmp_path, stream, [])
    garble(parts.segments[-1])
    first = int(parts.segments[-1].name)
    result = parts.replay()
    assert ([(1, first - 1)], [(first, None)]) == (result.replayed, result.not_replayed)


def test_from_the_newest_snapshot(tmp_path: Path, stream: list[Recorded]) -> None:
    """Quick: segments before it are not opened; the same State at the end."""
    parts = Parts(tmp_path, stream, [30, 130])
    whole = parts.replay()
    garble(parts.segments[0])
    result = parts.replay(from_snapshot=True)
    assert (parts.kept[1] + 1, True, False, True, whole.digest) == (
        result.from_seq,
        result.identical,
        result.complete,
        result.chain_ok,
        result.digest,
    )


def test_to_a_position_from_the_snapshot_before_it(tmp_path: Path, stream: list[Recorded]) -> None:
    """Not from a newer one; the State is that of a replay from the start."""
    parts = Parts(tmp_path, stream, [30, 130])
    quick, slow = parts.replay(100, from_snapshot=True), parts.replay(100)
    assert (parts.kept[0] + 1, 1, slow.digest) == (quick.from_seq, slow.from_seq, quick.digest)


def test_from_a_snapshot_where_there_is_none(tmp_path: Path, stream: list[Recorded]) -> None:
    """From the start then."""
    assert 1 == Parts(tmp_path, stream, []).replay(from_snapshot=True).from_seq


def test_a_snapshot_in_the_middle_of_a_step_is_gone_on_from(tmp_path: Path, stream: list[Recorded]) -> None:
    """One that names its INPUT Event: what was derived from it is in its State, and not expected again."""
    parts = Parts(tmp_path, stream, [100])
    index = next(
        number
        for number, one in enumerate(stream[:-1])
        if one.origin is Origin.INPUT and stream[number + 1].origin is Origin.DERIVED
    )
    configuration = rules(tmp_path)
    strategy = load_strategy(configuration.strategy.path, configuration.strategy.parameters)
    fold = Refold(CoreRuntime(configuration, strategy))
    for one in stream[: index + 1]:
        fold.take(one)
    known = read_snapshot(snapshot_path(parts.sessions, "s", parts.kept[0]))
    assert known is not None
    state = fold.runtime.state
    changed = msgspec.structs.replace(
        known, seq=index + 1, ts=stream[index].ts, digest=state.digest(), state=state.snapshot()
    )
    write_snapshot(parts.sessions, changed)
    result = parts.replay(to_seq=60, from_snapshot=True)
    assert result.identical
    assert stream[result.from_seq - 1].origin is Origin.INPUT
    assert index + 2 < result.from_seq < 60


def test_follows_a_writer_to_the_end_of_its_session(tmp_path: Path, stream: list[Recorded]) -> None:
    """Across its segments; whole and identical when the session stops."""
    configuration = rules(tmp_path)
    writer = JournalWriter.create(tmp_path / "sessions", header("s", configuration), "relaxed")
    writer.commit(stream[:30])
    writer.close()
    running = open_replay(tmp_path / "sessions", "s", live=True)
    written, heard = [30], []

    def go_on() -> bool:
        first = written[0]
        running.reader.close()  # the writer is of this process too
        head = msgspec.structs.replace(
            header("s", configuration), first_seq=first + 1, previous_chain=writers[-1].chain
        )
        writers.append(JournalWriter.create(tmp_path / "sessions", head, "relaxed"))
        writers[-1].commit(stream[first : first + 50])
        writers[-1].close()
        written[0] = min(first + 50, len(stream))
        return True

    writers = [writer]
    with running.reader:
        result = running.follow(lambda: True, go_on, heard.append)
    assert (True, True, len(stream), list(range(1, len(stream) + 1))) == (
        result.identical,
        result.complete,
        result.events,
        heard,
    )


@pytest.mark.parametrize("how", ["told", "died"])
def test_following_ends_when_it_is_told_to_or_the_writer_is_gone(
    tmp_path: Path, stream: list[Recorded], how: str
) -> None:
    """What there is was compared; nothing is claimed of what did not come."""
    store(tmp_path, header("s", rules(tmp_path)), stream[:100])
    running = open_replay(tmp_path / "sessions", "s", live=True)
    with running.reader:
        result = running.follow(lambda: how == "told", lambda: False)
    assert (True, False, 100) == (result.identical, result.complete, result.events)


def test_a_running_session_is_not_called_complete(tmp_path: Path, stream: list[Recorded]) -> None:
    """What there is was replayed, all of it; more may come."""
    store(tmp_path, header("s", rules(tmp_path)), stream[:100])
    running = open_replay(tmp_path / "sessions", "s", live=True)
    with running.reader:
        result = running.run()
    assert (True, False, []) == (result.identical, result.complete, result.not_replayed)


def test_memory_does_not_depend_on_the_journals_length(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four times as many Events take no more of it."""
    monkeypatch.setattr("livestack.journal.reader.COPY_MAX", 100)
    peaks = []
    for count in (1_000, 4_000):
        directory = tmp_path / str(count)
        directory.mkdir()
        configuration = rules(directory)
        records = record(configuration, [*opening("s"), *quotes(count), *CLOSING])
        store_segments(directory, header("s", configuration), records, count // 2)
        del records
        running = open_replay(directory / "sessions", "s")
        with running.reader:
            tracemalloc.start()
            assert running.run().identical
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
    assert peaks[1] < peaks[0] * 1.5
