"""The Delta sink as the shipper sees it: everything that it was given, once, and its own word on how far it is."""

from __future__ import annotations

import datetime
import json
import subprocess
import sys
import threading
from decimal import Decimal
from pathlib import Path

import duckdb
import polars
import pytest

from livestack import failpoints
from livestack.exceptions import SinkRefusedError, SinkUnavailableError
from livestack.failpoints import FailpointError
from livestack.storage.delta import DELAYS_NS, DeltaSink
from livestack.storage.sink import Batch, Position
from livestack.storage.tables import TABLES
from livestack.wire import records_pb2 as wire
from tests.storage.delta_support import (
    MIDDAY_NS,
    SECOND_NS,
    SESSION,
    HandTime,
    Place,
    batch,
    expected,
    fill,
    fills,
    named,
    order,
    rows_of,
    seqs,
    start,
    trace,
)
from tests.support import ROOT

OTHER = "20260102T000000-o'ther"

WRITER = """
import json, sys
from livestack.storage.delta import DeltaSink
from tests.storage.delta_support import SESSION, batch, fill, fills, order

root, options, last = sys.argv[1], json.loads(sys.argv[2]), int(sys.argv[3])
sink = DeltaSink("here", root, lambda: options, lambda: 0)
sink.open()
position = sink.position(SESSION)
done = min(position.of("fills"), position.of("orders"))
for first in range(done + 1, last + 1, 25):
    upto = min(first + 24, last)
    rows = {"fills": fills(first, upto), "orders": [order(seq) for seq in range(first, upto + 1)]}
    sink.write(batch(upto, **rows))
sink.write(batch(last, through=last))
assert last == sink.position(SESSION).through
assert last == sum(map(len, sink.read("fills", SESSION, 1, last)))
sink.close()
"""


