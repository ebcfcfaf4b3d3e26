"""Records in PostgreSQL: what is kept is what was given, once, whoever writes it and how often."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from livestack.exceptions import SinkError, SinkRefusedError, SinkUnavailableError
from livestack.storage import postgresql
from livestack.storage.postgresql import PostgresqlSink
from livestack.storage.sink import Batch, Position
from livestack.storage.tables import TABLES
from tests.postgres_support import Databases, any_server
from tests.storage.postgresql_support import (
    SESSION,
    batch,
    denial,
    expected_rows,
    fill,
    filled,
    read_all,
    seqs,
    sink_at,
    trace,
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Databases]:
    with any_server(tmp_path_factory.mktemp("server")) as one:
        yield one


@pytest.fixture
def database(server: Databases) -> Iterator[str]:
    with server.database() as name:
        yield name


@pytest.fixture
def sink(server: Databases, database: str) -> Iterator[PostgresqlSink]:
    """Open, in a database of its own."""
    one = sink_at(server.url_of(database))
    one.open()
    yield one
    one.close()


@pytest.mark.parametrize("table", TABLES)
def test_a_record_comes_back_as_it_was(sink: PostgresqlSink, table: str) -> None:
    """Every table, every column: extremes of numbers, odd signs in texts, absent fields as null."""
    records = [filled(table, 1, with_optional=True), filled(table, 2, with_optional=False)]
    assert [] == sink.write(batch(*records))
    assert expected_rows(table, records) == read_all(sink, table)


def test_columns_have_types_to_calculate_with(sink: PostgresqlSink, server: Databases, database: str) -> None:
    """Decimals are exact numbers with the zeros they were written with, times are timestamps, to the microsecond."""
    sink.write(batch(fill(1)))
    query = 'SELECT price, price * qty, fee, "time", seq, order_id FROM livestack.fills'
    time = datetime(2026, 1, 2, 3, 4, 5, 123456, UTC)
    expected = (Decimal("50001.10"), Decimal("5000.11000"), Decimal("-0.00000001"), time, 1, None)
    assert [expected] == server.execute(query, database)


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("0", "0"),
        ("-0", "0"),
        ("0.000", "0"),
        ("100", "100"),
        ("0.00000000000000000001", "0.00000000000000000001"),
        ("9" * 5_000 + "." + "1" * 5_000, "9" * 5_000 + "." + "1" * 5_000),
    ],
    ids=["zero", "minus zero", "zero with a scale", "zeros in front", "small", "long"],
)
def test_decimals_are_exact(sink: PostgresqlSink, text: str, read: str) -> None:
    """Of any size, none is rounded."""
    record = fill(1, price=text)
    sink.write(batch(record))
    place = [column.name for column in TABLES["fills"].columns].index("price")
    assert [read] == [row[place] for row in read_all(sink, "fills")]


def test_what_is_there_is_not_written_again(sink: PostgresqlSink) -> None:
    """The same batch twice, one that overlaps, and one that has the same record twice: each record is there once."""
    first = [fill(seq) for seq in (1, 2, 3)]
    second = [fill(seq) for seq in (2, 3, 4, 4)]
    for records in (first, first, second, second):
        assert [] == sink.write(batch(*records))
    assert expected_rows("fills", [fill(seq) for seq in (1, 2, 3, 4)]) == read_all(sink, "fills")


def test_another_record_under_the_same_key_changes_nothing(sink: PostgresqlSink) -> None:
    """What is there stays; verification finds the difference."""
    sink.write(batch(fill(1)))
    sink.write(batch(fill(1, qty="7"), fill(2)))
    assert expected_rows("fills", [fill(1), fill(2)]) == read_all(sink, "fills")


def test_a_batch_of_several_tables(sink: PostgresqlSink) -> None:
    """Each record is in its own table, in the order of its key; one Event can have several."""
    sink.write(batch(fill(1, 1), denial(1, 0), fill(1, 2), denial(3)))
    assert expected_rows("fills", [fill(1, 1), fill(1, 2)]) == read_all(sink, "fills")
    assert expected_rows("denials", [denial(1), denial(3)]) == read_all(sink, "denials")


def test_position_is_what_was_written(sink: PostgresqlSink) -> None:
    """Nothing of an unknown session; ``through`` also without rows; a table that is ahead; never back."""
    assert Position() == sink.position(SESSION)
    sink.write(Batch(SESSION, {}, 5, 5))
    assert Position(5) == sink.position(SESSION)
    sink.write(batch(fill(9), through=7))
    assert Position(7, {"fills": 9}) == sink.position(SESSION)
    sink.write(batch(fill(6)))
    assert Position(7, {"fills": 9}) == sink.position(SESSION)
    sink.write(Batch(SESSION, {}, 9, 9))
    assert Position(9) == sink.position(SESSION)
    assert Position() == sink.position("another")


def test_reading_in_pages(sink: PostgresqlSink, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ranges include both ends; a page may end inside an Event; other sessions are not seen."""
    monkeypatch.setattr(postgresql, "READ_ROWS", 2)
    records = [fill(seq, ordinal) for seq in (1, 2, 3, 4) for ordinal in (0, 1, 2)]
    sink.write(batch(*records))
    sink.write(batch(fill(2, session="another"), session="another"))
    pages = list(sink.read("fills", SESSION, 2, 3))
    assert [2, 2, 2] == [len(page) for page in pages]
    assert expected_rows("fills", records[3:9]) == [row for page in pages for row in page]
    assert [] == list(sink.read("fills", SESSION, 5, 100))
    assert 12 == len(read_all(sink, "fills"))


