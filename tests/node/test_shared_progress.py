"""The node's pulse: what a reader sees at any moment, whatever happens to the writer."""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator

import pytest

from livestack.node.shared_progress import (
    SIZE,
    Phase,
    ProgressReader,
    ProgressWriter,
    process_start,
)


@pytest.fixture
def writer() -> Iterator[ProgressWriter]:
    made = ProgressWriter()
    yield made
    made.close()


def test_a_reader_sees_what_was_written(writer: ProgressWriter) -> None:
    """Who it is, how far it is, and each beat."""
    reader = ProgressReader(writer.fd)
    first = reader.read()
    assert (Phase.STARTING, os.getpid(), process_start(os.getpid()), "") == first[1:]
    writer.phase(Phase.RUNNING, "s-1")
    writer.beat()
    writer.beat()
    second = reader.read()
    assert (Phase.RUNNING, "s-1") == (second.phase, second.session)
    assert 3 == second.beats - first.beats == reader.beats() - first.beats
    writer.stopped()
    assert (Phase.STOPPED, "s-1") == (reader.read().phase, reader.read().session)
    reader.close()


def test_a_writer_that_died_in_the_middle_left_a_whole_record(writer: ProgressWriter) -> None:
    """It writes into the slot that is not in use: half of that is seen by nobody."""
    reader = ProgressReader(writer.fd)
    writer.phase(Phase.RUNNING, "s-1")
    page = mmap.mmap(writer.fd, SIZE)
    page[320:328] = b"\xff" * 8  # where the next record would begin
    assert (Phase.RUNNING, "s-1") == (reader.read().phase, reader.read().session)


def test_half_a_record_is_no_record(writer: ProgressWriter) -> None:
    """A slot that does not fit its check sum is an error, never a wrong answer."""
    reader = ProgressReader(writer.fd)
    page = mmap.mmap(writer.fd, SIZE)
    page[64 + 256 + 4] ^= 1
    with pytest.raises(ValueError, match="cannot be read"):
        reader.read()
    assert reader.beats() > 0


def test_another_file_is_refused() -> None:
    """A descriptor that is not a page of ours, and a page that nobody wrote."""
    with open(os.devnull) as file, pytest.raises(ValueError, match="not that of a node"):
        ProgressReader(file.fileno())
    empty = os.memfd_create("empty")
    os.ftruncate(empty, SIZE)
    with pytest.raises(ValueError, match="cannot be read"):
        ProgressReader(empty).read()
    os.close(empty)


def test_a_long_name_is_cut(writer: ProgressWriter) -> None:
    """The record has its size, whatever the session is called."""
    writer.phase(Phase.RUNNING, "x" * 1_000)
    assert "x" * 100 == ProgressReader(writer.fd).read().session


def test_closing_twice_is_fine(writer: ProgressWriter) -> None:
    """As a node does that fails on its way out."""
    writer.close()
    writer.close()


def test_no_process_has_no_start() -> None:
    """So a process that is gone cannot pass for the one that has its number now."""
    with pytest.raises(OSError, match="No such"):
        process_start(2**22 + 1)
