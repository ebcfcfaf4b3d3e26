"""Confirmed means on the disk; what a power loss tore is put aside and written again."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from livestack import failpoints
from livestack.exceptions import SinkError, SinkRefusedError
from livestack.failpoints import FailpointError
from livestack.storage.delta_durability import file_of, is_torn, newest_entry
from tests.storage.delta_support import SESSION, HandTime, Place, batch, fill, seqs


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Paths in the order in which they were synced."""
    found: list[str] = []
    fsync = os.fsync

    def noting(descriptor: int) -> None:
        found.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", noting)
    return found


def log(place: Place) -> Path:
    return Path(place.root) / "fills" / "_delta_log"


def test_what_is_confirmed_is_synced(disk: Place, synced: list[str]) -> None:
    """The data before the log entry that names it, then the directories that name both."""
    sink = disk.opened()
    synced.clear()
    sink.write(batch(1, fills=[fill(1)]))
    table = Path(disk.root) / "fills"
    data = table / disk.live("fills")[0]
    assert [str(data), str(log(disk) / f"{1:020}.json")] == synced[:2]
    assert {str(table), str(log(disk)), str(data.parent), str(data.parent.parent)} == set(synced[2:])


def test_a_checkpoint_is_synced_too(disk: Place, synced: list[str]) -> None:
    """A table whose checkpoint is not whole could not be read."""
    sink = disk.opened(HandTime())
    for seq in range(1, 101):
        sink.write(batch(seq, fills=[fill(seq)]))
    assert {"_last_checkpoint"} < {Path(name).name for name in synced}
    assert any(name.endswith(".checkpoint.parquet") for name in synced)


@pytest.mark.parametrize("damage", ["empty entry", "cut entry", "empty data", "no data"])
def test_a_torn_commit_is_put_aside_and_made_again(disk: Place, damage: str) -> None:
    """Nobody was told of it: the sink is where it was before, and nothing is removed."""
    sink = disk.opened(HandTime())
    sink.write(batch(1, fills=[fill(1)]))
    sink = disk.opened(HandTime())
    sink.write(batch(2, fills=[fill(2)]))
    entry = log(disk) / f"{2:020}.json"
    data = Path(disk.root) / "fills" / disk.live("fills")[1]
    if damage == "no data":
        data.unlink()
    else:
        torn = data if damage == "empty data" else entry
        torn.write_bytes(torn.read_bytes()[: 100 if damage == "cut entry" else 0])
    sink = disk.opened()
    assert {"fills": 1} == sink.position(SESSION).tables
    assert entry.with_name(entry.name + ".torn").exists()
    sink.write(batch(2, fills=[fill(2)]))
    assert [1, 2] == seqs(sink, "fills")


def test_a_torn_table_that_is_not_ours_is_left_alone(disk: Place) -> None:
    """Its owner knows what to do."""
    foreign = Place(Path(disk.root) / "other", None)
    foreign.opened().write(batch(1, orders=[]))
    (Path(disk.root) / "fills").parent.mkdir(exist_ok=True)
    (Path(disk.root) / "other" / "orders").rename(Path(disk.root) / "fills")
    entry = log(disk) / f"{1:020}.json"
    entry.write_bytes(b"")
    with pytest.raises(SinkRefusedError, match="table fills"):
        disk.opened()
    assert b"" == entry.read_bytes()


def test_where_nothing_is_nothing_is_torn(tmp_path: Path) -> None:
    """Nor in a table whose newest entry is whole."""
    assert None is newest_entry(tmp_path)
    place = Place(tmp_path, None)
    place.opened().write(batch(1, fills=[fill(1)]))
    newest = newest_entry(tmp_path / "fills")
    assert newest is not None
    assert not is_torn(tmp_path / "fills", newest)


def foreign(disk: Place, adds: str) -> Path:
    """A table of sales whose data are elsewhere: its first and only log entry."""
    table = Path(disk.root) / "fills"
    write_deltalake(str(table), pa.table({"a": [1]}), name="fills", description="sales")
    data = table / disk.live("fills")[0]
    entry = log(disk) / f"{0:020}.json"
    text = entry.read_text()
    assert data.name in text
    if adds != "moved":
        text = text.replace(
            data.name, data.with_name("gone.parquet").as_uri() if adds == "uri" else "/gone.parquet"
        )
        entry.write_text(text)
    data.unlink()
    return entry


@pytest.mark.parametrize("adds", ["uri", "absolute", "moved"])
def test_a_foreign_table_whose_data_are_elsewhere_is_left_alone(disk: Place, adds: str) -> None:
    """A clone, or one whose file was moved: its only log entry is whole, and not ours."""
    entry = foreign(disk, adds)
    before = entry.read_bytes()
    for opening in (disk.sink().open, disk.sink().check):
        with pytest.raises(SinkRefusedError, match=r"table fills: .* livestack did not make"):
            opening()
    assert before == entry.read_bytes()
    assert [entry] == list(log(disk).iterdir())


def test_a_torn_first_entry_beside_data_is_left_alone(disk: Place) -> None:
    """A table of ours has no data before its first entry is whole."""
    entry = foreign(disk, "moved")
    entry.write_bytes(b"")
    (log(disk).parent / "data.parquet").write_bytes(b"x")
    with pytest.raises(SinkError):
        disk.opened()
    assert b"" == entry.read_bytes()


def test_a_table_that_was_being_made_is_made_again(disk: Place) -> None:
    """The power went before its first entry was on the disk."""
    disk.opened()
    entry = log(disk) / f"{0:020}.json"
    entry.write_bytes(b"")
    sink = disk.opened()
    assert entry.with_name(entry.name + ".torn").exists()
    sink.write(batch(1, fills=[fill(1)]))
    assert [1] == seqs(sink, "fills")


def test_files_outside_of_a_table_are_not_its_own(tmp_path: Path) -> None:
    """Absolute, with a scheme, or above it; an escaped name is what it stands for."""
    for name in ("/a", "%2Fa", "s3://b/a", "file:///a", "abfss:a", "../a", "b/%2E%2E/../a"):
        assert None is file_of(tmp_path, name)
    assert tmp_path / "session=a:b" / "c d" == file_of(tmp_path, "session=a%3Ab/c%20d")


def test_json_that_is_no_log_is_not_torn(tmp_path: Path) -> None:
    """Whatever it is, no power loss made it of an entry of ours."""
    entry = tmp_path / f"{1:020}.json"
    for text in ("1", '{"add": {}}', '{"add": 1}', '{"add": {"path": "a", "size": "x"}}'):
        entry.write_text(text)
        assert not is_torn(tmp_path, entry)


@pytest.mark.usefixtures("armed")
def test_a_commit_that_nobody_synced_is_synced_before_it_is_believed(disk: Place, synced: list[str]) -> None:
    """Its writer was killed in between: by who opens the table next, and by who merely sees it."""
    seeing = disk.opened()
    sink = disk.opened()
    failpoints.arm("delta.after_commit", killed)
    with pytest.raises(FailpointError):
        sink.write(batch(1, fills=[fill(1)]))
    failpoints.disarm_all()
    written = {str(log(disk) / f"{1:020}.json"), str(Path(disk.root) / "fills" / disk.live("fills")[0])}
    for action in (disk.opened, lambda: seeing.position(SESSION)):
        synced.clear()
        action()
        assert written < set(synced)


def killed() -> None:
    raise FailpointError("delta.after_commit")
