"""What users get for StatsD, Graphite and Grafana is made from the catalogue of metrics, as it is now.

What Grafana takes is written down here as structs that know no other key, after its own schema of a classic dashboard.
"""

from __future__ import annotations

import configparser
import re
import runpy
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import pytest

from livestack.telemetry.catalogue import BY_NAME, FEED_DECODE, METRICS, Kind, Metric
from livestack.telemetry_settings import TelemetrySettings
from tests.support import ROOT

ETC = ROOT / "etc"
TREES = {"counters": Kind.COUNTER, "gauges": Kind.GAUGE, "timers": Kind.TIMING}
ENDS = {
    "counters": {"count", "rate"},
    "gauges": {""},
    "timers": {"count", "count_ps", "lower", "mean", "upper", "upper_50", "upper_90", "upper_99"},
}
WITHOUT_NUMBER = {
    "above records.lag_max", "any of session loss or position", "above 80 % of the limit",
    "below twice journal.headroom", "growing for an hour", "any at error", "above half of control.dead_man",
}  # fmt: skip
"""Alerts that no line of a panel can show."""


class Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part of a dashboard."""


class Source(Part):
    type: Literal["graphite"]
    uid: Literal["${datasource}"]


class Grid(Part):
    h: Annotated[int, msgspec.Meta(gt=0)]
    w: Annotated[int, msgspec.Meta(gt=0, le=24)]
    x: Annotated[int, msgspec.Meta(ge=0, lt=24)]
    y: Annotated[int, msgspec.Meta(ge=0)]


class Target(Part, rename="camel"):
    ref_id: str
    datasource: Source
    target: str


class Step(Part):
    value: float | None
    color: Literal["green", "orange", "red"]


class Thresholds(Part):
    mode: Literal["absolute"]
    steps: Annotated[tuple[Step, ...], msgspec.Meta(min_length=1)]


class Text(Part):
    index: int
    text: str


class Mapping(Part):
    type: Literal["value"]
    options: dict[str, Text]


class Colour(Part):
    mode: Literal["thresholds", "palette-classic"]


class Style(Part):
    mode: Literal["off", "dashed"]


class Drawing(Part, rename="camel"):
    draw_style: Literal["line"]
    line_interpolation: Literal["linear", "stepAfter"]
    line_width: Annotated[int, msgspec.Meta(ge=0, le=10)]
    fill_opacity: Annotated[int, msgspec.Meta(ge=0, le=100)]
    show_points: Literal["auto"]
    span_nulls: bool
    thresholds_style: Style


class Nothing(Part):
    pass


class Defaults(Part, rename="camel", kw_only=True):
    unit: str
    no_value: str = ""
    color: Colour
    custom: dict[str, Any]
    mappings: tuple[Mapping, ...]
    thresholds: Thresholds


class Field(Part):
    defaults: Defaults
    overrides: tuple[Nothing, ...]


class Legend(Part, rename="camel"):
    calcs: tuple[Literal["lastNotNull", "max"], ...]
    display_mode: Literal["table"]
    placement: Literal["bottom"]
    show_legend: bool


class Tooltip(Part):
    mode: Literal["multi"]
    sort: Literal["desc"]


class GraphOptions(Part):
    legend: Legend
    tooltip: Tooltip


class Reduce(Part):
    calcs: tuple[Literal["lastNotNull"], ...]
    fields: Literal[""]
    values: bool


class StatOptions(Part, rename="camel"):
    color_mode: Literal["background"]
    graph_mode: Literal["none"]
    justify_mode: Literal["center"]
    orientation: Literal["auto"]
    percent_change_color_mode: Literal["standard"]
    reduce_options: Reduce
    show_percent_change: bool
    text_mode: Literal["auto"]
    wide_layout: bool


class Panel(Part, rename="camel"):
    id: int
    title: str
    description: str
    datasource: Source
    grid_pos: Grid
    targets: Annotated[tuple[Target, ...], msgspec.Meta(min_length=1)]
    field_config: Field


class Graph(Panel, tag_field="type", tag="timeseries"):
    options: GraphOptions


class Stat(Panel, tag_field="type", tag="stat"):
    options: StatOptions


class Row(Part, rename="camel", tag_field="type", tag="row"):
    id: int
    title: str
    collapsed: Literal[True]
    grid_pos: Grid
    panels: tuple[Graph, ...]


class Variable(Part, rename="camel"):
    type: Literal["datasource", "query"]
    name: str
    label: str
    query: str
    refresh: Literal[2]
    multi: bool
    include_all: bool
    hide: Literal[0]
    regex: str
    options: tuple[Nothing, ...]
    skip_url_sync: bool
    datasource: Source | None = None
    sort: Literal[0, 1, 2] = 0


class Variables(Part):
    list: tuple[Variable, ...]


class MarkTarget(Part, rename="camel"):
    ref_id: str
    target: str
    limit: int
    match_any: bool
    tags: tuple[str, ...]
    type: Literal["tags"]


class Mark(Part, rename="camel"):
    name: str
    datasource: Source
    enable: bool
    hide: bool
    icon_color: str
    target: MarkTarget


class Marks(Part):
    list: tuple[Mark, ...]


class Range(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"begin": "from"}):
    begin: Literal["now-1h"]
    to: Literal["now"]


class Dashboard(Part, rename="camel"):
    uid: Annotated[str, msgspec.Meta(pattern=r"^[a-zA-Z0-9_-]{1,40}$")]
    title: str
    description: str
    tags: tuple[str, ...]
    schema_version: Literal[42]
    version: int
    editable: bool
    graph_tooltip: Literal[0, 1, 2]
    fiscal_year_start_month: Literal[0]
    timezone: Literal["utc"]
    time: Range
    timepicker: Nothing
    refresh: Literal["10s"]
    links: tuple[Nothing, ...]
    annotations: Marks
    templating: Variables
    panels: tuple[Graph | Stat | Row, ...]


@pytest.fixture(scope="module")
def dashboard() -> Dashboard:
    text = (ETC / "grafana" / "dashboards" / "livestack.json").read_bytes()
    return msgspec.json.decode(text, type=Dashboard)


def shown(dashboard: Dashboard) -> Iterator[Graph | Stat]:
    """Every panel, of the rows too."""
    for one in dashboard.panels:
        yield from one.panels if isinstance(one, Row) else (one,)


def metric_of(path: str) -> Metric:
    """The one that a path in a query is of; a failure where the catalogue has no such series."""
    top, tree, name, node, session, *parts = path.split(".")
    assert ("stats", "livestack", "$node", "$session") == (top, name, node, session), path
    ends = {""} if tree == "gauges" else set(parts.pop().strip("{}").split(","))
    assert ends <= ENDS[tree], path
    found = BY_NAME[f"{parts[0]}.{parts[-1]}"]
    assert (TREES[tree], ["*"] * len(found.labels)) == (found.kind, parts[1:-1]), path
    return found


def paths_of(target: str) -> list[str]:
    return re.findall(r"stats\.(?:[^,(){}\"]|\{[^}]*\})+", target)


def test_files_are_up_to_date(tmp_path: Path) -> None:
    """To the byte what ``scripts/dashboards.py`` makes of the catalogue; run it after every change there."""
    script = ROOT / "scripts" / "dashboards.py"
    subprocess.run([sys.executable, script, tmp_path], check=True)
    made = {path.relative_to(tmp_path): path.read_bytes() for path in tmp_path.rglob("*.*") if path.is_file()}
    assert made == {name: (ETC / name).read_bytes() for name in made}
    assert {"graphite", "grafana", "statsd"} == {name.parts[0] for name in made}


def test_its_script_takes_no_option_for_a_directory(tmp_path: Path) -> None:
    """``--help`` tells what it is and writes nothing."""
    script = ROOT / "scripts" / "dashboards.py"
    done = subprocess.run([sys.executable, script, "--help"], cwd=tmp_path, capture_output=True, check=True)
    assert b"usage" in done.stdout
    assert [] == list(tmp_path.iterdir())


def test_every_metric_has_a_panel(dashboard: Dashboard) -> None:
    """In a row of its group, each once."""
    of_rows = [
        metric_of(path).name
        for row in dashboard.panels
        if isinstance(row, Row)
        for panel in row.panels
        for target in panel.targets
        for path in paths_of(target.target)
    ]
    assert [metric.name for metric in METRICS] == sorted(of_rows, key=[one.name for one in METRICS].index)


def test_every_query_names_a_metric(dashboard: Dashboard) -> None:
    """With its type's tree, its labels and something that StatsD makes of it; parentheses are balanced."""
    targets = [target.target for panel in shown(dashboard) for target in panel.targets]
    targets += [mark.target.target for mark in dashboard.annotations.list]
    for target in targets:
        assert [metric_of(path) for path in paths_of(target)]
        assert target.count("(") == target.count(")")
        assert target.count('"') % 2 == 0


