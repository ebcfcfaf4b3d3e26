"""Journals that earlier formats left behind, kept beside this module: each is still read, checked and replayed."""

from __future__ import annotations

import json
import tarfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from livestack.core.runtime import SEMANTICS_VERSION
from livestack.journal.format import FORMAT_VERSION
from livestack.journal.reader import JournalReader
from livestack.research.replay import replay
from tests.journal.fixtures.make import ARCHIVE_NAME, FACTS_NAME, FIXTURES

FORMATS = sorted(FIXTURES.glob("format-*"), key=lambda path: int(path.name.rpartition("-")[2]))


@pytest.fixture(params=FORMATS, ids=lambda path: str(path.name))
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[dict[str, Any], JournalReader]]:
    """What is known of a kept journal, and a reader of it."""
    facts = json.loads((request.param / FACTS_NAME).read_text())
    with tarfile.open(request.param / ARCHIVE_NAME) as archive:
        archive.extractall(tmp_path, filter="data")
    with JournalReader.open(tmp_path, facts["session"]) as reader:
        yield facts, reader


def test_every_format_is_kept() -> None:
    """From the first one to the present one."""
    assert [f"format-{version}" for version in range(1, FORMAT_VERSION + 1)] == [one.name for one in FORMATS]


def test_an_older_journal_is_read(kept: tuple[dict[str, Any], JournalReader]) -> None:
    """Every record of every segment, in its order and of its kind."""
    facts, reader = kept
    records = list(reader.records())
    assert list(range(1, facts["records"] + 1)) == [record.seq for record in records]
    assert facts["kinds"] == Counter(type(record.event).__name__ for record in records)
    assert facts["segments"] == [int(path.name) for path in reader.segments]
    assert (facts["format_version"], facts["semantics_version"]) == (
        reader.header.format_version,
        reader.header.semantics_version,
    )


def test_an_older_chain_is_whole(kept: tuple[dict[str, Any], JournalReader]) -> None:
    """Each link comes out as it was computed then."""
    facts, reader = kept
    assert facts["records"] == reader.verify_chain()
    assert (facts["records"], facts["chain"]) == (reader.tail()[0], reader.tail()[1].hex())


def test_an_older_journal_is_replayed_as_far_as_it_can_be_compared(
    kept: tuple[dict[str, Any], JournalReader],
) -> None:
    """Under the same semantics identically, to the same State; under others nothing is claimed."""
    facts, reader = kept
    result = replay(reader)
    if facts["semantics_version"] == SEMANTICS_VERSION:
        assert (True, True, facts["digest"]) == (result.identical, result.complete, result.digest)
    else:
        assert (False, False, None) == (result.comparable, result.identical, result.first_difference)
