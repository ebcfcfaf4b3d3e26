"""The lease on one machine, between real processes, and what others may have left in its directory."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from livestack.exceptions import HeldError
from livestack.lease import machine
from livestack.lease.machine import MachineLock, shared_directory
from tests.lease.support import Child, account, holder


def test_one_of_two_processes(tmp_path: Path) -> None:
    """The second node is refused with exit code 5 and told who holds the account, though its data is elsewhere."""
    with (
        Child("first", tmp_path, tmp_path / "a", "main") as first,
        Child("second", tmp_path, tmp_path / "b", "main") as second,
    ):
        assert "held" == first.said
        said = f"account main at venue v is not usable: it is held by node first (process {first.pid} on "
        assert second.said.startswith(said)
        assert f"data in {tmp_path / 'a'}, since 2" in second.said
        assert 5 == second.finish()


def test_a_killed_holder_is_no_holder(tmp_path: Path) -> None:
    """SIGKILL frees the lease; what it left behind is in nobody's way."""
    with Child("first", tmp_path, tmp_path / "a", "main") as first:
        first.kill()
    assert 1 == len(list(tmp_path.glob("livestack-*.lock")))
    with Child("second", tmp_path, tmp_path / "a", "main") as second:
        assert "held" == second.said
        with Child("third", tmp_path, tmp_path / "a", "main") as third:
            assert "held by node second" in third.said
        assert 0 == second.finish()


def test_other_accounts_do_not_disturb(tmp_path: Path) -> None:
    """Nodes with accounts of their own run side by side."""
    with Child("a", tmp_path, tmp_path, "one") as first, Child("b", tmp_path, tmp_path, "two") as second:
        assert ("held", "held") == (first.said, second.said)


def test_nothing_is_left_behind(tmp_path: Path) -> None:
    """A lease that is given back takes its file away; giving back what one has not is nothing."""
    lock = MachineLock(tmp_path, account(), holder())
    lock.release()
    lock.hold()
    assert 1 == len(list(tmp_path.iterdir()))
    lock.release()
    lock.release()
    assert [] == list(tmp_path.iterdir())


def test_every_user_may_hold_it(tmp_path: Path) -> None:
    """The file is open to all users, whatever the umask of the first."""
    before = os.umask(0o077)
    try:
        lock = MachineLock(tmp_path, account(), holder())
        lock.hold()
    finally:
        os.umask(before)
    assert 0o666 == stat.S_IMODE((tmp_path / account().file_name).stat().st_mode)
    lock.release()


@pytest.mark.parametrize("content", [b"", b"\xff\x00", b'{"node": 1}', b"[" * 5_000])
def test_content_is_not_trusted(tmp_path: Path, content: bytes) -> None:
    """Whatever the file holds, who is refused gets a sentence."""
    first, second = (MachineLock(tmp_path, account(), holder()) for _ in range(2))
    first.hold()
    (tmp_path / account().file_name).write_bytes(content)
    with pytest.raises(HeldError, match="held by another process on this machine"):
        second.hold()
    first.release()


def test_links_are_not_followed(tmp_path: Path) -> None:
    """A symbolic link in the lock's place is refused, and what it leads to is not written to."""
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (tmp_path / account().file_name).symlink_to(victim)
    with pytest.raises(OSError, match="symbolic links"):
        MachineLock(tmp_path, account(), holder()).hold()
    assert "mine" == victim.read_text()


def test_a_second_name_is_refused(tmp_path: Path) -> None:
    """A file that has another name too is not ours, and not written to."""
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (tmp_path / account().file_name).hardlink_to(victim)
    with pytest.raises(HeldError, match="not a lock of a node; remove it"):
        MachineLock(tmp_path, account(), holder()).hold()
    assert "mine" == victim.read_text()


def test_a_pipe_is_refused(tmp_path: Path) -> None:
    """What is no file is refused at once."""
    os.mkfifo(tmp_path / account().file_name)
    with pytest.raises(HeldError, match="not a lock of a node"):
        MachineLock(tmp_path, account(), holder()).hold()


def test_a_file_taken_away_is_made_again(tmp_path: Path) -> None:
    """Somebody tidied up: the holder takes a new file, which is his again."""
    first, second = (MachineLock(tmp_path, account(), holder()) for _ in range(2))
    first.hold()
    (tmp_path / account().file_name).unlink()
    first.hold()
    with pytest.raises(HeldError, match="held by node first"):
        second.hold()
    first.release()


def test_a_file_taken_away_may_be_anothers(tmp_path: Path) -> None:
    """Somebody tidied up and another node was faster: the first one finds out who."""
    first, second = (MachineLock(tmp_path, account(), holder(name)) for name in ("first", "second"))
    first.hold()
    (tmp_path / account().file_name).unlink()
    second.hold()
    with pytest.raises(HeldError, match="held by node second"):
        first.hold()
    first.release()
    second.hold()
    second.release()


def test_a_holder_that_just_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who opened the file of a holder that then took it away locks nothing, and tries again with the next file."""
    first, second = (MachineLock(tmp_path, account(), holder(name)) for name in ("first", "second"))
    first.hold()
    flock = machine.fcntl.flock

    def leave_first(file: int, how: int) -> None:
        first.release()
        flock(file, how)

    monkeypatch.setattr(machine.fcntl, "flock", leave_first)
    second.hold()
    assert (tmp_path / account().file_name).exists()
    second.release()


def test_directory_is_everybodys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first directory is taken that is sticky and open to all; it depends on nobody's user or environment."""
    closed, shared = tmp_path / "closed", tmp_path / "shared"
    for path, mode in ((closed, 0o755), (shared, 0o1777)):
        path.mkdir()
        path.chmod(mode)
    monkeypatch.setattr(machine, "SHARED_DIRECTORIES", (tmp_path / "absent", closed, shared))
    assert shared == shared_directory()
    monkeypatch.setattr(machine, "SHARED_DIRECTORIES", (closed,))
    with pytest.raises(HeldError, match=r"name a directory in lease\.directory"):
        shared_directory()
