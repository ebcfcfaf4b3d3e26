"""What a node answered, as plain values for tools and as tables for people. Reads messages and nothing else."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import click
import msgspec
from google.protobuf.message import Message
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from livestack.cli.outcome import short
from livestack.wire import control_pb2 as wire

PIPE_WIDTH = 80  # characters; of text that is made to be read, in a pipe too

UNFOLDED = 10_000
"""Characters; wider than anything that is shown."""

MARKS = ">!?"

COLOURS = {
    "live": "green",
    "active": "green",
    "running": "green",
    "trading": "green",
    "ok": "green",
    "behind": "yellow",
    "down": "red",
    "refused": "red",
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
    "venue-halting": "red",
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


def moment(wall_ns: int) -> str:
    """``2026-11-21 15:57:09.690 UTC``, for people; empty for 0."""
    text = utc(wall_ns)
    return "" if text is None else f"{text[:10]} {text[11:23]} UTC"


def time_of_day(wall_ns: int) -> str:
    """``14:03:27.250``; ``-`` for 0."""
    text = utc(wall_ns)
    return "-" if text is None else text[11:23]


def echo_json(content: object) -> None:
    """One line of JSON on stdout, now."""
    click.echo(msgspec.json.encode(content))


def terminal_width() -> int | None:
    """Characters; None where stdout is no terminal: what another program reads is folded nowhere."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


class NodeConsole(Console):
    """As wide as the terminal, but at least ``needed``; a reader who has seen enough is the command line's to end."""

    def __init__(self, needed: int = 0) -> None:
        super().__init__(width=max(terminal_width() or UNFOLDED, needed), highlight=False)

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


def show_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A table without rows is a line that says so.

    Columns that begin with ``>`` hold numbers, with ``!`` names: neither is ever broken. ``?`` is a column that goes
    where there is no room, the last one first; all others are folded between words. A venue that all names of
    instruments begin with is said in the title instead.
    """
    names, cells = list(columns), [list(row) for row in rows]
    if not cells:
        NodeConsole().print(Text(f"{title}: none"))
        return
    title = _without_venue(title, names, cells)
    width = terminal_width() or UNFOLDED
    while (needed := _needed(names, cells)) > width and any(name.startswith("?") for name in names):
        last = max(place for place, name in enumerate(names) if name.startswith("?"))
        for line in (names, *cells):
            del line[last]
    table = Table(title=title, title_justify="left", box=None, padding=(0, 1), pad_edge=False)
    for name in names:
        table.add_column(
            name.lstrip(MARKS),
            justify="right" if ">" in name[:2] else "left",
            overflow="fold",
            no_wrap=_is_whole(name),
        )
    for line in cells:
        table.add_row(*(Text(cell, style=COLOURS.get(cell, "")) for cell in line))
    NodeConsole(needed).print(table)


def _is_whole(name: str) -> bool:
    return bool({">", "!"} & set(name[:2]))


def _needed(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> int:
    """Characters without which a name or a number would be broken."""
    width = -2
    for place, name in enumerate(columns):
        cells = [name.lstrip(MARKS), *(row[place] for row in rows)]
        parts = cells if _is_whole(name) else [word for cell in cells for word in cell.split()]
        width += 2 + max(map(cell_len, parts), default=0)
    return width


def _without_venue(title: str, columns: list[str], rows: list[list[str]]) -> str:
    """``title``, with the venue where all instruments are of one; its name goes from ``rows`` then."""
    if "!instrument" not in columns:
        return title
    place = columns.index("!instrument")
    venues = {row[place].partition(":")[0] if ":" in row[place] else "" for row in rows}
    if len(venues) > 1 or "" in venues:
        return title
    for row in rows:
        row[place] = row[place].partition(":")[2]
    return f"{title} ({venues.pop()})"


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


def set_by(one: wire.Scoped) -> str:
    """Behind a trading state: who or what set it, and why."""
    return f", by {one.why}" if one.why else ", from before this run"
