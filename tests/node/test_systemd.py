"""What the service manager is told, over real sockets; and units that systemd understands."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner

from livestack import exceptions
from livestack.actors.gate import DispatchGate, Hold
from livestack.cli.main import cli
from livestack.core.types import TradingState
from livestack.exceptions import LivestackError, UsageError
from livestack.node.child_process import child_environment
from livestack.node.supervisor import EXIT_FAIL_SAFE, EXIT_SECOND_SIGNAL, EXIT_UNREACHABLE
from livestack.node.systemd import STATUS_MAX, VARIABLES, ServiceManager, status_line
from livestack.settings import load
from tests.actors.fakes import FakeClock
from tests.live import configuration
from tests.live.strategies import market_maker
from tests.research.sessions import ENVIRONMENT
from tests.support import ROOT

SECOND_NS = 1_000_000_000
UNITS = sorted((ROOT / "etc" / "systemd").iterdir())
SERVICE = ROOT / "etc" / "systemd" / "livestack@.service"


class Listener:
    """A service manager's socket, in a directory or in the abstract namespace."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._end = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._end.bind("\0" + address[1:] if address.startswith("@") else address)
        self._end.setblocking(False)

    def heard(self) -> list[str]:
        """Every message since the last time; what a process sends to itself is there at once."""
        messages = []
        try:
            while True:
                messages.append(self._end.recv(65_536).decode())
        except BlockingIOError:
            return messages

    def close(self) -> None:
        self._end.close()


class Bench:
    """A manager that talks to a listener, by virtual time."""

    def __init__(self, address: str, **variables: str) -> None:
        self.clock = FakeClock()
        self.listener = Listener(address)
        self.manager = ServiceManager({"NOTIFY_SOCKET": address, **variables}, self.clock, pid=17)

    def beats(self, *pauses_ns: int) -> list[int]:
        """How many messages each beat was, so long after the one before."""
        counts = []
        for pause_ns in pauses_ns:
            self.clock.time_ns += pause_ns
            self.manager.beat()
            counts.append(len(self.listener.heard()))
        return counts


