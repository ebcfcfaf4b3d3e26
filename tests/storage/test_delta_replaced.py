"""What was replaced minutes ago goes from a local disk, and nothing else does."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from deltalake import DeltaTable

from livestack.exceptions import SinkUnavailableError
from livestack.storage import delta_table
from livestack.storage.delta import DeltaSink
from livestack.storage.delta_durability import Commit, newest_entry
from livestack.storage.delta_replaced import EVERY_NS, REPLACED_NS, ReplacedFiles
from tests.storage.delta_support import (
    SECOND_NS,
    SESSION,
    HandTime,
    Place,
    batch,
    expected,
    fill,
    fills,
    rows_of,
)

REPLACED_S = REPLACED_NS // SECOND_NS
EVERY_S = EVERY_NS // SECOND_NS


def data_files(place: Place) -> set[str]:
    return {name for name in place.names("fills") if name.endswith(".parquet") and name.startswith("date=")}


def write(sink: DeltaSink, *seqs: int) -> None:
    for seq in seqs:
        sink.write(batch(seq, fills=[fill(seq)]))


def test_an_hour_of_small_batches_makes_few_files(disk: Place, clock: HandTime) -> None:
    """A batch each 10 s for half an hour: 60 live files, and beside them what 10 minutes replaced."""
    sink = disk.opened(clock)
    step, most = 10, 0
    for seq in range(1, 1_800 // step + 1):
        write(sink, seq)
        clock.advance(step)
        if seq % 30 == 0:
            most = max(most, len(data_files(disk)) - len(disk.live("fills")))
    assert 60 == len(disk.live("fills"))
    assert (REPLACED_S + EVERY_S) // step >= most > 0
    assert expected("fills", fills(1, 1_800 // step)) == rows_of(sink, "fills")


def test_a_replaced_file_stays_for_ten_minutes(disk: Place, clock: HandTime) -> None:
    """For readers. Then the next commit takes it away, of a sink that was opened anew in between too."""
    sink = disk.opened(clock)
    write(sink, 1, 2, 3)
    replaced = data_files(disk) - set(disk.live("fills"))
    assert 2 == len(replaced)
    clock.advance(REPLACED_S - 1)
    write(sink, 4)
    assert replaced < data_files(disk)
    sink.open()
    clock.advance(EVERY_S)
    write(sink, 5)
    assert set(disk.live("fills")) == data_files(disk)
    assert expected("fills", fills(1, 5)) == rows_of(sink, "fills")


def test_what_another_process_replaced_stays(disk: Place, clock: HandTime) -> None:
    """And what nobody's log knows."""
    write(disk.opened(clock), 1, 2)
    stray = disk.directory / "fills" / "date=2026-01-01" / f"session={SESSION}" / "stray.parquet"  # type: ignore[operator]
    stray.write_bytes(b"x")
    before = data_files(disk)
    sink = disk.opened(clock)
    for seq in range(3, 8):
        clock.advance(REPLACED_S)
        write(sink, seq)
    assert before < data_files(disk)


def test_what_the_owner_took_out_of_the_table_stays(disk: Place, clock: HandTime) -> None:
    """His compaction's files are his to vacuum, though this process wrote them."""
    sink = disk.opened(clock)
    for seq in (1, 2):
        write(sink, seq)
        clock.advance(30)
    before = data_files(disk)
    DeltaTable(f"{disk.root}/fills").optimize.compact()
    for seq in (3, 4):
        clock.advance(REPLACED_S)
        write(sink, seq)
    assert before < data_files(disk)


def test_a_file_that_is_in_the_table_again_stays(disk: Place, clock: HandTime) -> None:
    """The owner put the table back to an older version."""
    sink = disk.opened(clock)
    write(sink, 1, 2)
    clock.advance(REPLACED_S)
    DeltaTable(f"{disk.root}/fills").restore(1)
    with contextlib.suppress(SinkUnavailableError):
        write(sink, 3)
    sink.open()
    clock.advance(EVERY_S)
    write(sink, 4)
    assert set(disk.live("fills")) <= data_files(disk)
    assert 1 in disk.raw("fills")["seq"].to_pylist()


def test_what_cannot_be_removed_stays(tmp_path: Path, clock: HandTime) -> None:
    """A directory of that name, a file that the owner removed or that somebody else wrote: nobody is bothered."""
    replaced = ReplacedFiles(tmp_path, clock)
    replaced.note(Commit((("a", 1), ("b", 1), ("../c", 1)), ()))
    replaced.note(Commit((("d", 1),), ("a", "b", "../c", "other")))
    (tmp_path / "a").mkdir()
    (tmp_path / "other").write_bytes(b"x")
    clock.advance(REPLACED_S)
    replaced.remove(lambda: {"d"})
    assert ["a", "other"] == sorted(path.name for path in tmp_path.iterdir())


def test_nothing_is_removed_before_its_commit_is_on_the_disk(
    disk: Place, clock: HandTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A commit that could not be synced may be gone after a power loss, and what it replaced is the table then."""
    sink = disk.opened(clock)
    write(sink, 1)
    first = data_files(disk)

    def fail(table: Path, version: int) -> Commit:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(delta_table, "sync_commit", fail)
        with pytest.raises(SinkUnavailableError, match="Input/output error"):
            write(sink, 2)
    newest_entry(disk.directory / "fills").write_bytes(b"")  # type: ignore[operator, union-attr]
    clock.advance(REPLACED_S)
    sink.open()
    clock.advance(EVERY_S)
    write(sink, 2)
    assert first <= set(disk.live("fills")) <= data_files(disk)
    assert expected("fills", fills(1, 2)) == rows_of(sink, "fills")
