"""Standard error that stands still, is torn, closed or full: nobody waits for long, and nobody fails."""

from __future__ import annotations

import io
import os
import pty
import select
import termios
from collections.abc import Iterator
from typing import TextIO

import pytest

from livestack.telemetry import log_streams
from livestack.telemetry.log_streams import ErrorStream, Lossy, write_all


@pytest.fixture
def pipe() -> Iterator[tuple[int, TextIO]]:
    """Its end to read, and its end to write as a stream."""
    read_end, write_end = os.pipe()
    with open(write_end, "w", encoding="utf-8") as stream:
        yield read_end, stream
    os.close(read_end)


def fill(stream: TextIO) -> int:
    """Write until nothing more goes in; how much did."""
    poller = select.poll()
    poller.register(stream.fileno(), select.POLLOUT)
    filled = 0
    while poller.poll(0):
        filled += os.write(stream.fileno(), b"." * select.PIPE_BUF)
    return filled


def test_a_pipe_that_nobody_reads_takes_no_time_of_those_who_do_not_wait(pipe: tuple[int, TextIO]) -> None:
    """As much as there is room for is written, without waiting."""
    assert 65_536 == write_all(pipe[1].fileno(), b"x" * 100_000, lambda: False)


def test_a_terminal_that_stands_still_takes_nothing() -> None:
    """Ctrl-S: nobody waits; Ctrl-Q: it goes on."""
    ends = pty.openpty()
    termios.tcflow(ends[1], termios.TCOOFF)
    assert 0 == write_all(ends[1], b"x\n", lambda: False)
    termios.tcflow(ends[1], termios.TCOON)
    assert 2 == write_all(ends[1], b"x\n", lambda: False)
    for end in ends:
        os.close(end)


def test_the_log_gives_up_when_it_is_told_to(pipe: tuple[int, TextIO]) -> None:
    """Before that it would wait without end."""
    fill(pipe[1])
    stream = ErrorStream(pipe[1])
    stream.give_up()
    assert not stream.write(b"x\n")


def test_a_line_that_was_torn_does_not_spoil_the_next_one(pipe: tuple[int, TextIO]) -> None:
    """It begins on a line of its own."""
    filled = fill(pipe[1])
    os.read(pipe[0], select.PIPE_BUF)
    stream = ErrorStream(pipe[1])
    stream.give_up()
    assert not stream.write(b"x" * 5_000 + b"\n")
    os.read(pipe[0], filled)
    assert stream.write(b"whole\n")
    assert os.read(pipe[0], 100_000).endswith(b"\nwhole\n")


def test_lines_for_a_stream_in_memory_or_closed() -> None:
    """As text; one that is closed loses them."""
    memory = io.StringIO()
    stream = ErrorStream(memory)
    assert stream.write("ä\n".encode())
    assert "ä\n" == memory.getvalue()
    memory.close()
    assert not stream.write(b"x\n")


def test_a_reader_that_is_gone_loses_lines(pipe: tuple[int, TextIO]) -> None:
    """A broken pipe is nobody's failure."""
    other, write_end = os.pipe()
    os.close(other)
    with open(write_end, "w", encoding="utf-8") as broken:
        assert not ErrorStream(broken).write(b"x\n")
        lossy = Lossy(broken)
        assert 1 == lossy.write("x")
        assert 1 == lossy.lost


def test_whoever_prints_waits_once_and_not_again(
    pipe: tuple[int, TextIO], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What does not go in is lost and counted; when there is room again it is taken again."""
    monkeypatch.setattr(log_streams, "PATIENCE_S", 0.01)
    filled = fill(pipe[1])
    lossy = Lossy(pipe[1])
    for _ in range(3):
        lossy.write("sentence\n")
    assert 3 == lossy.lost
    os.read(pipe[0], filled)
    lossy.write("sentence\n")
    assert b"sentence\n" == os.read(pipe[0], 100)
    assert 3 == lossy.lost
