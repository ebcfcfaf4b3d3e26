"""Records are made again from the journal alone, from the oldest position from which that can be done."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from livestack.exceptions import JournalDamagedError, RecoveryError
from livestack.journal.format import EVENTS, key_of
from livestack.research.records import Derivation, derived_records
from livestack.storage.tables import TABLE_OF
from tests.journal.test_reader import change
from tests.research.orders import answers, filled
from tests.research.sessions import (
    CLOSING,
    header,
    keep_snapshots,
    opening,
    quotes,
    record,
    rules,
    store_segments,
)


def test_every_record_in_order(tmp_path: Path) -> None:
    """Positions rise, ordinals count from 0, and a fill is among them."""
    filled(tmp_path)
    derived = list(derived_records(tmp_path / "sessions", "s"))
    seqs = [seq for seq, _ in derived]
    assert sorted(set(seqs)) == seqs
    for seq, records in derived:
        keys = [(one.trace.session, one.trace.seq, one.trace.ordinal) for one in records]
        assert [("s", seq, number) for number in range(len(records))] == keys
    tables = [TABLE_OF[type(one)] for _, records in derived for one in records]
    assert 1 == tables.count("fills")
    assert {"orders", "positions", "dispatches", "sessions"} <= set(tables)


def test_positions_without_records_are_passed_too(tmp_path: Path) -> None:
    """Whoever shows progress hears of each position, to the end that was told before."""
    count = len(filled(tmp_path))
    with Derivation(tmp_path / "sessions", "s") as derivation:
        assert list(range(1, count + 1)) == [seq for seq, _ in derivation]
        assert (count, count, None) == (derivation.end_seq, derivation.last_seq, derivation.damage)


def pruned(directory: Path, *, with_snapshots: bool) -> int:
    """A session without its first segments; the position of its oldest snapshot behind them."""
    settings = rules(directory)
    records = record(settings, [*opening("s"), *answers(), *quotes(200), *CLOSING])
    head = header("s", settings)
    segments = store_segments(directory, head, records, 50)
    kept = keep_snapshots(directory, head, settings, records, [110, 160]) if with_snapshots else [0]
    for segment in segments[:2]:
        shutil.rmtree(segment)
    return kept[0]


def test_pruned_journal(tmp_path: Path) -> None:
    """Without its beginning it is begun behind the oldest snapshot, and the records are the same as ever."""
    whole, part = tmp_path / "whole", tmp_path / "part"
    whole.mkdir()
    part.mkdir()
    settings = rules(whole)
    records = record(settings, [*opening("s"), *answers(), *quotes(200), *CLOSING])
    store_segments(whole, header("s", settings), records, 50)
    snapshot = pruned(part, with_snapshots=True)
    with Derivation(part / "sessions", "s") as derivation:
        assert snapshot + 1 == derivation.from_seq
        again = [(seq, found) for seq, found in derivation if found]
    expected = [(seq, found) for seq, found in derived_records(whole / "sessions", "s") if seq > snapshot]
    assert expected
    assert expected == again


def test_pruned_journal_without_a_snapshot(tmp_path: Path) -> None:
    """Where nothing tells the State at any position, that is said."""
    pruned(tmp_path, with_snapshots=False)
    with pytest.raises(RecoveryError, match="no snapshot at or behind it is usable"):
        Derivation(tmp_path / "sessions", "s")


def test_damage(tmp_path: Path) -> None:
    """What stands before the damage is told, then the damage."""
    records = filled(tmp_path)
    at = len(records) - 3
    change(tmp_path / "sessions", EVENTS, key_of(at), b"something else")
    with Derivation(tmp_path / "sessions", "s") as derivation:
        assert at - 1 == len(list(derivation))
        assert derivation.damage is not None
        assert at == derivation.damage.seq
    with pytest.raises(JournalDamagedError):
        list(derived_records(tmp_path / "sessions", "s"))
