"""``livestack sessions``: what a data directory holds."""

from __future__ import annotations

import sys
from pathlib import Path

import click
import msgspec
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from livestack.cli.main import data_directory
from livestack.cli.parameters import data_dir_option
from livestack.core.types import format_decimal
from livestack.journal.directory import DataDirectory
from livestack.journal.sessions import SessionInfo, list_sessions
from livestack.summary import rfc3339

PIPE_WIDTH = 200  # characters; nothing is folded in what another program reads

_COLOURS = {
    "running": "green",
    "stopped": "default",
    "interrupted": "yellow",
    "abandoned": "yellow",
    "damaged": "red",
}


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
    table = Table(box=None, padding=(0, 1), pad_edge=False, collapse_padding=True)
    for name in ("session", "state", "strategy"):
        table.add_column(name, overflow="fold", no_wrap=name != "strategy")
    for name in ("positions", "parts", "size", "lasted"):
        table.add_column(name, justify="right", no_wrap=True)
    for info in infos:
        table.add_row(
            escape(info.session),
            f"[{_COLOURS[info.state]}]{info.state}[/]",
            escape(info.strategy.rpartition(":")[2]),
            f"{info.first_seq:,}-{info.last_seq:,}" if info.last_seq else "none",
            str(info.segments),
            size(info.bytes),
            duration(max(info.last_ns - info.started_ns, 0)) if info.started_ns else "",
        )
    Console(width=None if sys.stdout.isatty() else PIPE_WIDTH).print(table)
    for info in infos:
        if info.damage:
            click.secho(f"{info.session}: {info.damage}", fg="red", err=True)
        if info.quarantined:
            click.secho(f"{info.session}: {info.quarantined} in quarantine", fg="yellow", err=True)


def size(count: int) -> str:
    """Bytes for people: ``24.1 MB``."""
    power = min((len(str(count)) - 1) // 3, 3)
    if not power:
        return f"{count} B"
    return f"{format_decimal(count // 10 ** (3 * power - 1), 1)} {('kB', 'MB', 'GB')[power - 1]}"


def duration(nanoseconds: int) -> str:
    """``12.3 s``, ``5:04`` minutes, ``1:02:03`` hours."""
    seconds = nanoseconds // 1_000_000_000
    if seconds < 60:
        return f"{seconds}.{nanoseconds // 100_000_000 % 10} s"
    minutes, seconds = divmod(seconds, 60)
    return f"{minutes}:{seconds:02}" if minutes < 60 else f"{minutes // 60}:{minutes % 60:02}:{seconds:02}"


def _plain(info: SessionInfo) -> dict[str, object]:
    return {
        "session": info.session,
        "state": info.state,
        "strategy": info.strategy,
        "first_seq": info.first_seq,
        "last_seq": info.last_seq,
        "started": rfc3339(info.started_ns) if info.started_ns else "",
        "last": rfc3339(info.last_ns) if info.last_ns else "",
        "segments": info.segments,
        "bytes": info.bytes,
        "damage": info.damage,
        "quarantined": info.quarantined,
    }
