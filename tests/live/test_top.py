"""``livestack top`` in a terminal, on a real node: seen, killed, dead, and back with another session."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import pyte
import pytest

from tests.live import operated
from tests.live.operated import client, until
from tests.support import ROOT, Venue

WIDTH, HEIGHT = 100, 30
LIMIT_S = 120.0


class Terminal:
    """``livestack top`` with a terminal of its own; ``screen`` is what is on it."""

    def __init__(self, data_dir: Path, **environment: str) -> None:
        self.screen = pyte.Screen(WIDTH, HEIGHT)
        self.written = b""
        self._stream = pyte.ByteStream(self.screen)
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", HEIGHT, WIDTH, 0, 0))
        self.before = termios.tcgetattr(slave)
        self._slave = slave
        self.process = subprocess.Popen(
            [sys.executable, "-m", "livestack", "top", "--data-dir", str(data_dir)],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            env={**os.environ, "TERM": "xterm", "PYTHONPATH": str(ROOT), **environment},
        )

    def text(self) -> str:
        return "\n".join(self.screen.display)

    def read(self) -> None:
        """What it has written meanwhile."""
        while select.select([self._master], [], [], 0.05)[0]:
            written = os.read(self._master, 65_536)
            self.written += written
            self._stream.feed(written)

    def until(self, condition: Callable[[str], bool]) -> str:
        deadline = time.monotonic() + LIMIT_S
        while not condition(self.text()):
            assert time.monotonic() < deadline, self.text()
            assert self.process.poll() is None, self.text()
            self.read()
        return self.text()

    def type(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def end(self) -> int:
        """Its exit code, once it has ended."""
        deadline = time.monotonic() + LIMIT_S
        while self.process.poll() is None:
            assert time.monotonic() < deadline
            self.read()
        self.read()
        return self.process.returncode

    def after(self) -> list[object]:
        """How the terminal is left behind."""
        return termios.tcgetattr(self._slave)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _value: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self._master)
        os.close(self._slave)


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Venue]:
    with Venue(tmp_path_factory.mktemp("venue"), "--seed", "82", *operated.VENUE_ARGUMENTS) as running:
        yield running


def test_a_node_in_a_terminal(tmp_path: Path, venue: Venue) -> None:
    """It is seen; K and the word kill it; dead, its age is said; another session of it is shown by itself; q leaves
    the terminal as it was."""
    path = operated.write(tmp_path, venue)
    (tmp_path / "data").mkdir(mode=0o700)
    with Terminal(tmp_path / "data") as terminal:
        terminal.until(lambda text: "NO NODE ANSWERS" in text)
        with operated.start(tmp_path, path, venue) as node:
            operated.until_trading(venue, node)
            first = operated.session(tmp_path)
            text = terminal.until(lambda text: "trading ACTIVE" in text and "accepted" in text)
            for part in (first, "running", "kill off", "binance_spot  live", "Last Events"):
                assert part in text
            terminal.type("K")
            terminal.until(lambda text: 'Type "kill"' in text)
            terminal.type("a test\rkil\r")
            terminal.until(lambda text: "NOTHING WAS KILLED" in text)
            with client(tmp_path) as control:
                assert not control.status().kill_switch
                terminal.type("kill\r")
                terminal.until(lambda text: "engaged for everything" in text and "flat: every venue" in text)
                assert ["a test"] == [one.reason for one in control.status().kill_switch]
            operated.until_flat(node, tmp_path)
            terminal.type("\x1b")
            terminal.until(lambda text: "kill ENGAGED" in text and "Open orders none" in text)
            node.kill()
        terminal.until(lambda text: "THE NODE DOES NOT ANSWER: WHAT IS SHOWN IS" in text)
        with operated.start(tmp_path, path, venue) as node:
            with client(tmp_path) as control:
                until(node, lambda: control.status().phase == "running")
            terminal.until(
                lambda text: "DOES NOT ANSWER" not in text and "as of" in text and "running" in text
            )
            terminal.type("q")
            assert 0 == terminal.end()
        assert terminal.before == terminal.after()
        assert "kill-switch engaged for everything" in terminal.text()
        assert b"Traceback" not in terminal.written


@pytest.mark.parametrize("plain", [{"NO_COLOR": "1"}, {"TERM": "vt100"}])
def test_it_ends_in_order(tmp_path: Path, plain: dict[str, str]) -> None:
    """A signal, as of a shell that closes, leaves the terminal as it was; no colours where none are wanted or known."""
    with Terminal(tmp_path, **plain) as terminal:
        terminal.until(lambda text: "NO NODE ANSWERS" in text)
        terminal.process.send_signal(signal.SIGTERM)
        assert 0 == terminal.end()
        assert terminal.before == terminal.after()
        colours = [one for one in terminal.written.split(b"\x1b[") if one[:2] in (b"31", b"32", b"33", b"36")]
        assert [] == colours
