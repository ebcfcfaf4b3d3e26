"""What a disk may hold after a power loss, from the system calls that a process made.

Theory of operation. :func:`read_trace` turns the output of ``strace`` into operations on inodes below one directory.
:class:`Disk` takes them in order and keeps apart what is durable and what is only in memory: data of a file until that
file is flushed (or at once, through a file opened with ``O_DSYNC``), an entry of a directory until that *directory* is
flushed. After a loss the durable part is there; of the rest any units of 4096 or 512 bytes and any entries may be there
or not. A file's length grows with what reached it; holes read as zeros. Not modelled: a disk that lies about a flush
(but see ``flushes`` in :mod:`tests.campaigns.power_loss`), and a sector of 512 bytes torn in itself.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

CALLS = (
    "openat,pwrite64,?pwritev,write,writev,lseek,fsync,fdatasync,ftruncate,"
    "?mkdir,?mkdirat,?rename,?renameat,?renameat2,?unlink,?unlinkat,?rmdir"
)
"""What ``strace -e trace=`` must record; a leading question mark: not every architecture has it."""

STRING_MAX = 1 << 24
"""``strace -s``: no write may be cut short in the trace."""

ROOT_INODE = 0
UNITS = (4096, 512)
"""Bytes that reach the disk together: a page of the cache, or a sector of a write that was torn."""

_CALL = re.compile(r"^(\w+)\((.*)\)\s+= (\d+)")
_STRING = re.compile(r'"((?:\\x[0-9a-f]{2})*)"(\.\.\.)?')


@dataclass(frozen=True)
class Write:
    """``at_once``: durable when the call returns."""

    inode: int
    offset: int
    data: bytes
    at_once: bool = False


@dataclass(frozen=True)
class Truncate:
    inode: int
    size: int


@dataclass(frozen=True)
class Relink:
    """Changes that happen together, as ``(directory, name, inode or None)``; ``made`` is a new directory's inode."""

    changes: tuple[tuple[int, str, int | None], ...]
    made: int | None = None


@dataclass(frozen=True)
class Sync:
    inode: int


@dataclass(frozen=True)
class Acknowledge:
    """What was told to the world: after this nothing up to ``value`` may get lost."""

    value: int


Operation = Write | Truncate | Relink | Sync | Acknowledge
Item = TypeVar("Item")


class _Tracer:
    """Follows names and descriptors through a trace, as the process saw them."""

    def __init__(self, root: str, acknowledgements: str) -> None:
        self._root = root
        self._acknowledgements = acknowledgements
        self._directories: dict[int, dict[str, int]] = {ROOT_INODE: {}}
        self._inodes = 1
        self._files: dict[int, tuple[int, bool]] = {}
        self._positions: dict[int, int] = {}
        self._acknowledging: set[int] = set()

    def operations(self, call: str, arguments: str, result: int) -> Iterator[Operation]:
        """What one successful call did below the root."""
        strings = [bytes.fromhex(text.replace("\\x", "")) for text, _ in _STRING.findall(arguments)]
        assert not any(cut for _, cut in _STRING.findall(arguments)), f"{call} is cut short in the trace"
        if call == "openat":
            yield from self._opened(strings[0].decode(), arguments, result)
        elif call in {"mkdir", "mkdirat"}:
            yield from self._made(strings[0].decode(), directory=True)
        elif call.startswith("rename"):
            yield from self._renamed(strings[0].decode(), strings[1].decode())
        elif call in {"unlink", "unlinkat", "rmdir"}:
            yield from self._removed(strings[0].decode())
        else:
            descriptor = int(arguments.partition(",")[0])
            if descriptor in self._acknowledging and call == "write":
                yield Acknowledge(int(strings[0]))
            elif descriptor in self._files:
                yield from self._on_file(call, descriptor, arguments, b"".join(strings)[:result], result)

    def _place(self, path: str) -> tuple[int, str] | None:
        """Directory and name of ``path``, whether or not it exists; None outside the root."""
        if not path.startswith(self._root + "/"):
            return None
        *parents, name = path[len(self._root) + 1 :].split("/")
        directory = ROOT_INODE
        for parent in parents:
            directory = self._directories[directory][parent]
        return directory, name

    def _opened(self, path: str, arguments: str, descriptor: int) -> Iterator[Operation]:
        self._files.pop(descriptor, None)
        self._acknowledging.discard(descriptor)
        self._positions[descriptor] = 0
        if path == self._acknowledgements:
            self._acknowledging.add(descriptor)
            return
        if path == self._root:
            self._files[descriptor] = (ROOT_INODE, False)
            return
        place = self._place(path)
        if place is None:
            return
        directory, name = place
        if name not in self._directories[directory]:
            yield from self._made(path, directory=False)
        inode = self._directories[directory][name]
        self._files[descriptor] = (inode, "O_DSYNC" in arguments or "O_SYNC" in arguments)
        if "O_TRUNC" in arguments:
            yield Truncate(inode, 0)

    def _made(self, path: str, *, directory: bool) -> Iterator[Operation]:
        place = self._place(path)
        if place is None:
            return
        inode, self._inodes = self._inodes, self._inodes + 1
        if directory:
            self._directories[inode] = {}
        self._directories[place[0]][place[1]] = inode
        yield Relink(((*place, inode),), inode if directory else None)

    def _renamed(self, source: str, target: str) -> Iterator[Operation]:
        old, new = self._place(source), self._place(target)
        if old is None or new is None:
            return
        inode = self._directories[old[0]].pop(old[1])
        self._directories[new[0]][new[1]] = inode
        yield Relink(((*old, None), (*new, inode)))

    def _removed(self, path: str) -> Iterator[Operation]:
        place = self._place(path)
        if place is not None:
            del self._directories[place[0]][place[1]]
            yield Relink(((*place, None),))

    def _on_file(
        self, call: str, descriptor: int, arguments: str, data: bytes, result: int
    ) -> Iterator[Operation]:
        inode, at_once = self._files[descriptor]
        position = self._positions[descriptor]
        last = int(arguments.rpartition(", ")[2]) if call in {"pwrite64", "pwritev", "ftruncate"} else 0
        if call in {"pwrite64", "pwritev"}:
            yield Write(inode, last, data, at_once)
        elif call in {"write", "writev"}:
            yield Write(inode, position, data, at_once)
            self._positions[descriptor] = position + len(data)
        elif call == "lseek":
            self._positions[descriptor] = result
        elif call == "ftruncate":
            yield Truncate(inode, last)
        else:
            yield Sync(inode)


