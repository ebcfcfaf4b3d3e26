"""What a node measures, received by the real StatsD and written by a real Graphite: every metric of the catalogue.

One session with a venue that misbehaves, so that what should not happen happens: rejects, gaps, anomalies, orders that
are too old. Without Node.js there is no StatsD to receive anything.
"""

from __future__ import annotations

import re
import signal
import socket
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

import pytest

from livestack.telemetry.catalogue import BY_NAME, METRICS, Kind
from livestack.wire import control_pb2 as wire
from tests.live import configuration, operated
from tests.live.operated import client, hand_in, until, until_refused_no_more
from tests.live.outside import NODE, Carbon, StatsD, Stored, free_port, is_installed
from tests.support import ROOT, Process, Venue, start_node

needs_node = pytest.mark.skipif(NODE is None, reason="no Node.js here: StatsD is a program for it")

FAULTS = """
[[fault]]
kind = "reject"
chance = 0.05
methods = ["order.place"]
[[fault]]
kind = "frame_dropped"
chance = 0.01
streams = "*@depth*"
[[fault]]
kind = "unknown_value"
chance = 0.005
[[fault]]
kind = "lost_field"
chance = 0.03
sides = ["ws_api"]
[[fault]]
kind = "external_order"
every = "1s"
"""

STRATEGY = """
[strategy]
path = "tests.live.sometimes_slow:SometimesSlow"
[strategy.parameters]
qty = "0.1"
pause = "20ms"
"""

SENT = """
[dispatch]
max_dispatch_age = "50ms"
[telemetry]
statsd = "127.0.0.1:{port}"
interval = "100ms"
[venues.binance_spot]
"""

METHODS = {
    "count": "sum",
    "rate": "avg_zero",
    "count_ps": "avg_zero",
    "upper": "max",
    "lower": "min",
    "mean": "average",
}
"""How Graphite makes fewer points of what StatsD makes of counters and timings; percentiles are upper ones."""

GAUGES = {
    "feed.age": "max", "runtime.uncommitted": "max", "runtime.inbox": "max", "runtime.inbox_age": "max",
    "runtime.queued": "max", "venue.unknown_orders": "max", "venue.inflight_age": "max", "records.lag": "max",
    "process.files": "max", "control.operator_age": "max", "venue.rate_left": "min", "journal.free": "min",
}  # fmt: skip
"""Those whose peaks are kept, as their alerts look for them; of all others the last value is."""

TREES = {Kind.COUNTER: "counters", Kind.GAUGE: "gauges", Kind.TIMING: "timers"}
ENDS = {
    Kind.COUNTER: {"count", "rate"},
    Kind.GAUGE: {""},
    Kind.TIMING: {"count", "count_ps", "lower", "mean", "upper", "upper_50", "upper_90", "upper_99"},
}


class Series(NamedTuple):
    """One of a session, taken apart; ``end``: what StatsD made of it."""

    tree: str
    metric: str
    labels: tuple[str, ...]
    end: str


def taken_apart(path: str, session: str) -> Series:
    """``stats.counters.livestack.test.SESSION.feed.sim.messages.count``; a failure for what the catalogue lacks."""
    top, tree, name, node, of, *parts = path.split(".")
    assert ("stats", "livestack", "test", session) == (top, name, node, of), path
    end = "" if tree == "gauges" else parts.pop()
    metric = f"{parts[0]}.{parts[-1]}"
    assert metric in BY_NAME, path
    labels = tuple(parts[1:-1])
    assert len(BY_NAME[metric].labels) == len(labels), path
    return Series(tree, metric, labels, end)


def wanted() -> set[tuple[str, str, str]]:
    """Tree, metric and end of everything."""
    return {(TREES[metric.kind], metric.name, end) for metric in METRICS for end in ENDS[metric.kind]}


def by_themselves() -> set[tuple[str, str, str]]:
    """What comes without anybody's doing: without a loss, and without a kill."""
    return {one for one in wanted() if not one[1].startswith(("incident.", "telemetry.lost"))}