def test_series_are_named_by_their_labels(dashboard: Dashboard) -> None:
    """The parts of a path that a query takes for names are those where the catalogue has labels, or StatsD's end."""
    for panel in shown(dashboard):
        target = panel.targets[0].target
        if found := re.search(r"aliasByNode\(.*?((?:, \d+)+)\)$", target):
            (path,) = paths_of(target)
            parts = path.split(".")
            places = [int(one) for one in found[1].split(",") if one.strip()]
            assert all(parts[place] == "*" or place == len(parts) - 1 for place in places), target
            assert parts.count("*") == sum(parts[place] == "*" for place in places), target


def test_kill_switch_and_incidents_are_on_top(dashboard: Dashboard) -> None:
    """First what nobody may overlook."""
    assert ["Kill-switch", "Open incidents"] == [one.title for one in dashboard.panels[:2]]
    assert [0, 0] == [one.grid_pos.y for one in dashboard.panels[:2]]


def test_rows_are_the_groups(dashboard: Dashboard) -> None:
    """In the catalogue's order."""
    rows = [one.title for one in dashboard.panels if isinstance(one, Row)]
    expected = ["Intake", "Core Runtime", "Venues", "Persistence", "Operation", "End to end", "Telemetry"]
    assert expected == rows


def test_node_and_session_are_chosen(dashboard: Dashboard) -> None:
    """From what Graphite has, the newest session first."""
    found = {one.name: (one.type, one.query, one.sort) for one in dashboard.templating.list}
    assert {
        "datasource": ("datasource", "graphite", 0),
        "node": ("query", "stats.gauges.livestack.*", 1),
        "session": ("query", "stats.gauges.livestack.$node.*", 2),
    } == found


