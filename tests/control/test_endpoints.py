"""Where the sockets are."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from livestack.control.endpoints import PATH_BYTES_MAX, check_private, endpoints, prepare, stranger
from livestack.exceptions import HeldError


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A run-time directory with a path short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="l") as name:
        monkeypatch.setenv("XDG_RUNTIME_DIR", name)
        yield Path(name)


@pytest.fixture
def deep(tmp_path: Path, runtime: Path) -> Path:
    """A data directory whose sockets have no room in it."""
    assert runtime.exists()
    return tmp_path / ("d" * 100)


def test_they_are_in_the_data_directory(tmp_path: Path) -> None:
    """In ``run``, which is the owner's alone; nothing is made by asking."""
    data_dir = tmp_path / "d"
    found = endpoints(data_dir)
    assert f"ipc://{data_dir}/run/control" == found.control
    assert f"ipc://{data_dir}/run/kill" == found.kill
    assert f"ipc://{data_dir}/run/publish" == found.publish
    assert not data_dir.exists()
    assert found == prepare(data_dir)
    assert 0o700 == (data_dir / "run").stat().st_mode & 0o777
    assert 0o700 == data_dir.stat().st_mode & 0o777


def test_a_relative_directory_is_an_absolute_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client may be started anywhere."""
    monkeypatch.chdir(tmp_path)
    assert endpoints(tmp_path / "d") == endpoints(Path("d"))


def test_those_of_a_deep_directory_are_moved(deep: Path, runtime: Path) -> None:
    """To the run-time directory; ``run`` leads there, and a client without its environment finds it."""
    found = prepare(deep)
    path = Path(found.publish.removeprefix("ipc://"))
    assert PATH_BYTES_MAX >= len(os.fsencode(path))
    assert runtime == path.parent.parent
    assert 0o700 == path.parent.stat().st_mode & 0o777
    assert path.parent == (deep / "run").readlink()
    assert found == prepare(deep)


def test_a_client_in_another_environment_finds_them(deep: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The link is followed, not the caller's run-time directory."""
    found = prepare(deep)
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/nowhere")
    assert found == endpoints(deep)


def test_two_deep_directories_do_not_meet(deep: Path) -> None:
    """The name is derived from the whole path; a link that was copied with a directory is not followed."""
    other = deep.with_name("e" * 100)
    found = prepare(deep)
    other.mkdir()
    (other / "run").symlink_to((deep / "run").readlink())
    assert found != endpoints(other)
    assert endpoints(other) == prepare(other)
    assert found == endpoints(deep)


def test_a_directory_that_is_now_short_has_its_own_again(deep: Path, tmp_path: Path) -> None:
    """A link that is not needed any more is replaced."""
    prepare(deep)
    short = deep.rename(tmp_path / "s")
    assert endpoints(short) == prepare(short)
    assert not (short / "run").is_symlink()


def test_a_directory_of_others_is_refused(tmp_path: Path) -> None:
    """Whoever may open a socket in it is an administrator."""
    tmp_path.chmod(0o750)
    with pytest.raises(HeldError, match="chmod 700"):
        check_private(tmp_path)
    link = tmp_path / "link"
    link.symlink_to(tmp_path)
    with pytest.raises(HeldError, match="directory"):
        check_private(link)


def test_a_directory_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody may have made it before us, in a directory that is everybody's."""
    tmp_path.chmod(0o700)
    monkeypatch.setattr(os, "geteuid", lambda: tmp_path.stat().st_uid + 1)
    with pytest.raises(HeldError, match="belong"):
        check_private(tmp_path)


def test_a_loose_directory_of_ours_is_tightened(tmp_path: Path) -> None:
    """An earlier program may have made it."""
    (tmp_path / "run").mkdir(mode=0o755)
    prepare(tmp_path)
    assert 0o700 == (tmp_path / "run").stat().st_mode & 0o777


def test_what_is_not_our_directory_is_refused_and_left_alone(deep: Path, tmp_path: Path) -> None:
    """A link that somebody has put there before us: what it leads to keeps its mode, whoever it belongs to."""
    place = Path(endpoints(deep).control.removeprefix("ipc://")).parent
    target = tmp_path / "target"
    place.symlink_to(target)
    for _ in range(2):  # one that leads nowhere, then one that leads to a directory
        with pytest.raises(HeldError, match="has to be a directory"):
            prepare(deep)
        target.mkdir(mode=0o755, exist_ok=True)
    assert 0o755 == target.stat().st_mode & 0o777
    place.unlink()
    place.touch()
    with pytest.raises(HeldError, match="has to be a directory"):
        prepare(deep)


def test_a_directory_of_another_user_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is refused, and its mode is what it was."""
    (tmp_path / "run").mkdir(mode=0o755)
    monkeypatch.setattr(os, "geteuid", lambda: tmp_path.stat().st_uid + 1)
    with pytest.raises(HeldError, match="belong"):
        prepare(tmp_path)
    assert 0o755 == (tmp_path / "run").stat().st_mode & 0o777


def test_who_is_no_stranger(deep: Path, tmp_path: Path) -> None:
    """A socket in a private directory of ours, also by way of the link to it; and where there is nothing at all."""
    found = prepare(deep)
    assert "" == stranger(Path(found.control.removeprefix("ipc://")))
    assert "" == stranger(deep / "run" / "control")
    assert "" == stranger(tmp_path / "nothing" / "control")
    (tmp_path / "file").touch()
    assert "" == stranger(tmp_path / "file" / "run" / "control")


def test_who_is_a_stranger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where others could put a socket, or another user did."""
    open_to_all = tmp_path / "open"
    open_to_all.mkdir()
    open_to_all.chmod(0o777)
    assert "chmod 700" in stranger(open_to_all / "control")
    open_to_all.chmod(0o700)
    assert "" == stranger(open_to_all / "control")
    monkeypatch.setattr(os, "geteuid", lambda: tmp_path.stat().st_uid + 1)
    assert "belong" in stranger(open_to_all / "control")


def test_a_deep_runtime_directory_is_not_used(
    deep: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would have no room either."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / ("r" * 100)))
    path = Path(endpoints(deep).publish.removeprefix("ipc://"))
    assert PATH_BYTES_MAX >= len(os.fsencode(path))
