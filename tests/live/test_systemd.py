"""A real node and a service manager's real socket; SIGUSR2 at every time of its life; what it leaves its children."""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from livestack.client import ControlClient
from livestack.node.systemd import VARIABLES
from tests.live import operated
from tests.live.operated import Pause, client, until
from tests.support import Process, Venue, start_node

GUARDED = '[guard]\nenabled = true\nlimit = "60s"\n[node]\n'
FOLLOWED = "[follower]\nenabled = true"
WAITED_US = 200_000
ASKING = "STATUS=asking the venues"


class ServiceManager:
    """Hears what the node says, in order."""

    def __init__(self, path: Path) -> None:
        self.variables = {"NOTIFY_SOCKET": str(path), "WATCHDOG_USEC": str(WAITED_US)}
        self.heard: list[str] = []
        self._end = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._end.bind(str(path))
        self._end.settimeout(0.05)

    def __enter__(self) -> ServiceManager:
        return self

    def __exit__(self, *_: object) -> None:
        self._end.close()

    def listen(self) -> list[str]:
        """Take in what there is, or the next message; everything since :meth:`forget`."""
        try:
            while True:
                self.heard += self._end.recv(65_536).decode().splitlines()
                self._end.setblocking(False)
        except (TimeoutError, BlockingIOError):
            self._end.settimeout(0.05)
        return self.heard

    def forget(self) -> None:
        self.listen()
        self.heard.clear()

    def until(self, node: Process, line: str, times: int = 1) -> None:
        """Until it has been told ``line``."""
        until(node, lambda: self.listen().count(line) >= times)


@pytest.fixture
def venue(tmp_path: Path) -> Iterator[Venue]:
    (tmp_path / "venue").mkdir()
    with Venue(tmp_path / "venue", "--seed", "81", *operated.VENUE_ARGUMENTS) as running:
        yield running


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[ServiceManager]:
    with ServiceManager(tmp_path / "notify") as listening:
        yield listening


def until_shown(node: Process, text: str) -> None:
    """Until SIGUSR2 has shown a stack with ``text``; each time from now on."""
    shown = len(node.stderr())

    def is_shown() -> bool:
        node.signal(signal.SIGUSR2)
        return text in node.stderr()[shown:]

    until(node, is_shown)


def children(node: Process, count: int) -> list[psutil.Process]:
    found: list[psutil.Process] = until(
        node, lambda: [] if len(now := psutil.Process(node.pid).children()) < count else now
    )
    return found


def test_from_standby_to_its_end(venue: Venue, manager: ServiceManager, tmp_path: Path) -> None:
    """Ready and beating while it stands by, and while it trades, but not while it hangs; it says what it does, and that
    it stops."""
    pause = Pause(tmp_path / "pause")
    strategy = operated.MISBEHAVING.format(how="wait", pipe=pause.pipe)
    changes = {**operated.SHORT_STALL, "[node]\n": GUARDED, "[follower]\nenabled = false": FOLLOWED}
    path = operated.write(tmp_path, venue, strategy, changes)
    environment = {**venue.environment(), **manager.variables}
    with start_node(tmp_path, path, environment, "--standby") as node:
        stands_by(node, manager)
        with client(tmp_path) as control, pause:
            control.session_start("to see it")
            manager.until(node, "STATUS=running; trading active")
            assert [ASKING, "READY=1"] == [one for one in manager.heard if one in (ASKING, "READY=1")]
            hangs(node, manager, control, pause)
        manager.forget()
        manager.until(node, "WATCHDOG=1", 3)
        survives_its_signals(node)
        node.signal()
        while not node.ended(0.02):
            manager.listen()  # its queue is short
        assert 0 == node.finish()[0], node.stderr()
    assert {"STOPPING=1", "EXTEND_TIMEOUT_USEC=190000000"} <= set(manager.listen())
    assert "STATUS=ended with exit code 0: SIGTERM received" == manager.heard[-1]
    assert 1 == manager.heard.count("STOPPING=1")
    assert "Traceback" not in node.stderr()


def stands_by(node: Process, manager: ServiceManager) -> None:
    """It is up, and asks nobody for anything."""
    manager.until(node, "READY=1")
    assert {f"MAINPID={node.pid}", "STATUS=standby"} <= set(manager.heard)
    manager.until(node, "WATCHDOG=1", 2)
    until_shown(node, "in stand_by")
    assert ASKING not in manager.heard
    manager.forget()


def hangs(node: Process, manager: ServiceManager, control: ControlClient, pause: Pause) -> None:
    """No beat, and why; SIGUSR2 shows where it is, and ends neither node nor its children, nor does SIGABRT them."""
    pause.wait(node)
    manager.until(node, "STATUS=running; trading active; held by stall")
    manager.forget()
    # What is shown stays as it was: so much time has passed without a step.
    until(node, lambda: control.status().age_ms >= 10 * WAITED_US // 1_000)
    assert "WATCHDOG=1" not in manager.listen()
    until_shown(node, "_misbehave")


def survives_its_signals(node: Process) -> None:
    """SIGUSR2 shows the threads of a node at work; what is meant for it ends none of its children."""
    both = children(node, 2)
    for child in both:
        for number in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGABRT):
            child.send_signal(number)
    for thread in ("node/watchdog.py", "actors/harness.py", "transports/websocket.py"):
        until_shown(node, thread)
    assert both == children(node, 2)
    leaves_them_nothing(node, both)


def leaves_them_nothing(node: Process, both: list[psutil.Process]) -> None:
    """None of them may speak for the node; neither they nor the node leave a core dump."""
    for child in both:
        assert set() == VARIABLES & set(child.environ())
    for pid in (node.pid, *(child.pid for child in both)):
        (line,) = [one for one in Path(f"/proc/{pid}/limits").read_text().splitlines() if "core file" in one]
        assert int(line.split()[4]) <= 1


def test_a_start_that_fails_says_why(manager: ServiceManager, tmp_path: Path) -> None:
    """Its sentence is the last status, for ``systemctl status``; and it never was ready."""
    path = operated.configuration.write(tmp_path, ["BTCUSDT"], operated.RESTLESS)
    nowhere = {"VENUE_REST": "http://127.0.0.1:9", "VENUE_STREAM": "ws://127.0.0.1:9"}
    venue = {**nowhere, "VENUE_WS_API": "ws://127.0.0.1:9", "VENUE_KEY": "k", "VENUE_SECRET": "s"}
    environment = {**venue, **manager.variables}
    with start_node(tmp_path, path, environment) as node:
        code, _ = node.finish()
        assert 3 == code, node.stderr()
    told = manager.listen()
    assert "STOPPING=1" == told[-1]
    assert told[-2].startswith("STATUS=cannot reach")
    assert "READY=1" not in told
