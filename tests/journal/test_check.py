"""A check of a whole journal: every segment and snapshot, and what was set aside."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from livestack.exceptions import JournalFormatError
from livestack.journal.check import Damage, Quarantined, check_journal
from livestack.journal.clean import CLEAN_NAME, mark_clean
from livestack.journal.quarantine import set_aside
from livestack.journal.snapshots import write_snapshot
from tests.journal.damage import garble, spoil
from tests.journal.test_reader import make_segments
from tests.journal.test_snapshots import made


def files_below(directory: Path) -> dict[Path, bytes]:
    """Everything that a check must leave as it is."""
    return {
        path: path.read_bytes() for path in directory.rglob("*") if path.is_file() and path.name != "lock.mdb"
    }


def test_a_sound_journal(tmp_path: Path) -> None:
    """Counts, ranges and marks of each segment; snapshots where they stand; nothing is changed."""
    segments = make_segments(tmp_path)
    for segment in segments:
        (segment / CLEAN_NAME).unlink(missing_ok=True)
    mark_clean(segments[0], 0, b"")
    for seq in (9, 10, 25):
        write_snapshot(tmp_path, made(seq))
    before, heard = files_below(tmp_path), []
    found = check_journal(tmp_path, "s", progress=heard.append)
    assert (3, 30, 1, 30, [], True) == (
        found.segments,
        found.events,
        found.first_seq,
        found.last_seq,
        found.damaged,
        found.chain_ok,
    )
    assert [(1, 10, True, True, [9]), (11, 20, False, True, [10]), (21, 30, False, True, [25])] == [
        (part.first_seq, part.last_seq, part.clean, part.ok, part.snapshots) for part in found.parts
    ]
    assert [10, 20, 30] == heard
    assert before == files_below(tmp_path)


def test_goes_on_after_a_damaged_segment(tmp_path: Path) -> None:
    """A bad record in the first, a file that is none in the second: the third is checked all the same."""
    first, second, _ = make_segments(tmp_path)
    spoil(first, 4)
    garble(second)
    found = check_journal(tmp_path, "s")
    assert [(first.name, 4), (second.name, 0)] == [(one.segment, one.seq) for one in found.damaged]
    assert "checksum" in found.damaged[0].what
    assert ([3, 10, 30], [False, False, True], False, 13) == (
        [part.last_seq for part in found.parts],
        [part.ok for part in found.parts],
        found.chain_ok,
        found.events,
    )


def test_a_missing_segment_breaks_the_chain_and_nothing_else(tmp_path: Path) -> None:
    """Both neighbours are as written; what was set aside is named."""
    _, second, third = make_segments(tmp_path)
    held = set_aside(second, "bad page")
    found = check_journal(tmp_path, "s")
    assert [Damage(third.name, 11, "does not continue what comes before it")] == found.damaged
    assert (False, [True, True], 20, [Quarantined(held.name, "bad page")]) == (
        found.chain_ok,
        [part.ok for part in found.parts],
        found.events,
        found.quarantined,
    )


def test_damage_behind_a_hole_is_found_too(tmp_path: Path) -> None:
    """A segment that does not continue the one before is looked at by itself."""
    _, second, third = make_segments(tmp_path)
    shutil.rmtree(second)
    spoil(third, 27)
    found = check_journal(tmp_path, "s")
    assert [(third.name, 11), (third.name, 27)] == [(one.segment, one.seq) for one in found.damaged]


def test_a_pruned_journal_is_whole(tmp_path: Path) -> None:
    """It begins later; its first segment's header says with which link."""
    shutil.rmtree(make_segments(tmp_path)[0])
    found = check_journal(tmp_path, "s")
    assert (True, 11, 20, []) == (found.chain_ok, found.first_seq, found.events, found.damaged)


def test_a_bad_snapshot_is_damage_and_leaves_the_chain_alone(tmp_path: Path) -> None:
    """Named with its position."""
    make_segments(tmp_path)
    path = write_snapshot(tmp_path, made(9))
    path.write_bytes(path.read_bytes()[:-1])
    found = check_journal(tmp_path, "s")
    assert (True, [(f"snapshots/{9:020d}", 9)]) == (
        found.chain_ok,
        [(one.segment, one.seq) for one in found.damaged],
    )


def test_no_journal_of_ours(tmp_path: Path) -> None:
    """A sentence, not a list of damage."""
    with pytest.raises(JournalFormatError, match="holds no journal segment"):
        check_journal(tmp_path, "s")


def test_what_retention_takes_meanwhile_is_no_damage(tmp_path: Path) -> None:
    """A segment and a snapshot that go while the check looks elsewhere."""
    segments = make_segments(tmp_path)
    path = write_snapshot(tmp_path, made(9))

    def remove(_seq: int) -> None:
        shutil.rmtree(segments[0], ignore_errors=True)
        path.unlink(missing_ok=True)

    found = check_journal(tmp_path, "s", progress=remove)
    assert (True, [], 11) == (found.chain_ok, found.damaged, found.first_seq)
