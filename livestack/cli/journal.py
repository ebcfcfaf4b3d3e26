"""``livestack journal``: what is on disk of a session, and whether it is what was written."""

from __future__ import annotations

import sys
from pathlib import Path

import click
import msgspec
from rich.box import SIMPLE
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from livestack.cli.main import data_directory
from livestack.cli.parameters import data_dir_option, session_argument
from livestack.cli.progress import progress_bar
from livestack.cli.sessions import size
from livestack.journal.check import JournalCheck, bytes_of, check_journal
from livestack.journal.directory import DataDirectory
from livestack.journal.segment import first_seq_of, segments_of
from livestack.journal.sessions import resolve

EXIT_DAMAGED = 6

BYTES_PER_EVENT = 150
"""About; only for a bar's end."""


@click.group()
def journal() -> None:
    """Check what is on disk."""


@journal.command()
@session_argument
@data_dir_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def check(session: str, data_dir: Path | None, as_json: bool) -> None:
    """Check every segment and snapshot of SESSION (or "latest"): structure, checksums, hash chain. Changes nothing."""
    directory = DataDirectory(data_directory(data_dir))
    name, live = resolve(directory, session)
    segments = segments_of(directory.sessions, name)
    first = first_seq_of(segments[0]) if segments else 1
    newest = sum(bytes_of(segment) for segment in segments[-1:])
    last = (first_seq_of(segments[-1]) if segments else 1) + newest // BYTES_PER_EVENT
    with progress_bar("checking", first, last) as progress:
        found = check_journal(directory.sessions, name, live, progress)
    if as_json:
        click.echo(msgspec.json.encode(found))
    else:
        _print(found)
    sys.exit(EXIT_DAMAGED if found.damaged else 0)


def _print(found: JournalCheck) -> None:
    console = Console(highlight=False)
    table = Table(box=SIMPLE, padding=(0, 1))
    for name in ("first seq", "last seq", "size"):
        table.add_column(name, justify="right", no_wrap=True)
    for name in ("sealed", "check", "snapshots"):
        table.add_column(name)
    for part in found.parts:
        table.add_row(
            f"{part.first_seq:,}",
            f"{part.last_seq:,}",
            size(part.bytes),
            "yes" if part.clean else "no",
            "[green]as written[/]" if part.ok else "[red]damaged[/]",
            str(len(part.snapshots)),
        )
    console.print(table)
    for one in found.damaged:
        where = f" at seq {one.seq:,}" if one.seq else ""
        console.print(f"[red]damaged[/]: {one.segment}{where}: {escape(one.what)}")
    for held in found.quarantined:
        console.print(f"[yellow]in quarantine[/]: {escape(held.segment)}: {escape(held.why)}")
    if found.first_seq > 1:
        console.print(f"the journal begins at seq {found.first_seq:,}: what was before is gone")
    state = "[green]as written[/]" if found.chain_ok else "[red]broken[/]"
    segments = f"{found.segments} segment{'s' if found.segments != 1 else ''}"
    console.print(f"{found.session}: {segments}, {found.events:,} Events, hash chain {state}")
