"""Writes the tables of docs/core.rst from the Core's own, those of docs/records.rst from the schema of the records,
those of docs/telemetry.rst from the catalogue of metrics: ``python docs/tables.py``. A test holds them to it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import Enum
from pathlib import Path

from livestack.core import events
from livestack.core.incidents import INCIDENTS
from livestack.core.orders import LIFECYCLE, REPORTS, Effect, ReportEffect
from livestack.core.pending import DOMINANCE, Form
from livestack.core.risk_guide import RULE_GUIDE
from livestack.core.types import OrderStatus, RequestKind
from livestack.storage.tables import TABLES, Column, Kind
from livestack.telemetry.catalogue import METRICS
from livestack.wire import records_pb2

DIRECTORY = Path(__file__).resolve().parent / "generated"
HEAD = ".. Written by docs/tables.py from the tables of livestack.core; not to be edited.\n\n"
RECORDS_HEAD = ".. Written by docs/tables.py from records.proto; not to be edited.\n\n"
METRICS_HEAD = ".. Written by docs/tables.py from livestack/telemetry/catalogue.py; not to be edited.\n\n"
SCHEMA = DIRECTORY.parent.parent / "protos" / "livestack" / "wire" / "records.proto"
STATUSES = list(OrderStatus)
NAMES: dict[Enum, str] = {
    Effect.STAY: "stays",
    Effect.LATE: "late fill",
    Effect.ILLEGAL: "illegal",
    ReportEffect.CONFIRM: "confirms",
    ReportEffect.CLOSE: "closes",
    ReportEffect.STALE: "ignored",
    ReportEffect.CONTRADICTION: "illegal",
    Form.NONE: "nothing",
}


def name_of(member: Enum) -> str:
    """``PARTIALLY_FILLED`` as ``Partially filled``, effects in words."""
    return NAMES.get(member) or member.name.replace("_", " ").capitalize()


def table(head: list[str], rows: Iterable[list[str]]) -> str:
    """A simple table whose columns are as wide as they have to be."""
    lines = [head, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    rule = "  ".join("=" * width for width in widths)
    text = [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    ]
    return "\n".join([rule, text[0], rule, *text[1:], rule]) + "\n"


def diagram() -> str:
    """From each status, in one line, every status that LIFECYCLE leads to."""
    lines = []
    for status in STATUSES:
        outcomes = [row[status] for row in LIFECYCLE.values()]
        after = [one for one in STATUSES if one in outcomes and one is not status]
        lines.append(f"    {name_of(status):<17} -> {' | '.join(map(name_of, after)) or 'final'}")
    return "::\n\n" + "\n".join(lines) + "\n"


def lifecycle() -> str:
    head = ["What happens", *map(name_of, STATUSES)]
    rows = [
        [name_of(happening), *(name_of(row[one]) for one in STATUSES)] for happening, row in LIFECYCLE.items()
    ]
    return table(head, rows)


def reports() -> str:
    head = ["The venue reports", *map(name_of, STATUSES)]
    rows = [[name_of(told), *(name_of(row[one]) for one in STATUSES)] for told, row in REPORTS.items()]
    return table(head, rows)


def dominance() -> str:
    kinds = [RequestKind.NEW, RequestKind.REPLACE, RequestKind.CANCEL]
    rows = [[name_of(form), *(name_of(row[kind]) for kind in kinds)] for form, row in DOMINANCE.items()]
    return table(["Pending", *(f"and then {name_of(kind)}" for kind in kinds)], rows)


def event_names() -> str:
    """Which Events there are; those that people and venues cause, and those that the Core derives."""
    kinds = {
        "Market": events.MARKET_EVENTS,
        "Execution": events.EXECUTION_EVENTS,
        "Control": events.CONTROL_EVENTS,
        "Derived": events.DERIVED_EVENTS,
    }
    return (
        "\n".join(
            f"{title}\n    {', '.join(f'``{kind.__name__}``' for kind in members)}"
            for title, members in kinds.items()
        )
        + "\n"
    )


def rules() -> str:
    rows = [[name, guide.sentence] for name, guide in RULE_GUIDE.items()]
    return table(["Rule", "Denies"], rows)


KINDS = {
    Kind.INT32: "integer",
    Kind.INT64: "integer",
    Kind.BOOL: "boolean",
    Kind.TEXT: "text",
    Kind.DECIMAL: "decimal",
}


def comments() -> dict[tuple[str, str], str]:
    """By message and field ('': the message itself), what records.proto says above it."""
    found: dict[tuple[str, str], str] = {}
    message, said = "", []
    for line in SCHEMA.read_text(encoding="utf-8").splitlines():
        text = line.strip()
        if text.startswith("//"):
            said.append(text.removeprefix("//").strip())
            continue
        opened, field = re.match(r"message (\w+) {", text), re.match(r"(?:optional )?\w+ (\w+) = \d+", text)
        if opened:
            message = opened[1]
        if said and (opened or (field and message)):
            found[message, "" if opened else field[1]] = " ".join(said)
        said = []
    return found


def records() -> str:
    """Every table with its columns; those that all have come first."""
    said = comments()
    trace = next(iter(TABLES.values())).columns
    shared = [column for column in trace if column.of_trace]
    parts = [_columns(said, records_pb2.Trace.DESCRIPTOR.name, shared)]
    for name, one in TABLES.items():
        message = one.message.DESCRIPTOR.name
        own = [column for column in one.columns if not column.of_trace]
        parts.append(f"``{name}``: {said[message, ''][0].lower()}{said[message, ''][1:]}\n")
        parts.append(_columns(said, message, own))
    return "\n".join(parts)


def _columns(said: dict[tuple[str, str], str], message: str, columns: Iterable[Column]) -> str:
    rows = [
        [
            f"``{column.name}``",
            KINDS[column.kind] + (", or null" if column.optional else ""),
            said.get((message, column.name), "").replace("|", r"\|"),
        ]
        for column in columns
    ]
    return table(["Column", "Holds", "What"], rows)


def incidents() -> str:
    """All of them at a glance, and what an operator does about each."""
    rows = [[f":ref:`{one.name} <incident-{one.name}>`", one.grade, one.scope] for one in INCIDENTS]
    parts = [table(["Incident", "Grade", "Scope"], rows)]
    for one in INCIDENTS:
        parts.append(f".. _incident-{one.name}:\n\n``{one.name}`` ({one.grade})\n    {one.meaning}\n")
        parts.append(f"    Look at: {one.look_at}\n\n    Over: {one.over}\n")
    return "\n".join(parts)


def metrics() -> str:
    """Every metric of the catalogue; a table for each first part of a name."""
    groups: dict[str, list[list[str]]] = {}
    for one in METRICS:
        row = [
            f"``{one.name}``",
            one.kind.value,
            one.unit,
            ", ".join(one.labels),
            one.source,
            one.meaning,
            one.alert,
        ]
        groups.setdefault(one.name.partition(".")[0], []).append([cell or "-" for cell in row])
    head = ["Metric", "Type", "Unit", "Labels", "From", "What", "Alert"]
    return "\n".join(table(head, rows) for rows in groups.values())


FILES = {
    "dominance.inc": dominance,
    "events.inc": event_names,
    "incidents.inc": incidents,
    "lifecycle.inc": lambda: diagram() + "\n" + lifecycle(),
    "metrics.inc": metrics,
    "records.inc": records,
    "reports.inc": reports,
    "rules.inc": rules,
}


def texts() -> dict[str, str]:
    """What each file has to hold."""
    heads = {"records.inc": RECORDS_HEAD, "metrics.inc": METRICS_HEAD}
    return {name: heads.get(name, HEAD) + make() for name, make in FILES.items()}


if __name__ == "__main__":
    for name, text in texts().items():
        (DIRECTORY / name).write_text(text, encoding="utf-8")
