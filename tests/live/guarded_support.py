"""What the tests of the guard share: orders at the simulated venue that nobody looks after, a stand-in node."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import requests

from livestack.control.latch import Latch
from livestack.node.guard_report import GuardReport, read_report
from tests.live import configuration
from tests.live.strategies import market_maker
from tests.support import ROOT, Process, Venue

GUARD = '[guard]\nenabled = true\nlimit = "{limit}"\n'
LOOK_S = 0.02
WAIT_S = 120.0


def write(directory: Path, symbols: list[str], key_kind: str = "hmac", limit: str = "400ms") -> Path:
    """A configuration with a guard of a short limit."""
    path = configuration.write(directory, symbols, market_maker(symbols[0]), key_kind=key_kind)
    text = path.read_text().replace('strategy_stall = "30s"', 'strategy_stall = "1s"')
    path.write_text(GUARD.format(limit=limit) + text)
    return path


def place(venue: Venue, symbol: str = "BTCUSDT", price: str = "30000") -> None:
    """An order far from the market, over REST."""
    key = venue.key()
    query = (
        f"symbol={symbol}&side=BUY&type=LIMIT&timeInForce=GTC&quantity=0.01&price={price}"
        f"&timestamp={time.time_ns() // 1_000_000}"
    )
    signature = hmac.new(key["secret"].encode(), query.encode(), hashlib.sha256).hexdigest()
    answer = requests.post(
        f"{venue.urls['rest']}/api/v3/order?{query}&signature={signature}",
        headers={"X-MBX-APIKEY": key["api_key"]},
        timeout=30,
    )
    assert 200 == answer.status_code, answer.text


class StandIn:
    """``tests.node.guarded`` as a process, in a process group of its own. Ends it and its guards by their ids."""

    def __init__(self, path: Path, data_dir: Path, environment: Mapping[str, str]) -> None:
        self.data_dir = data_dir
        self.guards: list[int] = []
        self.stderr_path = path.parent / f"stand-in-{len(list(path.parent.glob('stand-in-*')))}.txt"
        with self.stderr_path.open("wb") as stderr:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.node.guarded", str(path), str(data_dir)],
                cwd=ROOT,
                env={**os.environ, **environment},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
                start_new_session=True,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _value: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        for guard in self.guards:
            if is_running(guard):
                os.kill(guard, signal.SIGKILL)
        self.process.kill()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            with suppress(BrokenPipeError):
                pipe.close()
        self.process.wait()

    def line(self) -> str:
        """What happens next; remembers the ids of guards."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline().strip()
        word, _, number = line.partition(" ")
        if word in ("ready", "regained"):
            self.guards.append(int(number))
        return line

    def begin(self) -> int:
        """Wait until it is guarded; the guard's process id."""
        line = self.line()
        assert line.startswith("ready"), line + self.stderr_path.read_text()
        return self.guards[-1]

    def tell(self, word: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{word}\n")
        self.process.stdin.flush()

    def ended(self) -> int:
        """Its exit code, once it has ended."""
        return self.process.wait(WAIT_S)

    def report(self) -> GuardReport:
        """What its guard wrote: it does that behind its last cancellation, so it may still be on the way."""
        deadline = time.monotonic() + WAIT_S
        while (report := read_report(self.data_dir)) is None:
            assert time.monotonic() < deadline, self.stderr_path.read_text()
        return report


def until_flat(venue: Venue) -> None:
    """Wait until nothing is open at the venue."""
    deadline = time.monotonic() + WAIT_S
    while venue.look("open"):
        assert time.monotonic() < deadline


def until_gone(pid: int) -> None:
    """Wait until a process that is not our child has ended."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        poller = select.poll()
        poller.register(fd, select.POLLIN)
        assert poller.poll(WAIT_S * 1000)
    finally:
        os.close(fd)


def is_running(pid: int) -> bool:
    """Neither gone nor waiting to be buried."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


def guard_of(node: Process) -> int:
    """The process id of the guard that ``node`` started."""
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            parent = status.read_text().partition("PPid:")[2].split()[0]
            words = (status.parent / "cmdline").read_text().split("\0")
        except OSError:
            continue
        if int(parent) == node.pid and "--progress-fd" in words:
            return int(status.parent.name)
    raise AssertionError("there is no guard")


def latched(data_dir: Path) -> list[str]:
    """Who pulled the kill-switch."""
    return [entry.trigger for entry in Latch(data_dir).entries()]


def decoded(text: str) -> dict[str, Any]:
    result: dict[str, Any] = json.loads(text)
    return result
