"""The mark of a segment whose session stopped in order: nothing has touched its file since.

The mark keeps the file's size and time of change. While both still hold, a look at the first and last record needs no
structural check of the whole file; a copied, restored or changed file loses the benefit and is checked. It keeps the
last position and link as well: a file that ends before them is not whole, whatever it says of itself. Any thread.
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


def mark_clean(segment: Path, last_seq: int, link: bytes) -> None:
    """Mark ``segment``, whose environment is closed and ends with ``last_seq`` and ``link``.

    A disk that refuses costs the next look time and nothing else.
    """
    with contextlib.suppress(OSError):
        file = os.open(segment / CLEAN_NAME, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            os.write(file, _mark(segment) + f"{last_seq} {link.hex()}\n".encode())
        finally:
            os.close(file)


def is_clean(segment: Path) -> bool:
    """Whether ``segment`` is as its writer left it after an orderly stop."""
    try:
        return (segment / CLEAN_NAME).read_bytes().startswith(_mark(segment))
    except OSError:
        return False


def marked_end(segment: Path) -> tuple[int, bytes] | None:
    """The last position and link that the writer of ``segment`` left; None where it did not end in order."""
    try:
        _, last_seq, link = (segment / CLEAN_NAME).read_text().replace("\n", " ", 1).rsplit(maxsplit=2)
        return int(last_seq), bytes.fromhex(link)
    except (OSError, ValueError):
        return None


def _mark(segment: Path) -> bytes:
    status = (segment / DATA_NAME).stat()
    return f"{status.st_size} {status.st_mtime_ns}\n".encode()
