"""Snapshots on disk: whole or not there, and passed over when they are no good."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from livestack.failpoints import FailpointError, arm, disarm_all
from livestack.journal.snapshots import (
    SNAPSHOT_VERSION,
    UNFINISHED,
    Snapshot,
    drop_snapshots_beyond,
    prune_snapshots,
    read_snapshot,
    snapshot_path,
    snapshots,
    write_snapshot,
)
from tests.support import ROOT


def made(seq: int, **changes: object) -> Snapshot:
    snapshot = Snapshot(
        version=SNAPSHOT_VERSION,
        session="s",
        seq=seq,
        ts=seq * 10,
        semantics_version=2,
        strategy_digest="d",
        digest="x",
        state=b"state %d" % seq,
    )
    return msgspec.structs.replace(snapshot, **changes)


def found(sessions: Path, to_seq: int = 100) -> list[int]:
    return [one.seq for one in snapshots(sessions, "s", to_seq, 2)]


def test_the_newest_that_is_not_too_new_comes_first(tmp_path: Path) -> None:
    """Nothing beyond the journal's end, nothing of other semantics; no directory is no snapshot."""
    assert [] == found(tmp_path)
    for seq in (5, 40, 9):
        write_snapshot(tmp_path, made(seq))
    write_snapshot(tmp_path, made(30, semantics_version=1))
    assert [40, 9, 5] == found(tmp_path)
    assert [9, 5] == found(tmp_path, 39)
    assert made(9) == read_snapshot(snapshot_path(tmp_path, "s", 9))


@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "foreign", "renamed", "newer"])
def test_what_is_no_good_is_passed_over(tmp_path: Path, damage: str) -> None:
    """A changed byte, a part, nothing at all, somebody else's file, a wrong name, a newer format."""
    write_snapshot(tmp_path, made(5))
    path = write_snapshot(tmp_path, made(9))
    data = path.read_bytes()
    if damage == "flip":
        path.write_bytes(data[:20] + bytes([data[20] ^ 1]) + data[21:])
    elif damage == "renamed":
        path.rename(path.with_name(f"{8:020d}"))
    elif damage == "newer":
        write_snapshot(tmp_path, made(9, version=SNAPSHOT_VERSION + 1))
    else:
        path.write_bytes({"cut": data[:-1], "empty": b"", "foreign": b"\x00\x00\x00\x00"}[damage])
    assert [5] == found(tmp_path)


def test_what_was_never_finished_is_not_there(tmp_path: Path) -> None:
    """A crash before the rename leaves a file that nobody takes for a snapshot, and that pruning removes."""
    path = write_snapshot(tmp_path, made(5))
    left = path.with_name(f"{9:020d}{UNFINISHED}")
    left.write_bytes(path.read_bytes())
    assert [5] == found(tmp_path)
    assert [] == prune_snapshots(tmp_path, "s", 1)
    assert not left.exists()


def test_pruning_keeps_the_newest(tmp_path: Path) -> None:
    """So many, and the rest goes."""
    for seq in range(1, 6):
        write_snapshot(tmp_path, made(seq))
    assert [1, 2, 3] == prune_snapshots(tmp_path, "s", 2)
    assert [5, 4] == found(tmp_path)
    assert [] == prune_snapshots(tmp_path, "other", 2)


@pytest.mark.parametrize(
    ("needed", "left"),
    [(None, [5, 4]), (0, [5, 4]), (1, [5, 4, 1]), (3, [5, 4, 3]), (4, [5, 4]), (9, [5, 4])],
)
def test_what_somebody_goes_on_from_stays(tmp_path: Path, needed: int | None, left: list[int]) -> None:
    """The newest snapshot at or before that position, besides the newest of all; a second pruning takes no more."""
    for seq in range(1, 6):
        write_snapshot(tmp_path, made(seq))
    gone = prune_snapshots(tmp_path, "s", 2, needed)
    assert (left, sorted({1, 2, 3, 4, 5} - {*left})) == (found(tmp_path), gone)
    assert [] == prune_snapshots(tmp_path, "s", 2, needed)


def test_it_is_for_its_owner_alone(tmp_path: Path) -> None:
    """Positions and balances are nobody else's business."""
    path = write_snapshot(tmp_path / "data", made(5))
    assert (0o600, 0o700) == (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777)


def test_a_disk_that_refuses_leaves_nothing_behind(tmp_path: Path) -> None:
    """Not even a part, which the journal would miss."""
    directory = snapshot_path(tmp_path, "s", 5).parent
    (directory / f"{5:020d}").mkdir(parents=True)
    with pytest.raises(OSError, match="directory"):
        write_snapshot(tmp_path, made(5))
    assert [f"{5:020d}"] == [path.name for path in directory.iterdir()]


@pytest.mark.parametrize("point", ["snapshot.in_write", "snapshot.before_rename"])
def test_a_death_in_between_leaves_no_snapshot(tmp_path: Path, point: str) -> None:
    """Neither half a file nor a whole one under its name."""

    def die() -> None:
        raise FailpointError(point)

    arm(point, die)
    try:
        with pytest.raises(FailpointError):
            write_snapshot(tmp_path, made(5))
    finally:
        disarm_all()
    assert [] == found(tmp_path)
    assert [] == prune_snapshots(tmp_path, "s", 1)
    assert [] == list(snapshot_path(tmp_path, "s", 5).parent.iterdir())


def test_what_the_journal_lost_is_no_snapshot_of_what_comes_there_later(tmp_path: Path) -> None:
    """Positions beyond the journal's end are given out again."""
    for seq in (5, 9, 12):
        write_snapshot(tmp_path, made(seq))
    assert [9, 12] == drop_snapshots_beyond(tmp_path, "s", 8)
    assert [5] == found(tmp_path)
    assert [] == drop_snapshots_beyond(tmp_path, "other", 8)


WRITER = """
import sys
from pathlib import Path
from livestack.journal.snapshots import write_snapshot
from tests.journal.test_snapshots import made
print("ready", flush=True)
sys.stdin.readline()
for seq in range(1, 150):
    write_snapshot(Path(sys.argv[1]), made(seq))
"""


def test_two_processes_write_the_same_positions(tmp_path: Path) -> None:
    """A node that stops and whoever follows it: both have their snapshots, and all of them are whole."""
    command = [sys.executable, "-c", WRITER, str(tmp_path)]
    writers = [
        subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _ in range(2)
    ]
    for writer in writers:
        assert writer.stdout is not None
        assert b"ready\n" == writer.stdout.readline()
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write(b"\n")
        writer.stdin.flush()
    for writer in writers:
        writer.communicate()
    assert [0, 0] == [writer.returncode for writer in writers]
    assert list(range(149, 0, -1)) == found(tmp_path, 1_000)
