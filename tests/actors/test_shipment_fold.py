"""A fold that makes records: each part of a session is under the header of its segment, and it begins where it can."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec
import pytest

from livestack.actors.shipment import Did
from livestack.actors.shipment_fold import begin_fold, begin_oldest
from livestack.exceptions import RecoveryError
from livestack.journal.reader import JournalReader
from livestack.journal.segment import segments_of
from livestack.journal.snapshots import SNAPSHOTS_NAME, snapshot_path
from livestack.journal.writer import JournalWriter
from livestack.storage.tables import TABLES
from tests.actors.shipping import Growing, Shipper, header, keep_snapshots, session, stored
from tests.storage.fake_sink import Store


def test_records_of_a_resumed_segment_are_under_its_header(tmp_path: Path) -> None:
    """What its node was called then, from its first Event on, and not before."""
    whole = session()
    growing = Growing(tmp_path, whole)
    last = growing.commit(20)
    resumed = msgspec.structs.replace(
        header(), first_seq=last + 1, previous_chain=growing.writer.chain, node="n2"
    )
    growing.writer.close()
    writer = JournalWriter.create(tmp_path / "sessions", resumed, "full")
    writer.commit(whole.records[last:])
    writer.close()
    store = Store()
    assert Did.OVER == Shipper(tmp_path, store).run()
    nodes = {
        (seq > last, TABLES[table].message.FromString(row).trace.node)  # type: ignore[attr-defined]
        for table, rows in store.records("s").items()
        for (seq, _), row in rows.items()
    }
    assert {(False, "n1"), (True, "n2")} == nodes


def test_it_begins_at_the_newest_snapshot_that_is_whole(tmp_path: Path) -> None:
    """At or before the position; where one is torn, at the one before it."""
    whole = stored(tmp_path)
    keep_snapshots(tmp_path, whole)
    first, second, *_ = sorted(whole.snapshots)
    assert 0 == begin_fold(tmp_path / "sessions", header(), first - 1)[0]
    assert second == begin_fold(tmp_path / "sessions", header(), second)[0]
    snapshot_path(tmp_path / "sessions", "s", second).write_bytes(b"torn")
    assert first == begin_fold(tmp_path / "sessions", header(), second)[0]


def test_the_oldest_one_is_behind_what_has_left(tmp_path: Path) -> None:
    """At the session's start while that is there; then behind the first snapshot of use; without one there is none."""
    whole = stored(tmp_path)
    keep_snapshots(tmp_path, whole)
    assert 0 == begin_oldest(tmp_path / "sessions", header())[0]
    shutil.rmtree(segments_of(tmp_path / "sessions", "s")[0])
    with JournalReader.open(tmp_path / "sessions", "s") as reader:
        left = reader.header
    usable = [seq for seq in sorted(whole.snapshots) if seq + 1 >= left.first_seq]
    assert usable[0] == begin_oldest(tmp_path / "sessions", left)[0]
    snapshot_path(tmp_path / "sessions", "s", usable[0]).write_bytes(b"torn")
    assert usable[1] == begin_oldest(tmp_path / "sessions", left)[0]
    shutil.rmtree(tmp_path / "sessions" / "s" / SNAPSHOTS_NAME)
    with pytest.raises(RecoveryError, match=f"begins at seq {left.first_seq}, and no snapshot"):
        begin_oldest(tmp_path / "sessions", left)
