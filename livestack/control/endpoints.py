"""Where a node's control sockets are. No zmq here: the server binds these addresses, a client connects to them.

They lie in ``run`` of the data directory. A socket's path has a short limit, so those of a deep data directory are in
the run-time directory and ``run`` is a link to it: a person, and a client with another environment, find them there.
"""

from __future__ import annotations

import hashlib
import os
import stat
from contextlib import suppress
from pathlib import Path

import msgspec

from livestack.exceptions import HeldError

PATH_BYTES_MAX = 100
"""Bytes of a socket's path; the system's limit is 107."""

_LONGEST = "publish"
_SHARED = "/tmp"  # noqa: S108 - the directory in it is 0700, and checked to be ours


class Endpoints(msgspec.Struct, frozen=True):
    """Three ``ipc://`` addresses."""

    control: str
    kill: str
    publish: str


def endpoints(data_dir: Path) -> Endpoints:
    """The addresses of the node of ``data_dir``, running or not; nothing is made."""
    return _in(_directory(data_dir.absolute()))


def prepare(data_dir: Path) -> Endpoints:
    """Make the directory that holds the sockets, for nobody else; the node calls it before it binds.

    One of ours that others have rights to is tightened; what else stands in its place is refused, and left as it is.
    """
    data_dir = data_dir.absolute()
    run, directory = data_dir / "run", _directory(data_dir)
    if run.is_symlink() and run.readlink() != directory:
        run.unlink()
    for one in (data_dir, directory):
        with suppress(FileExistsError):  # what is there instead of a directory is refused below
            one.mkdir(mode=0o700, parents=True)
    _tighten(directory)
    if directory != run and not run.is_symlink():
        if run.is_dir():
            run.rmdir()
        run.symlink_to(directory)
    return _in(directory)


def check_private(directory: Path) -> None:
    """Whoever may open a socket in ``directory`` is an administrator of the node: it has to be ours alone."""
    found = directory.lstat()
    _check_ours(directory, found)
    if found.st_mode & 0o077:
        raise HeldError(str(directory), "nobody else may have rights to it (chmod 700)")


def stranger(socket: Path) -> str:
    """Why a client may not believe that who listens at ``socket`` is a node of its own user; empty: it is one, or none.

    Somebody else may have put a socket where one is looked for, and would be told commands and answer as they like.
    """
    try:
        check_private(socket.parent.resolve())
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except HeldError as error:
        return f"{error.what} is not to be trusted: {error.holder}"
    except OSError as error:
        return f"{socket.parent}: {error.strerror or error}"
    return ""


def _tighten(directory: Path) -> None:
    """What is looked at is what is changed: not what a link leads to, and not what has come in its place since."""
    try:
        number = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        check_private(directory)  # says what it is, where it is not just one that cannot be opened
        return
    try:
        _check_ours(directory, os.fstat(number))
        os.fchmod(number, 0o700)
    finally:
        os.close(number)


def _check_ours(directory: Path, found: os.stat_result) -> None:
    if not stat.S_ISDIR(found.st_mode):
        raise HeldError(str(directory), "it has to be a directory")
    if found.st_uid != os.geteuid():
        raise HeldError(str(directory), "it has to belong to the user that runs the node")


def _directory(data_dir: Path) -> Path:
    run = data_dir / "run"
    if _fits(run):
        return run
    digest = hashlib.blake2b(os.fsencode(data_dir.resolve()), digest_size=8).hexdigest()
    name = f"livestack-{os.geteuid()}-{digest}"
    if run.is_symlink():
        linked = run.readlink()
        if linked.name == name:  # else it came with a copy of another node's directory
            return linked
    moved = Path(os.environ.get("XDG_RUNTIME_DIR") or _SHARED) / name
    return moved if _fits(moved) else Path(_SHARED) / name


def _fits(directory: Path) -> bool:
    return len(os.fsencode(directory / _LONGEST)) <= PATH_BYTES_MAX


def _in(directory: Path) -> Endpoints:
    return Endpoints(*(f"ipc://{directory / name}" for name in ("control", "kill", _LONGEST)))
