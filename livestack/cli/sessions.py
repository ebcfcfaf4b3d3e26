"""``livestack sessions``: what a data directory holds."""

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
from livestack.cli.parameters import data_dir_option
from livestack.journal.directory import DataDirectory
from livestack.journal.sessions import SessionInfo, list_sessions
from livestack.summary import rfc3339

PIPE_WIDTH = 200  # characters; nothing is folded in what another program reads

_COLOURS = {"running": "green", "stopped": "default", "interrupted": "yellow", "damaged": "red"}


@click.command()
@data_dir_option
@click.option("--json", "as_json", is_flag=True, help="One JSON list.")
def sessions(data_dir: Path | None, as_json: bool) -> None:
    """List the sessions of the data directory and how each ended."""
    directory = DataDirectory(data_directory(data_dir))
    infos = list_sessions(directory)
    if as_json:
        click.echo(msgspec.json.encode([_plain(info) for info in infos]))
        return
    if not infos:
        click.echo(f"no session in {directory.path}; livestack start makes one", err=True)
        return
    table = Table(box=SIMPLE)
    for name in ("session", "state", "strategy", "last seq", "started", "last Event"):
        table.add_column(name, justify="right" if name == "last seq" else "left", overflow="fold")
    for info in infos:
        plain = _plain(info)
        state = f"[{_COLOURS[info.state]}]{info.state}[/]"
        table.add_row(
            escape(info.session),
            state,
            escape(info.strategy.rpartition(":")[2]),
            f"{info.last_seq:,}",
            str(plain["started"]),
            str(plain["last"]),
        )
    Console(width=None if sys.stdout.isatty() else PIPE_WIDTH).print(table)


def _plain(info: SessionInfo) -> dict[str, object]:
    return {
        "session": info.session,
        "state": info.state,
        "strategy": info.strategy,
        "first_seq": info.first_seq,
        "last_seq": info.last_seq,
        "started": rfc3339(info.started_ns) if info.started_ns else "",
        "last": rfc3339(info.last_ns) if info.last_ns else "",
    }
