"""A real journal in a test's directory: the only way to get a ``CommittedDispatch`` is to commit one."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

from livestack.core.configuration import Configuration
from livestack.core.events import Recorded
from livestack.journal.format import SegmentHeader
from livestack.journal.writer import CommittedDispatch, JournalWriter

_numbers = itertools.count(1)


def writer(directory: Path, session: str = "") -> JournalWriter:
    """A fresh journal below ``directory``."""
    header = SegmentHeader.of_session(
        session=session or f"test-{next(_numbers)}",
        node="test",
        strategy_path="tests:None",
        strategy_source="",
        configuration=Configuration.from_plain({"strategy": {"path": "tests:None"}}),
        semantics_version=1,
        package_version="0",
    )
    return JournalWriter.create(directory / "sessions", header, "relaxed")


def committed(directory: Path, records: Sequence[Recorded]) -> tuple[CommittedDispatch, ...]:
    """What a commit of ``records`` releases."""
    journal = writer(directory)
    try:
        return journal.commit(records)
    finally:
        journal.close()
