"""What scripts/dashboards.py writes for Grafana: a dashboard in the classic model, one panel for every metric.

Colours change where the catalogue's alert says so, as far as that is a number; the alert's words stand in every panel's
description.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import count
from typing import Any, Final

from graphite import PERCENTILES

from livestack.telemetry import catalogue
from livestack.telemetry.catalogue import METRICS, Kind, Metric

SCHEMA_VERSION: Final = 42
"""Of Grafana 12.2 and newer; older ones since 10 take it too."""

ROWS: Final = {
    "Intake": ("feed",),
    "Core Runtime": ("runtime",),
    "Venues": ("venue",),
    "Persistence": ("journal", "records"),
    "Operation": ("session", "position", "incident", "control", "process", "thread", "log"),
    "End to end": ("order",),
    "Telemetry": ("telemetry",),
}

FIRST: Final = (
    catalogue.SESSION_KILLED, catalogue.INCIDENTS_OPEN, catalogue.SESSION_TRADING, catalogue.SESSION_PHASE,
    catalogue.SESSION_STRATEGY, catalogue.FEED_STATE, catalogue.VENUE_STATE, catalogue.VENUE_UNKNOWN,
)  # fmt: skip
"""As they are now, on top, above everything."""

GLANCE: Final = (
    catalogue.INCIDENTS_OPENED, catalogue.ORDER_TICK, catalogue.ORDER_ACK,
    catalogue.RUNTIME_EVENTS, catalogue.FEED_LAG, catalogue.POSITION_REALISED,
)  # fmt: skip
"""Over time, below these; the rows with all metrics are closed until somebody opens them."""

UNITS: Final = {"ms": "ms", "us": "µs", "bytes": "decbytes", "percent": "percent"}
RATE_UNITS: Final = {"bytes": "Bps"}
CPU: Final = ("process.cpu", "thread.cpu")
"""Milliseconds of a processor in a second are shown as a share of one."""

GREEN, ORANGE, RED = "green", "orange", "red"
WIDTH: Final = 24
SOURCE: Final = {"type": "graphite", "uid": "${datasource}"}
NAMES_FROM: Final = 5
"""Parts of a path in front of a series: stats, its kind, livestack, the node, the session."""

Json = dict[str, Any]


NUMBER: Final = r"(\d+(?: \d{3})*)"
LIMITS: Final = (
    (rf"(?:\w+ )?above {NUMBER}\b(?! %)", lambda limit: [(None, GREEN), (limit or 1, RED)]),
    (rf"above {NUMBER} % of one core", lambda limit: [(None, GREEN), (limit, RED)]),
    (rf"below {NUMBER}$", lambda limit: [(None, RED), (limit, GREEN)]),
    (rf"beyond {NUMBER} either way", lambda limit: [(None, RED), (-limit, GREEN), (limit, RED)]),
    (rf"other than {NUMBER} for", lambda good: [(None, RED), (good, GREEN), (good + 1, RED)]),
    (rf"more than {NUMBER} in a minute", lambda most: [(None, GREEN), (most + 1, RED)]),
    (r"none for ", lambda: [(None, RED), (0.001, GREEN)]),
    (r"any(?:$|:| in )", lambda: [(None, GREEN), (1, RED)]),
    (r"0$", lambda: [(None, RED), (1, GREEN)]),
    (rf"{NUMBER} (?:for|without) ", lambda bad: [(None, GREEN), (bad, RED)]),
)
"""How an alert begins, and the colours from each value on, ascending; None: from the lowest."""

TIMES: Final = re.compile(rf"above {NUMBER} (ms|s)\b")


def steps_of(metric: Metric) -> list[tuple[float | None, str]]:
    """Colours by value; only one where there is no number to watch. Of two limits the lower one only warns."""
    if metric.kind is Kind.TIMING:
        limits = sorted(
            number(one) * (1_000 if unit == "s" else 1) for one, unit in TIMES.findall(metric.alert)
        )
        return (
            [(None, GREEN), *zip(limits, (ORANGE, RED)[-len(limits) :], strict=False)]
            if limits
            else [(None, GREEN)]
        )
    for pattern, steps in LIMITS:
        if found := re.match(pattern, metric.alert):
            return steps(*map(number, found.groups()))
    return [(None, GREEN)]


def number(text: str) -> int:
    return int(text.replace(" ", ""))


def is_by_minute(metric: Metric) -> bool:
    """Counters of what is rare are shown as so many a minute: so do their alerts count."""
    return metric.kind is Kind.COUNTER and ("in a minute" in metric.alert or metric.alert.startswith("any"))


def states_of(metric: Metric) -> dict[str, str]:
    """What the values of a state mean: the catalogue says ``1 active, 2 reducing``."""
    meaning = catalogue.FEED_STATE.meaning if "as feed.state" in metric.meaning else metric.meaning
    return dict(re.findall(r"(\d+) ([a-z]+)", meaning)) if metric.unit == "state" else {}


def path_of(metric: Metric, end: str = "") -> str:
    tree = {Kind.COUNTER: "counters", Kind.GAUGE: "gauges", Kind.TIMING: "timers"}[metric.kind]
    series = metric.series(("*",) * len(metric.labels))
    return f"stats.{tree}.livestack.$node.$session.{series}{end}"


def target_of(metric: Metric) -> str:
    """The query of a panel: one line for each series, named by its labels and, of timings, by what it is."""
    labels = [NAMES_FROM + 1 + place for place in range(len(metric.labels))]
    match metric.kind:
        case Kind.GAUGE:
            query = path_of(metric)
        case Kind.TIMING:
            each = ",".join(f"upper_{one}" for one in PERCENTILES)
            query = path_of(metric, f".{{{each},upper}}")
            labels.append(query.count("."))
        case Kind.COUNTER if is_by_minute(metric):
            query = f'summarize({path_of(metric, ".count")}, "1min", "sum")'
        case Kind.COUNTER:
            query = path_of(metric, ".rate")
            query = f"scale({query}, 0.1)" if metric.name in CPU else query
    if not labels:
        return f'alias({query}, "{metric.name}")'
    return f"aliasByNode({query}, {', '.join(map(str, labels))})"


def unit_of(metric: Metric) -> str:
    if metric.name in CPU:
        return "percent"
    if metric.kind is not Kind.COUNTER:
        return UNITS.get(metric.unit, "short")
    if is_by_minute(metric):
        return f"suffix: {metric.unit}/min"
    return RATE_UNITS.get(metric.unit, f"suffix: {metric.unit}/s")


def title_of(metric: Metric) -> str:
    return f"{metric.name} by {', '.join(metric.labels)}" if metric.labels else metric.name


def description_of(metric: Metric) -> str:
    alert = f" Alert: {metric.alert}." if metric.alert else ""
    return f"{metric.meaning}. {metric.unit}; from: {metric.source}.{alert}"


def mappings_of(metric: Metric) -> list[Json]:
    named = states_of(metric)
    if metric is catalogue.SESSION_KILLED:
        named = {"0": "not engaged"}
    if metric is catalogue.SESSION_STRATEGY:
        named = {"0": "disabled", "1": "enabled"}
    options = {value: {"index": index, "text": text} for index, (value, text) in enumerate(named.items())}
    return [{"type": "value", "options": options}] if options else []


def field_of(metric: Metric, custom: Json) -> Json:
    steps = steps_of(metric)
    return {
        "defaults": {
            "unit": unit_of(metric),
            "color": {"mode": "palette-classic" if custom else "thresholds"},
            "custom": custom,
            "mappings": mappings_of(metric),
            "thresholds": {
                "mode": "absolute",
                "steps": [{"value": value, "color": colour} for value, colour in steps],
            },
        },
        "overrides": [],
    }


def panel(
    kind: str, metric: Metric, title: str, target: str, place: Json, custom: Json, options: Json
) -> Json:
    return {
        "type": kind,
        "title": title,
        "description": description_of(metric),
        "datasource": SOURCE,
        "gridPos": place,
        "targets": [{"refId": "A", "datasource": SOURCE, "target": target}],
        "fieldConfig": field_of(metric, custom),
        "options": options,
    }


def stat(metric: Metric, place: Json) -> Json:
    """How it is now: the worst of all series where they are counted, each of them where they are states."""
    target = target_of(metric)
    if metric is catalogue.INCIDENTS_OPEN:
        target = f'alias(sumSeries({path_of(metric)}), "open")'
    titles = {catalogue.SESSION_KILLED.name: "Kill-switch", catalogue.INCIDENTS_OPEN.name: "Open incidents"}
    options = {
        "colorMode": "background",
        "graphMode": "none",
        "justifyMode": "center",
        "orientation": "auto",
        "percentChangeColorMode": "standard",
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "showPercentChange": False,
        "textMode": "auto",
        "wideLayout": True,
    }
    made = panel("stat", metric, titles.get(metric.name, metric.name), target, place, {}, options)
    if metric is catalogue.INCIDENTS_OPEN:  # has no series before the first one
        made["fieldConfig"]["defaults"]["noValue"] = "none"
    return made


def over_time(metric: Metric, place: Json) -> Json:
    is_state = metric.unit in ("state", "0 or 1", "version", "scopes")
    custom = {
        "drawStyle": "line",
        "lineInterpolation": "stepAfter" if is_state else "linear",
        "lineWidth": 1,
        "fillOpacity": 0,
        "showPoints": "auto",
        "spanNulls": False,
        "thresholdsStyle": {"mode": "dashed" if len(steps_of(metric)) > 1 else "off"},
    }
    options = {
        "legend": {
            "calcs": ["lastNotNull", "max"],
            "displayMode": "table",
            "placement": "bottom",
            "showLegend": True,
        },
        "tooltip": {"mode": "multi", "sort": "desc"},
    }
    return panel("timeseries", metric, title_of(metric), target_of(metric), place, custom, options)


def placed(metrics: Iterable[Metric], top: int, across: int, height: int) -> Iterator[tuple[Metric, Json]]:
    width = WIDTH // across
    for index, metric in enumerate(metrics):
        row, column = divmod(index, across)
        yield metric, {"h": height, "w": width, "x": column * width, "y": top + row * height}


def panels() -> list[Json]:
    out = [stat(*one) for one in placed(FIRST, 0, len(FIRST), 4)]
    out += [over_time(*one) for one in placed(GLANCE, 4, 3, 8)]
    top = 4 + 8 * 2
    for title, groups in ROWS.items():
        members = [metric for metric in METRICS if metric.name.partition(".")[0] in groups]
        inside = [over_time(*one) for one in placed(members, top + 1, 3, 8)]
        place = {"h": 1, "w": WIDTH, "x": 0, "y": top}
        out.append({"type": "row", "title": title, "collapsed": True, "gridPos": place, "panels": inside})
        top += 1
    numbers = count(1)
    for one in out:
        one["id"] = next(numbers)
        for within in one.get("panels", ()):
            within["id"] = next(numbers)
    return out


def listed(kind: str, name: str, label: str, query: str) -> Json:
    """A variable whose values are looked up whenever the time range changes."""
    return {
        "type": kind,
        "name": name,
        "label": label,
        "query": query,
        "refresh": 2,
        "multi": False,
        "includeAll": False,
        "hide": 0,
        "regex": "",
        "options": [],
        "skipUrlSync": False,
    }


def variables() -> list[Json]:
    """Sessions begin with their time: the last one in the alphabet is the newest, and comes first."""
    anywhere = "stats.gauges.livestack"
    return [
        listed("datasource", "datasource", "Graphite", "graphite"),
        listed("query", "node", "Node", f"{anywhere}.*") | {"datasource": SOURCE, "sort": 1},
        listed("query", "session", "Session", f"{anywhere}.$node.*") | {"datasource": SOURCE, "sort": 2},
    ]


def annotations() -> list[Json]:
    """A mark where an incident opened."""
    opened = path_of(catalogue.INCIDENTS_OPENED, ".count")
    target = {"refId": "Anno", "target": f"aliasByNode({opened}, {NAMES_FROM + 1})"}
    target |= {"limit": 100, "matchAny": False, "tags": [], "type": "tags"}
    return [
        {
            "name": "Incidents",
            "datasource": SOURCE,
            "enable": True,
            "hide": False,
            "iconColor": RED,
            "target": target,
        }
    ]


def dashboard() -> Json:
    known = {group for groups in ROWS.values() for group in groups}
    if lost := {metric.name for metric in METRICS if metric.name.partition(".")[0] not in known}:
        raise ValueError(f"no row of the dashboard takes {', '.join(sorted(lost))}: scripts/grafana.py, ROWS")
    return {
        "uid": "livestack",
        "title": "livestack",
        "description": "One session of one node. Made from the catalogue of metrics: livestack metrics list.",
        "tags": ["livestack"],
        "schemaVersion": SCHEMA_VERSION,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "fiscalYearStartMonth": 0,
        "timezone": "utc",
        "time": {"from": "now-1h", "to": "now"},
        "timepicker": {},
        "refresh": "10s",
        "links": [],
        "annotations": {"list": annotations()},
        "templating": {"list": variables()},
        "panels": panels(),
    }
