"""The node's side of the follower: what it hears, when it starts it again, when it misses it, how it ends it."""

from __future__ import annotations

import fcntl
import os
import queue
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from livestack.follower_settings import FollowerSettings
from livestack.node.children import FollowerChild, follower_command, follower_environment
from livestack.settings import load
from livestack.transports.backoff import Backoff
from tests.actors.fakes import FakeClock
from tests.live import configuration
from tests.live.strategies import market_maker
from tests.research.sessions import ENVIRONMENT, header, opening, quotes, record, rules, store
from tests.support import ROOT

SECOND_NS = 1_000_000_000
AWAY_NS = 30 * SECOND_NS
WAIT_S = 60.0

POSITION = 'print(\'{"report":"position","seq":%d,"ts":%d,"behind":%d}\', flush=True);'
SNAPSHOT = 'print(\'{"report":"snapshot","seq":9,"digest":"d","size":1,"ms":2}\', flush=True);'
DIFFERENCE = (
    'print(\'{"report":"difference","seq":7,"journalled":"IntentDispatched","replayed":""}\', flush=True);'
)
TROUBLE = 'print(\'{"report":"error","text":"the disk refuses"}\', flush=True);'
WAIT = "import sys; told = sys.stdin.readline();"


class Heard:
    """Keeps what it is told, in order."""

    def __init__(self) -> None:
        self._calls: queue.SimpleQueue[tuple[Any, ...]] = queue.SimpleQueue()

    def on_snapshot(self, seq: int) -> None:
        self._calls.put(("snapshot", seq))

    def on_difference(self, seq: int, text: str) -> None:
        self._calls.put(("difference", seq, text))

    def on_away(self, reason: str) -> None:
        self._calls.put(("away", reason))

    def on_back(self) -> None:
        self._calls.put(("back",))

    def next(self) -> tuple[Any, ...]:
        """The next call, once it comes."""
        return self._calls.get(timeout=WAIT_S)

    def nothing(self) -> bool:
        return self._calls.empty()


class AskedTimers:
    """Hands what was asked for to the test, which fires it."""

    def __init__(self) -> None:
        self._asked: queue.SimpleQueue[tuple[int, Callable[[], None]]] = queue.SimpleQueue()

    def at(self, deadline_ns: int, callback: Callable[[], None]) -> Callable[[], None]:
        self._asked.put((deadline_ns, callback))
        return lambda: None

    def next(self) -> tuple[int, Callable[[], None]]:
        return self._asked.get(timeout=WAIT_S)


class Bench:
    """A FollowerChild whose process is a line of Python."""

    def __init__(self) -> None:
        self.heard = Heard()
        self.clock = FakeClock()
        self.timers = AskedTimers()
        self.child: FollowerChild

    def start(self, code: str, *, command: list[str] | None = None) -> FollowerChild:
        self.child = FollowerChild(
            command or [sys.executable, "-c", code],
            self.heard,
            clock=self.clock,
            timers=self.timers,
            backoff=Backoff(_Least()),
            away_after_ns=AWAY_NS,
        )
        self.child.start()
        self.look_ns, self.look = self.timers.next()
        return self.child


class _Least:
    def randrange(self, start: int, stop: int, /) -> int:
        return start


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    made.child.stop(timeout_s=0)


def test_what_it_says_is_passed_on(bench: Bench) -> None:
    """Position and lag, snapshots, a difference; what is no report breaks nothing."""
    bench.start("print('hello');" + POSITION % (5, 1, 3) + TROUBLE + SNAPSHOT + DIFFERENCE + "exit(6)")
    assert ("snapshot", 9) == bench.heard.next()
    assert (5, 3) == (bench.child.seq, bench.child.behind)
    kind, seq, text = bench.heard.next()
    assert ("difference", 7) == (kind, seq)
    assert "at seq 7 the journal has IntentDispatched, replayed it is nothing" == text


