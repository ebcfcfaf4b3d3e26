"""``livestack replay --step``: one input Event with all that was derived from it, each time Enter is pressed.

A number goes on by so many at once and shows the last of them, ``q`` or the end of the input ends it. Answers may come
from a pipe.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator

import click
from rich.console import Console
from rich.markup import escape

from livestack.core.describe import describe_event
from livestack.core.events import CONTROL_EVENTS, EXECUTION_EVENTS, Recorded
from livestack.core.types import Origin
from livestack.summary import rfc3339

HELP = "Enter: the next one, a number: so many at once, q: quit"


def step_through(records: Iterable[Recorded], console: Console) -> None:
    """Show what is asked for; ends with the records, or when the answers do."""
    if sys.stdin.isatty():
        click.secho(HELP, dim=True, err=True)
    ahead = 1
    for group in groups(records):
        ahead -= 1
        if ahead:
            continue
        for record in group:
            show_record(console, record)
        ahead = ask()
        if not ahead:
            return


def groups(records: Iterable[Recorded]) -> Iterator[list[Recorded]]:
    """Each input Event with what was derived from it."""
    group: list[Recorded] = []
    for record in records:
        if record.origin is Origin.INPUT and group:
            yield group
            group = []
        group.append(record)
    if group:
        yield group


def ask() -> int:
    """How many to go on by; 0 for the end."""
    while True:
        if sys.stdin.isatty():
            click.secho("> ", dim=True, nl=False, err=True)
        line = sys.stdin.readline()
        answer = line.strip().lower()
        if not line or answer in ("q", "quit"):
            return 0
        if not answer:
            return 1
        if answer.isdigit() and int(answer):
            return int(answer)
        click.secho(HELP, fg="yellow", err=True)


def show_record(console: Console, record: Recorded) -> None:
    """One Event: position, time, name, fields; what was derived is indented."""
    event = describe_event(record.event) or {}
    name = event.pop("event")
    fields = "  ".join(f"[dim]{key}=[/]{escape(str(value))}" for key, value in event.items())
    if record.origin is Origin.DERIVED:
        console.print(f"  [green]-> {record.seq:,} {name}[/]  {fields}", highlight=False, soft_wrap=True)
        return
    colour = "cyan" if type(record.event) in EXECUTION_EVENTS else "default"
    colour = "yellow" if type(record.event) in CONTROL_EVENTS else colour
    console.print(
        f"[bold {colour}]{record.seq:,} {name}[/]  [dim]{rfc3339(record.ts)}[/]  {fields}",
        highlight=False,
        soft_wrap=True,
    )
