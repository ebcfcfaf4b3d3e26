"""Retention: what may go goes whole, what may not stays, and a death in the middle leaves nothing half."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from livestack.core.events import Recorded, SessionStopped
from livestack.core.runtime import SEMANTICS_VERSION
from livestack.core.types import Origin
from livestack.journal.directory import DataDirectory
from livestack.journal.quarantine import set_aside
from livestack.journal.reader import JournalReader
from livestack.journal.retention import (
    REMOVING_PREFIX,
    goes_on_behind,
    prune_segments,
    prune_sessions,
    spare_through,
)
from livestack.journal.segment import segments_of
from livestack.journal.sessions import list_sessions
from livestack.journal.snapshots import SNAPSHOT_VERSION, Snapshot, write_snapshot
from tests.journal.test_segment import rotated
from tests.journal.test_writer import plain
from tests.journal_support import writer
from tests.support import ROOT

LATER_NS = time.time_ns() + 3_600 * 10**9
"""Behind everything that these tests write."""

PRUNE = """
import sys
from pathlib import Path
from livestack.journal.retention import prune_segments
prune_segments(Path(sys.argv[1]), "s", 6, 1 << 62)
"""


def first_seqs(sessions: Path, session: str = "s") -> list[int]:
    return [int(path.name) for path in segments_of(sessions, session)]


def all_names(sessions: Path) -> list[str]:
    return sorted(path.name.lstrip("0") for path in (sessions / "s" / "journal").iterdir())


@pytest.fixture
def sessions(tmp_path: Path) -> Path:
    """A session ``s`` of segments that begin with 1, 4 and 6."""
    rotated(tmp_path).close()
    return tmp_path / "sessions"


@pytest.mark.parametrize(
    ("snapshot_seq", "gone"), [(0, []), (2, []), (3, [1]), (4, [1]), (5, [1, 4]), (6, [1, 4]), (99, [1, 4])]
)
def test_a_segment_goes_once_a_snapshot_stands_behind_it(
    sessions: Path, snapshot_seq: int, gone: list[int]
) -> None:
    """At its last record or later; the newest one stays whatever stands where."""
    assert gone == prune_segments(sessions, "s", snapshot_seq, LATER_NS)
    assert [seq for seq in (1, 4, 6) if seq not in gone] == first_seqs(sessions)


def test_a_segment_that_was_sealed_lately_stays_and_all_behind_it(sessions: Path) -> None:
    """No hole is made: an old one behind a young one stays too."""
    first, second, _ = segments_of(sessions, "s")
    os.utime(first / "data.mdb", ns=(LATER_NS, LATER_NS))
    assert [] == prune_segments(sessions, "s", 6, LATER_NS)
    os.utime(first / "data.mdb", ns=(1, LATER_NS - 1))
    os.utime(second / "data.mdb", ns=(1, LATER_NS))
    assert [1] == prune_segments(sessions, "s", 6, LATER_NS)


def test_what_is_left_reads_on(sessions: Path) -> None:
    """The journal begins later, and its chain goes through from there."""
    prune_segments(sessions, "s", 3, LATER_NS)
    with JournalReader.open(sessions, "s") as reader:
        assert [4, 5, 6] == [record.seq for record in reader.records()]
        assert 3 == reader.verify_chain()


@pytest.mark.parametrize(("passed", "left"), [(1, ["4", "6"]), (2, ["6"])])
def test_a_death_in_the_middle_leaves_nothing_half(sessions: Path, passed: int, left: list[str]) -> None:
    """What was about to go is no segment any more, and its rest goes the next time."""
    done = subprocess.run(
        [sys.executable, "-c", PRUNE, str(sessions)],
        cwd=ROOT,
        env={**os.environ, "LIVESTACK_FAILPOINTS": f"retention.in_remove=kill@{passed}"},
        timeout=60,
    )
    assert -signal.SIGKILL == done.returncode
    assert [seq.rjust(20, "0") for seq in left] == [path.name for path in segments_of(sessions, "s")]
    with JournalReader.open(sessions, "s") as reader:
        assert list(range(int(left[0]), 7)) == [record.seq for record in reader.records()]
    assert any(name.startswith(REMOVING_PREFIX) for name in all_names(sessions))
    prune_segments(sessions, "s", 0, LATER_NS)
    assert left == all_names(sessions)


def test_a_disk_that_refuses_says_so(sessions: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is missing from the journal then."""

    def refuse(path: Path, target: Path) -> Path:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(PermissionError):
        prune_segments(sessions, "s", 6, LATER_NS)
    assert [1, 4, 6] == first_seqs(sessions)


def stopped(directory: Path, session: str, in_order: bool = True) -> None:
    """A session of one segment, that ``SessionStopped`` ends or does not."""
    journal = writer(directory, session)
    journal.commit([plain(1)] if in_order else [Recorded(1, 1, Origin.DERIVED, SessionStopped(reason=""))])
    journal.close()


