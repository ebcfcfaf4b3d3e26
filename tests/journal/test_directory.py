"""The data directory: one node at a time, and a sentence for whoever comes second."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from livestack.exceptions import HeldError
from livestack.journal.directory import LOCK_NAME, DataDirectory


def test_a_second_node_is_told_who_has_it(tmp_path: Path) -> None:
    """It names the process; the first one is undisturbed."""
    with DataDirectory(tmp_path / "data").acquire() as held:
        with pytest.raises(HeldError, match=f"process {os.getpid()}"):
            DataDirectory(tmp_path / "data").acquire()
        assert held.is_held()
    DataDirectory(tmp_path / "data").acquire().release()


def test_looking_changes_nothing(tmp_path: Path) -> None:
    """A directory that is not there is not made by a look."""
    directory = DataDirectory(tmp_path / "data")
    assert not directory.is_held()
    assert not (tmp_path / "data").exists()


def test_it_is_for_its_owner_alone(tmp_path: Path) -> None:
    """Mode 0700 on everything that was made on the way, whatever was missing."""
    with DataDirectory(tmp_path / "deep" / "data").acquire() as directory:
        for made in (directory.sessions, directory.path, directory.path.parent):
            assert 0o700 == made.stat().st_mode & 0o777


@pytest.mark.parametrize("mode", [0o720, 0o702, 0o777, 0o1777])
def test_one_that_others_may_write_to_is_refused(tmp_path: Path, mode: int) -> None:
    """The sentence says what to do about it; nothing was made in it."""
    tmp_path.chmod(mode)
    with pytest.raises(HeldError, match="chmod 700"):
        DataDirectory(tmp_path).acquire()
    assert [] == [*tmp_path.iterdir()]


def test_one_that_others_may_look_into_is_left_as_it_is(tmp_path: Path) -> None:
    """What is made in it is for its owner alone."""
    tmp_path.chmod(0o755)
    with DataDirectory(tmp_path).acquire() as directory:
        assert 0o755 == tmp_path.stat().st_mode & 0o777
        assert 0o700 == directory.sessions.stat().st_mode & 0o777


def test_a_file_in_the_way(tmp_path: Path) -> None:
    """A sentence, exit code 5."""
    (tmp_path / "data").write_text("")
    with pytest.raises(HeldError, match="cannot be used") as raised:
        DataDirectory(tmp_path / "data").acquire()
    assert 5 == raised.value.exit_code


def test_a_look_does_not_keep_a_node_from_starting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A look that is under way when a node starts is waited for; it is not taken for a holder."""
    DataDirectory(tmp_path).acquire().release()
    looks = [os.open(tmp_path / LOCK_NAME, os.O_RDONLY)]
    flock = fcntl.flock
    flock(looks[0], fcntl.LOCK_SH)

    def first_refused(lock: int, operation: int) -> None:
        try:
            flock(lock, operation)
        except OSError:
            os.close(looks.pop())
            raise

    monkeypatch.setattr(fcntl, "flock", first_refused)
    DataDirectory(tmp_path).acquire().release()
    assert [] == looks