@pytest.fixture(params=["path", "abstract"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    address = str(tmp_path / "notify") if request.param == "path" else f"@livestack-test-{os.getpid()}"
    made = Bench(address, WATCHDOG_USEC="10000000")
    yield made
    made.listener.close()


def test_its_life(bench: Bench) -> None:
    """Ready with its process and what it does; then each change once; its end once."""
    bench.manager.status("asking\n the venues")
    bench.manager.ready("running")
    for text in ("running", "stopping", "stopping"):
        bench.manager.status(text)
    bench.manager.stopping()
    bench.manager.stopping()
    assert bench.listener.heard() == [
        "STATUS=asking the venues",
        "READY=1\nMAINPID=17\nSTATUS=running",
        "STATUS=stopping",
        "STOPPING=1",
    ]


def test_it_is_ready_once_whoever_else_speaks(bench: Bench) -> None:
    """The watchdog tells of progress while the main thread says that the start is over."""
    for _ in range(200):
        manager = ServiceManager({"NOTIFY_SOCKET": bench.listener.address}, bench.clock, pid=17)
        together = threading.Barrier(2)

        def watch(manager: ServiceManager = manager, together: threading.Barrier = together) -> None:
            together.wait()
            for number in range(3):
                manager.status(f"running {number}")

        watchdog = threading.Thread(target=watch)
        watchdog.start()
        together.wait()
        manager.ready("starting")
        watchdog.join()
        assert 1 == sum(message.startswith("READY=1") for message in bench.listener.heard())


def test_it_beats_twice_within_the_time(bench: Bench) -> None:
    """Not at each look, and not later than half of it."""
    assert [1, 0, 0, 1, 0, 1] == bench.beats(0, 1, 5 * SECOND_NS - 2, 1, 1, 5 * SECOND_NS)


def test_what_takes_its_time_is_said_again_halfway(bench: Bench) -> None:
    """In microseconds, every ten seconds at most; what lies within what was given already is not asked for."""
    for pause_s, limit_s, asked_s in (
        (0, 60, [60]),
        (10, 60, []),
        (1, 60, [60]),
        (0, 10, []),
        (0, 100, [100]),
        (30, 60, []),
        (30, 60, [60]),
    ):
        bench.clock.time_ns += pause_s * SECOND_NS
        bench.manager.takes(limit_s * SECOND_NS)
        assert [f"EXTEND_TIMEOUT_USEC={one}000000" for one in asked_s] == bench.listener.heard()
    bench.manager.stopping()
    bench.manager.takes(10 * SECOND_NS)
    assert ["STOPPING=1", "EXTEND_TIMEOUT_USEC=10000000"] == bench.listener.heard()


def test_a_recovery_is_told_by_the_percent(bench: Bench) -> None:
    """However often it tells where it is."""
    heard = []
    for seq in range(1_001):
        bench.manager.recovering(seq, 1_000)
        heard += bench.listener.heard()
    bench.manager.recovering(0, 0)
    heard += bench.listener.heard()
    assert ["EXTEND_TIMEOUT_USEC=120000000", "STATUS=recovering, 0 %", "STATUS=recovering, 1 %"] == heard[:3]
    assert 1 + 101 + 1 == len(heard)


def test_an_error_is_the_last_status(bench: Bench) -> None:
    """Its sentence, in one line of some length; then the end. Of an error that is not ours nothing is said."""
    with pytest.raises(UsageError), bench.manager:
        raise UsageError("three things:\n  one\n" + "x" * 1_000)
    status, end = bench.listener.heard()
    assert (True, STATUS_MAX) == (
        status.startswith("STATUS=three things: one xx"),
        len(status) - len("STATUS="),
    )
    assert "STOPPING=1" == end


def test_an_unexpected_error_is_not_told(bench: Bench) -> None:
    """It may hold anything."""
    with pytest.raises(ValueError, match="key"), bench.manager:
        raise ValueError("a key")
    assert ["STOPPING=1"] == bench.listener.heard()


@pytest.mark.parametrize(
    ("variables", "beats"),
    [
        ({}, 0),
        ({"WATCHDOG_USEC": "1000"}, 1),
        ({"WATCHDOG_USEC": "1000", "WATCHDOG_PID": "17"}, 1),
        ({"WATCHDOG_USEC": "1000", "WATCHDOG_PID": "18"}, 0),
        ({"WATCHDOG_USEC": "soon"}, 0),
        ({"WATCHDOG_USEC": "-5"}, 0),
        ({"WATCHDOG_USEC": "0"}, 0),
    ],
)
def test_whose_beats_are_waited_for(tmp_path: Path, variables: dict[str, str], beats: int) -> None:
    """Those of the process that is named, where a time is given at all."""
    bench = Bench(str(tmp_path / "notify"), **variables)
    assert [beats] == bench.beats(SECOND_NS)
    bench.listener.close()


@pytest.mark.parametrize(
    "address", ["", "relative", "vsock:2:1234", "/nowhere/at/all", "@nobody-listens", "/" + "x" * 200]
)
def test_without_anybody_who_listens_nothing_happens(address: str) -> None:
    """No variable, one that is unusable, a socket that is gone: the node goes on."""
    with ServiceManager({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "1"}, FakeClock()) as manager:
        manager.ready("running")
        manager.beat()
        manager.takes(SECOND_NS)
        assert address.startswith(("/", "@")) == manager.listens


def test_one_that_does_not_read_holds_nobody_up(bench: Bench) -> None:
    """Its queue is full: what counts is said again once there is room, at the next occasion."""
    for number in range(10_000):
        bench.manager.status(f"{number}")
    bench.manager.takes(SECOND_NS)
    bench.manager.ready("running")
    bench.manager.stopping()
    heard = bench.listener.heard()
    assert ("STATUS=0", True) == (heard[0], len(heard) < 10_000)
    assert not {"READY", "STOPPING", "WATCHDOG"} & {one.partition("=")[0] for one in heard}
    bench.manager.beat()
    bench.manager.stopping()
    bench.manager.takes(SECOND_NS)
    assert bench.listener.heard() == [
        "READY=1\nMAINPID=17\nSTATUS=running",
        "WATCHDOG=1",
        "STOPPING=1",
        "EXTEND_TIMEOUT_USEC=1000000",
    ]


def test_children_cannot_speak_for_the_node() -> None:
    """What the service manager gave the node they do not get."""
    environment = dict.fromkeys(VARIABLES, "x") | {"HOME": "y"}
    assert {"HOME", "PYTHONPATH"} == set(child_environment(environment))


def board(view: object, phase: str = "standby", *holds: tuple[Hold, str]) -> Any:
    gate = DispatchGate(["v", "w"])
    for one in gate.standing():
        gate.open(one.hold, one.venue)
    for hold, venue in holds:
        gate.close(hold, venue)
    return SimpleNamespace(view=view, phase=phase, gate=gate)


def test_the_line_says_what_it_does_and_why_not_more() -> None:
    """Without a session the node's own phase; with one its phase, trading, and what holds the gate."""
    view = SimpleNamespace(phase="running", trading_state=TradingState.REDUCING)
    assert "standby" == status_line(board(None))
    assert "running; trading reducing" == status_line(board(view))
    assert "failing; held by fail_safe" == status_line(board(view, "failing", (Hold.FAIL_SAFE, "")))
    held = status_line(board(view, "", (Hold.VENUE_DOWN, "w"), (Hold.KILL, "")))
    assert "running; trading reducing; held by kill, venue_down w" == held


# -- Units ----------------------------------------------------------------------------------------------------------


class Unit(Mapping[str, list[str]]):
    """A unit's file: ``Section.Key`` and every value that it is given."""

    def __init__(self, path: Path) -> None:
        self._values: dict[str, list[str]] = {}
        section = ""
        for line in path.read_text().splitlines():
            if line.startswith("["):
                section = line.strip("[]")
            elif line and not line.startswith("#"):
                key, equals, value = line.partition("=")
                assert (True, "=") == (bool(re.fullmatch(r"[A-Z]\w+", key)), equals), f"{path.name}: {line}"
                self._values.setdefault(f"{section}.{key}", []).append(value)

    def __getitem__(self, key: str) -> list[str]:
        return self._values[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


def exit_codes() -> set[int]:
    """Every code with which an error of ours ends a process."""
    classes = [one for one in vars(exceptions).values() if isinstance(one, type)]
    return {one.exit_code for one in classes if issubclass(one, LivestackError)} | {
        EXIT_FAIL_SAFE,
        EXIT_UNREACHABLE,
    }


def test_what_a_person_has_to_look_at_is_not_started_again() -> None:
    """Every exit code but 0 and 3, which passes by itself; 130 is no failure."""
    service = Unit(SERVICE)
    prevented = {int(code) for code in service["Service.RestartPreventExitStatus"][0].split()}
    assert exit_codes() - {0, EXIT_UNREACHABLE} == prevented
    assert [str(EXIT_SECOND_SIGNAL)] == service["Service.SuccessExitStatus"]
    assert ["on-failure"] == service["Service.Restart"]


def test_the_guard_outlives_its_node() -> None:
    """It hears SIGTERM, which it ignores, and has some minutes; ``mixed`` would kill it with its node."""
    service = Unit(SERVICE)
    assert (["control-group"], ["5min"]) == (service["Service.KillMode"], service["Service.TimeoutStopSec"])
    assert ["continue"] == service["Service.OOMPolicy"]


def test_units_run_commands_that_there_are() -> None:
    """Each ``ExecStart`` is a command of livestack with options that it has."""
    commands = [one for path in UNITS for one in Unit(path).get("Service.ExecStart", [])]
    assert 2 == len(commands)
    for command in commands:
        program, name, *arguments = command.split()
        assert "livestack" == Path(program).name
        text = CliRunner().invoke(cli, [name, "--help"]).output
        assert [] == [one for one in arguments if one.startswith("-") and one not in text]


def test_a_credential_of_systemd_is_a_secret_file(tmp_path: Path) -> None:
    """The variable that systemd sets is filled in, as the unit's comment says."""
    (tmp_path / "venue.secret").write_text("the secret")
    (tmp_path / "venue.secret").chmod(0o400)
    path = configuration.write(tmp_path, ["BTCUSDT"], market_maker("BTCUSDT"))
    (line,) = re.findall(r"^# (secret_file = .*)$", SERVICE.read_text(), re.MULTILINE)
    path.write_text(path.read_text().replace('secret_env = "VENUE_SECRET"', line))
    settings, _ = load(path, {**ENVIRONMENT, "CREDENTIALS_DIRECTORY": str(tmp_path)})
    assert str(tmp_path / "venue.secret") == settings.venues["binance_spot"].secret_file


def test_systemd_understands_the_units(tmp_path: Path) -> None:
    """Not a word about them from ``systemd-analyze verify``, where there is one; each is a unit's file anyway."""
    assert ["livestack-check@.service", "livestack-check@.timer", "livestack@.service"] == [
        one.name for one in UNITS
    ]
    for path in UNITS:
        assert 3 <= len(Unit(path))
        text = path.read_text().replace("/opt/livestack/.venv/bin/livestack", sys.executable)
        (tmp_path / path.name).write_text(text)
    analyze = shutil.which("systemd-analyze")
    if analyze is not None:
        run = subprocess.run(
            [analyze, "verify", "--man=no", *(tmp_path / one.name for one in UNITS)],
            capture_output=True,
            text=True,
        )
        assert (0, "") == (run.returncode, run.stdout + run.stderr)
