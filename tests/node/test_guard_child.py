"""The node's side of its guard: nothing before it watches, and a loss is told; real guards are in tests/live."""

from __future__ import annotations

import os
import queue
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from livestack.exceptions import UnreachableError
from livestack.node import guard_child
from livestack.node.guard_child import LATE_NS, SILENT_NS, GuardChild, guard_command, guard_environment
from livestack.node.shared_progress import Phase, ProgressReader
from livestack.settings import load
from livestack.transports.backoff import Backoff
from tests.actors.fakes import FakeClock
from tests.live import configuration
from tests.live.strategies import market_maker
from tests.node.test_children import AskedTimers, _Least
from tests.research.sessions import ENVIRONMENT

WAIT_S = 60.0
READY = 'print(\'{"report":"ready"}\', flush=True);'
WATCHING = 'print(\'{"report":"watching"}\', flush=True);'
TROUBLE = 'print(\'{"report":"error","text":"the key is wrong"}\', flush=True);'
WAIT = "import sys; told = sys.stdin.readline(); told = sys.stdin.readline();"


class Bench:
    """A GuardChild whose guard is a line of Python; ``heard`` is what the node hears of it."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.heard: queue.SimpleQueue[str] = queue.SimpleQueue()
        self.clock = FakeClock()
        self.timers = AskedTimers()
        self._directory = directory
        self._monkeypatch = monkeypatch
        self.child: GuardChild | None = None

    def make(self, code: str) -> GuardChild:
        self._monkeypatch.setattr(guard_child, "guard_command", lambda fd: [sys.executable, "-c", code])
        path = configuration.write(self._directory, ["BTCUSDT"], market_maker("BTCUSDT"))
        settings, _ = load(path, ENVIRONMENT)
        self.child = GuardChild(
            self._directory,
            settings,
            clock=self.clock,
            timers=self.timers,
            backoff=Backoff(_Least()),
            environment={**os.environ, **ENVIRONMENT},
            on_lost=self.heard.put,
            on_regained=lambda: self.heard.put("regained"),
        )
        return self.child

    def look(self) -> tuple[int, Callable[[], None]]:
        """When it would look for a silent guard, and that look."""
        return self.timers.next()


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    made = Bench(tmp_path, monkeypatch)
    yield made
    assert made.child is not None
    made.child.stop(0.0)
    made.child.progress.close()


def test_a_node_waits_for_its_guard(bench: Bench) -> None:
    """Ready is ready; in order it is told to stop, and finds that written on the page."""
    child = bench.make(READY + WAIT + "assert told == 'stop\\n'")
    child.start(WAIT_S)
    assert Phase.STARTING is ProgressReader(child.progress.fd).read().phase
    assert child.pid is not None
    assert child.stop(WAIT_S)
    assert Phase.STOPPED is ProgressReader(child.progress.fd).read().phase
    assert bench.heard.empty()


@pytest.mark.parametrize(
    ("code", "cause"),
    [(TROUBLE + "exit(2)", "the key is wrong"), ("exit(7)", "exit code 7"), (WAIT, "not ready after 0 s")],
)
def test_no_guard_no_start(bench: Bench, code: str, cause: str) -> None:
    """What it said, how it ended, or that it says nothing; and it is not tried again."""
    child = bench.make(code)
    with pytest.raises(UnreachableError, match=f"cannot reach the guard: .*{cause}"):
        child.start(0.2 if code is WAIT else WAIT_S)
    assert 1 == child.starts
    assert child.pid is None


def test_an_interrupted_start_is_no_death(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C while the node waits for its guard: that goes, and has nothing to act on."""
    child = bench.make(WAIT)

    def interrupt(timeout: float | None = None) -> bool:
        raise KeyboardInterrupt

    monkeypatch.setattr(child._settled, "wait", interrupt)
    with pytest.raises(KeyboardInterrupt):
        child.start(WAIT_S)
    assert Phase.STOPPED is ProgressReader(child.progress.fd).read().phase
    assert child.pid is None


