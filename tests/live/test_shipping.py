"""A real node and its sinks: records are there while it runs, nothing of their trouble holds it, nothing is ever lost.

The default sink is Delta Lake below the data directory; the other one is a real PostgreSQL server that is stopped,
started and told to refuse.
"""

from __future__ import annotations

import json
import queue
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from livestack.core.events import IncidentClosed, IncidentOpened, SessionResumed
from livestack.journal.reader import JournalReader
from livestack.storage.cursor import read_marks
from tests.live import configuration, operated
from tests.live.operated import RATE_LIMIT, client, until, until_refused_no_more
from tests.live.strategies import market_maker
from tests.live.test_disk import MEGABYTE, ROOM, fill, needs_root, small_disk
from tests.postgres_support import QUOTED_PASSWORD, Proxy, Server, running_server
from tests.support import Process, Venue, start_node

__all__ = ["small_disk"]

PG = """
[records.sinks.pg]
url_env = "RECORDS_URL"
"""
QUICK = '[records]\nlag_max = "10s"\nstop_timeout = "1s"\n'
WAIT_S = 60.0
SOON = '[records]\nlag_max = "10s"\nstop_timeout = "60s"\n'


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Venue]:
    directory = tmp_path_factory.mktemp("venue")
    with Venue(directory, "--seed", "29", "--rate", "300", "--allowance", "100") as running:
        yield running


