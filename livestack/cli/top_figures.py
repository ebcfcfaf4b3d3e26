"""The panels of ``livestack top`` about the machinery: rates, latency, risk, journal and process, sinks.

Pure, as those about trading. Figures come from the node's metrics; without telemetry the panels say so.
"""

from __future__ import annotations

from collections.abc import Iterator

from livestack.cli.showing import number
from livestack.cli.top_lines import Block, Cell, Column, Line, block_of, fitted, spark, table, wrapped
from livestack.cli.top_picture import MINUTE, Picture
from livestack.cli.top_words import duration, instrument, old, seconds, state
from livestack.telemetry import catalogue
from livestack.wire import control_pb2 as wire

SPARK_LEAST = 8
"""Cells; a plot that is smaller says nothing."""

FIGURE = 11
"""Cells of a latency, with the gap."""

TIMINGS = (
    (catalogue.ORDER_TICK, "tick-to-order"),
    (catalogue.ORDER_ACK, "order ack"),
    (catalogue.RUNTIME_STEP, "step"),
    (catalogue.RUNTIME_STRATEGY, "strategy"),
    (catalogue.JOURNAL_COMMIT, "commit"),
    (catalogue.FEED_LAG, "feed lag"),
    (catalogue.FEED_DECODE, "decode"),
    (catalogue.PROCESS_SWITCH, "switch"),
)
UNITS = ((1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"))


def rates(picture: Picture, now_s: float, width: int) -> Block:
    """A second, now and in the last minute."""
    rows = [
        [name, "-" if rate is None else _rate(rate), series]
        for name, rate, series in _rates(picture)
    ]  # fmt: skip
    names = max(len(name) for name, _, _ in rows)
    cells = min(max(width - names - 14, 0), MINUTE)
    shown: list[list[Cell]] = [
        [name, value, (spark(picture.minute(series), cells), "plot") if cells >= SPARK_LEAST else ""]
        for name, value, series in rows
    ]
    return table(
        "Rates", (Column("", cut=1), Column("a second", ">"), Column("last minute", rank=1)), shown, width
    )


def _rates(picture: Picture) -> Iterator[tuple[str, float | None, str]]:
    yield "Events", picture.counted_per_second("events"), "events"
    for one in picture.series(catalogue.RUNTIME_EVENTS.name):
        yield f"  {one.labels[0] if one.labels else ''}", one.per_second, one.name
    for one in picture.series(catalogue.FEED_MESSAGES.name):
        yield f"messages {one.labels[0] if one.labels else ''}", one.per_second, one.name
    yield "sent", picture.counted_per_second("dispatches"), "dispatches"
    yield "fills", picture.counted_per_second("fills"), "fills"
    yield "denied", picture.counted_per_second("denied"), "denied"


def _rate(rate: float) -> str:
    return f"{rate:,.0f}" if rate >= 100 else f"{rate:,.1f}"


def latency(picture: Picture, now_s: float, width: int) -> Block:
    """Percentiles over the last seconds; the plot is p99."""
    if not picture.metrics:
        return _no_metrics(picture, "Latency", width)
    rows = []
    for metric, name in TIMINGS:
        found = picture.series(metric.name)
        for one in found:
            label = f" {one.labels[0]}" if one.labels and len(found) > 1 else ""
            rows.append((name + label, one))
    room = width - max((len(name) for name, _ in rows), default=0) - len("  ")
    cells = min(
        max(room - 4 * FIGURE, room - 3 * FIGURE if room < 4 * FIGURE + 2 * SPARK_LEAST else 0, 0), MINUTE
    )
    shown: list[list[Cell]] = [[name, *_timing(picture, one, cells)] for name, one in rows]
    columns = (
        Column("", cut=1), Column("p50", ">"), Column("p90", ">", 3), Column("p99", ">"), Column("max", ">", 2),
        Column("p99, minute", rank=1),
    )  # fmt: skip
    return table("Latency", columns, shown, width, "last seconds")


def _timing(picture: Picture, one: wire.Metric, cells: int) -> list[Cell]:
    plot = spark(picture.minute(f"{one.name}/p99"), cells) if cells >= SPARK_LEAST else ""
    values = [duration(value) if one.per_second else "-" for value in (one.p50, one.p90, one.p99, one.most)]
    return [*values, (plot, "plot")]


def denials(picture: Picture, now_s: float, width: int) -> Block:
    """Rules that have denied, the busiest first."""
    return _risk(picture, now_s, width, "Denied by risk", only_denying=True)


def risk(picture: Picture, now_s: float, width: int) -> Block:
    """All limits in force."""
    return _risk(picture, now_s, width, "Risk limits", only_denying=False)


def _risk(picture: Picture, now_s: float, width: int, title: str, *, only_denying: bool) -> Block:
    if picture.risk is None:
        return Block(title, "not answered yet")
    columns = (
        Column("rule", cut=1), Column("for", rank=2, cut=2), Column("limit", ">", 1, 3), Column("denied", ">"),
        Column("first denial", rank=3, cut=4),
    )  # fmt: skip
    found = sorted(picture.risk.limits, key=lambda one: -one.denied)
    rows: list[list[Cell]] = [
        [
            one.rule,
            instrument(picture, one.scope) or "all",
            number(one.limit) if one.limit else "-",
            (f"{one.denied:,}", "warn") if one.denied else "0",
            one.last_detail,
        ]
        for one in found
        if one.denied or not only_denying
    ]
    if only_denying:
        rows = _once(rows)
    return table(title, columns, rows, width, old(picture, now_s, "risk").removeprefix(", "))


def _once(rows: list[list[Cell]]) -> list[list[Cell]]:
    """A rule's count is of all its limits."""
    seen: dict[Cell, list[Cell]] = {}
    for row in rows:
        seen.setdefault(row[0], row)
    return list(seen.values())


def system(picture: Picture, now_s: float, width: int) -> Block:
    """Journal, inbox and process."""
    if not picture.metrics:
        return _no_metrics(picture, "Journal and process", width)
    rows = [(name, value) for name, value in _system(picture) if value]
    columns = 2 if width >= 56 else 1
    height = (len(rows) + columns - 1) // columns
    lines: list[Line] = []
    for place in range(height):
        line: Line = ()
        for name, value in rows[place::height]:
            line = (*line, (f"{name:<14}", "dim"), (f"{value:<{max(width // columns - 14, 0)}}", ""))
        lines.append(fitted(line, width))
    return block_of("Journal and process", lines)


def _system(picture: Picture) -> Iterator[tuple[str, str]]:
    cpu = picture.per_second(catalogue.PROCESS_CPU.name)
    commits = picture.per_second(catalogue.JOURNAL_COMMIT.name)
    yield "uncommitted", _count(picture.value(catalogue.RUNTIME_UNCOMMITTED.name), "Events")
    yield "journal free", _size(picture.value(catalogue.JOURNAL_FREE.name))
    yield "commits", "" if commits is None else f"{_rate(commits)} a second"
    yield "written", _per_second(picture.per_second(catalogue.JOURNAL_BYTES.name))
    yield "inbox", _count(picture.value(catalogue.RUNTIME_INBOX.name), "Events")
    yield "queued", _count(picture.value(catalogue.RUNTIME_QUEUED.name), "Intents")
    yield "cpu", "" if cpu is None else f"{cpu / 10:.0f} % of a core"
    yield "memory", _size(picture.value(catalogue.PROCESS_RSS.name))
    yield "threads", _count(picture.value(catalogue.PROCESS_THREADS.name))
    yield "files", _count(picture.value(catalogue.PROCESS_FILES.name))
    yield "gc pause", _most(picture.series(catalogue.PROCESS_GC_PAUSE.name))
    yield "lines lost", _if_any(picture.value(catalogue.LOG_LOST.name))
    yield "metrics lost", _if_any(picture.value(catalogue.TELEMETRY_LOST.name))


def _count(value: int | None, unit: str = "") -> str:
    return "" if value is None else f"{value:,} {unit}".rstrip()


def _if_any(value: int | None) -> str:
    return f"! {value:,}" if value else ""


def _most(series: list[wire.Metric]) -> str:
    most = max((one.most for one in series), default=0)
    return f"max {duration(most)}" if most else ""


def _size(value: int | None) -> str:
    if value is None:
        return ""
    for unit, name in UNITS:
        if value >= unit:
            return f"{value / unit:,.1f} {name}"
    return f"{value} B"


def _per_second(value: float | None) -> str:
    return "" if value is None else f"{_size(int(value))}/s"


def sinks(picture: Picture, now_s: float, width: int) -> Block:
    """Places of execution records."""
    columns = (
        Column("sink", cut=1), Column("state"), Column("behind", ">", 1), Column("lag", ">"),
        Column("lost", ">", 2), Column("error", rank=3, cut=3),
    )  # fmt: skip
    rows: list[list[Cell]] = [
        [
            one.name,
            state(one.state),
            f"{one.behind:,}",
            seconds(one.lag_ms),
            (f"!! {one.dead_letters:,}", "bad") if one.dead_letters else "0",
            one.error,
        ]
        for one in picture.status.sinks
    ]
    return table("Sinks of records", columns, rows, width)


def balances(picture: Picture, now_s: float, width: int) -> Block:
    """What the venues say that is there."""
    columns = (Column("venue", cut=1), Column("asset"), Column("free", "."), Column("locked", "."))
    rows: list[list[Cell]] = [
        [venue.venue, one.asset, number(one.free), number(one.locked)]
        for venue in picture.status.venues
        for one in venue.balances
    ]
    return table("Balances", columns, rows, width)


def _no_metrics(picture: Picture, title: str, width: int) -> Block:
    text = f"no figures: {picture.metrics_trouble or 'none yet'}"
    return block_of(title, [fitted(((part, "dim"),), width) for part in wrapped(text, width)])