def test_rows_that_are_refused_do_not_stop_the_rest(
    sink: PostgresqlSink, server: Databases, database: str
) -> None:
    """A text that no text column takes, decimals that are none or too large, a rule of the owner's: dead letters."""
    rule = "ALTER TABLE livestack.denials ADD CONSTRAINT no_tuesdays CHECK (rule <> 'tuesday')"
    server.execute(rule, database)
    fills = [fill(seq) for seq in range(1, 40)]
    fills[4] = fill(5, fee_asset="US\0DT")
    fills[20] = fill(21, price="much")
    fills[38] = fill(39, qty="1e200000")
    denials = [denial(7, 1), denial(8, rule="tuesday")]
    for _ in range(2):
        refusals = sink.write(batch(*fills, *denials))
        told = [(refusal.table, refusal.seq) for refusal in refusals]
        assert [("fills", 5), ("fills", 21), ("fills", 39), ("denials", 8)] == told
        assert "invalid byte sequence" in refusals[0].error
        assert 'invalid input syntax for type numeric: "much"' == refusals[1].error
        assert "numeric" in refusals[2].error
        assert "no_tuesdays" in refusals[3].error
    assert [seq for seq in range(1, 39) if seq not in (5, 21)] == seqs(sink, "fills")
    assert [7] == seqs(sink, "denials")
    assert Position(39) == sink.position(SESSION)
    query = 'SELECT seq, "table", error, record FROM livestack.dead_letters ORDER BY seq'
    letters = server.execute(query, database)
    assert [(5, "fills"), (8, "denials"), (21, "fills"), (39, "fills")] == [one[:2] for one in letters]
    assert refusals[1].error == letters[2][2]
    assert "much" == json.loads(letters[2][3])["price"]
    assert "US\0DT" == json.loads(letters[0][3])["fee_asset"]


def test_a_dead_letter_that_is_refused_too(sink: PostgresqlSink, server: Databases, database: str) -> None:
    """Where the fault is in the trace, the letter has the trace without it; the record inside tells all of it."""
    bad = fill(2)
    bad.trace.CopyFrom(trace(2, account="ma\0in"))
    refusals = sink.write(batch(fill(1), bad, fill(3)))
    assert [2] == [refusal.seq for refusal in refusals]
    assert [1, 3] == seqs(sink, "fills")
    [(account, record)] = server.execute("SELECT account, record FROM livestack.dead_letters", database)
    assert "ma?in" == account
    assert "ma\0in" == json.loads(record)["trace"]["account"]


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        ("53100", SinkUnavailableError),  # disk full
        ("53200", SinkUnavailableError),  # out of memory
        ("40001", SinkUnavailableError),  # serialization
        ("40P01", SinkUnavailableError),  # deadlock
        ("57014", SinkUnavailableError),  # statement timeout
        ("57P01", SinkUnavailableError),  # shutdown
        ("25006", SinkUnavailableError),  # read only
        ("58030", SinkUnavailableError),  # I/O error
        ("XX001", SinkUnavailableError),  # data corrupted
        ("42501", SinkRefusedError),  # no right
        ("42P01", SinkRefusedError),  # table dropped
    ],
)
def test_what_an_error_means(
    sink: PostgresqlSink, server: Databases, database: str, state: str, kind: type[SinkError]
) -> None:
    """What may pass is tried again later, what somebody must change is told so; nothing of the batch is kept."""
    server.execute(trigger(f"RAISE EXCEPTION 'so it is' USING ERRCODE = '{state}'"), database)
    with pytest.raises(SinkError, match="so it is") as caught:
        sink.write(batch(denial(1), fill(2)))
    assert kind is type(caught.value)
    server.execute("DROP TRIGGER t ON livestack.fills", database)
    with pytest.raises(SinkUnavailableError, match="no connection; open it first"):
        sink.position(SESSION)
    sink.open()
    assert Position() == sink.position(SESSION)
    assert [] == read_all(sink, "denials")


