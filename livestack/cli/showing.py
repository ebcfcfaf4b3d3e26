"""What a node answered, as plain values for tools and as tables for people. Reads messages and nothing else."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import click
import msgspec
from google.protobuf.message import Message
from rich.console import Console
from rich.table import Table
from rich.text import Text

from livestack.cli.outcome import short

PIPE_WIDTH = 80  # characters; fits a terminal, a mail and a page of the documents

COLOURS = {
    "live": "green",
    "active": "green",
    "running": "green",
    "trading": "green",
    "reducing": "yellow",
    "degraded": "yellow",
    "synchronising": "yellow",
    "connecting": "yellow",
    "warning": "yellow",
    "cancel_only": "yellow",
    "starting": "yellow",
    "stopping": "yellow",
    "standby": "yellow",
    "halted": "red",
    "disconnected": "red",
    "failing": "red",
    "critical": "red",
    "halting": "red",
}
"""Words of a node that people should see from afar."""


def plain(message: Message) -> dict[str, Any]:
    """Every field by its name. ``*_at_ns`` becomes ``*_at``, RFC 3339 or null; ``ts_ns`` becomes ``ts`` and ``at``."""
    content: dict[str, Any] = {}
    for field in message.DESCRIPTOR.fields:
        value = getattr(message, field.name)
        if field.name == "ts_ns":
            content |= {"ts": value, "at": utc(value)}
        elif field.name.endswith("_at_ns"):
            content[field.name.removesuffix("_ns")] = utc(value)
        elif field.is_repeated:
            content[field.name] = [_value(one) for one in value]
        else:
            content[field.name] = _value(value)
    return content


def _value(value: Any) -> Any:
    return plain(value) if isinstance(value, Message) else value


def utc(wall_ns: int) -> str | None:
    """RFC 3339 with all nine digits: two moments of a proof must not look the same. None for 0."""
    if not wall_ns:
        return None
    seconds, rest = divmod(wall_ns, 1_000_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"


def time_of_day(wall_ns: int) -> str:
    """``14:03:27.250``; ``-`` for 0."""
    text = utc(wall_ns)
    return "-" if text is None else text[11:23]


def echo_json(content: object) -> None:
    """One line of JSON on stdout, now."""
    click.echo(msgspec.json.encode(content))


class NodeConsole(Console):
    """As wide as the terminal, 80 columns in a pipe; a reader who has seen enough is the command line's to end."""

    def __init__(self) -> None:
        super().__init__(width=None if sys.stdout.isatty() else PIPE_WIDTH, highlight=False)

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


def show_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """``columns`` that begin with ``>`` hold numbers. A table without rows is a line that says so."""
    table = Table(title=title, title_justify="left", box=None, padding=(0, 1), pad_edge=False)
    for name in columns:
        right = name.startswith(">")
        table.add_column(name.removeprefix(">"), justify="right" if right else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell, style=COLOURS.get(cell, "")) for cell in row))
    if not table.row_count:
        NodeConsole().print(Text(f"{title}: none"))
        return
    NodeConsole().print(table)


def age(milliseconds: int) -> str:
    """``250 ms``, ``12.3 s``, ``5 min``; ``-`` for what never was."""
    if milliseconds < 0:
        return "-"
    if milliseconds < 1_000:
        return f"{milliseconds} ms"
    if milliseconds < 60_000:
        return f"{milliseconds // 1_000}.{milliseconds // 100 % 10} s"
    return f"{milliseconds // 60_000:,} min"


def number(text: str) -> str:
    """A decimal for the eye; ``-`` where there is none."""
    return short(text) if text else "-"
