"""The mark of a segment whose session stopped in order: nothing has touched its file since.

The mark keeps the file's size and time of change. While both still hold, a look at the first and last record needs no
structural check of the whole file; a copied, restored or changed file loses the benefit and is checked. Any thread.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path

from livestack.core.events import Recorded, SessionStopped
from livestack.core.types import Origin

DATA_NAME = "data.mdb"
CLEAN_NAME = "clean"


def is_stopped(records: Sequence[Recorded]) -> bool:
    """Whether ``records`` end with an orderly stop: ``SessionStopped`` and what the Core derived from it."""
    for record in reversed(records):
        if record.origin is not Origin.DERIVED:
            return type(record.event) is SessionStopped
    return False


def mark_clean(segment: Path) -> None:
    """Mark ``segment``, whose environment is closed. A disk that refuses costs the next look time and nothing else."""
    with contextlib.suppress(OSError):
        file = os.open(segment / CLEAN_NAME, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            os.write(file, _mark(segment))
        finally:
            os.close(file)


def is_clean(segment: Path) -> bool:
    """Whether ``segment`` is as its writer left it after an orderly stop."""
    try:
        return (segment / CLEAN_NAME).read_bytes() == _mark(segment)
    except OSError:
        return False


def _mark(segment: Path) -> bytes:
    status = (segment / DATA_NAME).stat()
    return f"{status.st_size} {status.st_mtime_ns}\n".encode()
