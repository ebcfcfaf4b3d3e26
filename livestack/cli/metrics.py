"""``livestack metrics``: what a running node measures; ``livestack metrics list``: what each node can."""

from __future__ import annotations

from collections.abc import Iterable

import click

from livestack.cli.node import Target, no_options_before, on_node
from livestack.cli.showing import age, echo_json, plain, show_table, terminal_width
from livestack.core.types import format_decimal
from livestack.telemetry.catalogue import METRICS, Kind, Metric
from livestack.wire import control_pb2 as wire

WIDE = 150
"""Characters from which on every part of the catalogue has a column of its own."""

TIMING = Kind.TIMING.value


@click.group(invoke_without_command=True)
@on_node
def metrics(target: Target) -> None:
    """Show what the running node measures.

    So far in the session, a second over the last seconds, and of times how long half, 90 % and 99 % of them took at
    most. For tools these are integers: times in nanoseconds, other values in units of 10 to the power of -decimals.
    """
    context = click.get_current_context()
    if context.invoked_subcommand:
        no_options_before(context)
        return
    with target.connect() as node:
        found = node.metrics()
    if target.as_json:
        echo_json([plain(one) for one in found.metrics])
        return
    show_metrics(found)


def show_metrics(found: wire.Metrics) -> None:
    """Counters and gauges as one table, timings as another."""
    ordered = sorted(found.metrics, key=lambda one: one.name)
    numbers = [one for one in ordered if one.type != TIMING]
    timings = [one for one in ordered if one.type == TIMING]
    if numbers or not timings:
        show_table(
            f"Metrics, {age(found.age_ms)} ago",
            ("!metric", ">value", "!unit", "?>a second"),
            [(one.name, _value(one), one.unit, _per_second(one)) for one in numbers],
        )
    if timings:
        show_table(
            f"Times and sizes of the last seconds, {age(found.age_ms)} ago",
            ("!metric", "?>a second", ">p50", ">p90", ">p99", ">max", "?!unit"),
            [_timing(one) for one in timings],
        )


def _value(one: wire.Metric) -> str:
    """Exact, without zeros at the end; times to the microsecond."""
    whole, point, rest = format_decimal(one.value, one.decimals).partition(".")
    rest = (rest[:3] if one.unit == "ms" else rest).rstrip("0")
    sign = "-" if whole.startswith("-") else ""
    return f"{sign}{int(whole.lstrip('-')):,}{point if rest else ''}{rest}"


def _per_second(one: wire.Metric) -> str:
    return "" if one.type == Kind.GAUGE.value else f"{one.per_second:,.1f}"


def _timing(one: wire.Metric) -> tuple[str, ...]:
    """Dashes where none came in the last seconds."""
    if not one.per_second and not one.most:
        return (one.name, _per_second(one), "-", "-", "-", "-", one.unit)
    values = (one.p50, one.p90, one.p99, one.most)
    shown = [f"{value / 1e6:,.3f}" if one.unit == "ms" else f"{value:,}" for value in values]
    return (one.name, _per_second(one), *shown, one.unit)


@metrics.command("list")
@click.option("--json", "as_json", is_flag=True, help="For tools.")
def list_(as_json: bool) -> None:
    """List every metric that a node can have: type, unit, labels, what it tells, and when to be alarmed.

    Labels stand behind the first part of the name: feed.messages of the venue sim is feed.sim.messages.
    """
    if as_json:
        echo_json([_plain(one) for one in METRICS])
        return
    show_catalogue(METRICS)


def show_catalogue(shown: Iterable[Metric]) -> None:
    """A row for each; on a narrow terminal type, unit and labels stand in front of the meaning."""
    width = terminal_width()
    if width is None or width >= WIDE:
        columns: tuple[str, ...] = ("!metric", "!type", "!unit", "by", "what", "alert")
        rows = [
            (one.name, one.kind.value, one.unit, ", ".join(one.labels), one.meaning, one.alert)
            for one in shown
        ]
        show_table("Metrics", columns, rows)
        return
    narrow = [(one.name, _in_words(one)) for one in shown]
    show_table("Metrics", ("!metric", "what"), narrow)


def _in_words(one: Metric) -> str:
    by = f" by {', '.join(one.labels)}" if one.labels else ""
    alert = f"\nalert: {one.alert}" if one.alert else ""
    return f"{one.kind.value}, {one.unit}{by}\n{one.meaning}{alert}"


def _plain(one: Metric) -> dict[str, object]:
    return {
        "name": one.name,
        "type": one.kind.value,
        "unit": one.unit,
        "labels": list(one.labels),
        "source": one.source,
        "meaning": one.meaning,
        "alert": one.alert,
    }
