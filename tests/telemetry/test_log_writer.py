"""The log's thread: what is written, suppressed or lost makes what was said, and no caller waits or fails."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from typing import Any

import pytest

from livestack.telemetry.log_lines import json_lines
from livestack.telemetry.log_repeats import WINDOW_NS
from livestack.telemetry.log_writer import Writer


class Sink:
    """Keeps lines while it ``takes`` them."""

    def __init__(self) -> None:
        self.lines: list[dict[str, Any]] = []
        self.takes = True
        self.before: Callable[[], object] = lambda: None
        self.gave_up = threading.Event()
        self.closed = False

    def write(self, data: bytes) -> bool:
        self.before()
        if self.takes:
            self.lines.append(json.loads(data))
        return self.takes

    def give_up(self) -> None:
        self.gave_up.set()

    def close(self) -> None:
        self.closed = True

    @property
    def events(self) -> list[str]:
        return [one["event"] for one in self.lines]


class Clock:
    def __init__(self) -> None:
        self.now_ns = 0

    def __call__(self) -> int:
        return self.now_ns


def make(sink: Sink, repeat_max: int = 1_000, lines_max: int = 100) -> tuple[Writer, Clock]:
    clock = Clock()
    return Writer(
        sink,
        json_lines(),
        repeat_max,
        wall_ns=clock,
        clock_ns=clock,
        context=lambda: {"node": "n"},
        lines_max=lines_max,
    ), clock


def say(writer: Writer, event: str = "e", level: str = "warning", **fields: Any) -> None:
    writer.say(level, "l", {"event": event, **fields}, {"node": "n"})


def test_lines_are_written_in_order() -> None:
    """With time and context of when they were said."""
    sink = Sink()
    writer, clock = make(sink)
    say(writer, "a")
    clock.now_ns = 5_000
    say(writer, "b", "error")
    assert [] == sink.lines
    writer.turn()
    assert ["a", "b"] == sink.events
    assert ["1970-01-01T00:00:00.000000Z", "1970-01-01T00:00:00.000005Z"] == [
        one["timestamp"] for one in sink.lines
    ]
    assert {"warning": 1, "error": 1} == writer.written


def test_a_flood_is_one_line_with_its_number() -> None:
    """10 000 of a kind: twenty as they are, and the newest again with how many were not written."""
    sink = Sink()
    writer, clock = make(sink, 20, 1 << 20)
    for number in range(10_000):
        say(writer, n=number)
    writer.turn()
    assert list(range(20)) == [one["n"] for one in sink.lines]
    clock.now_ns = WINDOW_NS
    writer.turn()
    assert (9_999, 9_980, "n") == tuple(sink.lines[-1][name] for name in ("n", "suppressed", "node"))
    assert (21, 9_980, 0) == (len(sink.lines), writer.suppressed, writer.lost)


def test_a_full_queue_takes_no_more_and_says_so() -> None:
    """Exactly as many as were not taken, once there is room again."""
    sink = Sink()
    writer, _ = make(sink, lines_max=10)
    for number in range(25):
        say(writer, n=number)
    assert 15 == writer.lost
    writer.turn()
    assert list(range(10)) == [one["n"] for one in sink.lines[:10]]
    assert ("log_lines_lost", 15, "n") == tuple(sink.lines[10][name] for name in ("event", "count", "node"))
    say(writer)
    writer.turn()
    assert "e" == sink.lines[-1]["event"]
    assert 12 == len(sink.lines)


def test_a_disk_that_fails_loses_lines_and_nothing_else() -> None:
    """They are counted; the first thing it takes again says how many there were."""
    sink = Sink()
    writer, _ = make(sink)
    sink.takes = False
    for _ in range(3):
        say(writer)
    writer.turn()
    assert (3, {}) == (writer.lost, writer.written)
    sink.takes = True
    say(writer)
    writer.turn()
    assert [("e", None), ("log_lines_lost", 3)] == [(one["event"], one.get("count")) for one in sink.lines]


def test_a_count_of_repetitions_waits_for_a_disk_that_fails() -> None:
    """It is told when there is room again."""
    sink = Sink()
    writer, clock = make(sink, 1)
    for _ in range(5):
        say(writer)
    writer.turn()
    sink.takes, clock.now_ns = False, WINDOW_NS
    writer.turn()
    sink.takes = True
    writer.turn()
    assert [None, 4] == [one.get("suppressed") for one in sink.lines]


def test_a_flush_waits_until_all_is_written_and_told() -> None:
    """What was suppressed too, though its ten seconds are not over."""
    sink = Sink()
    writer, _ = make(sink, 1)
    writer.start()
    for _ in range(7):
        say(writer)
    assert writer.flush(60)
    assert [None, 6] == [one.get("suppressed") for one in sink.lines]
    writer.end(60)
    assert sink.closed


def test_a_sink_that_blocks_holds_nobody() -> None:
    """Callers go on, the queue's bound holds, and the end waits no longer than it was told to."""
    sink, stuck, free = Sink(), threading.Event(), threading.Event()

    def block() -> None:
        stuck.set()
        free.wait()

    sink.before = block
    writer, _ = make(sink, lines_max=10)
    writer.start()
    say(writer)
    assert stuck.wait(60)
    for _ in range(1_000):
        say(writer)
    assert 990 == writer.lost
    assert not writer.flush(0)
    free.set()
    assert writer.flush(60)
    assert 11 + 1 == len(sink.lines)
    writer.end(60)


def test_the_end_gives_a_blocked_sink_up() -> None:
    """It waits no more, and the thread ends."""
    sink, stuck = Sink(), threading.Event()

    def block() -> None:
        stuck.set()
        sink.gave_up.wait()

    sink.before = block
    writer, _ = make(sink)
    writer.start()
    say(writer)
    assert stuck.wait(60)
    writer.end(0.01)
    assert sink.closed
    assert writer.flush(0)


def test_the_thread_outlives_whatever_happens_in_it() -> None:
    """A fault of ours is a lost line."""
    sink = Sink()
    writer, _ = make(sink)

    def fail() -> None:
        sink.before = lambda: None
        raise RuntimeError("ours")

    sink.before = fail
    writer.start()
    say(writer, "a")
    say(writer, "b")
    assert writer.flush(60)
    assert ["b", "log_lines_lost"] == sink.events
    writer.end(60)


def test_many_threads_lose_nothing_from_the_count() -> None:
    """Written, suppressed and lost make what was said, whoever said it when."""
    sink = Sink()
    writer, _ = make(sink, 50, 64)
    writer.start()
    threads = [threading.Thread(target=lambda: [say(writer) for _ in range(2_000)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert writer.flush(60)
    plain = [one for one in sink.lines if one["event"] == "e" and "suppressed" not in one]
    assert 8_000 == len(plain) + writer.suppressed + writer.lost
    assert writer.suppressed == sum(one.get("suppressed", 0) for one in sink.lines)
    assert writer.lost == sum(one.get("count", 0) for one in sink.lines)
    writer.end(60)


@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
def test_a_fork_writes_what_it_says_itself() -> None:
    """Its parent's lines are its parent's; its own come from a thread of its own."""
    read_end, write_end = os.pipe()
    sink = Sink()
    writer, _ = make(sink)
    say(writer, "of the parent")
    if not (child := os.fork()):
        writer.restart_in_fork()
        writer.start()
        say(writer, "of the child")
        writer.flush(60)
        os.write(write_end, json.dumps(sink.events).encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert ["of the child"] == json.loads(os.read(read_end, 1_000))
    os.close(read_end)
    os.close(write_end)
    writer.turn()
    assert ["of the parent"] == sink.events