def test_a_difference_is_final(bench: Bench) -> None:
    """It is not started again, nobody misses it, and a stop has nothing to wait for."""
    bench.start(DIFFERENCE + "exit(6)")
    assert "difference" == bench.heard.next()[0]
    assert bench.child.stop()
    bench.clock.time_ns += 2 * AWAY_NS
    bench.look()
    assert bench.heard.nothing()
    assert 1 == bench.child.starts


def test_one_that_died_is_started_again(bench: Bench, tmp_path: Path) -> None:
    """After a wait by the node's timers, not by a clock of its own."""
    seen = tmp_path / "seen"
    bench.start(
        f"import os; again = os.path.exists({str(seen)!r}); open({str(seen)!r}, 'w').close();"
        "again or os.kill(os.getpid(), 9);" + SNAPSHOT
    )
    deadline_ns, wake = bench.timers.next()
    assert 1 == bench.child.starts
    assert deadline_ns > bench.clock.now_ns()
    wake()
    assert ("snapshot", 9) == bench.heard.next()
    assert 2 == bench.child.starts


def test_a_machine_that_refuses_is_asked_again(bench: Bench, tmp_path: Path) -> None:
    """No process table, no memory, no interpreter: as if it had died."""
    program = tmp_path / "program"
    bench.start("", command=[str(program)])
    _, wake = bench.timers.next()
    program.write_text(f"#!{sys.executable}\n{SNAPSHOT}\n")
    program.chmod(0o700)
    wake()
    assert ("snapshot", 9) == bench.heard.next()


def test_a_session_that_is_over_needs_none(bench: Bench) -> None:
    """Exit code 0: it saw the end of the session and wrote its last snapshot."""
    child = bench.start(SNAPSHOT)
    assert ("snapshot", 9) == bench.heard.next()
    assert child.stop()
    assert 1 == child.starts
    assert child.pid is None


def test_it_may_write_its_last_snapshot(bench: Bench) -> None:
    """Told to stop it ends by itself, and what it said until then was heard."""
    child = bench.start(POSITION % (1, 1, 0) + WAIT + "assert told == 'stop\\n';" + SNAPSHOT)
    assert child.stop(WAIT_S)
    assert ("snapshot", 9) == bench.heard.next()
    assert child.stop()


def test_one_that_does_not_end_is_killed(bench: Bench) -> None:
    """By its id, after the time it was given."""
    child = bench.start(SNAPSHOT + "import signal\nwhile True: signal.pause()")
    assert ("snapshot", 9) == bench.heard.next()
    process_id = child.pid
    assert process_id is not None
    assert not child.stop(timeout_s=0.05)
    with pytest.raises(ProcessLookupError):
        os.kill(process_id, 0)


def test_a_stop_does_not_wait_for_the_next_attempt(bench: Bench) -> None:
    """While it waits to be started again there is no process to end."""
    child = bench.start("exit(3)")
    bench.timers.next()
    assert child.stop(WAIT_S)
    assert 1 == child.starts


def test_silence_is_missed_and_its_end_is_told(bench: Bench) -> None:
    """Once when the limit has passed; once more when it has caught up."""
    bench.start(
        POSITION % (5, 1, 0) + SNAPSHOT + WAIT + POSITION % (6, bench.clock.time_ns, 4) + WAIT
        # behind by 4 Events, but none of them is older than the limit
    )
    assert bench.clock.time_ns + AWAY_NS == bench.look_ns
    assert ("snapshot", 9) == bench.heard.next()
    bench.clock.time_ns += AWAY_NS - 1
    bench.look()
    assert bench.heard.nothing()
    _, look = bench.timers.next()
    bench.clock.time_ns += 1
    look()
    kind, reason = bench.heard.next()
    assert "away" == kind
    assert "nothing behind seq 5 was verified for 30 s: it says nothing" == reason
    bench.clock.time_ns -= 1
    process = bench.child._process
    assert process is not None
    assert process.stdin is not None
    process.stdin.write(b"go on\n")
    process.stdin.flush()
    assert ("back",) == bench.heard.next()
    deadline_ns, _ = bench.timers.next()
    assert deadline_ns > bench.clock.now_ns() - AWAY_NS


