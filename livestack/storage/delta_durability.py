"""Delta tables on a local disk: what is confirmed is on the disk, and what a power loss tore is put aside.

The library writes files and links them into the log without syncing anything. So after each commit its files are
synced here, before the shipper hears of it; and a newest log entry that is not whole, or whose data is not, is what a
power loss left of a commit that nobody was told of: it is renamed, never removed, and its rows are written again.
Imports the standard library only. Runs on the thread of the sink.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

import msgspec

LOG_DIRECTORY: Final = "_delta_log"
TORN_SUFFIX: Final = ".torn"

_VERSION_DIGITS: Final = 20


def sync_commit(table: Path, version: int) -> None:
    """Sync the log entry ``version`` of ``table``, the data that it adds, a checkpoint made with it, their names."""
    entry = _entry(table, version)
    directories = {entry.parent}
    for path, _ in _added(table, entry):
        _sync(path)
        directories |= {path.parent, path.parent.parent, table}
    _sync(entry)
    for path in (entry.with_suffix(".checkpoint.parquet"), entry.parent / "_last_checkpoint"):
        if path.exists():
            _sync(path)
    for directory in sorted(directories):
        _sync(directory)


def put_torn_entries_aside(table: Path) -> list[Path]:
    """Rename the newest log entries for as long as they are torn; their new names. Only for a table of ours."""
    aside = []
    while (entry := newest_entry(table)) is not None and is_torn(table, entry):
        target = entry.with_name(entry.name + TORN_SUFFIX)
        os.replace(entry, target)
        _sync(entry.parent)
        aside.append(target)
    return aside


def newest_entry(table: Path) -> Path | None:
    """The log entry with the highest version."""
    log = table / LOG_DIRECTORY
    if not log.is_dir():
        return None
    with os.scandir(log) as listed:
        names = [one.name for one in listed if one.name.endswith(".json") and one.name[:-5].isdigit()]
    return log / max(names) if names else None


def is_torn(table: Path, entry: Path) -> bool:
    """Whether ``entry`` cannot be read, or a file that it adds is not there in its full size."""
    try:
        return any(not path.exists() or path.stat().st_size != size for path, size in _added(table, entry))
    except msgspec.MsgspecError:
        return True


def _added(table: Path, entry: Path) -> Iterator[tuple[Path, int]]:
    actions: list[dict[str, Any]] = [msgspec.json.decode(line) for line in entry.read_bytes().splitlines()]
    if not actions:
        raise msgspec.DecodeError("empty log entry")
    for action in actions:
        if (add := action.get("add")) is not None:
            yield table / unquote(add["path"]), add["size"]


def _entry(table: Path, version: int) -> Path:
    return table / LOG_DIRECTORY / f"{version:0{_VERSION_DIGITS}}.json"


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