def test_a_session_goes_once_it_stopped_in_order_long_ago(tmp_path: Path) -> None:
    """Not the one that is kept, and none that was never finished."""
    for name in ("a", "b", "c"):
        stopped(tmp_path, name, in_order=name != "b")
    sessions = tmp_path / "sessions"
    assert [] == prune_sessions(sessions, "c", 1)
    assert ["a"] == prune_sessions(sessions, "c", LATER_NS)
    assert ["b", "c"] == [info.session for info in list_sessions(DataDirectory(tmp_path))]


@pytest.mark.parametrize("oddity", ["quarantine", "poison", "touched", "no segment"])
def test_a_session_with_something_odd_stays(tmp_path: Path, oddity: str) -> None:
    """Somebody will want to look at it."""
    stopped(tmp_path, "a")
    sessions = tmp_path / "sessions"
    (segment,) = segments_of(sessions, "a")
    if oddity == "quarantine":
        rotated(tmp_path, "b").close()
        set_aside(segments_of(sessions, "b")[0], "test").parent.rename(sessions / "a" / "quarantine")
    elif oddity == "poison":
        (sessions / "a" / "poison-7.json").write_text("{}")
    elif oddity == "touched":
        os.utime(segment / "data.mdb", ns=(1, 1))
    else:
        (segment / "data.mdb").unlink()
    assert "a" not in prune_sessions(sessions, "keep", LATER_NS)
    assert (sessions / "a").is_dir()


def test_a_session_that_was_not_shipped_stays(tmp_path: Path) -> None:
    """Whatever else would let it go; nobody is asked of a session that stays anyhow."""
    for name in ("a", "b", "c"):
        stopped(tmp_path, name, in_order=name != "c")
    asked: list[str] = []

    def is_shipped(name: str) -> bool:
        asked.append(name)
        return name == "b"

    assert ["b"] == prune_sessions(tmp_path / "sessions", "keep", LATER_NS, is_shipped)
    assert ["a", "b"] == asked


@pytest.mark.parametrize(
    ("kept", "keep", "shipped", "expected"),
    [
        ([], 3, None, 0),
        ([5], 3, None, 0),
        ([5], 1, None, 5),
        ([5, 9], 3, None, 5),
        ([5, 9], 3, 0, 0),
        ([5, 9], 3, 4, 0),
        ([5, 9], 3, 5, 5),
        ([5, 9], 3, 100, 5),
        ([5, 9, 12, 15], 3, None, 9),
        ([5, 9, 12, 15], 3, 100, 9),
        ([5, 9, 12, 15], 3, 8, 5),
        ([5, 9, 12, 15], 1, 14, 12),
    ],
)
def test_nothing_goes_that_a_sink_still_needs(
    tmp_path: Path, kept: list[int], keep: int, shipped: int | None, expected: int
) -> None:
    """Up to the oldest snapshot that is worth keeping, if every sink is as far as that, else up to where they are; an
    older one that is still there holds nothing."""
    for seq in kept:
        snapshot(tmp_path, seq)
    assert expected == spare_through(tmp_path, "s", keep, shipped)


@pytest.mark.parametrize(("shipped", "expected"), [(None, None), (0, 4), (3, 4), (4, 4), (5, 5), (100, 100)])
def test_a_sink_that_nobody_knows_of_may_go_on_too(
    sessions: Path, shipped: int | None, expected: int | None
) -> None:
    """Where the journal has lost its beginning: it has what is gone, so the first snapshot that reaches what is left
    does for it."""
    for seq in (2, 4, 6):
        snapshot(sessions, seq)
    assert shipped == goes_on_behind(sessions, "s", shipped)
    prune_segments(sessions, "s", 3, LATER_NS)
    assert expected == goes_on_behind(sessions, "s", shipped)


def test_a_sink_begins_at_no_damaged_snapshot(tmp_path: Path) -> None:
    """Then nothing behind it may go yet: the next fold would find no beginning."""
    snapshot(tmp_path, 5).write_bytes(b"damaged")
    snapshot(tmp_path, 9)
    assert 0 == spare_through(tmp_path, "s", 2, 7)


def snapshot(sessions: Path, seq: int) -> Path:
    return write_snapshot(
        sessions,
        Snapshot(
            version=SNAPSHOT_VERSION,
            session="s",
            seq=seq,
            ts=0,
            semantics_version=SEMANTICS_VERSION,
            strategy_digest="",
            digest="",
            state=b"",
        ),
    )


def test_the_rest_of_a_session_goes_the_next_time(tmp_path: Path) -> None:
    """A death while one was removed leaves a directory that is no session."""
    stopped(tmp_path, "a")
    sessions = tmp_path / "sessions"
    (sessions / "a").rename(sessions / f"{REMOVING_PREFIX}a")
    assert [] == prune_sessions(sessions, "keep", 1)
    assert [] == list(sessions.iterdir())
