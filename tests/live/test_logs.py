"""The log of a real node: floods, pipes that nobody reads, and files that cannot be; trading goes on."""

from __future__ import annotations

import array
import fcntl
import json
import os
import termios
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from livestack.telemetry.log_repeats import WINDOW_NS
from livestack.telemetry.log_writer import LOST
from tests.campaigns import agreement
from tests.live import flooding, operated
from tests.live.operated import until
from tests.support import Process, Venue

FILE_BYTES = 65_536
REPEAT_MAX = 20

TO_FILE = {
    'level = "warning"': f'level = "info"\nfile = "logs/node.log"\nfile_bytes = {FILE_BYTES}\nfiles = 100\n'
    f"repeat_max = {REPEAT_MAX}"
}

MANY = 20_000
"""Lines of one kind: two seconds at 10 000 a second."""


FULL = 40_000
"""Bytes in a pipe that may take no more: what does not fit into the rest of a page gets another one."""


class Flooded(Process):
    module = "tests.live.flooding"


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Venue]:
    with Venue(tmp_path_factory.mktemp("venue"), "--seed", "37", *operated.VENUE_ARGUMENTS) as running:
        yield running


def start(directory: Path, path: Path, venue: Venue, prefix: tuple[str, ...] = ()) -> Flooded:
    arguments = ["start", "-c", str(path), "--data-dir", str(directory / "data"), "--json"]
    return Flooded(arguments, directory, venue.environment(), prefix)


def lines_of(files: list[Path]) -> list[dict[str, Any]]:
    return [json.loads(line) for file in files for line in file.read_bytes().splitlines()]


def number(lines: list[dict[str, Any]], event: str) -> int:
    """The newest line's own number."""
    return max((one["n"] for one in lines if one["event"] == event), default=0)


def test_a_flood_is_counted_and_trading_goes_on(venue: Venue, tmp_path: Path) -> None:
    """Tens of thousands of lines from the harness's own thread: the files hold a few of each kind and the number of the
    others, to the last one unless the log says that it lost some, in JSON, whole, of bounded size; orders are placed
    meanwhile, and the books agree in the end."""
    path = operated.write(tmp_path, venue, operated.RESTLESS, TO_FILE)
    logs = tmp_path / "data" / "logs"
    with start(tmp_path, path, venue) as node:
        operated.until_trading(venue, node)
        operated.until_heard(node, tmp_path, MANY // flooding.LINES_A_STEP)
        operated.until_trading(venue, node)
        node.signal()
        code, output = node.finish()
        assert 0 == code, node.stderr()
    assert [] == agreement.check(tmp_path / "data", venue)
    summary = json.loads(output)
    files = sorted(logs.iterdir())
    assert len(files) > 1
    assert all(file.stat().st_size <= FILE_BYTES for file in files)
    lines = lines_of(files)
    assert {"test"} == {one["node"] for one in lines}
    assert {summary["session"]} == {one["session"] for one in lines if one["logger"] == "flood"}
    times = [datetime.fromisoformat(one["timestamp"]) for one in lines]
    windows = 2 + (max(times) - min(times)) // timedelta(microseconds=WINDOW_NS // 1_000)
    assert number(lines, "flooded") >= MANY
    missing = 0
    for event in ("flooded", *(f"wide_{kind}" for kind in range(flooding.KINDS))):
        of_kind = [one for one in lines if one["event"] == event]
        told = [one["suppressed"] for one in of_kind if "suppressed" in one]
        missing += number(lines, event) - (len(of_kind) - len(told) + sum(told))
        assert len(of_kind) <= (REPEAT_MAX + 1) * windows
    assert 0 <= missing <= sum(one["count"] for one in lines if one["event"] == LOST)


def test_a_stderr_that_nobody_reads_holds_nobody(venue: Venue, tmp_path: Path) -> None:
    """The pipe is full; the node trades, answers, ends in order with its summary, and what is in the pipe are lines."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    path = operated.write(
        tmp_path, venue, operated.RESTLESS, {'level = "warning"': 'level = "info"\nformat = "json"'}
    )
    with start(tmp_path, path, venue, ("sh", "-c", 'exec "$@" 2>"$0"', str(pipe))) as node:
        until(node, lambda: unread(reading) > FULL)
        operated.until_trading(venue, node)
        operated.until_heard(node, tmp_path)
        operated.until_trading(venue, node)
        node.signal()
        code, output = node.finish()
    assert (0, 0) == (code, json.loads(output)["exit"])
    assert [] == venue.look("open")
    held = b""
    while part := os.read(reading, 1 << 20):
        held += part
    os.close(reading)
    whole = held.splitlines()[:-1]  # the last one did not fit
    assert "flood" in {json.loads(line)["logger"] for line in whole}


def unread(pipe: int) -> int:
    held = array.array("i", [0])
    fcntl.ioctl(pipe, termios.FIONREAD, held)
    return held[0]


def test_a_log_that_cannot_be_written_starts_nothing(venue: Venue, tmp_path: Path) -> None:
    """Exit code 2 and a sentence that says what would be right."""
    (tmp_path / "data" / "logs" / "node.log").mkdir(parents=True)
    path = operated.write(tmp_path, venue, operated.RESTLESS, TO_FILE)
    with operated.start(tmp_path, path, venue) as node:
        code, output = node.finish()
    assert (2, "") == (code, output)
    assert "log.file: " in node.stderr()
    assert "cannot be written: Is a directory; name a file" in node.stderr()
