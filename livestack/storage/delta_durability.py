"""Delta tables on a local disk: what is confirmed is on the disk, and what a power loss tore is put aside.

The library writes files and links them into the log without syncing anything. So after each commit its files are
synced here, before the shipper hears of it; and a newest log entry that is not whole, or whose data is not, is what a
power loss left of a commit that nobody was told of: it is renamed, never removed, and its rows are written again.
Imports the standard library only. Runs on the thread of the sink.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import unquote

import msgspec

LOG_DIRECTORY: Final = "_delta_log"
TORN_SUFFIX: Final = ".torn"

_VERSION_DIGITS: Final = 20
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")


class Commit(NamedTuple):
    """What a log entry says of files: ``added`` with their sizes, ``removed``; their names as the log has them."""

    added: tuple[tuple[str, int], ...]
    removed: tuple[str, ...]


def sync_commit(table: Path, version: int) -> Commit:
    """Sync the log entry ``version`` of ``table``, the data that it adds, a checkpoint made with it, their names."""
    entry = _entry(table, version)
    directories = {entry.parent} | ({table, table.parent, table.parent.parent} if version == 0 else set())
    commit = read_commit(entry)
    for name, _ in commit.added:
        if (path := file_of(table, name)) is not None:
            _sync(path)
            directories |= {path.parent, path.parent.parent, table}
    _sync(entry)
    for path in (entry.with_suffix(".checkpoint.parquet"), entry.parent / "_last_checkpoint"):
        if path.exists():
            _sync(path)
    for directory in sorted(directories):
        _sync(directory)
    return commit


def put_aside(entry: Path) -> Path:
    """Rename the torn log entry ``entry``; its new name."""
    target = entry.with_name(entry.name + TORN_SUFFIX)
    os.replace(entry, target)
    _sync(entry.parent)
    return target


def newest_entry(table: Path) -> Path | None:
    """The log entry with the highest version."""
    log = table / LOG_DIRECTORY
    if not log.is_dir():
        return None
    with os.scandir(log) as listed:
        names = [one.name for one in listed if one.name.endswith(".json") and one.name[:-5].isdigit()]
    return log / max(names) if names else None


def is_torn(table: Path, entry: Path) -> bool:
    """Whether ``entry`` cannot be read, or a file that it adds is not there in its full size.

    The first entry of a table of ours adds no file: one that can be read is whole, or another's. A file outside of the
    table is another's as well.
    """
    try:
        added = read_commit(entry).added
    except msgspec.MsgspecError:
        return True
    except (AttributeError, KeyError, TypeError, ValueError):
        # JSON, but no log of a table: nothing that a power loss made of ours.
        return False
    if int(entry.stem) == 0:
        return False
    files = [(file_of(table, name), size) for name, size in added]
    return any(path is not None and not _is_whole(path, size) for path, size in files)


def is_all_there_is(table: Path, entry: Path) -> bool:
    """Whether ``table`` holds nothing but a log, and that no version but ``entry``: a table that was being made."""
    with os.scandir(table) as above, os.scandir(entry.parent) as log:
        if any(one.name != LOG_DIRECTORY for one in above):
            return False
        return not any(
            one.name != entry.name and one.name.endswith((".json", ".parquet", "_last_checkpoint"))
            for one in log
        )


def read_commit(entry: Path) -> Commit:
    """What the log entry ``entry`` says of files."""
    actions: list[dict[str, Any]] = [msgspec.json.decode(line) for line in entry.read_bytes().splitlines()]
    if not actions:
        raise msgspec.DecodeError("empty log entry")
    added = [action["add"] for action in actions if action.get("add") is not None]
    removed = [action["remove"] for action in actions if action.get("remove") is not None]
    return Commit(
        tuple((str(one["path"]), int(one["size"])) for one in added),
        tuple(str(one["path"]) for one in removed),
    )


def file_of(table: Path, name: str) -> Path | None:
    """The file that the log of ``table`` calls ``name``; None: it is not below the table, so it is not ours."""
    path = Path(unquote(name))
    if _SCHEME.match(name) or path.is_absolute() or ".." in path.parts:
        return None
    return table / path


def _is_whole(path: Path, size: int) -> bool:
    return path.exists() and path.stat().st_size == size


def _entry(table: Path, version: int) -> Path:
    return table / LOG_DIRECTORY / f"{version:0{_VERSION_DIGITS}}.json"


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
