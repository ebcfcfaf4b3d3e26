"""How ``timeline`` and ``why`` show a list of steps: a line each, with time and kind, that fits any width."""

from __future__ import annotations

import sys
from collections.abc import Iterable

import click
import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from livestack.core.types import format_decimal

PIPE_WIDTH = 200
"""Columns where nobody looks at a terminal."""


def print_list(items: Iterable[msgspec.Struct]) -> None:
    """One JSON list, written as it comes: memory does not depend on its length."""
    click.echo("[", nl=False)
    for number, item in enumerate(items):
        click.echo((b",\n" if number else b"") + msgspec.json.encode(item), nl=False)
    click.echo("]")


class StepsConsole(Console):
    """A console whose reader may have seen enough: that is the command line's to end, and no failure."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


def console_for_steps() -> Console:
    """As wide as the terminal, or as lines may be in a pipe."""
    return StepsConsole(width=None if sys.stdout.isatty() else PIPE_WIDTH, highlight=False)


def print_step(console: Console, seq: int, after_ns: int, kind: str, text: str, colour: str) -> None:
    """Time since the first step, position, kind, sentence."""
    row = Table.grid(padding=(0, 1))
    row.add_column(width=12, justify="right", style="dim")
    row.add_column(width=9, justify="right", style="dim")
    row.add_column(width=13)
    row.add_column(overflow="fold")
    row.add_row(elapsed(after_ns), f"{seq:,}", Text(kind, style=f"bold {colour}"), Text(text))
    console.print(row)


def elapsed(nanoseconds: int) -> str:
    """``+1.250000`` seconds, ``+1:02:03.250`` from an hour on."""
    seconds, rest = divmod(nanoseconds // 1_000, 1_000_000)
    if seconds < 3600:
        return f"+{format_decimal(seconds * 1_000_000 + rest, 6)}"
    hours, seconds = divmod(seconds, 3600)
    return f"+{hours}:{seconds // 60:02}:{seconds % 60:02}.{rest // 1000:03}"
