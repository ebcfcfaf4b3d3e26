"""Records of a report out of a journal and out of a sink."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from livestack.research import report_source
from livestack.research.records import Derivation, derived_records
from livestack.research.report import Findings
from livestack.research.report_page import page
from livestack.research.report_source import from_journal, from_sink, record_of
from livestack.storage.sink import Position
from livestack.storage.tables import TABLE_OF, TABLES, Record
from livestack.wire import records_pb2 as wire
from tests.journal.damage import garble
from tests.research.orders import filled
from tests.research.report_records import SESSION, Maker, busy
from tests.research.sessions import header, rules, store_segments


class Kept:
    """A sink that has these records."""

    address = "kept:"

    def __init__(self, records: list[Any]) -> None:
        self._records = records
        self.asked: list[tuple[int, int]] = []

    def position(self, session: str) -> Position:
        last = max((one.trace.seq for one in self._records), default=0)
        return Position(last // 2, {"fills": last})

    def read(self, table: str, session: str, from_seq: int, to_seq: int) -> Iterator[list[tuple[Any, ...]]]:
        self.asked.append((from_seq, to_seq))
        found = [
            one
            for one in self._records
            if TABLE_OF[type(one)] == table
            and one.trace.session == session
            and from_seq <= one.trace.seq <= to_seq
        ]
        for first in range(0, len(found), 100):
            columns = TABLES[table].values(found[first : first + 100])
            yield list(zip(*columns, strict=True))


def ignore(_seq: int) -> None:
    """Of progress."""


def test_a_row_is_its_record_again() -> None:
    """Of every table: what is null stays absent."""
    for record in [*busy(60), wire.DeadLetterRecord(trace=Maker().trace(), table="fills", error="no")]:
        table = TABLES[TABLE_OF[type(record)]]
        row = next(zip(*table.values([record]), strict=True))
        assert record == record_of(table, row)


@pytest.mark.parametrize("wanted", [1, 100, 20_000])
def test_a_sink_gives_what_the_records_give(monkeypatch: pytest.MonkeyPatch, wanted: int) -> None:
    """The same page but for its source, however small the ranges; up to what any table has."""
    monkeypatch.setattr(report_source, "ROWS_WANTED", wanted)
    monkeypatch.setattr(report_source, "SPAN_FIRST", 64)
    records: list[Record] = list(busy(200))
    passed: list[int] = []
    sink = Kept(records)
    account = from_sink(sink, SESSION, passed.append)  # type: ignore[arg-type]
    expected = page(Findings.of(records), "here")
    assert expected == page(account.findings, "here", account.notes)
    assert "read from kept:" == account.source
    assert sorted(passed) == passed
    assert records[-1].trace.seq == passed[-1]  # type: ignore[attr-defined]


def test_ranges_grow_where_there_is_little() -> None:
    """A session of a hundred million positions with few records is not asked for bit by bit."""
    maker = Maker()
    first = maker.session_record("started")
    maker.seq = 100_000_000
    sink = Kept([first, maker.session_record("stopped")])
    assert 2 == from_sink(sink, SESSION, ignore).findings.count  # type: ignore[arg-type]
    assert 20 * 7 > len(sink.asked)


def test_a_sink_without_the_session() -> None:
    """Has nothing, and is not asked for rows."""
    sink = Kept([])
    assert 0 == from_sink(sink, SESSION, ignore).findings.count  # type: ignore[arg-type]
    assert [] == sink.asked


def test_what_a_sink_refused_is_told() -> None:
    """It is not in the pictures."""
    records = [*busy(5), wire.DeadLetterRecord(trace=Maker().trace(), table="fills", error="no")]
    notes = from_sink(Kept(records), SESSION, ignore).notes  # type: ignore[arg-type]
    assert ["1 records are missing: the sink refused them, they are in its table dead_letters."] == list(
        notes
    )


def test_a_journal_gives_what_its_records_give(tmp_path: Path) -> None:
    """All of them."""
    filled(tmp_path)
    sessions = tmp_path / "sessions"
    name = next(sessions.iterdir()).name
    expected = [record for _, records in derived_records(sessions, name) for record in records]
    with Derivation(sessions, name) as derivation:
        account = from_journal(derivation, ignore)
    assert page(Findings.of(expected), "") == page(account.findings, "")
    assert ((), "made from the journal") == (account.notes, account.source)


def test_a_damaged_journal_is_told_up_to_its_damage(tmp_path: Path) -> None:
    """And where that is."""
    (tmp_path / "made").mkdir()
    records = filled(tmp_path / "made")
    segments = store_segments(tmp_path, header("s", rules(tmp_path)), records, 20)
    garble(segments[1])
    with Derivation(tmp_path / "sessions", "s") as derivation:
        account = from_journal(derivation, ignore)
    assert account.findings.count
    assert 1 == len(account.notes)
    assert "where the journal cannot be read" in account.notes[0]
