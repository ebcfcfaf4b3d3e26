"""SIGUSR1 and the file KILL: each engages the kill-switch by itself, whatever else the process does."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from livestack.actors.gate import DispatchGate
from livestack.control.latch import Latch
from livestack.core.events import InputEvent, KillSwitchEngaged
from livestack.node.triggers import KILL_NAME, TEXT_MAX, LocalTriggers
from tests.actors.fakes import kill_switch
from tests.control.support import until


class Bench:
    """A switch that remembers who pulled it; ``triggers`` are entered by the test."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.file = directory / KILL_NAME
        self.switch = kill_switch(DispatchGate(["v"]), directory)
        self.pulled: list[tuple[str, str]] = []
        self.switch.attach(self.told, {}, lambda: None, ())
        self.triggers = LocalTriggers(self.switch, directory)

    def told(self, events: Sequence[InputEvent]) -> None:
        self.pulled += [(one.trigger, one.reason) for one in events if isinstance(one, KillSwitchEngaged)]

    def reason(self, content: bytes) -> str:
        self.file.write_bytes(content)
        with self.triggers:
            ((trigger, reason),) = self.pulled
        assert "file" == trigger
        return reason


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    before = signal.getsignal(signal.SIGUSR1)
    yield Bench(tmp_path)
    signal.signal(signal.SIGUSR1, before)


def test_a_signal_is_taken_while_the_main_thread_is_busy(bench: Bench) -> None:
    """It needs no bytecode of the main thread behind the arrival: the gate closes on another one."""
    with bench.triggers:
        os.kill(os.getpid(), signal.SIGUSR1)
        until(lambda: bool(bench.pulled))
        assert bench.switch.is_engaged
        os.kill(os.getpid(), signal.SIGUSR1)
        until(lambda: 2 == len(bench.pulled))
    assert [("signal", "SIGUSR1 received")] * 2 == bench.pulled
    assert [f"uid {os.getuid()}"] == [one.by for one in Latch(bench.directory).entries()]


def test_a_late_signal_does_not_end_the_process(bench: Bench) -> None:
    """Its default would; nothing is left of the thread."""
    signal.signal(signal.SIGUSR1, signal.SIG_DFL)
    with bench.triggers:
        pass
    os.kill(os.getpid(), signal.SIGUSR1)
    assert signal.SIG_IGN == signal.getsignal(signal.SIGUSR1)
    assert -1 == signal.set_wakeup_fd(-1)
    assert "triggers" not in [thread.name for thread in threading.enumerate()]


def test_a_file_that_is_there_at_the_start_is_found_before_anything_else(bench: Bench) -> None:
    """The node is killed when the block is entered, not a look later."""
    bench.file.write_text("flood in the data centre\n")
    with bench.triggers:
        assert [("file", "flood in the data centre")] == bench.pulled


def test_a_file_counts_once_for_each_time_that_it_appears(bench: Bench) -> None:
    """It appears, stays, is removed, appears again, is written anew: three times in all."""
    triggers = bench.triggers
    bench.pulled.clear()
    for expected, change in (
        (1, lambda: bench.file.write_text("a")),
        (1, lambda: None),
        (1, bench.file.unlink),
        (2, lambda: bench.file.write_text("b")),
        (3, lambda: os.utime(bench.file, ns=(1, 1))),
        (3, lambda: None),
    ):
        change()
        triggers._look()
        assert expected == len(bench.pulled)
    assert ["a", "b", "b"] == [reason for _, reason in bench.pulled]


def test_a_file_that_appears_while_it_runs_is_found(bench: Bench) -> None:
    """By the thread, without anybody's help; while it is there the switch cannot be reset."""
    with bench.triggers:
        assert [] == bench.pulled
        bench.file.touch()
        until(lambda: bool(bench.pulled))
    assert [("file", "a file named KILL is in the data directory")] == bench.pulled
    assert "remove that file" in bench.switch.obstacle()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"two\nlines", "two lines"),
        (b"\x1b[2Jgone\x00\r\n", "[2Jgone"),
        ("a\u202eb".encode(), "a b"),
        (b"\xff\xfe", "\ufffd\ufffd"),
        (b"x" * 10_000, "x" * TEXT_MAX),
        (b" \n\t", "a file named KILL is in the data directory"),
    ],
)
def test_its_text_is_the_reason_in_one_line_that_can_be_shown(
    bench: Bench, content: bytes, reason: str
) -> None:
    """No control character, no end of line, and not more than a line's worth."""
    assert reason == bench.reason(content)


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo])
def test_whatever_is_called_so_counts(bench: Bench, make: object) -> None:
    """A directory, or a pipe that nobody writes to: it is there, and it holds nobody up."""
    make(bench.file)  # type: ignore[operator]
    with bench.triggers:
        assert [("file", "a file named KILL is in the data directory")] == bench.pulled


@pytest.mark.parametrize("target", ["nowhere", KILL_NAME, "secret"])
def test_a_link_counts_wherever_it_leads(bench: Bench, target: str) -> None:
    """To nothing, to itself, or to a file: once, and what is in that file is not told."""
    (bench.directory / "secret").write_text("password")
    bench.file.symlink_to(target)
    with bench.triggers:
        bench.triggers._look()
        assert [("file", "a file named KILL is in the data directory")] == bench.pulled
    bench.file.unlink()
    bench.triggers._look()
    bench.file.touch()
    bench.triggers._look()
    assert 2 == len(bench.pulled)


def test_what_cannot_be_looked_at_counts(tmp_path: Path) -> None:
    """Deny when in doubt, and say why, once."""
    bench = Bench(tmp_path)
    (tmp_path / "file").touch()
    triggers = LocalTriggers(bench.switch, tmp_path / "file")
    with triggers:
        triggers._look()
    assert [("file", "KILL cannot be looked at: Not a directory")] == bench.pulled


def test_a_file_whose_engagement_failed_is_tried_again(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is done with once the switch has been pulled, not before."""
    engage, failures = bench.switch.engage, [RuntimeError("bug")]

    def once(*arguments: str) -> object:
        if failures:
            raise failures.pop()
        return engage(*arguments)

    monkeypatch.setattr(bench.switch, "engage", once)
    with bench.triggers:
        bench.file.touch()
        until(lambda: bool(bench.pulled))
    assert 1 == len(bench.pulled)


def test_on_another_thread_the_file_counts_and_signals_are_left_alone(bench: Bench) -> None:
    """Handlers belong to the main thread."""
    before = signal.getsignal(signal.SIGUSR1)

    def enter() -> None:
        bench.file.touch()
        with bench.triggers:
            assert before is signal.getsignal(signal.SIGUSR1)

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert 1 == len(bench.pulled)


def test_a_look_that_fails_is_not_the_last_one(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """This thread is the last way to stop the node."""
    engage, failures = bench.switch.engage, [RuntimeError("bug")]

    def once(*arguments: str) -> object:
        if failures:
            raise failures.pop()
        return engage(*arguments)

    monkeypatch.setattr(bench.switch, "engage", once)
    with bench.triggers:
        os.kill(os.getpid(), signal.SIGUSR1)
        until(lambda: not failures)
        os.kill(os.getpid(), signal.SIGUSR1)
        until(lambda: bool(bench.pulled))
