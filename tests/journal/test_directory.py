"""The data directory: one node at a time, and a sentence for whoever comes second."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from livestack.exceptions import HeldError
from livestack.journal.directory import DataDirectory


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
    """Mode 0700 on what holds the journals."""
    with DataDirectory(tmp_path / "data").acquire() as directory:
        assert 0o700 == directory.sessions.stat().st_mode & 0o777


def test_a_file_in_the_way(tmp_path: Path) -> None:
    """A sentence, exit code 5."""
    (tmp_path / "data").write_text("")
    with pytest.raises(HeldError, match="cannot be used") as raised:
        DataDirectory(tmp_path / "data").acquire()
    assert 5 == raised.value.exit_code