def trigger(body: str) -> str:
    return f"""
        CREATE FUNCTION public.t() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN {body}; RETURN NEW; END$$;
        CREATE TRIGGER t BEFORE INSERT ON livestack.fills FOR EACH ROW EXECUTE FUNCTION public.t()
    """


def write_all(sink: PostgresqlSink, batches: list[Batch], faults: list[SinkError]) -> None:
    """As a shipper would: after a failure, once more."""
    for one in batches:
        while True:
            try:
                sink.write(one)
                break
            except SinkUnavailableError as error:
                faults.append(error)
                sink.open()


@pytest.mark.parametrize("names", [("one", "two"), ("one", "one")], ids=["two sessions", "one session"])
def test_two_writers_at_once(server: Databases, database: str, names: tuple[str, str]) -> None:
    """Nothing is lost, doubled or mixed, be they two nodes or a shipper that runs twice, with other batches."""
    faults: list[SinkError] = []
    sinks, threads = [], []
    for name, size in zip(names, (7, 11), strict=True):
        records = [fill(seq, session=name) for seq in range(1, 300)]
        parts = [records[start : start + size] for start in range(0, len(records), size)]
        batches = [batch(*part, session=name) for part in parts]
        sinks.append(sink_at(server.url_of(database)))
        sinks[-1].open()
        threads.append(threading.Thread(target=write_all, args=(sinks[-1], batches, faults)))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [] == faults
    for name in names:
        expected = expected_rows("fills", [fill(seq, session=name) for seq in range(1, 300)])
        assert expected == read_all(sinks[0], "fills", name)
        assert Position(299) == sinks[0].position(name)
    for sink in sinks:
        sink.close()


def test_durable_means_durable(server: Databases, database: str) -> None:
    """Where a database is set to answer before its disk did, records are waited for all the same."""
    server.execute(f"ALTER DATABASE {database} SET synchronous_commit = off")
    sink = sink_at(server.url_of(database))
    sink.open()
    server.execute("CREATE TABLE public.seen (setting text)", database)
    sink.write(batch(denial(1)))
    note = "INSERT INTO public.seen VALUES (current_setting('synchronous_commit'))"
    server.execute(trigger(note), database)
    sink.write(batch(fill(1)))
    sink.close()
    assert [("on",)] == server.execute("SELECT setting FROM public.seen", database)


def test_temporary_tables_are_made_once(sink: PostgresqlSink, server: Databases, database: str) -> None:
    """One per table and connection, empty behind every batch."""
    for seq in range(1, 5):
        sink.write(batch(fill(seq), denial(seq)))
    query = "SELECT relname FROM pg_class WHERE relpersistence = 't' AND relkind = 'r' ORDER BY relname"
    assert [("livestack_denials",), ("livestack_fills",)] == server.execute(query, database)


def test_views_for_reading(sink: PostgresqlSink, server: Databases, database: str) -> None:
    """An Order and a position as they are now, a request with its last stage, a balance as last reported."""
    records: list[Any] = []
    for seq in (1, 2, 3):
        for table in ("orders", "positions", "dispatches", "balances"):
            records.append(filled(table, seq, with_optional=True))
            records[-1].trace.ordinal = len(records)
            records[-1].trace.order_id = 7
    records[2].stage, records[6].stage, records[10].stage = "dispatched", "sent", "answered"
    records[10].send_ns, records[10].answered_ns = 1_000, 4_000
    sink.write(batch(*records))
    for view in ("latest_orders", "latest_positions", "latest_balances"):
        assert [(3,)] == server.execute(f"SELECT seq FROM livestack.{view}", database)
    query = "SELECT stage, answer_ns FROM livestack.requests"
    assert [("answered", 3_000)] == server.execute(query, database)
