"""The lease on this machine: an advisory lock on an open file, which the kernel gives back however the holder dies.

Theory of operation. All nodes of a machine, whoever runs them and wherever their data is, must come to the same file,
so its directory may not depend on a user, a home or an environment variable: it is ``/run/lock``, which exists for
such files, is emptied by a boot and is the same for services that have a temporary directory of their own; where not
everybody may write to it, ``/tmp``. The files lie directly in it and not in a directory of ours: both directories
belong to root and are sticky, so nobody can move another user's lock away, and there is nothing for the first comer
to get wrong.

What others may have put there does no harm: links are not followed, a file with a second name or no file at all is
refused and not written to, and a file is made only where there is none (kernels refuse to "create" what another user
left in a sticky directory). It is open to all (0666, whatever the umask), because the next holder may be another user
who has to write his name into it. Its content is information for people and is never trusted.

A holder that ends takes the file away. So whoever got the lock looks whether the file still has its name, and tries
again where it has not; a holder that looks later finds out in the same way that its file was taken away under it.

Any thread, one at a time.
"""

from __future__ import annotations

import fcntl
import os
import stat
from contextlib import suppress
from pathlib import Path

import msgspec

from livestack.exceptions import HeldError
from livestack.lease.identity import Account, Holder

SHARED_DIRECTORIES = (Path("/run/lock"), Path("/tmp"))  # noqa: S108 - shared by all users is what it is for
"""Where every user's node looks, in this order; the first that all may write to and nobody may tidy up."""

CONTENT_BYTES_MAX = 8192
"""A path is at most half of it."""

_decode = msgspec.json.Decoder(Holder).decode

TRIES_MAX = 100
"""Holders that end at the very moment between our opening and locking, in a row: more is something else."""

_FOR_ALL = 0o1777
_FLAGS = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY


def shared_directory() -> Path:
    """The directory for locks of this machine; ``HeldError`` where it has none that is safe."""
    for path in SHARED_DIRECTORIES:
        with suppress(OSError):
            status = path.stat()
            if stat.S_ISDIR(status.st_mode) and status.st_mode & _FOR_ALL == _FOR_ALL:
                return path
    names = " and ".join(map(str, SHARED_DIRECTORIES))
    raise HeldError(
        "the account lease",
        f"neither of {names} is sticky and open to all users; name a directory in lease.directory",
    )


class MachineLock:
    """The lock of ``account`` in ``directory``; ``holder`` is written into it."""

    def __init__(self, directory: Path, account: Account, holder: Holder) -> None:
        self._path = directory / account.file_name
        self._account = account
        self._holder = holder
        self._file: int | None = None

    def hold(self) -> None:
        """Take it, or see that it is still ours.

        ``HeldError``: another node has it, which it names, or the file cannot be one of ours; ``OSError``: the
        directory cannot be used.
        """
        if self._file is not None:
            if self._is_in_place(self._file):
                return
            os.close(self._file)
            self._file = None
        for _ in range(TRIES_MAX):
            file = self._open()
            if file is None:
                continue
            try:
                if self._take(file):
                    self._file, file = file, None
                    return
            finally:
                if file is not None:
                    os.close(file)
        raise HeldError(str(self._account), f"its lock {self._path} changes hands all the time")

    def release(self) -> None:
        """Give it back and leave nothing behind, as far as the directory allows."""
        if self._file is None:
            return
        if self._is_in_place(self._file):
            with suppress(OSError):
                os.ftruncate(self._file, 0)
                self._path.unlink()
        os.close(self._file)
        self._file = None

    def _open(self) -> int | None:
        """The file, made if there is none; None where another one was faster."""
        with suppress(FileNotFoundError):
            return os.open(self._path, _FLAGS)
        try:
            file = os.open(self._path, _FLAGS | os.O_CREAT | os.O_EXCL, 0o666)
        except FileExistsError:
            return None
        os.fchmod(file, 0o666)
        return file

    def _take(self, file: int) -> bool:
        """Lock ``file``; False where it lost its name meanwhile."""
        status = os.fstat(file)
        if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
            raise HeldError(str(self._account), f"{self._path} is not a lock of a node; remove it")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise HeldError(str(self._account), f"it is held by {_holder_in(file)}") from None
        if not self._is_in_place(file):
            return False
        with suppress(OSError):  # a full file system keeps nobody from trading: the lock is what counts
            os.ftruncate(file, 0)
            os.pwrite(file, msgspec.json.encode(self._holder) + b"\n", 0)
        return True

    def _is_in_place(self, file: int) -> bool:
        """Whether the path still leads to ``file``."""
        try:
            return os.path.samestat(os.fstat(file), os.stat(self._path, follow_symlinks=False))
        except FileNotFoundError:
            return False


def _holder_in(file: int) -> str:
    try:
        return str(_decode(os.pread(file, CONTENT_BYTES_MAX, 0)))
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return "another process on this machine"
