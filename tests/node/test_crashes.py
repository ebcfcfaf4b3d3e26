"""What a process shows where it hangs or crashes: stacks on stderr, whatever holds the interpreter; no core dump."""

from __future__ import annotations

import os
import resource
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from livestack.node.crashes import NO_CORE, leave_no_core, stacks
from tests.support import ROOT

HELD = """
import itertools
from livestack.node import crashes
crashes.prepare()
print("ready", flush=True)
def held(endless):
    return sum(endless)  # in C, and never lets go of the interpreter
held(itertools.repeat(0))
"""

GOES_ON = """
import sys
from livestack.node import crashes
crashes.prepare()
print("ready", flush=True)
print(sys.stdin.readline(), end="", flush=True)
"""

IGNORES = GOES_ON.replace("print(", "from livestack.node.triggers import ignore\nignore()\nprint(", 1)

OPENS_A_FILE = """
import os, sys
from livestack.node import crashes
crashes.prepare()
sys.exit(os.open("file", os.O_RDWR | os.O_CREAT) <= 2)
"""

PIPE_BYTES = 65_536


class Child:
    """A Python process of a test, with pipes, that may dump core as far as the machine lets anybody."""

    def __init__(self, code: str, directory: Path) -> None:
        most = resource.getrlimit(resource.RLIMIT_CORE)[1]
        limit = f"import resource; resource.setrlimit(resource.RLIMIT_CORE, ({most}, {most}))\n"
        self.process = subprocess.Popen(
            [sys.executable, "-c", limit + code],
            cwd=directory,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        assert b"ready\n" == self.process.stdout.readline()
        self.stderr = self.process.stderr
        self.said = b""

    def until_said(self, text: bytes, number: int) -> None:
        """Send a signal again and again until the process has said ``text``."""
        while text not in self.said:
            self.process.send_signal(number)
            while select.select([self.stderr], [], [], 0.1)[0]:
                piece = os.read(self.stderr.fileno(), PIPE_BYTES)
                assert piece, self.said
                self.said += piece


@pytest.fixture
def child(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Child]:
    running = Child(request.param, tmp_path)
    yield running
    running.process.kill()
    running.process.communicate()


@pytest.mark.parametrize("child", [HELD], indirect=True, ids=["held"])
def test_stacks_are_shown_while_the_interpreter_is_held(child: Child, tmp_path: Path) -> None:
    """At the second signal; it lives on. What a service manager ends it with shows them too, and dumps no core."""
    child.until_said(b"in held", signal.SIGUSR2)
    child.said = b""
    child.until_said(b"in held", signal.SIGUSR2)
    child.process.send_signal(signal.SIGABRT)
    _, rest = child.process.communicate()
    assert -signal.SIGABRT == child.process.returncode
    assert b"Fatal Python error: Aborted" in child.said + rest
    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize("child", [GOES_ON], indirect=True, ids=["goes on"])
def test_a_reader_that_stands_still_stops_nothing(child: Child) -> None:
    """More than the pipe holds, and nobody reads it: the process answers all the same."""
    for _ in range(PIPE_BYTES // 16):
        child.process.send_signal(signal.SIGUSR2)
        os.sched_yield()
    output, stderr = child.process.communicate(b"go on\n")
    assert (0, b"go on\n") == (child.process.returncode, output)
    assert b"most recent call first" in stderr


def test_a_socket_that_nobody_reads_stops_nothing() -> None:
    """As a service manager's may be, whose own disk hangs: the interpreter is not held while it takes nothing."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.setblocking(False)
        with suppress(BlockingIOError):
            while theirs.send(bytes(1)):
                pass
        theirs.setblocking(True)
        process = subprocess.Popen(
            [sys.executable, "-c", GOES_ON],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=theirs.fileno(),
        )
        assert process.stdout is not None
        assert b"ready\n" == process.stdout.readline()
        process.send_signal(signal.SIGUSR2)
        output, _ = process.communicate(b"go on\n")
    assert (0, b"go on\n") == (process.returncode, output)


@pytest.mark.parametrize("closed", ["0<&-", "2>&-", "0<&- 1>&- 2>&-"])
def test_a_closed_stream_gives_its_number_to_no_file(closed: str, tmp_path: Path) -> None:
    """Stacks would be written into it, and whatever else is meant for people: the journal's file, say."""
    command = ["sh", "-c", f'exec "$@" {closed}', "sh", sys.executable, "-c", OPENS_A_FILE]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    assert 0 == subprocess.run(command, cwd=tmp_path, env=environment, check=False).returncode


def test_stacks_as_text() -> None:
    """Whoever asks is among them."""
    assert b"in test_stacks_as_text" in stacks()


STARTED_BY_ONE_THAT_IGNORES = f"""
import os, signal, sys
signal.signal(signal.SIGUSR2, signal.SIG_IGN)
os.execv(sys.executable, [sys.executable, "-c", {GOES_ON!r}])
"""


@pytest.mark.parametrize("child", [STARTED_BY_ONE_THAT_IGNORES], indirect=True, ids=["inherits"])
def test_what_was_ignored_before_is_shown(child: Child) -> None:
    """A process hears the signal whatever its parent did with it."""
    child.until_said(b"most recent call first", signal.SIGUSR2)
    output, _ = child.process.communicate(b"go on\n")
    assert (0, b"go on\n") == (child.process.returncode, output)


@pytest.mark.parametrize("child", [IGNORES], indirect=True, ids=["ignores"])
def test_a_process_that_ignores_the_signal_shows_nothing(child: Child) -> None:
    """As guard and shippers do; nor does it end."""
    for _ in range(20):
        child.process.send_signal(signal.SIGUSR2)
    output, stderr = child.process.communicate(b"go on\n")
    assert (0, b"go on\n", b"") == (child.process.returncode, output, stderr)


def test_the_limit_of_core_dumps() -> None:
    """One byte, which children inherit; who may raise it again is not changed; a lower one stays."""
    before = _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    try:
        leave_no_core()
        expected = NO_CORE if hard == resource.RLIM_INFINITY else min(NO_CORE, hard)
        assert (expected, hard) == resource.getrlimit(resource.RLIMIT_CORE)
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, before)


BETWEEN = """
import os, signal
from livestack.node import crashes
crashes.prepare()
os.write(2, b"before\\n")
os.kill(os.getpid(), signal.SIGUSR2)
while os.fstat(2).st_size < 200:
    pass
os.write(2, b"behind\\n")
"""


def test_a_file_is_written_where_it_ends(tmp_path: Path) -> None:
    """Behind what is there already, by the descriptor that has the position."""
    path = tmp_path / "stderr"
    with path.open("wb") as stderr:
        subprocess.run([sys.executable, "-c", BETWEEN], cwd=ROOT, stderr=stderr, check=True)
    first, *middle, last = path.read_text().splitlines()
    assert ("before", "behind") == (first, last)
    assert "most recent call first" in middle[0]


NOWHERE = """
import os, signal
os.close(2)
from livestack.node import crashes
crashes.prepare()
os.kill(os.getpid(), signal.SIGUSR2)
print("done")
"""


def test_a_closed_stderr_is_no_hindrance() -> None:
    """There is nowhere to show anything; the process works."""
    run = subprocess.run([sys.executable, "-c", NOWHERE], cwd=ROOT, stdout=subprocess.PIPE)
    assert (0, b"done\n") == (run.returncode, run.stdout)
