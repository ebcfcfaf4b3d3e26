"""What every process that a node keeps has in common; the rest is in test_children and test_guard_child."""

from __future__ import annotations

import os
import queue
import signal
import sys

import pytest

from livestack.node.child_process import ChildProcess, child_environment
from livestack.node.triggers import FOR_THE_NODE, ignore
from livestack.transports.backoff import Backoff
from tests.actors.fakes import FakeClock
from tests.node.test_children import AskedTimers, _Least

WAIT_S = 60.0


class Listening(ChildProcess):
    """Keeps what it hears."""

    name = "listening"

    def __init__(self, code: str, *, inherited: tuple[int, ...] = (), first_line: bytes = b"") -> None:
        super().__init__(
            [sys.executable, "-c", code],
            clock=FakeClock(),
            timers=AskedTimers(),
            backoff=Backoff(_Least()),
            inherited=inherited,
            first_line=first_line,
        )
        self.heard: queue.SimpleQueue[bytes | str] = queue.SimpleQueue()

    def start(self) -> None:
        self._thread.start()

    def _hear(self, line: bytes) -> None:
        self.heard.put(line.strip())

    def _ended(self, cause: str) -> None:
        self.heard.put(cause)


def test_it_is_given_its_first_line_and_descriptors() -> None:
    """A line on stdin, and what it inherits under the same number; everything else is closed to it."""
    read, write = os.pipe()
    other, _ = pipe = os.pipe()
    child = Listening(
        f"import os, sys; print(sys.stdin.readline().strip()); os.write({write}, b'x')\n"
        f"try: os.fstat({other})\n"
        "except OSError: print('closed', flush=True)",
        inherited=(write,),
        first_line=b"do this\n",
    )
    child.start()
    assert b"do this" == child.heard.get(timeout=WAIT_S)
    assert b"closed" == child.heard.get(timeout=WAIT_S)
    assert b"x" == os.read(read, 1)
    assert child.stop(WAIT_S)
    for fd in (read, write, *pipe):
        os.close(fd)


def test_an_end_is_told_with_its_cause() -> None:
    """Before the next one is started."""
    child = Listening("raise SystemExit(3)")
    child.start()
    assert "it ended with exit code 3" == child.heard.get(timeout=WAIT_S)
    assert child.stop(WAIT_S)


@pytest.mark.parametrize("without", [(), ("SECRET",)])
def test_the_environment_has_our_modules(without: tuple[str, ...]) -> None:
    """And not what it is not to have."""
    environment = child_environment({"SECRET": "s", "PATH": "p"}, without)
    assert {"PATH", "PYTHONPATH", "SECRET"} - set(without) == set(environment)
    assert [path for path in sys.path if path] == environment["PYTHONPATH"].split(os.pathsep)


def test_signals_for_the_node_do_not_end_a_child_that_has_just_begun() -> None:
    """They are blocked from its first instruction on; the thread that asked for it takes nothing of the node away."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    child = Listening(
        "import signal; print(*sorted(signal.pthread_sigmask(signal.SIG_BLOCK, ())), flush=True)"
    )
    child.start()
    heard = child.heard.get(timeout=WAIT_S)
    assert isinstance(heard, bytes)
    assert set(FOR_THE_NODE) <= {int(number) for number in heard.split()} | before
    assert child.stop(WAIT_S)
    assert before == signal.pthread_sigmask(signal.SIG_BLOCK, ())


def test_and_then_it_ignores_them() -> None:
    """Each of them, in a process that says so."""
    handlers = {number: signal.getsignal(number) for number in FOR_THE_NODE}
    try:
        ignore()
        for number in FOR_THE_NODE:
            os.kill(os.getpid(), number)
            assert signal.SIG_IGN == signal.getsignal(number)
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)