class Seen(NamedTuple):
    """What became of a session: every file of it, its name, and what StatsD said in the end."""

    session: str
    stored: dict[str, Stored]
    counters: str


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Venue]:
    directory = tmp_path_factory.mktemp("venue")
    faults = directory / "faults.toml"
    faults.write_text(FAULTS)
    with Venue(directory, *operated.VENUE_ARGUMENTS, "--seed", "8", "--faults", str(faults)) as running:
        yield running


def start(
    directory: Path, venue: Venue, port: int, naming: str = "plain", records: str = "enabled = true"
) -> Process:
    path = configuration.write(
        directory, venue.symbols[:2], STRATEGY, durability="relaxed", records=records,
        rules=configuration.UNLIMITED.replace('max_open_orders = "unlimited"', "max_open_orders = 3"),
    )  # fmt: skip
    text = path.read_text()
    old, new = operated.RATE_LIMIT
    text = text.replace(old, new).replace("[venues.binance_spot]\n", SENT.format(port=port))
    path.write_text(text.replace("[telemetry]\n", f'[telemetry]\nnaming = "{naming}"\n'))
    return start_node(directory, path, venue.environment())


@pytest.fixture(scope="module")
def seen(venue: Venue, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    """A session until Graphite has a file for each metric; in the end StatsD goes, and the kill-switch comes."""
    assert is_installed(), "StatsD and Graphite are not in .venv: scripts/test -k statsd installs them"
    directory = tmp_path_factory.mktemp("node")
    port = free_port(socket.SOCK_DGRAM)
    with Carbon(directory / "carbon") as carbon, StatsD(directory / "statsd", port, carbon) as statsd:
        carbon.until_it_answers(carbon.port)
        statsd.until_it_answers(statsd.management)
        with start(directory, venue, port) as node, client(directory) as control:
            refused = wire.Request(request_id="no-reason", cancel_all=wire.CancelAll())
            until_refused_no_more(node, lambda: control.status().phase == "running")
            hand_in(directory, [refused])
            session = operated.session(directory)
            until(node, lambda: by_themselves() <= {found(path, session) for path in carbon.series()})
            statsd.end()
            until(node, lambda: "telemetry.lost" in {one.metric for one in control.metrics().metrics})
            with StatsD(directory / "again", port, carbon) as statsd:
                statsd.until_it_answers(statsd.management)
                control.kill("the end of a test")
                killed = f"stats.gauges.livestack.test.{session}.incident.kill.open"
                until(node, lambda: killed in carbon.series())
                until(node, lambda: wanted() <= {found(path, session) for path in carbon.series()})
                counters = statsd.ask("counters")
                node.signal(signal.SIGTERM)
                assert 0 == node.finish()[0], node.stderr()
        return Seen(session, carbon.read(), counters)


def found(path: str, session: str) -> tuple[str, str, str] | None:
    """What a file is of; None for StatsD's and carbon's own."""
    if not path.startswith(tuple(f"stats.{tree}.livestack." for tree in TREES.values())):
        return None
    one = taken_apart(path, session)
    return one.tree, one.metric, one.end


@needs_node
def test_every_metric_arrives(seen: Seen) -> None:
    """With the type that the catalogue says, and nothing else of ours; StatsD found no line that it could not read."""
    assert wanted() == {found(path, seen.session) for path in seen.stored} - {None}
    assert re.search(r"'statsd\.bad_lines_seen': 0\b", seen.counters), seen.counters


@needs_node
def test_every_file_is_kept_by_its_kind(seen: Seen) -> None:
    """With the resolutions of the schemas, and made coarser as the rules say; a single point is enough."""
    for path, stored in seen.stored.items():
        if found(path, seen.session) is None:
            continue
        one = taken_apart(path, seen.session)
        method = METHODS.get(
            one.end.partition("_")[0] if "upper" in one.end else one.end, GAUGES.get(one.metric, "last")
        )
        assert (method, 0.0, [[1, 600], [10, 360]]) == (stored.method, stored.enough, stored.archives), path


@needs_node
def test_values_are_what_happened(seen: Seen) -> None:
    """Counts of what the session did, states as they were; times within reason and in order."""

    def values(path: str) -> list[float]:
        return seen.stored[path.format(f"livestack.test.{seen.session}")].values

    assert sum(values("stats.counters.{}.feed.binance_spot.messages.count")) > 100
    assert 1 == max(values("stats.gauges.{}.session.killed"))
    assert 2 in values("stats.gauges.{}.session.phase")
    assert 4 in values("stats.gauges.{}.feed.binance_spot.state")
    assert 1 == max(values("stats.gauges.{}.incident.kill.open"))
    step = [values(f"stats.timers.{{}}.runtime.step.{end}") for end in ("lower", "mean", "upper")]
    assert all(0 <= least <= mean <= most < 60_000 for least, mean, most in zip(*step, strict=True))
    assert sum(values("stats.timers.{}.runtime.step.count")) > 100


@needs_node
def test_every_panel_has_data(seen: Seen) -> None:
    """Each path in a query of the dashboard is one of a file, once node and session are chosen."""
    text = (ROOT / "etc" / "grafana" / "dashboards" / "livestack.json").read_text()
    paths = set(re.findall(r"stats\.(?:[^,(){}\" ]|\{[^}]*\})+", text)) - CHOICES
    kept = [path.split(".") for path in seen.stored]
    asked = [path.replace("$node", "test").replace("$session", seen.session) for path in paths]
    wanted = [one.split(".") for path in asked for one in alternatives(path)]
    assert [] == [pattern for pattern in wanted if not any(fits(parts, pattern) for parts in kept)]
    assert len(paths) >= len(METRICS)


CHOICES = {"stats.gauges.livestack.*", "stats.gauges.livestack.$node.*"}
"""Where the dashboard finds nodes and sessions to choose from: no series themselves."""


def alternatives(path: str) -> Iterator[str]:
    """``a.{b,c}`` as ``a.b`` and ``a.c``."""
    front, brace, rest = path.partition("{")
    inside, _, behind = rest.partition("}")
    yield from (front + one + behind for one in inside.split(",")) if brace else (path,)


def fits(parts: list[str], pattern: list[str]) -> bool:
    """Graphite's own way: a star stands for one part."""
    return len(parts) == len(pattern) and all(map(fnmatchcase, parts, pattern))


TAGGED = re.compile(rb"(?P<name>[\w.]+):(?P<value>[^|]+)\|(?P<type>c|g|ms)(?:\|@[\d.]+)?\|#(?P<tags>.+)")


def test_tagged_names(venue: Venue, tmp_path: Path) -> None:
    """Every line that a receiver gets has the catalogue's name and type; node, session and labels are its tags."""
    kinds = {b"c": Kind.COUNTER, b"g": Kind.GAUGE, b"ms": Kind.TIMING}
    expected = {"feed.messages", "runtime.step", "session.phase", "venue.open_orders", "telemetry.sent"}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(60)
        port = receiver.getsockname()[1]
        with start(tmp_path, venue, port, "tagged", "enabled = false") as node:
            heard: set[str] = set()
            while not expected <= heard:
                datagram = receiver.recv(65_536)
                assert 1_432 >= len(datagram)
                for line in datagram.split(b"\n"):
                    told = TAGGED.fullmatch(line)
                    assert told, line
                    metric = BY_NAME[told["name"].decode().removeprefix("livestack.")]
                    tags = dict(one.split(":", 1) for one in told["tags"].decode().split(","))
                    assert metric.kind is kinds[told["type"]], line
                    assert ["node", "session", *metric.labels] == list(tags), line
                    assert ("test", operated.session(tmp_path)) == (tags["node"], tags["session"])
                    heard.add(metric.name)
            node.signal(signal.SIGTERM)
            assert 0 == node.finish()[0], node.stderr()
