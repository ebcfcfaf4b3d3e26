"""``livestack start``: run a session. Prints its summary on stdout when it ends; everything else goes to stderr."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import msgspec
from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table

from livestack.cli.outcome import show
from livestack.cli.parameters import DURATION, data_dir_option
from livestack.cli.progress import LateBar
from livestack.core.events import IntentDispatched, OrderFill
from livestack.node.app import Process, run
from livestack.node.beginning import Recovery
from livestack.node.composition import Node
from livestack.settings import load
from livestack.telemetry import logs


@click.command()
@click.option(
    "-c", "--config", "path", type=click.Path(path_type=Path), required=True, help="The session's TOML file."
)
@click.option(
    "--for", "duration_ns", type=DURATION, default=0, help="Stop in order after this long, e.g. 30s."
)
@click.option(
    "--live", is_flag=True, help="Allow venues that are not on this machine: real orders, real money."
)
@click.option(
    "--recover",
    "recovery",
    type=click.Choice(["resume", "halt"]),
    default="resume",
    show_default=True,
    help="A session that was interrupted goes on as configured, or HALTED.",
)
@click.option(
    "--accept",
    metavar="SESSION",
    default="",
    help="You have looked at SESSION, which could not be resumed: trade on without it.",
)
@click.option(
    "--standby", is_flag=True, help="Wait for `livestack session start` before anything is connected."
)
@click.option("--json", "as_json", is_flag=True, help="Print the summary as one JSON object.")
@data_dir_option
def start(
    data_dir: Path | None,
    path: Path,
    duration_ns: int,
    live: bool,
    recovery: Recovery,
    accept: str,
    standby: bool,
    as_json: bool,
) -> None:
    """Run a trading session until it is stopped (Ctrl-C, SIGTERM) or --for is over.

    If the last session of the data directory was interrupted, and began with the same configuration and strategy, it is
    verified, replayed, reconciled with the venues, and goes on.
    """
    settings, configuration = load(path, os.environ)
    if data_dir is not None:
        settings = msgspec.structs.replace(settings, data_dir=str(data_dir))
    logs.begin(settings.log, Path(settings.data_dir))
    logs.bind(node=settings.node.name)
    if live:
        click.secho("LIVE: this session sends real orders with real money.", fg="red", bold=True, err=True)
    process = Process(
        settings=settings,
        configuration=configuration,
        environment=os.environ,
        duration_ns=duration_ns,
        live=live,
        recovery=recovery,
        accept=accept,
        standby=standby,
        recovering=LateBar("recovering"),
    )
    try:
        summary = run(process, lambda node: watch(node, duration_ns))
    finally:
        logs.flush()  # what is said of the end stands behind the last line of the log
    if as_json:
        click.echo(msgspec.json.encode(summary))
    else:
        show(summary)
    if summary.exit:
        click.secho(f"livestack: {summary.reason}", fg="red", err=True)
    sys.exit(summary.exit)


@contextmanager
def watch(node: Node, duration_ns: int) -> Iterator[None]:
    """A line on stderr that lives with the session, where that is a terminal. It reads counters and nothing else."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield
        return
    began = time.monotonic()

    def line() -> Table:
        counts, elapsed = node.progress.counts, time.monotonic() - began
        grid = Table.grid(padding=(0, 2))
        if duration_ns:
            grid.add_column(width=20)
        cells = [ProgressBar(total=duration_ns / 1e9, completed=elapsed, width=20)] if duration_ns else []
        grid.add_row(
            *cells,
            f"{elapsed:.0f} s",
            f"{node.progress.committed:,} Events",
            f"{counts.get(IntentDispatched, 0):,} dispatches",
            f"{counts.get(OrderFill, 0):,} fills",
        )
        return grid

    with Live(get_renderable=line, console=console, refresh_per_second=4, transient=True):
        yield
