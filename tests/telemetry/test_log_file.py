"""The log's file: its size, its rights, what a disk that fails does to it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from livestack.exceptions import ConfigurationError
from livestack.telemetry.log_file import LogFile

LINE = b"x" * 99 + b"\n"


def sizes(path: Path) -> dict[str, int]:
    return {one.name: one.stat().st_size for one in sorted(path.parent.iterdir())}


def test_old_ones_are_kept_and_the_oldest_go(tmp_path: Path) -> None:
    """Ten lines a file, two old ones: the disk never holds more than 30, and each file whole lines."""
    path = tmp_path / "node.log"
    file = LogFile.open(path, 1_000, 2)
    assert all(file.write(b"%098d\n\n" % n) for n in range(55))
    file.close()
    assert {"node.log": 500, "node.log.1": 1_000, "node.log.2": 1_000} == sizes(path)
    kept = [
        int(one)
        for name in ("node.log.2", "node.log.1", "node.log")
        for one in (tmp_path / name).read_bytes().split()
    ]
    assert list(range(30, 55)) == kept


def test_it_goes_on_with_what_is_there(tmp_path: Path) -> None:
    """A node that is started again adds to the file."""
    path = tmp_path / "node.log"
    for _ in range(2):
        file = LogFile.open(path, 1_000, 1)
        assert file.write(LINE)
        file.close()
    assert {"node.log": 200} == sizes(path)


def test_a_line_that_is_longer_than_a_file_is_written(tmp_path: Path) -> None:
    """Into a file of its own."""
    path = tmp_path / "node.log"
    file = LogFile.open(path, 150, 1)
    assert all(file.write(one) for one in (LINE, 5 * LINE, LINE))
    file.close()
    assert {"node.log": 100, "node.log.1": 500} == sizes(path)


def test_only_its_owner_reads_it(tmp_path: Path) -> None:
    """The file, one that was there with more rights, and directories that were made for it."""
    path = tmp_path / "a" / "b" / "node.log"
    file = LogFile.open(path, 1_000, 1)
    assert 0o600 == stat.S_IMODE(path.stat().st_mode)
    assert {0o700} == {stat.S_IMODE(one.stat().st_mode) for one in (path.parent, path.parent.parent)}
    file.close()
    path.chmod(0o644)
    LogFile.open(path, 1_000, 1).close()
    assert 0o600 == stat.S_IMODE(path.stat().st_mode)


def test_two_write_one_file(tmp_path: Path) -> None:
    """A node and its guard: whoever finds it full renames it, and the other one goes on in the new file."""
    path = tmp_path / "node.log"
    files = [LogFile.open(path, 1_000, 5) for _ in range(2)]
    assert all(file.write(LINE) for _ in range(20) for file in files)
    for file in files:
        file.close()
    assert {"node.log": 1_000, "node.log.1": 1_000, "node.log.2": 1_000, "node.log.3": 1_000} == sizes(path)


@pytest.mark.parametrize("remove", [Path.unlink, lambda path: path.rename(path.with_name("taken"))])
def test_one_that_somebody_took_away_is_begun_anew(tmp_path: Path, remove: object) -> None:
    """As other tools rotate: the next line is in a file of that name again."""
    path = tmp_path / "node.log"
    file = LogFile.open(path, 1_000, 1)
    assert file.write(LINE)
    assert callable(remove)
    remove(path)
    assert file.write(LINE)
    file.close()
    assert 100 == path.stat().st_size


def test_what_cannot_be_a_log_is_refused(tmp_path: Path) -> None:
    """A directory, a pipe, a device, a file below a file: a sentence, before anything starts."""
    (tmp_path / "plain").write_text("")
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe", Path("/dev/full"), tmp_path / "plain" / "node.log"):
        with pytest.raises(ConfigurationError, match=r"log\.file: .* cannot be written: .*; name a file"):
            LogFile.open(path, 1_000, 1)


class Disk:
    """``os.write`` that takes so many bytes more."""

    def __init__(self, room: int) -> None:
        self.room = room
        self._write = os.write

    def __call__(self, fd: int, data: bytes) -> int:
        if not self.room:
            raise OSError(28, "No space left on device")
        taken = self._write(fd, data[: self.room])
        self.room -= taken
        return taken


def test_a_full_disk_loses_whole_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a line does not stay, so that the next one is one; nothing is raised."""
    path = tmp_path / "node.log"
    file = LogFile.open(path, 1_000, 1)
    disk = Disk(150)
    monkeypatch.setattr(os, "write", disk)
    assert [True, False, False] == [file.write(LINE) for _ in range(3)]
    disk.room = 1_000
    assert file.write(LINE)
    file.close()
    assert 2 * LINE == path.read_bytes()


def test_a_directory_that_is_gone_and_cannot_be_made_loses_lines(tmp_path: Path) -> None:
    """Until it can be made again."""
    path = tmp_path / "logs" / "node.log"
    file = LogFile.open(path, 1_000, 1)
    path.unlink()
    path.parent.rmdir()
    path.parent.write_text("in its place")
    assert not file.write(LINE)
    path.parent.unlink()
    assert file.write(LINE)
    file.close()
    assert LINE == path.read_bytes()