def run_writer(place: Place, last: int, failpoint: str = "") -> int:
    """Exit code of a process that goes on from where the place is, up to ``last``."""
    finished = subprocess.run(
        [sys.executable, "-c", WRITER, place.root, json.dumps(place.options()), str(last)],
        cwd=ROOT,
        env={"LIVESTACK_FAILPOINTS": failpoint},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert "" == finished.stderr
    return finished.returncode


def test_rows_are_read_as_they_were_written(tables: Place) -> None:
    """Every column of every row, numbers exact, what is absent null."""
    extreme = fill(2, price="99999999999999999999.999999999999999999")
    extreme.fee = "-0.000000000000000001"
    extreme.trace.request_id = "id with ' and \" and \\ and \u00fc\u4e2d"
    extreme.trace.event_ns = -1
    records = [fill(1), extreme, fill(2, ordinal=1), fill(2**62, ts=MIDDAY_NS)]
    orders = [order(2)]
    sink = tables.opened()
    assert [] == sink.write(batch(2**62, fills=records, orders=orders, sessions=[start(1)]))
    assert expected("fills", records) == rows_of(sink, "fills")
    assert expected("orders", orders) == rows_of(sink, "orders")
    assert expected("sessions", [start(1)]) == rows_of(sink, "sessions")
    assert expected("fills", records[1:3]) == rows_of(sink, "fills", first=2, last=2)
    assert [] == rows_of(sink, "positions")
    assert [] == rows_of(sink, "fills", session=OTHER)


def test_numbers_are_read_in_one_form(disk: Place) -> None:
    """Zeros at the end go, whatever the record had."""
    sink = disk.opened()
    sink.write(batch(3, fills=[fill(1, price="50000.10"), fill(2, price="0.00"), fill(3, price="100")]))
    assert ["50000.1", "0", "100"] == [row["price"] for row in named("fills", rows_of(sink, "fills"))]


def test_every_table_takes_its_message(disk: Place) -> None:
    """An empty message of each table is a row."""
    sink = disk.opened()
    for name, table in TABLES.items():
        record = table.message(trace=trace(1))
        for column in table.columns:
            if column.kind.name == "DECIMAL" and not column.optional:
                setattr(record, column.name, "0")
        assert [] == sink.write(batch(1, **{name: [record]}))
        assert expected(name, [record]) == rows_of(sink, name)


def test_files_have_exact_types(tables: Place, tmp_path: Path) -> None:
    """Arrow, DuckDB and Polars find decimals, days and moments in the data files, not texts."""
    sink = tables.opened()
    sink.write(batch(1, fills=[fill(1)]))
    raw = tables.raw("fills")
    assert "decimal128(38, 18)" == str(raw.schema.field("price").type)
    assert "timestamp[us, tz=UTC]" == str(raw.schema.field("time").type)
    assert Decimal("50000.1") == raw["price"][0].as_py()
    paths = tables.copy("fills", tmp_path / "copy")
    assert all(path.match(f"date=2026-01-01/session={SESSION}/*.parquet") for path in paths)
    query = f"SELECT price, fee, seq, date, epoch_us(time), session FROM read_parquet('{tmp_path}/copy/**/*.parquet')"
    with duckdb.connect() as connection:
        row = connection.execute(query).fetchone()
    day = datetime.date(2026, 1, 1)
    assert (Decimal("50000.1"), Decimal("-0.00000001"), 1, day, MIDDAY_NS // 1_000 + 1, SESSION) == row
    frame = polars.read_parquet(f"{tmp_path}/copy/**/*.parquet", hive_partitioning=True)
    assert polars.Decimal(38, 18) == frame.schema["price"]
    assert [Decimal("50000.1")] == frame["price"].to_list()


def test_same_batch_twice_is_kept_once(tables: Place) -> None:
    """By the same sink and by a new one."""
    sink = tables.opened()
    one = batch(10, fills=fills(1, 10), orders=[order(3)])
    sink.write(one)
    sink.write(one)
    tables.opened().write(one)
    assert list(range(1, 11)) == seqs(sink, "fills")
    assert [3] == seqs(sink, "orders")
    assert 1 == len(tables.live("fills"))


def test_overlap_is_cut_off(tables: Place) -> None:
    """Of a batch that repeats, only what is new is kept."""
    sink = tables.opened()
    sink.write(batch(10, fills=fills(1, 10)))
    other = tables.opened()
    other.write(batch(15, fills=fills(6, 15)))
    sink.write(batch(20, fills=fills(1, 20)))
    assert list(range(1, 21)) == seqs(sink, "fills")
    assert Position(0, {"fills": 20}) == sink.position(SESSION)


def test_position_is_the_sinks_own_word(tables: Place) -> None:
    """Per table with rows, for all with ``through``, of each session by itself."""
    sink = tables.opened()
    assert Position() == sink.position(SESSION)
    sink.write(batch(10, fills=fills(1, 10)))
    sink.write(batch(7, session=OTHER, orders=[order(7, OTHER)]))
    assert Position(0, {"fills": 10}) == tables.opened().position(SESSION)
    assert Position(0, {"orders": 7}) == tables.opened().position(OTHER)
    sink.write(batch(8, through=8))
    assert Position(8, {"fills": 10}) == tables.opened().position(SESSION)
    sink.write(batch(12, through=12))
    sink.write(batch(11, through=11))
    assert Position(12) == tables.opened().position(SESSION)


def test_through_goes_along_now_and_then(disk: Place, clock: HandTime) -> None:
    """With rows it is written every 30 s, with rows of sessions and without rows at once."""
    sink = disk.opened(clock)
    sink.write(batch(1, through=1, fills=[fill(1)]))
    assert 0 == sink.position(SESSION).through
    clock.advance(30)
    sink.write(batch(2, through=2, fills=[fill(2)]))
    assert 2 == sink.position(SESSION).through
    sink.write(batch(3, through=3, fills=[fill(3)]))
    assert 2 == sink.position(SESSION).through
    sink.write(batch(4, through=4, sessions=[start(4)]))
    assert Position(4) == sink.position(SESSION)
    sink.write(batch(5, through=5))
    assert 5 == sink.position(SESSION).through


@pytest.mark.usefixtures("armed")
@pytest.mark.parametrize("point", ["delta.before_commit", "delta.after_commit"])
def test_a_lost_answer_loses_and_doubles_nothing(tables: Place, point: str) -> None:
    """Whether the commit happened or not: after a new open the sink knows, and the same batch makes it whole."""
    sink = tables.opened()
    sink.write(batch(5, fills=fills(1, 5)))
    failpoints.arm_from_text(f"{point}=raise")
    with pytest.raises(FailpointError):
        sink.write(batch(10, fills=fills(6, 10)))
    sink.open()
    assert {"fills": 10 if point == "delta.after_commit" else 5} == sink.position(SESSION).tables
    sink.write(batch(12, fills=fills(6, 12)))
    assert list(range(1, 13)) == seqs(sink, "fills")


@pytest.mark.parametrize("point", ["delta.before_commit", "delta.after_commit"])
def test_a_killed_writer_leaves_nothing_twice_and_nothing_out(tables: Place, point: str) -> None:
    """A process that dies at each third commit gets there in the end, and every row is there once."""
    codes = []
    while 0 not in codes and len(codes) < 12:
        codes.append(run_writer(tables, 75, f"{point}=kill@3"))
    assert [-9] * (len(codes) - 1) + [0] == codes
    assert 3 <= len(codes)
    sink = tables.opened()
    assert list(range(1, 76)) == seqs(sink, "fills")
    assert list(range(1, 76)) == seqs(sink, "orders")


def test_a_process_that_wrote_and_read_ends_with_its_own_code(tmp_path: Path) -> None:
    """The library has been seen to abort at exit: not after what is used here, time after time."""
    codes = [run_writer(Place(tmp_path / str(number), None), 30) for number in range(4)]
    assert [0] * 4 == codes


def write_all(sink: DeltaSink, session: str, last: int, errors: list[BaseException]) -> None:
    """Small batches up to ``last``, as a shipper would: after trouble it asks where it is."""
    try:
        while (done := sink.position(session).of("fills")) < last:
            try:
                for first in range(done + 1, last + 1, 5):
                    upto = min(first + 4, last)
                    sink.write(batch(upto, session=session, fills=fills(first, upto, session)))
            except SinkUnavailableError:
                sink.open()
    except BaseException as error:
        errors.append(error)
        raise


@pytest.mark.parametrize("sessions", [(SESSION, OTHER), (SESSION, SESSION)], ids=["two", "same"])
def test_two_writers_at_once(tables: Place, sessions: tuple[str, str]) -> None:
    """Of two sessions: nothing lost or mixed. Of the same session: nothing doubled."""
    sinks = [tables.opened(), tables.opened()]
    errors: list[BaseException] = []
    threads = [
        threading.Thread(target=write_all, args=(sink, session, 60, errors))
        for sink, session in zip(sinks, sessions, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [] == errors
    reader = tables.opened()
    for session in sessions:
        assert list(range(1, 61)) == seqs(reader, "fills", session)
        assert expected("fills", fills(1, 60, session)) == rows_of(reader, "fills", session)


@pytest.mark.usefixtures("armed")
@pytest.mark.parametrize(
    "first", [batch(10, through=10), batch(10, fills=fills(6, 10))], ids=["through", "rows"]
)
def test_another_writer_right_behind_a_commit_is_seen(disk: Place, first: Batch) -> None:
    """What it wrote between our commit and our next look at the table is not written again."""
    sink, other = disk.opened(), disk.opened()
    sink.write(batch(5, fills=fills(1, 5)))
    other.position(SESSION)

    def follow() -> None:
        failpoints.disarm_all()
        other.position(SESSION)
        other.write(batch(20, through=20, fills=fills(6, 20), sessions=[start(20)]))

    failpoints.arm("delta.after_commit", follow)
    sink.write(first)
    sink.write(batch(25, fills=fills(6, 25), sessions=[start(20), start(25)]))
    assert list(range(1, 26)) == seqs(sink, "fills")
    assert [20, 25] == seqs(sink, "sessions")


def test_files_stay_few_while_rows_trickle_in(disk: Place, clock: HandTime) -> None:
    """200 batches in 200 s make a file per 30 s, and every row is there once."""
    sink = disk.opened(clock)
    for number in range(200):
        sink.write(batch(2 * number + 2, fills=fills(2 * number + 1, 2 * number + 2)))
        clock.advance(1)
    assert 7 == len(disk.live("fills"))
    assert expected("fills", fills(1, 400)) == rows_of(sink, "fills")
    assert 400 == disk.raw("fills").num_rows
    assert any(
        name.endswith("100.checkpoint.parquet") or "checkpoint" in name for name in disk.names("fills")
    )
    assert {"fills": 400} == disk.opened().position(SESSION).tables


def test_a_file_is_grown_in_object_storage_too(tables: Place, clock: HandTime) -> None:
    """One live file after ten batches, two after half a minute more."""
    sink = tables.opened(clock)
    for seq in range(1, 11):
        sink.write(batch(seq, fills=[fill(seq)]))
    assert 1 == len(tables.live("fills"))
    clock.advance(30)
    sink.write(batch(11, fills=[fill(11)]))
    assert 2 == len(tables.live("fills"))
    assert list(range(1, 12)) == seqs(sink, "fills")


def test_growing_goes_on_beside_another_session(disk: Place, clock: HandTime) -> None:
    """A commit of another session in between neither ends the file nor gets into it."""
    one, other = disk.opened(clock), disk.opened(clock)
    for seq in range(1, 6):
        one.write(batch(seq, fills=[fill(seq)]))
        other.write(batch(seq, session=OTHER, fills=[fill(seq, session=OTHER)]))
    assert 2 == len(disk.live("fills"))
    assert [1, 2, 3, 4, 5] == seqs(one, "fills") == seqs(one, "fills", OTHER)


def test_a_large_batch_is_a_file_of_its_own(disk: Place, clock: HandTime) -> None:
    """A backlog is not written twice."""
    sink = disk.opened(clock)
    sink.write(batch(20_000, fills=fills(1, 20_000)))
    sink.write(batch(20_001, fills=[fill(20_001)]))
    assert 2 == len(disk.live("fills"))
    assert 20_001 == len(rows_of(sink, "fills"))


def test_a_new_day_is_a_new_file(disk: Place, clock: HandTime) -> None:
    """Rows lie under the day of their own time, also those of one batch."""
    midnight = MIDDAY_NS + 12 * 3_600 * SECOND_NS
    records = [fill(seq, ts=midnight - 2 + seq) for seq in range(5)][1:]
    sink = disk.opened(clock)
    sink.write(batch(1, fills=records[:1]))
    sink.write(batch(3, fills=records[1:3]))
    sink.write(batch(4, fills=records[3:]))
    days = sorted(name.partition("/")[0] for name in disk.live("fills"))
    assert ["date=2026-01-01", "date=2026-01-02"] == days
    assert expected("fills", records) == rows_of(sink, "fills")


def test_what_delta_cannot_take_becomes_a_dead_letter(tables: Place) -> None:
    """With its error and as it was; the rest of the batch is kept; nothing is rounded, nothing is told twice."""
    bad = fill(2, price="0.0000000000000000001")
    long = order(3)
    long.filled_notional = "123456789012345678901"  # type: ignore[attr-defined]
    one = batch(3, fills=[fill(1), bad, fill(3)], orders=[long])
    sink = tables.opened()
    refusals = sink.write(one)
    assert [("orders", 3, 1), ("fills", 2, 0)] == [(each.table, each.seq, each.ordinal) for each in refusals]
    assert "filled_notional = '123456789012345678901' is not" in refusals[0].error
    assert [] == sink.write(one)
    tables.opened().write(one)
    assert [1, 3] == seqs(sink, "fills")
    assert [] == seqs(sink, "orders")
    letters = named("dead_letters", rows_of(sink, "dead_letters"))
    assert [(2, "fills", refusals[1].error), (3, "orders", refusals[0].error)] == [
        (letter["seq"], letter["table"], letter["error"]) for letter in letters
    ]
    assert "0.0000000000000000001" == json.loads(letters[0]["record"])["price"]
    assert {"fills": 3, "orders": 3} == sink.position(SESSION).tables


def test_dead_letters_of_tables_at_different_places(disk: Place) -> None:
    """A table that is behind gets its own letters in, though another one's are further."""
    sink = disk.opened()
    sink.write(batch(9, fills=[fill(9, price="1e-19")]))
    late = order(5)
    late.qty = "1e-19"  # type: ignore[attr-defined]
    sink.write(batch(6, orders=[late]))
    sink.write(batch(10, dead_letters=[wire.DeadLetterRecord(trace=trace(1), table="fills", error="e")]))
    assert [1, 5, 9] == seqs(sink, "dead_letters")


@pytest.mark.usefixtures("armed")
def test_a_dead_letter_is_written_before_its_tables_cursor(disk: Place) -> None:
    """After a crash between the two it is neither lost nor doubled."""
    sink = disk.opened()
    one = batch(2, fills=[fill(1), fill(2, price="1e-19")])
    failpoints.arm_from_text("delta.before_commit=raise@2")
    with pytest.raises(FailpointError):
        sink.write(one)
    sink.open()
    assert {} == sink.position(SESSION).tables
    assert 1 == len(sink.write(one))
    assert [2] == seqs(sink, "dead_letters")
    assert [1] == seqs(sink, "fills")


def test_reading_is_from_one_version(disk: Place) -> None:
    """What is written while a reader is at it does not appear to it."""
    sink = disk.opened()
    sink.write(batch(10_000, fills=fills(1, 10_000)))
    reading = sink.read("fills", SESSION, 1, 2**62)
    first = next(reading)
    sink.write(batch(10_010, fills=fills(10_001, 10_010)))
    assert 10_000 == len(first) + sum(map(len, reading))


def test_a_fill_waits_a_second_at_most() -> None:
    """Delays leave room for the commit within 2 s."""
    assert set(TABLES) == set(DELAYS_NS)
    assert SECOND_NS == DELAYS_NS["fills"]


def test_a_closed_sink_says_so(disk: Place) -> None:
    """And closing twice is nothing."""
    sink = disk.opened()
    sink.close()
    sink.close()
    with pytest.raises(SinkUnavailableError, match="not open"):
        sink.position(SESSION)


def test_check_changes_nothing(place: Place) -> None:
    """Neither where nothing is nor where all is."""
    place.sink().check()
    assert [] == place.names("fills")
    place.opened().write(batch(1, fills=[fill(1)]))
    before = place.names("fills")
    place.sink().check()
    assert before == place.names("fills")


def test_looking_makes_nothing_and_writes_nothing(place: Place) -> None:
    """What is not there has no rows; what is there is read; a look does not open for writing."""
    looking = place.sink()
    looking.look()
    assert Position() == looking.position(SESSION)
    assert [] == rows_of(looking, "fills")
    assert [] == place.names("fills")
    place.opened().write(batch(1, through=1, fills=[fill(1)], sessions=[start(1)]))
    looking.look()
    assert [1] == seqs(looking, "fills")
    assert Position(1) == looking.position(SESSION)
    with pytest.raises(SinkUnavailableError, match="not open for this"):
        looking.write(batch(2, fills=[fill(2)]))


def test_a_path_that_the_library_mistakes_is_refused(tmp_path: Path) -> None:
    """Blanks and other alphabets are fine, a per cent sign is decoded once too often."""
    sink = Place(tmp_path / "r\u00fc ck#", None).opened()
    sink.write(batch(1, fills=[fill(1)]))
    assert [1] == seqs(sink, "fills")
    with pytest.raises(SinkRefusedError, match="without one"):
        Place(tmp_path / "a%20b", None).opened()


def test_nothing_heavy_is_loaded_before_it_is_opened() -> None:
    """A node that ships nothing does not pay for the libraries."""
    program = (
        "import sys; from livestack.storage.delta import DeltaSink; DeltaSink('', '/x', dict, int);"
        "sys.exit('deltalake' in sys.modules or 'pyarrow' in sys.modules)"
    )
    assert 0 == subprocess.run([sys.executable, "-c", program], cwd=ROOT).returncode
