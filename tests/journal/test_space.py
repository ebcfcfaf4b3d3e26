"""Room on a disk: little is noticed before it is too late, the ballast is real room, and is given back."""

from __future__ import annotations

from pathlib import Path

import pytest

from livestack.exceptions import HeldError
from livestack.journal.space import BALLAST_NAME, Space

MEGABYTE = 1 << 20


class Disk(Space):
    """As much room as the test says, whatever this machine has."""

    room = 100 * MEGABYTE

    def free(self) -> int:
        return self.room


def test_the_ballast_is_real_room(tmp_path: Path) -> None:
    """Blocks of the disk, not a hole; it goes at once."""
    space = Space(tmp_path, 0, MEGABYTE)
    space.prepare()
    space.prepare()
    assert (tmp_path / BALLAST_NAME).stat().st_blocks * 512 >= MEGABYTE
    space.release_ballast()
    space.release_ballast()
    assert [] == list(tmp_path.iterdir())


def test_too_little_to_begin_with_is_refused(tmp_path: Path) -> None:
    """With what is missing and what to do; the ballast that is there already counts."""
    disk = Disk(tmp_path, 80 * MEGABYTE, 30 * MEGABYTE)
    with pytest.raises(HeldError, match=r"11 MB less than journal\.headroom and journal\.ballast"):
        disk.prepare()
    assert [] == list(tmp_path.iterdir())
    Disk(tmp_path, 0, 30 * MEGABYTE).prepare()
    disk.prepare()


def test_low_and_returned_are_not_the_same_mark(tmp_path: Path) -> None:
    """It does not swing, and what the ballast takes again is not counted twice."""
    disk = Disk(tmp_path, 40 * MEGABYTE, 8 * MEGABYTE)
    seen = []
    for megabytes in (40, 39, 50, 57, 58):
        disk.room = megabytes * MEGABYTE
        seen.append((disk.is_low(), disk.has_returned()))
    assert [(False, False), (True, False), (False, False), (False, False), (False, True)] == seen
    disk.restore_ballast()
    disk.room = 50 * MEGABYTE
    assert disk.has_returned()


def test_a_directory_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """A sentence, not an OSError."""
    (tmp_path / BALLAST_NAME).mkdir()
    with pytest.raises(HeldError, match="cannot be written"):
        Space(tmp_path, 0, MEGABYTE).prepare()
