"""The model of a disk: what a trace says, and what may be there after the power went."""

from __future__ import annotations

import random

from tests.campaigns.traced_disk import (
    ROOT_INODE,
    Acknowledge,
    Disk,
    Operation,
    Relink,
    Sync,
    Truncate,
    Write,
    read_trace,
)

LOSSES = 200


def hexed(data: bytes) -> str:
    """As ``strace -xx`` prints it."""
    return '"' + "".join(f"\\x{byte:02x}" for byte in data) + '"'


TRACE = [
    f"mkdir({hexed(b'/disk/a')}, 0700) = 0",
    f"mkdir({hexed(b'/elsewhere')}, 0700) = 0",
    f"mkdir({hexed(b'/disk/a')}, 0700) = -1 EEXIST (File exists)",
    f"openat(AT_FDCWD, {hexed(b'/disk/a/f')}, O_RDWR|O_CREAT, 0600) = 4",
    f"openat(AT_FDCWD, {hexed(b'/disk/a/f')}, O_WRONLY|O_DSYNC|O_CLOEXEC) = 5",
    f"pwrite64(4, {hexed(b'abc')}, 3, 8) = 3",
    "lseek(4, 2, SEEK_SET) = 2",
    f"writev(4, [{{iov_base={hexed(b'de')}, iov_len=2}}, {{iov_base={hexed(b'f')}, iov_len=1}}], 2) = 3",
    f"pwrite64(5, {hexed(b'm')}, 1, 0) = 1",
    "ftruncate(4, 100) = 0",
    "fdatasync(4) = 0",
    f"rename({hexed(b'/disk/a')}, {hexed(b'/disk/b')}) = 0",
    f"openat(AT_FDCWD, {hexed(b'/disk')}, O_RDONLY|O_DIRECTORY|O_CLOEXEC) = 6",
    "fsync(6) = 0",
    f"openat(AT_FDCWD, {hexed(b'/acknowledged')}, O_WRONLY|O_CREAT|O_CLOEXEC, 0600) = 7",
    f"write(7, {hexed(b'12')}, 2) = 2",
    "+++ exited with 0 +++",
]


def test_a_trace_is_read_as_what_the_disk_was_told() -> None:
    """Names become inodes, positions are followed, other files and failed calls are left out."""
    assert [
        Relink(((ROOT_INODE, "a", 1),), made=1),
        Relink(((1, "f", 2),)),
        Write(2, 8, b"abc"),
        Write(2, 2, b"def"),
        Write(2, 0, b"m", at_once=True),
        Truncate(2, 100),
        Sync(2),
        Relink(((ROOT_INODE, "a", None), (ROOT_INODE, "b", 1))),
        Sync(ROOT_INODE),
        Acknowledge(12),
    ] == read_trace(TRACE, "/disk", "/acknowledged")


def states(operations: list[Operation]) -> list[dict[str, bytes | None]]:
    """What may be there after ``operations`` and a loss."""
    disk, source = Disk(), random.Random(7)
    for operation in operations:
        disk.take(operation)
    return [disk.after_loss(source)[1] for _ in range(LOSSES)]


FILE = Relink(((ROOT_INODE, "f", 1),))


def test_a_name_is_lost_with_its_directory_unflushed() -> None:
    """Flushing a file keeps its data, not its name."""
    found = states([FILE, Write(1, 0, b"x"), Sync(1)])
    assert {(), (("f", b"x"),)} == {tuple(state.items()) for state in found}


def test_what_was_flushed_stays() -> None:
    """Name and data."""
    assert [{"f": b"x"}] * LOSSES == states([FILE, Write(1, 0, b"x"), Sync(1), Sync(ROOT_INODE)])


def test_what_was_not_flushed_comes_in_any_part() -> None:
    """Units of a write are kept, dropped and reordered; what is missing before another one reads as zeros."""
    found = states([FILE, Sync(ROOT_INODE), Write(1, 0, b"x" * 8192)])
    lengths_of_zeros = {(len(state["f"] or b""), (state["f"] or b"").count(0)) for state in found}
    assert {(0, 0), (4096, 0), (8192, 0), (8192, 4096)} <= lengths_of_zeros
    assert any(zeros % 4096 for _, zeros in lengths_of_zeros), "no write was torn"


def test_what_is_written_at_once_does_not_flush_what_came_before() -> None:
    """A write through ``O_DSYNC`` is durable by itself alone."""
    found = states([FILE, Sync(ROOT_INODE), Write(1, 0, b"a"), Write(1, 1, b"b", at_once=True)])
    assert {b"\0b", b"ab"} == {state["f"] for state in found}


def test_a_rename_is_whole_or_not_at_all() -> None:
    """Never both names, never none."""
    renamed = Relink(((ROOT_INODE, "f", None), (ROOT_INODE, "g", 1)))
    assert {("f",), ("g",)} == {tuple(state) for state in states([FILE, Sync(ROOT_INODE), renamed])}