def test_thresholds_are_the_alerts(dashboard: Dashboard) -> None:
    """Ascending from the lowest; every alert that can be a number is one, and only alerts are."""
    coloured: dict[str, bool] = {}
    for panel in shown(dashboard):
        steps = panel.field_config.defaults.thresholds.steps
        values = [step.value for step in steps[1:] if step.value is not None]
        assert (None, sorted(values), len(steps) - 1) == (steps[0].value, values, len(values)), panel.title
        metric = metric_of(paths_of(panel.targets[0].target)[0])
        coloured[metric.name] = len(steps) > 1
        assert metric.alert in panel.description
    expected = {one.name for one in METRICS if one.alert and one.alert not in WITHOUT_NUMBER}
    assert expected == {name for name, has_limit in coloured.items() if has_limit}


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("feed.state", [None, 4, 5]), ("feed.lag", [None, 500]), ("journal.commit", [None, 50, 1_000]),
        ("venue.rejects", [None, 6]), ("venue.rate_left", [None, 10]), ("process.cpu", [None, 90]),
        ("venue.clock_offset", [None, -500_000, 500_000]), ("runtime.inbox", [None, 10_000]),
    ],
)  # fmt: skip
def test_numbers_of_alerts(dashboard: Dashboard, name: str, values: list[float | None]) -> None:
    """As the catalogue writes them."""
    (panel,) = (one for one in shown(dashboard) if one.title.split(" ")[0] == name and isinstance(one, Graph) and
                one.grid_pos.y >= 20)  # fmt: skip
    assert values == [step.value for step in panel.field_config.defaults.thresholds.steps]


def test_panels_do_not_overlap(dashboard: Dashboard) -> None:
    """Each has a number and a place of its own."""
    numbers = [one.id for one in (*dashboard.panels, *shown(dashboard))]
    assert len(set(numbers)) == len({id(one) for one in (*dashboard.panels, *shown(dashboard))})
    for group in (dashboard.panels, *(one.panels for one in dashboard.panels if isinstance(one, Row))):
        taken = [
            (x, y)
            for place in (one.grid_pos for one in group)
            for x in range(place.x, place.x + place.w)
            for y in range(place.y, place.y + place.h)
        ]
        assert len(taken) == len(set(taken))


def test_graphs_draw_what_grafana_knows(dashboard: Dashboard) -> None:
    """Options of a graph's lines, which are free in the schema itself."""
    for panel in shown(dashboard):
        custom = panel.field_config.defaults.custom
        if isinstance(panel, Graph):
            msgspec.convert(custom, Drawing)
        else:
            assert {} == custom


