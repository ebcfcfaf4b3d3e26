"""Writes the tables of docs/core.rst from the Core's own: ``python docs/tables.py``. A test holds them to it."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from pathlib import Path

from livestack.core import events
from livestack.core.orders import LIFECYCLE, REPORTS, Effect, ReportEffect
from livestack.core.pending import DOMINANCE, Form
from livestack.core.risk_guide import RULE_GUIDE
from livestack.core.types import OrderStatus, RequestKind

DIRECTORY = Path(__file__).resolve().parent / "generated"
HEAD = ".. Written by docs/tables.py from the tables of livestack.core; not to be edited.\n\n"
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


FILES = {
    "dominance.inc": dominance,
    "events.inc": event_names,
    "lifecycle.inc": lambda: diagram() + "\n" + lifecycle(),
    "reports.inc": reports,
    "rules.inc": rules,
}


def texts() -> dict[str, str]:
    """What each file has to hold."""
    return {name: HEAD + make() for name, make in FILES.items()}


if __name__ == "__main__":
    for name, text in texts().items():
        (DIRECTORY / name).write_text(text, encoding="utf-8")