def test_a_program_that_is_not_there(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Is told like any other guard that does not come up."""
    child = bench.make("")
    child._command = ["/nonexistent/program"]
    with pytest.raises(UnreachableError, match="it cannot be started: No such file"):
        child.start(WAIT_S)


def test_a_dead_guard_is_missed_and_replaced(bench: Bench, tmp_path: Path) -> None:
    """At once, without any look; the next one comes after a wait, and is told of."""
    seen = tmp_path / "seen"
    child = bench.make(
        f"import os; again = os.path.exists({str(seen)!r}); open({str(seen)!r}, 'w').close();"
        + READY + f"again or os.kill(os.getpid(), 9);{WAIT}"
    )  # fmt: skip
    child.start(WAIT_S)
    assert "nobody guards this node: it ended with exit code -9" == bench.heard.get(timeout=WAIT_S)
    deadlines = [bench.look(), bench.look()]
    _, wake = min(deadlines, key=lambda asked: asked[0])  # the other one is the look for a silent guard
    wake()
    assert "regained" == bench.heard.get(timeout=WAIT_S)
    assert 2 == child.starts


def test_a_silent_guard_is_missed_and_killed(bench: Bench) -> None:
    """One that is stopped must not wake up one day and kill."""
    child = bench.make(READY + "import signal\nwhile True: signal.pause()")
    child.start(WAIT_S)
    first = child.pid
    assert first is not None
    deadline_ns, look = bench.look()
    assert bench.clock.time_ns + SILENT_NS == deadline_ns
    bench.clock.time_ns = deadline_ns - 1
    look()
    assert bench.heard.empty()
    bench.clock.time_ns = deadline_ns
    look()
    assert "nobody guards this node: it said nothing for 5 s" == bench.heard.get(timeout=WAIT_S)
    bench.look()  # the wait before the next one: this one has ended
    with pytest.raises(ProcessLookupError):
        os.kill(first, 0)


def test_a_node_that_slept_blames_nobody(bench: Bench) -> None:
    """A look that comes far too late says nothing about the guard; there is another one."""
    child = bench.make(READY + WAIT)
    child.start(WAIT_S)
    deadline_ns, look = bench.look()
    bench.clock.time_ns = deadline_ns + LATE_NS + 1
    look()
    again_ns, _ = bench.look()
    assert bench.clock.time_ns + SILENT_NS == again_ns
    assert bench.heard.empty()


def test_every_word_of_it_counts(bench: Bench) -> None:
    """Trouble and nonsense are logged; each line moves the look on."""
    child = bench.make(READY + WATCHING + TROUBLE + "print('?', flush=True);" + WAIT)
    child.start(WAIT_S)
    for _ in range(3):
        bench.look()
    assert bench.heard.empty()


def test_a_node_that_fails_leaves_its_guard(bench: Bench) -> None:
    """It goes on, nothing is said to it, and its end is no loss any more."""
    child = bench.make(READY + WAIT)
    child.start(WAIT_S)
    pid = child.pid
    assert pid is not None
    child.leave()
    assert pid == child.pid
    assert Phase.LEAVING is ProgressReader(child.progress.fd).read().phase
    os.kill(pid, 9)
    child._thread.join(WAIT_S)
    assert bench.heard.empty()
    assert 1 == child.starts


def test_the_command_names_the_page() -> None:
    """The same interpreter, and the inherited descriptor's number."""
    assert [sys.executable, "-m", "livestack", "guard", "run", "--progress-fd", "7"] == guard_command(7)


@pytest.mark.parametrize(
    ("own", "kept"), [("", {"VENUE_KEY", "VENUE_SECRET"}), ("guard", {"GUARD_KEY", "GUARD_SECRET"})]
)
def test_it_gets_what_it_needs_and_no_more(tmp_path: Path, own: str, kept: set[str]) -> None:
    """The keys that it speaks to venues with; no other key, no URL of a server, nothing for storage."""
    path = configuration.write(tmp_path, ["BTCUSDT"], market_maker("BTCUSDT"))
    text = path.read_text().replace("[lease]", '[lease]\npostgres_url_env = "LEASE"')
    if own:
        keys = 'guard_api_key_env = "GUARD_KEY"\nguard_secret_env = "GUARD_SECRET"\n'
        text = text.replace('secret_env = "VENUE_SECRET"\n', 'secret_env = "VENUE_SECRET"\n' + keys)
    path.write_text(text + '\n[records.sinks.pg]\nurl_env = "RECORDS"\n')
    guard_keys = {"GUARD_KEY": "k", "GUARD_SECRET": "s"} if own else {}
    servers = {"LEASE": "postgresql://me:hunter2@h/l", "RECORDS": "postgresql://me:hunter2@h/r"}
    storage = {"AWS_SECRET_ACCESS_KEY": "hunter2", "PGPASSWORD": "hunter2"}
    plain = {"HTTPS_PROXY": "p", "SSL_CERT_FILE": "c", "DBUS_SESSION_BUS_ADDRESS": "d"}
    settings, _ = load(path, {**ENVIRONMENT, **guard_keys, **servers})
    given = guard_environment({**ENVIRONMENT, **guard_keys, **servers, **storage, **plain}, settings)
    secret = {"VENUE_KEY", "VENUE_SECRET", *guard_keys, *servers, *storage}
    assert kept == secret & given.keys()
    assert plain == {name: given[name] for name in plain}


def test_it_is_started_with_that(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """And not with what the node itself was started with."""
    monkeypatch.setattr(guard_child, "guard_environment", lambda environment, settings: {"ONLY": "this"})
    code = "import os; assert ['ONLY'] == [name for name in os.environ if name != 'LC_CTYPE'], os.environ;"
    assert bench.make(code + READY + WAIT).start(WAIT_S) is None