@pytest.fixture(scope="module")
def own_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running_server(tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture
def server(own_server: Server) -> Server:
    """The module's server, running."""
    if not own_server.running:
        own_server.start()
    return own_server


@pytest.fixture
def url(server: Server) -> Iterator[str]:
    """Of a database of its own; the server may be down in the end."""
    with server.database() as name:
        yield server.url_of(name)
        if not server.running:
            server.start()


class Bench:
    """A node in ``directory`` that trades at ``venue`` and ships as ``records`` says; ``url``: of the server."""

    def __init__(self, directory: Path, venue: Venue, records: str, url: str = "", more: str = "") -> None:
        self.directory = directory
        self.venue = venue
        self.url = url
        self._incidents: list[IncidentOpened | IncidentClosed] = []
        self._read_upto = 0
        self.path = configuration.write(
            directory, venue.symbols[:2], market_maker(venue.symbols[0]), records="#"
        )
        text = self.path.read_text().replace("[records]\n#\n", f"{records}\n")
        if more:
            text = text.replace("[journal]\n", f"{more}\n")
        self.path.write_text(text.replace(*RATE_LIMIT))

    @property
    def environment(self) -> dict[str, str]:
        return {**self.venue.environment(), "RECORDS_URL": self.url}

    def start(self, *arguments: str) -> Process:
        return start_node(self.directory, self.path, self.environment, *arguments)

    def sinks(self, node: Process) -> dict[str, Any]:
        """What the node says of them, by name."""
        with client(self.directory) as control:
            status = until_refused_no_more(node, control.status)
            return {one.name: one for one in status.sinks}

    def until_sink(self, node: Process, name: str, condition: Callable[[Any], Any]) -> Any:
        def look() -> Any:
            one = self.sinks(node).get(name)
            return one if one is not None and condition(one) else None

        return until(node, look)

    def until_shipped(self, node: Process, name: str, more: int = 1) -> None:
        """Until the sink has what happens from now on."""
        seen = self.sinks(node)[name]
        self.until_sink(node, name, lambda one: one.state == "ok" and one.through >= seen.through + more)

    def until_trading(self, node: Process, more: int = 3) -> None:
        before = len(self.venue.look("orders"))
        until(node, lambda: len(self.venue.look("orders")) >= before + more)

    def incidents(self, kind: type = IncidentOpened) -> list[tuple[str, str]]:
        """Of the only session; of its journal only what is new is read: who waits asks often."""
        session = operated.session(self.directory)
        with JournalReader.open(self.directory / "data" / "sessions", session, True) as reader:
            for record in reader.records(self._read_upto + 1):
                self._read_upto = record.seq
                if isinstance(record.event, IncidentOpened | IncidentClosed):
                    self._incidents.append(record.event)
        return [(one.name, one.scope) for one in self._incidents if isinstance(one, kind)]

    def until_incident(self, node: Process, name: str, scope: str, kind: type = IncidentOpened) -> None:
        until(node, lambda: (name, scope) in self.incidents(kind))

    def end(self, node: Process) -> str:
        """In order; what it says on stderr."""
        node.signal()
        code, _ = node.finish()
        assert 0 == code, node.stderr()
        assert "Traceback" not in node.stderr()
        return node.stderr()

    def command(self, *arguments: str) -> tuple[int, list[dict[str, Any]]]:
        """``livestack records ...`` on this directory: exit code, and the objects that it prints."""
        line = [*arguments, "latest", "-c", str(self.path), "--data-dir", "data", "--json"]
        done = Process(["records", *line], self.directory, self.environment)
        code, output = done.finish()
        assert "Traceback" not in done.stderr(), done.stderr()
        assert output or arguments == ("ship",), done.stderr()
        return code, [json.loads(one) for one in output.splitlines()]

    def all_there(self, *sinks: str) -> None:
        """Every sink has exactly what the journal says, to its end."""
        code, found = self.command("verify")
        assert 0 == code, found
        assert sorted(sinks) == sorted(one["sink"] for one in found)
        for one in found:
            assert (0, 0, 0, 0) == (one["missing"], one["extra"], one["different"], one["pending"]), one
            assert one["journal"] > 0
        marks = read_marks(self.directory / "data" / "sessions", operated.session(self.directory))
        assert dict.fromkeys(sinks, True) == {name: mark.ended for name, mark in marks.items()}


def shippers(node: Process) -> list[psutil.Process]:
    found = psutil.Process(node.pid).children()
    return [one for one in found if ["records", "ship"] == one.cmdline()[3:5]]


def test_records_are_there_while_the_session_runs(tmp_path: Path, venue: Venue) -> None:
    """Without a word in the configuration; at the end nothing is left, and nothing complained.

    No library of storage is in the node's process, by what it has mapped while it ships.
    """
    bench = Bench(tmp_path, venue, "[records]")
    with bench.start() as node:
        bench.until_trading(node)
        bench.until_sink(node, "local", lambda one: one.state == "ok" and one.through > 100)
        code, found = bench.command("verify")
        assert (0, ["local"], True) == (code, [one["sink"] for one in found], found[0]["storage"] > 0)
        (shipper,) = shippers(node)
        mapped, there = (
            Path(f"/proc/{pid}/maps").read_text(errors="replace") for pid in (node.pid, shipper.pid)
        )
        stderr = bench.end(node)
    assert "" == stderr
    assert [True, True] == [name in there for name in ("deltalake", "pyarrow")]
    assert [False] * 3 == [name in mapped for name in ("deltalake", "pyarrow", "psycopg")]
    bench.all_there("local")


def test_killed_shippers_and_a_killed_node_beside_a_silent_sink(
    tmp_path: Path, venue: Venue, server: Server, url: str
) -> None:
    """A shipper that is killed is started again; a node that is killed takes its shippers along.

    The resumed session waits for no sink: one that accepts and never answers hears of it when the session goes on
    already, in its second segment. Once it answers, it has everything, and nothing twice.
    """
    with Proxy(server.port) as proxy:
        bench = Bench(tmp_path, venue, SOON + "[records.sinks.local]\n" + PG, proxy.through(url))
        with bench.start() as node:
            bench.until_trading(node)
            for name in ("local", "pg"):
                bench.until_sink(node, name, lambda one: one.state == "ok" and one.through > 0)
            killed = shippers(node)
            assert 2 == len(killed)
            for shipper in killed:
                shipper.send_signal(signal.SIGKILL)
            until(node, lambda: "down" in {one.state for one in bench.sinks(node).values()})
            for name in ("local", "pg"):
                bench.until_shipped(node, name)
            bench.until_trading(node)
            others = shippers(node)
            assert set() == {one.pid for one in others} & {one.pid for one in killed}
            node.kill()
            psutil.wait_procs(others, WAIT_S)
            assert [False, False] == [one.is_running() for one in others]
        segments: queue.SimpleQueue[int] = queue.SimpleQueue()
        proxy.swallow(lambda: segments.put(len(list(tmp_path.glob("data/sessions/*/journal/[0-9]*")))))
        with bench.start() as node:
            bench.until_trading(node)
            assert 2 == segments.get(timeout=WAIT_S)
            assert "ok" != bench.sinks(node)["pg"].state
            bench.until_incident(node, "ship_lag", "pg")
            proxy.carry()
            bench.until_incident(node, "ship_lag", "pg", IncidentClosed)
            bench.end(node)
        assert 1 == len(operated.of(tmp_path, SessionResumed))
        bench.all_there("local", "pg")


def test_a_sink_that_is_away_is_made_up_for(tmp_path: Path, venue: Venue, server: Server, url: str) -> None:
    """Trading goes on, the other sink too; an incident tells of it, until it has everything again.

    Away again, it holds up no end: after ``stop_timeout`` the node goes with its exit code and says what waits, and
    the command that it names ships it.
    """
    bench = Bench(tmp_path, venue, QUICK + "[records.sinks.local]\n" + PG, url)
    with bench.start() as node:
        bench.until_sink(node, "pg", lambda one: one.state == "ok" and one.through > 0)
        server.stop()
        bench.until_shipped(node, "local")
        bench.until_incident(node, "ship_lag", "pg")
        seen = bench.sinks(node)
        assert "down" == seen["pg"].state
        assert QUOTED_PASSWORD not in seen["pg"].error + seen["pg"].address
        bench.until_trading(node)
        server.start()
        bench.until_incident(node, "ship_lag", "pg", IncidentClosed)
        bench.until_shipped(node, "pg")
        server.stop()
        bench.until_trading(node)
        stderr = bench.end(node)
    assert {("ship_lag", "pg")} == set(bench.incidents())
    (told,) = [line for line in stderr.splitlines() if "records_wait" in line and "sink=pg" in line]
    assert f"livestack records ship {operated.session(tmp_path)}" in told
    server.start()
    code, _ = bench.command("ship")
    assert 0 == code
    bench.all_there("local", "pg")


def test_a_sink_that_is_not_there_yet_and_one_that_refuses(
    tmp_path: Path, venue: Venue, server: Server, url: str
) -> None:
    """``start_without``: a new session begins, and ships as soon as there is somebody to ship to.

    A password that is changed under it needs somebody: critical, trading goes on; changed back, everything is there.
    """
    with server.role("first-word") as role:
        database = url.rpartition("/")[2]
        server.execute(f"ALTER DATABASE {database} OWNER TO {role}")
        bench = Bench(
            tmp_path,
            venue,
            SOON + "start_without = true\n" + PG,
            server.url_of(database, role, "first-word"),
        )
        server.stop()
        with bench.start() as node:
            bench.until_trading(node)
            assert "ok" != bench.sinks(node)["pg"].state
            server.start()
            bench.until_sink(node, "pg", lambda one: one.state == "ok" and one.through > 0)
            server.set_password(role, "another-word")
            server.disconnect(database)
            bench.until_incident(node, "ship_refused", "pg")
            assert "refused" == bench.sinks(node)["pg"].state
            bench.until_trading(node)
            server.set_password(role, "first-word")
            bench.until_incident(node, "ship_refused", "pg", IncidentClosed)
            bench.until_shipped(node, "pg")
            stderr = bench.end(node)
        bench.all_there("pg")
        assert "first-word" not in stderr
        server.execute(f"REASSIGN OWNED BY {role} TO CURRENT_USER", database)


@pytest.mark.parametrize(
    ("what", "exit_code", "sentence"),
    [("away", 3, "start_without = true"), ("password", 2, "records.sinks.pg")],
)
def test_a_new_session_does_not_begin_without_its_sink(
    tmp_path: Path, venue: Venue, server: Server, what: str, exit_code: int, sentence: str
) -> None:
    """Before anything is opened at the venue, with a sentence that shows no secret."""
    url = server.url
    if what == "away":
        server.stop()
    else:
        url = url.replace(QUOTED_PASSWORD, "wrong-word")
    seen = len(venue.look("orders"))
    bench = Bench(tmp_path, venue, QUICK + PG, url)
    with bench.start() as node:
        code, _ = node.finish()
    assert (exit_code, seen) == (code, len(venue.look("orders")))
    assert sentence in node.stderr()
    for secret in (QUOTED_PASSWORD, "wrong-word", "Traceback"):
        assert secret not in node.stderr()
    assert not list((tmp_path / "data" / "sessions").glob("*"))


@needs_root
def test_a_full_disk_and_a_sink_that_is_away_lose_nothing(
    small_disk: Path, tmp_path: Path, venue: Venue, server: Server, url: str
) -> None:
    """Trading halts at the high-water mark and nothing is dropped: both sinks have everything when both are back."""
    bench = Bench(small_disk, venue, SOON + "[records.sinks.local]\n" + PG, url, ROOM)
    with bench.start() as node:
        bench.until_sink(node, "pg", lambda one: one.through > 0)
        server.stop()
        bench.until_trading(node)
        file = fill(small_disk, 2 * MEGABYTE)
        bench.until_incident(node, "journal_room", "journal")
        bench.until_sink(node, "pg", lambda one: one.state == "down")
        file.unlink()
        server.start()
        bench.until_incident(node, "journal_room", "journal", IncidentClosed)
        bench.until_trading(node)
        bench.until_shipped(node, "local")
        bench.until_shipped(node, "pg")
        bench.end(node)
    bench.all_there("local", "pg")