def read_trace(lines: Sequence[str], root: str, acknowledgements: str) -> list[Operation]:
    """Operations below ``root``, in order; numbers written to the file ``acknowledgements`` are acknowledgements."""
    tracer = _Tracer(root, acknowledgements)
    found: list[Operation] = []
    for line in lines:
        if match := _CALL.match(line):
            found += tracer.operations(match[1], match[2], int(match[3]))
    return found


class Disk:
    """The disk while operations arrive; ``acknowledged`` are the numbers told to the world so far."""

    def __init__(self) -> None:
        self.acknowledged: list[int] = []
        self._contents: dict[int, bytearray] = {}
        self._entries: dict[int, dict[str, int]] = {ROOT_INODE: {}}
        self._data: list[Write | Truncate] = []
        self._names: list[Relink] = []

    def take(self, operation: Operation) -> None:
        """One operation, now returned to its caller."""
        match operation:
            case Write(at_once=True):
                _change(self._contents, operation)
            case Write() | Truncate():
                self._data.append(operation)
            case Relink():
                if operation.made is not None:
                    self._entries[operation.made] = {}
                self._names.append(operation)
            case Sync(inode=inode):
                self._flush(inode)
            case Acknowledge(value=value):
                self.acknowledged.append(value)

    def after_loss(self, source: random.Random) -> tuple[str, dict[str, bytes | None]]:
        """A way that the power may go now: how, in words, and each path with its content (None: a directory)."""
        unit = source.choice(UNITS)
        how_data, data = _survivors([one for whole in self._data for one in _pieces(whole, unit)], source)
        how_names, names = _survivors(self._names, source)
        contents = {inode: bytearray(content) for inode, content in self._contents.items()}
        for change in data:
            _change(contents, change)
        entries = {inode: dict(named) for inode, named in self._entries.items()}
        for relink in names:
            _relink(entries, relink)
        return f"data {how_data} in {unit}, names {how_names}", dict(_tree(ROOT_INODE, "", entries, contents))

    def _flush(self, inode: int) -> None:
        if inode in self._entries:
            for relink in [one for one in self._names if any(change[0] == inode for change in one.changes)]:
                self._names.remove(relink)
                _relink(self._entries, relink)
        else:
            for change in [one for one in self._data if one.inode == inode]:
                _change(self._contents, change)
            self._data = [one for one in self._data if one.inode != inode]


def _pieces(whole: Write | Truncate, unit: int) -> Iterator[Write | Truncate]:
    """A write in units that reach the disk one by one."""
    if isinstance(whole, Truncate):
        yield whole
        return
    begin, end = whole.offset, whole.offset + len(whole.data)
    while begin < end:
        until = min(end, (begin // unit + 1) * unit)
        yield Write(whole.inode, begin, whole.data[begin - whole.offset : until - whole.offset])
        begin = until


def _change(contents: dict[int, bytearray], change: Write | Truncate) -> None:
    content = contents.setdefault(change.inode, bytearray())
    if isinstance(change, Truncate):
        content[change.size :] = bytes(max(change.size - len(content), 0))
        return
    content.extend(bytes(max(change.offset - len(content), 0)))
    content[change.offset : change.offset + len(change.data)] = change.data


def _relink(entries: dict[int, dict[str, int]], relink: Relink) -> None:
    for directory, name, inode in relink.changes:
        if inode is None:
            entries[directory].pop(name, None)
        else:
            entries[directory][name] = inode


def _tree(
    directory: int, prefix: str, entries: dict[int, dict[str, int]], contents: dict[int, bytearray]
) -> Iterator[tuple[str, bytes | None]]:
    """Parents before children."""
    for name, inode in entries[directory].items():
        if inode in entries:
            yield prefix + name, None
            yield from _tree(inode, f"{prefix}{name}/", entries, contents)
        else:
            yield prefix + name, bytes(contents.get(inode, b""))


def _one_missing(items: Sequence[Item], source: random.Random) -> list[Item]:
    missing = source.randrange(len(items)) if items else 0
    return [*items[:missing], *items[missing + 1 :]]


def _survivors(items: Sequence[Item], source: random.Random) -> tuple[str, list[Item]]:
    """Which of ``items`` reached the disk before the others; each way as likely as the next."""
    ways: dict[str, Callable[[], Sequence[Item]]] = {
        "kept": lambda: items,
        "dropped": lambda: (),
        "in part": lambda: [item for item in items if source.random() < 0.5],
        "from the first": lambda: items[: source.randrange(len(items) + 1)],
        "from the last": lambda: items[source.randrange(len(items) + 1) :],
        "but one": lambda: _one_missing(items, source),
        "only the last": lambda: items[-1:],
    }
    how = source.choice(list(ways))
    return how, list(ways[how]())