def rules(name: str) -> list[dict[str, str]]:
    """Sections of a file of Graphite, in their order."""
    parser = configparser.RawConfigParser()
    parser.read(ETC / "graphite" / name)
    return [dict(parser[section]) for section in parser.sections()]


def method_of(path: str) -> str:
    """As Graphite finds it: the first pattern that is somewhere in the path."""
    return next(
        one["aggregationmethod"]
        for one in rules("storage-aggregation.conf")
        if re.search(one["pattern"], path)
    )


@pytest.mark.parametrize("tags", ["", ";node=n;session=s;venue=v"])
@pytest.mark.parametrize("prefix", ["livestack.n.s", "livestack"])
@pytest.mark.parametrize(
    ("path", "method"),
    [
        ("counters.{}.feed.messages.count", "sum"), ("counters.{}.feed.messages.rate", "avg_zero"),
        ("timers.{}.feed.decode.count", "sum"), ("timers.{}.feed.decode.count_ps", "avg_zero"),
        ("timers.{}.feed.decode.upper", "max"), ("timers.{}.feed.decode.upper_99", "max"),
        ("timers.{}.feed.decode.lower", "min"), ("timers.{}.feed.decode.mean", "average"),
        ("gauges.{}.feed.v.age", "max"), ("gauges.{}.feed.age", "max"), ("gauges.{}.journal.free", "min"),
        ("gauges.{}.venue.v.orders_10s.rate_left", "min"), ("gauges.{}.session.trading", "last"),
        ("gauges.{}.position.v_A.qty", "last"), ("gauges.{}.records.local.lag", "max"),
    ],
)  # fmt: skip
def test_points_become_fewer_by_what_they_are(path: str, method: str, prefix: str, tags: str) -> None:
    """Counts are added, rates averaged with their pauses, peaks kept, states as they were last; plain and tagged."""
    assert method == method_of(f"stats.{path.format(prefix)}{tags}")


def test_one_point_is_enough() -> None:
    """Idle series are not sent: with Graphite's default most of them would be lost."""
    assert {"0"} == {one["xfilesfactor"] for one in rules("storage-aggregation.conf")}


def test_the_first_resolution_is_statsds_interval() -> None:
    """Otherwise Graphite would keep one flush of several, or holes; each resolution is a multiple of the one before."""
    (schema,) = rules("storage-schemas.conf")
    seconds = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
    every, kept = zip(
        *(
            [int(part[:-1]) * seconds[part[-1]] for part in one.split(":")]
            for one in schema["retentions"].split(",")
        ),
        strict=True,
    )
    assert f"STATSD_FLUSH_MS || {every[0] * 1_000})" in (ETC / "statsd" / "config.js").read_text()
    assert all(one % before == 0 for before, one in pairwise(every))
    assert list(kept) == sorted(kept)
    assert re.search(schema["pattern"], f"stats.timers.{TelemetrySettings().prefix}.x.y.mean")


def test_the_size_on_disk_is_told() -> None:
    """In the comment, as Graphite's files are made: 16 bytes, 12 for each resolution, 12 for each point."""
    text = (ETC / "graphite" / "storage-schemas.conf").read_text()
    files, size, total = re.search(r"(\d+) files of ([\d,]+) bytes are (\d+) MB", text).groups()  # type: ignore[union-attr]
    assert size == f"{16 + 12 * 3 + 12 * (8_640 + 10_080 + 2_160):,}"
    assert int(total) == round(int(files) * int(size.replace(",", "")) / 1e6)


def test_statsd_makes_what_the_rules_expect() -> None:
    """Percentiles and figures of timings; series that are idle end."""
    text = (ETC / "statsd" / "config.js").read_text()
    assert "percentThreshold: [50, 90, 99]," in text
    assert "['count', 'count_ps', 'lower', 'mean', 'upper', 'upper_percent']" in text
    assert "deleteIdleStats: true" in text


def test_paths_of_a_series() -> None:
    """A file for each figure that StatsD makes."""
    path = ROOT / "scripts" / "graphite.py"
    series_of = runpy.run_path(str(path))["series_of"]
    expected = {f"stats.timers.p.feed.v.decode.{end}" for end in ENDS["timers"]}
    assert expected == set(series_of(FEED_DECODE, "p", "v"))
