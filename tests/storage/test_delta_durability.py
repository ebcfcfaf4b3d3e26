"""Confirmed means on the disk; what a power loss tore is put aside and written again."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from livestack.exceptions import SinkRefusedError
from livestack.storage.delta_durability import is_torn, newest_entry, put_torn_entries_aside
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
    assert [] == put_torn_entries_aside(tmp_path)
    place = Place(tmp_path, None)
    place.opened().write(batch(1, fills=[fill(1)]))
    newest = newest_entry(tmp_path / "fills")
    assert newest is not None
    assert not is_torn(tmp_path / "fills", newest)
    assert [] == put_torn_entries_aside(tmp_path / "fills")
