"""What scripts/dashboards.py writes for StatsD and Graphite: rules made from the catalogue of metrics, and file names.

StatsD gives Graphite one tree for each kind: ``stats.counters.NAME.count``, ``stats.gauges.NAME``,
``stats.timers.NAME.upper_90``; with tags, ``;venue=sim`` stands behind all of that.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from livestack.telemetry.catalogue import METRICS, Kind, Metric

FLUSH_MS: Final = 10_000
PERCENTILES: Final = (50, 90, 99)

RETENTIONS: Final = (
    (10, "10s", 86_400, "1d"),
    (60, "1m", 7 * 86_400, "7d"),
    (3_600, "1h", 90 * 86_400, "90d"),
)
"""Seconds a point, as written; seconds kept, as written."""

COUNTED: Final = ("rate", "count")
TIMED: Final = ("count", "count_ps", "lower", "mean", "upper", *(f"upper_{one}" for one in PERCENTILES))
"""What StatsD is told to make of a counter and of a timing: a file each."""

EXAMPLE: Final = {
    "category": 5, "code": 3, "command": 5, "generation": 3, "instrument": 2, "kind": 4, "lane": 4, "level": 3,
    "limit": 3, "name": 3, "reason": 2, "rule": 4, "sink": 1, "thread": 12, "venue": 1,
}  # fmt: skip
"""How many values a label has in the session whose size is told."""

WRITTEN: Final = "Written by scripts/dashboards.py from livestack/telemetry/catalogue.py; not to be edited."

SCHEMAS = """\
# {written}
#
# Graphite (carbon) reads it at its start, from the directory of its configuration. Its first resolution must be the
# flushInterval of StatsD. A prefix other than livestack.* ([telemetry] prefix) has to be written here, too.
#
# A session has a tree of its own, so that two of them never run into one line and an old one can be removed:
#   find whisper -path '*/livestack/*' -name '*.wsp' -mtime +90 -delete; find whisper -type d -empty -delete
# On disk, with one venue, two instruments and one sink: {files} files of {bytes:,} bytes are {total} MB a session,
# whatever its length; with WHISPER_SPARSE_CREATE = True in carbon.conf only what was written. With
# prefix = "livestack.{{node}}.all" all sessions of a node share one tree of that size.

[livestack]
pattern = ^stats\\.(counters|gauges|timers)\\.livestack\\.
retentions = {retentions}
"""

AGGREGATION = """\
# {written}
#
# How points become one of a coarser resolution. The first pattern that fits counts. Idle series are not sent, so a
# single point has to be enough (xFilesFactor = 0), and for rates a missing point is a zero.
"""

STATSD = """\
// {written}
//
// statsd etc/statsd/config.js    (npm install -g statsd). The environment may say where Graphite is: GRAPHITE_HOST.
{{
  // Only this machine may send; '0.0.0.0': every one that reaches it.
  address: process.env.STATSD_ADDRESS || '127.0.0.1',
  port: Number(process.env.STATSD_PORT || 8125),
  mgmt_address: '127.0.0.1',
  mgmt_port: Number(process.env.STATSD_MGMT_PORT || 8126),

  backends: ['./backends/graphite'],
  graphiteHost: process.env.GRAPHITE_HOST || '127.0.0.1',
  graphitePort: Number(process.env.GRAPHITE_PORT || 2003),
  // One tree for each kind of metric: stats.counters, stats.gauges, stats.timers. The dashboard looks there.
  graphite: {{legacyNamespace: false, globalPrefix: 'stats'}},

  // The first resolution of etc/graphite/storage-schemas.conf.
  flushInterval: Number(process.env.STATSD_FLUSH_MS || {flush}),
  percentThreshold: [{percentiles}],
  calculatedTimerMetrics: [{timed}],

  // A node that is gone has no values any more; with the last ones repeated it would look alive.
  deleteIdleStats: true,
  gaugesMaxTTL: 2,
}}
"""


def series_of(metric: Metric, prefix: str, *labels: str) -> Iterator[str]:
    """The paths in Graphite of one series; a label may be ``*``."""
    plain = f"{prefix}.{metric.series(labels)}"
    match metric.kind:
        case Kind.COUNTER:
            yield from (f"stats.counters.{plain}.{one}" for one in COUNTED)
        case Kind.GAUGE:
            yield f"stats.gauges.{plain}"
        case Kind.TIMING:
            yield from (f"stats.timers.{plain}.{one}" for one in TIMED)


def pattern_of(metric: Metric) -> str:
    """A regular expression for its series, plain or tagged, behind the prefix."""
    group, _, rest = metric.name.partition(".")
    labels = f"(\\.[^.;]+){{0,{len(metric.labels)}}}" if metric.labels else ""
    return f"{group}{labels}\\.{re.escape(rest)}"


def keeps(metric: Metric) -> str:
    """How points of a gauge become one: as what its alert looks for, so that no peak is lost with the time."""
    if re.match(r"(\w+ )?above", metric.alert):
        return "max"
    if metric.alert.startswith("below"):
        return "min"
    return "last"


def rules() -> list[tuple[str, str, str]]:
    """Name, pattern and method of every rule of aggregation, in their order."""
    out = [
        ("counts", r"^stats\.(counters|timers)\.livestack\..*\.count(;|$)", "sum"),
        (
            "rates",
            r"^stats\.(counters\.livestack\..*\.rate|timers\.livestack\..*\.count_ps)(;|$)",
            "avg_zero",
        ),
        ("largest", r"^stats\.timers\.livestack\..*\.upper(_\d+)?(;|$)", "max"),
        ("smallest", r"^stats\.timers\.livestack\..*\.lower(;|$)", "min"),
        ("means", r"^stats\.timers\.livestack\..*\.mean(;|$)", "average"),
    ]
    for method, name in (("max", "peaks"), ("min", "lows")):
        kept = [pattern_of(one) for one in METRICS if one.kind is Kind.GAUGE and keeps(one) == method]
        out.append((f"gauges_{name}", rf"^stats\.gauges\.livestack\.(.*\.)?({'|'.join(kept)})(;|$)", method))
    return [*out, ("gauges", r"^stats\.gauges\.livestack\.", "last")]


def aggregation() -> str:
    parts = [AGGREGATION.format(written=WRITTEN)]
    parts += [
        f"[livestack_{name}]\npattern = {pattern}\nxFilesFactor = 0\naggregationMethod = {method}\n"
        for name, pattern, method in rules()
    ]
    return "\n".join(parts)


def schemas() -> str:
    files = sum(_files(metric) for metric in METRICS)
    points = sum(kept // every for every, _, kept, _ in RETENTIONS)
    size = 16 + 12 * len(RETENTIONS) + 12 * points
    return SCHEMAS.format(
        written=WRITTEN,
        files=files,
        bytes=size,
        total=round(files * size / 1e6),
        retentions=",".join(f"{every}:{kept}" for _, every, _, kept in RETENTIONS),
    )


def _files(metric: Metric) -> int:
    """Of one metric, in the session of :data:`EXAMPLE`."""
    count = len(list(series_of(metric, "x", *metric.labels)))
    for label in metric.labels:
        count *= EXAMPLE[label]
    return count


def statsd() -> str:
    timed = dict.fromkeys(re.sub(r"_\d+$", "_percent", one) for one in TIMED)
    return STATSD.format(
        written=WRITTEN,
        flush=FLUSH_MS,
        percentiles=", ".join(map(str, PERCENTILES)),
        timed=", ".join(f"'{one}'" for one in timed),
    )
