"""Every incident of the catalogue happens for real in this suite: it opens, it shows, and it closes where it can.

Two nodes at once: one around which everything else fails, and one of which parts hang. What other tests produce anyway
is in :data:`PRODUCED`, and they say so by the incident's name.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests

from livestack.client import ControlClient
from livestack.core.events import IncidentClosed, IncidentOpened
from livestack.core.incidents import BY_NAME, INCIDENTS
from livestack.journal.quarantine import unaccepted
from tests.live import operated
from tests.live.operated import Pause, client, until, until_refused_no_more
from tests.postgres_support import Proxy, Server, running_server
from tests.support import ROOT, Process, Venue, run_livestack

HERE = "tests/live/test_incidents.py"
AROUND = (HERE, "test_what_fails_around_a_node")
INSIDE = (HERE, "test_what_hangs_inside_a_node")

PRODUCED = {
    "kill": AROUND,
    "trading_halted": ("tests/simulation/test_incidents.py", "test_an_instrument_of_which_nothing_adds_up"),
    "unknown_outcome": AROUND,
    "reconciliation_difference": ("tests/simulation/test_incidents.py", "test_what_nobody_told_of"),
    "session_not_resumed": (HERE, "test_a_session_that_could_not_be_taken_up"),
    "venue_down": AROUND,
    "feed_down": AROUND,
    "book_invalid": AROUND,
    "feed_polled": AROUND,
    "orders_over_rest": AROUND,
    "clock_skew": AROUND,
    "stall": ("tests/live/test_failures.py", "test_a_strategy_that_does_not_return"),
    "journal_stuck": INSIDE,
    "connector_stuck": ("tests/live/test_hung.py", "test_a_connector_that_hangs_is_held_until_it_returns"),
    "feed_stuck": INSIDE,
    "control_stuck": INSIDE,
    "actor_failing": ("tests/simulation/test_incidents.py", "test_an_actor_that_fails_again_and_again"),
    "lease_lost": AROUND,
    "guard_lost": AROUND,
    "guard_acted": ("tests/live/test_guarded_node.py", "test_nothing_stays_open_behind_a_node"),
    "journal_room": ("tests/live/test_disk.py", "test_a_disk_that_runs_low_halts_and_goes_on"),
    "journal_write": INSIDE,
    "replay_differs": AROUND,
    "follower_away": AROUND,
    "ship_lag": ("tests/live/test_shipping.py", "test_a_sink_that_is_away_is_made_up_for"),
    "ship_refused": ("tests/live/test_shipping.py", "test_a_sink_that_is_not_there_yet_and_one_that_refuses"),
    "dead_letter": AROUND,
}
"""By incident, the test that has it happen: in real processes, or, where that takes minutes, in a whole node on virtual
time."""

SETTINGS = """
[guard]
enabled = true
limit = "10s"
[execution]
request_timeout = "1s"
[records.sinks.pg]
url_env = "RECORDS_URL"
"""

CHANGES = {
    "[follower]\nenabled = false": '[follower]\naway_after = "5s"',
    "[records]\nenabled = false": '[records]\nlag_max = "60s"',
    "[lease]\n": '[lease]\npostgres_url_env = "LEASE_URL"\ngrace = "3s"\n',
}

OFTEN = {"[journal]\n": '[journal]\nsegment_age = "2s"\n'}

VENUE_ARGUMENTS = ("--symbols", "2", "--rate", "100", "--allowance", "1000")

NO_ORDERS = '{"kind": "refused", "sides": "ws_api", "lasts": "10m"}'

PARTS = (
    "recorder.before_commit=block:{recorder}@200,journal.before_append=raise@400,"
    "feed.before_message=block:{feed}@3,control.before_message=block:{control}@90"
)


def test_each_has_a_test_that_says_so() -> None:
    """None is left out, and no other is named; the tests are there, and have the incident's name in their text."""
    assert [one.name for one in INCIDENTS] == list(PRODUCED)
    for name, (path, test) in PRODUCED.items():
        text = (ROOT / path).read_text()
        assert f"def {test}(" in text, path
        body = text.partition(f"def {test}(")[2].partition("\ndef ")[0]
        if path == HERE:  # in parts
            body = text.partition("\nclass Seen:")[2]
        assert name in body, (name, test)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running_server(tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture
def venue(tmp_path: Path) -> Iterator[Venue]:
    (tmp_path / "venue").mkdir()
    with Venue(tmp_path / "venue", "--seed", "71", *VENUE_ARGUMENTS) as running:
        yield running


@pytest.fixture(scope="module")
def hanging(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Future[None]]:
    """The node of which parts hang, beside the other one: most of its time is waiting."""
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(_hang, tmp_path_factory.mktemp("hanging"))


class Seen:
    """What ``status`` has shown of incidents, and what the journal has of them."""

    def __init__(self, node: Process, directory: Path, control: ControlClient) -> None:
        self.node = node
        self.directory = directory
        self.control = control
        self.shown: dict[str, Any] = {}

    def open(self) -> dict[str, Any]:
        """Those that are shown now, by name."""
        status = until_refused_no_more(self.node, self.control.status)
        found = {one.name: one for one in status.incidents}
        self.shown |= found
        return found

    def until_open(self, *names: str) -> None:
        until(self.node, lambda: set(names) <= self.open().keys())

    def until_shown(self, *names: str) -> None:
        until(self.node, lambda: self.open() and set(names) <= self.shown.keys())

    def until_over(self, *names: str) -> None:
        until(self.node, lambda: not set(names) & self.open().keys())

    def told(self, kind: type) -> list[str]:
        return [one.name for one in operated.of(self.directory, kind)]


def fault(venue: Venue, *rules: str) -> None:
    """What the venue does wrong from now on; without rules all is well."""
    place = f"{venue.urls['rest']}/sim/faults"
    assert requests.delete(place, timeout=30).ok
    if rules:
        answer = requests.post(place, data=f'{{"fault": [{",".join(rules)}]}}', timeout=30)
        assert answer.ok, answer.text


def child_of(node: Process, *words: str) -> psutil.Process:
    """The one of the node's processes that has ``words`` on its command line."""
    found = [one for one in psutil.Process(node.pid).children() if set(words) <= set(one.cmdline())]
    assert 1 == len(found), [one.cmdline() for one in psutil.Process(node.pid).children()]
    return found[0]


@pytest.mark.usefixtures("hanging")
def test_what_fails_around_a_node(tmp_path: Path, venue: Venue, server: Server) -> None:
    """One session: its operator, guard, follower, lease, sink, and then its venue in one way after the other."""
    with ExitStack() as stack:
        proxy = stack.enter_context(Proxy(server.port))
        database = stack.enter_context(server.database())
        told = tmp_path / "told"
        strategy = operated.MISBEHAVING.replace("after = 900", "after = 1000000000")
        path = operated.write(tmp_path, venue, strategy.format(how="differ", pipe=told) + SETTINGS, CHANGES)
        environment = {
            **venue.environment(),
            "LEASE_URL": proxy.through(server.url),
            "RECORDS_URL": server.url_of(database),
        }
        node = stack.enter_context(operated.start_node(tmp_path, path, environment))
        seen = Seen(node, tmp_path, stack.enter_context(client(tmp_path)))
        operated.until_trading(venue, node, 0)
        until(node, lambda: [one for one in seen.control.status().sinks if one.through])
        _people_and_processes(seen, venue, proxy, server, database)
        _the_venue(seen, venue)
        told.write_text(str(node.pid))
        seen.until_open("replay_differs")
        _shows(seen)
        node.signal()
        code, _ = node.finish()
        assert 0 == code, node.stderr()
        assert "Traceback" not in node.stderr()
    _agrees_with_the_table(seen, {name for name, where in PRODUCED.items() if where == AROUND})


def _people_and_processes(seen: Seen, venue: Venue, proxy: Proxy, server: Server, database: str) -> None:
    """Beside them a book that is never in step."""
    node, symbol = seen.node, venue.symbols[1]
    fault(
        venue,
        f'{{"kind": "frame_dropped", "chance": 0.5, "symbols": "{symbol}", "streams": "*@depth*"}}',
        f'{{"kind": "request_lost", "symbols": "{symbol}", "methods": "depth", "answer": "503"}}',
    )
    server.execute("ALTER TABLE livestack.fills ADD CONSTRAINT odd CHECK (seq % 2 = 0) NOT VALID", database)
    follower = child_of(node, "follower")
    follower.suspend()
    child_of(node, "guard", "run").kill()
    proxy.swallow(lambda: None)
    proxy.cut()
    seen.control.kill("drill")
    seen.until_shown("kill", "guard_lost", "lease_lost")
    proxy.carry()
    operated.until_flat(node, seen.directory)
    seen.control.kill_reset("enough")
    seen.until_over("kill", "lease_lost")
    operated.until_trading(venue, node)
    seen.until_shown("follower_away")
    follower.resume()
    seen.until_shown("dead_letter", "book_invalid")
    seen.until_over("follower_away", "guard_lost")


def _the_venue(seen: Seen, venue: Venue) -> None:
    """It answers no order and is gone, then takes orders as plain requests, by another clock; then all is well."""
    before = len(operated.placements(venue))
    fault(
        venue,
        '{"kind": "response_lost", "methods": ["order.place", "order.cancelReplace"], "answer": "silence"}',
        '{"kind": "event_lost"}',
    )
    until(seen.node, lambda: len(operated.placements(venue)) > before + 1)
    fault(venue, '{"kind": "maintenance", "lasts": "10m"}')
    seen.until_shown("venue_down", "feed_down", "unknown_outcome")
    fault(venue, NO_ORDERS, '{"kind": "clock_skew", "offset": "5s"}')
    seen.until_shown("feed_polled", "orders_over_rest", "clock_skew")
    fault(venue)
    seen.until_over(*(name for name, where in PRODUCED.items() if where == AROUND and name != "dead_letter"))


def _shows(seen: Seen) -> None:
    """The page for people, the check, and every field for tools."""
    code, page = run_livestack(seen.directory, "status", "--data-dir", "data")
    assert 0 == code
    code, found = run_livestack(seen.directory, "status", "--check", "--json", "--data-dir", "data")
    assert 8 == code
    shown = {one["name"]: one for one in json.loads(found)["incidents"]}
    for name in ("replay_differs", "dead_letter"):
        assert f"{BY_NAME[name].grade}" in page
        assert " ".join(BY_NAME[name].look_at.split()[:4]) in page
        assert (BY_NAME[name].meaning, BY_NAME[name].look_at) == (
            shown[name]["meaning"],
            shown[name]["look_at"],
        )
        assert any(name in problem for problem in json.loads(found)["problems"])
    assert shown["dead_letter"]["age_ms"] > shown["replay_differs"]["age_ms"] >= 0


def _agrees_with_the_table(seen: Seen, names: set[str]) -> None:
    """Each was shown with its grade, is in the journal once, and in the timeline with how long it was open."""
    stays = {"dead_letter", "replay_differs"}
    opened = seen.told(IncidentOpened)
    assert names == set(opened)
    assert names - stays == set(seen.told(IncidentClosed))
    assert {name: BY_NAME[name].grade for name in names} == {
        name: one.grade for name, one in seen.shown.items()
    }
    for name in (
        "kill",
        "venue_down",
        "feed_down",
        "book_invalid",
        "unknown_outcome",
        "lease_lost",
        "guard_lost",
    ):
        assert 1 == opened.count(name), name
    code, found = run_livestack(seen.directory, "timeline", "latest", "--json", "--data-dir", "data")
    assert 0 == code
    moments = [one for one in json.loads(found) if one["kind"] == "incident" and "open_ns" in one["details"]]
    assert names == {one["details"]["name"] for one in moments}
    assert all(one["details"]["open_ns"] > 0 for one in moments)


def test_what_hangs_inside_a_node(hanging: Future[None]) -> None:
    """The disk (journal_stuck, journal_write), the feed's actor (feed_stuck), the control actor (control_stuck).

    Each is told, and over when it comes back.

    Nothing new is shown while the disk or the control actor hangs: what there is gets old, and the log has it at once.
    """
    hanging.result()


def _hang(directory: Path) -> None:
    (directory / "venue").mkdir()
    names = ("recorder", "feed", "control")
    pipes = {name: directory / name for name in names}
    with ExitStack() as stack:
        venue = stack.enter_context(Venue(directory / "venue", "--seed", "72", *VENUE_ARGUMENTS))
        held = {name: stack.enter_context(Pause(pipes[name])) for name in names}
        path = operated.write(directory, venue, operated.RESTLESS, OFTEN)
        points = PARTS.format(**pipes)
        node = stack.enter_context(operated.start(directory, path, venue, failpoints=points))
        seen = Seen(node, directory, stack.enter_context(client(directory)))
        held["recorder"].wait(node)
        _until_said(node, "journal_stuck")
        held["recorder"].end()
        fault(venue, '{"kind": "cut", "sides": "stream"}')
        held["feed"].wait(node)
        _until_said(node, "feed_stuck")  # on a slow machine the control actor hangs already
        held["feed"].end()
        held["control"].wait(node)
        _until_said(node, "control_stuck")
        assert seen.control.status().age_ms > 15_000
        held["control"].end()
        seen.until_over("control_stuck")
        expected = {name for name, where in PRODUCED.items() if where == INSIDE}
        until(node, lambda: expected <= set(seen.told(IncidentClosed)))
    assert expected == set(seen.told(IncidentOpened)) - {"feed_polled"}  # as the feed hangs


def _until_said(node: Process, incident: str) -> None:
    """By its log, as there is nobody to ask."""
    until(node, lambda: incident in node.stderr())


def test_a_session_that_could_not_be_taken_up(tmp_path: Path, venue: Venue) -> None:
    """session_not_resumed: shown by the session that began in its place, and by the same one taken up after a crash.

    An operator who enables trading ends it, and the one that was left is accepted.
    """
    path = operated.write(tmp_path, venue, operated.RESTLESS)
    with operated.start(tmp_path, path, venue) as node:
        operated.until_trading(venue, node, 0)
    left = operated.session(tmp_path)
    path.write_text(path.read_text().replace('pause = "20ms"', 'pause = "25ms"'))
    with operated.start(tmp_path, path, venue, "--recover", "halt") as node, client(tmp_path) as control:
        seen = Seen(node, tmp_path, control)
        seen.until_open("session_not_resumed")
        assert left == seen.shown["session_not_resumed"].scope
    with operated.start(tmp_path, path, venue) as node, client(tmp_path) as control:
        seen = Seen(node, tmp_path, control)
        seen.until_open("session_not_resumed")
        assert (left, "halted") == (seen.shown["session_not_resumed"].scope, control.status().trading_state)
        control.trading("active", "looked at")
        seen.until_over("session_not_resumed")
        operated.until_trading(venue, node)
    assert {} == unaccepted(tmp_path / "data" / "sessions")
    assert left != operated.session(tmp_path)