def test_one_that_never_catches_up_is_missed(bench: Bench) -> None:
    """It speaks, but what it verified is older than the limit: dying at one place again and again is the same."""
    bench.start(POSITION % (5, 1, 1_000) + TROUBLE + SNAPSHOT + WAIT)
    assert ("snapshot", 9) == bench.heard.next()
    bench.clock.time_ns += AWAY_NS
    bench.look()
    assert (
        "away",
        "nothing behind seq 5 was verified for 30 s: the disk refuses",
    ) == bench.heard.next()


def test_the_command_says_all_of_its_settings(tmp_path: Path) -> None:
    """The same interpreter, the session by its name, durations as the command line reads them."""
    settings = FollowerSettings(snapshot_every_ns=90 * SECOND_NS, snapshot_every_events=7_000, keep=5)
    command = follower_command(tmp_path, "s", settings, {"local": "Delta Lake in /x", "pg": "there"})
    assert [sys.executable, "-m", "livestack", "follower", "s", "--child"] == command[:6]
    assert str(tmp_path) == command[command.index("--data-dir") + 1]
    assert "90000ms" == command[command.index("--snapshot-every") + 1]
    assert "7000" == command[command.index("--snapshot-every-events") + 1]
    assert "5" == command[command.index("--keep") + 1]
    assert ["--sink=local=Delta Lake in /x", "--sink=pg=there"] == command[-2:]


def test_it_gets_no_keys(tmp_path: Path) -> None:
    """Neither the node's nor its guard's, nor a storage's; and finds the same modules as its node."""
    path = configuration.write(tmp_path, ["BTCUSDT"], market_maker("BTCUSDT"))
    guard = 'guard_api_key_env = "GUARD_KEY"\nguard_secret_env = "GUARD_SECRET"\n'
    path.write_text(
        path.read_text().replace('secret_env = "VENUE_SECRET"\n', 'secret_env = "VENUE_SECRET"\n' + guard)
    )
    complete = {
        **ENVIRONMENT,
        "GUARD_KEY": "k",
        "GUARD_SECRET": "s",
        "PATH": "p",
        "AWS_SECRET_ACCESS_KEY": "s",
    }
    settings, _ = load(path, complete)
    environment = follower_environment(complete, settings)
    assert {"VENUE_KEY", "VENUE_SECRET", "GUARD_KEY", "GUARD_SECRET"}.isdisjoint(environment)
    assert "AWS_SECRET_ACCESS_KEY" not in environment
    assert "p" == environment["PATH"]
    assert [path for path in sys.path if path] == environment["PYTHONPATH"].split(os.pathsep)


NODE = """
import random, sys, threading
from pathlib import Path
from livestack.follower_settings import FollowerSettings
from livestack.node.children import FollowerChild, follower_command
from livestack.transports.backoff import Backoff
from livestack.transports.clock import SystemClock, TimerThread
from tests.node.test_children import Heard

clock, heard = SystemClock(), Heard()
child = FollowerChild(
    follower_command(Path(sys.argv[1]), "s", FollowerSettings(snapshot_every_events=100), {}), heard,
    clock=clock, timers=TimerThread(clock), backoff=Backoff(random.Random(1)), away_after_ns=10**11,
)
child.start()
print(heard.next(), flush=True)
threading.Event().wait()
"""


def test_a_killed_node_takes_it_along(tmp_path: Path) -> None:
    """kill -9: nobody tells it anything, and it ends; it holds its lock until then."""
    configured = rules(tmp_path)
    store(tmp_path, header("s", configured), record(configured, [*opening("s"), *quotes(500)]))
    node = subprocess.Popen(
        [sys.executable, "-c", NODE, str(tmp_path)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
    )
    with node:
        try:
            assert node.stdout is not None
            assert b"snapshot" in node.stdout.readline()
            with (tmp_path / "sessions" / "s" / "follower.lock").open() as lock:
                with pytest.raises(BlockingIOError):
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                node.kill()
                fcntl.flock(lock, fcntl.LOCK_EX)
        finally:
            node.kill()
