"""Recovery: the Core as it was after the last durable Event, from any snapshot or none, or a refusal with the place."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from livestack.core.events import CheckpointRequested, IntentDispatched, Recorded
from livestack.core.runtime import SEMANTICS_VERSION, CoreRuntime
from livestack.exceptions import JournalDamagedError, OtherSessionError, RecoveryError
from livestack.journal.clean import DATA_NAME, is_clean
from livestack.journal.format import encode_record, source_digest
from livestack.journal.quarantine import quarantined
from livestack.journal.segment import segments_of
from livestack.journal.snapshots import SNAPSHOT_VERSION, Snapshot, write_snapshot
from livestack.journal.writer import JournalWriter
from livestack.node.recovery import Recovered, recover
from livestack.strategies.loading import load_strategy, strategy_source
from tests.research.sessions import header, opening, quotes, record, rules, store


def strategy(configuration):
    return load_strategy(configuration.strategy.path, configuration.strategy.parameters)


def again(directory: Path, session: str = "s") -> Recovered | None:
    configuration = rules(directory)
    digest = source_digest(strategy_source(configuration.strategy.path))
    return recover(directory / "sessions", session, configuration, digest, strategy)


def make(directory: Path) -> list[Recorded]:
    records = record(rules(directory), [*opening("s"), *quotes(60)])
    store(directory, header("s", rules(directory)), records)
    return records


def snapshot_at(directory: Path, records: list[Recorded], count: int) -> int:
    """A snapshot after the first ``count`` inputs; its position."""
    runtime = CoreRuntime(rules(directory), strategy(rules(directory)))
    seq = 0
    for one in [one for one in records if one.origin.name == "INPUT"][:count]:
        step = runtime.step(one.seq, one.ts, one.event)
        seq = one.seq + len(step.derived)
    write_snapshot(
        directory / "sessions",
        Snapshot(
            version=SNAPSHOT_VERSION,
            session="s",
            seq=seq,
            ts=runtime.state.control.ts,
            semantics_version=SEMANTICS_VERSION,
            strategy_digest=header("s", rules(directory)).strategy_digest,
            digest=runtime.state.digest(),
            state=runtime.state.snapshot(),
        ),
    )
    return seq


@pytest.mark.parametrize("inputs", [0, 3, 20, 65])
def test_from_any_snapshot_or_none_it_is_the_same_state(tmp_path: Path, inputs: int) -> None:
    """The digest is that of the whole session, and only what came after the snapshot was folded."""
    records = make(tmp_path)
    whole = again(tmp_path)
    assert whole is not None
    seq = snapshot_at(tmp_path, records, inputs) if inputs else 0
    recovered = again(tmp_path)
    assert recovered is not None
    assert whole.runtime.state.digest() == recovered.runtime.state.digest()
    assert (seq, len(records) - seq) == (recovered.snapshot_seq, recovered.events)
    assert (records[-1].seq, records[-1].ts) == (recovered.last_seq, recovered.last_ts)
    assert whole.chain == recovered.chain


def test_a_decision_that_is_not_reproduced_is_named(tmp_path: Path) -> None:
    """The journal says that something was dispatched that this Core would not: it is not resumed."""
    records = record(rules(tmp_path), [*opening("s"), *quotes(60)])
    place = next(i for i, one in enumerate(records) if isinstance(one.event, IntentDispatched))
    event = records[place].event
    assert isinstance(event, IntentDispatched)
    other = msgspec.structs.replace(event.request, qty=event.request.qty + 1)
    records[place] = msgspec.structs.replace(
        records[place], event=msgspec.structs.replace(event, request=other)
    )
    store(tmp_path, header("s", rules(tmp_path)), records)
    with pytest.raises(RecoveryError, match=f"at seq {records[place].seq} replays differently"):
        again(tmp_path)


def test_a_last_segment_without_a_commit_is_put_aside(tmp_path: Path) -> None:
    """A node that died while it resumed leaves one; the session goes on from the one before."""
    records = make(tmp_path)
    first = again(tmp_path)
    assert first is not None
    head = msgspec.structs.replace(first.header, first_seq=first.last_seq + 1, previous_chain=first.chain)
    JournalWriter.create(tmp_path / "sessions", head, "relaxed").close()
    assert 2 == len(segments_of(tmp_path / "sessions", "s"))
    second = again(tmp_path)
    assert second is not None
    assert len(records) == second.last_seq
    assert 1 == len(segments_of(tmp_path / "sessions", "s"))
    ((_, why),) = quarantined(tmp_path / "sessions", "s")
    assert "no commit" in why


def test_another_configuration_is_another_session(tmp_path: Path) -> None:
    """Nothing is folded, nothing is changed."""
    make(tmp_path)
    with pytest.raises(OtherSessionError, match="another configuration or strategy"):
        recover(tmp_path / "sessions", "s", rules(tmp_path), "another digest", strategy)


def test_a_step_cut_off_in_the_middle_is_found(tmp_path: Path) -> None:
    """An INPUT without what was derived from it cannot be: both are one commit."""
    records = record(rules(tmp_path), [*opening("s"), *quotes(60), CheckpointRequested(by="test")])
    assert "DERIVED" == records[-1].origin.name
    store(tmp_path, header("s", rules(tmp_path)), records[:-1])
    with pytest.raises(RecoveryError, match=f"at seq {records[-1].seq}"):
        again(tmp_path)


def test_only_what_was_verified_whole_is_marked_as_sound(tmp_path: Path) -> None:
    """A mark spares every later reader the check: behind a snapshot nobody looked at what is before it."""
    records = make(tmp_path)
    (segment,) = segments_of(tmp_path / "sessions", "s")
    snapshot_at(tmp_path, records, 20)
    assert again(tmp_path) is not None
    assert not is_clean(segment)
    for path in (tmp_path / "sessions" / "s" / "snapshots").iterdir():
        path.unlink()
    assert again(tmp_path) is not None
    assert is_clean(segment)


def wipe(path: Path, record: Recorded) -> None:
    """Blank every page in which ``record`` stands: the file also has earlier copies of the one that counts."""
    content = bytearray(path.read_bytes())
    while (found := content.find(encode_record(record))) >= 0:
        content[found // 4096 * 4096 : (found // 4096 + 1) * 4096] = bytes(4096)
    path.write_bytes(content)


def test_damage_before_the_snapshot_does_not_keep_it_from_going_on(tmp_path: Path) -> None:
    """Nothing of it is read; without the snapshot the same journal is refused with the segment's name."""
    records = record(rules(tmp_path), [*opening("s"), *quotes(900)])
    store(tmp_path, header("s", rules(tmp_path)), records)
    whole = again(tmp_path)
    assert whole is not None
    seq = snapshot_at(tmp_path, records, 850)
    (segment,) = segments_of(tmp_path / "sessions", "s")
    wipe(segment / DATA_NAME, records[100])
    recovered = again(tmp_path)
    assert recovered is not None
    assert (seq, whole.chain) == (recovered.snapshot_seq, recovered.chain)
    assert whole.runtime.state.digest() == recovered.runtime.state.digest()
    (tmp_path / "sessions" / "s" / "snapshots" / f"{seq:020d}").unlink()
    with pytest.raises(JournalDamagedError, match=segment.name):
        again(tmp_path)


def test_damage_behind_the_snapshot_is_refused(tmp_path: Path) -> None:
    """What is read is verified before liblmdb reads it, as ever."""
    records = record(rules(tmp_path), [*opening("s"), *quotes(900)])
    store(tmp_path, header("s", rules(tmp_path)), records)
    snapshot_at(tmp_path, records, 500)
    (segment,) = segments_of(tmp_path / "sessions", "s")
    wipe(segment / DATA_NAME, records[-30])
    with pytest.raises(JournalDamagedError, match=segment.name):
        again(tmp_path)
