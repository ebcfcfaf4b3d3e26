"""A shipment: whatever fails and whenever it dies, the sink ends up with each record exactly once, in order."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from livestack.actors.shipment import CONTRADICTED_AGAIN_NS, PROGRESS_NS, Did
from livestack.actors.shipment_fold import begin_fold
from livestack.actors.shipment_source import FLUSH_AFTER_NS
from livestack.core.runtime import SEMANTICS_VERSION
from livestack.exceptions import RecoveryError, SinkUnavailableError
from livestack.failpoints import FailpointError, arm, disarm_all
from livestack.journal import reader
from livestack.journal.format import encode_record
from livestack.journal.reader import JournalReader
from livestack.journal.segment import segments_of
from livestack.journal.snapshots import SNAPSHOTS_NAME, snapshots
from livestack.storage.cursor import mark_path, read_marks
from livestack.storage.sink import Position
from livestack.storage.tables import TABLES
from tests.actors.shipping import (
    NAME,
    SECOND_NS,
    Growing,
    Session,
    Shipper,
    Writing,
    expected,
    header,
    keep_snapshots,
    session,
    stored,
)
from tests.storage.fake_sink import LOST, REFUSED, SLOW, TORN, UNAVAILABLE, Store

LONG = settings.get_current_profile_name() == "long"
POINTS = ("ship.before_write", "ship.after_write", "ship.before_mark")
DELAYS = {"controls": 5 * SECOND_NS, "denials": 2 * SECOND_NS, "positions": SECOND_NS}


@pytest.fixture(scope="module", name="writing")
def _writing() -> Iterator[Writing]:
    process = Writing()
    yield process
    process.end()


@pytest.fixture(autouse=True)
def _disarmed() -> object:
    yield
    disarm_all()


def crash(point: str = "") -> None:
    raise FailpointError(point)


def damage(directory: Path, whole: Session, seq: int, name: str = "s") -> None:
    """Change a byte of the frame of ``seq`` on disk."""
    frame = encode_record(whole.records[seq - 1])
    for segment in segments_of(directory / "sessions", name):
        path = segment / "data.mdb"
        changed = frame[:-1] + bytes([frame[-1] ^ 1])
        path.write_bytes(
            path.read_bytes().replace(frame, changed)
        )  # pages of older versions are in there, too


def test_a_whole_session_is_shipped_and_marked(tmp_path: Path) -> None:
    """Every record of every table, and a mark that says so and that it is the end."""
    whole, store = stored(tmp_path), Store()
    shipper = Shipper(tmp_path, store)
    assert Did.OVER == shipper.run()
    assert expected(tmp_path, whole) == store.records("s")
    mark = read_marks(tmp_path / "sessions", "s")[NAME]
    assert (len(whole.records), True, shipper.sink.address) == (mark.through, mark.ended, mark.address)
    with JournalReader.open(tmp_path / "sessions", "s") as reading:
        assert reading.tail() == (mark.through, bytes.fromhex(mark.link))
    assert len(whole.records) == shipper.shipment.through == store.position("s").through
    assert 0 == shipper.shipment.behind()


def test_it_writes_large_batches_from_a_backlog(tmp_path: Path) -> None:
    """As many records as may wait, whatever the tables' delays; never many more than that."""
    whole, store = stored(tmp_path, session(3, 400)), Store()
    shipper = Shipper(tmp_path, store, rows_max=200, delays_ns=dict(DELAYS))
    assert Did.OVER == shipper.until_over()
    counts = [batch.count for batch in store.batches]
    assert expected(tmp_path, whole) == store.records("s")
    assert 0 == counts.pop()  # how far everything is
    assert len(counts) == -(-sum(counts) // 200)
    assert 230 > max(counts)


def test_a_shipped_session_costs_a_look(tmp_path: Path) -> None:
    """Nothing is folded or written again, in a process that comes later."""
    stored(tmp_path)
    store = Store()
    Shipper(tmp_path, store).run()
    written = len(store.batches)
    shipper = Shipper(tmp_path, store)
    assert Did.OVER == shipper.run()
    assert written == len(store.batches)
    assert 0 == shipper.shipment.rows


def test_it_goes_on_from_a_snapshot(tmp_path: Path) -> None:
    """What was before is not needed, and the records are the same as those of a fold over everything."""
    whole, store = stored(tmp_path), Store()
    keep_snapshots(tmp_path, whole)
    first = segments_of(tmp_path / "sessions", "s")[0]
    usable = [one.seq for one in snapshots(tmp_path / "sessions", "s", 1 << 62, SEMANTICS_VERSION)]
    begin = int(segments_of(tmp_path / "sessions", "s")[1].name)
    at = min(seq for seq in usable if seq >= begin)
    store.positions["s"] = Position(at)
    shutil.rmtree(first)
    assert Did.OVER == Shipper(tmp_path, store).run()
    wanted = expected(tmp_path, whole)
    later = {name: {key: row for key, row in rows.items() if key[0] > at} for name, rows in wanted.items()}
    assert {name: rows for name, rows in later.items() if rows} == store.records("s")


def test_a_sink_that_comes_late_gets_what_is_left(tmp_path: Path) -> None:
    """The journal's beginning left when nobody waited for it: what can be derived is shipped, and that is said."""
    whole, store = stored(tmp_path), Store()
    keep_snapshots(tmp_path, whole)
    begin = int(segments_of(tmp_path / "sessions", "s")[1].name)
    shutil.rmtree(segments_of(tmp_path / "sessions", "s")[0])
    usable = [one.seq for one in snapshots(tmp_path / "sessions", "s", 1 << 62, SEMANTICS_VERSION)]
    at = min(seq for seq in usable if seq + 1 >= begin)
    shipper = Shipper(tmp_path, store)
    said = []
    while shipper.shipment.advance() is not Did.OVER:
        if shipper.shipment.trouble is not None and shipper.shipment.trouble.text not in said:
            said.append(shipper.shipment.trouble.text)
    assert 1 == len(said)
    assert f"fake://store gets session s from seq {at + 1} on" in said[0]
    wanted = expected(tmp_path, whole)
    later = {name: {key: row for key, row in rows.items() if key[0] > at} for name, rows in wanted.items()}
    assert {name: rows for name, rows in later.items() if rows} == store.records("s")


def test_what_is_gone_before_it_was_shipped_is_said(tmp_path: Path) -> None:
    """Without a snapshot before the journal's beginning nothing can be derived, and nothing is skipped."""
    whole, store = stored(tmp_path), Store()
    shutil.rmtree(segments_of(tmp_path / "sessions", "s")[0])
    shipper = Shipper(tmp_path, store)
    assert Did.WAITS == shipper.run()
    assert shipper.shipment.trouble is not None
    text = shipper.shipment.trouble.text
    assert "session s cannot be shipped to fake://store: behind seq 0 its journal begins at seq " in text
    assert "put the segments that are missing" in text
    assert RecoveryError.exit_code == shipper.shipment.exit_code
    assert whole.records
    assert [] == store.batches


def test_a_table_that_is_ahead_gets_nothing_twice(tmp_path: Path) -> None:
    """A batch of which some tables were kept: only the others get their rows."""
    whole = stored(tmp_path)
    store = Store()
    store.faults.extend(["", "", TORN])
    shipper = Shipper(tmp_path, store)
    assert Did.OVER == shipper.until_over()
    assert expected(tmp_path, whole) == store.records("s")
    assert 2 == store.opened


def test_a_lost_answer_costs_nothing(tmp_path: Path) -> None:
    """The sink is asked again, says that it has the batch, and the batch is not written again."""
    whole, store = stored(tmp_path), Store()
    store.faults.extend(["", "", LOST])
    shipper = Shipper(tmp_path, store)
    assert Did.WAITS == shipper.run()
    assert Did.OVER == shipper.until_over()
    assert expected(tmp_path, whole) == store.records("s")
    assert 1 == len(store.batches)


def test_a_sink_that_lost_what_it_confirmed_gets_it_again(tmp_path: Path) -> None:
    """It is the sink's word that counts, also where it says less than before."""
    whole, store = stored(tmp_path), Store()
    shipper = Shipper(tmp_path, store, rows_max=20)
    for _ in range(6):
        shipper.shipment.advance()
    assert 1 < len(store.batches)
    store.kept.clear()
    store.positions.clear()
    store.faults.append(UNAVAILABLE)
    assert Did.OVER == shipper.until_over()
    assert expected(tmp_path, whole) == store.records("s")


def test_a_sink_that_is_put_back_gets_what_it_never_had_from_here(tmp_path: Path, writing: Writing) -> None:
    """What was before this process's first batch is derived too, if the sink says that it misses it now."""
    last = writing.begin(tmp_path).commit(30)
    store, middle = Store(), writing.whole.steps[14]
    store.positions["s"] = Position(middle)
    late = dict.fromkeys(TABLES, 60 * SECOND_NS)
    shipper = Shipper(tmp_path, store, live=True, delays_ns=late)
    assert Did.CAUGHT_UP == shipper.run()
    assert [] == store.batches
    store.positions.clear()
    shipper.connection.failed(SinkUnavailableError("fake://store", "it was put back"))
    shipper.wait(SECOND_NS)
    shipper.shipment.finish()
    assert Did.OVER == shipper.until_over()
    assert expected(tmp_path, writing.whole, upto=last) == store.records("s")
    writing.close()


def test_it_backs_off_and_says_why(tmp_path: Path) -> None:
    """Trouble has the sink's words, is over with the first batch, and the waits grow."""
    stored(tmp_path)
    store = Store()
    store.faults.extend([UNAVAILABLE, UNAVAILABLE, REFUSED])
    shipper = Shipper(tmp_path, store)
    waits, refused = [], []
    while shipper.run() is Did.WAITS:
        assert shipper.shipment.trouble is not None
        refused.append(shipper.shipment.trouble.refused)
        waits.append(shipper.shipment.wakes_ns - shipper.clock.time_ns)
        assert Did.WAITS == shipper.run()  # too early: the sink is left alone
        shipper.wait(waits[-1])
    assert [False, False, True] == refused
    assert all(0 < wait <= 250_000_000 << number for number, wait in enumerate(waits))
    assert 4 == store.opened
    assert shipper.shipment.trouble is None


def test_a_record_that_is_refused_is_told_and_holds_nothing_up(tmp_path: Path) -> None:
    """The others are kept, and each refusal is handed on once."""
    whole = stored(tmp_path)
    store = Store(refuses=lambda record: record.trace.seq % 7 == 0)  # type: ignore[attr-defined]
    shipper = Shipper(tmp_path, store)
    assert Did.OVER == shipper.run()
    wanted = expected(tmp_path, whole)
    refused = {(name, *key) for name, rows in wanted.items() for key in rows if key[0] % 7 == 0}
    assert refused == {(one.table, one.seq, one.ordinal) for one in shipper.shipment.refusals}
    assert len(refused) == shipper.shipment.refused
    kept = {(name, *key) for name, rows in store.records("s").items() for key in rows}
    assert kept == {(name, *key) for name, rows in wanted.items() for key in rows} - refused


def test_live_rows_leave_when_their_table_is_due(tmp_path: Path, writing: Writing) -> None:
    """A table without a delay at once, others when their time has come; those hold ``through`` back until then."""
    growing, store = writing.begin(tmp_path), Store()
    shipper = Shipper(tmp_path, store, live=True, delays_ns={"controls": 5 * SECOND_NS})
    last = growing.commit(10)
    assert Did.CAUGHT_UP == shipper.run()
    wanted = expected(tmp_path, growing.whole, upto=last)
    held = min(seq for seq, _ in wanted["controls"])
    assert {name: rows for name, rows in wanted.items() if name != "controls"} == store.records("s")
    assert held > store.position("s").through
    assert shipper.shipment.wakes_ns == shipper.clock.time_ns + 5 * SECOND_NS
    shipper.wait(5 * SECOND_NS)
    assert Did.CAUGHT_UP == shipper.run()
    assert wanted == store.records("s")
    assert last == store.position("s").through
    growing.close()


def test_a_quiet_session_tells_its_progress_seldom(tmp_path: Path, writing: Writing) -> None:
    """Events without records are confirmed by an empty batch, once in a while."""
    growing, store = writing.begin(tmp_path), Store()
    shipper = Shipper(tmp_path, store, live=True)
    growing.commit(4)
    shipper.run()
    steps = growing.whole.steps
    with_rows = {seq for rows in expected(tmp_path, growing.whole).values() for seq, _ in rows}
    while set(range(steps[-growing.left - 1] + 1, steps[-growing.left] + 1)) & with_rows:
        growing.commit()
        shipper.run()
    written, last = len(store.batches), growing.commit()
    assert Did.CAUGHT_UP == shipper.run()
    assert written == len(store.batches)
    assert last == shipper.shipment.complete
    shipper.wait(PROGRESS_NS)
    assert Did.CAUGHT_UP == shipper.run()
    assert {} == store.batches[-1].rows
    assert last == store.position("s").through == read_marks(tmp_path / "sessions", "s")[NAME].through
    assert Did.CAUGHT_UP == shipper.run()
    assert written + 1 == len(store.batches)
    growing.close()


def test_a_commit_that_power_loss_may_take_waits(tmp_path: Path, writing: Writing) -> None:
    """In relaxed durability the newest commit leaves when another follows it, or when it was flushed."""
    growing, store = writing.begin(tmp_path, durability="relaxed"), Store()
    shipper = Shipper(tmp_path, store, live=True)
    first = growing.commit(5)
    assert Did.CAUGHT_UP == shipper.run()
    assert (0, first) == (shipper.shipment.complete, shipper.shipment.behind())
    second = growing.commit(5)
    shipper.run()
    assert first == shipper.shipment.complete
    shipper.wait(FLUSH_AFTER_NS)
    shipper.run()
    assert second == shipper.shipment.complete
    growing.close()


def test_what_is_left_is_shipped_at_the_end(tmp_path: Path, writing: Writing) -> None:
    """Once its writer has ended nothing waits for company, and the end is told."""
    growing, store = writing.begin(tmp_path, durability="relaxed"), Store()
    shipper = Shipper(tmp_path, store, live=True, delays_ns=dict(DELAYS))
    growing.commit(20)
    shipper.run()
    growing.close()
    shipper.shipment.finish()
    assert Did.OVER == shipper.run()
    assert expected(tmp_path, growing.whole) == store.records("s")
    assert read_marks(tmp_path / "sessions", "s")[NAME].ended


def test_what_came_while_it_was_reading_is_shipped_too(tmp_path: Path, writing: Writing) -> None:
    """The end of the session is later than the end of what was there when it began to read."""
    writing.begin(tmp_path).commit(10)
    store = Store()
    shipper = Shipper(tmp_path, store, live=True, rows_max=1)
    while shipper.shipment.seq == 0:
        shipper.shipment.advance()
    writing.close()
    shipper.shipment.finish()
    assert Did.OVER == shipper.until_over()
    assert expected(tmp_path, writing.whole) == store.records("s")


def test_a_session_that_was_interrupted_is_not_over_for_ever(tmp_path: Path) -> None:
    """It may be taken up again: everything is shipped, and the mark does not say that it ended."""
    growing, store = Growing(tmp_path, session(1, 60, False)), Store()
    growing.close()
    assert Did.OVER == Shipper(tmp_path, store).run()
    mark = read_marks(tmp_path / "sessions", "s")[NAME]
    assert (len(growing.whole.records), False) == (mark.through, mark.ended)


def test_everything_before_a_damage_is_shipped(tmp_path: Path) -> None:
    """Whole commits up to it; then it says where the damage is, and goes no further."""
    whole, store = stored(tmp_path), Store()
    bad = len(whole.records) // 2
    damage(tmp_path, whole, bad)
    shipper = Shipper(tmp_path, store)
    assert Did.DAMAGED == shipper.run()
    assert Did.DAMAGED == shipper.run()
    trouble = shipper.shipment.trouble
    assert trouble is not None
    assert trouble.refused
    assert f"at seq {bad} is damaged" in trouble.text
    through = store.position("s").through
    assert through in whole.steps
    assert bad - 20 < through < bad
    assert expected(tmp_path, whole, upto=through) == store.records("s")


def test_a_damaged_last_segment_takes_nothing_from_the_others(tmp_path: Path) -> None:
    """Its structure is looked at before it is opened; what is in the segments before it leaves all the same."""
    whole, store = stored(tmp_path), Store()
    last = segments_of(tmp_path / "sessions", "s")[-1]
    (last / "data.mdb").write_bytes(b"\xff" * 65_536)
    (last / "clean").unlink(missing_ok=True)
    shipper = Shipper(tmp_path, store)
    assert Did.DAMAGED == shipper.run()
    upto = int(last.name) - 1
    assert expected(tmp_path, whole, upto=upto) == store.records("s")


def test_a_sink_with_more_than_the_journal_is_left_alone(tmp_path: Path) -> None:
    """It has another journal's records, or this one lost its end: a sentence, and nothing is written."""
    whole, store = stored(tmp_path), Store()
    store.positions["s"] = Position(0, {"fills": len(whole.records) + 5})
    shipper = Shipper(tmp_path, store)
    assert Did.WAITS == shipper.run()
    trouble = shipper.shipment.trouble
    assert trouble is not None
    assert trouble.refused
    assert (
        f"up to seq {len(whole.records) + 5}, but its journal here ended with seq {len(whole.records)}"
        in (trouble.text)
    )
    assert f"and remove {mark_path(tmp_path / 'sessions', 's', NAME)}" in trouble.text
    assert [] == store.batches
    assert 0 == read_marks(tmp_path / "sessions", "s")[NAME].through
    store.positions.clear()
    shipper.wait(CONTRADICTED_AGAIN_NS)
    assert Did.OVER == shipper.run()
    mark = read_marks(tmp_path / "sessions", "s")[NAME]
    assert (len(whole.records), True, "") == (mark.through, mark.ended, mark.contradiction)


def replace_journal(directory: Path, steps: int, seed: int) -> None:
    """Another journal of the name, of so many steps of another stream."""
    other = Growing(directory / f"other-{steps}", session(seed, 60, False))
    while other.left > len(other.whole.steps) - steps:
        other.commit()
    other.writer.close()
    shutil.rmtree(directory / "sessions" / "s" / "journal")
    shutil.move(directory / f"other-{steps}" / "sessions" / "s" / "journal", directory / "sessions" / "s")


def refusal(directory: Path, store: Store) -> str:
    """What a process that comes now says instead of writing."""
    written = len(store.batches)
    shipper = Shipper(directory, store)
    assert Did.WAITS == shipper.run()
    shipper.close()
    assert written == len(store.batches)
    trouble = shipper.shipment.trouble
    assert trouble is not None
    assert trouble.refused
    return trouble.text


def test_a_journal_that_has_grown_past_its_sink_is_still_another_one(tmp_path: Path) -> None:
    """That it was shorter once is remembered, until somebody removes the mark."""
    growing, store = Growing(tmp_path, session(1, 60, False)), Store()
    growing.commit(10)
    growing.writer.close()
    store.positions["s"] = Position(0, {"fills": growing.writer.last_seq + 5})
    first = refusal(tmp_path, store)
    assert "has lost its end" in first
    replace_journal(tmp_path, 40, seed=1)
    assert first == refusal(tmp_path, store)
    mark_path(tmp_path / "sessions", "s", NAME).unlink()
    assert Did.OVER == Shipper(tmp_path, store).run()


def test_another_journal_of_the_name_is_seen_by_its_chain(tmp_path: Path) -> None:
    """However long it is, nothing of it joins the records of the first one."""
    growing, store = Growing(tmp_path, session(1, 60, False)), Store()
    growing.commit(10)
    growing.writer.close()
    assert Did.OVER == Shipper(tmp_path, store).run()
    through = store.position("s").through
    replace_journal(tmp_path, 40, seed=2)
    text = refusal(tmp_path, store)
    assert f"from another journal of that name: up to seq {through} this one is not what was shipped" in text
    assert 0 == read_marks(tmp_path / "sessions", "s")[NAME].through
    assert text == refusal(tmp_path, store)


def test_a_mark_of_another_place_says_nothing_about_the_journal(tmp_path: Path) -> None:
    """A name that stands for an empty store now: the other journal is shipped there."""
    growing, store = Growing(tmp_path, session(1, 60, False)), Store()
    growing.close()
    assert Did.OVER == Shipper(tmp_path, store).run()
    replace_journal(tmp_path, 40, seed=2)
    assert Did.OVER == Shipper(tmp_path, Store()).run()


def test_what_another_process_has_shipped_is_not_folded_again(tmp_path: Path) -> None:
    """A sink that is ahead after a failure: the fold begins anew there."""
    whole, store = stored(tmp_path), Store()
    shipper = Shipper(tmp_path, store, rows_max=20)
    while not store.batches:
        shipper.shipment.advance()
    shipper.close()
    assert Did.OVER == Shipper(tmp_path, store).run()
    shipper.connection.failed(SinkUnavailableError("fake://store", "it was away"))
    shipper.wait(SECOND_NS)
    shipper.shipment.advance()
    assert len(whole.records) == shipper.shipment.seq
    assert Did.OVER == shipper.run()
    assert expected(tmp_path, whole) == store.records("s")


def test_a_pass_is_begun_anew_when_the_sink_is_asked_again(
    tmp_path: Path, writing: Writing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another shipment's failure, while this one reads a segment behind which a new one was begun."""
    monkeypatch.setattr(reader, "COPY_MAX", 5)
    writing.begin(tmp_path).commit(10)
    writing.commit(30)
    store = Store()
    shipper = Shipper(tmp_path, store, live=True, rows_max=5)
    while not store.batches:
        shipper.shipment.advance()
    shipper.connection.failed(SinkUnavailableError("fake://store", "it was away"))
    writing.rotate()
    last = writing.commit(3)
    shipper.wait(SECOND_NS)
    assert Did.CAUGHT_UP == shipper.run()
    assert expected(tmp_path, writing.whole, upto=last) == store.records("s")
    shipper.close()
    writing.close()


def test_a_mark_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """Shipping goes on; the sink knows better anyhow."""
    whole, store = stored(tmp_path), Store()
    (tmp_path / "sessions" / "s" / "shipped").write_text("in the way")
    shipper = Shipper(tmp_path, store)
    assert Did.OVER == shipper.run()
    assert expected(tmp_path, whole) == store.records("s")
    assert shipper.shipment.trouble is not None
    assert "cannot be noted beside session s" in shipper.shipment.trouble.text


def test_an_account_renamed_at_a_resumption_is_named_as_it_was(tmp_path: Path) -> None:
    """Each part of a session is under the header of its segment, wherever the shipper began."""
    whole = session()
    growing = Growing(tmp_path, whole)
    growing.commit(20)
    growing.writer.rotate()
    while growing.left:
        growing.commit(5)
    growing.writer.close()
    store = Store()
    entered: list[int] = []
    shipper = Shipper(tmp_path, store)

    def begin(sessions: Path, head: object, seq: int) -> object:
        at, take = begin_fold(sessions, head, seq)  # type: ignore[arg-type]
        enter = take.enter
        take.enter = lambda entering: (entered.append(entering.first_seq), enter(entering))[1]  # type: ignore[method-assign]
        return at, take

    shipper.shipment._begin = begin  # type: ignore[assignment]
    assert Did.OVER == shipper.run()
    assert [1, whole.steps[19] + 1] == entered
    assert header().account_names == {}


ACTIONS = st.one_of(
    st.tuples(st.just("commit"), st.integers(1, 12)),
    st.tuples(st.just("fault"), st.sampled_from([UNAVAILABLE, REFUSED, LOST, TORN, SLOW, ""])),
    st.tuples(st.just("crash"), st.sampled_from(POINTS)),
    st.tuples(st.just("wait"), st.sampled_from([100_000_000, SECOND_NS, 10 * SECOND_NS, 60 * SECOND_NS])),
    st.tuples(st.just("steps"), st.integers(1, 4)),
    st.sampled_from([("run", 0), ("restart", 0), ("rotate", 0), ("snapshots", 0)]),
)


SEEN: Counter[str] = Counter()
"""What happened in the lives below."""


class Life:
    """A session that grows, with a shipper beside it that meets what ``actions`` say."""

    def __init__(
        self, writing: Writing, directory: Path, durability: str, rows_max: int, forgets: bool
    ) -> None:
        self.directory = directory
        self.growing = writing.begin(directory, (2, 60, True), durability=durability)
        self.store = Store()
        self.store.forgets_through = forgets
        self._rows_max = rows_max
        self._shipper = self._start()

    def _start(self) -> Shipper:
        return Shipper(self.directory, self.store, live=True, rows_max=self._rows_max, delays_ns=dict(DELAYS))

    def restart(self) -> None:
        self._shipper.close()
        disarm_all()
        self._shipper = self._start()

    def do(self, what: str, value: int | str) -> None:
        try:
            self._do(what, value)
        except FailpointError as error:
            SEEN[str(error)] += 1
            self.restart()
        disarm_all()
        marks = read_marks(self.directory / "sessions", "s").values()
        assert max((mark.through for mark in marks), default=0) <= self.store.position("s").through

    def _do(self, what: str, value: int | str) -> None:
        match what, value:
            case "commit", int():
                self.growing.commit(value)
                self._shipper.shipment.advance()
            case "fault", str():
                self.store.faults.append(value)
            case "crash", str():
                arm(value, lambda: crash(value))
                self.growing.commit(3)
                self._shipper.wait(60 * SECOND_NS)
                self._shipper.run()
            case "wait", int():
                self._shipper.wait(value)
            case "steps", int():
                for _ in range(value):
                    self._shipper.shipment.advance()
            case "run", _:
                SEEN[self._shipper.run().name] += 1
            case "restart", _:
                self.restart()
            case "rotate", _:
                self.growing.rotate()
            case "snapshots", _:
                keep_snapshots(self.directory, self.growing.whole)
                for path in (self.directory / "sessions" / "s" / SNAPSHOTS_NAME).iterdir():
                    if int(path.name) > self.growing.last_seq:
                        path.unlink()

    def end(self) -> None:
        self.restart()
        self.store.faults.clear()
        self.growing.close()
        self._shipper.shipment.finish()
        assert Did.OVER == self._shipper.until_over()
        self._shipper.close()


@settings(
    max_examples=settings.default.max_examples if LONG else 30,
    derandomize=not LONG,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
@given(
    st.lists(ACTIONS, min_size=15, max_size=40),
    st.sampled_from(["full", "relaxed"]),
    st.sampled_from([1, 10, 1_000]),
    st.booleans(),
)
def live(
    writing: Writing, actions: list[tuple[str, int | str]], durability: str, rows_max: int, forgets: bool
) -> None:
    """One life, to its end."""
    directory = Path(tempfile.mkdtemp())
    try:
        life = Life(writing, directory, durability, rows_max, forgets)
        for what, value in actions:
            life.do(what, value)
        life.end()
        assert expected(directory, life.growing.whole) == life.store.records("s")
        assert len(life.growing.whole.records) == life.store.position("s").through
        assert read_marks(directory / "sessions", "s")[NAME].ended
    finally:
        disarm_all()
        shutil.rmtree(directory)


def test_the_sink_has_each_record_once_whatever_happens(writing: Writing) -> None:
    """Faults of the sink, deaths at every point, segments and snapshots in between; never a mark beyond the sink."""
    live(writing)
    assert set() == {*POINTS, "CAUGHT_UP", "WAITS"} - set(SEEN)


@pytest.mark.parametrize("point", POINTS)
def test_a_death_at_every_point_costs_nothing(tmp_path: Path, point: str) -> None:
    """Whoever comes after it goes on where the sink is; nothing is missing and nothing is there twice."""
    whole, store = stored(tmp_path), Store()
    arm(point, crash)
    deaths = 0
    while deaths < 3:
        shipper = Shipper(tmp_path, store, rows_max=30)
        with pytest.raises(FailpointError):
            shipper.run()
        shipper.close()
        deaths += 1
    disarm_all()
    assert Did.OVER == Shipper(tmp_path, store, rows_max=30).run()
    assert expected(tmp_path, whole) == store.records("s")


def test_other_errors_are_ours(tmp_path: Path) -> None:
    """What is no sink's and no journal's failure is not hidden behind a back-off."""
    stored(tmp_path)
    shipper = Shipper(tmp_path, Store())
    shipper.sink.position = lambda session: 1 / 0  # type: ignore[assignment, method-assign, return-value]
    with pytest.raises(ZeroDivisionError):
        shipper.run()
